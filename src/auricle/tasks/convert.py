"""Verbs that convert published checkpoints to model folders, without running code from the checkpoints."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from auricle.config import (
    ConvertAudioMAE,
    ConvertCMGAN,
    ConvertEfficientAT,
    ConvertLEAFAPCEN,
    ConvertLeafPytorch,
    ConvertPANNs,
    ConvertUSS,
    verb,
)
from auricle.data.manifest import read_manifest
from auricle.errors import AuricleError
from auricle.identity import file_digest
from auricle.runs.card import write_published_card
from auricle.systems.audiomae.published import from_published as published_audiomae
from auricle.systems.classifier.efficientat import from_published as published_efficientat
from auricle.systems.classifier.leaf_apcen import from_published as published_leaf_apcen
from auricle.systems.classifier.leaf_pytorch import from_published as published_leaf_pytorch
from auricle.systems.classifier.published import from_published as published_panns
from auricle.systems.classifier.system import Classifier
from auricle.systems.cmgan.published import from_published as published_cmgan
from auricle.systems.separator.published import from_published as published_uss
from auricle.systems.system import System, load_as
from auricle.tasks.separation.average import queries_of


@verb
def convert_audiomae(options: ConvertAudioMAE) -> str:
    """Convert a published AudioMAE checkpoint; returns a line that describes the model."""
    _refuse_existing(options.output)
    model = published_audiomae(options.checkpoint)
    _save(model, options, "AudioMAE (Huang et al., 2022)")
    size = model.size
    return f"the model, with {size.depth} blocks and a decoder of the kind {size.decoder!r}, is in {options.output}"


@verb
def convert_cmgan(options: ConvertCMGAN) -> str:
    """Convert a published CMGAN checkpoint; returns a line that describes the model."""
    _refuse_existing(options.output)
    _save(published_cmgan(options.checkpoint), options, "CMGAN (Abdulatif et al., 2022)")
    return f"the model is in {options.output}"


@verb
def convert_efficientat(options: ConvertEfficientAT) -> str:
    """Convert a published EfficientAT checkpoint; returns a line that describes the model."""
    _refuse_existing(options.output)
    model = published_efficientat(
        options.checkpoint,
        labels=options.labels,
        window_s=options.window_s,
        n_filters=options.n_filters,
        hop_length=options.hop_length,
    )
    _save(model, options, "a MobileNet of EfficientAT (Schmid et al., 2023)")
    width = model.config["backbone"]["width"]
    return f"the model, of width {width:g}, is in {options.output}"


@verb
def convert_leaf_apcen(options: ConvertLEAFAPCEN) -> str:
    """Convert a published LEAF-APCEN classifier; returns a line that describes the model."""
    _refuse_existing(options.output)
    model = published_leaf_apcen(
        options.checkpoint, labels=options.labels, window_s=options.window_s, lead=options.lead
    )
    _save(model, options, "LEAF-APCEN (Meng et al.)")
    name = model.config["frontend"]["name"]
    return f"the model with the front-end {name} is in {options.output}"


@verb
def convert_leaf_pytorch(options: ConvertLeafPytorch) -> str:
    """Convert a classifier of leaf-pytorch; returns a line that describes the model."""
    _refuse_existing(options.output)
    model = published_leaf_pytorch(
        options.checkpoint, cfg=options.cfg, labels=options.labels, window_s=options.window_s
    )
    _save(model, options, "a classifier of leaf-pytorch (Yadav)")
    name = model.config["backbone"]["name"]
    return f"the model with the backbone {name} is in {options.output}"


@verb
def convert_panns(options: ConvertPANNs) -> str:
    """Convert a published PANNs checkpoint; returns a line that describes the model."""
    _refuse_existing(options.output)
    model = published_panns(
        options.checkpoint, head=options.head or "", labels=options.labels, window_s=options.window_s
    )
    _save(model, options, "PANNs (Kong et al., 2020)")
    head = model.config["head"]
    return f"the model with the head {head!r} is in {options.output}"


@verb
def convert_uss(options: ConvertUSS) -> str:
    """Convert a published universal source separation checkpoint; returns a line that describes the model."""
    _refuse_existing(options.output)
    if options.queries and not options.tagger:
        raise AuricleError("--queries needs the tagger that makes them: --tagger FOLDER")
    model = published_uss(options.checkpoint, hop_length=options.hop_length)
    if options.tagger:
        model.set_tagger(load_as(Classifier, options.tagger))
    if options.queries:
        clips = read_manifest(options.queries, remedy="leave them out", progress=True)
        model.set_queries(queries_of(model, clips, options.segment_s, progress=True))
    _save(model, options, "universal source separation (Kong et al., 2023)")
    kept = f", of which those of {len(model.queries)} classes are kept" if options.queries else ""
    return f"the model is in {options.output}; its queries have {model.size.query_size} entries{kept}"


def _save(model: System, options: Any, network: str) -> None:
    """Save the model and its card, which names the `network` and the checkpoint of `options`."""
    model.save(options.output)
    checkpoint = Path(options.checkpoint)
    write_published_card(Path(options.output), network, checkpoint.name, file_digest(checkpoint))


def _refuse_existing(folder: str) -> None:
    if os.path.lexists(folder) and (not Path(folder).is_dir() or any(Path(folder).iterdir())):
        raise AuricleError(f"{folder} exists already: give a new folder")
