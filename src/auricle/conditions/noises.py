"""Conditions that add something at a signal-to-noise ratio.

The ratio is the clip's power over its active parts (`active_power`) over the added sound's power over the whole clip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auricle.conditions.condition import CONDITIONS, Condition, Random, Range, bounds, draw
from auricle.conditions.material import Material
from auricle.conditions.mixing import active_power, add_noise
from auricle.errors import AuricleError


@dataclass(frozen=True)
class Added(Condition):
    """Base of what is added at `snr_db`, one ratio in decibels or a pair to draw from; infinity adds nothing."""

    snr_db: Range

    def __post_init__(self) -> None:
        bounds("snr_db", self.snr_db, -100.0)

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        snr_db = draw(self.snr_db, rng)
        noise = self._noise(clip.size, sample_rate, rng, material)
        return add_noise(clip, noise, snr_db, active_power(clip, sample_rate))

    def _noise(self, n_samples: int, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        raise NotImplementedError


@CONDITIONS.register("white")
@dataclass(frozen=True)
class White(Added):
    """White Gaussian noise."""

    def _noise(self, n_samples: int, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        return rng.standard_normal(n_samples)


@CONDITIONS.register("noise")
@dataclass(frozen=True)
class Noise(Added):
    """A recording of surroundings."""

    def _noise(self, n_samples: int, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        return material.draw("noise", 1, n_samples, sample_rate, rng)[0]


@CONDITIONS.register("music")
@dataclass(frozen=True)
class Music(Added):
    """A recording of music."""

    def _noise(self, n_samples: int, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        return material.draw("music", 1, n_samples, sample_rate, rng)[0]


@CONDITIONS.register("babble")
@dataclass(frozen=True)
class Babble(Added):
    """Several talkers at once, all of the same RMS: `talkers` of them, or a pair to draw from (both included)."""

    talkers: int | list[int] | tuple[int, int] = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        least, most = bounds("talkers", self.talkers, 1)
        if least % 1 or most % 1:
            raise AuricleError(f"talkers={self.talkers!r}: a whole number, or two")

    def _noise(self, n_samples: int, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        least, most = bounds("talkers", self.talkers, 1)
        count = int(rng.integers(int(least), int(most) + 1))
        return np.sum(material.draw("speech", count, n_samples, sample_rate, rng), axis=0)
