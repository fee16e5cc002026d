"""auricle evaluate of a separator: its figures by hand, its refusals, its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from auricle.__main__ import main
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.identity import file_digest
from auricle.metrics.signals import sdr
from auricle.reports import plots
from auricle.reports.examples import sound_cards
from auricle.systems.classifier.system import Classifier
from auricle.systems.separator import Separator
from auricle.tasks.evaluate import evaluate
from auricle.tasks.separation.report import gain_in_words
from auricle.tasks.separation.summary import SeparatorEvaluation
from sounds import PITCHES_HZ, RATE, tone_manifest

LABELS = tuple(sorted(PITCHES_HZ))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tone_manifest(tmp_path_factory.mktemp("tones"), per_class=8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    tagger = Classifier.build(
        sample_rate=RATE,
        window_s=0.5,
        frontend={"name": "mel-db", "n_filters": 16},
        backbone={"name": "cnn-small", "channels": [4, 4, 8]},
        tasks=[Task("tones", LABELS)],
    )
    size = {"n_fft": 64, "hop_length": 20, "channels": (2, 3, 4)}
    separator = Separator.build(size=size, tagger=tagger, sample_rate=RATE)
    separator.set_queries({name: torch.randn(separator.size.query_size) for name in LABELS})
    folder = tmp_path_factory.mktemp("run")
    separator.save(folder)
    rows = pd.read_csv(data)
    rows["clip"], rows["task"], rows["start_s"], rows["end_s"] = rows["path"], "tones", 0.0, ""
    rows["sha256"] = [file_digest(data.parent / name) for name in rows["clip"]]
    rows.to_csv(folder / "clips.csv", index=False)
    return folder


def measured(run: Path, data: Path, **options: Any) -> SeparatorEvaluation:
    evaluation = evaluate(run, data=data, quiet=True, **options)
    assert isinstance(evaluation, SeparatorEvaluation)
    return evaluation


def clips_of(values: dict[tuple[str, str], list[float]]) -> pd.DataFrame:
    rows = []
    for (query, name), numbers in values.items():
        rows += [
            {"class": name, "query": query, **dict.fromkeys(("sdr", "sdri", "si_sdr", "si_sdri"), v)} for v in numbers
        ]
    return pd.DataFrame(rows)


class TestFigures:
    def test_sdr_is_its_definition(self) -> None:
        rng = np.random.default_rng(0)
        target, error = rng.standard_normal((2, 500))
        wanted = 10 * np.log10((target**2).sum() / (0.01 * error**2).sum())
        assert sdr(target + 0.1 * error, target) == pytest.approx(wanted)
        assert sdr(target, target) == pytest.approx(10 * np.log10((target**2).mean() / 1e-10))
        assert sdr(np.zeros(5), np.zeros(5)) == 0.0
        assert sdr(2 * target, target) == pytest.approx(0.0)

    def test_median_within_a_class_and_mean_of_the_classes(self) -> None:
        clips = clips_of(
            {
                ("oracle", "x"): [1, 2, 9],
                ("oracle", "y"): [5, 5, 6],
                ("average", "x"): [0, 1, 1],
                ("average", "y"): [4, 2, 2],
            }
        )
        evaluation = SeparatorEvaluation(Path(), "test", clips)
        assert evaluation.mean("sdri", "oracle").value == 3.5
        assert evaluation.mean("sdri", "average").value == 1.5
        gap = evaluation.gap("sdri")
        assert (gap.value, gap.low, gap.high) == (2.0, 1.0, 3.0)
        table = evaluation.table().set_index(["query", "class", "metric"])["value"]
        assert table["oracle", "x", "sdr"] == 2.0
        assert table["oracle - average", "all", "sdri"] == 2.0
        assert "3.50 (2.00 … 5.00)" in evaluation.text()

    def test_counts_are_those_of_each_query(self) -> None:
        """Class z has no average query."""
        values = {("oracle", "x"): [8, 8], ("average", "x"): [6, 6], ("oracle", "z"): [0, 0, 0]}
        table = SeparatorEvaluation(Path(), "test", clips_of(values)).table()
        counts = table[table["metric"] == "sdri"].set_index(["query", "class"])["n"].to_dict()
        assert counts["oracle", "all"] == 5
        assert counts["average", "all"] == counts["oracle - average", "all"] == 2
        assert (counts["oracle", "z"], counts["average", "z"]) == (3, 0)

    @pytest.mark.parametrize(
        ("gains", "text"),
        [
            ((1, 2), "raises the SDR of the sound sought by 1.5 dB (1.0 to 2.0)"),
            ((-1, -2), "lowers the SDR of the sound sought by 1.5 dB (−2.0 to −1.0)"),
            ((-1, 2), "is not shown to change the SDR of the sound sought (−1.0 to 2.0)"),
        ],
    )
    def test_a_gain_is_called_one_only_if_its_interval_shows_it(self, gains: tuple[float, float], text: str) -> None:
        clips = clips_of({(query, name): [gains["xy".index(name)]] for query in ("oracle", "average") for name in "xy"})
        said = gain_in_words(SeparatorEvaluation(Path(), "test", clips), "own")
        assert said == f"By the average query, `own` {text}, over the mixture."


class TestEvaluate:
    def test_files_and_figures(self, run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            main(["evaluate", str(run), "--data", str(data), "--mixtures", "3", "--output", str(tmp_path)])
        assert ended.value.code == 0
        assert "9 mixtures of 3 classes (test)" in capsys.readouterr().out
        clips = pd.read_csv(tmp_path / "clips.csv")
        assert clips.groupby(["class", "query"]).size().to_dict() == {
            (name, query): 3 for name in LABELS for query in ("oracle", "average")
        }
        assert (clips["class"] != clips["other_class"]).all()
        assert clips["cosine"].between(-1, 1).all()
        test = pd.read_csv(data).query("split == 'test'")["path"]
        assert set(clips["clip"]) | set(clips["other_clip"]) <= set(test)
        medians = clips.pivot_table("sdri", "class", "query", aggfunc="median").mean()
        results = (
            pd.read_csv(tmp_path / "results.csv").query("`class` == 'all' and metric == 'sdri'").set_index("query")
        )
        assert results.loc["oracle", "value"] == pytest.approx(medians["oracle"], abs=1e-4)
        assert results.loc["oracle - average", "value"] == pytest.approx(
            medians["oracle"] - medians["average"], abs=1e-4
        )
        assert json.loads((tmp_path / "results.json").read_text())["data"]["n_clips"] == len(test)
        page = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert page.count("<audio") == 9
        assert page.count("<figure") == 10
        assert "://" not in page
        assert (tmp_path / "plots" / "by-class.png").is_file()

    @pytest.mark.figures("undrawn")
    def test_a_row_is_what_the_separator_does_to_the_mixture(self, run: Path, data: Path, tmp_path: Path) -> None:
        first = measured(run, data, mixtures=2, output=str(tmp_path / "a"))
        again = measured(run, data, mixtures=2, output=str(tmp_path / "b"))
        pd.testing.assert_frame_equal(first.clips, again.clips)
        for example in first.examples.values():
            improvement = sdr(example.result, example.target) - sdr(example.mixture, example.target)
            assert improvement == pytest.approx(example.row["sdri"], abs=1e-3)
        improvements = [example.row["sdri"] for example in first.examples.values()]
        assert improvements == sorted(improvements, reverse=True)
        other = measured(run, data, mixtures=2, seed=1, output=str(tmp_path / "c"))
        assert not other.clips["sdr"].equals(first.clips["sdr"])

    def test_what_was_trained_on_is_refused(self, run: Path, data: Path, tmp_path: Path) -> None:
        with pytest.raises(AuricleError, match="was trained on 18 of these 18 clips"):
            measured(run, data, split="train", output=str(tmp_path))

    @pytest.mark.figures("undrawn")
    def test_without_average_queries_there_is_the_oracle(self, run: Path, data: Path, tmp_path: Path) -> None:
        from auricle.systems import load

        separator: Any = load(run)
        separator.set_queries({})
        separator.save(tmp_path / "run")
        found = measured(tmp_path / "run", data, split="test", mixtures=1)
        assert found.queries == ["oracle"]
        assert found.folder.parent == tmp_path / "run" / "evaluation"
        assert "oracle −" not in found.text()


class TestPlots:
    def test_classes_are_sorted_by_the_last_query_and_not_joined(self) -> None:
        figure = plots.by_class({"a": {"x": 1.0, "y": 2.0}, "b": {"x": 0.0, "y": 3.0}}, "dB")
        axes = figure.axes[0]
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ["y", "x"]
        assert list(axes.lines[0].get_ydata()) == [2.0, 1.0]
        assert {line.get_linestyle() for line in axes.lines[:2]} == {"None"}

    def test_spectrograms_share_their_colours(self) -> None:
        time = np.arange(8000) / 8000
        tone = np.sin(2 * np.pi * 1000 * time).astype(np.float32)
        waves = {"loud": tone, "soft": 0.01 * tone, "silent": 0 * tone, "short": tone[:1]}
        cards = sound_cards(waves, 8000)
        images = [card.figure.axes[0].collections[0] for card in cards]
        assert [card.sound.label for card in cards] == list(waves)
        assert len({image.get_clim() for image in images}) == 1
        levels = [float(image.get_array().max()) for image in images[:2]]
        assert levels[0] - levels[1] == pytest.approx(40, abs=0.1)
