from __future__ import annotations

import os
import re
import time
import warnings
from collections import Counter
from contextvars import ContextVar
from itertools import islice

import numpy as np
import pytest
import soundfile as sf
import torch

from auricle import audio
from auricle.config import ClassifierTraining, DataOptions
from auricle.data.clip_store import ClipStore
from auricle.data.loading import (
    TrainingWindows,
    WholeClips,
    WindowSampler,
    class_of_each,
    clip_batches,
    clip_loader,
    training_loader,
)
from auricle.data.manifest import read_manifest
from auricle.data.reading import read_data
from auricle.data.tasks import Task
from auricle.data.threads import mapped
from auricle.data.windows import fit_length, whole_windows, window_count
from auricle.errors import AuricleError, AuricleWarning

RATE = 8000


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """Five clips of two labels whose samples tell which clip they are of and where in it: 0.1 s to 2.5 s."""
    folder = tmp_path_factory.mktemp("clips")
    rows = ["path,label,start,end"]
    for i, duration_s in enumerate((0.1, 0.9, 1.0, 1.4, 2.5)):
        ramp = (i + 1) / 10 + np.arange(round(duration_s * RATE)) / RATE / 100
        sf.write(folder / f"{i}.wav", ramp, RATE, subtype="FLOAT")
        rows.append(f"{i}.wav,{'ab'[i % 2]},,")
    rows.append("4.wav,b,0.5,1.25")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return read_manifest(folder / "manifest.csv")


def parts(manifest, name="sounds", **options):
    return [(Task(name, ("a", "b")), manifest, ClipStore(manifest.clips, RATE, **options))]


class TestClipStore:
    @pytest.mark.parametrize("rate", [8000, 16000, 5000])
    def test_memory_file_and_direct_reading_agree(self, manifest, tmp_path, rate):
        whole = [audio.read(c.path, sample_rate=rate, start_s=c.start_s, end_s=c.end_s)[0] for c in manifest]
        memory = ClipStore(manifest.clips, rate)
        disk = ClipStore(manifest.clips, rate, cache_dir=tmp_path)
        again = ClipStore(manifest.clips, rate, cache_dir=tmp_path)
        direct = ClipStore(manifest.clips, rate, memory_bytes=0)
        assert memory.cached
        assert disk.cached
        assert not direct.cached
        for i, expected in enumerate(whole):
            assert memory.lengths[i] == len(expected)
            for store in (memory, disk, again, direct):
                np.testing.assert_array_equal(store.read(i), expected)

    def test_a_segment_is_that_of_the_whole(self, manifest):
        for store in (ClipStore(manifest.clips, RATE), ClipStore(manifest.clips, RATE, memory_bytes=0)):
            whole = store.read(4)
            np.testing.assert_array_equal(store.read(4, 5000, 700), whole[5000:5700])
            np.testing.assert_array_equal(store.read(4, 19_990, 700), whole[19_990:])

    def test_a_changed_file_is_not_taken_from_the_cache(self, tmp_path):
        for label, level in (("a", 0.1), ("b", 0.2)):
            (tmp_path / label).mkdir()
            sf.write(tmp_path / label / "x.wav", np.full(800, level), RATE, subtype="FLOAT")
        clips = read_manifest(tmp_path).clips
        first = ClipStore(clips, RATE, cache_dir=tmp_path / "cache").read(0)
        sf.write(tmp_path / "a" / "x.wav", np.full(800, 0.5), RATE, subtype="FLOAT")
        second = ClipStore(clips, RATE, cache_dir=tmp_path / "cache").read(0)
        assert first[0] == pytest.approx(0.1)
        assert second[0] == pytest.approx(0.5)

    def test_moved_recordings_are_taken_from_the_cache_and_replaced_ones_are_not(self, tmp_path):
        def sound(level, folder="data"):
            (tmp_path / folder / "a").mkdir(parents=True, exist_ok=True)
            sf.write(tmp_path / folder / "a" / "x.wav", np.full(800, level), RATE, subtype="FLOAT")

        def first(folder="data", rate=RATE):
            clips = read_manifest(tmp_path / folder).clips
            return ClipStore(clips, rate, cache_dir=tmp_path / "cache").read(0)[200]

        def kept():
            return sorted((tmp_path / "cache").rglob("*.npy"))

        sound(0.1)
        assert first() == pytest.approx(0.1)
        (tmp_path / "data").rename(tmp_path / "moved")
        assert first("moved") == pytest.approx(0.1)
        assert len(kept()) == 1
        path = tmp_path / "moved" / "a" / "x.wav"
        before = path.stat()
        sound(0.3, "moved")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert first("moved") == pytest.approx(0.3)
        assert first("moved", RATE // 2) == pytest.approx(0.3, abs=0.01)
        assert len(kept()) == 3
        for damaged in kept():
            damaged.write_bytes(damaged.read_bytes()[:300] + bytes(100) + damaged.read_bytes()[400:])
        assert first("moved") == pytest.approx(0.3)
        assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.suffix != ".npy"]


class TestWindows:
    def test_lengthening(self):
        clip = np.array([1.0, 2.0, 3.0])
        np.testing.assert_array_equal(fit_length(clip, 5), [1, 2, 3, 0, 0])
        np.testing.assert_array_equal(fit_length(clip, 5, offset=1), [0, 1, 2, 3, 0])
        np.testing.assert_array_equal(fit_length(clip, 8, "repeat"), [1, 2, 3, 1, 2, 3, 1, 2])
        assert fit_length(clip, 2) is clip
        with pytest.raises(AuricleError, match="'loop'"):
            fit_length(clip, 5, "loop")

    @pytest.mark.parametrize(("n", "count"), [(1, 1), (9, 1), (10, 1), (14, 1), (15, 2), (20, 2), (24, 2), (25, 3)])
    def test_a_rest_of_half_a_window_counts(self, n, count):
        assert window_count(n, 10) == count
        clip = np.arange(1.0, n + 1)
        whole = whole_windows(clip, 10)
        assert len(whole) == 10 * count
        kept = min(n, 10 * count)
        np.testing.assert_array_equal(whole[:kept], clip[:kept])
        assert not whole[kept:].any()


class TestTrainingWindows:
    def test_a_window_is_a_piece_of_its_clip(self, manifest):
        data = TrainingWindows(parts(manifest))
        for index, clip in enumerate(manifest):
            whole = data.stores[0].read(index)
            seen = set()
            for seed in range(40):
                item = data[index, seed, RATE]
                window = item["waveform"].numpy()
                assert window.shape == (RATE,)
                assert item["target"].tolist() == [float("a" in clip.labels), float("b" in clip.labels)]
                if len(whole) >= RATE:
                    start = int(np.abs(whole - window[0]).argmin())
                    np.testing.assert_array_equal(window, whole[start : start + RATE])
                else:
                    start = int(np.flatnonzero(window)[0])
                    np.testing.assert_array_equal(window[start : start + len(whole)], whole)
                    assert np.count_nonzero(window) == len(whole)
                assert 0 <= start <= abs(len(whole) - RATE)
                seen.add(start)
            assert len(seen) == 1 if len(whole) == RATE else len(seen) > 20

    def test_the_seed_alone_decides(self, manifest):
        data = TrainingWindows(parts(manifest))
        torch.testing.assert_close(data[4, 3, RATE]["waveform"], data[4, 3, RATE]["waveform"], rtol=0, atol=0)
        assert not torch.equal(data[4, 3, RATE]["waveform"], data[4, 4, RATE]["waveform"])

    def test_another_clip_is_added_to_a_share_of_the_windows(self, manifest):
        plain, mixed = (TrainingWindows(parts(manifest), keep_clean=True, overlap=share) for share in (0.0, 0.5))
        size, added = 400, 0
        for seed in range(40):
            one, other = plain[4, seed, size], mixed[4, seed, size]
            torch.testing.assert_close(other["waveform"], other["clean"], rtol=0, atol=0)
            rest = (other["clean"] - one["clean"]).numpy()
            if rest.any():
                added += 1
                gain = float(rest[-1] - rest[0]) / (size - 1) * RATE * 100  # the clips rise by 0.01 in a second
                assert -10.1 <= 20 * np.log10(gain) <= 4.1
                assert 0.09 <= rest[0] / gain <= 1.2
        assert 10 <= added <= 30

    @pytest.mark.parametrize("num_workers", [1, 2])
    def test_workers_change_nothing_and_never_repeat_a_window(self, manifest, num_workers):
        data = TrainingWindows(parts(manifest))
        options = {"window": (RATE // 2, RATE // 2), "batch_size": 2, "seed": 5, "n_items": 24}
        alone = training_loader(data, **options)
        many = training_loader(data, num_workers=num_workers, **options)
        batches = list(alone)
        for one, other in zip(batches, many, strict=True):
            torch.testing.assert_close(one["waveform"], other["waveform"], rtol=0, atol=0)
        windows = torch.cat([batch["waveform"] for batch in batches])
        assert len({tuple(w.tolist()) for w in windows}) == len(windows)

    @pytest.mark.parametrize(("n_items", "short"), [(24, "repeat"), (23, "pad"), (3, "repeat")])
    def test_a_batch_has_one_length_whoever_reads_it(self, manifest, n_items, short):
        seen = []

        def louder(window, seed, clip):
            seen.append(len(window))
            return 2 * window

        data = TrainingWindows(parts(manifest), short, louder)
        options = {"window": (RATE // 2, RATE), "batch_size": 4, "seed": 5, "n_items": n_items}
        alone, many = (training_loader(data, num_workers=workers, **options) for workers in (0, 2))
        batches = list(alone)
        for one, other in zip(batches, many, strict=True):
            torch.testing.assert_close(one["waveform"], other["waveform"], rtol=0, atol=0)
        assert [len(batch["waveform"]) for batch in batches] == ([4] * (n_items // 4) or [n_items])
        lengths = [batch["waveform"].shape[1] for batch in batches]
        assert len(set(lengths)) == len(lengths)
        assert seen == [length for length, batch in zip(lengths, batches, strict=True) for _ in batch["waveform"]]
        assert all(RATE // 2 <= length <= RATE for length in lengths)


ONE = (RATE, RATE)


def everything(*sizes, **options):
    """A sampler of clips of one class."""
    return WindowSampler([["a"] * size for size in sizes], **{"seed": 0, "window": ONE} | options)


class TestWindowSampler:
    def test_an_epoch_goes_through_every_clip_once(self):
        indices, seeds, _ = zip(*everything(7), strict=True)
        assert sorted(indices) == list(range(7))
        assert len(set(seeds)) == 7

    def test_epochs_differ_and_can_be_had_again(self):
        sampler = everything(50)
        first = list(sampler)
        assert list(sampler) == first
        sampler.set_epoch(1)
        second = list(sampler)
        assert [i for i, _, _ in second] != [i for i, _, _ in first]
        assert not {s for _, s, _ in second} & {s for _, s, _ in first}
        sampler.set_epoch(0)
        assert list(sampler) == first
        assert list(everything(50, seed=1)) != first

    def test_data_sets_are_drawn_uniformly_whatever_their_size(self):
        indices = [i for i, _, _ in everything(3, 1000, n_items=6000)]
        share = sum(i < 3 for i in indices) / 6000
        assert share == pytest.approx(0.5, abs=0.03)
        counts = Counter(i for i in indices if i < 3)
        assert max(counts.values()) - min(counts.values()) <= 1
        large = [i for i in indices if i >= 3]
        assert len(set(islice(large, 1000))) == 1000


class TestBalance:
    CLASSES = ["dog"] * 40 + ["cat"] * 7 + ["owl"] * 20

    def sampler(self, *classes, **options):
        return WindowSampler(classes or [self.CLASSES], **{"seed": 0, "window": ONE} | options)

    def test_every_class_is_as_frequent_as_the_rarest_and_no_clip_comes_twice(self):
        sampler = self.sampler()
        for epoch in range(5):
            sampler.set_epoch(epoch)
            indices = [i for i, _, _ in sampler]
            assert len(indices) == len(sampler) == 21
            assert Counter(self.CLASSES[i] for i in indices) == {"dog": 7, "cat": 7, "owl": 7}
            assert len(set(indices)) == 21

    def test_classes_are_mixed(self):
        halves = Counter()
        sampler = self.sampler()
        for epoch in range(50):
            sampler.set_epoch(epoch)
            halves.update(self.CLASSES[i] for i, _, _ in list(sampler)[:10])
        assert min(halves.values()) > 130, halves

    def test_epochs_draw_anew_and_reach_every_clip_as_often(self):
        sampler = self.sampler()
        counts = Counter()
        for epoch in range(400):
            sampler.set_epoch(epoch)
            counts.update(i for i, _, _ in sampler)
        dogs = [counts[i] for i in range(40)]
        assert all(counts[i] == 400 for i in range(40, 47))
        assert all(abs(n - 400 * 7 / 40) < 5 * (400 * 7 / 40 * 33 / 40) ** 0.5 for n in dogs)

    def test_seed_and_epoch_decide(self):
        sampler, other, elsewhere = self.sampler(), self.sampler(), self.sampler(seed=1)
        for each in (sampler, other, elsewhere):
            each.set_epoch(3)
        assert list(sampler) == list(other)
        assert list(sampler) != list(elsewhere)
        other.set_epoch(4)
        assert {i for i, _, _ in sampler} != {i for i, _, _ in other}

    def test_more_steps_go_through_it_again(self):
        counts = Counter(self.CLASSES[i] for i, _, _ in self.sampler(n_items=63))
        assert counts == {"dog": 21, "cat": 21, "owl": 21}
        assert len(list(self.sampler(n_items=5))) == 5

    def test_data_sets_are_balanced_one_by_one(self):
        one, two = ["a"] * 3 + ["b"] * 90, ["a"] * 50 + ["b"] * 10
        assert len(self.sampler(one, two)) == 2 * 3 + 2 * 10
        drawn = [
            ("one", one[i]) if i < 93 else ("two", two[i - 93]) for i, _, _ in self.sampler(one, two, n_items=4000)
        ]
        for name, through in (("one", 2 * 3), ("two", 2 * 10)):
            labels = [label for data, label in drawn if data == name]
            assert len(labels) == pytest.approx(2000, abs=160)
            whole = labels[: len(labels) // through * through]
            assert whole.count("a") == whole.count("b")

    def test_several_labels_cannot_be_balanced(self, manifest):
        assert class_of_each(Task("sounds", ("a", "b")), manifest) == list("ababab")
        with pytest.raises(AuricleError, match="balance=True: clips of 'sounds' have several labels"):
            class_of_each(Task("sounds", ("a", "b"), multi_label=True), manifest)


class TestWindowRange:
    def lengths(self, **options):
        return [n for _, _, n in everything(100, **{"window": (4 * RATE, 6 * RATE), "batch_size": 10} | options)]

    def test_batches_share_a_length_that_is_uniform_over_the_range(self):
        lengths = self.lengths(n_items=20_000)
        batches = np.reshape(lengths, (2000, 10))
        assert (batches == batches[:, :1]).all()
        seconds = batches[:, 0] / RATE
        assert seconds.min() == pytest.approx(4, abs=0.02)
        assert seconds.max() == pytest.approx(6, abs=0.02)
        np.testing.assert_allclose(np.quantile(seconds, [0.25, 0.5, 0.75]), [4.5, 5, 5.5], atol=0.08)

    def test_the_ends_are_in_the_range(self):
        assert set(self.lengths(window=(3, 5), n_items=500)) == {3, 4, 5}

    def test_lengths_do_not_change_which_clips_are_drawn(self):
        fixed, ranged = everything(50), everything(50, window=(RATE, 2 * RATE), batch_size=5)
        assert [item[:2] for item in fixed] == [item[:2] for item in ranged]

    @pytest.mark.parametrize("devices", [2, 3])
    def test_devices_that_take_places_in_turn_have_batches_of_one_length(self, devices):
        lengths = self.lengths(n_items=60 * devices, batch_size=10 * devices)
        for device in range(devices):
            batches = np.reshape(lengths[device::devices], (-1, 10))
            assert (batches == batches[:, :1]).all()


@pytest.mark.parametrize("span", [[4.0], [6.0, 4.0], [0.0, 4.0], [-1.0, 4.0], [4.0, float("inf")], [1.0, 2.0, 3.0]])
def test_a_window_range_is_two_lengths(span):
    with pytest.raises(AuricleError, match=re.escape(f"window_range_s={span}")):
        ClassifierTraining(window_range_s=span)
    assert ClassifierTraining(window_range_s=[4.0, 4.0]).window_range_s == [4.0, 4.0]


class TestWholeClips:
    def test_all_windows_of_each_clip_in_order(self, manifest):
        data = WholeClips(parts(manifest), window=RATE)
        (batch,) = clip_loader(data, batch_size=10)
        assert batch["counts"].tolist() == [1, 1, 1, 1, 3, 1]
        assert batch["windows"].shape == (8, RATE)
        whole = data.stores[0].read(4)
        np.testing.assert_array_equal(batch["windows"][4:7].flatten()[: len(whole)], whole)
        assert batch["target"][:, 1].tolist() == [0, 1, 0, 1, 0, 1]

    def test_a_condition_sees_the_lengthened_clip_and_the_power_without_padding(self, manifest):
        calls = {}

        def condition(waveform, clip, power):
            calls[clip.name] = len(waveform), power
            return waveform + 1.0

        data = WholeClips(parts(manifest), window=RATE, condition=condition)
        windows = data[0]["windows"]
        short = data.stores[0].read(0)
        assert windows[0, -1] == 1.0
        assert calls["0.wav"] == (RATE, pytest.approx(float(np.mean(short.astype(float) ** 2))))

    def test_batches_made_by_threads_are_the_loaders(self, manifest):
        def slow_at_first(waveform, clip, power):
            time.sleep(0.02 if clip.name == "0.wav" else 0.0)
            return waveform + np.float32(power)

        data = WholeClips(parts(manifest), window=RATE, condition=slow_at_first, keep_clean=True)
        for batch_size in (1, 4, 6, 10):
            for found, expected in zip(
                clip_batches(data, batch_size=batch_size), clip_loader(data, batch_size=batch_size), strict=True
            ):
                assert found.keys() == expected.keys()
                for name, value in expected.items():
                    assert torch.equal(found[name], value), name

    def test_what_a_thread_raises_is_raised_here(self, manifest):
        def fails_at_the_third(waveform, clip, power):
            if clip.name == "2.wav":
                raise AuricleError("too quiet")
            return waveform

        batches = clip_batches(WholeClips(parts(manifest), window=RATE, condition=fails_at_the_third), batch_size=2)
        assert next(batches)["index"].tolist() == [0, 1]
        with pytest.raises(AuricleError, match="too quiet"):
            next(batches)

    def test_several_tasks_lie_side_by_side(self, manifest):
        data = WholeClips([*parts(manifest, "one"), *parts(manifest, "two")], window=RATE)
        assert len(data) == 12
        assert data[1]["target"].tolist() == [0, 1, 0, 0]
        assert data[7]["target"].tolist() == [0, 0, 0, 1]
        assert data[7]["task"] == 1


def test_one_label_is_nothing_to_tell_apart():
    with pytest.raises(AuricleError, match="nothing to tell apart"):
        Task("sounds", ("a",))
    assert Task("sounds", ("a",), multi_label=True).encode(["a"]).tolist() == [1]


class TestDamage:
    """Three clips of 1000 samples at 8 kHz: one cut after 600, one with a sample of 1e20, one whole."""

    @pytest.fixture
    def clips(self, tmp_path):
        ramp = np.arange(1000, dtype=np.float32) / 1000
        for name in ("cut", "bad", "whole"):
            sf.write(tmp_path / f"{name}.wav", ramp, RATE, subtype="FLOAT")
        content = (tmp_path / "cut.wav").read_bytes()
        (tmp_path / "cut.wav").write_bytes(content[: len(content) - 4 * 400])
        bad = ramp.copy()
        bad[700] = 1e20
        sf.write(tmp_path / "bad.wav", bad, RATE, subtype="FLOAT")
        (tmp_path / "m.csv").write_text("path,label\ncut.wav,a\nbad.wav,b\nwhole.wav,a\n")
        return read_manifest(tmp_path / "m.csv").clips

    def test_all_of_it_is_said_in_one_line(self, clips):
        with pytest.warns(AuricleWarning, match=r"^2 damaged clips are used: cut\.wav: .*; bad\.wav: ") as warned:
            store = ClipStore(clips, RATE)
        assert len(warned) == 1
        ramp = np.arange(1000, dtype=np.float32) / 1000
        np.testing.assert_array_equal(store.read(0), ramp[:600])
        np.testing.assert_array_equal(store.read(1), np.where(np.arange(1000) == 700, 0, ramp))
        np.testing.assert_array_equal(store.read(2), ramp)

    def test_bad_samples_are_not_learnt_from(self, clips):
        with pytest.raises(AuricleError, match=r"cannot be learnt from: bad\.wav: 1 sample .*--skip-bad") as error:
            ClipStore(clips, RATE, refuse_bad_samples=True)
        assert "cut.wav" not in str(error.value)
        with pytest.warns(AuricleWarning, match=r"^1 damaged clip is used: cut\.wav: "):
            ClipStore([clips[0], clips[2]], RATE, refuse_bad_samples=True)

    def test_clips_that_are_not_kept_in_memory_are_alike(self, clips):
        store = ClipStore(clips, RATE, memory_bytes=0, refuse_bad_samples=True)
        with pytest.warns(AuricleWarning, match=r"^1 damaged clip is used: cut\.wav: "):
            assert len(store.read(0)) == 600
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            store.read(0)
            assert len(store.read(1, 0, 500)) == 500
            assert len(store.read(2)) == 1000
        with pytest.raises(AuricleError, match=r"cannot be learnt from: bad\.wav"):
            store.read(1, 500, 500)

    def test_damage_outside_a_segment_is_not_its_own(self, clips, tmp_path):
        (tmp_path / "n.csv").write_text("path,label,start,end\ncut.wav,a,0,0.07\nbad.wav,b,0,0.08\n")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            store = ClipStore(read_manifest(tmp_path / "n.csv").clips, RATE, refuse_bad_samples=True)
        assert [len(store.read(i)) for i in range(2)] == [560, 640]

    def test_a_bad_clip_leaves_no_cache(self, clips, tmp_path):
        for _ in range(2):
            with pytest.raises(AuricleError, match="cannot be learnt from"):
                ClipStore(clips, RATE, cache_dir=tmp_path / "cache", refuse_bad_samples=True)
        assert not list((tmp_path / "cache").glob("*.npy"))

    def test_they_can_be_skipped(self, clips, tmp_path):
        manifest = read_data(str(tmp_path / "m.csv"), DataOptions(skip_bad=True))
        assert [clip.name for clip in manifest] == ["cut.wav", "whole.wav"]
        assert [(problem.name, problem.code) for problem in manifest.skipped] == [("bad.wav", "bad-samples")]


def test_threads_share_the_variables_of_their_context():
    variable = ContextVar("variable", default="none")
    variable.set("own")
    assert list(mapped(lambda i: (i, variable.get()), range(20), "")) == [(i, "own") for i in range(20)]
