"""`auricle train enhancer`: from clean speech and noise to a trained enhancer in a run folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from auricle.conditions import Material, Recording
from auricle.config import DataOptions, EnhancerLosses, TrainEnhancer, complete, require, verb
from auricle.data.manifest import Manifest
from auricle.data.material import read_material
from auricle.data.splits import Splits, split_clips
from auricle.errors import AuricleError
from auricle.files import write_rows
from auricle.readers import read_rows
from auricle.runs.card import Card, model_name
from auricle.runs.processes import for_this_process
from auricle.runs.provenance import run_digest
from auricle.runs.train import Datasets, TrainingTask, train
from auricle.systems.cmgan import CMGAN
from auricle.systems.system import load_as
from auricle.tasks.enhancement.data import (
    TASK,
    Mixtures,
    Pairs,
    fixed_loader,
    noisy_versions,
    pairs_digest,
    read_speech,
)

NOISES = "noises.csv"


@verb
def train_enhancer(options: TrainEnhancer) -> Path:
    """Train a speech enhancer; returns the run folder."""
    return train(EnhancerTrainingTask(for_this_process(options)))


class EnhancerTrainingTask(TrainingTask[CMGAN, TrainEnhancer]):
    """Train CMGAN on clean speech mixed with the training split of noise, or on recorded pairs."""

    def __init__(self, options: TrainEnhancer) -> None:
        require(options.crop_s > 0, f"crop_s={options.crop_s:g}: above 0")
        require(options.seed >= 0, f"seed={options.seed}: 0 or more")
        span = options.snr
        require(len(span) == 2, f"--snr {' '.join(map(str, span))}: give the lowest and the highest in dB")
        require(-50 <= span[0] <= span[1] <= 100, f"snr={list(span)}: the lowest and the highest in dB")
        if options.init_from and (options.preset or options.size):
            raise AuricleError(
                f"preset and size cannot be chosen with --init-from: they are those of {options.init_from}"
            )
        self.options = options
        reading = DataOptions(group_column=options.group_column, skip_bad=options.skip_bad)
        self.manifest = read_speech(options.speech, reading, progress=not options.quiet)
        self.splits = [Splits(TASK, *split_clips(self.manifest, options.splits), self.manifest.skipped)]
        self.pairs = None if options.noise else noisy_versions(self.manifest)
        if self.pairs is not None:
            require(not options.given(["snr"]), "--snr: the noisy versions have levels of their own; leave it out")
        self.material: Material | None = None
        if options.noise:
            sources = [f"noise={source}" for source in options.noise]
            self.material = read_material(sources, progress=not options.quiet)
        elif self.pairs is None:
            raise AuricleError(f"{options.speech} has no column 'noisy': give noise to mix in, as --noise NOISES")

    def inputs(self) -> dict[str, str]:
        found = {"init_from": run_digest(self.options.init_from)} if self.options.init_from else {}
        if self.material is not None:
            return found | {"noise": self.material.of_split("train").describe()["digest"]}
        return found | {"noisy": pairs_digest(self.manifest.clips, self.pairs or ())}

    def build(self) -> CMGAN:
        options = self.options
        if options.init_from:
            start = load_as(CMGAN, options.init_from)
            losses = complete(EnhancerLosses, start.config["losses"] | (options.losses or {}), "losses")
            model = start.with_config(losses=losses, optimization=asdict(options.optimization), seed=options.seed)
        else:
            model = CMGAN.build(
                options.preset or "cmgan",
                size=options.size,
                losses=options.losses,
                optimization=options.optimization,
                seed=options.seed,
            )
        self.crop = round(options.crop_s * model.sample_rate)
        shortest_s = model.spectrum.n_fft / model.sample_rate
        require(self.crop >= model.spectrum.n_fft, f"crop_s={options.crop_s:g}: at least {shortest_s:g}")
        return model

    def datasets(self, system: CMGAN, folder: Path) -> Datasets:
        write_noises(folder / NOISES, self.material or Material(()), *self.starts_from)
        (splits,), batch_size = self.splits, self.options.training.batch_size
        train_set, valid_set = (self._mixed(clips, system) for clips in (splits.train, splits.valid))
        loader = fixed_loader(valid_set, splits.valid.clips, crop=self.crop, batch_size=batch_size)
        return Datasets(train_set, (self.crop, self.crop), loader)

    def _mixed(self, clips: Manifest, system: CMGAN) -> Mixtures | Pairs:
        clean = self.store(clips.clips, system.sample_rate, 4)
        if self.material is not None:
            return Mixtures(clean, self.material.of_split("train"), (self.options.snr[0], self.options.snr[1]))
        noisy_of = dict(zip(self.manifest.clips, self.pairs or (), strict=True))
        return Pairs(clean, self.store([noisy_of[clip] for clip in clips], system.sample_rate, 4))

    def facts(self, system: CMGAN, folder: Path) -> Card:
        options = self.options
        noise = "recorded pairs"
        if options.noise:
            noise = f"{', '.join(options.noise)} at {options.snr[0]:g} to {options.snr[1]:g} dB"
        n_parameters = sum(p.numel() for p in system.generator.parameters())
        facts = [
            f"Works at {system.sample_rate} Hz, one channel at a time; {system.latency}.",
            f"Parameters: {n_parameters:,}. Trained {'with' if system.losses.adversarial else 'without'} a metric "
            "discriminator.",
            f"Trained on {options.speech}; noise: {noise}. `noises.csv` lists the noise of each split; no speaker "
            "(group) and no source of noise is in two.",
        ]
        closing = "`auricle evaluate` measures it on speakers and noises that it was not trained with."
        title = options.preset or (f"from {model_name(options.init_from)}" if options.init_from else "cmgan")
        return Card(title, "A speech enhancer", facts, closing)


def write_noises(path: Path, material: Material, *starts_from: str) -> None:
    """noises.csv: every recording of noise with its source, its split and its file's SHA-256.

    Those that the runs `starts_from` were trained with follow.
    """
    rows = [(r.source, r.split, r.name, r.content or "") for r in material.recordings if r.kind == "noise"]
    heard = [row for run in starts_from for row in _training_noises(run)]
    rows += [(row["source"], row["split"], row["name"], row["sha256"]) for row in heard]
    write_rows(path, ("source", "split", "name", "sha256"), rows)


def _training_noises(folder: str | Path | None) -> list[dict[str, str]]:
    """The rows of noises.csv that the run in `folder` was trained with; none without that file."""
    path = Path(folder or "") / NOISES
    if folder is None or not path.is_file():
        return []
    return [row for row in read_rows(path, ("split",), what="the noises of a run") if row["split"] == "train"]


def noises_trained_on(folder: Path | None, recordings: Iterable[Recording]) -> list[Recording]:
    """Those of `recordings` that the run in `folder` was trained with, recognised by the content of their files.

    Synthetic noise is identified by its source, which determines it.
    """
    rows = _training_noises(folder)
    files = {row["sha256"] for row in rows if row["sha256"]}
    synthetic = {row["source"] for row in rows if not row["sha256"]}
    return [r for r in recordings if (r.content in files if r.path else r.source in synthetic)]
