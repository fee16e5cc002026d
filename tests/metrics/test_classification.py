from __future__ import annotations

import math
import subprocess
import sys
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from auricle.errors import AuricleError
from auricle.metrics import classification
from auricle.metrics.classification import (
    Metric,
    accuracy,
    auc,
    balanced_accuracy,
    confusion_matrix,
    d_prime,
    d_prime_of_auc,
    mean_average_precision,
    top_k_accuracy,
)

SINGLE: list[Metric] = [accuracy, top_k_accuracy, balanced_accuracy]
RANKING: list[Metric] = [mean_average_precision, auc]


def single_label(n: int = 60, classes: int = 7, *, levels: int = 0, seed: int = 0) -> tuple[NDArray, NDArray]:
    """Scores that know something of the labels; `levels` rounds them so that many are equal. Class 2 is absent."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(np.delete(np.arange(classes), 2), n)
    scores = rng.standard_normal((n, classes))
    scores[np.arange(n), labels] += 1.0
    return (np.round(scores * levels) / levels if levels else scores), labels


def multi_label(n: int = 60, classes: int = 7, *, levels: int = 0, seed: int = 0) -> tuple[NDArray, NDArray]:
    """As `single_label`; class 2 has no positive and class 4 no negative clip."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 2, (n, classes))
    targets[:, 2], targets[:, 4] = 0, 1
    scores = rng.standard_normal((n, classes)) + targets
    return (np.round(scores * levels) / levels if levels else scores), targets


def slow_auc(scores: NDArray, positive: NDArray) -> float:
    """Every positive against every negative clip, one half for equal scores."""
    pairs = [1.0 if p > q else 0.5 if p == q else 0.0 for p in scores[positive] for q in scores[~positive]]
    return float(np.mean(pairs)) if pairs else math.nan


def slow_average_precision(scores: NDArray, positive: NDArray) -> float:
    """Σ (R_t − R_{t−1}) P_t over the thresholds t, from the highest score."""
    if not positive.any():
        return math.nan
    total, recall = 0.0, 0.0
    for threshold in sorted(set(scores.tolist()), reverse=True):
        accepted = scores >= threshold
        new_recall = positive[accepted].sum() / positive.sum()
        total += (new_recall - recall) * positive[accepted].mean()
        recall = new_recall
    return float(total)


def slow_macro(twin: object, scores: NDArray, targets: NDArray) -> float:
    one_hot = targets[:, None] == np.arange(scores.shape[1]) if targets.ndim == 1 else targets == 1
    return float(np.nanmean([twin(scores[:, c], one_hot[:, c]) for c in range(scores.shape[1])]))  # type: ignore[operator]


def slow_balanced_accuracy(scores: NDArray, targets: NDArray) -> float:
    predicted = scores.argmax(axis=1)
    return float(np.mean([(predicted[targets == label] == label).mean() for label in np.unique(targets)]))


class TestAgainstSlowTwins:
    @pytest.mark.parametrize("levels", [0, 1, 3])
    @pytest.mark.parametrize("data", [single_label, multi_label])
    def test_rankings(self, data: object, levels: int) -> None:
        scores, targets = data(levels=levels)  # type: ignore[operator]
        assert auc(scores, targets) == pytest.approx(slow_macro(slow_auc, scores, targets), abs=1e-12)
        want = slow_macro(slow_average_precision, scores, targets)
        assert mean_average_precision(scores, targets) == pytest.approx(want, abs=1e-12)

    @pytest.mark.parametrize("levels", [0, 1])
    def test_single_label(self, levels: int) -> None:
        scores, targets = single_label(levels=levels)
        assert accuracy(scores, targets) == pytest.approx((scores.argmax(axis=1) == targets).mean(), abs=1e-6)
        assert balanced_accuracy(scores, targets) == pytest.approx(slow_balanced_accuracy(scores, targets), abs=1e-12)
        for k in (1, 2, 5, 7, 9):
            best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
            want = np.mean([label in row for label, row in zip(targets, best, strict=True)])
            assert top_k_accuracy(scores, targets, k=k) == pytest.approx(want, abs=1e-6)

    @pytest.mark.parametrize("metric", [*SINGLE, *RANKING, d_prime])
    def test_weights_are_repeated_clips(self, metric: Metric) -> None:
        scores, targets = single_label(levels=2)
        weights = np.random.default_rng(1).multinomial(60, np.full(60, 1 / 60), size=8)
        want = [metric(np.repeat(scores, row, axis=0), np.repeat(targets, row)) for row in weights]
        np.testing.assert_allclose(metric(scores, targets, weights), want, rtol=1e-6)

    def test_weights_are_repeated_clips_with_several_labels(self) -> None:
        scores, targets = multi_label(levels=2)
        weights = np.random.default_rng(1).multinomial(60, np.full(60, 1 / 60), size=8)
        for metric in RANKING:
            want = [metric(np.repeat(scores, row, axis=0), np.repeat(targets, row, axis=0)) for row in weights]
            np.testing.assert_allclose(metric(scores, targets, weights), want, rtol=1e-10)

    @pytest.mark.parametrize("metric", [*SINGLE, *RANKING])
    def test_scale_of_real_weights_does_not_matter(self, metric: Metric) -> None:
        scores, targets = single_label()
        weights = np.random.default_rng(1).random((3, 60))
        np.testing.assert_allclose(metric(scores, targets, weights), metric(scores, targets, 0.01 * weights))
        np.testing.assert_allclose(
            metric(scores, targets, np.full((1, 60), 0.3))[0], metric(scores, targets), rtol=1e-6
        )

    @pytest.mark.parametrize("metric", [*SINGLE, *RANKING])
    def test_blocks_do_not_change_the_values(self, metric: Metric, monkeypatch: pytest.MonkeyPatch) -> None:
        scores, targets = single_label()
        weights = np.random.default_rng(1).integers(0, 3, (11, 60))
        whole = metric(scores, targets, weights)
        monkeypatch.setattr(classification, "BLOCK_ELEMENTS", 130)
        np.testing.assert_allclose(metric(scores, targets, weights), whole, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:No (positive|negative) samples")
class TestAgainstTorchmetrics:
    @pytest.mark.parametrize("levels", [0, 2])
    def test_single_label(self, levels: int) -> None:
        from torchmetrics.functional import classification as tm

        scores, targets = single_label(300, 9, levels=levels, seed=3)
        probabilities, labels = torch.tensor(scores).softmax(dim=1), torch.tensor(targets)
        size = {"num_classes": 9}
        matrix = tm.multiclass_confusion_matrix(probabilities, labels, **size)
        np.testing.assert_array_equal(confusion_matrix(probabilities, labels), matrix.numpy())
        want = tm.multiclass_accuracy(probabilities, labels, average="micro", **size)
        assert accuracy(probabilities, labels) == pytest.approx(float(want), abs=1e-6)
        per_class = tm.multiclass_accuracy(probabilities, labels, average="none", **size)
        assert balanced_accuracy(probabilities, labels) == pytest.approx(
            float(per_class[labels.unique()].mean()), abs=1e-6
        )
        if not levels:  # torchmetrics breaks ties of top-k in no stated order
            want = tm.multiclass_accuracy(probabilities, labels, average="micro", top_k=5, **size)
            assert top_k_accuracy(probabilities, labels) == pytest.approx(float(want), abs=1e-6)
        present = labels.unique()
        areas = tm.multiclass_auroc(probabilities, labels, average="none", **size)
        assert auc(probabilities, labels) == pytest.approx(float(areas[present].mean()), abs=1e-5)
        precisions = tm.multiclass_average_precision(probabilities, labels, average="none", **size)
        assert mean_average_precision(probabilities, labels) == pytest.approx(
            float(precisions[present].mean()), abs=1e-5
        )

    @pytest.mark.parametrize("levels", [0, 2])
    def test_multi_label(self, levels: int) -> None:
        from torchmetrics.functional import classification as tm

        scores, targets = multi_label(300, 6, levels=levels, seed=3)
        probabilities, positives = torch.tensor(scores).sigmoid(), torch.tensor(targets)
        areas = tm.multilabel_auroc(probabilities, positives, num_labels=6, average="none")
        precisions = tm.multilabel_average_precision(probabilities, positives, num_labels=6, average="none")
        both, some = [0, 1, 3, 5], [0, 1, 3, 4, 5]
        assert auc(probabilities, positives) == pytest.approx(float(areas[both].mean()), abs=1e-5)
        assert mean_average_precision(probabilities, positives) == pytest.approx(
            float(precisions[some].mean()), abs=1e-5
        )


class TestLimits:
    def test_perfect_scores(self) -> None:
        targets = np.arange(6)
        scores = np.eye(6)
        for metric in (*SINGLE, *RANKING):
            assert metric(scores, targets) == 1.0
        assert d_prime(scores, targets) == math.inf
        assert d_prime(-scores, targets) == -math.inf
        assert auc(-scores, targets) == 0.0

    def test_all_equal_scores(self) -> None:
        _, targets = multi_label()
        scores = np.zeros((60, 7))
        assert auc(scores, targets) == 0.5
        assert d_prime(scores, targets) == 0.0
        share = targets.mean(axis=0)
        assert mean_average_precision(scores, targets) == pytest.approx(share[share > 0].mean(), abs=1e-12)
        assert accuracy(scores, np.arange(60) % 7) == pytest.approx(9 / 60, abs=1e-7)

    def test_single_clip(self) -> None:
        scores, targets = np.array([[0.1, 0.7, 0.2]]), np.array([1])
        assert accuracy(scores, targets) == balanced_accuracy(scores, targets) == 1.0
        assert mean_average_precision(scores, targets) == 1.0
        assert math.isnan(auc(scores, targets))
        assert math.isnan(d_prime(scores, targets))
        assert math.isnan(mean_average_precision(scores, np.zeros((1, 3))))

    def test_a_class_that_a_resample_lost_is_left_out_of_it(self) -> None:
        scores = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
        targets = np.array([0, 0, 1])
        weights = np.array([[1, 1, 1], [2, 1, 0], [0, 0, 3]])
        np.testing.assert_allclose(balanced_accuracy(scores, targets, weights), [0.5, 1.0, 0.0])
        np.testing.assert_array_equal(np.isnan(auc(scores, targets, weights)), [False, True, True])

    def test_infinite_scores(self) -> None:
        scores = np.array([[np.inf, -np.inf], [-np.inf, np.inf], [-np.inf, -np.inf]])
        assert auc(scores, np.array([0, 1, 0])) == pytest.approx((0.75 + 1.0) / 2)

    def test_d_prime_is_the_normal_quantile(self) -> None:
        for area in (0.01, 0.3, 0.5, 0.973, 0.9999):
            assert d_prime_of_auc(area) == pytest.approx(math.sqrt(2) * NormalDist().inv_cdf(area), abs=1e-9)
        assert d_prime_of_auc(0.973) == pytest.approx(2.73, abs=0.01)  # Kong et al. (2020), CNN14
        assert all(a < b for a, b in pairwise(d_prime_of_auc(x) for x in np.linspace(0, 1, 11)))

    def test_confusion_matrix_has_targets_in_rows(self) -> None:
        scores = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        targets = np.array([0, 1, 1])
        want = [[0, 1, 0], [0, 1, 1], [0, 0, 0]]
        np.testing.assert_array_equal(confusion_matrix(scores, targets), want)
        weighted = confusion_matrix(scores, targets, [[1, 1, 1], [0, 2, 1]])
        np.testing.assert_array_equal(weighted, [want, [[0, 0, 0], [0, 2, 1], [0, 0, 0]]])

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
    def test_tensors_of_any_float_type(self, dtype: torch.dtype) -> None:
        scores = torch.eye(4, dtype=dtype, requires_grad=True)
        assert accuracy(scores, torch.arange(4)) == auc(scores, torch.arange(4)) == 1.0

    def test_import_needs_no_torchmetrics(self) -> None:
        code = "import sys, auricle.metrics; assert not {'torchmetrics', 'lightning', 'scipy'} & set(sys.modules)"
        subprocess.run([sys.executable, "-c", code], check=True)


class TestErrors:
    @pytest.mark.parametrize(
        ("scores", "targets", "words"),
        [
            (np.zeros(3), np.zeros(3, int), r"\(3,\).*\(clips, classes\)"),
            (np.zeros((0, 3)), np.zeros(0, int), r"\(0, 3\).*not empty"),
            (np.zeros((2, 3), int), np.zeros(2, int), r"int64.*floating point"),
            (np.array([[0.0, np.nan]]), np.zeros(1, int), "1 of 2 scores are NaN"),
            (np.zeros((2, 3)), np.array([0, 3]), "class 3; with 3 classes it should be 0 to 2"),
            (np.zeros((2, 3)), np.array([-1, 0]), "class -1"),
            (np.zeros((2, 3)), np.array([0.0, 1.0]), "float64.*integer"),
            (np.zeros((2, 3)), np.zeros((2, 2)), r"\(2, 2\).*\(2, 3\)"),
            (np.zeros((2, 3)), np.full((2, 3), 0.5), "0.5; targets should be 0 or 1"),
        ],
    )
    def test_bad_input_is_named(self, scores: NDArray, targets: NDArray, words: str) -> None:
        with pytest.raises(AuricleError, match=words):
            auc(scores, targets)

    def test_single_label_metrics_refuse_several_labels(self) -> None:
        for metric in SINGLE:
            with pytest.raises(AuricleError, match="one class index per clip"):
                metric(*multi_label())

    def test_bad_options_are_named(self) -> None:
        scores, targets = single_label()
        with pytest.raises(AuricleError, match=r"weights have shape \(2, 3\).*\(resamples, 60\)"):
            auc(scores, targets, np.ones((2, 3)))
        with pytest.raises(AuricleError, match="k is 0"):
            top_k_accuracy(scores, targets, k=0)
