"""The main job: from labelled recordings and a tagger to a trained separator in a run folder."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from auricle.config import Data, Optimization, SplitOptions, Training, plain_settings, require
from auricle.data.loading import ClipStore, training_loader
from auricle.data.manifest import Manifest
from auricle.data.reading import data_name, read_data
from auricle.data.splits import Splits, split_clips
from auricle.data.tasks import Task
from auricle.files import write_json
from auricle.runs.card import model_card
from auricle.runs.clips import clip_table, remember_clips
from auricle.runs.fit import Course, discard_checkpoints, fit
from auricle.runs.folder import FINISHED, UNFINISHED, open_run
from auricle.runs.provenance import provenance
from auricle.systems.audiomae import AudioMAE
from auricle.systems.classifier.system import Classifier
from auricle.systems.separator import Separator
from auricle.systems.separator.encoder import Fusion, Update
from auricle.systems.separator.system import QueryType
from auricle.systems.system import load_as
from auricle.tasks.separation.anchors import Anchor, kept_anchors, mine, write_anchors
from auricle.tasks.separation.average import average_queries, drawn, query_embeddings
from auricle.tasks.separation.data import AnchorMixtures, Normalization, fixed_loader

ANCHORS = "anchors.csv"
MEMORY_BYTES = 2**30  # for the waveforms of all clips together
_STANDARDISED = 1000  # anchors that tell the conditions' mean and deviation


def train_separator(
    data: str,
    output: str | Path,
    *,
    tagger: str | None = None,
    query: QueryType = "embedding",
    audiomae: str | None = None,
    encoder: Update = "frozen",
    fusion: Fusion = "time_aligned",
    detector: str | None = None,
    preset: str = "",
    size: dict[str, Any] | None = None,
    init_from: str | None = None,
    sample_rate: int = 32000,
    segment_s: float = 2.0,
    crop_s: float = 0.0,
    normalization: Normalization = "joint",
    seed: int = 0,
    data_options: Data = Data(),
    split_options: SplitOptions = SplitOptions(),
    training: Training = Training(),
    optimization: Optimization = Optimization(learning_rate=1e-3),
    encoder_learning_rate: float = 1e-4,
    overwrite: bool = False,
    settings: dict[str, Any] | None = None,
    progress: bool = True,
) -> Path:
    """Train a separator on mixtures of labelled recordings, queried by their own targets, and return its run folder.

    `tagger`, `audiomae` and `detector` are folders of trained or converted models. Mixed are anchors of `segment_s`:
    where the detector finds a label in a clip, or without one where the clip is loudest; of these `crop_s` at a time,
    or all if 0. At the end the average query of every class is kept. With `init_from` it starts from that separator,
    whose network, rate and kind of query hold, and whose tagger does if none is given. Called again after an
    interruption, it goes on from the last finished epoch.
    """
    require(segment_s > 0, f"segment_s={segment_s:g}: above 0")
    require(0 <= crop_s <= segment_s, f"crop_s={crop_s:g}: from 0 to segment_s={segment_s:g}")
    require(seed >= 0, f"seed={seed}: 0 or more")
    name, source = data_name(data)
    manifest = read_data(source, data_options, progress=progress)
    task = Task(name, manifest.label_names, manifest.multi_label)
    parts = Splits(task, *split_clips(manifest, split_options), manifest.skipped)
    if init_from:
        given = [name for name, value in (("preset", preset), ("size", size), ("audiomae", audiomae)) if value]
        require(not given, f"{' and '.join(given)} cannot be chosen with --init-from: that is {init_from}'s own")
        model = _again(init_from, tagger, optimization, encoder_learning_rate, seed)
        sample_rate, preset = model.sample_rate, f"from {init_from}"
    else:
        preset = preset or "resunet30"
        model = Separator.build(
            preset,
            size=size,
            tagger=load_as(Classifier, tagger) if tagger else None,
            query=query,
            audiomae=load_as(AudioMAE, audiomae) if audiomae else None,
            encoder=encoder,
            fusion=fusion,
            optimization=optimization,
            encoder_learning_rate=encoder_learning_rate,
            sample_rate=sample_rate,
            seed=seed,
        )
    require(model.tagger is not None, "queries are made by a tagger: --tagger RUN")
    segment, crop = round(segment_s * sample_rate), round((crop_s or segment_s) * sample_rate)
    least = model.size.n_fft // 2 + 1
    require(crop >= least, f"{crop / sample_rate:g} s at a time: at least {least / sample_rate:g}")
    about: dict[str, Any] = {"data": data, "tagger": tagger, "audiomae": audiomae, "detector": detector}
    about |= {
        "init_from": init_from,
        "segment_s": segment_s,
        "crop_s": crop_s,
        "normalization": normalization,
        "model": model.config,
    }
    options = {"data_options": data_options, "split_options": split_options, "training": training}
    folder = open_run(output, settings or plain_settings(about | options), overwrite)
    remember_clips(folder, clip_table([parts]))
    stores = {
        part: _stored(clips, sample_rate, training, progress)
        for part, clips in (("train", parts.train), ("valid", parts.valid))
    }
    anchors = _anchors(folder, stores, segment, detector, training, progress)
    if not init_from:
        some = drawn(anchors["train"], _STANDARDISED, seed)
        model.standardise(query_embeddings(model, stores["train"], some, segment))
    started = time.time()
    mixtures = {part: AnchorMixtures(stores[part], anchors[part], segment, normalization) for part in stores}
    course = fit(
        model,
        training_loader(
            mixtures["train"],
            window=(crop, crop),
            batch_size=training.batch_size,
            seed=seed,
            n_items=training.steps_per_epoch * training.batch_size or None,
            classes=[[anchor.label for anchor in anchors["train"]]] if training.balance else None,
            num_workers=training.num_workers,
        ),
        fixed_loader(mixtures["valid"], batch_size=training.batch_size),
        folder,
        training,
        progress=progress,
    )
    queries = average_queries(model, stores["train"], anchors["train"], segment, seed=seed, progress=progress)
    model.set_queries(queries)
    model.save(folder)
    record = provenance() | {"seed": seed, **asdict(course), "seconds_of_last_session": round(time.time() - started, 1)}
    card = _card(folder, model, preset, parts, about, course, record)
    (folder / "README.md").write_text(card, encoding="utf-8")
    write_json(folder / FINISHED, record)
    discard_checkpoints(folder)
    return folder


def _again(
    init_from: str, tagger: str | None, optimization: Optimization, encoder_learning_rate: float, seed: int
) -> Separator:
    """The separator of `init_from`, with `tagger` if there is one, to be trained in another way."""
    start = load_as(Separator, init_from)
    model = start.changed(optimization=asdict(optimization), encoder_learning_rate=encoder_learning_rate, seed=seed)
    if tagger:
        model.set_tagger(load_as(Classifier, tagger))
    return model


def _stored(part: Manifest, sample_rate: int, training: Training, progress: bool) -> ClipStore:
    cache = training.cache_dir or None
    return ClipStore(part.clips, sample_rate, memory_bytes=MEMORY_BYTES // 2, cache_dir=cache, progress=progress)


def _anchors(
    folder: Path,
    stores: dict[str, ClipStore],
    n_samples: int,
    detector: str | None,
    training: Training,
    progress: bool,
) -> dict[str, list[Anchor]]:
    """The anchors of each split: those that an interrupted training mined, or mined now; written to anchors.csv."""
    model = load_as(Classifier, detector) if detector else None
    if model is not None and training.accelerator != "cpu" and torch.cuda.is_available():
        model.to("cuda")
    kept = (folder / UNFINISHED).parent / "anchors"

    def found(store: ClipStore) -> list[Anchor]:
        return kept_anchors(kept, store, n_samples, detector, lambda: mine(store, n_samples, model, progress=progress))

    mined = {split: found(store) for split, store in stores.items()}
    write_anchors(folder / ANCHORS, {split: (stores[split], anchors) for split, anchors in mined.items()})
    return mined


def _card(
    folder: Path,
    model: Separator,
    preset: str,
    parts: Splits,
    about: dict[str, Any],
    course: Course,
    record: dict[str, Any],
) -> str:
    encoder = "none"
    if model.encoder is not None:
        encoder = f"{about['audiomae'] or about['init_from']}, {model.config['encoder']}, {model.config['fusion']}"
    facts = [
        f"A query-based separator, made with auricle {record['versions']['auricle']}.",
        "",
        f"- Works at {model.sample_rate} Hz. A query is the {model.query} of {about['tagger'] or about['init_from']}, "
        f"which lies in the same folder: {model.size.query_size} numbers. "
        f"Average queries of {len(model.queries)} classes are kept.",
        f"- Parameters: {sum(p.numel() for p in model.network.parameters()):,}, and those of the tagger. Audio masked "
        f"autoencoder: {encoder}.",
        f"- Trained on {about['data']}: {len(parts.train)} clips for training, {len(parts.valid)} for validation, "
        f"{len(parts.test or ())} put aside for testing; `clips.csv` lists them, `anchors.csv` what of them is mixed: "
        f"{about['segment_s']:g} s {'found by ' + about['detector'] if about['detector'] else 'that are loudest'}.",
        f"- Best of {course.epochs} epochs: {course.best_epoch}, by the loss on mixtures of the validation clips "
        f"({course.best_val_loss:.4g}); {course.training_hours:.3g} h.",
    ]
    closing = "`auricle separate` takes sounds out of recordings; `auricle evaluate` measures it on clips put aside."
    return model_card(f"{folder.name}: {preset}", facts, closing, record)
