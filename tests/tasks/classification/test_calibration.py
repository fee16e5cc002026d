"""Calibration against models whose true probabilities are known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.metrics import expected_calibration_error
from auricle.tasks.classification.calibrate import calibration_lines
from auricle.tasks.classification.calibration import Calibration, TaskCalibration, read_calibration
from auricle.tasks.classification.fitting import best_threshold, fit_calibration, keeping, scale_and_offset
from auricle.tasks.classification.window_classifiers import probabilities

ONE = Task("animals", ("cat", "dog", "owl"))
SEVERAL = Task("tags", ("near", "far"), multi_label=True)


def drawn(task, n_clips, seed=0):
    """Logits, and targets drawn from their own probabilities: a model that is calibrated."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n_clips, len(task.labels)))
    values = probabilities(logits, task.multi_label)
    if task.multi_label:
        return logits, (rng.random(values.shape) < values).astype(np.float32)
    return logits, np.eye(len(task.labels), dtype=np.float32)[[rng.choice(len(row), p=row) for row in values]]


@pytest.mark.parametrize("task", [ONE, SEVERAL])
def test_a_calibrated_model_stays_as_it_is(task):
    scales, offsets = scale_and_offset(*drawn(task, 20000), task)
    np.testing.assert_allclose(scales, 1.0, atol=0.05)
    np.testing.assert_allclose(offsets, 0.0, atol=0.06)


def test_the_temperature_of_an_overconfident_model():
    logits, targets = drawn(ONE, 5000)
    scales, offsets = scale_and_offset(4.0 * logits, targets, ONE)
    np.testing.assert_allclose(scales, 0.25, atol=0.015)
    assert set(scales) == {scales[0]}
    assert not offsets.any()


def test_the_scale_and_offset_of_each_label():
    logits, targets = drawn(SEVERAL, 20000)
    scales, offsets = scale_and_offset(logits * [3.0, 0.5] + [1.0, -2.0], targets, SEVERAL)
    np.testing.assert_allclose(scales, [1 / 3, 2.0], rtol=0.06)
    np.testing.assert_allclose(offsets, [-1 / 3, 4.0], atol=0.12)


def test_a_small_set_without_an_error_gives_no_certainty():
    """By the rule of succession: ten of ten right make the next one right with 11 / 12."""
    targets = np.eye(2, dtype=np.float32)[[0, 1] * 5]
    task = Task("t", ("a", "b"))
    scales, _ = scale_and_offset(50.0 * targets, targets, task)
    assert scales[0] == pytest.approx(max(np.log(11) / 50, 1 / 20), rel=1e-3)
    scales, _ = scale_and_offset(5.0 * targets, targets, task)
    assert probabilities(5.0 * targets * scales, False).max(axis=1) == pytest.approx(11 / 12, abs=1e-4)


def test_a_label_of_too_few_clips_keeps_its_probabilities():
    logits, targets = drawn(SEVERAL, 400)
    targets[:, 0] = 0
    targets[:2, 0] = 1
    own = fit_calibration(5 * logits, targets, SEVERAL, groups=list(map(str, range(400))))
    assert (own.scales[0], own.offsets[0], own.thresholds[0]) == (1.0, 0.0, 0.5)
    assert own.scales[1] < 0.5


@pytest.mark.parametrize("task", [ONE, SEVERAL])
def test_what_is_written_about_a_fit_holds_on_other_clips(task):
    """Cross-validated figures are those of clips that were not used, up to the noise of the samples."""
    logits, targets = drawn(task, 1000)
    own = fit_calibration(3 * logits, targets, task, groups=list(map(str, range(1000))))
    others, true = drawn(task, 4000, seed=1)
    true = true.astype(int) if task.multi_label else true.argmax(axis=1)
    measured = own.measured["cross_validated"]
    for when, values in (("before", 3 * others), ("after", own.logits(3 * others))):
        ece = expected_calibration_error(probabilities(values, task.multi_label), true)
        assert measured[when]["ece"] == pytest.approx(ece, abs=0.025)
    assert measured["after"]["ece"] < 0.4 * measured["before"]["ece"]
    assert measured["after"]["nll"] < measured["before"]["nll"]


def test_a_fit_that_does_not_help_is_left_out():
    targets = np.eye(3, dtype=np.float32)[[0, 1, 2] * 6]
    own = fit_calibration(9.0 * targets, targets, ONE, groups=list(map(str, range(18))))
    assert set(own.scales) == {1.0}
    assert own.measured["cross_validated"]["after"] == own.measured["cross_validated"]["before"]


def test_in_words_a_calibration_says_what_stays_as_it_is():
    targets = np.eye(3, dtype=np.float32)[[0, 1, 2] * 6]
    first, measured, thresholds, _ = calibration_lines(
        ONE, fit_calibration(9.0 * targets, targets, ONE, groups=list(map(str, range(18))))
    )
    assert first.startswith("animals: the probabilities stay as they are")
    assert "→" not in measured
    assert thresholds.startswith("thresholds stay at 0.5")
    logits, targets = drawn(ONE, 200)
    first, measured, thresholds, _ = calibration_lines(
        ONE, fit_calibration(4.0 * logits, targets, ONE, groups=list(map(str, range(200))))
    )
    assert "T = " in first
    assert "→" in measured
    assert thresholds.startswith("thresholds of the best F1: 0.")


@pytest.mark.parametrize("task", [ONE, SEVERAL])
def test_clips_of_one_group_show_no_gain_and_leave_probabilities_as_they_are(task):
    logits, targets = drawn(task, 60)
    assert set(fit_calibration(9.0 * logits, targets, task, groups=["a"] * 30 + ["b"] * 30).scales) != {1.0}
    own = fit_calibration(9.0 * logits, targets, task, groups=["a"] * 60)
    assert set(own.scales) == {1.0}
    assert set(own.offsets) == {0.0}
    assert own.measured["cross_validated"] is None


def slow_threshold(values, targets, precision=None):
    """The best of all thresholds that tell the clips apart, tried one by one."""
    ordered = sorted(set(values), reverse=True)
    found = []
    for value, below in zip(ordered, [*ordered[1:], 0.0], strict=True):
        hits = targets[values >= value].sum()
        share, recall = hits / (values >= value).sum(), hits / targets.sum()
        f1 = 2 * share * recall / (share + recall) if hits else 0.0
        found.append(((value + below) / 2, share, f1))
    if precision is None:
        return max(found, key=lambda one: one[2])[0]
    enough = [one for one in found if one[1] >= precision]
    return enough[-1][0] if enough else max(found, key=lambda one: one[1])[0]


@pytest.mark.parametrize("precision", [None, 0.5, 0.9, 1.0])
def test_thresholds_are_the_best_of_all(precision):
    rng = np.random.default_rng(0)
    for _ in range(30):
        values = rng.random(40).round(rng.integers(1, 4))
        targets = (rng.random(40) < values).astype(float)
        targets[:3], targets[3:6] = 1, 0
        assert best_threshold(values, targets, precision) == slow_threshold(values, targets, precision)


def test_thresholds_by_hand():
    values = np.array([0.9, 0.8, 0.7, 0.3, 0.2, 0.1])
    assert best_threshold(values, np.array([1, 1, 1, 0, 0, 0])) == 0.5  # half-way between both kinds
    assert keeping(np.array([0.5, 0.9, 0.7, 0.8]), 0.75) == 0.7
    assert keeping(np.array([0.5, 0.9, 0.7, 0.8]), 1.0) == 0.5
    assert keeping(np.array([]), 0.95) == 0.0
    many = np.random.default_rng(0).random(1000)
    assert (many >= keeping(many, 0.95)).mean() == 0.95


@pytest.mark.parametrize(("n_near", "expected"), [(9, 0.5), (10, None)])
def test_a_label_with_few_clips_keeps_its_threshold(n_near, expected):
    logits = np.random.default_rng(0).normal(-3, 1, (60, 2))
    targets = np.zeros((60, 2), np.float32)
    targets[:n_near, 0] = targets[30:, 1] = 1
    own = fit_calibration(logits, targets, SEVERAL, groups=list(map(str, range(60))))
    values = probabilities(own.logits(logits), True)
    assert own.thresholds[0] == (expected or best_threshold(values[:, 0], targets[:, 0]))
    assert own.thresholds[1] == best_threshold(values[:, 1], targets[:, 1])


def test_unknown_keeps_the_share_of_right_answers():
    logits, targets = drawn(ONE, 2000)
    own = fit_calibration(logits, targets, ONE, groups=list(map(str, range(2000))), kept=0.9)
    values = probabilities(own.logits(logits), False)
    right = values.argmax(axis=1) == targets.argmax(axis=1)
    assert (values.max(axis=1)[right] >= own.unknown).mean() == pytest.approx(0.9, abs=1e-3)


@pytest.fixture
def calibration():
    own = TaskCalibration("temperature", (0.5,) * 3, (0.0,) * 3, (0.4, 0.5, 0.6), 0.7, {"n_clips": 20})
    other = TaskCalibration("platt", (0.5, 2.0), (0.1, -0.1), (0.3, 0.5))
    return Calibration("ab" * 32, {"animals": own, "tags": other})


def test_the_file_round_trips(calibration, tmp_path):
    calibration.write(tmp_path, [ONE, SEVERAL])
    assert read_calibration(tmp_path, "ab" * 32, [ONE, SEVERAL]) == calibration
    assert read_calibration(tmp_path / "nowhere", "ab" * 32, [ONE, SEVERAL]) is None
    with pytest.raises(AuricleError, match="other weights: calibrate again"):
        read_calibration(tmp_path, "cd" * 32, [ONE, SEVERAL])


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("tasks",), 5),
        (("schema",), 2),
        (("tasks", "animals"), None),
        (("tasks", "animals", "labels"), ["cat", "dog", "cow"]),
        (("tasks", "animals", "scales"), [1.0, 1.0]),
        (("tasks", "animals", "scales"), [1.0, 1.0, "x"]),
        (("tasks", "animals", "scales"), [1.0, 1.0, 0.0]),
        (("tasks", "animals", "offsets"), [1.0, 1.0, 1e999]),
        (("tasks", "animals", "thresholds"), [0.5, 0.5, 1.5]),
        (("tasks", "animals", "thresholds"), [0.5, 0.5, True]),
        (("tasks", "animals", "unknown"), "x"),
        (("tasks", "animals", "method"), "isotonic"),
        (("tasks", "animals", "measured"), []),
        (("tasks", "tags", "unknown"), 0.5),
        (("tasks", "frogs"), {}),
    ],
)
def test_a_file_of_other_values_is_refused(calibration, tmp_path, place, value):
    values = calibration.to_dict([ONE, SEVERAL])
    inner = values
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    (tmp_path / "calibration.json").write_text(json.dumps(values))
    with pytest.raises(AuricleError, match=r"calibration\.json: not a calibration of this model"):
        read_calibration(tmp_path, "ab" * 32, [ONE, SEVERAL])
    for text in ("", "[", "[" * 100_000, "5", "null", "\x00"):
        (tmp_path / "calibration.json").write_text(text)
        with pytest.raises(AuricleError, match=r"calibration\.json: not"):
            read_calibration(tmp_path, "ab" * 32, [ONE, SEVERAL])
