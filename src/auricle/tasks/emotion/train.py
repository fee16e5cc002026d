"""`auricle train trnet`: train and test a system for each left-out speaker. The run folder contains:

folds/SPEAKER/           a model folder (for auricle predict) with clips.csv, history.csv, run.json
folds/SPEAKER/teacher/   the teacher trained on clean speech, if the system has one
folds/SPEAKER/*          results.json, results.csv, predictions.csv: the fold's test; representations.npz: h̃ at some
                         noise levels; enhancer/: the enhancer, if it is a trained one
results.json, results.csv, predictions.csv   the tests of all folds
noises.csv               the speaker of each source of noise
run.json                 written when all folds are done
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from auricle.conditions import Material
from auricle.config import TrainTRNet, verb
from auricle.data.manifest import Manifest
from auricle.data.splits import Splits
from auricle.errors import AuricleError
from auricle.files import write_json, write_rows
from auricle.readers import read_json
from auricle.runs.card import Card, model_name, write_card
from auricle.runs.clips import SPLITS, RunClips, clips_digest, refuse_other_clips
from auricle.runs.folder import FINISHED, discard_checkpoints, open_run
from auricle.runs.history import TrainingSummary
from auricle.runs.processes import for_this_process
from auricle.runs.provenance import OWN_ENHANCER
from auricle.runs.results import FOLDS
from auricle.runs.train import Datasets, TrainingTask, run_record, train_in
from auricle.systems.system import System, load
from auricle.systems.trnet import KINDS, TRNet
from auricle.tasks.emotion.data import (
    MATCHED,
    UNMATCHED,
    DrawnVersions,
    version_loader,
)
from auricle.tasks.emotion.evaluate import evaluate_fold, write_run
from auricle.tasks.emotion.folds import Fold
from auricle.tasks.emotion.plan import TASK, RunPlan, plan_run

TEACHER = "teacher"
NOISES = "noises.csv"


@verb
def train_trnet(options: TrainTRNet) -> Path:
    """Train and test TRNet fold by fold; returns the run folder."""
    plan = plan_run(for_this_process(options))
    with open_run(options, plan.inputs, begun=FOLDS) as folder:
        _train_folds(plan, folder)
    return folder


def _train_folds(plan: RunPlan, folder: Path) -> None:
    """Train and test every fold that is not finished, and write the results of all."""
    options = plan.options
    (folder / FOLDS).mkdir(exist_ok=True)
    _write_noises(folder / NOISES, plan.speech.matched, plan.speech.unmatched)
    started = time.time()
    for number, fold in enumerate(plan.folds, start=1):
        own = folder / FOLDS / fold.folder
        if not options.quiet:
            state = "done" if (own / FINISHED).exists() else f"validated by {fold.valid}"
            print(f"fold {number}/{len(plan.folds)}: {fold.test} left out, {state}", flush=True)
        task = FoldTrainingTask(plan, fold, options.kind)
        if (own / FINISHED).exists():
            refuse_other_clips(own, task.clip_table())
            discard_checkpoints(own)
        else:
            train_in(own, task, task.build_in(own))
    tested = [clip for fold in plan.folds for clip in fold.clips(plan.manifest, "test")]
    write_run(
        folder,
        [fold.folder for fold in plan.folds],
        data=options.data,
        content=clips_digest(tested),
        model=plan.described(plan.system(options.kind)),
        settings=plan.tested | {"folds": [asdict(fold) for fold in plan.folds]},
    )
    _finish(plan, folder, time.time() - started)


class FoldTrainingTask(TrainingTask[TRNet, TrainTRNet]):
    """Train the configuration `kind` without the fold's test speaker, and with `tested` evaluate it on that speaker."""

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
        """Build the system with its enhancer and its teacher, which is trained if it does not exist yet."""
        system = self.build()
        if system.kind.has_refinement:
            system.set_teacher(self._teacher(folder))
        if system.kind.needs_enhanced:
            system.config["enhancer"] = self._keep_enhancer(folder)
        return system

    def _teacher(self, folder: Path) -> TRNet:
        """The fold's teacher: the network trained on clean speech."""
        options, fold = self.options, self.fold
        own = Path(options.teacher) / FOLDS / fold.folder if options.teacher else folder / TEACHER
        if options.teacher is None:
            task = FoldTrainingTask(self.plan, fold, "baseline-c", tested=False)
            train_in(own, task, task.build())
        system = load(own)
        if not isinstance(system, TRNet) or system.config["kind"] != "baseline-c":
            raise AuricleError(f"{own} is no teacher: a run of --kind baseline-c is")
        listed = RunClips(own)
        for split in SPLITS:
            clips = fold.clips(self.plan.manifest, split)
            for clip, was in zip(clips, listed.splits_of(clips, TASK), strict=True):
                if was != split:
                    raise AuricleError(f"{own} was trained in another fold: {clip.name} was in another split")
        return system

    def _keep_enhancer(self, folder: Path) -> str:
        """The enhancer's name; a trained enhancer is saved in `folder`, so that the fold's model is self-contained."""
        enhancer = self.plan.speech.enhancer
        if isinstance(enhancer, System):
            enhancer.save(folder / OWN_ENHANCER)
            return OWN_ENHANCER
        return self.options.enhancer

    def datasets(self, system: TRNet, folder: Path) -> Datasets:
        wanted = self.plan.training_levels(self.kind)
        train, valid = (self.plan.versions(self.fold, split, wanted, self.kind) for split in ("train", "valid"))
        loader = version_loader(valid, num_workers=self.options.training.num_workers)
        drawn = DrawnVersions(train, self.options.every_level)
        return Datasets(drawn, (system.window, system.window), loader)

    def measure(self, system: TRNet, folder: Path) -> None:
        if self.tested:
            evaluate_fold(self.plan, self.fold, system, folder)

    def facts(self, system: TRNet, folder: Path) -> Card:
        facts = [
            f"The speaker {self.fold.test} was left out; the epoch was chosen on {self.fold.valid}.",
            *_facts(self.plan),
        ]
        closing = "`auricle predict` labels files with it; `predictions.csv` has what it predicted for that speaker."
        return Card(self.kind, "Emotion recognition in noise", facts, closing)


def _write_noises(path: Path, matched: dict[str, Material], unmatched: Material | None) -> None:
    rows = [(r.source, MATCHED, speaker, r.name, r.content) for speaker, own in matched.items() for r in own.recordings]
    rows += [(r.source, UNMATCHED, "", r.name, r.content) for r in (unmatched.recordings if unmatched else ())]
    write_rows(path, ("source", "noise", "speaker", "name", "sha256"), rows)


def _finish(plan: RunPlan, folder: Path, seconds: float) -> None:
    """Write the model card and run.json of the whole run: total epochs and hours, and the mean best loss."""
    options = plan.options
    shape = {"epochs": int, "best_val_loss": float, "training_hours": float}
    records = [read_json(folder / FOLDS / fold.folder / FINISHED, shape) for fold in plan.folds]
    course = TrainingSummary(
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
        f"{len(plan.folds)} folds of {options.data}: one speaker for testing, the partner for validation, the others "
        "for training. `predictions.csv` has every prediction, `noises.csv` the speaker of each source of noise.",
        *_facts(plan),
    ]
    closing = (
        f"`auricle predict {folder.name}/{FOLDS}/{plan.folds[0].folder} FILE` labels files; `auricle compare` compares "
        "runs."
    )
    write_card(folder, Card(options.kind, "Emotion recognition in noise", facts, closing), record, [])
    write_json(folder / FINISHED, record)


def _facts(plan: RunPlan) -> list[str]:
    options = plan.options
    return [
        f"Noise: {', '.join(options.noise)} (matched); {', '.join(options.unmatched_noise or ['none'])} (unmatched).",
        f"Variant {options.variant}, channels {plan.system(options.kind).config['size']['channels']}; enhancer "
        f"{model_name(options.enhancer) if KINDS[options.kind].needs_enhanced else 'none'}.",
    ]
