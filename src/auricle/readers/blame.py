"""Errors that the content of a file causes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from auricle.errors import AuricleError, first_line

_CAUSED = (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, NotImplementedError, RuntimeError)


@contextmanager
def blaming(path: str | os.PathLike[str], what: str) -> Iterator[None]:
    """Context manager for making something from a file's content whose structure only the maker knows.

    Errors that unexpected content causes, such as a missing entry, become an `AuricleError` that says that `path` is
    not `what`; an `AuricleError` stays as it is.
    """
    try:
        yield
    except AuricleError:
        raise
    except (*_CAUSED, TypeError, ValueError) as error:
        reason = first_line(error)
        name = type(error).__name__
        detail = f"no entry {reason}" if isinstance(error, KeyError) else reason or name
        raise AuricleError(f"{path}: damaged, or not {what} ({detail})") from error
