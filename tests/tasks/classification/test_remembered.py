"""Validation conditions are those of the training, the same in every epoch, so that they are computed once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from auricle.conditions import Cell, Suite, mean_power
from auricle.config import Augmentation
from auricle.data.clips import Clip
from auricle.data.manifest import Manifest
from auricle.tasks.classification import conditions
from auricle.tasks.classification.conditions import remembered, validation_conditions

RATE, SAMPLES = 8000, 4000
CLIPS = [
    Clip(
        file=name,
        path=Path(name),
        labels=("a",),
        start_s=start,
        end_s=end,
        sample_rate=RATE,
        duration_s=0.5,
        channels=1,
    )
    for name in ("one.wav", "two.wav")
    for start, end in ((0.0, 0.4), (0.0, 0.5), (0.5, None))
]
WAVEFORMS = 0.1 * np.random.default_rng(0).standard_normal((len(CLIPS), SAMPLES)).astype(np.float32)


def epoch(condition):
    return [condition(waveform, clip, 1.0) for waveform, clip in zip(WAVEFORMS, CLIPS, strict=True)]


def test_every_epoch_hears_what_would_be_drawn_anew(monkeypatch):
    augmentation = Augmentation(conditions="training")
    both = validation_conditions(augmentation, RATE, 3, [], draw=0)
    monkeypatch.setattr(conditions, "remembered", lambda condition: condition)
    plain = validation_conditions(augmentation, RATE, 3, [], draw=0)
    expected = epoch(plain)
    assert len({sound.tobytes() for sound in expected}) == len(CLIPS)
    for _ in range(2):
        np.testing.assert_array_equal(epoch(both), expected)


def validated(augmentation, clip):
    """The clip as it is heard in validation."""
    condition = validation_conditions(augmentation, RATE, 3, [Manifest(Path(), tuple(CLIPS))])
    return condition(WAVEFORMS[clip], CLIPS[clip], 1.0)


def test_noise_is_at_its_ratio_to_what_is_heard(monkeypatch):
    """As in training: to the clip under its condition, wherever it is not silent."""
    quiet = Suite("quiet", (Cell("gain", 1, "gain", {"gain_db": -40.0}),))
    monkeypatch.setattr(conditions, "training_suite", lambda *_: quiet)
    quietened = 0.01 * WAVEFORMS[0]
    noise = validated(Augmentation(conditions="quiet", noise_snr_db=[10.0, 10.0], noise_share=1.0), 0) - quietened
    assert 10 * np.log10(mean_power(quietened) / mean_power(noise)) == pytest.approx(10.0, abs=0.01)


def test_noise_after_noise_is_another(monkeypatch):
    noisy = Suite("noisy", (Cell("white", 1, "white", {"snr_db": 10.0}),))
    monkeypatch.setattr(conditions, "training_suite", lambda *_: noisy)
    first = validated(Augmentation(conditions="noisy"), 0) - WAVEFORMS[0]
    both = validated(Augmentation(conditions="noisy", noise_snr_db=[10.0, 10.0], noise_share=1.0), 0) - WAVEFORMS[0]
    assert abs(np.corrcoef(first, both - first)[0, 1]) < 0.1


def test_each_clip_and_length_is_computed_once_and_no_more_is_kept_than_allowed():
    asked = []

    def condition(waveform, clip, power):
        asked.append((clip.key, len(waveform)))
        return waveform * power

    kept = remembered(condition)
    first, again = epoch(kept), epoch(kept)
    assert len(asked) == len(CLIPS)
    np.testing.assert_array_equal(first, again)
    assert len(kept(WAVEFORMS[0][:100], CLIPS[0], 2.0)) == 100
    asked.clear()
    scarce = remembered(condition, limit=2 * WAVEFORMS[0].nbytes)
    epoch(scarce), epoch(scarce)
    assert [asked.count((clip.key, SAMPLES)) for clip in CLIPS] == [1, 1, 2, 2, 2, 2]
