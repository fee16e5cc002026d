"""Recordings to mix in: which half they are in, where excerpts come from, what is silent."""

from __future__ import annotations

import csv
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auricle import audio
from auricle.conditions import KINDS, SYNTHETIC, Material, Recording, create_condition, mean_power
from auricle.data.material import read_material
from auricle.errors import AuricleError

RATE = 8000


def ramp(first: int, n: int = 2 * RATE) -> np.ndarray:
    """Samples that tell where in which recording they come from: 16-bit numbers, none twice."""
    return ((first + np.arange(n)) / 32768).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    """Two kinds of material, six files each, in folders of folders."""
    for k in range(6):
        audio.write(tmp_path / "noise" / "deep" / f"n{k}.wav", ramp(1 + 2000 * k, 2000), RATE)
        audio.write(tmp_path / "speech" / f"s{k}.wav", ramp(13_000 + 2000 * k, 2000), RATE)
    audio.write(tmp_path / "other" / "x.wav", ramp(1, 100), RATE)
    return tmp_path


class TestHalves:
    @given(st.lists(st.tuples(st.sampled_from(KINDS), st.text(max_size=8)), unique=True))
    def test_no_source_is_in_both(self, names):
        material = Material.of(
            [Recording(kind, f"{source}", f"{source}-{i}") for kind, source in names for i in range(3)]
        )
        halves = {part: {r.source for r in material.recordings if r.split == part} for part in ("train", "test")}
        assert not halves["train"] & halves["test"]
        assert halves["train"] | halves["test"] == {r.source for r in material.recordings}

    def test_parts_are_halves_and_disjoint(self):
        train, test = (SYNTHETIC.of_split(name) for name in ("train", "test"))
        assert not {r.source for r in train.recordings} & {r.source for r in test.recordings}
        assert len(train.recordings) + len(test.recordings) == len(SYNTHETIC.recordings)
        for kind in KINDS:
            assert 16 <= sum(r.kind == kind for r in train.recordings) <= 48

    def test_a_source_stays_where_it_is_when_others_come(self):
        few, many = (Material.of(Recording("noise", f"n{k}", f"n{k}") for k in range(n)) for n in (30, 300))
        known = {r.name: r.split for r in few.recordings}
        assert known.items() <= {r.name: r.split for r in many.recordings}.items()

    def test_the_way_to_a_file_does_not_matter(self, folder):
        by_folder = read_material([str(folder)])
        by_kind = read_material([f"noise={folder / 'noise' / 'deep'}", f"speech={folder / 'speech'}"])
        parts = [{r.source: r.split for r in material.recordings} for material in (by_folder, by_kind)]
        assert parts[0] == parts[1]

    def test_the_test_half_never_sounds_in_training(self, folder):
        material = read_material([str(folder)])
        heard = {}
        for part in ("train", "test"):
            half = material.of_split(part)
            rng = np.random.default_rng(0)
            heard[part] = set()
            for _ in range(50):
                index = int(rng.integers(len(half._by_source["noise"])))
                piece = half._by_source["noise"][index][0].excerpt(500, RATE, rng)
                heard[part] |= set(np.round(piece * 32768).astype(int))
        assert heard["train"]
        assert heard["test"]
        assert not heard["train"] & heard["test"]

    def test_a_part_of_a_part(self):
        test = SYNTHETIC.of_split("test")
        assert test.of_split("test").recordings == test.recordings
        with pytest.raises(AuricleError, match="'train'"):
            test.of_split("train")
        with pytest.raises(AuricleError, match="unknown split"):
            SYNTHETIC.of_split("tests")

    def test_one_source_has_no_halves(self):
        material = Material.of([Recording("noise", "a", "a1"), Recording("noise", "a", "a2")])
        noise = {r.split for r in material.recordings if r.kind == "noise"}
        empty = ({"train", "test"} - noise).pop()
        with pytest.raises(AuricleError, match=f"noise: none .* split '{empty}': their names decide"):
            material.of_split(empty)

    def test_a_manifest_with_a_missing_recording_says_what_helps(self, folder):
        rows = ["path,label", "noise/deep/n0.wav,noise", "gone.wav,noise"]
        (folder / "m.csv").write_text("\n".join(rows))
        for source in (f"{folder / 'm.csv'}", f"noise={folder / 'm.csv'}"):
            with pytest.raises(AuricleError, match=r"correct them, or leave their rows out:\n  gone\.wav"):
                read_material([source])


class TestDrawing:
    def test_excerpts_are_what_is_in_the_file(self, folder):
        recording = next(r for r in read_material([str(folder)]).recordings if r.name == "noise/deep/n3.wav")
        for seed in range(20):
            piece = np.round(recording.excerpt(300, RATE, np.random.default_rng(seed)) * 32768).astype(int)
            assert (np.diff(piece) == 1).all()
            assert 6001 <= piece[0] <= 6001 + 1700

    def test_short_recordings_are_repeated(self, folder):
        recording = next(r for r in read_material([str(folder)]).recordings if r.name == "noise/deep/n0.wav")
        piece = np.round(recording.excerpt(7000, RATE, np.random.default_rng(1)) * 32768).astype(int)
        np.testing.assert_array_equal(piece[2000:], piece[:5000])
        assert set(piece) == set(range(1, 2001))

    def test_sources_are_distinct_and_of_one_level(self, folder):
        drawn = read_material([str(folder)]).draw("speech", 6, 400, RATE, np.random.default_rng(0))
        assert len({tuple(x) for x in drawn}) == 6
        assert [mean_power(x) for x in drawn] == pytest.approx([1.0] * 6)

    def test_half_of_the_draws_are_of_recordings_however_few_they_are(self, folder):
        material = read_material([str(folder), "synthetic"])

        def is_recorded(excerpt: np.ndarray) -> bool:
            return bool(np.ptp(np.diff(excerpt)) < 1e-9)

        first = [material.draw("noise", 7, 100, RATE, np.random.default_rng(seed)) for seed in range(200)]
        counts = [sum(map(is_recorded, excerpts)) for excerpts in first]
        assert set(counts) == {0, 6}
        assert counts.count(6) / 200 == pytest.approx(0.5, abs=0.1)

    def test_silence_is_passed_over(self, tmp_path):
        for k in range(8):
            audio.write(tmp_path / f"{k}.wav", np.zeros(4000 + k, np.float32) if k else ramp(1, 4000), RATE)
        material = read_material([f"noise={tmp_path}"])
        for seed in range(10):
            assert mean_power(material.draw("noise", 1, 800, RATE, np.random.default_rng(seed))[0]) > 0
        with pytest.raises(AuricleError, match="of 8 only 1"):
            material.draw("noise", 2, 800, RATE, np.random.default_rng(0))

    def test_rates_and_channels(self, tmp_path):
        tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(44_100 * 2) / 44_100)
        audio.write(tmp_path / "a.flac", np.stack([tone, tone]).astype(np.float32), 44_100)
        piece = read_material([f"music={tmp_path}"]).draw("music", 1, RATE, RATE, np.random.default_rng(0))[0]
        assert piece.shape == (RATE,)
        assert np.abs(np.fft.rfft(piece)).argmax() == 440

    @pytest.mark.parametrize("n_samples", [1, 2, 100, 95_999, 96_000, 200_000])
    @pytest.mark.parametrize("rate", [8000, 44_100, 48_000])
    def test_any_length_at_any_rate(self, n_samples, rate, tmp_path):
        audio.write(tmp_path / "a.wav", ramp(1), RATE)
        material = read_material([f"noise={tmp_path}"])
        for seed in range(4):
            piece = material.draw("noise", 1, n_samples, rate, np.random.default_rng(seed))[0]
            assert piece.shape == (n_samples,)

    def test_it_can_be_sent_to_a_worker(self, folder):
        material = read_material([str(folder)])
        again = pickle.loads(pickle.dumps(material))
        one, other = (m.draw("speech", 3, 50, RATE, np.random.default_rng(0)) for m in (material, again))
        np.testing.assert_array_equal(one, other)

    def test_a_recorded_room(self, tmp_path):
        response = np.zeros(800, np.float32)
        response[[100, 300]] = 0.5, 0.25
        audio.write(tmp_path / "room" / "hall.wav", response, RATE, subtype="FLOAT")
        clip = np.random.default_rng(0).standard_normal(4000)
        wet = create_condition("room")(clip, RATE, material=read_material([str(tmp_path)]))
        expected = clip.copy()
        expected[200:] += 0.5 * clip[:-200]
        np.testing.assert_allclose(wet, expected * np.sqrt(mean_power(clip) / mean_power(expected)), atol=1e-6)


class TestReading:
    def test_the_word_synthetic_adds_some_of_every_kind(self, folder):
        given, more = read_material([str(folder)]), read_material([str(folder), "synthetic"])
        own = [r for r in given.recordings if r.path]
        assert [r for r in more.recordings if r.path] == own
        for kind in KINDS:
            assert sum(r.kind == kind and r.path is None for r in more.recordings) == 64
        assert more.synthetic_kinds == given.synthetic_kinds

    def test_kinds_that_are_missing_are_synthetic(self, folder):
        material = read_material([str(folder)])
        assert material.synthetic_kinds == ("music", "room")
        assert "x.wav" not in {r.name for r in material.recordings}
        assert read_material([]) == SYNTHETIC

    def test_groups_and_splits_of_a_manifest_hold(self, folder):
        rows = [["path", "label", "speaker", "split"]]
        rows += [[f"speech/s{k}.wav", "speech", f"p{k // 2}", "test" if k >= 4 else "train"] for k in range(6)]
        rows += [["noise/deep/n0.wav", "noise", "q", "valid"], ["noise/deep/n1.wav", "noise", "r", "test"]]
        with open(folder / "list.csv", "w", newline="") as file:
            csv.writer(file).writerows(rows)
        material = read_material([str(folder / "list.csv")])
        speech = {r.name: (r.source, r.split) for r in material.recordings if r.kind == "speech"}
        assert speech["speech/s1.wav"] == ("p0", "train")
        assert speech["speech/s5.wav"] == ("p2", "test")
        assert {r.source: r.split for r in material.recordings if r.kind == "noise"} == {"q": "train", "r": "test"}

    def test_a_folder_of_one_kind_with_a_manifest_is_the_manifest(self, folder):
        rows = [["path", "label", "speaker", "split"]]
        rows += [[f"deep/n{k}.wav", "hum", f"p{k}", "test" if k >= 2 else "train"] for k in range(4)]
        with open(folder / "noise" / "manifest.csv", "w", newline="") as file:
            csv.writer(file).writerows(rows)
        by_folder, by_table = (read_material([f"noise={folder / 'noise'}{end}"]) for end in ("", "/manifest.csv"))
        assert by_folder == by_table
        noise = {r.name: (r.source, r.split) for r in by_folder.recordings if r.kind == "noise"}
        assert noise["deep/n1.wav"] == ("p1", "train")
        assert noise["deep/n3.wav"] == ("p3", "test")
        assert len(noise) == 4, "and nothing that the manifest does not list"

    def test_a_source_in_two_splits_is_an_error(self, folder):
        text = "path,label,group,split\nspeech/s0.wav,speech,a,train\nspeech/s1.wav,speech,a,test\n"
        (folder / "list.csv").write_text(text)
        with pytest.raises(AuricleError, match="'a' is in the splits"):
            read_material([str(folder / "list.csv")])

    def test_a_manifest_of_other_labels_needs_a_kind(self, folder):
        (folder / "list.csv").write_text("path,label\nspeech/s0.wav,ann\nspeech/s1.wav,bob\n")
        with pytest.raises(AuricleError, match="noise="):
            read_material([str(folder / "list.csv")])
        material = read_material([f"speech={folder / 'list.csv'}"])
        assert sum(r.kind == "speech" for r in material.recordings) == 2

    @pytest.mark.parametrize("source", ["{}/noise", "nois={}/noise", "noise={}/none", "{}/none"])
    def test_bad_sources_are_errors(self, folder, source):
        with pytest.raises(AuricleError):
            read_material([source.format(folder)])

    def test_a_source_that_is_missing_may_be_left_out(self, folder):
        with pytest.raises(
            AuricleError, match="none: there is no such folder or manifest; without one, noises are synth"
        ):
            read_material([f"{folder}/none"])

    def test_what_it_is_recognised_by(self, folder):
        first = read_material([str(folder)]).describe()
        assert first == read_material([str(folder)]).describe()
        audio.write(folder / "noise" / "n9.wav", ramp(1, 100), RATE)
        assert read_material([str(folder)]).describe()["digest"] != first["digest"]


class TestCopies:
    def noises(self, folder, **names):
        """Files of noise by name, with the seed of each one's content."""
        for name, seed in names.items():
            audio.write(folder / f"{name}.wav", 0.1 * np.random.default_rng(seed).standard_normal(2000), RATE)
        material = read_material([f"noise={folder}"])
        return {r.name.removesuffix(".wav"): r for r in material.recordings if r.kind == "noise"}

    @pytest.mark.parametrize("seed", range(6))
    def test_they_are_one_source_under_the_first_name(self, tmp_path, seed):
        names = {f"{letter}{seed}": number % 3 for number, letter in enumerate("abcdefghi")}
        found = self.noises(tmp_path, **names)
        assert {name: r.source for name, r in found.items()} == {
            name: f"{'abc'[number]}{seed}" for name, number in names.items()
        }
        for name, recording in found.items():
            alone = Recording("noise", f"{'abc'[names[name]]}{seed}", name)
            assert recording.split == alone.split

    def test_nothing_changes_without_copies(self, tmp_path):
        found = self.noises(tmp_path, **{f"n{k}": k for k in range(12)})
        assert all(r.source == name and r.split == Recording("noise", name, name).split for name, r in found.items())

    def test_two_copies_are_not_drawn_at_once(self, tmp_path):
        self.noises(tmp_path, a=0, b=0, c=1)
        material = read_material([f"noise={tmp_path}"])
        for seed in range(10):
            one, two = material.draw("noise", 2, 300, RATE, np.random.default_rng(seed))
            assert not np.array_equal(one, two)
        with pytest.raises(AuricleError, match=r"not silent: 3 needed at once, of 2 only 2 found$"):
            material.draw("noise", 3, 300, RATE, np.random.default_rng(0))

    def test_a_split_that_one_declares_holds_for_all(self, tmp_path):
        self.noises(tmp_path, a=0, b=0, c=1)
        for split in ("train", "test"):
            (tmp_path / "m.csv").write_text(f"path,label,split\na.wav,noise,\nb.wav,noise,{split}\nc.wav,noise,\n")
            found = {r.name: r.split for r in read_material([str(tmp_path / "m.csv")]).recordings if r.kind == "noise"}
            assert found["a.wav"] == found["b.wav"] == split

    def test_copies_in_both_splits_are_an_error(self, tmp_path):
        self.noises(tmp_path, a=0, b=0)
        (tmp_path / "m.csv").write_text("path,label,split\na.wav,noise,train\nb.wav,noise,test\n")
        with pytest.raises(AuricleError, match="'a' is in the splits train and test: give all recordings of a"):
            read_material([str(tmp_path / "m.csv")])
