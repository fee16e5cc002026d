"""Fetching a published file: resumable, verified before use, from its address or a mirror."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from auricle.errors import AuricleError, first_line
from auricle.files import write_json
from auricle.published.table import PublishedFile
from auricle.readers import read_json
from auricle.version import __version__

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

ATTEMPTS = 5  # without a byte between them
_BLOCK = 2**20
_LARGEST = 2**34  # bytes of a file whose size is not known
_PAUSE_S = 0.5
_TIMEOUT_S = 30.0
_CUT = (http.client.HTTPException, ConnectionError, TimeoutError, urllib.error.URLError)


def offline() -> bool:
    """Whether nothing may be fetched, by `$AURICLE_OFFLINE`."""
    return os.environ.get("AURICLE_OFFLINE", "0") not in ("", "0")


def address_of(file: PublishedFile) -> str:
    """Where `file` is fetched from: the mirror of `$AURICLE_MIRROR`, which has it by its name, or its own address.

    Raises `AuricleError` for a file without an address, an address of another kind than http and https, and offline
    (`$AURICLE_OFFLINE`).
    """
    mirror = os.environ.get("AURICLE_MIRROR")
    address = f"{mirror.rstrip('/')}/{quote(file.name)}" if mirror else file.address
    if not address:
        raise AuricleError(f"{file.name} has no plain address: get it from {file.page}, and give it by --from FILE")
    if urlsplit(address).scheme not in ("http", "https"):
        raise AuricleError(f"{address}: an address begins with https:// or http://")
    if offline():
        raise AuricleError(f"{file.name} cannot be fetched offline (AURICLE_OFFLINE is set): give it by --from FILE")
    return address


def fetch(file: PublishedFile, folder: Path) -> Path:
    """Fetch `file` to `folder`, and return its path once it is verified.

    What was fetched before an interruption is kept, and the rest is asked for. Raises `AuricleError` if the file cannot
    be had, or is not the published one: then nothing of it is kept.
    """
    address = address_of(file)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{hashlib.sha256(address.encode()).hexdigest()[:16]}.part"
    failures = 0
    while True:
        before = _size(part)
        try:
            _fetch_rest(address, part, file)
            break
        except urllib.error.HTTPError as error:
            raise AuricleError(f"{address}: {error.code} {error.reason}") from None
        except _CUT as error:
            failures = failures + 1 if _size(part) <= before else 0
            if failures >= ATTEMPTS:
                reason = first_line(error) or type(error).__name__
                raise AuricleError(
                    f"{address}: the connection failed ({reason}) after {_size(part):,} bytes: the same command goes "
                    "on from there"
                ) from None
            time.sleep(_PAUSE_S * failures)
    try:
        verify(file, part, address)
    except AuricleError:
        _discard(part)
        raise
    return part


def verify(file: PublishedFile, path: Path, origin: str) -> None:
    """Raise `AuricleError` unless the content of `path`, from `origin`, has the size and checksums of `file`."""
    size = path.stat().st_size
    digests = {"SHA-256": hashlib.sha256(), "MD5": hashlib.md5(usedforsecurity=False)}
    digests["Git's SHA-1"] = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with open(path, "rb") as content:
        while block := content.read(_BLOCK):
            for digest in digests.values():
                digest.update(block)
    found: dict[str, Any] = {"size": size} | {name: digest.hexdigest() for name, digest in digests.items()}
    known = {"size": file.size, "SHA-256": file.sha256, "MD5": file.md5, "Git's SHA-1": file.git_blob}
    for name, value in known.items():
        if value and found[name] != value:
            raise AuricleError(
                f"{origin} is not the published {file.name}: its {name} is {found[name]}, not {value}; nothing is kept"
            )


def discard(folder: Path) -> None:
    """Remove what `fetch` has left in `folder`."""
    for part in folder.glob("*.part"):
        _discard(part)


def _fetch_rest(address: str, part: Path, file: PublishedFile) -> None:
    """Append to `part` what is missing of the file at `address`; raises one of `_CUT` if the connection ends early."""
    have, tag = _size(part), _tag(part)
    if have and not (tag or file.sha256 or file.md5 or file.git_blob):
        have = 0  # nothing would tell whether the file is the same
    request = urllib.request.Request(address, headers={"User-Agent": f"auricle/{__version__}"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        if tag:
            request.add_header("If-Range", tag)
    try:
        response = _opener().open(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        if have == file.size:
            return
        _discard(part)
        raise ConnectionError("the file is shorter than what was fetched before") from None
    with response:
        resumed = response.status == http.client.PARTIAL_CONTENT and _first_byte(response) == have
        have = have if resumed else 0
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdigit() else None
        limit = file.size or _LARGEST
        if total is not None and total > limit:
            raise AuricleError(f"{address}: {total:,} bytes, more than the {limit:,} of {file.name}")
        write_json(_facts(part), {"tag": response.headers.get("ETag") or response.headers.get("Last-Modified") or ""})
        with open(part, "ab" if resumed else "wb") as target:
            while block := response.read1(_BLOCK):
                have += len(block)
                if have > limit:
                    raise AuricleError(f"{address}: more than the {limit:,} bytes of {file.name}")
                target.write(block)
    if total is not None and have < total:
        raise ConnectionError("it ended early")


def _opener() -> urllib.request.OpenerDirector:
    """Opens http and https alone, through the environment's proxies: an address is never a file of this computer."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener


def _first_byte(response: Any) -> int:
    """The first byte of an answer with a part of a file, from its Content-Range; -1 if it does not say."""
    span = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(span) if span.isdigit() else -1


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _facts(part: Path) -> Path:
    return part.with_suffix(".json")


def _tag(part: Path) -> str:
    """By what the server tells versions of the file apart, as it said when `part` was begun."""
    try:
        return read_json(_facts(part), {"tag": str})["tag"]
    except AuricleError:
        return ""


def _discard(part: Path) -> None:
    for path in (part, _facts(part)):
        path.unlink(missing_ok=True)


@contextmanager
def one_at_a_time(folder: Path, name: str) -> Iterator[None]:
    """Context manager: wait until no other process works on `name` in `folder`, and keep others waiting meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f".{name}.lock", "w", encoding="utf-8") as lock:
        said = fcntl is None
        while fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not said:
                    print(f"{name}: another process is fetching it; waiting", flush=True)
                    said = True
                time.sleep(_PAUSE_S)
            except OSError:
                break  # a file system without locks
        with suppress(OSError):
            lock.write(json.dumps({"pid": os.getpid()}))
        yield
