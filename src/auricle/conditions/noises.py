"""Conditions that add noise, music or talkers at a signal-to-noise ratio.

The signal power is by default the clip's without its pauses (`active_power`); the noise power is the mean over the
whole clip.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from auricle.conditions import synthetic
from auricle.conditions.condition import CONDITIONS, Condition, Random, Range, check_range, draw
from auricle.conditions.material import Material
from auricle.conditions.mixing import active_power, add_noise
from auricle.errors import AuricleError

NOISES = ("noise", "white", "coloured", "babble", "music")
"""Names of the conditions here, in the order in which they are offered."""


@dataclass(frozen=True)
class AddedNoise(Condition):
    """Base class: add a sound at `snr_db`, a signal-to-noise ratio in dB; infinity adds nothing.

    The signal's power is that without its pauses, with `pauses` that of the whole clip.
    """

    snr_db: Range
    pauses: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        check_range("snr_db", self.snr_db, -100.0)

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        snr_db = draw(self.snr_db, rng)
        noise = self._noise(clip.size, sample_rate, rng, material)
        return add_noise(clip, noise, snr_db, None if self.pauses else active_power(clip, sample_rate))

    def _noise(self, n_samples: int, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        """The sound to add, `(n_samples,)` at any level."""
        raise NotImplementedError


@CONDITIONS.register("white")
@dataclass(frozen=True)
class White(AddedNoise):
    """White Gaussian noise."""

    def _noise(self, n_samples: int, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        return rng.standard_normal(n_samples)


@CONDITIONS.register("coloured")
@dataclass(frozen=True)
class Coloured(AddedNoise):
    """Gaussian noise whose spectrum and level over time are random curves."""

    def _noise(self, n_samples: int, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        return synthetic.randomly_coloured(n_samples, sample_rate, rng)


@CONDITIONS.register("noise")
@dataclass(frozen=True)
class Noise(AddedNoise):
    """A noise recording of the material."""

    def _noise(self, n_samples: int, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        return material.draw("noise", 1, n_samples, sample_rate, rng)[0]


@CONDITIONS.register("music")
@dataclass(frozen=True)
class Music(AddedNoise):
    """A music recording of the material."""

    def _noise(self, n_samples: int, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        return material.draw("music", 1, n_samples, sample_rate, rng)[0]


@CONDITIONS.register("babble")
@dataclass(frozen=True)
class Babble(AddedNoise):
    """Several talkers of the material at once, with equal RMS; `talkers` is their number, or a pair to draw it from."""

    talkers: int | list[int] | tuple[int, int] = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        fewest, most = check_range("talkers", self.talkers, 1, 100)
        if fewest % 1 or most % 1:
            raise AuricleError(f"talkers={self.talkers!r}: it should be a whole number, or a pair of them")

    def _noise(self, n_samples: int, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        fewest, most = check_range("talkers", self.talkers, 1, 100)
        count = int(rng.integers(int(fewest), int(most) + 1))
        return np.sum(material.draw("speech", count, n_samples, sample_rate, rng), axis=0)
