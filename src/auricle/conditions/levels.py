"""Levels of a suite's cells in physical units: "babble, 5 dB" and "gain, −20 dB", never a severity's number alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

from auricle.conditions.suites import CLEAN, Cell

SNR = "Signal-to-noise ratio"


@dataclass(frozen=True)
class Level:
    """How strong the condition of a cell is.

    `value` is in `unit` and measures `quantity`; it is the middle of a range, and None where a condition has no number.
    `text` has the unit: "5 dB", "0 to 15 dB"; it is empty for a condition without parameters.
    """

    value: float | None = None
    quantity: str = ""
    unit: str = ""
    text: str = ""


class _Quantity(NamedTuple):
    parameter: str
    name: str
    unit: str
    scale: float = 1.0
    sign: str = ""


_OF_CONDITION = {
    "gain": _Quantity("gain_db", "Gain", "dB"),
    "gain-steps": _Quantity("gain_db", "Gain steps", "dB", sign="±"),
    "gain-transition": _Quantity("gain_db", "Change of gain", "dB"),
    "clipping": _Quantity("share", "Clipped samples", "%", 100.0),
    "low-pass": _Quantity("share", "Bandwidth kept", "%", 100.0),
    "resampling": _Quantity("rate_hz", "Sample rate", "Hz"),
    "reverberation": _Quantity("rt60_s", "Reverberation time", "s"),
    "packet-loss": _Quantity("rate", "Lost packets", "%", 100.0),
}
_OF_PARAMETER = (
    _Quantity("snr_db", SNR, "dB"),
    _Quantity("kbps", "Bit rate", "kbit/s"),
    _Quantity("quality", "Quality", ""),
)
_SUFFIXES = {"_db": "dB", "_dbfs": "dBFS", "_s": "s", "_ms": "ms", "_hz": "Hz", "_kbps": "kbit/s"}
_OTHER = 40  # characters of a value that is no number


def level(cell: Cell) -> Level:
    """The level of a cell; of a condition that is not known here, its first parameter with the unit of its name."""
    given = cell.parameters
    if cell.condition == "band-pass":
        return Level(text=f"{signed(given.get('low_hz', 300.0))} to {signed(given.get('high_hz', 3400.0))} Hz")
    own = _OF_CONDITION.get(cell.condition)
    found = [own] if own and own.parameter in given else [q for q in _OF_PARAMETER if q.parameter in given]
    quantity = next(iter(found), None) or _named({name: value for name, value in given.items() if name != "codec"})
    if quantity is None:
        return Level(text=str(given.get("codec", "")))
    value = given[quantity.parameter]
    numbers = [quantity.scale * number for number in (value if _is_range(value) else [value]) if _is_number(number)]
    if not numbers:
        return Level(text=f"{quantity.name} {value}"[:_OTHER])
    shown = quantity.sign + " to ".join(signed(number) for number in dict.fromkeys(numbers))
    parts = [str(given["codec"])] if "codec" in given else []
    return Level(
        sum(numbers) / len(numbers), quantity.name, quantity.unit, " ".join([*parts, shown, quantity.unit]).strip()
    )


def corruption_text(name: str) -> str:
    """A corruption in words: "white noise" for `white`, likewise `coloured`, the others as they are called."""
    return f"{name} noise" if name in ("white", "coloured") else name


def cell_text(cell: Cell) -> str:
    """A cell in words: "clean", "babble, 5 dB", "white noise, 0 dB"."""
    if cell.corruption == CLEAN:
        return CLEAN
    text, name = level(cell).text, corruption_text(cell.corruption)
    return f"{name}, {text}" if text else name


def cell_texts(cells: Iterable[Cell]) -> dict[str, str]:
    """The text of each cell by its name; cells that would be called alike are followed by their names."""
    texts = {cell.name: cell_text(cell) for cell in cells}
    counts = Counter(texts.values())
    return {name: text if counts[text] == 1 else f"{text} ({name})" for name, text in texts.items()}


def signed(number: float, form: str = "g") -> str:
    """A number with a true minus sign; infinity is ∞."""
    return format(number, form).replace("-", "−").replace("inf", "∞")


def true_minus(text: str) -> str:
    """`text` with true minus signs before its numbers: "gaussian −5 dB"."""
    return re.sub(r"(?<!\S)-(?=\d)", "−", text)


def _named(parameters: Any) -> _Quantity | None:
    """The first parameter, and the unit that its name ends with."""
    for name in parameters:
        suffix = next((end for end in _SUFFIXES if name.endswith(end)), "")
        words = name.removesuffix(suffix).replace("_", " ")
        return _Quantity(name, words.capitalize(), _SUFFIXES.get(suffix, ""))
    return None


def _is_range(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
