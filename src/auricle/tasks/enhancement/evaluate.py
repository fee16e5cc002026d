"""Evaluation of an enhancer: speech quality of noisy and enhanced clips at each signal-to-noise ratio."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
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
from auricle.metrics.signals import measure_speech
from auricle.metrics.workers import Workers
from auricle.progress import track
from auricle.reports.examples import best_median_worst
from auricle.runs.clips import clip_digests
from auricle.runs.evaluation import EvaluatedTask, describe_model, named_levels, named_place
from auricle.systems.enhancer import Enhancer
from auricle.systems.system import System
from auricle.tasks.enhancement.data import TASK, noisy_versions, pairs_digest, read_speech
from auricle.tasks.enhancement.evaluation import GATING, NOISY, SAMPLE_RATE, EnhancerEvaluation, Example
from auricle.tasks.enhancement.open import ENHANCERS, is_enhancer_name, open_enhancer
from auricle.tasks.enhancement.report import write_report
from auricle.tasks.enhancement.train import noises_trained_on

SNRS_DB = (0.0, 5.0, 10.0, 15.0)


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

    def unusual(self) -> list[str]:
        levels = [named_levels(self.snrs_db)] if self.snrs_db != list(SNRS_DB) else []
        return [*map(named_place, self.options.noise or ()), *levels, *super().unusual()]

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
        if self.folder or options.run not in ("identity", GATING):
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
        evaluation = EnhancerEvaluation(folder, split, table, options.by_group, options.seed)
        evaluation.examples = self._examples(table, enhancers, clips, pairs)
        return evaluation

    def _examples(
        self, table: pd.DataFrame, enhancers: dict[str, Enhancer], clips: Manifest, pairs: Sequence[Clip] | None
    ) -> dict[str, Example]:
        """Enhance once more the clips with the best, the median and the worst gain in PESQ."""
        noisy = table[table["enhancer"] == NOISY]["pesq"].to_numpy()
        name = list(enhancers)[-1]
        own = table[table["enhancer"] == name]
        places = dict(zip(unique_names(clips.clips), range(len(clips)), strict=True))
        found = {}
        for place, index in best_median_worst(list(own["pesq"].to_numpy() - noisy)).items():
            row = {str(key): value for key, value in own.iloc[index].to_dict().items()}
            at = places[row["clip"]]
            one = clips.only([clips.clips[at]])
            if self.material:
                mixtures = _mixed(one, self.material, [row["snr"]], self.options.seed)
            else:
                mixtures = _recorded(one, [(pairs or [])[at]])
            _, _, clean, mixture = next(mixtures)
            enhanced = enhancers[name].enhance(mixture, SAMPLE_RATE)
            found[place] = Example(row, float(noisy[index]), mixture, enhanced, clean)
        return found

    @property
    def shown_as(self) -> str:
        """The enhancer's name in the tables."""
        name = self.folder.name if self.folder else self.options.run
        return f"{name} (run)" if self.folder and name in (NOISY, GATING) else name

    def write_report(self, evaluation: Any, record: dict[str, Any]) -> Path | None:
        return write_report(evaluation, record)

    def settings(self) -> dict[str, Any]:
        return {
            "enhancer": NOISY if not self.folder and self.options.run == "identity" else self.shown_as,
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
