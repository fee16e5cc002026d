"""Events against a walk through the windows one by one."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.tasks.classification.calibration import Calibration, TaskCalibration
from auricle.tasks.classification.collecting import FileLabels
from auricle.tasks.classification.events import EventRule, Events, hysteresis
from auricle.tasks.classification.selection import Selection
from auricle.tasks.classification.window_classifiers import WholeWindows, probabilities

TASK = Task("tags", ("a", "b", "c"), multi_label=True)
SINGLE = Task("kinds", ("x", "y"))


class Model(WholeWindows):
    """A window classifier whose outputs the tests give themselves."""

    extras = ()
    digest = ""

    def __init__(self, *tasks, calibration=None, frame_s=None):
        self.tasks = tasks
        self.calibration = calibration
        self.frame_s = frame_s


def slow_events(starts, ends, values, threshold, low, gap_s, min_s):
    """Start at the threshold, go on above the lower one; then join what is close, then drop what is short."""
    events, on = [], False
    for start, end, value in zip(starts, ends, values, strict=True):
        on = value >= threshold or (on and value >= low)
        if on:
            if events and start - events[-1][1] <= gap_s + 1e-6:
                events[-1] = [events[-1][0], max(end, events[-1][1]), max(value, events[-1][2])]
            else:
                events.append([start, end, value])
    return [event for event in events if event[1] - event[0] >= min_s - 1e-6]


def pieces(rng, n):
    cuts = sorted({0, n, *rng.integers(0, n + 1, 3).tolist()})
    return [slice(first, last) for first, last in itertools.pairwise(cuts)]


@pytest.mark.parametrize("hop_s", [1.0, 0.5, 0.3])
def test_windows_become_events(hop_s):
    rng = np.random.default_rng(0)
    for _ in range(60):
        n = int(rng.integers(1, 25))
        logits = rng.normal(0, 2, (n, 3))
        starts = hop_s * np.arange(n)
        ends = starts + 1.0
        rule = EventRule(float(rng.choice([0.1, 0.3, 0.45])), float(rng.choice([0, 1.1])), float(rng.choice([0, 1.5])))
        labels = FileLabels(Model(TASK), Path("x.wav"), Selection(3, 0.5, events=rule))
        for piece in pieces(rng, n):
            if piece.start < piece.stop:
                labels.add(starts[piece], ends[piece], logits[piece])
        got = [(d.label, d.start_s, d.end_s, d.probability) for d in labels.finish().detections]
        assert [event[1] for event in got] == sorted(event[1] for event in got)
        values = probabilities(logits, True)
        want = [
            (label, *event)
            for k, label in enumerate(TASK.labels)
            for event in slow_events(starts, ends, values[:, k], 0.5, rule.low, rule.gap_s, rule.min_s)
        ]
        assert sorted(got) == sorted(want)


def test_frames_become_events_across_windows():
    rng = np.random.default_rng(1)
    for _ in range(30):
        windows, frames = int(rng.integers(1, 6)), 10
        logits = rng.normal(0, 2, (windows, frames, 3))
        starts = np.arange(windows).astype(float)
        ends = starts + 1.0
        ends[-1] -= 0.35  # six and a half frames of the last window are sound
        rule = EventRule(0.3, 0.15, 0.2)
        labels = FileLabels(Model(TASK, frame_s=0.1), "x.wav", Selection(3, 0.5, events=rule))
        for piece in pieces(rng, windows):
            if piece.start < piece.stop:
                labels.add(starts[piece], ends[piece], logits[piece].max(axis=1), logits[piece])
        values = probabilities(logits.reshape(-1, 3), True)[: 10 * (windows - 1) + 7]
        times = np.concatenate([start + 0.1 * np.arange(10) for start in starts])[: len(values)]
        stops = np.append(times[1:], ends[-1])
        want = [
            (label, *event)
            for k, label in enumerate(TASK.labels)
            for event in slow_events(times, stops, values[:, k], 0.5, 0.3, 0.15, 0.2)
        ]
        got = [(d.label, d.start_s, d.end_s, d.probability) for d in labels.finish().detections]
        assert [event[0] for event in sorted(got)] == [event[0] for event in sorted(want)]
        for event, wanted in zip(sorted(got), sorted(want), strict=True):
            assert event[1:] == pytest.approx(wanted[1:])


def test_events_by_hand():
    """0.6 begins, 0.3 goes on, 0.2 ends; 0.4 alone does not begin; probability is the highest."""
    rows = np.array([[0.6], [0.3], [0.7], [0.2], [0.4], [0.55]])
    events = Events("x.wav", Task("t", ("a",), True), EventRule())
    events.add(np.arange(6.0), np.arange(1.0, 7.0), rows, rows >= 0.5, rows >= 0.25)
    assert [(e.start_s, e.end_s, e.probability) for e in events.close()] == [(0.0, 3.0, 0.7), (5.0, 6.0, 0.55)]
    on = hysteresis(np.array([False, True, False, False]), np.array([True, True, True, False]), np.array(True))
    assert on.tolist() == [True, True, True, False]
    on = hysteresis(np.array([False, False]), np.array([True, True]), np.array(False))
    assert on.tolist() == [False, False]


def test_the_lower_threshold_is_half_of_each_threshold_and_never_above_it():
    assert EventRule().lows(np.array([0.5, 0.2])).tolist() == [0.25, 0.1]
    assert EventRule(low=0.3).lows(np.array([0.5, 0.2])).tolist() == [0.3, 0.2]
    for options in ({"low": 1.5}, {"gap_s": -1.0}, {"min_s": float("nan")}):
        with pytest.raises(AuricleError, match=f"event_{next(iter(options))}"):
            EventRule(**options)


def calibrated():
    single = TaskCalibration("temperature", (0.5, 0.5), (0.0, 0.0), (0.6, 0.7), 0.8)
    several = TaskCalibration("platt", (1.0, 2.0, 1.0), (0.0, 1.0, 0.0), (0.2, 0.5, 0.9))
    return Calibration("", {"kinds": single, "tags": several})


def test_probabilities_and_thresholds_are_those_of_the_calibration():
    model = Model(TASK, calibration=calibrated())
    logits = np.array([[-1.0, -1.0, 2.0], [-2.0, 0.0, 3.0]])
    labels = FileLabels(model, "x.wav", Selection.for_model(model))
    labels.add(np.array([0.0, 1.0]), np.array([1.0, 2.0]), logits)
    values = 1 / (1 + np.exp(-(logits * [1, 2, 1] + [0, 1, 0])))
    got = [(d.start_s, d.label, d.probability) for d in labels.finish().detections]
    assert got == [
        (0.0, "a", pytest.approx(values[0, 0])),  # 0.27 reaches 0.2, and 0.88 does not reach 0.9
        (1.0, "c", pytest.approx(values[1, 2])),
        (1.0, "b", pytest.approx(values[1, 1])),
    ]
    assert Selection.for_model(model, threshold=0.5).thresholds(TASK).tolist() == [0.5] * 3
    assert Selection.for_model(Model(TASK)).thresholds(TASK).tolist() == [0.5] * 3


def test_an_answer_that_is_not_likely_enough_is_unknown():
    model = Model(SINGLE, calibration=calibrated())
    logits = np.array([[4.0, 0.0], [2.0, 0.0], [0.0, 4.0]])  # calibrated: 0.88, 0.73, 0.88
    selection = Selection.for_model(model, unknown=True)
    labels = FileLabels(model, "x.wav", selection)
    labels.add(np.arange(3.0), np.arange(1.0, 4.0), logits)
    result = labels.finish()
    assert [d.label for d in result.detections] == ["x", "unknown", "y"]
    assert result.detections[1].probability == pytest.approx(1 / (1 + np.exp(-1.0)))
    assert result.label == "unknown"  # the mean of the logits decides on the file
    assert Selection.for_model(model).is_unknown(SINGLE, probabilities(logits, False)).sum() == 0
    settings = [Selection.for_model(model, unknown=u).settings() for u in (False, True)]
    assert settings[0] != settings[1]
    assert settings[0]["calibration"] == model.calibration.digest


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        (Model(SINGLE), {}, "auricle calibrate RUN"),
        (Model(TASK, calibration=calibrated()), {}, "multi-label"),
        (Model(SINGLE, calibration=calibrated()), {"events": EventRule()}, "events"),
        (Model(Task("kinds", ("x", "unknown")), calibration=calibrated()), {}, "a label 'unknown' of its own"),
    ],
)
def test_where_unknown_cannot_be_told(model, options, words):
    with pytest.raises(AuricleError, match=words):
        Selection.for_model(model, unknown=True, **options)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_outputs_that_are_not_finite_fail_the_file(value):
    logits = np.zeros((3, 3))
    logits[1, 2] = value
    labels = FileLabels(Model(TASK), "rec/x.wav", Selection(3, 0.5))
    with pytest.raises(AuricleError, match=r"rec/x\.wav: .*not finite from 1 to 2 s"):
        labels.add(np.arange(3.0), np.arange(1.0, 4.0), logits)
    frames = np.zeros((3, 4, 3))
    frames[2, 3, 0] = value
    with pytest.raises(AuricleError, match="not finite from 2 to 3 s"):
        labels.add(np.arange(3.0), np.arange(1.0, 4.0), np.zeros((3, 3)), frames)
