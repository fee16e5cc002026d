from __future__ import annotations

import numpy as np
import pytest

from auricle.errors import AuricleError
from auricle.systems.overlap import OverlapAdd

OVERLAP_ADD = OverlapAdd(length=40, context=6, overlap=8, grid=4)


def smear(signal):
    """A process that depends on 6 samples to either side, with zeros beyond the ends."""
    return np.convolve(np.pad(signal, 6), np.hanning(13), mode="valid").astype(signal.dtype)


@pytest.mark.parametrize("n_samples", [1, 5, 39, 40, 41, 60, 61, 80, 333])
def test_joined_pieces_equal_the_whole(n_samples):
    signal = np.random.default_rng(n_samples).standard_normal(n_samples).astype(np.float32)
    joined = np.concatenate(list(OVERLAP_ADD.join(OVERLAP_ADD.cut(signal), smear)))
    assert joined.shape == signal.shape
    np.testing.assert_allclose(joined, smear(signal), atol=1e-5)


def test_neighbours_that_differ_are_faded_into_each_other():
    number = iter(range(10))
    joined = np.concatenate(list(OVERLAP_ADD.join(OVERLAP_ADD.cut(np.zeros(100)), lambda x: x + next(number))))
    assert np.abs(np.diff(joined)).max() < 1 / 8 + 1e-6
    assert (joined[0], joined[-1]) == (0.0, 3.0)


def test_channels_keep_their_places():
    signal = np.arange(300.0).reshape(2, 150)
    joined = np.concatenate(list(OVERLAP_ADD.join(OVERLAP_ADD.cut(signal), np.copy)), axis=-1)
    np.testing.assert_allclose(joined, signal, atol=1e-4)


def test_the_last_piece_is_the_first_that_reaches_the_end():
    assert [p.shape[-1] for p in OVERLAP_ADD.cut(np.zeros(60))] == [40, 40]
    assert [p.shape[-1] for p in OVERLAP_ADD.cut(np.zeros(61))] == [40, 40, 21]
    assert [p.shape[-1] for p in OVERLAP_ADD.cut(np.zeros(40))] == [40]


def test_pieces_off_the_grid_are_refused():
    with pytest.raises(AuricleError, match="grid=4"):
        OverlapAdd(length=41, context=6, overlap=8, grid=4)
    with pytest.raises(AuricleError, match="length=10"):
        OverlapAdd(length=10, context=6, overlap=0)
    assert OverlapAdd.with_hop(30, 6, 8, grid=4).hop == 32
