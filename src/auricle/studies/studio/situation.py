"""A situation in the real world: a room, noise, a fault of the recording and a codec, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from auricle import audio
from auricle.conditions import SYNTHETIC, Condition, Material, create_condition
from auricle.conditions.codecs import CODECS
from auricle.conditions.levels import corruption_text, signed
from auricle.conditions.noises import NOISES
from auricle.errors import AuricleError
from auricle.registry import unknown_name
from auricle.studies.studio.sounds import Shelf, Sound

NONE = "none"
WITH_BITRATE, WITH_QUALITY = ("opus", "mp3"), ("vorbis",)


class Fault(NamedTuple):
    """A condition with one slider: what it is in words, its range, where it begins, and the condition's parameters."""

    words: str
    lowest: float
    highest: float
    step: float
    usual: float
    parameters: Callable[[float], dict[str, Any]]


FAULTS = {
    "clipping": Fault("Share of clipped samples", 0.0, 0.9, 0.01, 0.2, lambda value: {"share": value}),
    "gain": Fault("Gain (dB)", -60.0, 20.0, 1.0, -30.0, lambda value: {"gain_db": value}),
    "gain-blocks": Fault("Largest gain of a block (dB)", 0.0, 30.0, 1.0, 8.0, lambda value: {"gain_db": value}),
    "gain-steps": Fault("Largest step of the gain (dB)", 0.0, 30.0, 1.0, 8.0, lambda value: {"gain_db": value}),
    "gain-transition": Fault("Lowest gain (dB)", -60.0, 0.0, 1.0, -30.0, lambda value: {"gain_db": [value, 0.0]}),
    "low-pass": Fault("Cut-off, as a share of half the rate", 0.05, 1.0, 0.05, 0.25, lambda value: {"share": value}),
    "packet-loss": Fault("Share of lost packets", 0.0, 0.6, 0.01, 0.1, lambda value: {"rate": value}),
    "resampling": Fault("Sample rate (Hz)", 1000.0, 24000.0, 500.0, 8000.0, lambda value: {"rate_hz": int(value)}),
    "band-pass": Fault("", 0.0, 1.0, 1.0, 0.0, lambda _: {}),
    "room": Fault("", 0.0, 1.0, 1.0, 0.0, lambda _: {}),
}
"""Conditions other than noise, reverberation and codecs. Those without words have no slider."""


@dataclass(frozen=True)
class Situation:
    """Reverberation of `rt60_s` seconds (0: none), noise at `snr_db`, a fault of the given `amount`, and a codec.

    `kbps` is for opus and mp3, `quality` for vorbis. `seed` is that of all random draws.
    """

    noise: str = NONE
    snr_db: float = 10.0
    rt60_s: float = 0.0
    fault: str = NONE
    amount: float = 0.0
    codec: str = NONE
    kbps: float = 16.0
    quality: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        for what, name, known in (("noise", self.noise, NOISES), ("fault", self.fault, FAULTS),
                                  ("codec", self.codec, CODECS)):  # fmt: skip
            if name not in (NONE, *known):
                raise AuricleError(unknown_name(what, name, (NONE, *known)))

    def steps(self) -> list[tuple[str, dict[str, Any], str]]:
        """The conditions in their order: name, parameters, and what it is in words."""
        steps: list[tuple[str, dict[str, Any], str]] = []
        if self.rt60_s:
            steps.append(("reverberation", {"rt60_s": self.rt60_s}, f"reverberation of {self.rt60_s:g} s"))
        if self.noise != NONE:
            noise = corruption_text(self.noise)
            steps.append((self.noise, {"snr_db": self.snr_db}, f"{noise} at {signed(self.snr_db)} dB"))
        if self.fault != NONE:
            fault = FAULTS[self.fault]
            amount = f" ({fault.words[0].lower()}{fault.words[1:]}: {signed(self.amount)})" if fault.words else ""
            steps.append((self.fault, fault.parameters(self.amount), f"{self.fault}{amount}"))
        if self.codec in WITH_BITRATE:
            parameters = {"codec": self.codec, "kbps": self.kbps}
            steps.append(("codec", parameters, f"{self.codec} at {self.kbps:g} kbit/s"))
        elif self.codec in WITH_QUALITY:
            parameters = {"codec": self.codec, "quality": self.quality}
            steps.append(("codec", parameters, f"{self.codec} of quality {self.quality:g}"))
        elif self.codec != NONE:
            steps.append(("codec", {"codec": self.codec}, self.codec))
        return steps

    def conditions(self) -> list[Condition]:
        """The conditions in their order; raises `AuricleError` for parameters that do not go together."""
        return [create_condition(name, **parameters) for name, parameters, _ in self.steps()]

    def __str__(self) -> str:
        return ", ".join(words for _, _, words in self.steps()) or "clean"


def under(sound: Sound, situation: Situation, shelf: Shelf, material: Material = SYNTHETIC) -> Sound:
    """The sound, mono, in that situation."""
    waveform, rate = audio.read(sound.path)
    for number, condition in enumerate(situation.conditions()):
        waveform = condition(waveform, rate, situation.seed + number, material)
    path = shelf.place(f"{sound.path.stem}-condition.wav")
    audio.write(path, waveform, rate, subtype="FLOAT")
    return Sound(path, f"{sound.title}: {situation}", sound.start_s)
