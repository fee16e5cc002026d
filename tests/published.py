"""Figures of the published implementations' outputs: a few numbers of each array, kept in `published_figures.json`.

The complete recorded outputs lie in the `shared` folder, which not everybody has. What stands here are twelve elements
of each array, its peak, its root mean square and three projections on random directions, of

- the recorded arrays themselves where their input is a formula, or
- this package's outputs for a small made-up input, taken when the package equalled the recorded outputs.

`pytest --write-figures` writes them anew from the tests that it runs, if the `shared` folder is there and none failed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FILE = Path(__file__).with_name("published_figures.json")
N_ELEMENTS = 12
N_DIRECTIONS = 3


def voice(n_samples: int, rate: int = 16000) -> NDArray[np.float32]:
    """Harmonics of a gliding pitch under syllables of 4 Hz, 40 dB above a little noise; peak below 0.5."""
    time = np.arange(n_samples) / rate
    pitch_hz = 120.0 + 30.0 * np.sin(2 * np.pi * 1.5 * time)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / rate
    tone = sum(np.sin(k * phase + k * k) / k for k in range(1, 20))
    syllables = np.sin(np.pi * 4.0 * time) ** 2
    noise = np.random.default_rng(7).standard_normal(n_samples)
    return (0.1 * tone * syllables + 0.001 * noise).astype(np.float32)


def in_noise(clean: NDArray, snr_db: float, seed: int = 0) -> NDArray[np.float32]:
    """`clean` in white noise at a ratio of mean powers, in dB."""
    noise = np.random.default_rng(seed).standard_normal(clean.shape) * np.sqrt(np.mean(clean.astype(np.float64) ** 2))
    return (clean + 10.0 ** (-snr_db / 20.0) * noise).astype(np.float32)


def figures_of(array: ArrayLike) -> NDArray[np.float64]:
    """Elements evenly spaced over the flattened array, then peak, root mean square and projections.

    A projection is the inner product with a random vector as long as √n, divided by n: if no element is off by more
    than an amount, none of the figures is.
    """
    flat = np.asarray(array, dtype=np.float64).ravel()
    places = np.linspace(0, flat.size - 1, N_ELEMENTS).round().astype(int)
    directions = np.random.default_rng(0).standard_normal((N_DIRECTIONS, flat.size))
    directions *= np.sqrt(flat.size) / np.linalg.norm(directions, axis=1, keepdims=True)
    overall = [np.abs(flat).max(), np.sqrt(np.mean(flat**2)), *(directions @ flat / flat.size)]
    return np.concatenate([flat[places], overall])


class PublishedFigures:
    """Compares with the saved figures, or collects them for `write`."""

    def __init__(self, recorded: Path | None = None) -> None:
        """`recorded`: the folder of recorded outputs to take figures from; None to compare."""
        self.recorded = recorded
        self.saved: dict[str, str] = json.loads(FILE.read_text(encoding="utf-8"))
        self.written: set[str] = set()

    def __call__(
        self, name: str, actual: ArrayLike, *, atol: float = 0.0, rtol: float = 0.0, of_peak: float = 0.0
    ) -> None:
        """Compare `actual` with the figures `name`.

        Errors are at most `atol` + `rtol`·|element| + `of_peak`·(largest absolute value); for root mean square and
        projections, `rtol` is of the root mean square. A name FILE/KEY of a recorded array stands for that array.
        If several tests use a name, the first one's figures are written.
        """
        actual = np.asarray(actual)
        if self.recorded is not None and name not in self.written:
            self.written.add(name)
            numbers = " ".join(f"{value:.9g}" for value in figures_of(self._recorded(name, actual)))
            self.saved[name] = f"{'×'.join(map(str, actual.shape))}: {numbers}"
        shape, _, numbers = self.saved[name].partition(": ")
        assert "×".join(map(str, actual.shape)) == shape, name
        expected = np.array(numbers.split(), dtype=np.float64)
        size = np.abs(expected)
        size[N_ELEMENTS + 1 :] = size[N_ELEMENTS + 1]
        errors = np.abs(figures_of(actual) - expected) / (atol + rtol * size + of_peak * size[N_ELEMENTS])
        worst = int(errors.argmax())
        assert errors[worst] <= 1.0, f"{name}: figure {worst} is off by {errors[worst]:.3g} times the bound"

    def names_and_shapes(self, name: str, shapes: Mapping[str, Sequence[int]]) -> None:
        """Compare the names and shapes of a state dict with the published ones, by their digest."""
        if self.recorded is not None:
            self.saved[name] = _digest(json.loads((self.recorded / f"{name}.json").read_text(encoding="utf-8")))
        assert _digest(shapes) == self.saved[name], name

    def write(self) -> None:
        FILE.write_text(
            json.dumps(dict(sorted(self.saved.items())), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )

    def _recorded(self, name: str, actual: Any) -> NDArray:
        assert self.recorded is not None
        file, _, key = name.partition("/")
        with np.load(self.recorded / f"{file}.npz") as arrays:
            if key not in arrays:
                return actual
            assert arrays[key].shape == actual.shape, name
            return arrays[key]


def _digest(shapes: Mapping[str, Sequence[int]]) -> str:
    ordered = sorted((name, list(shape)) for name, shape in shapes.items())
    return hashlib.sha256(json.dumps(ordered).encode()).hexdigest()
