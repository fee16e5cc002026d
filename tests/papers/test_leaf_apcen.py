"""LEAF-APCEN (Meng et al.): how its data are made, validated and shared out, and the sizes that its text gives.

Equations 1 to 3 and the controller have their twins in frontends/test_twins.py and frontends/test_adaptive.py.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import auricle
from auricle import create_frontend
from auricle.conditions import create_condition, create_suite, mean_power
from auricle.config import Augmentation
from auricle.data.clips import Clip
from auricle.data.manifest import Manifest
from auricle.errors import AuricleError
from auricle.tasks.classification import train as training
from auricle.tasks.classification.conditions import shares, training_conditions, training_suite, validation_conditions
from sounds import tone_folder

RATE = 16000
CLIP = 0.1 * np.random.default_rng(0).standard_normal(3 * RATE)


def manifest(counts: dict[str, int], name: str = "clips") -> Manifest:
    """`counts` clips of each label, of files that are not there."""
    own = [(label, f"{label}-{k}.wav") for label, count in counts.items() for k in range(count)]
    sizes: dict[str, Any] = {"duration_s": 1.0, "sample_rate": RATE, "channels": 1}
    clips = [Clip(file=file, path=Path(name) / file, labels=(label,), **sizes) for label, file in own]
    return Manifest(name, tuple(clips))


class TestPublishedData:
    """The conditions that the authors' script makes, as the suite complex-published."""

    @pytest.mark.parametrize("seed", range(3))
    def test_blocks_have_gains_and_fades(self, seed: int) -> None:
        """Blocks of 0.25 to 1 s, ±8 dB, faded over 40 to 100 ms by half a period of a cosine."""
        found = create_condition("gain-blocks")(CLIP, RATE, seed)
        rng, start, lengths = np.random.default_rng(seed), 0, []
        while start < len(CLIP):
            length = int(rng.uniform(0.25, 1.0) * RATE)
            block = CLIP[start : start + length] * 10 ** (rng.uniform(-8.0, 8.0) / 20)
            fade = min(int(rng.uniform(0.04, 0.1) * RATE), len(block) // 2)
            for k in range(fade):
                rise = 0.5 * (1 - np.cos(np.pi * k / (fade - 1)))
                block[k] *= rise
                block[-1 - k] *= rise
            np.testing.assert_allclose(found[start : start + length], block, atol=1e-12)
            lengths.append(length)
            start += length
        assert len(lengths) >= 3

    def test_babble_is_of_two_to_four_talkers_below_the_mean_power(self) -> None:
        suite = create_suite("complex-published")
        assert [cell.name for cell in suite.cells] == ["clean", "babble", "music", "gain-blocks"]
        assert suite.shares
        talkers: Counter[int] = Counter()
        material = SimpleNamespace(
            draw=lambda kind, count, n, *_: talkers.update([count]) or [np.ones(n)] * count, recordings=()
        )
        paused = np.where(np.arange(len(CLIP)) < RATE, CLIP, 0.0)
        ratios = []
        for seed in range(60):
            changed: Any = suite.cell("babble").create()(paused, RATE, seed, material)  # type: ignore[arg-type]
            ratios.append(10 * np.log10(mean_power(paused) / mean_power(changed - paused)))
        assert set(talkers) == {2, 3, 4}
        assert 0.0 <= min(ratios) < 2.0
        assert 13.0 < max(ratios) <= 15.0

    def test_other_suites_measure_the_active_power(self) -> None:
        """With pauses counted the same ratio adds less noise."""
        paused = np.where(np.arange(len(CLIP)) < RATE, CLIP, 1e-5)
        added = [
            mean_power(create_condition("white", snr_db=10.0, pauses=pauses)(paused, RATE, 1) - paused)
            for pauses in (False, True)
        ]
        assert added[0] == pytest.approx(3 * added[1], rel=0.05)


class TestShares:
    """Section 3.1: equal shares of each condition, balanced across classes, in training and validation."""

    def test_each_class_has_equally_many_clips_of_each(self) -> None:
        suite = training_suite(Augmentation(conditions="complex"), 0)
        data = [manifest({"cat": 21, "dog": 8}), manifest({"hall": 40}, "rooms")]
        cells = shares(suite, data)
        assert len(cells) == 69
        own = iter(cells)
        for clips in data:
            counts: dict[str, Counter[str]] = {}
            for clip in clips:
                counts.setdefault(clip.labels[0], Counter())[next(own).name] += 1
            for of_class in counts.values():
                assert len(of_class) == 4
                assert max(of_class.values()) - min(of_class.values()) <= 1

    def test_a_clip_keeps_its_condition_and_the_noise_is_drawn_anew(self) -> None:
        augmentation = Augmentation(conditions="complex", conditions_by="clip")
        data = [manifest({"cat": 8})]
        augment = training_conditions(augmentation, RATE, 0, data)
        assert augment is not None
        cells = shares(training_suite(augmentation, 0), data)
        window = CLIP[:RATE].astype(np.float32)
        for index, cell in enumerate(cells):
            changed = [augment(window, seed, index) for seed in range(4)]
            assert all(np.array_equal(one, window) for one in changed) == (cell.name == "clean")
            if cell.name != "clean":
                assert not np.array_equal(changed[0], changed[1])
                assert np.array_equal(changed[0], augment(window, 0, index))
        drawn = training_conditions(Augmentation(conditions="complex"), RATE, 0, data)
        assert drawn is not None
        untouched = [np.array_equal(drawn(window, seed, 0), window) for seed in range(24)]
        assert 0 < sum(untouched) < 24


class TestValidation:
    """Validation clips are heard under what training clips are heard under."""

    def heard(self, augmentation: Augmentation, counts: dict[str, int], seed: int = 0) -> list[np.ndarray] | None:
        data = manifest(counts)
        condition = validation_conditions(augmentation, RATE, seed, [data])
        if condition is None:
            return None
        window = CLIP[:RATE].astype(np.float32)
        return [condition(window, clip, mean_power(window)) for clip in data]

    def test_shares_are_exact(self) -> None:
        window = CLIP[:RATE].astype(np.float32)
        heard = self.heard(Augmentation(conditions="complex"), {"cat": 12, "dog": 12})
        assert heard is not None
        for first in (0, 12):
            clean = [np.array_equal(one, window) for one in heard[first : first + 12]]
            assert sum(clean) == 3
        again = self.heard(Augmentation(conditions="complex"), {"cat": 12, "dog": 12})
        assert again is not None
        assert all(np.array_equal(a, b) for a, b in zip(heard, again, strict=True))

    def test_a_suite_without_shares_draws_and_a_share_stays_clean(self) -> None:
        window = CLIP[:RATE].astype(np.float32)
        for share, low, high in ((1.0, 0.0, 0.3), (0.5, 0.35, 0.75)):
            augmentation = Augmentation(conditions="training", conditions_share=share, without=["codec"])
            heard = self.heard(augmentation, {"cat": 60})
            assert heard is not None
            assert low <= np.mean([np.array_equal(one, window) for one in heard]) <= high

    def test_gaussian_noise_of_the_training_is_in_the_validation(self) -> None:
        """LEAF paper, section 4.5: noise is added both during training and evaluation."""
        window = CLIP[:RATE].astype(np.float32)
        heard = self.heard(Augmentation(noise_snr_db=[-5.0, 20.0], noise_share=0.8), {"cat": 100})
        assert heard is not None
        noisy = [one for one in heard if not np.array_equal(one, window)]
        assert 65 <= len(noisy) <= 95
        ratios = [10 * np.log10(mean_power(window) / mean_power(one - window)) for one in noisy]
        assert -5.1 < min(ratios) < -2.0
        assert 17.0 < max(ratios) < 20.1

    def test_without_conditions_or_by_wish_it_is_clean(self) -> None:
        assert self.heard(Augmentation(), {"cat": 2}) is None
        assert self.heard(Augmentation(conditions="complex", clean_validation=True), {"cat": 2}) is None

    def test_a_training_validates_under_them(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        heard: list[str] = []

        def noticed(augmentation: Augmentation, *rest: Any) -> Any:
            condition = validation_conditions(augmentation, *rest)

            def noted(waveform: np.ndarray, clip: Clip, power: float) -> np.ndarray:
                assert condition is not None
                changed = condition(waveform, clip, power)
                heard.append("clean" if np.array_equal(changed, waveform) else "changed")
                return changed

            return noted

        monkeypatch.setattr(training, "validation_conditions", noticed)
        quick = {"epochs": 1, "batch_size": 8, "steps_per_epoch": 1, "accelerator": "cpu"}
        auricle.train_classifier(
            data=tone_folder(tmp_path / "tones", 10),
            output=tmp_path / "run",
            training=quick,
            augmentation={"conditions": "complex", "conditions_by": "clip"},
            quiet=True,
        )
        assert set(heard) == {"clean", "changed"}


def test_filters_of_150_samples_are_151_taps_in_both_directions() -> None:
    """t = −L/2 … L/2 with L = 150; the text's bidirectional GRU of 32 units reads [X[t−1]; E[t]]."""
    frontend = create_frontend("leaf-apcen", kernel_size=151, bidirectional=True)
    assert frontend.filterbank.kernels().shape == (80, 151)
    assert frontend.pooling is not None
    assert frontend.pooling.kernel_size == 151
    learnt = sum(p.numel() for p in frontend.parameters() if p.requires_grad)
    one_way = sum(p.numel() for p in create_frontend("leaf-apcen").parameters() if p.requires_grad)
    assert (one_way, learnt) == (4482, 8866)
    # 4.32 K, the text's count, is one direction with one bias for each gate, and the first layer after it
    assert 3 * 32 * (1 + 32 + 1) + 32 * 32 + 32 == 4320
    assert frontend(torch.from_numpy(CLIP).float()[None]).shape == (1, 40, 300)
    with pytest.raises(AuricleError, match="kernel_size=150"):
        create_frontend("leaf-apcen", kernel_size=150)
