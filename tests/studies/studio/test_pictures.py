"""Pictures are what the front-ends give, reduced to columns that show the highest value."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auricle import audio
from auricle.frontends import create_frontend
from auricle.studies.studio import pictures
from auricle.studies.studio.pictures import columns, overview, seen
from auricle.studies.studio.sounds import Sound


def slow_columns(frames: np.ndarray, per_column: int) -> np.ndarray:
    n_frames = frames.shape[1]
    return np.stack([frames[:, k : k + per_column].max(axis=1) for k in range(0, n_frames, per_column)], axis=1)


@pytest.mark.parametrize(("n_frames", "per_column"), [(10, 1), (10, 3), (9, 3), (2, 5)])
def test_a_column_shows_the_highest_of_its_frames(n_frames: int, per_column: int) -> None:
    frames = np.random.default_rng(0).standard_normal((4, n_frames)).astype(np.float32)
    np.testing.assert_array_equal(columns(frames, per_column), slow_columns(frames, per_column))


@pytest.mark.parametrize(("rate", "seconds"), [(8000, 3.0), (16000, 20.2), (11025, 41.3), (44100, 12.0), (16000, 0.01)])
def test_the_overview_is_that_of_the_whole_sound(tmp_path, rate: int, seconds: float) -> None:
    path = tmp_path / "x.wav"
    rng = np.random.default_rng(1)
    audio.write(path, 0.1 * rng.standard_normal(round(seconds * rate)).astype(np.float32), rate, subtype="FLOAT")
    made = overview(Sound(path, "x", 5.0))
    low = min(rate, 16000)
    waveform, _ = audio.read(path, sample_rate=low)
    with torch.no_grad():
        whole = create_frontend("mel", sample_rate=low, n_filters=64)(torch.from_numpy(waveform)[None])[0].numpy()
    per_column = -(-whole.shape[1] // pictures.MOST_COLUMNS)
    expected = slow_columns(whole, per_column)
    assert made.values.shape == expected.shape
    np.testing.assert_allclose(made.values, expected, atol=1e-4)
    assert (made.start_s, made.duration_s) == (5.0, pytest.approx(seconds, abs=1e-3))


def test_a_front_end_sees_the_stretch_at_its_own_rate(scene) -> None:
    frontend = create_frontend("leaf", sample_rate=16000, n_filters=12)
    made = seen(Sound(scene, "scene"), frontend)
    waveform, _ = audio.read(scene, sample_rate=16000)
    with torch.no_grad():
        expected = frontend(torch.from_numpy(waveform)[None])[0].numpy()
    np.testing.assert_array_equal(made.values, expected)
    shares, texts = zip(*made.ticks, strict=True)
    assert shares[0] == pytest.approx(0.5 / 12)
    assert shares[-1] == pytest.approx(11.5 / 12)
    assert texts[0].isdigit()
    assert texts[-1].endswith("k")


def test_bands_without_frequencies_have_no_ticks(scene) -> None:
    made = seen(Sound(scene, "scene"), create_frontend("wavegram", n_filters=8))
    assert made.ticks == ()
