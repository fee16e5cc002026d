"""`auricle train trnet`: for every speaker left out a teacher, a system and its predictions in all noises.

folds/SPEAKER/           a model folder (`auricle predict` takes it) with clips.csv, history.csv, run.json
folds/SPEAKER/teacher/   the network that was trained on clean speech, where the system has one
folds/SPEAKER/*          results.json, results.csv, predictions.csv: its test; representations.npz: h̃ at some levels;
                         enhancer/: a trained one
results.json, results.csv, predictions.csv   the tests of all folds
noises.csv               which source of noise belongs to which speaker
run.json                 written when all folds are done
"""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from auricle.conditions import Material
from auricle.config import TrainTRNet, require, verb
from auricle.data.manifest import Manifest
from auricle.data.material import read_material
from auricle.data.splits import Splits
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.files import write_json, write_text
from auricle.identity import Store, file_digest
from auricle.progress import track
from auricle.runs.card import Card, write_card
from auricle.runs.clips import SPLITS, HeardClips, clip_digests, clips_digest, heard_clips
from auricle.runs.fit import Course
from auricle.runs.folder import FINISHED, open_run
from auricle.runs.provenance import OWN_ENHANCER, run_digest
from auricle.runs.results import FOLDS
from auricle.runs.train import Datasets, TrainingTask, run_record, train_in
from auricle.systems.system import System, evaluating, load
from auricle.systems.trnet import KINDS, TRNet
from auricle.tasks.emotion.data import (
    MATCHED,
    UNMATCHED,
    DrawnVersions,
    NoiseLevel,
    NoisySpeech,
    Versions,
    deal,
    levels,
    version_loader,
)
from auricle.tasks.emotion.evaluate import write_fold, write_run
from auricle.tasks.emotion.folds import Fold, plan_folds, read_speakers, speakers_of
from auricle.tasks.enhancement.open import open_enhancer
from auricle.tasks.enhancement.train import heard_noises

TEACHER = "teacher"
REPRESENTATIONS, NOISES = "representations.npz", "noises.csv"
TASK = "emotion"
#: Where representations are kept, for a figure of them (Fig. 3).
KEPT_LEVELS = (NoiseLevel(), *levels(MATCHED, (20.0, 10.0, 0.0)))


@verb
def train_trnet(options: TrainTRNet) -> Path:
    """The run folder."""
    plan = plan_run(options)
    folder = open_run(options, plan.inputs, begun=FOLDS)
    (folder / FOLDS).mkdir(exist_ok=True)
    _write_noises(folder / NOISES, plan.speech.matched, plan.speech.unmatched)
    started = time.time()
    for number, fold in enumerate(plan.folds, start=1):
        own = folder / FOLDS / fold.test
        if not options.quiet:
            state = "is there" if (own / FINISHED).exists() else f"validated by {fold.valid}"
            print(f"fold {number}/{len(plan.folds)}: {fold.test} left out, {state}", flush=True)
        if not (own / FINISHED).exists():
            task = FoldTrainingTask(plan, fold, options.kind)
            train_in(own, task, task.build_in(own))
    tested = [clip for fold in plan.folds for clip in fold.clips(plan.manifest, "test")]
    write_run(
        folder,
        [fold.test for fold in plan.folds],
        data=options.data,
        content=clips_digest(tested),
        model=plan.described(plan.system(options.kind)),
        settings=plan.tested | {"folds": [asdict(fold) for fold in plan.folds]},
    )
    _finish(plan, folder, time.time() - started)
    return folder


@dataclass(frozen=True)
class RunPlan:
    """What all folds of a run share."""

    options: TrainTRNet
    manifest: Manifest
    task: Task
    folds: list[Fold]
    speech: NoisySpeech
    inputs: dict[str, str]

    @property
    def tested(self) -> dict[str, Any]:
        """What it is tested in, as results.json holds it."""
        options, speech = self.options, self.speech
        return {
            "noise": options.noise,
            "unmatched_noise": options.unmatched_noise or [],
            "snr": list(options.snr),
            "material": {speaker: own.describe() for speaker, own in speech.matched.items()},
            "unmatched_material": speech.unmatched.describe() if speech.unmatched else None,
        }

    def arrangement(self) -> dict[str, Any]:
        """Everything that was chosen but the seed: runs that agree in it may be averaged."""
        config, options = self.system(self.options.kind).config, self.options
        kept = ("kind", "variant", "size", "losses", "window_s", "optimization")
        return {name: config[name] for name in kept} | {
            "training": asdict(options.training),
            "enhancer": options.enhancer,
        }

    def described(self, system: TRNet) -> dict[str, Any]:
        """The model of results.json; of the parameters those that are saved count."""
        config = self.arrangement()
        training = {name: config.pop(name) for name in ("training", "enhancer")}
        saved = system.inference_weights()
        return {
            "config": config,
            "parameters": {"all": sum(p.numel() for name, p in system.named_parameters() if name in saved)},
            "training_seed": system.seed,
            "training": training,
        }

    def system(self, kind: str) -> TRNet:
        options = self.options
        return TRNet.build(
            self.task,
            kind=kind,
            variant=options.variant,
            size=options.size,
            losses=options.losses,
            window_s=options.window_s,
            optimization=options.optimization,
            seed=options.seed,
        )

    def versions(self, fold: Fold, split: str, wanted: Sequence[NoiseLevel], kind: str) -> Versions:
        """The clips of a split at all of `wanted`, all of them made."""
        chosen = {clip.key for clip in fold.clips(self.manifest, split)}
        indices = [index for index, clip in enumerate(self.speech.clips) if clip.key in chosen]
        short = "repeat" if self.options.variant == "published" else "pad"
        versions = Versions(self.speech, indices, wanted, self.task, short=short, enhance=KINDS[kind].needs_enhanced)
        title = f"Noisy speech, {split} of {fold.test}"
        for place in track(range(len(versions)), title, total=len(versions), show=not self.options.quiet):
            versions[place]
        return versions

    def training_levels(self, kind: str) -> list[NoiseLevel]:
        """Clean speech, and the matched noise at every ratio unless `kind` is trained on clean speech alone."""
        return [NoiseLevel()] + (levels(MATCHED, self.options.snr) if KINDS[kind].trained_in_noise else [])

    def test_levels(self) -> list[NoiseLevel]:
        unmatched = levels(UNMATCHED, self.options.snr) if self.speech.unmatched else []
        return [NoiseLevel(), *levels(MATCHED, self.options.snr), *unmatched]


def plan_run(options: TrainTRNet) -> RunPlan:
    """Read speech and noise, and plan the folds; noises that a trained enhancer has output are left out."""
    snrs_db = options.snr
    require(options.seed >= 0, f"seed={options.seed}: 0 or more")
    require(len(snrs_db) > 0 and len(set(snrs_db)) == len(snrs_db), f"snr={list(snrs_db)}: different ratios in dB")
    require(bool(options.noise), "noise: give manifests or folders of noise, as --noise NOISES")
    progress = not options.quiet
    manifest = read_speakers(options.data, options, progress=progress)
    folds = plan_folds(manifest, options.pairs or (), options.speakers or ())
    task = Task(TASK, manifest.label_names)
    kind = TRNet.build(task, kind=options.kind, variant=options.variant, size=options.size).kind
    if kind.needs_enhanced:
        _never_heard(options.enhancer, manifest, folds)
    matched, unmatched = _noises(options.noise, options.unmatched_noise or [], options.enhancer, progress)
    dealt = deal(matched, speakers_of(manifest))
    enhancer = run_digest(options.enhancer) if kind.needs_enhanced else ""
    speech = NoisySpeech(
        manifest.clips,
        dealt,
        unmatched,
        open_enhancer(options.enhancer) if kind.needs_enhanced else None,
        enhancer,
        Store(options.cache or Path(options.output).parent / "noisy-speech", ".npy"),
        window_s=options.window_s,
        cache_dir=options.training.cache_dir,
        progress=progress,
    )
    inputs = {"noise": matched.describe()["digest"], "enhancer": enhancer}
    if unmatched:
        inputs["unmatched_noise"] = unmatched.describe()["digest"]
    if options.teacher:
        inputs["teacher"] = file_digest(Path(options.teacher) / FINISHED)
    return RunPlan(options, manifest, task, folds, speech, inputs)


class FoldTrainingTask(TrainingTask[TRNet, TrainTRNet]):
    """One fold: the configuration `kind` with one speaker left out; it tests itself on that speaker."""

    def __init__(self, plan: RunPlan, fold: Fold, kind: str, tested: bool = True) -> None:
        self.options = plan.options
        self.plan = plan
        self.fold = fold
        self.kind = kind
        self.tested = tested
        train, valid, test = (
            Manifest(plan.manifest.source, fold.clips(plan.manifest, split)) for split in ("train", "valid", "test")
        )
        self.splits = [Splits(plan.task, train, valid, test)]

    def build(self) -> TRNet:
        return self.plan.system(self.kind)

    def build_in(self, folder: Path) -> TRNet:
        """The system with its teacher, which is trained if it is not there, and its enhancer."""
        system = self.build()
        if system.kind.has_refinement:
            system.set_teacher(self._teacher(folder))
        if system.kind.needs_enhanced:
            system.config["enhancer"] = self._keep_enhancer(folder)
        return system

    def _teacher(self, folder: Path) -> TRNet:
        """The fold's network for clean speech."""
        options, fold = self.options, self.fold
        own = Path(options.teacher) / FOLDS / fold.test if options.teacher else folder / TEACHER
        if options.teacher is None and not (own / FINISHED).exists():
            task = FoldTrainingTask(self.plan, fold, "baseline-c", tested=False)
            train_in(own, task, task.build())
        system = load(own)
        if not isinstance(system, TRNet) or system.config["kind"] != "baseline-c":
            raise AuricleError(f"{own} is no teacher: a run of --kind baseline-c is")
        heard = HeardClips(own)
        for split in SPLITS:
            clips = fold.clips(self.plan.manifest, split)
            for clip, was in zip(clips, heard.splits_of(clips, TASK), strict=True):
                if was != split:
                    raise AuricleError(f"{own} was trained in another fold: {clip.name} was in another split")
        return system

    def _keep_enhancer(self, folder: Path) -> str:
        """The name of the enhancer; one that was trained is saved with the fold, so that it can be used alone."""
        enhancer = self.plan.speech.enhancer
        if isinstance(enhancer, System):
            enhancer.save(folder / OWN_ENHANCER)
            return OWN_ENHANCER
        return self.options.enhancer

    def datasets(self, system: TRNet, folder: Path) -> Datasets:
        wanted = self.plan.training_levels(self.kind)
        train, valid = (self.plan.versions(self.fold, split, wanted, self.kind) for split in ("train", "valid"))
        loader = version_loader(valid, num_workers=self.options.training.num_workers)
        return Datasets(DrawnVersions(train), (system.window, system.window), loader)

    def measure(self, system: TRNet, folder: Path) -> None:
        if self.tested:
            test_fold(self.plan, self.fold, system, folder)

    def facts(self, system: TRNet, folder: Path) -> Card:
        facts = [
            f"The speaker {self.fold.test} was left out, {self.fold.valid} chose the epoch.",
            *_facts(self.plan),
        ]
        closing = "`auricle predict` labels files with it; `predictions.csv` has what it predicted for that speaker."
        return Card(self.kind, "Emotion recognition in noise", facts, closing)


def _never_heard(enhancer: str, manifest: Manifest, folds: Sequence[Fold]) -> None:
    """An `AuricleError` for a trained enhancer that has output a fold's test speaker."""
    for fold in folds:
        heard = heard_clips(enhancer, fold.clips(manifest, "test"))
        if heard:
            raise AuricleError(
                f"{enhancer} was trained with {len(heard)} clips of the speaker {fold.test}: leave that fold out "
                "(--speakers), or train an enhancer without that speaker"
            )


def _noises(noise: list[str], unmatched: list[str], enhancer: str, progress: bool) -> tuple[Material, Material | None]:
    """The matched and the unmatched noises without those that the enhancer was trained with."""
    found: list[Material] = []
    for sources in (noise, unmatched):
        material = read_material([f"noise={source}" for source in sources], progress=progress)
        noises = [r for r in material.recordings if r.kind == "noise" and r.path]
        heard = heard_noises(Path(enhancer), noises)
        own = tuple(r for r in noises if r not in heard)
        if sources and not own:
            raise AuricleError(f"{' '.join(sources)}: no noise that {enhancer} was not trained with")
        found.append(Material(own))
    unmatched_files = {r.content for r in found[1].recordings}
    both = sorted({r.source for r in found[0].recordings if r.content in unmatched_files})
    if both:
        raise AuricleError(f"{len(both)} sources are in the noise and in the unmatched noise, first {both[0]!r}")
    return found[0], found[1] if unmatched else None


def _write_noises(path: Path, matched: dict[str, Material], unmatched: Material | None) -> None:
    rows = [(r.source, MATCHED, speaker, r.name, r.content) for speaker, own in matched.items() for r in own.recordings]
    rows += [(r.source, UNMATCHED, "", r.name, r.content) for r in (unmatched.recordings if unmatched else ())]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("source", "noise", "speaker", "name", "sha256"), *rows])
    write_text(path, text.getvalue())


@torch.no_grad()
def test_fold(plan: RunPlan, fold: Fold, system: TRNet, folder: Path) -> None:
    """Write every prediction for the test speaker, and the representations at some levels."""
    versions = plan.versions(fold, "test", plan.test_levels(), plan.options.kind)
    own = clip_digests(plan.speech.clips[index] for index in versions.indices)
    digests = dict(zip(versions.indices, own, strict=True))
    rows: list[dict[str, Any]] = []
    kept: list[tuple[int, int, np.ndarray]] = []
    with evaluating(system):
        for batch in version_loader(versions, num_workers=plan.options.training.num_workers):
            signals = (batch[name].to(system.device) for name in ("noisy", "enhanced", "n_samples"))
            output = system(*signals)
            probability, best = output.logits.softmax(-1).cpu().max(-1)
            for k, (index, place) in enumerate(zip(batch["index"].tolist(), batch["level"].tolist(), strict=True)):
                clip, level = plan.speech.clips[index], versions.wanted[place]
                rows.append(
                    {
                        "fold": fold.test,
                        "clip": clip.name,
                        "digest": digests[index],
                        "speaker": clip.group,
                        "noise": level.noise,
                        "snr": level.snr_db,
                        "label": clip.labels[0],
                        "predicted": plan.task.labels[int(best[k])],
                        "probability": round(float(probability[k]), 6),
                        "coefficient": round(float(output.coefficient[k, 0]), 6),
                    }
                )
                if level in KEPT_LEVELS:
                    kept.append((index, KEPT_LEVELS.index(level), output.representation[k].cpu().numpy()))
    write_fold(
        folder,
        fold.test,
        pd.DataFrame(rows),
        data=plan.options.data,
        content=clips_digest([plan.speech.clips[index] for index in versions.indices], list(digests.values())),
        model=plan.described(system),
        settings=plan.tested | {"folds": [asdict(fold)]},
    )
    np.savez_compressed(
        folder / REPRESENTATIONS,
        representation=np.stack([vector for _, _, vector in kept]),
        level=np.array([str(KEPT_LEVELS[place]) for _, place, _ in kept]),
        label=np.array([plan.speech.clips[index].labels[0] for index, _, _ in kept]),
        clip=np.array([plan.speech.clips[index].name for index, _, _ in kept]),
    )


def _finish(plan: RunPlan, folder: Path, seconds: float) -> None:
    """Write the card and run.json of the whole run: epochs and hours of all folds, the mean of their best losses."""
    options = plan.options
    records = [json.loads((folder / FOLDS / fold.test / FINISHED).read_text(encoding="utf-8")) for fold in plan.folds]
    course = Course(
        epochs=sum(record["epochs"] for record in records),
        best_epoch=None,
        best_val_loss=float(np.mean([record["best_val_loss"] for record in records])),
        training_hours=sum(record["training_hours"] for record in records),
    )
    record = run_record(
        TRNet.name,
        options,
        course,
        seconds,
        arrangement=plan.arrangement(),
        data=options.data,
        noise=options.noise,
        unmatched_noise=options.unmatched_noise or [],
        folds=[asdict(fold) for fold in plan.folds],
    )
    facts = [
        f"{len(plan.folds)} folds of {options.data}: one speaker tests, the partner chooses the epoch, the others are "
        "learnt from. `predictions.csv` has every prediction, `noises.csv` the speaker of each source of noise.",
        *_facts(plan),
    ]
    closing = (
        f"`auricle predict {folder.name}/{FOLDS}/{plan.folds[0].test} FILE` labels files; `auricle compare` sets runs "
        "side by side."
    )
    write_card(folder, Card(options.kind, "Emotion recognition in noise", facts, closing), record, [])
    write_json(folder / FINISHED, record)


def _facts(plan: RunPlan) -> list[str]:
    options = plan.options
    return [
        f"Noise: {', '.join(options.noise)} (matched); {', '.join(options.unmatched_noise or ['none'])} (unmatched).",
        f"Variant {options.variant}, channels {plan.system(options.kind).config['size']['channels']}; enhancer "
        f"{options.enhancer if KINDS[options.kind].needs_enhanced else 'none'}.",
    ]
