"""The exception for all errors that the user can correct, the warning about input that is used although damaged, notes.

The command line prints the message of each as a single line. The exception ends it with code 2; it is a `ValueError`,
so that general code can catch it without importing auricle.
"""

from __future__ import annotations

import os
import re
import sys

_LONGEST = 200  # characters of a name in a message or a table
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class AuricleError(ValueError):
    """An invalid input; the message quotes the invalid value and says what is valid."""


class AuricleWarning(UserWarning):
    """A damaged or left-out input that does not stop the work; the command line then exits with code 3."""


def note(text: str) -> None:
    """Print advice that is no damage, as one line on standard error."""
    print(without_controls(f"note: {text}"), file=sys.stderr, flush=True)


def shown_path(path: str | os.PathLike[str]) -> str:
    """A path as text without control characters; bytes that are not UTF-8 are shown as \\xNN."""
    return without_controls(os.fsdecode(path))


def without_controls(text: str) -> str:
    """The text with escapes such as \\n and \\x1b for control characters, which a terminal would obey.

    A byte that is not UTF-8 is shown as \\xNN.
    """
    return _CONTROLS.sub(escaped, text)


def lines_without_controls(text: str) -> str:
    """`without_controls` of each line; line breaks stay."""
    return "\n".join(map(without_controls, text.split("\n")))


def escaped(found: re.Match[str]) -> str:
    """The escape for a character, or for the byte that a surrogate stands for."""
    code = ord(found[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else found[0].encode("unicode_escape").decode()


def first_line(error: BaseException) -> str:
    """The first line of an error's message, without a colon at its end."""
    return str(error).strip().partition("\n")[0].rstrip(":")


def shortened(text: str) -> str:
    """The text, or its beginning and an ellipsis where it has over 200 characters, as a label that is a transcript."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def some_of(names: tuple[str, ...], limit: int) -> str:
    """The first `limit` names, and the number of the others: 'a, b and 3 more'."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def counted(count: int, thing: str) -> str:
    """A number with its noun: '1 clip', '2 clips', '2 classes'."""
    return f"{count} {thing if count == 1 else thing + ('es' if thing.endswith('s') else 's')}"


def those_counted(count: int, thing: str) -> str:
    """`counted` with its verb: '1 clip is', '2 clips are'."""
    return f"{counted(count, thing)} {'is' if count == 1 else 'are'}"


def duration_text(seconds: float) -> str:
    """A duration in the unit that suits it: '3.5 s', '12 min', '2.3 h'."""
    size, unit = next((pair for pair in ((3600, "h"), (60, "min")) if seconds >= 2 * pair[0]), (1, "s"))
    value = seconds / size
    return f"{value:.2g} {unit}" if value < 99.5 else f"{value:.0f} {unit}"
