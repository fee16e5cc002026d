"""`auricle train audiomae`: pre-training of an audio masked autoencoder on unlabelled recordings."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.utils.data import DataLoader

from auricle.conditions import stable_seed
from auricle.config import DataOptions, TrainAudioMAE, require, verb
from auricle.data.manifest import Manifest
from auricle.errors import duration_text
from auricle.reports import plots
from auricle.runs.card import Card
from auricle.runs.history import HISTORY, read_history
from auricle.runs.processes import for_this_process
from auricle.runs.train import Datasets, TrainingTask, train
from auricle.systems.audiomae import AudioMAE
from auricle.systems.audiomae.features import HOP_S, WINDOW_S
from auricle.tasks.pretraining.data import Windows, read_splits

_SHOWN = 6


@verb
def train_audiomae(options: TrainAudioMAE) -> Path:
    """Pre-train an audio masked autoencoder; returns the run folder."""
    return train(AudioMAETrainingTask(for_this_process(options)))


class AudioMAETrainingTask(TrainingTask[AudioMAE, TrainAudioMAE]):
    """Pre-train a masked autoencoder on the recordings of manifests and folders."""

    def __init__(self, options: TrainAudioMAE) -> None:
        require(options.seed >= 0, f"seed={options.seed}: 0 or more")
        self.options = options
        reading = DataOptions(skip_bad=options.skip_bad)
        self.splits = [read_splits(options.data, reading, options.splits, progress=not options.quiet)]

    def build(self) -> AudioMAE:
        options = self.options
        return AudioMAE.build(
            options.preset,
            size=options.size,
            mask_ratio=options.mask_ratio,
            optimization=options.optimization,
            seed=options.seed,
        )

    def datasets(self, system: AudioMAE, folder: Path) -> Datasets:
        (splits,) = self.splits
        window = round((HOP_S * (system.size.n_frames - 1) + WINDOW_S) * system.sample_rate)

        def windows(manifest: Manifest) -> Windows:
            return Windows(manifest, self.store(manifest.clips, system.sample_rate), window)

        valid = windows(splits.valid)
        items = [(index, stable_seed("validation", index), window) for index in range(len(valid))]
        self.validation = DataLoader(valid, batch_size=self.options.training.batch_size, sampler=items)
        return Datasets(windows(splits.train), (window, window), self.validation)

    def facts(self, system: AudioMAE, folder: Path) -> Card:
        examples = next(iter(self.validation))["waveform"][:_SHOWN]
        draw_reconstructions(folder / "plots" / "reconstruction.png", system, examples)
        plots.save(plots.training_curves(read_history(folder / HISTORY)), folder / "plots" / "training.png")
        heard = duration_text(sum(clip.duration_s for clip in self.splits[0].train))
        size = system.size
        facts = [
            f"Input: {HOP_S * size.n_frames:g} s at {system.sample_rate} Hz as {size.grid[0]} × {size.grid[1]} "
            f"patches, of which {system.mask_ratio:.0%} were masked; {size.depth} blocks of {size.width}.",
            f"Parameters: {sum(p.numel() for p in system.parameters()):,}, including the decoder.",
            f"Trained without labels on {heard} of {', '.join(self.options.data)}. The loss is computed on "
            "masked patches.",
        ]
        sections = ["![Reconstructions](plots/reconstruction.png)", ""]
        closing = f"`auricle train separator --audiomae {folder.name}` trains a separator with it."
        return Card(self.options.preset, "An audio masked autoencoder", facts, closing, sections)


@torch.no_grad()
def draw_reconstructions(path: Path, model: AudioMAE, waveforms: torch.Tensor) -> None:
    """Draw spectrograms of `waveforms` `(clips, time)`, their visible patches, and their reconstructions."""
    spectrograms = model.features(waveforms.to(model.device))
    visible, whole = model.reconstruct(spectrograms, torch.Generator().manual_seed(model.seed))
    figure = plots.reconstructions(spectrograms.cpu().numpy(), visible.cpu().numpy(), whole.cpu().numpy(), HOP_S)
    plots.save(figure, path)
