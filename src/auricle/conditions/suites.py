"""Suites: lists of conditions for evaluation, reproducible bit for bit from a specification with a seed.

suite = create_suite("full", seed=0)
for cell in suite.cells:
    noisy = suite.apply(cell, clip, sample_rate, clip_id="dog/1.wav")
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from auricle.conditions.condition import Condition, create_condition, generator, stable_seed
from auricle.conditions.material import SYNTHETIC, Material
from auricle.errors import AuricleError
from auricle.readers import Shape, checked
from auricle.registry import Registry, unknown_name

SCHEMA = 1
CLEAN = "clean"
MAX_WEIGHT = 1000
_SPEC: Shape = {
    "schema": int,
    "suite": str,
    "seed": int,
    "shares": bool,
    "cells": [{"corruption": str, "severity": int, "condition": str, "parameters": dict, "weight?": int}],
    "material": {"split": str, "sources": object},
}


@dataclass(frozen=True)
class Cell:
    """One cell of a suite: a corruption at one severity, which is a condition with its parameters.

    `severity` counts from 1, the mildest; it is 0 for clean and for a corruption of a single severity. `parameters` are
    values that JSON can store. `weight` is how often the corruption is drawn for training, relative to the others.
    """

    corruption: str
    severity: int
    condition: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    weight: int = 1

    @property
    def name(self) -> str:
        """The corruption, with its severity if it has several, such as `babble-3`."""
        return f"{self.corruption}-{self.severity}" if self.severity else self.corruption

    def create(self) -> Condition:
        """Create the condition; raises `AuricleError` for invalid parameters."""
        return create_condition(self.condition, **self.parameters)


@dataclass(frozen=True)
class Suite:
    """Cells with a seed and material. With `shares`, each clip is assigned to one cell, otherwise to all cells.

    Raises `AuricleError` if there are no cells, or two of one name, or if a cell is invalid.
    """

    name: str
    cells: tuple[Cell, ...]
    shares: bool = False
    seed: int = 0
    material: Material = SYNTHETIC

    def __post_init__(self) -> None:
        names = [cell.name for cell in self.cells]
        if not names or len(set(names)) < len(names):
            listed = ", ".join(names) or "none"
            raise AuricleError(f"the suite {self.name!r} should have cells of different names, and has: {listed}")
        for cell in self.cells:
            if not 1 <= cell.weight <= MAX_WEIGHT:
                raise AuricleError(f"the cell {cell.name!r} has the weight {cell.weight}: 1 to {MAX_WEIGHT}")
            cell.create()

    @property
    def corruptions(self) -> tuple[str, ...]:
        """The corruptions in order, without clean; the mean corruption error is the mean over these."""
        return tuple(dict.fromkeys(cell.corruption for cell in self.cells if cell.corruption != CLEAN))

    def cell(self, name: str) -> Cell:
        """The cell `name`; raises `AuricleError` if there is none."""
        for cell in self.cells:
            if cell.name == name:
                return cell
        raise AuricleError(unknown_name(f"cell of the suite {self.name!r},", name, [cell.name for cell in self.cells]))

    def without(self, corruptions: Sequence[str]) -> Suite:
        """The suite without some of its corruptions; raises `AuricleError` for one that it does not have."""
        for name in corruptions:
            if name not in self.corruptions:
                raise AuricleError(unknown_name(f"corruption of the suite {self.name!r},", name, self.corruptions))
        return replace(self, cells=tuple(cell for cell in self.cells if cell.corruption not in corruptions))

    def apply(self, cell: Cell | str, clip: np.ndarray, sample_rate: int, clip_id: str) -> np.ndarray:
        """Apply the condition of a cell, or of its name, to a clip `(time,)` at `sample_rate` Hz.

        Random draws depend on the suite's seed, the corruption and `clip_id` only, not on the order of calls; a clip
        gets the same noise at every severity.
        """
        if isinstance(cell, str):
            cell = self.cell(cell)
        return cell.create()(clip, sample_rate, stable_seed(self.seed, cell.corruption, clip_id), self.material)

    def apply_random(self, clip: np.ndarray, sample_rate: int, seed: int) -> np.ndarray:
        """Apply a random cell to a clip `(time,)` at `sample_rate` Hz, for training.

        Corruptions, including clean, are drawn by their weights; the severities of each are equally likely.
        """
        rng = generator(seed)
        by_corruption: dict[str, list[Cell]] = {}
        for candidate in self.cells:
            by_corruption.setdefault(candidate.corruption, []).append(candidate)
        bounds = np.cumsum([cells[0].weight for cells in by_corruption.values()])
        cells = list(by_corruption.values())[np.searchsorted(bounds, rng.integers(bounds[-1]), side="right")]
        cell = cells[rng.integers(len(cells))]
        return cell.create()(clip, sample_rate, int(rng.integers(2**62)), self.material)

    def assign(self, clip_ids: Sequence[str], labels: Sequence[str]) -> list[tuple[Cell, ...]]:
        """The cells that each clip is assigned to: all of them, or with `shares` one.

        `labels[i]` is the class of clip i. With `shares`, the numbers of clips per cell differ by at most one, within
        each class and overall; the assignment depends on the seed and the clips, not on their order. Raises
        `AuricleError` if two clips have the same id.
        """
        if not self.shares:
            return [self.cells] * len(clip_ids)
        if len(set(clip_ids)) < len(clip_ids):
            raise AuricleError("clips cannot be assigned to cells: two of them have the same id")
        order = sorted(
            range(len(clip_ids)),
            key=lambda i: (stable_seed(self.seed, "class", labels[i]), labels[i], stable_seed(self.seed, clip_ids[i])),
        )
        first = stable_seed(self.seed, "first") % len(self.cells)
        assigned = {index: self.cells[(first + k) % len(self.cells)] for k, index in enumerate(order)}
        return [(assigned[i],) for i in range(len(clip_ids))]

    def spec(self) -> dict[str, Any]:
        """The specification of the suite for JSON; it describes the material, but does not contain it."""
        return {
            "schema": SCHEMA,
            "suite": self.name,
            "seed": self.seed,
            "shares": self.shares,
            "cells": [
                {
                    "corruption": cell.corruption,
                    "severity": cell.severity,
                    "condition": cell.condition,
                    "parameters": dict(cell.parameters),
                }
                | ({"weight": cell.weight} if cell.weight != 1 else {})
                for cell in self.cells
            ],
            "material": self.material.describe(),
        }

    @property
    def digest(self) -> str:
        """SHA-256 of the specification, hexadecimal; suites with the same digest give the same samples."""
        return hashlib.sha256(json.dumps(self.spec(), sort_keys=True).encode()).hexdigest()


SUITES: Registry[Suite] = Registry("suite")
register_suite = SUITES.register


def create_suite(
    name: str, *, seed: int = 0, material: Material | None = None, split: str = "test", **options: Any
) -> Suite:
    """Create the suite `name` with its options.

    `split` is the split of the material (synthetic by default) to use, "test", "train" or "all": a model that was
    trained with one split can be evaluated with the other.
    """
    suite = SUITES.create(name, **options)
    return replace(suite, seed=seed, material=(material or SYNTHETIC).of_split(split))


def suite_from_spec(spec: Mapping[str, Any], material: Material | None = None) -> Suite:
    """Create the suite from the specification of `Suite.spec`.

    Raises `AuricleError` for an invalid specification, and if `material` is not the one that it describes.
    """
    if "schema" in spec and spec["schema"] != SCHEMA:
        raise AuricleError(f"the spec of a suite has schema {spec['schema']!r}; this version reads {SCHEMA}")
    checked(spec, _SPEC, "not the spec of a suite")
    suite = Suite(
        spec["suite"],
        tuple(
            Cell(
                cell["corruption"],
                cell["severity"],
                cell["condition"],
                dict(cell["parameters"]),
                cell.get("weight", 1),
            )
            for cell in spec["cells"]
        ),
        spec["shares"],
        spec["seed"],
        (material or SYNTHETIC).of_split(spec["material"]["split"]),
    )
    expected = spec["material"]
    if suite.material.describe() != expected:
        raise AuricleError(
            f"the suite {suite.name!r} was made with other material: {expected['sources']}, here are "
            f"{suite.material.describe()['sources']} sources, or others of that number"
        )
    return suite


def list_suites() -> list[str]:
    """The names that `create_suite` accepts, sorted."""
    return list(SUITES)


def severity_cells(corruption: str, values: Sequence[Any], parameters: Callable[[Any], dict[str, Any]]) -> list[Cell]:
    """A cell with `parameters(value)` for each value, severity 1 first; the condition is called as the `corruption`."""
    return [Cell(corruption, k, corruption, parameters(value)) for k, value in enumerate(values, start=1)]


_GAIN_STEPS = Cell("gain-steps", 0, "gain-steps", {"gain_db": 8.0, "step_s": 0.25, "level_dbfs": [-40.0, -15.0]})


@SUITES.register("complex")
def complex_conditions() -> Suite:
    """As for LEAF-APCEN: a quarter of the clips each clean, with three talkers, music, and gain steps of ±8 dB."""
    cells = (
        Cell(CLEAN, 0, "clean"),
        Cell("babble", 0, "babble", {"snr_db": [0.0, 15.0], "talkers": 3}),
        Cell("music", 0, "music", {"snr_db": [0.0, 15.0]}),
        _GAIN_STEPS,
    )
    return Suite("complex", cells, shares=True)


@SUITES.register("complex-published")
def published_complex_conditions() -> Suite:
    """As LEAF-APCEN's data were made: complex, but with two to four talkers and faded blocks of 0.25 to 1 s."""
    added = {"snr_db": [0.0, 15.0], "pauses": True}
    cells = (
        Cell(CLEAN, 0, "clean"),
        Cell("babble", 0, "babble", {"talkers": [2, 4], **added}),
        Cell("music", 0, "music", added),
        Cell("gain-blocks", 0, "gain-blocks", {"gain_db": 8.0, "block_s": [0.25, 1.0], "fade_s": [0.04, 0.1]}),
    )
    return Suite("complex-published", cells, shares=True)


@SUITES.register("snr-ladder")
def snr_ladder(condition: str = "noise", snr_db: Sequence[float] = (20.0, 15.0, 10.0, 5.0, 0.0)) -> Suite:
    """As for TRNet: clean, and noise at 20, 15, 10, 5 and 0 dB SNR."""
    noisy = severity_cells(condition, snr_db, lambda value: {"snr_db": float(value)})
    return Suite("snr-ladder", (Cell(CLEAN, 0, "clean"), *noisy))


@SUITES.register("full")
def full() -> Suite:
    """Clean and eleven corruptions, ten of them at five severities."""
    snrs_db = (20.0, 15.0, 10.0, 5.0, 0.0)
    cells = [
        Cell(CLEAN, 0, "clean"),
        *severity_cells("white", snrs_db, lambda value: {"snr_db": value}),
        *severity_cells("babble", snrs_db, lambda value: {"snr_db": value, "talkers": 3}),
        *severity_cells("music", snrs_db, lambda value: {"snr_db": value}),
        *severity_cells("noise", snrs_db, lambda value: {"snr_db": value}),
        *severity_cells("reverberation", (0.3, 0.5, 0.8, 1.1, 1.5), lambda value: {"rt60_s": value, "drr_db": 0.0}),
        *severity_cells("clipping", (0.05, 0.1, 0.2, 0.4, 0.6), lambda value: {"share": value}),
        *severity_cells("low-pass", (0.75, 0.5, 0.375, 0.25, 0.125), lambda value: {"share": value}),
        *severity_cells("codec", (64.0, 32.0, 24.0, 16.0, 8.0), lambda value: {"codec": "opus", "kbps": value}),
        *severity_cells("gain", (-10.0, -20.0, -30.0, -40.0, -50.0), lambda value: {"gain_db": value}),
        _GAIN_STEPS,
        *severity_cells(
            "packet-loss",
            (0.01, 0.05, 0.1, 0.2, 0.3),
            lambda value: {"rate": value, "burst": 2.0, "packet_s": 0.02},
        ),
    ]
    return Suite("full", tuple(cells))


@SUITES.register("training")
def training() -> Suite:
    """For augmentation: clean, the corruptions of full and coloured noise, at severities drawn anew for each window.

    Noise, which no street is without and no list of recordings covers, is drawn most often.
    """
    snr_db = [-5.0, 20.0]
    cells = (
        Cell(CLEAN, 0, "clean"),
        Cell("white", 0, "white", {"snr_db": snr_db}),
        Cell("coloured", 0, "coloured", {"snr_db": snr_db}, weight=2),
        Cell("babble", 0, "babble", {"snr_db": snr_db, "talkers": [1, 5]}),
        Cell("music", 0, "music", {"snr_db": snr_db}),
        Cell("noise", 0, "noise", {"snr_db": snr_db}, weight=4),
        Cell("reverberation", 0, "reverberation", {"rt60_s": [0.2, 1.6], "drr_db": [-3.0, 6.0]}),
        Cell("clipping", 0, "clipping", {"share": [0.02, 0.6]}),
        Cell("low-pass", 0, "low-pass", {"share": [0.1, 0.8]}),
        *severity_cells(
            "codec", (64.0, 32.0, 24.0, 16.0, 12.0, 8.0, 6.0), lambda kbps: {"codec": "opus", "kbps": kbps}
        ),
        Cell("gain", 0, "gain", {"gain_db": [-50.0, 0.0]}),
        _GAIN_STEPS,
        Cell("packet-loss", 0, "packet-loss", {"rate": [0.01, 0.3], "burst": 2.0, "packet_s": 0.02}),
    )
    return Suite("training", cells)


@SUITES.register("robuser")
def robuser() -> Suite:
    """As in the RobuSER benchmark: clean and six corruptions of speech at three severities."""
    gains_db = ([-20.0, 0.0], [-30.0, -10.0], [-40.0, -20.0])
    cells = [
        Cell(CLEAN, 0, "clean"),
        *severity_cells("noise", (20.0, 10.0, 0.0), lambda value: {"snr_db": value}),
        *severity_cells("white", (30.0, 20.0, 10.0), lambda value: {"snr_db": value}),
        *severity_cells("reverberation", ([0.1, 0.5], [0.5, 1.0], [1.0, 1.5]), lambda value: {"rt60_s": value}),
        *severity_cells("clipping", (0.2, 0.4, 0.6), lambda value: {"share": [0.0, value]}),
        *severity_cells("gain-transition", gains_db, lambda value: {"gain_db": value, "share": 0.5}),
        *severity_cells("codec", (32.0, 16.0, 8.0), lambda value: {"codec": "mp3", "kbps": value}),
    ]
    return Suite("robuser", tuple(cells))
