"""Evaluation of an enhancer: speech quality of noisy and enhanced clips at each signal-to-noise ratio."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from auricle.conditions import Material, active_power, add_noise, stable_seed
from auricle.config import Evaluate
from auricle.data.clip_store import ClipStore
from auricle.data.clips import Clip, unique_names
from auricle.data.manifest import Manifest
from auricle.data.material import read_material
from auricle.errors import AuricleError
from auricle.files import write_table, write_text
from auricle.metrics.intervals import Interval
from auricle.metrics.signals import mean_interval, measure_speech
from auricle.metrics.workers import Workers
from auricle.progress import track
from auricle.reports.metrics import METRICS as TEXTS
from auricle.reports.tables import difference_text, interval_text, to_markdown
from auricle.runs.clips import clip_digests
from auricle.runs.evaluation import EvaluatedTask, Evaluation, describe_model
from auricle.runs.results import Measured
from auricle.systems.enhancer import Enhancer
from auricle.systems.system import System
from auricle.tasks.enhancement.data import TASK, noisy_versions, pairs_digest, read_speech
from auricle.tasks.enhancement.open import ENHANCERS, is_enhancer_name, open_enhancer
from auricle.tasks.enhancement.train import noises_trained_on

SAMPLE_RATE = 16000  # of wide-band PESQ
SNRS_DB = (0.0, 5.0, 10.0, 15.0)
NOISY, GATING = "noisy", "spectral-gating"
ALL = "all"

METRICS = ("pesq", "stoi", "csig", "cbak", "covl", "segmental_snr", "si_sdr")
GAIN = "_gain"
CLIPS = "clips.csv"


@dataclass
class EnhancerEvaluation(Evaluation):
    """Metrics of noisy and enhanced clips, written as clips.csv, and their means as table.md.

    `clips` has a row for each clip, SNR and enhancer, and a column for each metric; its names of clips are unique.
    """

    clips: pd.DataFrame
    by_group: bool = False
    seed: int = 0

    @property
    def n_clips(self) -> int:
        return int(self.clips["clip"].nunique())

    @cached_property
    def measured(self) -> list[Measured]:
        """Means and mean paired gains over the noisy clips, for each enhancer at each SNR and over all SNRs."""
        rows = []
        for snr, cell in [*self.clips.groupby("snr", sort=False), (ALL, self.clips)]:
            if snr == ALL and self.clips["snr"].nunique() == 1:
                continue
            noisy = cell[cell["enhancer"] == NOISY]
            for name in cell["enhancer"].unique():
                own = cell[cell["enhancer"] == name]
                metrics = {metric: self._mean(own[metric].to_numpy(), own) for metric in METRICS}
                if name != NOISY:
                    metrics |= {
                        metric + GAIN: self._mean(own[metric].to_numpy() - noisy[metric].to_numpy(), own)
                        for metric in METRICS
                    }
                level = None if isinstance(snr, str) else float(str(snr))
                rows.append(Measured(condition_of(snr), metrics, level, enhancer=str(name)))
        return rows

    def _mean(self, values: np.ndarray, rows: pd.DataFrame) -> Interval:
        units = "clip " + rows["clip"]
        if self.by_group:
            units = units.where(rows["group"] == "", "group " + rows["group"])
        codes = pd.factorize(units)[0]
        return mean_interval(values, groups=codes if codes.max() + 1 < len(codes) else None, seed=self.seed)

    def text(self) -> str:
        """Two tables: every metric with its interval per SNR and enhancer, and the gains over the noisy clips."""
        means = pd.DataFrame(_row(row, "") for row in self.measured)
        gains = pd.DataFrame(_row(row, GAIN) for row in self.measured if row.enhancer != NOISY)
        units = "groups" if self.by_group else "clips"
        return "\n".join(
            [
                f"{self.n_clips} clips ({self.split}); means with 95 % intervals by bootstrap over {units}.",
                "",
                to_markdown(means),
                "Gain over the noisy clips, paired:",
                "",
                to_markdown(gains),
            ]
        )

    def write_files(self, record: dict[str, Any]) -> None:
        write_table(self.folder / CLIPS, self.clips, float_format="%.6g", na_rep="nan")
        write_text(self.folder / "table.md", self.text())


def condition_of(snr: Any) -> str:
    """'5 dB', 'recorded' or 'all'."""
    return snr if isinstance(snr, str) else f"{snr:g} dB"


def _row(row: Measured, suffix: str) -> dict[str, str]:
    shown = {"SNR, dB": row.condition.removesuffix(" dB"), "enhancer": row.enhancer or ""}
    for metric in METRICS:
        text, interval = TEXTS[metric], row.metrics[metric + suffix]
        shown[text.head] = (
            difference_text(interval, text.decimals).strip("*")
            if suffix
            else interval_text(interval, text.decimals, text.separator)
        )
    return shown


class EnhancerEvaluationTask(EvaluatedTask):
    """Evaluate an enhancer on noisy mixtures or recorded pairs, beside the noisy clips and spectral gating.

    The test split of the noise is used. Without noise, the manifest's column `noisy` gives the pairs. Sources of noise
    that the run was trained with are refused.
    """

    name: ClassVar[str] = "enhancement"
    measures: ClassVar[str] = "an enhancer"
    uses: ClassVar[frozenset[str]] = frozenset({"noise", "snr", "by_group"})
    trained_as = TASK.name

    def __init__(self, options: Evaluate) -> None:
        self.options = options
        self.progress = not options.quiet
        self.enhancer = open_enhancer(options.run, options.device)
        self.snrs_db = list(options.snr or SNRS_DB)
        self.material: Material | None = None
        self.noisy: str | None = None

    @property
    def folder(self) -> Path | None:
        return None if is_enhancer_name(self.options.run) else Path(self.options.run)

    def read(self) -> Manifest:
        return read_speech(self.options.data, self.options, progress=self.progress)

    def measure(self, clips: Manifest, folder: Path, split: str) -> EnhancerEvaluation:
        options = self.options
        pairs = None if options.noise else noisy_versions(clips)
        if not options.noise and pairs is None:
            raise AuricleError(f"{options.data} has no column 'noisy': give noise to mix in, as --noise NOISES")
        if pairs is not None and options.snr:
            raise AuricleError(
                f"--snr {' '.join(f'{level:g}' for level in options.snr)}: the noisy versions of {options.data} have "
                "levels of their own; give --noise to mix at these"
            )
        self.noisy = None if pairs is None else pairs_digest(clips.clips, pairs)
        self.material = _test_noise(options.noise, self.folder, self.progress) if options.noise else None
        enhancers: dict[str, Enhancer] = {NOISY: ENHANCERS["identity"](), GATING: ENHANCERS["spectral-gating"]()}
        if options.run not in ("identity", GATING):
            enhancers[self.shown_as] = self.enhancer
        mixtures = (
            _mixed(clips, self.material, self.snrs_db, options.seed) if self.material else _recorded(clips, pairs or [])
        )
        n_mixtures = len(clips) * (len(self.snrs_db) if self.material else 1)
        known = zip(clips, unique_names(clips.clips), clip_digests(clips), strict=True)
        identity = {clip.key: {"clip": name, "digest": digest} for clip, name, digest in known}
        pending: list[tuple[dict[str, Any], Future[dict[str, float]]]] = []
        with Workers() as workers:
            for level, clip, clean, noisy in track(mixtures, "Enhancing", total=n_mixtures, show=self.progress):
                for name, each in enhancers.items():
                    done = each.enhance(noisy, SAMPLE_RATE)
                    row = {"snr": level, **identity[clip.key], "group": clip.group or ""}
                    scores = workers.submit(measure_speech, done, clean, SAMPLE_RATE)
                    pending.append((row | {"enhancer": name}, scores))
            measured = track(pending, "Measuring", total=len(pending), show=self.progress)
            table = pd.DataFrame([row | future.result() for row, future in measured])
        return EnhancerEvaluation(folder, split, table, options.by_group, options.seed)

    @property
    def shown_as(self) -> str:
        """The enhancer's name in the tables."""
        name = self.folder.name if self.folder else self.options.run
        return f"{name} (run)" if self.folder and name in (NOISY, GATING) else name

    def settings(self) -> dict[str, Any]:
        return {
            "enhancer": NOISY if self.options.run == "identity" else self.shown_as,
            "noise": self.options.noise or [],
            "snr": self.snrs_db if self.material else [],
            "material": self.material.describe() if self.material else None,
            "noisy": self.noisy,
            "by_group": self.options.by_group,
            "seed": self.options.seed,
        }

    def model(self) -> dict[str, Any]:
        module = self.enhancer if isinstance(self.enhancer, System) else None
        return describe_model(
            module.config if module else {"enhancer": self.options.run},
            {"all": module} if module else {},
            sample_rate=getattr(self.enhancer, "sample_rate", SAMPLE_RATE),
            seed=module.seed if module else None,
            run=Path(self.options.run),
        )


def _test_noise(noise: Sequence[str], run: Path | None, progress: bool) -> Material:
    """The test split of the noise; raises `AuricleError` if the run was trained with any of it."""
    material = read_material([f"noise={source}" for source in noise], progress=progress).of_split("test")
    noises = [recording for recording in material.recordings if recording.kind == "noise"]
    used = noises_trained_on(run, noises)
    if used:
        raise AuricleError(
            f"{run} was trained with {len(used)} of these {len(noises)} recordings of noise, first {used[0].name}"
        )
    return material


def _mixed(
    manifest: Manifest, material: Material, snrs_db: list[float], seed: int
) -> Iterator[tuple[float | str, Clip, np.ndarray, np.ndarray]]:
    """Yield (SNR, clip, clean, noisy): each clip with its own segment of noise, the same at every SNR."""
    store = ClipStore(manifest.clips, SAMPLE_RATE)
    for level in snrs_db:
        for index, clip in enumerate(manifest):
            clean = store.read(index)
            rng = np.random.default_rng(stable_seed(seed, clip.name))
            noise = material.draw("noise", 1, len(clean), SAMPLE_RATE, rng)[0]
            yield level, clip, clean, add_noise(clean, noise, level, active_power(clean, SAMPLE_RATE))


def _recorded(manifest: Manifest, pairs: Sequence[Clip]) -> Iterator[tuple[float | str, Clip, np.ndarray, np.ndarray]]:
    clean, noisy = ClipStore(manifest.clips, SAMPLE_RATE), ClipStore(pairs, SAMPLE_RATE)
    for index, clip in enumerate(manifest):
        n_samples = int(min(clean.lengths[index], noisy.lengths[index]))
        yield "recorded", clip, clean.read(index, 0, n_samples), noisy.read(index, 0, n_samples)
