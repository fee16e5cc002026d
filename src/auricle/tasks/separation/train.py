"""`auricle train separator`: from labelled recordings and a tagger to a trained separator in a run folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch

from auricle.config import TrainSeparator, require, verb
from auricle.data.clip_store import ClipStore
from auricle.data.labels import refuse_label_errors
from auricle.data.reading import data_name, read_data
from auricle.data.splits import Splits, split_clips
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.runs.card import Card, model_name
from auricle.runs.clips import clip_table, clips_trained_on
from auricle.runs.folder import UNFINISHED
from auricle.runs.processes import for_this_process
from auricle.runs.provenance import run_digest
from auricle.runs.train import Datasets, TrainingTask, train
from auricle.systems.audiomae import AudioMAE
from auricle.systems.classifier.system import Classifier
from auricle.systems.separator import Separator
from auricle.systems.system import load_as
from auricle.tasks.separation.anchors import Anchor, cached_anchors, mine, write_anchors
from auricle.tasks.separation.average import average_queries, query_embeddings, sample_anchors
from auricle.tasks.separation.data import AnchorMixtures, fixed_loader

ANCHORS = "anchors.csv"
LOSSES = {"l1": "the mean absolute difference", "sdr": "the SDR in decibels, negative"}
_STANDARDISED = 1000  # number of anchors that the mean and deviation of query embeddings are estimated from
_MODELS = ("tagger", "audiomae", "detector", "init_from")


@verb
def train_separator(options: TrainSeparator) -> Path:
    """Train a separator; returns the run folder."""
    return train(SeparatorTrainingTask(for_this_process(options)))


class SeparatorTrainingTask(TrainingTask[Separator, TrainSeparator]):
    """Train a separator on mixtures of labelled recordings; the queries are the tagger's outputs for the targets."""

    def __init__(self, options: TrainSeparator) -> None:
        segment_s, crop_s = options.segment_s, options.crop_s
        require(segment_s > 0, f"segment_s={segment_s:g}: above 0")
        require(crop_s is None or 0 < crop_s <= segment_s, f"crop_s={crop_s}: above 0, up to segment_s={segment_s:g}")
        require(options.seed >= 0, f"seed={options.seed}: 0 or more")
        self.options = options
        name, source = data_name(options.data)
        manifest = read_data(source, options, progress=not options.quiet)
        refuse_label_errors(manifest.source, manifest.label_names)
        task = Task(name, manifest.label_names, manifest.multi_label)
        self.splits = [Splits(task, *split_clips(manifest, options.splits), manifest.skipped)]

    @property
    def starts_from(self) -> tuple[str, ...]:
        return (*super().starts_from, *([self.options.tagger] if self.options.tagger else []))

    def clip_table(self) -> str:
        return clip_table(self.splits, *self.starts_from, unlabelled=self.options.audiomae)

    def inputs(self) -> dict[str, str]:
        options = self.options
        models = {name: getattr(options, name) for name in _MODELS}
        return {name: run_digest(folder) for name, folder in models.items() if folder}

    def build(self) -> Separator:
        options = self.options
        tagger = load_as(Classifier, options.tagger) if options.tagger else None
        self._refuse_tests_of_tagger()
        if options.init_from:
            own = ("preset", "size", "audiomae", "layer_norm", "raw_queries", "sample_rate")
            chosen = [name for name in own if getattr(options, name)]
            chosen += [flag[2:] for flag in options.given(("query", "encoder", "fusion"))]
            require(
                not chosen,
                f"{' and '.join(chosen)} cannot be chosen with --init-from: that is {options.init_from}'s own",
            )
            model = load_as(Separator, options.init_from).with_config(
                loss=options.loss,
                optimization=asdict(options.optimization),
                encoder_learning_rate=options.encoder_learning_rate,
                seed=options.seed,
            )
            if tagger:
                model.set_tagger(tagger)
        else:
            model = Separator.build(
                options.preset or "resunet30",
                size=options.size,
                tagger=tagger,
                query=options.query,
                audiomae=load_as(AudioMAE, options.audiomae) if options.audiomae else None,
                encoder=options.encoder,
                fusion=options.fusion,
                layer_norm=options.layer_norm,
                loss=options.loss,
                optimization=options.optimization,
                encoder_learning_rate=options.encoder_learning_rate,
                sample_rate=options.sample_rate or 32000,
                seed=options.seed,
            )
        require(model.tagger is not None, "queries are made by a tagger: --tagger RUN")
        rate, shortest = model.sample_rate, model.size.n_fft // 2 + 1
        self.segment = round(options.segment_s * rate)
        self.crop = round((options.crop_s or options.segment_s) * rate)
        require(self.crop >= shortest, f"{self.crop / rate:g} s at a time: at least {shortest / rate:g}")
        return model

    def _refuse_tests_of_tagger(self) -> None:
        """Raise `AuricleError` if the tagger was trained on clips that are put aside for testing."""
        (splits,), tagger = self.splits, self.options.tagger
        aside = tuple(splits.test or ())
        used = clips_trained_on(tagger, aside)
        if used:
            raise AuricleError(
                f"{tagger} was trained on {len(used)} of the {len(aside)} clips put aside for testing, first "
                f"{used[0].name}: give a --tagger that was trained with the same splits, or --splits that suit it"
            )

    def datasets(self, system: Separator, folder: Path) -> Datasets:
        options, (splits,) = self.options, self.splits
        self.stores = {
            "train": self.store(splits.train.clips, system.sample_rate),
            "valid": self.store(splits.valid.clips, system.sample_rate),
        }
        self.anchors = self._anchors(folder)
        standardised = system.scales_queries and options.tagger if options.init_from else not options.raw_queries
        if standardised:
            some = sample_anchors(self.anchors["train"], _STANDARDISED, options.seed)
            system.fit_query_scaling(query_embeddings(system, self.stores["train"], some, self.segment))
        mixtures = {
            split: AnchorMixtures(
                store,
                self.anchors[split],
                self.segment,
                options.normalization,
                speed_perturbation=options.speed_perturbation if split == "train" else 1.0,
            )
            for split, store in self.stores.items()
        }
        loader = fixed_loader(mixtures["valid"], batch_size=options.training.batch_size)
        classes = [[anchor.label for anchor in self.anchors["train"]]] if options.training.balance else None
        return Datasets(mixtures["train"], (self.crop, self.crop), loader, classes)

    def _anchors(self, folder: Path) -> dict[str, list[Anchor]]:
        """The anchors of each split, found now or by an interrupted training, and written to anchors.csv."""
        options, progress = self.options, not self.options.quiet
        detector = load_as(Classifier, options.detector) if options.detector else None
        if detector is not None and options.training.accelerator != "cpu" and torch.cuda.is_available():
            detector.to("cuda")
        kept = (folder / UNFINISHED).parent / "anchors"

        def found(store: ClipStore) -> list[Anchor]:
            def find() -> list[Anchor]:
                return mine(store, self.segment, detector, progress=progress)

            return cached_anchors(kept, store, self.segment, options.detector, find)

        anchors = {split: found(store) for split, store in self.stores.items()}
        write_anchors(folder / ANCHORS, {split: (self.stores[split], own) for split, own in anchors.items()})
        return anchors

    def finish(self, system: Separator, folder: Path) -> None:
        store, anchors = self.stores["train"], self.anchors["train"]
        seed, progress = self.options.seed, not self.options.quiet
        system.set_queries(average_queries(system, store, anchors, self.segment, seed=seed, progress=progress))

    def facts(self, system: Separator, folder: Path) -> Card:
        options = self.options
        models = {name: model_name(own) for name in _MODELS if (own := getattr(options, name))}
        encoder = "none"
        if system.encoder is not None:
            origin = models.get("audiomae") or models["init_from"]
            normalised = ", normalised" if system.encoder.layer_norm else ""
            encoder = f"{origin}, {system.config['encoder']}{normalised}, {system.config['fusion']}"
        segments = f"found by {models['detector']}" if "detector" in models else "the loudest"
        speed = options.speed_perturbation
        perturbed = f", each played up to {speed:g} times faster or slower" if speed != 1 else ""
        facts = [
            f"Works at {system.sample_rate} Hz. A query is the {system.query} of "
            f"{models.get('tagger') or models['init_from']}, which is in the same folder: "
            f"{system.size.query_size} values. Average queries of {len(system.queries)} classes are saved.",
            f"Parameters: {sum(p.numel() for p in system.network.parameters()):,}, without the tagger. Audio "
            f"masked autoencoder: {encoder}.",
            f"Trained on mixtures of segments of {options.segment_s:g} s of {options.data}, {segments} of each clip"
            f"{perturbed}; `anchors.csv` lists them. The loss is {LOSSES[options.loss]}.",
        ]
        closing = "`auricle separate` extracts sounds from recordings; `auricle evaluate` measures on clips put aside."
        title = f"from {models['init_from']}" if options.init_from else (options.preset or "resunet30")
        return Card(title, "A query-based separator", facts, closing)
