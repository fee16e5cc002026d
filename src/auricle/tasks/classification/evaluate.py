"""Evaluation of a classifier on labelled clips, clean and in noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch

from auricle.config import Evaluate
from auricle.data.clip_store import ClipStore
from auricle.data.clips import Clip
from auricle.data.manifest import Manifest
from auricle.data.reading import read_data
from auricle.errors import AuricleError
from auricle.registry import unknown_name
from auricle.runs.clips import check_labels, clip_digests, clips_digest
from auricle.runs.evaluation import TASK_OPTIONS, EvaluatedTask, describe_model, named_levels, named_place
from auricle.runs.loading import load_classifier
from auricle.runs.provenance import run_digest
from auricle.runs.results import Measured
from auricle.tasks.classification.background import read_background
from auricle.tasks.classification.calibration import read_calibration, refuse_fitted_to
from auricle.tasks.classification.evaluation import ClassifierEvaluation
from auricle.tasks.classification.events import EventRule
from auricle.tasks.classification.false_alarms import FalseAlarms, listen, peaks, threshold_levels
from auricle.tasks.classification.reliability import (
    measure_calibration,
)
from auricle.tasks.classification.score import (
    NOISES,
    EvaluationSet,
    Scores,
    condition_name,
    measure,
    noise_condition,
    score,
)
from auricle.tasks.classification.selection import Selection
from auricle.tasks.classification.window_classifiers import TorchWindowClassifier

USUAL_NOISE = "gaussian"


class ClassifierEvaluationTask(EvaluatedTask):
    """Evaluate a classifier on labelled clips, clean and with noise at each SNR."""

    name: ClassVar[str] = "classification"
    measures: ClassVar[str] = "a classifier"
    uses: ClassVar[frozenset[str]] = frozenset(TASK_OPTIONS) - {"mixtures", "detector"}

    def __init__(self, options: Evaluate) -> None:
        self.classifier = load_classifier(options.run, options.device)
        noise = [USUAL_NOISE] if options.noise is None else options.noise
        if len(noise) != 1:
            raise AuricleError(f"--noise {' '.join(noise)}: a classifier is measured in one kind of noise, gaussian")
        if noise[0] not in NOISES:
            raise AuricleError(unknown_name("noise", noise[0], NOISES))
        if options.noise is not None and not options.snr:
            raise AuricleError(f"--noise {noise[0]}: give its levels in dB too, as --snr 20 10 0")
        self.options = options
        self.noise = noise[0]
        self.levels: list[float | None] = [None, *(options.snr or [])]
        self.progress = not options.quiet
        self.task = self.classifier.task(options.task)
        self.trained_as = self.task.name
        self.digest = run_digest(options.run)
        calibration = None if options.raw else read_calibration(options.run, self.digest, self.classifier.tasks)
        self.windows = TorchWindowClassifier(self.classifier, self.digest, calibration)
        self.selection = Selection.for_model(self.windows, threshold=options.threshold, events=EventRule())

    def read(self) -> Manifest:
        options = replace(self.options, multi_label=self.options.multi_label or self.task.multi_label)
        return read_data(options.data, options, progress=self.progress)

    def unusual(self) -> list[str]:
        options = self.options
        given = ["continuous"] * options.continuous + ["raw"] * options.raw
        if options.threshold is not None:
            given.append(f"threshold{options.threshold:g}")
        if options.background:
            given.append(named_place(options.background))
        if options.snr:
            given.append(named_levels(options.snr))
        return given + [self.noise] * (self.noise != USUAL_NOISE) + super().unusual()

    def measure(self, clips: Manifest, folder: Path, split: str) -> ClassifierEvaluation:
        options = self.options
        check_labels(clips, self.task)
        if options.by_group and not any(clip.group for clip in clips):
            raise AuricleError(
                f"{options.data}: --by-group needs groups, and no clip has one; name a column with --group-column"
            )
        self._refuse_fitted_to(clips.clips)
        store = ClipStore(clips.clips, self.classifier.sample_rate, progress=self.progress)
        tested = EvaluationSet(self.task, clips, store)
        scores, rows, calibrations = {}, [], {}
        for level in self.levels:
            condition = condition_name(self.noise, level)
            scored = score(
                self.classifier,
                tested,
                condition=None if level is None else noise_condition(self.noise, level, options.seed),
                continuous=bool(options.continuous),
                progress=condition if self.progress else "",
            )
            scores[condition] = scored
            metrics = measure(scored, by_group=options.by_group, seed=options.seed)
            rows.append(Measured(condition, metrics, level))
            calibrations[condition] = measure_calibration(
                scored, self.selection, by_group=options.by_group, seed=options.seed
            )
        alarms = self._false_alarms(scores, clips.negatives)
        digests = clip_digests(clips)
        return ClassifierEvaluation(
            folder, split, scores, rows, self.selection, calibrations, alarms, digests, options.seed
        )

    def _refuse_fitted_to(self, clips: Sequence[Clip]) -> None:
        advice = "choose others, or measure without calibration (--raw)"
        refuse_fitted_to(self.options.run, self.windows.calibration, self.task, clips, advice)

    def _false_alarms(self, scores: dict[str, Scores], negatives: Sequence[Clip]) -> FalseAlarms | None:
        """The false alarms in the background and in clips without a label; None if there is neither."""
        options, task = self.options, self.task
        self.background = read_background(options.background, task, options.run, options, negatives)
        if not self.background:
            return None
        self._refuse_fitted_to(self.background)
        first = next(iter(scores.values()))
        labelled = [index for index, clip in enumerate(first.clips) if clip.labels]
        levels, selection = threshold_levels(task, self.selection), self.selection
        captions = ("Background", "Recall") if self.progress else ("", "")
        telling = replace(selection, unknown=True)
        heard = listen(self.windows, self.background, task, telling, levels, caption=captions[0])
        clips = [first.clips[index] for index in labelled]
        found = peaks(self.windows, clips, task, selection, captions[1])
        calibration = selection.calibration.tasks.get(task.name) if selection.calibration else None
        tells_unknown = calibration is not None and calibration.unknown is not None
        asked_for = options.background is not None
        return FalseAlarms(task, levels, heard, found, first.targets[labelled], tells_unknown, asked_for)

    def settings(self) -> dict[str, Any]:
        return {
            "task": self.task.name,
            "labels": list(self.task.labels),
            "multi_label": self.task.multi_label,
            "noise": self.noise,
            "snr": self.options.snr or [],
            "continuous": bool(self.options.continuous),
            "by_group": self.options.by_group,
            "seed": self.options.seed,
            **{name: value for name, value in self.selection.settings().items() if name != "top_k"},
            "background": self._background_facts(),
        }

    def _background_facts(self) -> dict[str, Any] | None:
        if not self.background:
            return None
        hours = sum(clip.duration_s for clip in self.background) / 3600
        return {
            "path": self.options.background,
            "n_recordings": len(self.background),
            "hours": hours,
            "digest": clips_digest(self.background),
        }

    def model(self) -> dict[str, Any]:
        model = self.classifier
        modules: dict[str, torch.nn.Module] = {"frontend": model.frontend, "all": model}
        return describe_model(
            model.config, modules, sample_rate=model.sample_rate, seed=model.seed, run=Path(self.options.run)
        )
