"""The exception for all errors that the user can correct, and the warning about input that is used although damaged.

The command line prints the message of either as a single line. The exception ends it with code 2; it is a `ValueError`,
so that general code can catch it without importing auricle.
"""

from __future__ import annotations

import os
import re

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class AuricleError(ValueError):
    """An invalid input; the message quotes the invalid value and says what is valid."""


class AuricleWarning(UserWarning):
    """A damaged or left-out input that does not stop the work; the command line then exits with code 3."""


def shown_path(path: str | os.PathLike[str]) -> str:
    """A path as text without control characters; bytes that are not UTF-8 are shown as \\xNN."""
    return without_controls(os.fsencode(os.fspath(path)).decode("utf-8", "backslashreplace"))


def without_controls(text: str) -> str:
    """The text with escapes such as \\n and \\x1b for control characters, which a terminal would obey."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, without a colon at its end."""
    return str(error).strip().partition("\n")[0].rstrip(":")
