"""auricle separate: any length, channels and rate; sources and residual add up; queries by name and by example."""

from __future__ import annotations

import os
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
import torch

from auricle import audio, config, separate
from auricle.__main__ import main
from auricle.commands.parser import parse
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.files import as_named
from auricle.readers import read_rows
from auricle.runs.card import USE
from auricle.systems.audiomae import AudioMAE
from auricle.systems.classifier.system import Classifier
from auricle.systems.separator import Separator
from auricle.tasks.classification.window_classifiers import TorchWindowClassifier, logits_of
from auricle.tasks.separation.predict import COLUMNS, separate_file
from auricle.tasks.separation.queries import Query, class_query, detect_classes, read_queries, reference_query

RATE = 8000
LABELS = ("bark", "rain", "siren")
TINY = {"n_fft": 64, "hop_length": 20, "channels": (2, 3, 4)}


def sound(n_samples: int, channels: int = 1, seed: int = 0, peak: float = 0.5) -> np.ndarray:
    waveform = np.random.default_rng(seed).standard_normal((channels, n_samples)).astype(np.float32)
    return waveform / np.abs(waveform).max() * np.float32(peak)


def built(**options: Any) -> Separator:
    """A separator with a tagger of windows of half a second and a query for each label but the last."""
    tagger = Classifier.build(
        sample_rate=RATE,
        window_s=0.5,
        frontend={"name": "mel-db", "n_filters": 16},
        backbone={"name": "cnn-small", "channels": [4, 4, 8]},
        tasks=[Task("sounds", LABELS, multi_label=True)],
    )
    separator = Separator.build(size=TINY, tagger=tagger, sample_rate=RATE, **options).eval()
    generator = torch.Generator().manual_seed(0)
    separator.set_queries({name: torch.randn(separator.size.query_size, generator=generator) for name in LABELS[:2]})
    return separator


@pytest.fixture(scope="module")
def separator() -> Separator:
    return built()


@pytest.fixture
def run(separator: Separator, tmp_path: Path) -> str:
    separator.save(tmp_path / "run")
    return str(tmp_path / "run")


def auricle(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code)  # type: ignore[arg-type]


def integers(path: Path) -> np.ndarray:
    return np.round(audio.read(path, mono=False)[0].astype(np.float64) * 2**23).astype(np.int64)


class TestFiles:
    @pytest.mark.parametrize(
        ("suffix", "subtype", "rate", "channels", "n_samples"),
        [
            (".wav", "PCM_16", RATE, 1, 20000),
            (".wav", "PCM_24", 44100, 2, 30001),
            (".flac", "PCM_16", 11025, 2, 9000),
            (".wav", "PCM_16", 44100, 1, 1),
            (".wav", "PCM_16", RATE, 1, 300),
        ],
    )
    def test_sources_and_residual_are_like_the_mixture_and_add_up_to_it(
        self, separator: Separator, tmp_path: Path, suffix: str, subtype: str, rate: int, channels: int, n_samples: int
    ) -> None:
        path = tmp_path / f"mixture{suffix}"
        audio.write(path, sound(n_samples, channels), rate, subtype=subtype)
        queries = read_queries(separator, LABELS[:2], [])
        assert separate_file(separator, path, tmp_path / "out" / "mixture.csv", queries) == list(LABELS[:2])
        files = [tmp_path / "out" / "mixture" / f"{name}{suffix}" for name in (*LABELS[:2], "residual")]
        assert all(audio.info(file) == audio.info(path) for file in files)
        np.testing.assert_array_equal(sum(integers(file) for file in files), integers(path))

    def test_a_source_is_what_the_separator_gives_of_the_whole(self, separator: Separator, tmp_path: Path) -> None:
        waveform = sound(25000, 2)
        audio.write(tmp_path / "a.wav", waveform, RATE, subtype="FLOAT")
        query = class_query(separator, "rain")
        separate_file(separator, tmp_path / "a.wav", tmp_path / "out" / "a.csv", [query])
        with torch.no_grad():
            whole = separator(torch.from_numpy(waveform * 2), query.embedding.expand(2, -1)).numpy() / 2
        written, _ = audio.read(tmp_path / "out" / "a" / "rain.wav", mono=False)
        assert 20 * np.log10(np.abs(written - whole).max() / np.abs(whole).max()) < -90

    def test_of_pieces_that_are_bound_to_a_length(self, tmp_path: Path) -> None:
        size = {"n_frames": 224, "n_bands": 32, "width": 16, "depth": 1, "heads": 2, "decoder_width": 16}
        encoder = AudioMAE.build("audiomae-small", size=size | {"decoder_heads": 2})
        separator = built(audiomae=encoder, fusion="repeat")
        audio.write(tmp_path / "a.wav", sound(5 * RATE, 2), RATE)
        separate_file(separator, tmp_path / "a.wav", tmp_path / "out" / "a.csv", read_queries(separator, ["bark"], []))
        files = [tmp_path / "out" / "a" / f"{name}.wav" for name in ("bark", "residual")]
        np.testing.assert_array_equal(sum(integers(file) for file in files), integers(tmp_path / "a.wav"))

    @pytest.mark.parametrize(("n_samples", "last_start", "from_sample"), [(4000, 0, 0), (23200, 12000, 15000)])
    def test_a_piece_bound_to_a_length_is_padded_to_it(
        self, n_samples: int, last_start: int, from_sample: int, tmp_path: Path
    ) -> None:
        """Pieces of 2 s start every 1.5 s; the last is alone 0.375 s after its start."""
        size = {"n_frames": 224, "n_bands": 32, "width": 16, "depth": 1, "heads": 2, "decoder_width": 16}
        encoder = AudioMAE.build("audiomae-small", size=size | {"decoder_heads": 2})
        separator = built(audiomae=encoder, fusion="repeat")
        audio.write(tmp_path / "a.wav", sound(n_samples), RATE, subtype="FLOAT")
        query = class_query(separator, "bark")
        separate_file(separator, tmp_path / "a.wav", tmp_path / "out" / "a.csv", [query], progress=False)
        piece = torch.zeros(1, 2 * RATE)
        piece[:, : n_samples - last_start] = torch.from_numpy(2 * sound(n_samples))[:, last_start:]
        with torch.no_grad():
            wanted = separator(piece, query.embedding[None]).numpy()[:, from_sample - last_start :] / 2
        written, _ = audio.read(tmp_path / "out" / "a" / "bark.wav", mono=False)
        np.testing.assert_allclose(written[:, from_sample:], wanted[:, : n_samples - from_sample], atol=1e-5)

    def test_silence_stays_silence(self, separator: Separator, tmp_path: Path) -> None:
        audio.write(tmp_path / "a.wav", np.zeros(5000, dtype=np.float32), RATE)
        separate_file(separator, tmp_path / "a.wav", tmp_path / "out" / "a.csv", read_queries(separator, ["bark"], []))
        for name in ("bark", "residual"):
            assert not audio.read(tmp_path / "out" / "a" / f"{name}.wav")[0].any()

    def test_a_residual_beyond_full_scale_is_kept(
        self, separator: Separator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Sources that overlap, here the mixture three times."""
        monkeypatch.setattr(
            "auricle.tasks.separation.predict.separated",
            lambda separator, path, *_: iter([audio.read(path, mono=False)[0]]),
        )
        audio.write(tmp_path / "a.flac", sound(4000, peak=0.9), RATE)
        queries = [Query(name, torch.zeros(1)) for name in "xyz"]
        separate_file(separator, tmp_path / "a.flac", tmp_path / "out" / "a.csv", queries)
        folder = tmp_path / "out" / "a"
        assert audio.info(folder / "residual.wav").subtype == "FLOAT"
        files = [*(folder / f"{name}.flac" for name in "xyz"), folder / "residual.wav"]
        np.testing.assert_array_equal(sum(integers(file) for file in files), integers(tmp_path / "a.flac"))

    def test_of_a_lossy_mixture_the_files_keep_16_bits(self, separator: Separator, tmp_path: Path) -> None:
        audio.write(tmp_path / "a.ogg", sound(9000), RATE)
        separate_file(separator, tmp_path / "a.ogg", tmp_path / "out" / "a.csv", read_queries(separator, ["bark"], []))
        files = [tmp_path / "out" / "a" / f"{name}.wav" for name in ("bark", "residual")]
        total = sum(audio.read(file)[0] for file in files)
        np.testing.assert_allclose(total, audio.read(tmp_path / "a.ogg")[0], atol=1.01 / 2**15)

    @pytest.mark.parametrize(
        ("suffix", "file_format", "subtype"),
        [(".flac", "WAV", "FLOAT"), (".mp3", "WAV", "PCM_24"), (".wav", "MP3", None)],
    )
    def test_a_wrong_suffix_gets_a_sample_format_that_it_can_have(
        self, separator: Separator, tmp_path: Path, suffix: str, file_format: str, subtype: str | None
    ) -> None:
        path = tmp_path / f"a{suffix}"
        sf.write(path, sound(9000).T, RATE, subtype, format=file_format)
        separate_file(separator, path, tmp_path / "out" / "a.csv", read_queries(separator, ["bark"], []))
        written = [audio.info(file) for file in sorted((tmp_path / "out" / "a").iterdir())]
        assert [(info.format, info.subtype) for info in written] == 2 * [("WAV", subtype or "PCM_16")]


class TestCommand:
    def test_a_bad_file_stops_nobody_else_and_what_is_done_is_left_out(
        self, run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder, output = tmp_path / "in", tmp_path / "out"
        audio.write(folder / "deep" / "a.wav", sound(5000), RATE)
        (folder / "b.wav").write_bytes(b"no sound")
        command = ("separate", run, folder, "--query", "bark", "--query", "rain", "--output", output)
        assert auricle(*command) == 3
        printed = capsys.readouterr()
        assert "1 of 2 files separated, 1 failed" in printed.out
        assert "b.wav: not a sound file" in printed.err
        assert sorted(file.name for file in (output / "deep" / "a").iterdir()) == [
            "bark.wav",
            "rain.wav",
            "residual.wav",
        ]
        (folder / "b.wav").unlink()
        assert auricle(*command) == 0
        assert "(1 of them before)" in capsys.readouterr().out
        assert auricle("separate", run, folder, "--query", "bark", "--output", output) == 2
        assert "other queries" in capsys.readouterr().err
        assert auricle("separate", run, folder, "--query", "rain", "--output", output, "--overwrite") == 0
        assert sorted(file.name for file in (output / "deep" / "a").iterdir()) == ["rain.wav", "residual.wav"]

    def test_all_that_is_found_with_its_times(self, run: str, tmp_path: Path) -> None:
        audio.write(tmp_path / "a.wav", sound(12000, 2), RATE)
        separate(run, [str(tmp_path / "a.wav")], output=str(tmp_path / "out"), all=True, threshold=0.0)
        table = pd.read_csv(tmp_path / "out" / "a.csv")
        assert list(table.columns) == ["start_s", "end_s", "class", "probability", "file"]
        assert set(table["class"]) == {"bark", "rain", "residual"}
        assert (table["end_s"] == 1.5).all()
        assert table["probability"].notna().tolist() == [True, True, False]
        assert all((tmp_path / "out" / file).is_file() for file in table["file"])

    def test_nothing_found_leaves_the_whole_as_residual(self, run: str, tmp_path: Path) -> None:
        audio.write(tmp_path / "a.wav", sound(12000), RATE)
        separate(run, [str(tmp_path / "a.wav")], output=str(tmp_path / "out"), all=True, threshold=1.0)
        residual = tmp_path / "out" / "a" / "residual.wav"
        np.testing.assert_array_equal(integers(residual), integers(tmp_path / "a.wav"))

    def test_all_is_refused_where_the_tagger_can_find_no_class(
        self, separator: Separator, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A pretrained tagger has its own names for classes; the model card suggests an example."""
        other = deepcopy(separator)
        other.set_queries({"dog": separator.average_queries[0]})
        other.save(tmp_path / "run")
        audio.write(tmp_path / "a.wav", sound(12000), RATE)
        assert auricle("separate", tmp_path / "run", tmp_path / "a.wav", "--all", "--output", tmp_path / "out") == 2
        assert "no average query of a class that its tagger knows" in capsys.readouterr().err
        monkeypatch.chdir(tmp_path)
        for name in ("example.wav", "mixtures/b.wav"):
            audio.write(name, sound(4000), RATE)
        exec(USE["separator"][0].format(name="run"), {"auricle": SimpleNamespace(separate=separate)})
        assert (tmp_path / "sources" / "b" / "example.wav").is_file()

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--query", "brak"], "did you mean 'bark'"),
            ([], "--query CLASS"),
            (["--query", "bark", "--all"], "--query CLASS"),
            (["--all", "--threshold", "2"], "not a probability"),
            (["--reference", "nowhere.wav"], "nowhere.wav"),
            (["--query", "bark", "bark"], "one at a time"),
        ],
    )
    def test_a_wrong_wish_is_one_line(
        self, run: str, tmp_path: Path, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        audio.write(tmp_path / "a.wav", sound(4000), RATE)
        assert auricle("separate", run, tmp_path / "a.wav", "--output", tmp_path / "out", *options) == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1

    def test_options_given_again_add_up(self) -> None:
        given = ["separate", "run", "a.wav", "--query", "x", "y", "--output", "o", "--query=z", "--all"]
        parsed = parse(given)
        assert parsed is not None
        assert parsed[1] == config.Separate(run="run", files=["a.wav"], output="o", query=["x", "y", "z"], all=True)


class TestNamesOfSources:
    NAMES = ("owl (male)", "owl [male]", "Rain", "rain", "residual", "..", "a/b")

    def test_no_source_is_lost_whatever_classes_are_called(self, separator: Separator, tmp_path: Path) -> None:
        audio.write(tmp_path / "a.wav", sound(6000), RATE)
        embedding = next(iter(separator.queries.values()))
        table = tmp_path / "out" / "a.csv"
        separate_file(separator, tmp_path / "a.wav", table, [Query(name, embedding) for name in self.NAMES])
        listed = pd.read_csv(table, keep_default_na=False)
        assert list(listed["class"]) == [*self.NAMES, "residual"]
        assert listed["file"].str.casefold().nunique() == len(self.NAMES) + 1
        assert set((table.parent / "a").iterdir()) == {table.parent / file for file in listed["file"]}
        total = sum(integers(table.parent / file) for file in listed["file"])
        np.testing.assert_array_equal(total, integers(tmp_path / "a.wav"))

    @pytest.mark.parametrize(("name", "listed"), [(b"\xff", r"\xff"), (b"a\rb", "a\rb")])
    def test_the_table_of_a_recording_with_a_strange_name(
        self, run: str, tmp_path: Path, name: bytes, listed: str
    ) -> None:
        path, output = tmp_path / f"{os.fsdecode(name)}.wav", tmp_path / "out"
        audio.write(path, sound(6000), RATE)
        assert separate(run, [str(path)], output=str(output), query=["bark"]).exit_code == 0
        (table,) = output.glob("*.csv")
        files = [row["file"] for row in read_rows(table, COLUMNS)]
        assert files == [f"{listed}/bark.wav", f"{listed}/residual.wav"]
        assert all(Path(as_named(output / file)).is_file() for file in files)

    def test_overwriting_leaves_files_of_the_user(self, run: str, tmp_path: Path) -> None:
        audio.write(tmp_path / "a.wav", sound(6000), RATE)
        output = tmp_path / "out"
        separate(run, [str(tmp_path / "a.wav")], output=str(output), query=["bark"])
        audio.write(output / "a" / "mine.wav", sound(100), RATE)
        audio.write(output / "other.wav", sound(100), RATE)
        separate(run, [str(tmp_path / "a.wav")], output=str(output), query=["rain"], overwrite=True)
        assert {path.name for path in output.rglob("*.wav")} == {"mine.wav", "other.wav", "rain.wav", "residual.wav"}

    def test_another_reference_of_the_same_name_is_another_query(self, run: str, tmp_path: Path) -> None:
        for name, seed in (("a", 0), ("sounds/ref", 1)):
            audio.write(tmp_path / f"{name}.wav", sound(6000, seed=seed), RATE)
        reference = str(tmp_path / "sounds" / "ref.wav")
        wanted = {"files": [str(tmp_path / "a.wav")], "output": str(tmp_path / "out"), "reference": [reference]}
        separate(run, **wanted)
        (tmp_path / "sounds").rename(tmp_path / "moved")
        separate(run, **wanted | {"reference": [str(tmp_path / "moved" / "ref.wav")]})
        audio.write(tmp_path / "moved" / "ref.wav", sound(6000, seed=2), RATE)
        with pytest.raises(AuricleError, match="other queries"):
            separate(run, **wanted | {"reference": [str(tmp_path / "moved" / "ref.wav")]})


class TestQueries:
    def test_a_references_name_is_no_class(self, separator: Separator, tmp_path: Path) -> None:
        """Where the tagger hears the class of that name says nothing of the reference."""
        audio.write(tmp_path / "rain.wav", sound(20000), RATE)
        audio.write(tmp_path / "a.wav", sound(20000), RATE)
        (reference,) = read_queries(separator, [], [str(tmp_path / "rain.wav")])
        (of_class,) = read_queries(separator, ["rain"], [])
        assert (reference.name, reference.of_class, of_class.name, of_class.of_class) == ("rain", False, "rain", True)
        detected = {}
        for kind, query in (("reference", reference), ("class", of_class)):
            separate_file(separator, tmp_path / "a.wav", tmp_path / kind / "a.csv", [query], threshold=0.0)
            table = pd.read_csv(tmp_path / kind / "a.csv")
            detected[kind] = table.loc[table["class"] == "rain", "probability"].notna().any()
        assert detected == {"reference": False, "class": True}
        (tmp_path / "rain.wav").rename(tmp_path / "residual.wav")
        with pytest.raises(AuricleError, match="two sources would be called 'residual'"):
            read_queries(separator, [], [str(tmp_path / "residual.wav")])

    def test_references_are_heard_where_they_are_loudest_and_averaged(
        self, separator: Separator, tmp_path: Path
    ) -> None:
        burst = np.concatenate([np.zeros(RATE), sound(2 * RATE)[0], np.zeros(RATE)])
        other = sound(RATE // 2, seed=1)[0]
        for name, waveform in (("one", burst), ("two", other)):
            audio.write(tmp_path / f"{name}.wav", waveform.astype(np.float32), RATE, subtype="FLOAT")
        files = [str(tmp_path / f"{name}.wav") for name in ("one", "two")]
        heard = [burst[RATE : 3 * RATE], np.pad(other, (0, 2 * RATE - len(other)))]
        peaked = torch.tensor(np.stack([2 * h for h in heard]), dtype=torch.float32)
        wanted = separator.embed_query(peaked)
        query = reference_query(separator, files)
        np.testing.assert_allclose(query.embedding, wanted.mean(0), atol=1e-5)
        assert query.name == "reference"
        assert reference_query(separator, files[:1]).name == "one"

    def test_silence_tells_nothing(self, separator: Separator, tmp_path: Path) -> None:
        audio.write(tmp_path / "a.wav", np.zeros(900, dtype=np.float32), RATE)
        with pytest.raises(AuricleError, match="silence"):
            reference_query(separator, [str(tmp_path / "a.wav")])

    def test_detections_in_a_row_are_one(
        self, separator: Separator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said = np.array([[0, 0, 0], [0.3, 0.9, 0], [0.6, 0, 0], [0.2, 0, 0], [0.4, 0, 0]])  # by windows' level × 10

        def logits(model: Any, windows: np.ndarray) -> np.ndarray:
            return logits_of(said[np.round(10 * windows.mean(1)).astype(int)], multi_label=True)

        monkeypatch.setattr(TorchWindowClassifier, "logits", logits)
        audio.write(tmp_path / "a.wav", np.repeat([0.1, 0.2, 0.3, 0.4], RATE // 2).astype(np.float32), RATE)
        found = detect_classes(separator, tmp_path / "a.wav", threshold=0.25)
        told = {(d.label, d.start_s, d.end_s, round(d.probability, 6)) for d in found}
        assert told == {("bark", 0.0, 1.0, 0.6), ("rain", 0.0, 0.5, 0.9), ("bark", 1.5, 2.0, 0.4)}
        assert len(found) == 3
