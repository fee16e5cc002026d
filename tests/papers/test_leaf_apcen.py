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
from auricle.frontends.adaptive import SimpPCEN
from auricle.frontends.compression import PCEN
from auricle.reports.plots import accuracy_per_epoch, pcen_over_tasks
from auricle.runs.history import read_history
from auricle.studies.inspect import inspect_runs
from auricle.studies.stress.models import StressedRun
from auricle.studies.together import accuracy_curves, parameters
from auricle.systems import load
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification import train as training
from auricle.tasks.classification.conditions import shares, training_conditions, training_suite, validation_conditions
from sounds import tone_folder, tone_manifest

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


@pytest.mark.slow
class TestFigures:
    """Fig. 3, learnt parameters with tasks overlaid, and Fig. 4, test accuracy per epoch with front-ends overlaid."""

    @pytest.fixture(scope="class")
    def runs(self, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
        folder = tmp_path_factory.mktemp("figures")
        data = tone_manifest(folder / "tones")
        made = []
        for task, frontend, seed in (
            ("pitch", "leaf-pcen", 0), ("pitch", "leaf-pcen", 1), ("pitch", "leaf-simppcen", 0),
            ("tones", "leaf-pcen", 0), ("tones", "leaf-simppcen", 0),
        ):  # fmt: skip
            made.append(folder / f"{task}-{frontend}-{seed}")
            auricle.train_classifier(
                data=f"{task}={data}",
                output=made[-1],
                frontend=frontend,
                frontend_options={"n_filters": 8},
                training={"epochs": 2, "batch_size": 8, "test_each_epoch": True, "accelerator": "cpu"},
                optimization={"learning_rate": 0.02},
                splits={"validation_share": 0.3},
                seed=seed,
                quiet=True,
            )
        return made

    def test_the_accuracy_on_test_clips_is_that_of_the_epoch_and_chooses_nothing(self, runs: list[Path]) -> None:
        history = read_history(runs[0] / "history.csv")
        assert [row["epoch"] for row in history] == ["1", "2"]
        best = min(range(2), key=lambda k: float(history[k]["val_loss"]))
        model = load(runs[0])
        assert isinstance(model, Classifier)
        evaluation = auricle.evaluate(runs[0], data=runs[0].parent / "tones" / "manifest.csv", split="test")
        measured = evaluation.measured[0].metrics["accuracy"].value
        assert float(history[best]["test_accuracy"]) == pytest.approx(measured, abs=1e-5)

    def test_without_test_clips_it_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(AuricleError, match="test_each_epoch"):
            auricle.train_classifier(
                data=tone_folder(tmp_path / "tones", 10),
                output=tmp_path / "run",
                splits={"test_share": 0.0},
                training={"epochs": 1, "test_each_epoch": True, "accelerator": "cpu"},
                quiet=True,
            )

    def test_lines_are_the_means_over_seeds(self, runs: list[Path]) -> None:
        opened = [StressedRun.open(str(run), "cpu") for run in runs]
        groups = [opened[:2], opened[2:3], opened[3:4], opened[4:]]
        learnt, initial = parameters([groups[0], groups[2]])
        roots = [run.model.frontend.compression.root.detach().double().clamp(min=1).numpy() for run in opened[:2]]
        assert list(learnt) == ["pitch", "tones"]
        np.testing.assert_allclose(learnt["pitch"]["γ"], np.mean([1 / root for root in roots], axis=0))
        np.testing.assert_allclose(initial["γ"], 0.5)
        np.testing.assert_allclose(initial["s"], 0.04, rtol=1e-6)
        panels = pcen_over_tasks(learnt, initial).axes
        assert [axes.get_title(loc="left") for axes in panels] == ["s", "α", "δ", "γ"]
        drawn = {str(line.get_label()): np.asarray(line.get_ydata()) for line in panels[3].lines}
        assert list(drawn) == ["initial", "pitch", "tones"]
        np.testing.assert_allclose(drawn["pitch"], learnt["pitch"]["γ"])

        column, curves = accuracy_curves(groups)
        assert column == "test_accuracy"
        assert {task: list(own) for task, own in curves.items()} == {
            task: ["leaf-pcen (n_filters=8)", "leaf-simppcen (n_filters=8)"] for task in ("pitch", "tones")
        }
        rows = [read_history(run / "history.csv") for run in runs[:2]]
        means = [np.mean([float(own[k]["test_accuracy"]) for own in rows]) for k in range(2)]
        assert [value for _, value in curves["pitch"]["leaf-pcen (n_filters=8)"]] == pytest.approx(means)
        axes = accuracy_per_epoch(curves).axes
        assert [own.get_title(loc="left") for own in axes] == ["pitch", "tones"]
        np.testing.assert_allclose(np.asarray(axes[0].lines[0].get_ydata()), means)

    def test_simp_pcen_has_its_two(self, runs: list[Path]) -> None:
        run = StressedRun.open(str(runs[2]), "cpu")
        learnt, initial = parameters([[run]])
        compression = run.model.frontend.compression
        assert isinstance(compression, SimpPCEN)
        assert not isinstance(compression, PCEN)
        assert list(initial) == ["α̂", "γ̂"]
        np.testing.assert_allclose([initial["α̂"][0], initial["γ̂"][0]], [0.48, 0.5], rtol=1e-6)
        np.testing.assert_allclose(learnt["pitch"]["α̂"], compression.alpha.detach().clamp(0, 1), rtol=1e-6)

    def test_auricle_inspect_draws_them(self, runs: list[Path], tmp_path: Path) -> None:
        page = inspect_runs([str(run) for run in runs], [], tmp_path / "page")
        assert "Together" in page.read_text(encoding="utf-8")
        names = {path.name for path in (tmp_path / "page" / "plots").iterdir()}
        assert {"pcen-together.png", "simppcen-together.png", "accuracy-together.png"} <= names
        alone = inspect_runs([str(runs[0])], [], tmp_path / "alone")
        assert "Together" not in alone.read_text(encoding="utf-8")
