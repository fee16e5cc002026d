"""Labels that a person cannot tell apart, and labels with characters that cannot be seen."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable

from auricle.errors import AuricleError, shown_path
from auricle.identity import folded, joined

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−⁃﹘﹣－"), "-")
_QUOTES = dict.fromkeys(map(ord, "‘’‚‛′ʼʹ`´＇"), "'") | dict.fromkeys(map(ord, "“”„‟″＂"), '"')
_LATIN = str.maketrans(
    "АВЕЅІЈКМНОРСТУХаеѕіјорсухһΑΒΕΖΗΙΚΜΝΟΡΤΥΧον",  # Cyrillic and Greek letters
    "ABESIJKMHOPCTYXaesijopcyxhABEZHIKMNOPTYXov",
)
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"  # letters and marks without a glyph
_LISTED = 3


def is_invisible(character: str) -> bool:
    """Whether a character has no glyph of its own: control and format characters, blank letters, and the like."""
    if character in _BLANK or _is_variation(character):
        return True
    return unicodedata.category(character) in ("Cc", "Cf") and not character.isspace()


def appearance(label: str) -> str:
    """What a label looks like: the same for labels that differ only in what a person does not see.

    That is case, Unicode form, the kind and number of spaces, the kind of dashes and quotation marks, and invisible
    characters.
    """
    plain = unicodedata.normalize("NFKC", label.translate(_DASHES | _QUOTES)).translate(_DASHES | _QUOTES)
    return folded(" ".join("".join(char for char in plain if not is_invisible(char)).split()))


def lookalikes(labels: Iterable[str]) -> list[tuple[str, ...]]:
    """The groups of two or more labels that look alike; Cyrillic and Greek letters may look Latin."""
    names = sorted(set(labels))
    looks = [appearance(name) for name in names]
    letters = [appearance(name.translate(_LATIN)) for name in names]
    groups: dict[str, list[str]] = {}
    alike = joined([*names, *names], [*looks, *(f"in Latin: {text}" for text in letters)])
    for name, first in zip(names, alike, strict=False):
        groups.setdefault(first, []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def lookalike_of(label: str, known: Iterable[str]) -> str | None:
    """The first of the `known` labels that `label` looks like; None if there is none."""
    return next((name for name in known if any(label in group for group in lookalikes((label, name)))), None)


def told_apart(one: str, other: str) -> str:
    """Two labels that look alike, with the code points in which they differ."""
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    end = 0
    while end < min(len(one), len(other)) - start and one[len(one) - 1 - end] == other[len(other) - 1 - end]:
        end += 1
    parts = [text[start : len(text) - end] for text in (one, other)]
    return f"{one!r} and {other!r} ({_code_points(parts[0])} in the first, {_code_points(parts[1])} in the second)"


def label_errors(labels: Iterable[str]) -> list[tuple[str, str, frozenset[str]]]:
    """A code, a message and the labels concerned for each reason why these labels cannot be classes of one data set.

    These are labels that look alike ("lookalike-labels"), and labels with a control character or an invisible one at
    their start or end ("strange-label").
    """
    names = tuple(labels)
    found = []
    for name in names:
        strange = _strange(name)
        if strange:
            found.append(("strange-label", f"the label {name!r} {strange}: rename it", frozenset([name])))
    for group in lookalikes(names):
        more = f", and {len(group) - 2} more like them" if len(group) > 2 else ""
        message = f"labels that look alike: {told_apart(*group[:2])}{more}; give them one spelling"
        found.append(("lookalike-labels", message, frozenset(group)))
    return found


def refuse_label_errors(source: str | os.PathLike[str], labels: Iterable[str]) -> None:
    """Raise `AuricleError` with the first of the `label_errors`, if there is one."""
    errors = label_errors(labels)
    if errors:
        more = f" (and {len(errors) - 1} more: auricle check)" if len(errors) > 1 else ""
        raise AuricleError(f"{shown_path(source)}: {errors[0][1]}{more}")


def _strange(label: str) -> str:
    """Why a label has characters that it should not have; empty if it has none."""
    for char in label:
        if unicodedata.category(char) == "Cc":
            return f"has a control character ({_code_points(char)})"
    for char, does in ((label[:1], "begins"), (label[-1:], "ends")):
        if char and is_invisible(char) and not _is_variation(char):
            return f"{does} with an invisible character ({_code_points(char)})"
    return ""


def _is_variation(character: str) -> bool:
    """Whether a character chooses how the one before it is drawn, as in emoji."""
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def _code_points(text: str) -> str:
    if not text:
        return "nothing"
    points = " ".join(f"U+{ord(char):04X}" for char in text[:_LISTED])
    return points + (" …" if len(text) > _LISTED else "")
