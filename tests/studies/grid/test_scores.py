from __future__ import annotations

import numpy as np

from auricle.metrics import bootstrap, mean_average_precision
from auricle.studies.grid.scores import GridScores


def test_no_mean_average_precision_is_above_1() -> None:
    rng = np.random.default_rng(19)
    targets, groups = rng.integers(0, 3, 20), rng.integers(0, 5, 20)
    scores = np.eye(3)[targets] + rng.normal(size=(20, 3))
    assert bootstrap(mean_average_precision, scores, targets, groups=groups, centred=True).high > 1
    grid = GridScores(["mel"], list("abc"), scores[None, None], targets, groups, np.zeros((1, 1)))
    assert grid.table()["mAP"].iloc[0].high == 1
