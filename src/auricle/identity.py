"""Identity of files and results: content digests, cache keys and a cache; unique file names and display names.

Files are identified by the digest of their content, cached results by a key of everything that they depend on. Names
are for display only and identify nothing.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import stat
import struct
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from auricle.errors import AuricleError
from auricle.files import replacing
from auricle.progress import track
from auricle.version import __version__

M = TypeVar("M")
T = TypeVar("T")
K = TypeVar("K", str, tuple[str, str])

_BLOCK = 2**20
_SETTLED_NS = 2 * 10**9  # a file changed more recently could change again without a new time stamp
_known: dict[str, tuple[tuple[int, ...], str]] = {}


def file_digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 of the content of a file, hexadecimal.

    Within a process a file is read again only if its path, inode, size, modification or change time has changed.
    Raises `AuricleError` if the file does not exist or cannot be read.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise AuricleError(f"{path}: not a file")
            place, state = os.path.realpath(path), _state(before)
            known = _known.get(place)
            if known is not None and known[0] == state:
                return known[1]
            digest = hashlib.sha256()
            while block := file.read(_BLOCK):
                digest.update(block)
            if _settled(before) and _state(os.fstat(file.fileno())) == state:
                _known[place] = state, digest.hexdigest()
            return digest.hexdigest()
    except FileNotFoundError:
        raise AuricleError(f"{path}: there is no such file") from None
    except OSError as error:
        raise AuricleError(f"{path}: cannot be read ({error.strerror})") from None


def _without_waiting(path: str, flags: int) -> int:
    """Open for reading without blocking on a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _state(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def file_state(path: str | os.PathLike[str]) -> tuple[int, ...] | None:
    """Device, inode, size, modification and change time, by which an unchanged file is recognised without reading it.

    None if this is not reliable: the file changed a moment ago, or the system does not record the time of change.
    """
    try:
        status = os.stat(path)
    except OSError:
        return None
    return _state(status) if _settled(status) else None


def remember_digest(path: str, state: tuple[int, ...], digest: str) -> None:
    """Let `file_digest` return `digest` for `path` as long as its `file_state` is `state`."""
    _known.setdefault(path, (state, digest))


def _settled(status: os.stat_result) -> bool:
    """Whether any later change of the file would change its state."""
    age_ns = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns)
    return os.name == "posix" and age_ns > _SETTLED_NS


def file_digests(paths: Iterable[Path], progress: bool = False) -> dict[Path, str]:
    """`file_digest` of every file, computed in parallel; with a progress bar if `progress`."""
    unique = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        digests = track(pool.map(file_digest, unique), "Reading files", total=len(unique), show=progress)
        return dict(zip(unique, digests, strict=True))


def same_contents(paths: Sequence[Path | None]) -> list[str]:
    """A string for each file; two files have the same string if and only if they have the same content.

    Only files of equal size are read. None and missing files have unique strings.
    """
    places = {path: os.path.realpath(path) for path in paths if path is not None}
    by_size: dict[int, set[str]] = defaultdict(set)
    for place in set(places.values()):
        if os.path.isfile(place):
            by_size[os.path.getsize(place)].add(place)
    digests = file_digests(Path(place) for alike in by_size.values() if len(alike) > 1 for place in sorted(alike))
    known = {str(path): digest for path, digest in digests.items()}
    return [
        f"{number}" if path is None else known.get(places[path], f"/{places[path]}")
        for number, path in enumerate(paths)
    ]


def joined(names: Sequence[K], contents: Sequence[str]) -> list[K]:
    """For each of `names` the first, in sorted order, of all names connected to it by equal `contents`."""
    parent = {name: name for name in names}

    def root(name: K) -> K:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    first: dict[str, K] = {}
    for name, content in zip(names, contents, strict=True):
        low, high = sorted((root(name), root(first.setdefault(content, name))))
        parent[high] = low
    return [root(name) for name in names]


def key_of(*values: Any) -> str:
    """A cache key: `digest_of` the values that a result depends on and the version of auricle."""
    return digest_of(__version__, *values)


def digest_of(*values: Any) -> str:
    """SHA-256 of plain values, hexadecimal: equal for equal values of equal types only.

    Plain values are None, bool, int, float, str, bytes, and lists, tuples and dictionaries of them. The order of a
    dictionary's entries does not matter, and NaN equals NaN. Raises `TypeError` for any other type, including
    subclasses.
    """
    return hashlib.sha256(_encoded(values)).hexdigest()


def _encoded(value: Any) -> bytes:
    """Encode `value` as bytes that include its type and length."""
    kind = type(value)
    if value is None:
        return b"0:"
    if kind is bool:
        return b"t:" if value else b"f:"
    if kind is int:
        return _framed(b"i", format(value, "x").encode())
    if kind is float:
        return b"d:" + (b"nan" + bytes(5) if math.isnan(value) else struct.pack(">d", value))
    if kind is str:
        return _framed(b"s", value.encode("utf-8", "surrogatepass"))
    if kind is bytes:
        return _framed(b"b", value)
    if kind is list or kind is tuple:
        items = [_encoded(item) for item in value]
        return b"%c%d:" % (b"l" if kind is list else b"u", len(items)) + b"".join(items)
    if kind is dict:
        pairs = sorted((_encoded(key), _encoded(item)) for key, item in value.items())
        return b"m%d:" % len(pairs) + b"".join(key + item for key, item in pairs)
    raise TypeError(f"a key is made of plain values, and {value!r} is a {kind.__name__}")


def _framed(tag: bytes, content: bytes) -> bytes:
    return tag + b"%d:" % len(content) + content


_MAX_STEM = 80  # characters
_MAX_STEM_BYTES = 160
_DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {f"{d}{i}" for d in ("com", "lpt") for i in range(10)}


def file_names(labels: Iterable[str], reserved: Iterable[str] = ()) -> dict[str, str]:
    """A unique file name without suffix for each label, also on file systems that ignore case or Unicode form.

    Letters, digits, `-`, `+` and `_` are kept, other characters become `_`. A name that would equal another or one of
    `reserved` (apart from case and Unicode form) gets 8 or more digits of the label's hash. Names have at most 225
    bytes and are allowed on all systems.
    """
    stems = {label: _stem(label) for label in labels}
    taken = {folded(name) for name in reserved} | _DEVICES
    together: dict[str, list[str]] = {}
    for label, stem in stems.items():
        together.setdefault(folded(stem), []).append(label)
    names: dict[str, str] = {}
    for form, sharing in together.items():
        exact = [label for label in sharing if label == stems[label]]
        owner = sharing if len(sharing) == 1 else exact if len(exact) == 1 else []
        if owner and form not in taken:
            names[owner[0]] = stems[owner[0]]
    taken |= {folded(name) for name in names.values()}
    for label in sorted(stems.keys() - names.keys()):
        digest = hashlib.sha256(label.encode("utf-8", "surrogatepass")).hexdigest()
        candidates = (f"{stems[label]}-{digest[:n]}" for n in range(8, len(digest) + 1))
        names[label] = next(name for name in candidates if folded(name) not in taken)
        taken.add(folded(names[label]))
    return {label: names[label] for label in stems}


def file_name(label: str) -> str:
    """The file name of one label alone, as `file_names` gives it."""
    return file_names([label])[label]


def _stem(label: str) -> str:
    """`label` reduced to letters, digits, `-`, `+` and `_`, and to a limited length."""
    plain = "".join(c if c.isalnum() or c in "-+_" else "_" for c in unicodedata.normalize("NFKC", label))
    plain = plain[:_MAX_STEM].encode()[:_MAX_STEM_BYTES].decode(errors="ignore")
    return re.sub(r"^[-+]", "_", plain) or "_"


def folded(name: str) -> str:
    """`name` without differences in case and Unicode form, which some file systems ignore."""
    for _ in range(2):
        name = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold().upper().casefold())
    return name


def display_names(titles: Sequence[str], folders: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Titles made unique by the corresponding `folders`: "mel, exp1/best" and "mel, exp2/best".

    Equal titles are followed by the shortest distinctive end of the folders' paths, or, if that is not enough, by a
    number.
    """
    parts = [Path(os.path.realpath(folder)).parts for folder in folders]
    shown = list(titles)
    for title, count in Counter(titles).items():
        if count > 1:
            places = [index for index, other in enumerate(titles) if other == title]
            longest = max(len(parts[index]) for index in places)
            suffixes = [[parts[index][-n:] for index in places] for n in range(1, longest + 1)]
            ends = max(suffixes, key=lambda ends: len(set(ends)))
            for index, end in zip(places, ends, strict=True):
                shown[index] = f"{title}, {Path(*end).as_posix()}"
    taken = {title for title, count in Counter(shown).items() if count == 1}
    for index, title in enumerate(shown):
        if title not in taken:
            number = next(k for k in range(1, len(shown) + len(taken) + 1) if f"{title} ({k})" not in taken)
            shown[index] = f"{title} ({number})"
            taken.add(shown[index])
    return shown


class Store:
    """A cache of files in a folder, by a key (`key_of`) of everything that a file depends on.

    Files are written atomically, so interruptions and parallel processes do no harm. Damaged files are made again.
    """

    def __init__(self, folder: str | os.PathLike[str], suffix: str) -> None:
        self.folder = Path(folder)
        self.suffix = suffix

    def path(self, key: str) -> Path:
        """The path of the file for `key`, which may not exist yet."""
        return self.folder / key[:2] / f"{key}{self.suffix}"

    def get(self, key: str, make: Callable[[], M], write: Callable[[Path, M], object], read: Callable[[Path], T]) -> T:
        """Read the file for `key`; if it is missing or `read` fails, make and write it first.

        `read` must raise an exception for a damaged file, as `read_array` and all readers of gzip do.
        """
        path = self.path(key)
        if path.is_file() and not path.is_symlink():
            try:
                return read(path)
            except Exception:  # readers raise various exceptions for damaged files
                pass
        made = make()
        with replacing(path) as partial:
            write(partial, made)
        return read(path)


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a NumPy file, followed by the SHA-256 of its content, which `np.load` ignores."""
    with open(path, "wb") as file:
        np.save(file, array)
    seal(path)


def read_array(path: Path, mmap: bool = False) -> np.ndarray:
    """Read an array written by `write_array`, or sealed by `seal`; raises `ValueError` if the file is damaged.

    With `mmap` the array is memory-mapped, read-only.
    """
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        left = os.fstat(file.fileno()).st_size - digest.digest_size
        while left > 0 and (block := file.read(min(_BLOCK, left))):
            digest.update(block)
            left -= len(block)
        if left != 0 or file.read() != digest.digest():
            raise ValueError(f"{path}: a damaged file")
    return np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)


def seal(path: Path) -> None:
    """Append the SHA-256 of a file's content to the file."""
    digest = hashlib.sha256()
    with open(path, "rb+") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
        file.write(digest.digest())
