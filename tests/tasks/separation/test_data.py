"""Mixtures of two classes: energies, normalisation, partners, cuts, and what depends on the seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from auricle import audio
from auricle.data.clip_store import ClipStore
from auricle.data.manifest import read_manifest
from auricle.errors import AuricleError
from auricle.tasks.separation.anchors import Anchor, mine
from auricle.tasks.separation.data import AnchorMixtures, energy_gain, fixed_loader, mix

RATE = 8000


def rand(n: int, seed: int = 0, level: float = 1.0) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def store_of(folder: Path, labels: list[str], n_samples: int = 400) -> ClipStore:
    rows = ["path,label"]
    for index, label in enumerate(labels):
        audio.write(folder / f"{index}.wav", 0.1 * rand(n_samples, index), RATE, subtype="FLOAT")
        rows.append(f"{index}.wav,{label}")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return ClipStore(read_manifest(folder).clips, RATE)


def tone_store(folder: Path, rate: int, f_hz: float) -> ClipStore:
    """Two classes of a tone each, 2 s long."""
    tone = 0.5 * np.sin(2 * np.pi * f_hz * np.arange(2 * rate) / rate)
    for name in ("a", "b"):
        audio.write(folder / f"{name}.wav", tone.astype(np.float32), rate, subtype="FLOAT")
    (folder / "manifest.csv").write_text("path,label\na.wav,a\nb.wav,b\n")
    return ClipStore(read_manifest(folder).clips, rate)


class TestMix:
    def test_energies_are_equal_and_the_target_is_in_the_mixture(self) -> None:
        target, interferer = rand(900), rand(900, 1, 0.1)
        mixture, wanted = mix(target, interferer)
        assert np.abs(mixture).max() == pytest.approx(1.0)
        rest = mixture - wanted
        assert np.sum(wanted**2) == pytest.approx(np.sum(rest**2), rel=1e-4)
        factor = wanted[0] / target[0]
        np.testing.assert_allclose(wanted, factor * target, rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(rest, factor * energy_gain(target, interferer) * interferer, rtol=1e-3, atol=1e-6)

    def test_separately_each_has_its_own_maximum(self) -> None:
        target, interferer = rand(900), rand(900, 1)
        mixture, wanted = mix(target, interferer, "separate")
        assert np.abs(mixture).max() == pytest.approx(1.0)
        assert np.abs(wanted).max() == pytest.approx(1.0)
        np.testing.assert_allclose(mixture, mix(target, interferer)[0])

    @pytest.mark.parametrize(("ratio", "gain"), [(1e-6, 0.02), (0.5, 0.5), (1.0, 1.0), (30.0, 30.0), (1e6, 50.0)])
    def test_the_gain_is_bounded(self, ratio: float, gain: float) -> None:
        assert energy_gain(np.float32(ratio) * rand(100), rand(100)) == pytest.approx(gain, rel=1e-5)

    @pytest.mark.parametrize("normalization", ["joint", "separate"])
    def test_silence(self, normalization: str) -> None:
        nothing, something = np.zeros(50, np.float32), rand(50)
        for pair in ((nothing, something), (something, nothing), (nothing, nothing)):
            mixture, wanted = mix(*pair, normalization)  # type: ignore[arg-type]
            assert np.isfinite(mixture).all()
            assert np.isfinite(wanted).all()
            assert np.abs(mixture).max() == pytest.approx(1.0 if any(p.any() for p in pair) else 0.0)
        assert energy_gain(nothing, nothing) == 50.0


class TestPartners:
    def test_classes_differ_and_all_are_drawn(self, tmp_path: Path) -> None:
        store = store_of(tmp_path, ["a", "a", "a", "b", "c"])
        mixtures = AnchorMixtures(store, mine(store, 100), 100)
        drawn = [mixtures.partner(0, np.random.default_rng(seed)) for seed in range(400)]
        counts = np.bincount(drawn, minlength=5)
        assert counts[:3].sum() == 0
        assert counts[3] == pytest.approx(200, abs=50)

    def test_clips_with_a_label_in_common_are_never_mixed(self, tmp_path: Path) -> None:
        store = store_of(tmp_path, ["a;b", "b;c", "c;d", "a", "d"])
        anchors = mine(store, 100)
        assert len(anchors) == 8
        mixtures = AnchorMixtures(store, anchors, 100)
        for index in range(len(anchors)):
            for seed in range(30):
                other = mixtures.partner(index, np.random.default_rng(seed))
                assert mixtures.labels[index].isdisjoint(mixtures.labels[other])

    def test_clips_without_a_label_are_not_mixed(self, tmp_path: Path) -> None:
        store = store_of(tmp_path, ["a", "", "b;c", ""])
        anchors = mine(store, 100)
        assert [(anchor.clip, anchor.label) for anchor in anchors] == [(0, "a"), (2, "b"), (2, "c")]
        mixtures = AnchorMixtures(store, anchors, 100)
        assert {mixtures.partner(0, np.random.default_rng(seed)) for seed in range(30)} == {1, 2}

    def test_a_rare_partner_is_found_and_a_missing_one_is_named(self, tmp_path: Path) -> None:
        store = store_of(tmp_path, ["a", *["a;b"] * 300, "b", "c"])
        anchors = [Anchor(index, "b" if index else "a", 0) for index in range(303)]
        mixtures = AnchorMixtures(store, anchors, 100)
        assert {mixtures.partner(0, np.random.default_rng(seed)) for seed in range(20)} == {301, 302}
        with pytest.raises(AuricleError, match=r"300\.wav cannot be mixed.*\(a, b\)"):
            AnchorMixtures(store, anchors[:302], 100)


class TestItems:
    def test_all_depends_on_the_seed(self, tmp_path: Path) -> None:
        store = store_of(tmp_path, ["a", "b", "c"])
        mixtures = AnchorMixtures(store, mine(store, 300), 300)
        first, again, other = mixtures[0, 1, 200], mixtures[0, 1, 200], mixtures[0, 2, 200]
        for name in ("mixture", "target"):
            assert first[name].shape == (200,)
            assert torch.equal(first[name], again[name])
            assert not torch.equal(first[name], other[name])

    def test_cuts_lie_in_the_anchor(self, tmp_path: Path) -> None:
        store = store_of(tmp_path, ["a", "b"], n_samples=400)
        mixtures = AnchorMixtures(store, [Anchor(0, "a", 50), Anchor(1, "b", 0)], 100)
        whole = store.read(0)
        starts = set()
        for seed in range(200):
            cut = mixtures.cut(0, 60, np.random.default_rng(seed))
            starts.add(next(k for k in range(341) if np.array_equal(whole[k : k + 60], cut)))
        assert min(starts) == 50
        assert max(starts) == 90

    @pytest.mark.parametrize("n_samples", [30, 90])
    def test_a_clip_shorter_than_its_anchor_is_followed_by_zeros(self, tmp_path: Path, n_samples: int) -> None:
        store = store_of(tmp_path, ["a", "b"], n_samples=40)
        mixtures = AnchorMixtures(store, mine(store, 100), 100)
        for seed in range(20):
            cut = mixtures.cut(0, n_samples, np.random.default_rng(seed))
            assert len(cut) == n_samples
            assert (cut[:30] != 0).all()
            assert (cut[40:] == 0).all()

    def test_speeds_shift_a_tone_evenly_on_a_logarithmic_scale(self, tmp_path: Path) -> None:
        rate, f_hz = 16000, 1000.0
        store = tone_store(tmp_path, rate, f_hz)
        mixtures = AnchorMixtures(store, mine(store, rate), rate, speed_perturbation=2.0)
        speeds = []
        for seed in range(1000):
            cut = mixtures.cut(0, 4000, np.random.default_rng(seed))
            assert cut.shape == (4000,)
            assert cut.dtype == np.float32
            spectrum = np.abs(np.fft.rfft(cut * np.hanning(4000), 2**16))
            speeds.append(spectrum.argmax() * rate / 2**16 / f_hz)
        octaves = np.log2(speeds)
        assert np.abs(octaves).max() < 1.001
        assert np.quantile(octaves, [0.1, 0.5, 0.9]) == pytest.approx([-0.8, 0.0, 0.8], abs=0.1)

    def test_a_segment_that_ends_early_at_a_higher_speed_is_followed_by_zeros(self, tmp_path: Path) -> None:
        rate = 16000
        store = tone_store(tmp_path, rate, 1000.0)
        mixtures = AnchorMixtures(store, [Anchor(0, "a", 0), Anchor(1, "b", 0)], 4000, speed_perturbation=2.0)
        for seed in range(20):
            cut = mixtures.cut(0, 4000, np.random.default_rng(seed))
            assert len(cut) == 4000
            spectrum = np.abs(np.fft.rfft(cut[:1900] * np.hanning(1900), 2**16))
            speed = spectrum.argmax() * rate / 2**16 / 1000.0
            sounding = np.flatnonzero(np.abs(cut) > 0.05)[-1] + 1
            assert sounding == pytest.approx(min(4000, 4000 / speed), abs=20)

    def test_validation_is_the_same_every_time(self, tmp_path: Path) -> None:
        store = store_of(tmp_path, ["a", "b", "c"])
        loader = fixed_loader(AnchorMixtures(store, mine(store, 300), 300), batch_size=2)
        once, twice = ([batch["mixture"] for batch in loader] for _ in range(2))
        assert [len(batch) for batch in once] == [2, 1]
        for first, second in zip(once, twice, strict=True):
            assert torch.equal(first, second)

    def test_an_unknown_normalisation_is_named(self, tmp_path: Path) -> None:
        store = store_of(tmp_path, ["a", "b"])
        with pytest.raises(AuricleError, match=r"'jont'.*joint"):
            AnchorMixtures(store, mine(store, 100), 100, "jont")  # type: ignore[arg-type]
