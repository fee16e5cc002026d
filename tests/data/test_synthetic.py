"""The synthetic sound events: reproducible, fair (no class given away by level) and learnable."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from auricle.data.synthetic import EVENTS, make_sound_events, sound_event
from auricle.errors import AuricleError

SAMPLE_RATE = 16_000


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """The manifest's rows and the waveforms of a data set of 270 clips."""
    manifest = make_sound_events(tmp_path_factory.mktemp("events"), n_clips=270)
    rows = read(manifest)
    return rows, np.stack([sf.read(manifest.parent / row["path"])[0] for row in rows])


def read(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(newline="") as file:
        return list(csv.DictReader(file))


def column(rows: list[dict[str, str]], name: str) -> np.ndarray:
    return np.array([row[name] for row in rows])


def test_columns_and_format(clips):
    rows, waveforms = clips
    assert list(rows[0]) == ["path", "label", "group", "split"]
    assert waveforms.shape == (270, 24_000)
    assert np.abs(waveforms).max() < 1
    assert np.isfinite(waveforms).all()


def test_classes_are_balanced(clips):
    labels = column(clips[0], "label")
    assert Counter(labels) == dict.fromkeys(EVENTS, 30)


def test_no_source_is_in_both_splits_and_every_class_is_in_each(clips):
    rows, _ = clips
    groups, splits, labels = column(rows, "group"), column(rows, "split"), column(rows, "label")
    assert not set(groups[splits == "train"]) & set(groups[splits == "test"])
    assert set(labels[splits == "train"]) == set(labels[splits == "test"]) == set(EVENTS)
    assert 0.1 < np.mean(splits == "test") < 0.4


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path):
    first, again, other = (
        make_sound_events(tmp_path / name, n_clips=20, seed=seed) for name, seed in [("a", 3), ("b", 3), ("c", 4)]
    )
    assert first.read_bytes() == again.read_bytes()
    for row in read(first):
        assert (first.parent / row["path"]).read_bytes() == (again.parent / row["path"]).read_bytes()
        assert (first.parent / row["path"]).read_bytes() != (other.parent / row["path"]).read_bytes()


def test_a_clip_does_not_depend_on_how_many_are_made(tmp_path):
    manifest = make_sound_events(tmp_path, n_clips=20, seed=5)
    written, _ = sf.read(manifest.parent / "audio" / "bell-01-00.flac")
    np.testing.assert_allclose(written, sound_event("bell", 1, 0, seed=5), atol=1 / 2**15)


@pytest.mark.parametrize("label", EVENTS)
def test_clips_of_one_source_differ_and_keep_to_the_level(label):
    clips = [sound_event(label, 0, number) for number in range(3)]
    assert not np.array_equal(clips[0], clips[1])
    for clip in clips:
        assert clip.dtype == np.float32
        assert -45 < 20 * np.log10(np.sqrt(np.mean(clip**2))) < -19


def test_other_rates_and_lengths():
    for sample_rate, duration_s in [(8000, 1.0), (44_100, 2.0)]:
        for label in EVENTS:
            clip = sound_event(label, 0, 0, sample_rate=sample_rate, duration_s=duration_s)
            assert clip.shape == (round(sample_rate * duration_s),)
            assert np.isfinite(clip).all()
            assert 0 < np.abs(clip).max() < 1


def nearest_centroid_accuracy(features: np.ndarray, rows: list[dict[str, str]]) -> float:
    labels, train = column(rows, "label"), column(rows, "split") == "train"
    centroids = np.stack([features[train & (labels == label)].mean(axis=0) for label in EVENTS])
    distances = np.linalg.norm(features[~train, None] - centroids, axis=-1)
    return float(np.mean(np.array(list(EVENTS))[distances.argmin(axis=1)] == labels[~train]))


def test_level_alone_gives_no_class_away(clips):
    rows, waveforms = clips
    level_db = 10 * np.log10(np.mean(waveforms**2, axis=1))
    labels = column(rows, "label")
    medians = [np.median(level_db[labels == label]) for label in EVENTS]
    assert max(medians) - min(medians) < 8
    assert nearest_centroid_accuracy(level_db[:, None], rows) < 0.3


def test_average_spectra_tell_the_classes_apart_but_not_all(clips):
    rows, waveforms = clips
    power = np.abs(np.fft.rfft(waveforms.reshape(len(rows), -1, 1000), axis=-1)) ** 2
    bands = np.stack([band.mean(axis=-1) for band in np.array_split(power.mean(axis=1), 40, axis=-1)], axis=-1)
    shape_db = 10 * np.log10(bands)
    shape_db -= shape_db.mean(axis=1, keepdims=True)
    assert 0.3 < nearest_centroid_accuracy(shape_db, rows) < 0.9


@pytest.mark.parametrize(
    ("arguments", "says"),
    [({"n_clips": 10}, "at least 18"), ({"sample_rate": 4000}, "4000 Hz"), ({"duration_s": 0.2}, "0.2")],
)
def test_arguments_out_of_range_are_refused(arguments, says, tmp_path):
    with pytest.raises(AuricleError, match=says):
        make_sound_events(tmp_path, **arguments)
