"""The exception for all errors that the user can correct, and the warning about input that is used although damaged.

The command line prints the message of either as a single line. The exception ends it with code 2; it is a `ValueError`,
so that general code can catch it without importing auricle.
"""

from __future__ import annotations

import os


class AuricleError(ValueError):
    """An invalid input; the message quotes the invalid value and says what is valid."""


class AuricleWarning(UserWarning):
    """A damaged or left-out input that does not stop the work; the command line then exits with code 3."""


def shown_path(path: str | os.PathLike[str]) -> str:
    """A path as printable text; bytes that are not UTF-8 are shown as \\xNN."""
    return os.fsencode(os.fspath(path)).decode("utf-8", "backslashreplace")


def first_line(error: BaseException) -> str:
    """The first line of an error's message, without a colon at its end."""
    return str(error).strip().partition("\n")[0].rstrip(":")
