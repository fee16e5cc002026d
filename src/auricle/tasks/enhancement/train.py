"""The main job: from clean speech and noise to a trained enhancer in a run folder."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from auricle.conditions import Material, Recording
from auricle.config import (
    Data,
    EnhancerLosses,
    EnhancerOptimization,
    SplitOptions,
    Training,
    complete,
    plain_settings,
    require,
)
from auricle.data.loading import ClipStore, training_loader
from auricle.data.manifest import Manifest
from auricle.data.material import read_material
from auricle.data.splits import Splits, split_clips
from auricle.errors import AuricleError
from auricle.files import write_json, write_text
from auricle.runs.card import model_card
from auricle.runs.clips import clip_table, remember_clips
from auricle.runs.fit import discard_checkpoints, fit, read_history
from auricle.runs.folder import FINISHED, open_run
from auricle.runs.provenance import provenance
from auricle.systems.cmgan import CMGAN
from auricle.systems.system import load_as
from auricle.tasks.enhancement.data import (
    TASK,
    Mixtures,
    Pairs,
    fixed_loader,
    noisy_versions,
    read_speech,
)

NOISES = "noises.csv"
MEMORY_BYTES = 2**30  # for the waveforms of all clips together


def train_enhancer(
    speech: str,
    output: str | Path,
    *,
    noise: list[str] | None = None,
    preset: str = "",
    size: dict[str, Any] | None = None,
    losses: dict[str, Any] | None = None,
    snr_db: tuple[float, float] = (0.0, 15.0),
    crop_s: float = 2.0,
    seed: int = 0,
    data_options: Data = Data(),
    split_options: SplitOptions = SplitOptions(),
    training: Training = Training(),
    optimization: EnhancerOptimization = EnhancerOptimization(),
    init_from: str | None = None,
    overwrite: bool = False,
    settings: dict[str, Any] | None = None,
    progress: bool = True,
) -> Path:
    """Train an enhancer on `speech`, mixed with the training half of `noise` at `snr_db`, and return its run folder.

    A manifest with a column `noisy` holds pairs, and no `noise` is given. With `init_from` it starts from that run's
    network, whose preset and size hold. Called again after an interruption, it goes
    on from the last finished epoch.
    """
    require(crop_s > 0, f"crop_s={crop_s:g}: above 0")
    require(seed >= 0, f"seed={seed}: 0 or more")
    require(-50 <= snr_db[0] <= snr_db[1] <= 100, f"snr={list(snr_db)}: the lowest and the highest in dB")
    manifest = read_speech(speech, data_options, progress=progress)
    parts = Splits(TASK, *split_clips(manifest, split_options), manifest.skipped)
    pairs = noisy_versions(manifest)
    material = None
    if noise:
        material = read_material([f"noise={source}" for source in noise], progress=progress)
    elif pairs is None:
        raise AuricleError(f"{speech} has no column 'noisy': give noise to mix in, as --noise NOISES")
    if init_from and (preset or size):
        raise AuricleError(f"preset and size cannot be chosen with --init-from: they are those of {init_from}")
    preset = preset or ("cmgan" if not init_from else f"from {init_from}")
    if init_from:
        model = _again(init_from, losses, optimization, seed)
    else:
        model = CMGAN.build(preset, size=size, losses=losses, optimization=optimization, seed=seed)
    crop = round(crop_s * model.sample_rate)
    require(crop >= model.spectrum.n_fft, f"crop_s={crop_s:g}: at least {model.spectrum.n_fft / model.sample_rate:g}")
    given = {"speech": speech, "noise": noise, "snr": list(snr_db), "crop_s": crop_s, "model": model.config}
    options = {"data_options": data_options, "split_options": split_options, "training": training}
    folder = open_run(output, settings or plain_settings(given | options), overwrite)
    remember_clips(folder, clip_table([parts]))
    if material is not None:
        _write_noises(folder / NOISES, material)
    started = time.time()

    def dataset(part: Manifest) -> Mixtures | Pairs:
        clean = _stored(part.clips, model.sample_rate, training, progress)
        if material is not None:
            return Mixtures(clean, material.of_split("train"), snr_db)
        assert pairs is not None
        noisy_of = dict(zip(manifest.clips, pairs, strict=True))
        return Pairs(clean, _stored([noisy_of[clip] for clip in part], model.sample_rate, training, progress))

    fit(
        model,
        training_loader(
            dataset(parts.train),
            window=(crop, crop),
            batch_size=training.batch_size,
            seed=seed,
            n_items=training.steps_per_epoch * training.batch_size or None,
            num_workers=training.num_workers,
        ),
        fixed_loader(dataset(parts.valid), parts.valid.clips, crop=crop, batch_size=training.batch_size),
        folder,
        training,
        progress=progress,
    )
    model.save(folder)
    record = provenance() | {"seed": seed, "seconds_of_last_session": round(time.time() - started, 1)}
    (folder / "README.md").write_text(_card(folder, model, preset, parts, given, record), encoding="utf-8")
    write_json(folder / FINISHED, record)
    discard_checkpoints(folder)
    return folder


def _again(run: str, losses: dict[str, Any] | None, optimization: EnhancerOptimization, seed: int) -> CMGAN:
    """A system with the network of `run`, and losses and optimisation of its own."""
    start = load_as(CMGAN, run)
    own = complete(EnhancerLosses, start.config["losses"] | (losses or {}), "losses")
    return start.changed(losses=own, optimization=asdict(optimization), seed=seed)


def _stored(clips: Any, sample_rate: int, training: Training, progress: bool) -> ClipStore:
    cache = training.cache_dir or None
    return ClipStore(clips, sample_rate, memory_bytes=MEMORY_BYTES // 4, cache_dir=cache, progress=progress)


def _write_noises(path: Path, material: Material) -> None:
    """noises.csv: every recording of noise, its source, the split that it belongs to, and its file's SHA-256."""
    rows = [(r.source, r.split, r.name, r.content or "") for r in material.recordings if r.kind == "noise"]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("source", "split", "name", "sha256"), *rows])
    write_text(path, text.getvalue())


def heard_noises(folder: Path | None, recordings: Iterable[Recording]) -> list[Recording]:
    """Those of `recordings` that the run in `folder` was trained with, recognised by the content of their files.

    What a formula draws is recognised by its source, which determines it.
    """
    if folder is None or not (folder / NOISES).exists():
        return []
    with open(folder / NOISES, newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    files = {row["sha256"] for row in rows if row["sha256"]}
    formulas = {row["source"] for row in rows if not row["sha256"]}
    return [r for r in recordings if (r.content in files if r.path else r.source in formulas)]


def _card(folder: Path, model: CMGAN, preset: str, parts: Splits, given: dict[str, Any], record: dict[str, Any]) -> str:
    history = read_history(folder / "history.csv")
    best = min(history, key=lambda row: float(row["val_loss"]))
    n_parameters = sum(p.numel() for p in model.generator.parameters())
    adversarial = model.losses.adversarial
    counts = f"{len(parts.train)} clips for training, {len(parts.valid)} for validation"
    noise = (
        f"{', '.join(given['noise'])} at {given['snr'][0]:g} to {given['snr'][1]:g} dB" if given["noise"] else "pairs"
    )
    facts = [
        f"A speech enhancer, made with auricle {record['versions']['auricle']}.",
        "",
        f"- Works at {model.sample_rate} Hz, one channel at a time; {model.latency}.",
        f"- Parameters: {n_parameters:,}. Trained {'with' if adversarial else 'without'} a metric discriminator.",
        f"- Trained on {given['speech']}: {counts}, {len(parts.test or ())} put aside for testing; noise: {noise}. "
        "`clips.csv` and `noises.csv` list what is in which part; no speaker (group) and no source of noise is in two.",
        f"- Best of {len(history)} epochs: {best['epoch']}, by the loss on the validation clips ({best['val_loss']}).",
    ]
    closing = "`auricle evaluate` measures it on speakers and noises that it has not heard."
    return model_card(f"{folder.name}: {preset}", facts, closing, record)
