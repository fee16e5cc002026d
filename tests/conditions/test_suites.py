"""Suites: what is in them, that a spec and a seed rebuild them, that order and processes do not matter."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle.conditions import (
    SYNTHETIC,
    Cell,
    Material,
    Recording,
    Suite,
    active_power,
    create_suite,
    list_suites,
    mean_power,
    suite_from_spec,
)
from auricle.data.loading import TrainingWindows, training_loader
from auricle.errors import AuricleError

RATE = 8000
CLIP = (0.1 * np.random.default_rng(0).standard_normal(RATE // 2)).astype(np.float32)


def fingerprint(suite: Suite) -> str:
    digest = hashlib.sha256()
    for cell in suite.cells:
        digest.update(suite.apply(cell, CLIP, RATE, "a.wav").tobytes())
    return digest.hexdigest()


def _within(parameters: dict, drawn: dict) -> bool:
    """Whether every number of `parameters` lies in the range of `drawn`, or equals it."""
    for name, value in parameters.items():
        own = drawn[name]
        low_high = isinstance(own, (list, tuple)) and not isinstance(value, (list, tuple))
        if not (own[0] <= value <= own[1] if low_high else own == value):
            return False
    return True


class TestContents:
    def test_the_full_suite_is_the_table_of_the_notes(self):
        suite = create_suite("full")
        assert suite.corruptions == (
            "white", "babble", "music", "noise", "reverberation", "clipping", "low-pass", "codec", "gain",
            "gain-steps", "packet-loss",
        )  # fmt: skip
        counts = Counter(cell.corruption for cell in suite.cells)
        assert {name for name, count in counts.items() if count == 1} == {"clean", "gain-steps"}
        assert all(counts[name] == 5 for name in counts if name not in ("clean", "gain-steps"))
        for cell in suite.cells:
            assert 0 <= cell.severity <= 5

    def test_training_has_every_corruption_of_full_at_severities_drawn_anew(self):
        """Each severity of full lies within what training draws from."""
        training, full = create_suite("training"), create_suite("full")
        assert "coloured" in training.corruptions
        assert tuple(name for name in training.corruptions if name != "coloured") == full.corruptions
        for corruption in full.corruptions:
            drawn = [dict(cell.parameters) for cell in training.cells if cell.corruption == corruption]
            for cell in full.cells:
                if cell.corruption != corruption:
                    continue
                assert any(_within(dict(cell.parameters), parameters) for parameters in drawn), cell
        heard = {training.apply_random(CLIP, RATE, seed).tobytes() for seed in range(40)}
        assert len(heard) > 30

    def test_without_leaves_corruptions_out(self):
        suite = create_suite("training").without(["white", "codec"])
        assert set(create_suite("training").corruptions) - set(suite.corruptions) == {"white", "codec"}
        assert suite.cells[0].corruption == "clean"
        assert create_suite("training").without([]) == create_suite("training")
        with pytest.raises(AuricleError, match="unknown corruption of the suite 'full', 'wind'"):
            create_suite("full").without(["wind"])

    def test_severities_are_harder_and_harder(self):
        """The distance from the clip, on average over draws."""
        suite = create_suite("full")
        clips = [0.1 * np.random.default_rng(k).standard_normal(2 * RATE) for k in range(4)]
        for corruption in suite.corruptions:
            cells = [cell for cell in suite.cells if cell.corruption == corruption]
            distances = [
                np.mean([mean_power(suite.apply(cell, clip, RATE, str(k)) - clip) for k, clip in enumerate(clips)])
                for cell in cells
            ]
            if corruption == "reverberation":  # the same energy, spread over more time
                continue
            assert distances == sorted(distances), corruption

    def test_the_papers_conditions(self):
        suite = create_suite("complex")
        assert [cell.name for cell in suite.cells] == ["clean", "babble", "music", "gain-steps"]
        assert suite.shares
        for name in ("babble", "music"):
            ratios = []
            for k in range(40):
                added = suite.apply(suite.cell(name), CLIP.astype(np.float64), RATE, str(k)) - CLIP
                ratios.append(10 * np.log10(active_power(CLIP, RATE) / mean_power(added)))
            assert 0.0 <= min(ratios) < 3.0
            assert 12.0 < max(ratios) <= 15.0

    def test_robuser(self):
        counts = Counter(cell.corruption for cell in create_suite("robuser").cells)
        assert counts == {
            "clean": 1, "noise": 3, "white": 3, "reverberation": 3, "clipping": 3, "gain-transition": 3, "codec": 3,
        }  # fmt: skip

    def test_the_ladder_takes_its_noise_and_rungs(self):
        suite = create_suite("snr-ladder", condition="white", snr_db=[30, 3])
        assert [cell.name for cell in suite.cells] == ["clean", "white-1", "white-2"]
        assert [cell.parameters for cell in suite.cells[1:]] == [{"snr_db": 30.0}, {"snr_db": 3.0}]
        assert [cell.parameters["snr_db"] for cell in create_suite("snr-ladder").cells[1:]] == [20, 15, 10, 5, 0]

    def test_names_that_are_unknown_are_errors(self):
        assert list_suites() == ["complex", "complex-published", "full", "robuser", "snr-ladder", "training"]
        for wrong in (
            lambda: create_suite("complecks"),
            lambda: create_suite("full", severities=3),
            lambda: create_suite("full", split="dev"),
            lambda: create_suite("snr-ladder", condition="red"),
            lambda: create_suite("full").cell("white-6"),
            lambda: Suite("mine", (Cell("white", 1, "white", {"snr": 3}),)),
            lambda: Suite("mine", (Cell("clean", 0, "clean"),) * 2),
        ):
            with pytest.raises(AuricleError):
                wrong()


class TestRebuilding:
    @pytest.mark.parametrize("name", ["complex", "complex-published", "full", "robuser", "snr-ladder"])
    def test_a_spec_rebuilds_it_bit_for_bit(self, name):
        suite = create_suite(name, seed=7)
        text = json.dumps(suite.spec(), allow_nan=False)
        again = suite_from_spec(json.loads(text))
        assert again == suite
        assert again.digest == suite.digest
        assert json.dumps(again.spec()) == text
        assert fingerprint(again) == fingerprint(suite)

    def test_another_seed_or_half_is_another_suite(self):
        made = [create_suite("full"), create_suite("full", seed=1), create_suite("full", split="train")]
        assert len({suite.digest for suite in made}) == 3
        assert len({fingerprint(suite) for suite in made}) == 3

    def test_other_material_is_refused(self):
        material = Material.of(Recording("noise", f"n{k}", f"n{k}") for k in range(9))
        spec = create_suite("full", material=material, split="all").spec()
        assert suite_from_spec(spec, material).spec() == spec
        with pytest.raises(AuricleError, match="other material"):
            suite_from_spec(spec)

    @pytest.mark.parametrize("spec", [{}, {"schema": 2}, {"schema": 1, "suite": "x", "cells": 3}])
    def test_what_is_no_spec_is_an_error(self, spec):
        with pytest.raises(AuricleError, match="spec"):
            suite_from_spec(spec)

    @pytest.mark.parametrize("parameter", ["name", "self", "loudness"])
    def test_a_parameter_that_a_condition_does_not_take_is_an_error(self, parameter):
        spec = create_suite("complex").spec()
        spec["cells"][0]["parameters"] = {parameter: 1}
        with pytest.raises(AuricleError, match=f"the condition 'clean' cannot be created .*'{parameter}'"):
            suite_from_spec(spec)

    @pytest.mark.slow
    def test_another_process_gives_the_same(self):
        program = (
            "import sys; sys.path.insert(0, 'tests/conditions'); import test_suites as t; "
            "print(t.fingerprint(t.create_suite('full', seed=3)))"
        )
        environment = os.environ | {"PYTHONHASHSEED": "77", "PYTHONPATH": os.pathsep.join(sys.path)}
        folder = os.path.join(os.path.dirname(__file__), "..", "..")
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, cwd=folder, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == fingerprint(create_suite("full", seed=3))

    def test_a_cell_may_be_named(self):
        suite = create_suite("full")
        cell = suite.cells[7]
        np.testing.assert_array_equal(suite.apply(cell.name, CLIP, RATE, "a"), suite.apply(cell, CLIP, RATE, "a"))
        with pytest.raises(AuricleError, match="unknown cell"):
            suite.apply("white-9", CLIP, RATE, "a")

    def test_the_order_does_not_matter(self):
        suite = create_suite("full")
        jobs = [(cell, clip_id) for cell in suite.cells for clip_id in ("a", "b")]
        first = {(c.name, i): suite.apply(c, CLIP, RATE, i).tobytes() for c, i in jobs}
        random.Random(0).shuffle(jobs)
        assert first == {(c.name, i): suite.apply(c, CLIP, RATE, i).tobytes() for c, i in jobs}
        assert first["white-1", "a"] != first["white-1", "b"]


class TestShares:
    @given(
        counts=st.lists(st.integers(0, 23), min_size=1, max_size=6), seed=st.integers(0, 2**32), shuffle=st.randoms()
    )
    @settings(max_examples=60)
    def test_they_are_equal_in_every_class_and_in_all(self, counts, seed, shuffle):
        suite = create_suite("complex", seed=seed)
        clips = [(f"{label}/{i}.wav", str(label)) for label, count in enumerate(counts) for i in range(count)]
        if not clips:
            return
        assigned = suite.assign(*zip(*clips, strict=True))
        assert all(len(cells) == 1 for cells in assigned)
        for label in (None, *{label for _, label in clips}):
            chosen = Counter(c[0].name for c, (_, own) in zip(assigned, clips, strict=True) if label in (None, own))
            numbers = [chosen[cell.name] for cell in suite.cells]
            assert max(numbers) - min(numbers) <= 1
        by_clip = dict(zip(clips, assigned, strict=True))
        shuffle.shuffle(clips)
        assert [by_clip[clip] for clip in clips] == suite.assign(*zip(*clips, strict=True))

    def test_the_seed_changes_who_gets_what(self):
        ids, labels = [f"{i}" for i in range(40)], ["a"] * 40
        assert create_suite("complex", seed=0).assign(ids, labels) != create_suite("complex", seed=1).assign(
            ids, labels
        )

    def test_without_shares_everybody_gets_everything(self):
        suite = create_suite("robuser")
        assert suite.assign(["a", "a"], ["x", "y"]) == [suite.cells] * 2
        with pytest.raises(AuricleError, match="same id"):
            create_suite("complex").assign(["a", "a"], ["x", "y"])


class Corrupted(torch.utils.data.Dataset):
    """Windows for training under a random condition each, as a loader's worker would make them."""

    def __init__(self, windows: TrainingWindows, suite: Suite) -> None:
        self.windows, self.suite, self.sizes = windows, suite, windows.sizes

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, item):
        made = self.windows[item]
        noisy = self.suite.apply_random(made["waveform"].numpy(), RATE, seed=item[1])
        return made | {"waveform": torch.from_numpy(noisy)}


class Clips:
    """A store of clips that are there already, and their manifest."""

    def __init__(self, n: int) -> None:
        self.clips = [type("Clip", (), {"labels": ("ab"[i % 2],)})() for i in range(n)]
        self.lengths = np.full(n, RATE)

    def __len__(self) -> int:
        return len(self.clips)

    def read(self, index: int, start: int = 0, n_samples: int | None = None) -> np.ndarray:
        x = np.random.default_rng(index).standard_normal(RATE).astype(np.float32)
        return x[start : None if n_samples is None else start + n_samples]


class TestTraining:
    @pytest.fixture
    def dataset(self):
        from auricle.data.tasks import Task

        clips = Clips(24)
        windows = TrainingWindows([(Task("main", ("a", "b"), False), clips, clips)])
        return Corrupted(windows, create_suite("complex", split="train"))

    def test_windows_do_not_depend_on_the_workers(self, dataset):
        epochs = []
        for workers in (0, 2):
            loader = training_loader(dataset, window=(2000, 2000), batch_size=8, seed=5, num_workers=workers)
            epochs.append(torch.cat([batch["waveform"] for batch in loader]))
        torch.testing.assert_close(epochs[0], epochs[1], rtol=0, atol=0)
        assert epochs[0].shape == (24, 2000)
        assert epochs[0].dtype == torch.float32
        assert torch.isfinite(epochs[0]).all()

    def test_every_corruption_is_as_likely(self):
        cells = (Cell("clean", 0, "clean"), *(Cell("gain", k, "gain", {"gain_db": -10.0 * k}) for k in range(1, 5)))
        suite = Suite("mine", cells)
        one = np.ones(1)
        gains = Counter(round(float(20 * np.log10(suite.apply_random(one, RATE, seed)[0]))) for seed in range(2000))
        assert gains[0] / 2000 == pytest.approx(0.5, abs=0.05)
        for gain_db in (-10, -20, -30, -40):
            assert gains[gain_db] / 2000 == pytest.approx(0.125, abs=0.03)

    def test_a_corruption_of_a_weight_is_drawn_that_much_more_often(self):
        cells = (
            Cell("clean", 0, "clean"),
            Cell("gain", 1, "gain", {"gain_db": -10.0}, weight=3),
            Cell("gain", 2, "gain", {"gain_db": -20.0}, weight=3),
        )
        suite = Suite("mine", cells)
        gains = Counter(float(suite.apply_random(np.ones(1), RATE, seed)[0]) for seed in range(2000))
        assert [gains[gain] / 2000 for gain in (1.0, 10**-0.5, 0.1)] == pytest.approx([0.25, 0.375, 0.375], abs=0.04)
        assert suite_from_spec(json.loads(json.dumps(suite.spec()))) == suite
        assert all("weight" not in cell for cell in create_suite("full").spec()["cells"])
        with pytest.raises(AuricleError, match="has the weight 0: 1 to 1000"):
            Suite("mine", (Cell("clean", 0, "clean", weight=0),))

    def test_training_and_test_halves_of_a_suite_share_nothing(self):
        sources = [{r.source for r in create_suite("full", split=p).material.recordings} for p in ("train", "test")]
        assert not sources[0] & sources[1]
        assert create_suite("full", split="all").material == SYNTHETIC
