"""Anchors: where a detector or the energy says that a sound is, against slow twins."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from auricle import audio
from auricle.data.clip_store import ClipStore
from auricle.data.manifest import read_manifest
from auricle.data.tasks import Task
from auricle.data.windows import loudest_start
from auricle.errors import AuricleError
from auricle.systems.classifier.system import Classifier
from auricle.tasks.separation.anchors import Anchor, cached_anchors, mine, smoothed, write_anchors

RATE = 8000


def store_of(folder: Path, clips: dict[str, tuple[str, NDArray]]) -> ClipStore:
    """Clips by name, with their labels."""
    rows = ["path,label"]
    for name, (label, waveform) in clips.items():
        audio.write(folder / name, waveform, RATE, subtype="FLOAT")
        rows.append(f"{name},{label}")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return ClipStore(read_manifest(folder).clips, RATE)


class TestMovingAverage:
    @pytest.mark.parametrize("n_frames", [1, 3, 7, 40])
    def test_equals_the_mean_over_held_ends(self, n_frames: int) -> None:
        values = np.random.default_rng(0).random(n_frames)
        want = [np.mean([values[min(max(k + d, 0), n_frames - 1)] for d in range(-3, 4)]) for k in range(n_frames)]
        np.testing.assert_allclose(smoothed(values, 7), want, atol=1e-12)

    def test_a_constant_stays(self) -> None:
        np.testing.assert_allclose(smoothed(np.full(5, 0.3), 201), 0.3)


class TestLoudest:
    @pytest.mark.parametrize("n_samples", [1, 5, 30, 31])
    def test_equals_the_search(self, n_samples: int) -> None:
        waveform = np.random.default_rng(1).standard_normal(31).astype(np.float32)
        energies = [np.sum(waveform[k : k + n_samples].astype(float) ** 2) for k in range(31 - n_samples + 1)]
        assert loudest_start(waveform, n_samples) == int(np.argmax(energies))

    def test_short_clips_and_silence_begin_at_0(self) -> None:
        assert loudest_start(np.ones(10, np.float32), 20) == 0
        assert loudest_start(np.zeros(100, np.float32), 20) == 0

    def test_a_burst_far_away_is_found_despite_rounding(self) -> None:
        waveform = np.full(2_000_000, 0.5, np.float32)
        waveform[1_500_000:1_500_010] = 0.51
        assert 1_499_990 <= loudest_start(waveform, 20) <= 1_500_000


class Said(Classifier):
    """A detector whose frame logits are given: `(frames, labels)`."""

    logits: torch.Tensor

    def detect(self, waveforms: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        assert waveforms.shape == (1, self.expected)
        return self.logits[None].amax(1), self.logits[None]

    expected: int


def detector(logits: NDArray, expected: int, **config: Any) -> Said:
    model = Said.build(
        sample_rate=16000,
        window_s=1.0,
        frontend={"name": "mel", "n_filters": 32},
        backbone={"name": "cnn14", "channels": [1, 1, 1, 1, 1, 2]},
        tasks=[Task("sounds", ("bark", "meow"), multi_label=True)],
        **{"head": "max"} | config,
    ).eval()
    assert isinstance(model, Said)
    model.logits, model.expected = torch.from_numpy(logits).float(), expected
    return model


class TestMining:
    def test_without_a_detector_every_label_has_the_loudest_segment(self, tmp_path: Path) -> None:
        quiet, loud = np.full(RATE, 0.01), np.full(RATE, 0.5)
        store = store_of(
            tmp_path, {"a.wav": ("bark;meow", np.concatenate([quiet, loud, quiet])), "b.wav": ("meow", quiet[:100])}
        )
        assert mine(store, RATE) == [Anchor(0, "bark", RATE), Anchor(0, "meow", RATE), Anchor(1, "meow", 0)]

    def test_a_detector_finds_each_label_where_it_is(self, tmp_path: Path) -> None:
        """Frames of 10 ms at another rate; the segment is centred at the highest moving average, within the clip."""
        store = store_of(tmp_path, {"a.wav": ("bark;meow", np.full(4 * RATE, 0.1))})
        logits = np.full((401, 2), -9.0)
        logits[:, 0] = 3 - 0.05 * np.abs(np.arange(401) - 250)
        logits[100, 0] = 20.0
        logits[395:, 1] = 9.0
        bark, meow = mine(store, RATE, detector(logits, expected=4 * 16000))
        probabilities = 1 / (1 + np.exp(-logits[:, 0]))
        padded = np.pad(probabilities, 50, mode="edge")
        best = int(np.argmax([padded[k : k + 101].mean() for k in range(401)]))
        assert best == 250
        assert bark.start == best * 80 - RATE // 2
        assert meow == Anchor(0, "meow", 3 * RATE)

    def test_what_a_detector_cannot_do_is_named(self, tmp_path: Path) -> None:
        store = store_of(tmp_path, {"a.wav": ("bark", np.ones(100)), "b.wav": ("moo", np.ones(100))})
        with pytest.raises(AuricleError, match="'moo'"):
            mine(store, 50, detector(np.zeros((1, 2)), 200))
        with pytest.raises(AuricleError, match="clips as a whole"):
            mine(store, 50, detector(np.zeros((1, 2)), 200, head="linear"))


def test_they_are_kept_for_the_same_clips_and_made_anew_for_others(tmp_path: Path) -> None:
    store = store_of(tmp_path, {"a.wav": ("bark", np.ones(1000)), "b.wav": ("NA;07", np.ones(700))})
    anchors = [Anchor(0, "bark", 123), Anchor(1, "NA", 7), Anchor(1, "07", 0)]

    def kept(store: ClipStore, n_samples: int = 50) -> int:
        """How often they were mined."""
        calls: list[int] = []
        found = cached_anchors(tmp_path / "kept", store, n_samples, None, lambda: calls.append(1) or anchors)
        assert found == anchors
        return len(calls)

    assert [kept(store), kept(store), kept(store, 60), kept(store)] == [1, 0, 1, 0]
    audio.write(tmp_path / "a.wav", np.full(1000, 0.5, np.float32), RATE)
    assert kept(store) == 1
    relabelled = [dataclasses.replace(clip, labels=("meow",)) for clip in store.clips]
    assert kept(ClipStore(relabelled, RATE)) == 1


def test_the_table_lists_them(tmp_path: Path) -> None:
    store = store_of(tmp_path, {"a.wav": ("bark", np.ones(1000)), "b.wav": ("meow;bark", np.ones(700))})
    anchors = [Anchor(0, "bark", 120), Anchor(1, "meow", 8)]
    write_anchors(tmp_path / "anchors.csv", {"train": (store, anchors), "valid": (store, anchors[:1])})
    first, second, third = (tmp_path / "anchors.csv").read_text().splitlines()[1:]
    assert first == f"train,a.wav,bark,{120 / RATE:.6f}"
    assert second == f"train,b.wav,meow,{8 / RATE:.6f}"
    assert third == first.replace("train", "valid")
