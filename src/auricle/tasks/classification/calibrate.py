"""`auricle calibrate`: fit a classifier's calibration to validation clips; training does it with its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from auricle.config import Calibrate, verb
from auricle.data.clip_store import ClipStore
from auricle.data.manifest import Manifest
from auricle.data.reading import read_data
from auricle.data.tasks import Task
from auricle.errors import AuricleError, counted, those_counted
from auricle.runs.clips import RunClips, check_labels, say_if_unknown
from auricle.runs.loading import load_classifier
from auricle.runs.provenance import run_digest
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.calibration import (
    CALIBRATION,
    Calibration,
    TaskCalibration,
    fitted_to,
    read_calibration,
)
from auricle.tasks.classification.fitting import (
    KEPT,
    MIN_CLIPS,
    MIN_FOR_THRESHOLD,
    enough_for_threshold,
    fit_calibration,
)
from auricle.tasks.classification.measured_on import MeasuredOn
from auricle.tasks.classification.score import EvaluationSet, Scores, score

_NAMES = {"temperature": "temperature", "platt": "Platt"}
_MEASURES = {"ece": "expected calibration error (ECE)", "nll": "negative log-likelihood (NLL)"}


@dataclass(frozen=True)
class Calibrated:
    """A calibration that was written to `path`; `task` is the one that was fitted, and `calibration` has all."""

    path: Path
    task: Task
    calibration: Calibration

    def __str__(self) -> str:
        return "\n".join(
            [*calibration_lines(self.task, self.calibration.tasks[self.task.name]), f"written to {self.path}"]
        )


@verb
def calibrate(options: Calibrate) -> Calibrated:
    """Fit and write the calibration; returns it, with its path."""
    folder = Path(options.run)
    model = load_classifier(folder, options.device)
    task = model.task(options.task)
    data_options = replace(options, multi_label=options.multi_label or task.multi_label)
    data = read_data(options.data, data_options, progress=not options.quiet)
    clips, of_run = _validation_clips(data, options, RunClips(folder), task)
    say_if_unknown(folder)
    check_labels(clips, task)
    n_clips = sum(bool(clip.labels) or task.multi_label for clip in clips)
    if n_clips < MIN_CLIPS:
        found = f"{counted(n_clips, 'validation clip')} of {options.run}" if of_run else counted(n_clips, "usable clip")
        raise AuricleError(
            f"{options.data}: {found}, and a calibration needs {MIN_CLIPS} or more: give "
            "others with --data, or train with a larger --splits.validation-share"
        )
    store = ClipStore(clips.clips, model.sample_rate, progress=not options.quiet)
    caption = "" if options.quiet else "Calibrating"
    scored = score(model, EvaluationSet(task, clips, store), progress=caption)
    fitted = fit_scores(scored, precision=options.precision, kept=options.kept)
    if not of_run:
        fitted = replace(fitted, measured=fitted.measured | {"clips": fitted_to(clips.clips)})
    digest = run_digest(folder)
    calibration = Calibration(digest, {**_others(folder, digest, model), task.name: fitted})
    return Calibrated(calibration.write(folder, model.tasks), task, calibration)


def fit_scores(scored: Scores, *, precision: float | None = None, kept: float = KEPT) -> TaskCalibration:
    """The calibration of the scores' task, fitted to them; in single-label tasks clips without a label are left out."""
    used = usable(scored)
    groups = [scored.clips[index].group or scored.clips[index].file for index in used]
    return fit_calibration(
        scored.logits[used], scored.targets[used], scored.task, groups=groups, precision=precision, kept=kept
    )


def usable(scored: Scores) -> list[int]:
    """The clips that a calibration can be fitted to; one without a label can, if clips may have several."""
    return [index for index, clip in enumerate(scored.clips) if clip.labels or scored.task.multi_label]


def calibrate_trained(folder: Path, model: Classifier, scored: Sequence[Scores]) -> Calibration | None:
    """Write the calibration of a run that was just trained, from the scores of clips that it was not fitted to.

    Tasks with fewer than 10 clips have none (see `too_few`); without any, the file is removed and None returned.
    """
    enough = [own for own in scored if len(usable(own)) >= MIN_CLIPS]
    if not enough:
        (folder / CALIBRATION).unlink(missing_ok=True)
        return None
    calibration = Calibration(run_digest(folder), {own.task.name: fit_scores(own) for own in enough})
    calibration.write(folder, model.tasks)
    return calibration


def too_few(scored: Sequence[Scores], measured_on: MeasuredOn) -> list[str]:
    """A sentence for each task that is not calibrated after training, since it has too few clips held out."""
    return [
        f"{own.task.name}: the probabilities are not calibrated, since "
        f"{those_counted(len(usable(own)), measured_on.clip)} too few; a calibration needs {MIN_CLIPS} or more "
        f"({measured_on.remedy})"
        for own in scored
        if len(usable(own)) < MIN_CLIPS
    ]


def calibration_lines(task: Task, own: TaskCalibration) -> list[str]:
    """Lines that describe a calibration."""
    measured = own.measured
    scaling, clips = f"{_NAMES[own.method]} scaling", f"{measured['n_clips']} clips"
    helps = any(scale != 1 for scale in own.scales) or any(own.offsets)
    if helps:
        lines = [f"{task.name}: fitted to {clips} by {scaling}"]
        if own.method == "temperature":
            lines[0] += f", T = {1 / own.scales[0]:.3g}"
    else:
        lines = [f"{task.name}: the probabilities stay as they are, since {scaling} is not shown to help on {clips}"]
    validated = measured.get("cross_validated")
    if validated:
        before, after = validated["before"], validated["after"]
        values = {key: f"{before[key]:.3f}" + (f" → {after[key]:.3f}" if helps else "") for key in _MEASURES}
        where = "on clips left out in turn" if helps else "on these clips"
        lines.append(f"{where}: {', '.join(f'{name} {values[key]}' for key, name in _MEASURES.items())}")
    if any(enough_for_threshold(n_present, measured["n_clips"]) for n_present in measured["n_of_label"]):
        lowest, highest = min(own.thresholds), max(own.thresholds)
        aim = "of the best F1" if measured["precision"] is None else f"for a precision of {measured['precision']:g}"
        lines.append(f"thresholds {aim}: {lowest:.3g} to {highest:.3g}")
    else:
        lines.append(f"thresholds stay at 0.5: no label has {MIN_FOR_THRESHOLD} clips with it and as many without it")
    if own.unknown is not None:
        lines.append(f"unknown below {own.unknown:.3g}, which keeps {100 * measured['kept']:g} % of the right answers")
    return lines


def _validation_clips(data: Manifest, options: Calibrate, known: RunClips, task: Task) -> tuple[Manifest, bool]:
    """The clips to calibrate with, and whether they are the run's own validation clips.

    Raises `AuricleError` for clips that the run was trained on or keeps for testing.
    """
    chosen = data
    if options.split or options.fold:
        chosen = data.select(split=options.split, fold=options.fold)
    splits = known.splits_of(chosen.clips, task.name)
    if not (options.split or options.fold):
        wanted = ["valid"] if "valid" in splits else [""]
        if "valid" not in splits and "valid" in data.splits:
            chosen = data.select(split="valid")
            splits, wanted = known.splits_of(chosen.clips, task.name), ["train", "valid", "test", ""]
        pairs = [(clip, split) for clip, split in zip(chosen, splits, strict=True) if split in wanted]
        chosen, splits = replace(chosen, clips=tuple(clip for clip, _ in pairs)), [split for _, split in pairs]
    for split, use in (("train", "was trained on"), ("test", "keeps for testing")):
        if split in splits:
            raise AuricleError(
                f"{options.data}: {options.run} {use} {splits.count(split)} of these {len(splits)} clips: calibrate it "
                "with its validation clips, or with others"
            )
    if not chosen.clips:
        used = known.splits_of(data.clips, task.name)
        raise AuricleError(
            f"{options.data}: of its {counted(len(data), 'clip')} {options.run} has learnt from {used.count('train')} "
            f"and puts {used.count('test')} aside for testing: give {MIN_CLIPS} or more new ones"
        )
    return chosen, set(splits) == {"valid"}


def _others(folder: Path, digest: str, model: Classifier) -> dict[str, TaskCalibration]:
    """The calibrations that the run has; none if they are of other weights."""
    try:
        before = read_calibration(folder, digest, model.tasks)
    except AuricleError:
        return {}
    return dict(before.tasks) if before else {}
