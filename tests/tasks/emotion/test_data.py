"""Noisy and enhanced speech: whose noise it is, how loud, made once, and found again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from auricle.conditions import Material, active_power, mean_power
from auricle.data.manifest import read_manifest
from auricle.data.material import read_material
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.identity import Store, read_array, write_array
from auricle.systems.enhancer import Identity
from auricle.tasks.emotion.data import (
    CLEAN,
    DrawnVersions,
    NoiseLevel,
    NoisySpeech,
    NoisyVersions,
    assign_noises,
    levels,
)

RATE = 16000
MATCHED_10 = NoiseLevel("matched", 10.0)


class Halving(Identity):
    """Counts how often it is asked."""

    calls = 0

    def enhance(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        self.calls += 1
        return 0.5 * waveform


@pytest.fixture
def corpus(tmp_path) -> Path:
    """Four clips of two speakers and eight noises."""
    rng = np.random.default_rng(0)
    rows = ["path,label,speaker"]
    for k in range(4):
        sf.write(tmp_path / f"{k}.wav", 0.1 * rng.standard_normal(RATE // 2 + 100 * k), RATE, subtype="FLOAT")
        rows.append(f"{k}.wav,{'ab'[k % 2]},{'xy'[k // 2]}")
    (tmp_path / "m.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    for kind, level in (("near", 0.1), ("far", 0.02)):
        (tmp_path / kind).mkdir()
        for k in range(4):
            sf.write(tmp_path / kind / f"{kind}-{k}.wav", level * rng.standard_normal(RATE), RATE, subtype="FLOAT")
    return tmp_path


def noise(folder: Path) -> Material:
    return Material(tuple(r for r in read_material([f"noise={folder}"]).recordings if r.kind == "noise"))


def make(corpus: Path, enhancer=None, digest: str = "halving", **options) -> NoisySpeech:
    clips = read_manifest(corpus / "m.csv").clips
    assigned = assign_noises(noise(corpus / "near"), ["x", "y"])
    cache = Store(corpus / "cache", ".npy")
    return NoisySpeech(clips, assigned, noise(corpus / "far"), enhancer, digest, cache, **options)


def test_no_two_speakers_share_a_source(corpus):
    assigned = assign_noises(noise(corpus / "near"), ["x", "y"])
    x, y = ({r.source for r in assigned[speaker].recordings} for speaker in "xy")
    assert len(x) == len(y) == 2
    assert not x & y
    with pytest.raises(AuricleError, match="4 sources"):
        assign_noises(noise(corpus / "near"), list("abcde"))


@pytest.mark.parametrize("kind", ["matched", "unmatched"])
@pytest.mark.parametrize("snr_db", [20.0, 0.0])
def test_the_ratio_is_what_was_asked_for(corpus, kind, snr_db):
    speech = make(corpus)
    clean, noisy = speech.clean(0).astype(np.float64), speech.noisy(0, NoiseLevel(kind, snr_db))
    ratio = active_power(clean, RATE) / mean_power(noisy - clean)
    assert 10 * np.log10(ratio) == pytest.approx(snr_db, abs=0.01)


def test_a_clips_noise_is_its_speakers_own(corpus):
    speech = make(corpus)
    for index, speaker in enumerate("xxyy"):
        own = [sf.read(r.path)[0] for r in speech.matched[speaker].recordings]
        other = [sf.read(r.path)[0] for r in speech.matched["yx"["xy".index(speaker)]].recordings]
        added = speech.noisy(index, MATCHED_10).astype(np.float64) - speech.clean(index)

        def likeness(sounds: list[np.ndarray], added: np.ndarray = added) -> float:
            return max(float(np.abs(np.correlate(sound, added / np.linalg.norm(added))).max()) for sound in sounds)

        assert likeness(own) > 3 * likeness(other)


def test_it_is_made_once_and_found_again(corpus):
    first = Halving()
    speech = make(corpus, first)
    wanted = [NoiseLevel(), *levels("matched", (10.0, 0.0)), NoiseLevel("unmatched", 10.0)]
    made = [speech.enhanced(1, level) for level in wanted]
    assert first.calls == 4
    for level, enhanced in zip(wanted, made, strict=True):
        assert np.array_equal(enhanced, 0.5 * speech.noisy(1, level))
    assert np.array_equal(speech.noisy(1, NoiseLevel()), speech.clean(1))
    second = Halving()
    again = make(corpus, second)
    assert all(np.array_equal(again.enhanced(1, level), value) for level, value in zip(wanted, made, strict=True))
    assert second.calls == 0


def test_the_key_is_the_content(corpus):
    make(corpus, Halving()).enhanced(0, MATCHED_10)

    def calls(**options) -> int:
        enhancer = Halving()
        make(corpus, enhancer, **options).enhanced(0, MATCHED_10)
        return enhancer.calls

    assert calls() == 0
    assert calls(digest="another") == 1
    assert calls(window_s=0.25) == 1
    assert calls(seed=1) == 1
    (corpus / "1.wav").write_bytes((corpus / "2.wav").read_bytes())
    assert calls() == 0
    (corpus / "0.wav").write_bytes((corpus / "2.wav").read_bytes())
    assert calls() == 1
    for k, path in enumerate((corpus / "near").iterdir()):
        sf.write(path, np.random.default_rng(9 + k).standard_normal(RATE), RATE)
    assert calls() == 1


def test_a_kill_while_writing_leaves_nothing_that_is_taken_for_whole(tmp_path):
    store = Store(tmp_path, ".npy")

    def die() -> np.ndarray:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.get("abc", die, write_array, read_array)
    path = store.path("abc")
    assert not path.parent.exists()
    path.parent.mkdir(parents=True)
    (path.parent / ".77.part.npy").write_bytes(b"\x93NUMPY half")
    assert store.get("abc", lambda: np.ones(3), write_array, read_array).tolist() == [1, 1, 1]
    assert store.get("abc", die, write_array, read_array).tolist() == [1, 1, 1]
    assert sorted(p.name for p in path.parent.iterdir()) == [".77.part.npy", "abc.npy"]


def test_versions_are_every_clip_at_every_level(corpus):
    speech, task = make(corpus, Halving()), Task("emotion", ("a", "b"))
    wanted = [NoiseLevel(), MATCHED_10]
    versions = NoisyVersions(speech, [1, 2], wanted, task)
    assert len(versions) == 4
    asked = [(item["index"], item["level"], item["target"]) for item in (versions[k] for k in range(4))]
    assert asked == [(1, 0, 1), (1, 1, 1), (2, 0, 0), (2, 1, 0)]
    item = versions[1]
    assert item["n_samples"] == 8100
    assert item["noisy"].shape == item["enhanced"].shape == item["clean"].shape == (80000,)
    assert not item["noisy"][8100:].any()
    assert np.allclose(item["enhanced"], 0.5 * item["noisy"])
    repeated = NoisyVersions(speech, [1], wanted, task, short="repeat", enhance=False)[1]
    assert repeated["n_samples"] == 80000
    assert np.array_equal(repeated["noisy"][8100:16200], repeated["noisy"][:8100])
    assert np.array_equal(repeated["enhanced"], repeated["noisy"])


def test_a_training_draws_every_level_and_the_seed_decides(corpus):
    versions = NoisyVersions(
        make(corpus), [0, 1], [NoiseLevel(), *levels("matched", (10.0, 0.0))], Task("e", ("a", "b")), enhance=False
    )
    drawn = DrawnVersions(versions)
    places = [drawn[1, seed, 0]["level"] for seed in range(60)]
    assert {places.count(k) > 8 for k in range(3)} == {True}
    assert places == [drawn[1, seed, 0]["level"] for seed in range(60)]
    assert {drawn[1, seed, 0]["index"] for seed in range(5)} == {1}


def test_what_is_not_there_is_said(corpus):
    speech = make(corpus)
    with pytest.raises(AuricleError, match="enhancer"):
        speech.enhanced(0, NoiseLevel())
    speech.unmatched = None
    with pytest.raises(AuricleError, match="no unmatched noise"):
        speech.noisy(0, NoiseLevel("unmatched", 5.0))
    assert str(NoiseLevel()) == CLEAN
    assert str(MATCHED_10) == "matched 10 dB"
