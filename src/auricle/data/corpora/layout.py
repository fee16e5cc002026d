"""Building blocks of corpus adapters: manifest rows, published counts, and functions to read a folder layout."""

from __future__ import annotations

import csv
import hashlib
import inspect
import io
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from auricle.errors import AuricleError
from auricle.readers import read_text
from auricle.registry import Registry, unknown_name

AUDIO_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a")
LARGEST_TABLE = 2**30  # bytes


@dataclass(frozen=True)
class CorpusRow:
    """One clip of a corpus: `path` relative to the corpus, labels joined by ";", times in seconds.

    `noisy` is the path of the noisy version, if the corpus has one; `speaker` and `session` are set for corpora that
    are usually evaluated with folds over speakers.
    """

    path: str
    label: str
    split: str | None = None
    fold: int | None = None
    group: str | None = None
    start: float | None = None
    end: float | None = None
    noisy: str | None = None
    speaker: str | None = None
    session: str | None = None


@dataclass(frozen=True)
class Published:
    """The size of a corpus according to a publication.

    Args:
        counts: clips per split; the key "all" is the whole corpus. Empty if no counts are published.
        n_classes: number of classes, None if it is not published.
        source: the paper or page with these numbers.
        note: a remark for comparisons with papers.
        when: values of the adapter's options for which these numbers hold, by option.
    """

    counts: Mapping[str, int]
    n_classes: int | None
    source: str
    note: str = ""
    when: Mapping[str, object] = field(default_factory=dict)


Adapter = Callable[..., list[CorpusRow]]

CORPORA: Registry[list[CorpusRow]] = Registry("corpus")
_PUBLISHED: dict[str, tuple[Published, ...]] = {}
_KNOWN_BY: dict[str, str] = {}


def corpus(name: str, *published: Published, known_by: str = "") -> Callable[[Adapter], Adapter]:
    """Decorator: register an adapter `(root, **options) -> list[CorpusRow]` with the published size of its corpus.

    `known_by` is a pattern of files that only a copy of this corpus has; none for a corpus that can also be read as a
    folder of class folders.
    """
    _PUBLISHED[name] = published
    if known_by:
        _KNOWN_BY[name] = known_by
    return CORPORA.register(name)


def corpus_of(root: Path) -> str | None:
    """The name of the corpus that the folder is a copy of, or None."""
    return next((name for name, pattern in _KNOWN_BY.items() if any(root.glob(pattern))), None)


def corpus_name(name: str) -> str:
    """The name of the corpus that `name` stands for: its case, hyphens and underscores do not matter, as in ESC50."""
    names = {_letters(known): known for known in CORPORA}
    return names.get(_letters(name), name)


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


def published_counts(name: str, **options: Any) -> Published | None:
    """The published size of the corpus `name` with the adapter's `options`, or None."""
    chosen = {k: p.default for k, p in inspect.signature(CORPORA[name]).parameters.items()} | options
    fitting = (p for p in _PUBLISHED.get(name, ()) if all(chosen.get(k) == v for k, v in p.when.items()))
    return next(fitting, None)


def require(root: Path, corpus_name: str, *names: str) -> None:
    """Raise `AuricleError` unless each of `names` is a file or folder below `root`."""
    for name in names:
        if not (root / name).exists():
            raise AuricleError(
                f"{str(root)!r} does not hold {corpus_name}: {name!r} is missing; "
                f"give the folder that holds {', '.join(names)}"
            )


def one_of(what: str, value: str, choices: Iterable[str]) -> str:
    """Return `value`; raises an `AuricleError` that lists `choices` unless it is one of them."""
    known = tuple(choices)
    if value not in known:
        raise AuricleError(unknown_name(what, value, known))
    return value


def audio_files(root: Path, folder: str = "", suffixes: tuple[str, ...] = AUDIO_SUFFIXES) -> list[str]:
    """All audio files below `root/folder`, sorted, as paths relative to `root` with forward slashes."""
    found = []
    for parent, _, names in os.walk(root / folder, followlinks=True):
        relative = Path(parent).relative_to(root).as_posix()
        prefix = "" if relative == "." else relative + "/"
        found += [prefix + name for name in names if name.lower().endswith(suffixes)]
    return sorted(found)


def open_text(path: Path) -> io.StringIO:
    """A text file of at most `LARGEST_TABLE` bytes, line by line, as `csv` takes it."""
    return io.StringIO(read_text(path, LARGEST_TABLE), newline="")


def read_table(path: Path, columns: Iterable[str], delimiter: str = ",") -> list[dict[str, str]]:
    """The rows of a text table with a header; raises `AuricleError` unless the header has all `columns`."""
    columns = tuple(columns)
    reader = csv.DictReader(open_text(path), delimiter=delimiter, skipinitialspace=True)
    try:
        header, rows = reader.fieldnames or [], list(reader)
    except csv.Error as error:
        raise AuricleError(f"{str(path)!r}: not a table that can be read: {error}") from None
    for column in columns:
        if column not in header:
            raise AuricleError(f"{str(path)!r} has no column {column!r}; its header is {', '.join(header) or 'empty'}")
    for number, row in enumerate(rows, start=1):
        missing = [column for column in columns if row[column] is None]
        if missing:
            raise AuricleError(f"{str(path)!r}: row {number} has no {missing[0]}")
    return rows


def read_lines(path: Path) -> list[str]:
    """The non-blank lines of a text file, stripped."""
    return [line.strip() for line in read_text(path, LARGEST_TABLE).splitlines() if line.strip()]


def row_in_fold(path: str, item: Mapping[str, str], *, label: str, group: str) -> CorpusRow:
    """The row of a table's `item`, whose fold is in its column fold; `label` and `group` are names of columns."""
    fold = item["fold"]
    if not fold.isdecimal():
        raise AuricleError(f"the fold of {Path(path).name} is {fold!r}: it should be a whole number")
    return CorpusRow(path, item[label], fold=int(fold), group=item[group])


def fixed_split(key: str, *, valid_percent: int, test_percent: int) -> str:
    """A reproducible split of `key` for a corpus without a published one; it depends on the arguments only.
    The first eight bytes of the SHA-256 of `key`, as a big-endian number modulo 100, give "test" below `test_percent`,
    "valid" below `test_percent + valid_percent`, else "train".
    """
    position = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % 100
    if position < test_percent:
        return "test"
    return "valid" if position < test_percent + valid_percent else "train"
