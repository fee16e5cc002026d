from __future__ import annotations

import numpy as np

from auricle.tasks.classification.compare import centred


def test_centred_resamples_of_an_average_precision_are_shares() -> None:
    np.testing.assert_allclose(centred(np.array([0.9, 0.5, 0.8, 0.95])), [0.9, 0.6, 0.9, 1.0])
    np.testing.assert_allclose(centred(np.array([0.1, 0.5, 0.3, 0.1])), [0.1, 0.3, 0.1, 0.0])
