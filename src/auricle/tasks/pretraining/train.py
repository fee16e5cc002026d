"""Pre-training of an audio masked autoencoder on recordings without labels."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from auricle.conditions import stable_seed
from auricle.config import Data, Optimization, SplitOptions, Training, plain_settings, require
from auricle.data.clips import Clip, Problem
from auricle.data.loading import ClipStore, DrawnClips, Item, TrainingWindows, training_loader
from auricle.data.manifest import Manifest
from auricle.data.reading import data_name, read_unlabelled
from auricle.data.splits import Splits
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.files import write_json
from auricle.reports import plots
from auricle.runs.card import model_card
from auricle.runs.clips import clip_table, remember_clips
from auricle.runs.fit import Course, discard_checkpoints, fit, read_history
from auricle.runs.folder import FINISHED, open_run
from auricle.runs.provenance import provenance
from auricle.systems.audiomae import AudioMAE
from auricle.systems.audiomae.features import HOP_S, WINDOW_S

TASK = Task("sound", ("sound",), multi_label=True)
MEMORY_BYTES = 2**30  # for the waveforms of all clips together
_SHOWN = 6


def pretrain_audiomae(
    data: Sequence[str],
    output: str | Path,
    *,
    preset: str = "audiomae",
    size: dict[str, Any] | None = None,
    mask_ratio: float = 0.8,
    seed: int = 0,
    data_options: Data = Data(),
    split_options: SplitOptions = SplitOptions(validation_share=0.05),
    training: Training = Training(),
    optimization: Optimization = Optimization(learning_rate=1e-3),
    overwrite: bool = False,
    settings: dict[str, Any] | None = None,
    progress: bool = True,
) -> Path:
    """Train a masked autoencoder on the recordings of manifests and folders, and return its run folder.

    Where a source has the fold `split_options.test_fold` it is left out; where it has splits, `split_options.split` is
    learnt from. Called again after an interruption, it goes on from the last finished epoch.
    """
    require(seed >= 0, f"seed={seed}: 0 or more")
    parts = read_parts(data, data_options, split_options, progress=progress)
    model = AudioMAE.build(preset, size=size, mask_ratio=mask_ratio, optimization=optimization, seed=seed)
    options = {"data_options": data_options, "split_options": split_options, "training": training}
    given = {"data": list(data), "model": model.config} | options
    folder = open_run(output, settings or plain_settings(given), overwrite)
    remember_clips(folder, clip_table([parts]))
    started = time.time()
    window = round((HOP_S * (model.size.n_frames - 1) + WINDOW_S) * model.sample_rate)

    def windows(part: Manifest) -> Windows:
        cache, memory = training.cache_dir or None, MEMORY_BYTES // 2
        store = ClipStore(part.clips, model.sample_rate, memory_bytes=memory, cache_dir=cache, progress=progress)
        return Windows(part, store, window)

    held = windows(parts.valid)
    items = [(index, stable_seed("validation", index), window) for index in range(len(held))]
    validation: DataLoader[dict[str, Any]] = DataLoader(held, batch_size=training.batch_size, sampler=items)
    course = fit(
        model,
        training_loader(
            windows(parts.train),
            window=(window, window),
            batch_size=training.batch_size,
            seed=seed,
            n_items=training.steps_per_epoch * training.batch_size or None,
            num_workers=training.num_workers,
        ),
        validation,
        folder,
        training,
        progress=progress,
    )
    model.save(folder)
    heard = next(iter(validation))["waveform"][:_SHOWN]
    _draw(folder / "plots", model, heard)
    record = provenance() | {"seed": seed, **asdict(course), "seconds_of_last_session": round(time.time() - started, 1)}
    (folder / "README.md").write_text(_card(folder, model, preset, parts, data, course, record), encoding="utf-8")
    write_json(folder / FINISHED, record)
    discard_checkpoints(folder)
    return folder


class Windows(DrawnClips):
    """Random windows of `window` samples, of each clip as many as its share of the recordings' whole length.

    An item is asked for as (window, seed, samples), and gives `waveform`; the seed draws a place in the window's part
    of all recordings one after another, and then a window of the clip that lies there. Short clips are repeated.
    """

    def __init__(self, part: Manifest, store: ClipStore, window: int) -> None:
        self.clips = TrainingWindows([(TASK, part, store)], short="repeat")
        self.window = window
        self.ends = np.cumsum(store.lengths)
        self.sizes = [max(1, int(self.ends[-1]) // window)]

    def __len__(self) -> int:
        return self.sizes[0]

    def __getitem__(self, item: Item) -> dict[str, Any]:
        index, seed, n_samples = item
        place = (index + np.random.default_rng([seed, 1]).random()) * min(self.window, self.ends[-1])
        return self.clips[int(np.searchsorted(self.ends, place, side="right")), seed, n_samples]


def read_parts(data: Sequence[str], options: Data, split_options: SplitOptions, *, progress: bool = False) -> Splits:
    """The clips of all sources: to learn from, to choose the best epoch by, and those of folds or splits left out."""
    kept: list[Clip] = []
    left: list[Clip] = []
    skipped: list[Problem] = []
    for source in data:
        name, path = data_name(source)
        manifest = read_unlabelled(path, TASK.labels[0], options, progress=progress)
        chosen = manifest
        if split_options.test_fold and manifest.folds:
            chosen = manifest.select(without_fold=split_options.test_fold)
        elif manifest.splits:
            chosen = manifest.select(split=split_options.split)
        own = {clip.key for clip in chosen}
        for clip in manifest:
            group = clip.group and f"{name}/{clip.group}"
            renamed = dataclasses.replace(clip, file=f"{name}/{clip.file}", group=group)
            (kept if clip.key in own else left).append(renamed)
        skipped += manifest.skipped
    keys = [clip.key for clip in (*kept, *left)]
    if len(set(keys)) < len(keys):
        raise AuricleError("two sources of recordings have the same name: give names, as --data one=PATH two=PATH")
    together = Path(" ".join(data))
    train, validation = Manifest(together, tuple(kept)).hold_out(
        split_options.validation_share, seed=split_options.seed
    )
    return Splits(TASK, train, validation, Manifest(together, tuple(left)) if left else None, tuple(skipped))


@torch.no_grad()
def _draw(folder: Path, model: AudioMAE, waveforms: torch.Tensor) -> None:
    """plots/reconstruction.png: what was heard, what of it the encoder saw, and what the decoder made of that."""
    spectrograms = model.features(waveforms.to(model.device))
    seen, told = model.reconstruct(spectrograms, torch.Generator().manual_seed(model.seed))
    figure = plots.reconstructions(spectrograms.cpu().numpy(), seen.cpu().numpy(), told.cpu().numpy(), HOP_S)
    plots.save(figure, folder / "reconstruction.png")
    plots.save(plots.training_curves(read_history(folder.parent / "history.csv")), folder / "training.png")


def _card(
    folder: Path,
    model: AudioMAE,
    preset: str,
    parts: Splits,
    data: Sequence[str],
    course: Course,
    record: dict[str, Any],
) -> str:
    hours = sum(clip.duration_s for clip in parts.train) / 3600
    facts = [
        f"An audio masked autoencoder, made with auricle {record['versions']['auricle']}.",
        "",
        f"- Hears {HOP_S * model.size.n_frames:g} s at {model.sample_rate} Hz as {model.size.grid[0]} × "
        f"{model.size.grid[1]} patches, of which {model.mask_ratio:.0%} were hidden; "
        f"{model.size.depth} blocks of {model.size.width}.",
        f"- Parameters: {sum(p.numel() for p in model.parameters()):,}, those of the decoder among them.",
        f"- Trained without labels on {hours:.2g} h, {len(parts.train)} clips, of {', '.join(data)}; "
        f"{len(parts.valid)} clips for validation. `clips.csv` lists them.",
        f"- Best of {course.epochs} epochs: {course.best_epoch}, by the loss of hidden patches of the validation clips "
        f"({course.best_val_loss:.4g}); {course.training_hours:.3g} h.",
        "",
        "![Reconstructions](plots/reconstruction.png)",
        "",
    ]
    closing = f"`auricle train separator --audiomae {folder.name}` trains a separator with it."
    return model_card(f"{folder.name}: {preset}", facts, closing, record)
