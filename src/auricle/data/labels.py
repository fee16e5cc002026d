"""Labels that a person cannot tell apart, and labels with characters that cannot be seen."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from difflib import SequenceMatcher

from auricle.errors import AuricleError, shortened, shown_path
from auricle.identity import folded, joined

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−⁃﹘﹣－"), "-")
_QUOTES = dict.fromkeys(map(ord, "‘’‚‛′ʻʼʹ`´＇"), "'") | dict.fromkeys(map(ord, "“”„‟″＂"), '"')
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
    groups: dict[str, list[str]] = {}
    looks = [look for name in names for look in _looks(name)]
    for name, first in zip(names, joined([name for name in names for _ in range(2)], looks)[::2], strict=True):
        groups.setdefault(first, []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def mistaken(labels: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """The `labels` that are none of the `known` ones and look like one, with that one."""
    names = set(known)
    by_look = {look: name for name in sorted(names) for look in _looks(name)}
    found = {label: [by_look[look] for look in _looks(label) if look in by_look] for label in labels}
    return {label: alike[0] for label, alike in found.items() if alike and label not in names}


def _looks(label: str) -> tuple[str, str]:
    return appearance(label), f"in Latin: {appearance(label.translate(_LATIN))}"


def told_apart(one: str, other: str) -> str:
    """Two labels that look alike, with the code points in which they differ."""
    changes = [change for change in SequenceMatcher(None, one, other, False).get_opcodes() if change[0] != "equal"]
    first = _code_points("".join(one[start:end] for _, start, end, _, _ in changes))
    second = _code_points("".join(other[start:end] for _, _, _, start, end in changes))
    return f"{one!r} and {other!r} ({first} in the first, {second} in the second)"


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


def visible(text: str) -> str:
    """The text with escapes for control characters, invisible ones, and spaces other than the usual one."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def listable(label: str) -> str:
    """The label as it stands in a list that commas separate, `shortened`; in quotation marks if it has a comma."""
    label = shortened(label)
    return repr(label) if "," in label else label


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
