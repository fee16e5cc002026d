"""`auricle compare` of every task: what belongs together, what is told apart, and what the page says."""

from __future__ import annotations

import functools
import json
import shutil
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file, save_file

import auricle
from auricle import audio
from auricle.errors import AuricleError
from auricle.metrics.workers import Workers
from auricle.runs.results import read_result
from auricle.studies.comparison import compare_runs
from pages import number, table_of
from sounds import RATE, tone_manifest
from untrained import classifier_run, enhancer_run, measured, separator_run


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auricle.tasks.enhancement.evaluate.Workers", functools.partial(Workers, 0))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tone_manifest(tmp_path_factory.mktemp("first") / "tones", per_class=8)


@pytest.fixture(scope="module")
def other_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another data set in a folder of the same name."""
    return tone_manifest(tmp_path_factory.mktemp("second") / "tones", per_class=12)


@pytest.fixture(scope="module")
def classifiers(data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two seeds of mel, and LEAF, each measured clean and in noise."""
    folder = tmp_path_factory.mktemp("classifiers")
    runs = [classifier_run(folder / f"{name}-{seed}", data, name=name, seed=seed) for name, seed in
            (("mel", 0), ("mel", 1), ("leaf", 0))]  # fmt: skip
    for run in runs:
        measured(run, data, snr=[10.0])
    return runs


class TestClassifiers:
    def test_every_metric_and_every_pair(self, classifiers: list[Path], tmp_path: Path) -> None:
        page = tmp_path / "page.md"
        compare_runs(classifiers, page)
        for metric in ("accuracy, %", "balanced accuracy, %", "mean average precision, %", "AUC, %", "d′"):
            values, differences = table_of(page, metric), table_of(page, metric, 1)
            assert list(values.index) == ["mel (n_filters=16)", "leaf (n_filters=16)"]
            assert values["seeds"].tolist() == ["2", "1"]
            assert list(differences.index) == ["leaf (n_filters=16) − mel (n_filters=16)"]
            assert list(differences) == ["clean", "gaussian 10 dB"]
        records = [json.loads((next(run.glob("evaluation/*")) / "results.json").read_text()) for run in classifiers]
        for name, heading in (("accuracy", "accuracy, %"), ("auc", "AUC, %")):
            own = [100 * record["measured"][0]["metrics"][name]["value"] for record in records]
            shown = table_of(page, heading)["clean"].map(number)
            assert shown.tolist() == pytest.approx([np.mean(own[:2]), own[2]], abs=0.051)
            difference = number(table_of(page, heading, 1)["clean"].iloc[0])
            assert difference == pytest.approx(own[2] - np.mean(own[:2]), abs=0.051)
        assert (tmp_path / "page" / "tones__test-snr.png").is_file()

    @pytest.mark.parametrize("multi_label", [False, True], ids=["one label", "several labels"])
    def test_intervals_of_the_page_are_those_of_the_evaluation(
        self, data: Path, tmp_path: Path, multi_label: bool
    ) -> None:
        run = classifier_run(tmp_path / "run", data, name="leaf", multi_label=multi_label)
        measured(run, data, snr=[10.0], output=str(tmp_path / "e"))
        (test,) = compare_runs([tmp_path / "e"], tmp_path / "page.md")
        rows = read_result(tmp_path / "e").measured
        ranking = ["mean_average_precision", "auc", "d_prime"]
        assert test.comparison.metrics == (ranking if multi_label else ["accuracy", "balanced_accuracy", *ranking])
        for row in rows:
            for metric, interval in row.metrics.items():
                found = test.comparison.interval("leaf (n_filters=16)", row.condition, metric)
                for own, other in zip(astuple(found), astuple(interval), strict=True):
                    assert own == pytest.approx(other) or (metric == "d_prime" and np.isinf(own) and np.isnan(other))

    def test_the_baseline_comes_first_and_restricts_nothing(self, classifiers: list[Path], tmp_path: Path) -> None:
        page = tmp_path / "page.md"
        compare_runs(classifiers, page, baseline="leaf (n_filters=16)")
        assert list(table_of(page, "accuracy, %").index) == ["leaf (n_filters=16)", "mel (n_filters=16)"]
        assert table_of(page, "accuracy, %", 1).index.tolist() == ["mel (n_filters=16) − leaf (n_filters=16)"]
        with pytest.raises(AuricleError, match="unknown baseline 'wavenet'"):
            compare_runs(classifiers, page, baseline="wavenet")

    @pytest.mark.parametrize("called", ["its front-end", "its run"])
    def test_the_baseline_may_be_called_by_less_than_its_name(
        self, classifiers: list[Path], tmp_path: Path, called: str
    ) -> None:
        page = tmp_path / "page.md"
        compare_runs(classifiers, page, baseline="leaf" if called == "its front-end" else str(classifiers[2]))
        assert list(table_of(page, "accuracy, %").index) == ["leaf (n_filters=16)", "mel (n_filters=16)"]

    def test_a_baseline_that_may_be_several_models_is_refused(
        self, classifiers: list[Path], data: Path, tmp_path: Path
    ) -> None:
        wide = classifier_run(tmp_path / "wide", data, name="mel", n_filters=20)
        measured(wide, data, snr=[10.0])
        with pytest.raises(AuricleError, match=r"may be any of mel \(n_filters=16\), mel \(n_filters=20\)"):
            compare_runs([*classifiers, wide], tmp_path / "page.md", baseline="mel")

    def test_one_table_has_all_metrics_of_clean_clips(self, classifiers: list[Path], tmp_path: Path) -> None:
        """The form of the DEGramNet paper's Tables 4 to 7 and of LEAF's Table 4."""
        page = tmp_path / "page.md"
        compare_runs(classifiers, page)
        overview = table_of(page, "Overview (clean)")
        heads = {
            "accuracy, %": "accuracy, %",
            "balanced, %": "balanced accuracy, %",
            "mAP, %": "mean average precision, %",
            "AUC, %": "AUC, %",
            "d′": "d′",
        }
        assert list(overview) == ["learnt", *heads]
        for short, heading in heads.items():
            assert overview[short].tolist() == table_of(page, heading)["clean"].tolist()

    @pytest.mark.slow
    def test_backbones_are_named_where_there_are_several(
        self, classifiers: list[Path], data: Path, tmp_path: Path
    ) -> None:
        other = classifier_run(tmp_path / "other", data, name="mel", backbone="resnet-18")
        measured(other, data, snr=[10.0])
        compare_runs([*classifiers, other], tmp_path / "page.md")
        assert list(table_of(tmp_path / "page.md", "accuracy, %").index) == [
            "mel (n_filters=16), cnn-small",
            "leaf (n_filters=16), cnn-small",
            "mel (n_filters=16), resnet-18",
        ]

    def test_the_same_run_twice_is_refused_even_as_a_copy(self, classifiers: list[Path], tmp_path: Path) -> None:
        shutil.copytree(classifiers[0], tmp_path / "copy")
        with pytest.raises(AuricleError, match=r"the same run is given more than once: .*mel-0.*copy"):
            compare_runs([classifiers[0], tmp_path / "copy"], tmp_path / "page.md")

    @pytest.mark.slow
    def test_of_evaluations_of_one_run_the_one_with_all_conditions_counts(
        self, classifiers: list[Path], data: Path, tmp_path: Path
    ) -> None:
        run = Path(shutil.copytree(classifiers[0], tmp_path / "run"))
        compare_runs([run, classifiers[2]], tmp_path / "page.md")
        shown = table_of(tmp_path / "page.md", "accuracy, %")
        measured(run, data)
        measured(run, data, snr=[10.0], raw=True)
        compare_runs([run, classifiers[2]], tmp_path / "page.md")
        pd.testing.assert_frame_equal(table_of(tmp_path / "page.md", "accuracy, %"), shown)
        measured(run, data, snr=[0.0])
        with pytest.raises(AuricleError, match=r"given more than once: .*snr10, .*snr0: give one of these"):
            compare_runs([run], tmp_path / "page.md")

    def test_runs_of_one_name_are_told_apart_by_their_folders(
        self, classifiers: list[Path], data: Path, tmp_path: Path
    ) -> None:
        runs = []
        for place in ("a", "b"):
            run = classifier_run(tmp_path / place / "run", data, name="mel", seed=0 if place == "a" else 1)
            (run / "settings.yaml").write_text(f"init_from: {place}\n")
            measured(run, data)
            runs.append(run)
        compare_runs(runs, tmp_path / "page.md")
        names = ["mel (n_filters=16), a/run", "mel (n_filters=16), b/run"]
        assert list(table_of(tmp_path / "page.md", "accuracy, %").index) == names

    def test_runs_measured_from_within_their_folders_are_all_there(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Both runs have one name, one place relative to where they were measured, and the same settings and seed."""
        for place, seed in (("1", 0), ("2", 1)):
            run = classifier_run(tmp_path / place / "mel", data, seed=seed)
            config = json.loads((run / "config.json").read_text())
            config["config"]["seed"] = 0
            (run / "config.json").write_text(json.dumps(config))
            monkeypatch.chdir(tmp_path / place)
            measured("mel", data)
        compare_runs([tmp_path / "1" / "mel", tmp_path / "2" / "mel"], tmp_path / "page.md")
        assert len(set(table_of(tmp_path / "page.md", "accuracy, %").index)) == 2

    @pytest.mark.parametrize(("value", "seeds"), [(None, ["2"]), (3, ["1", "1"])])
    def test_an_option_that_an_earlier_run_does_not_have_parts_seeds_only_if_it_is_set(
        self, data: Path, tmp_path: Path, value: int | None, seeds: list[str]
    ) -> None:
        evaluations = []
        for seed in (0, 1):
            run = classifier_run(tmp_path / f"mel-{seed}", data, name="mel", seed=seed)
            measured(run, data, output=str(tmp_path / f"e{seed}"))
            evaluations.append(tmp_path / f"e{seed}")
        for evaluation, options in zip(evaluations, ({}, {"later": value}), strict=True):
            record = json.loads((evaluation / "results.json").read_text())
            record["model"]["training"]["optimization"] = options
            (evaluation / "results.json").write_text(json.dumps(record))
        compare_runs(evaluations, tmp_path / "page.md")
        assert table_of(tmp_path / "page.md", "accuracy, %")["seeds"].tolist() == seeds

    def test_figures_of_weights_that_a_run_no_longer_has_are_refused(
        self, classifiers: list[Path], tmp_path: Path
    ) -> None:
        run = shutil.copytree(classifiers[0], tmp_path / "run")
        compare_runs([run, classifiers[2]], tmp_path / "page.md")
        shutil.copy(classifiers[1] / "model.safetensors", run)
        with pytest.raises(AuricleError, match="had other weights when it was measured: measure it again"):
            compare_runs([run, classifiers[2]], tmp_path / "page.md")

    def test_heads_taught_on_different_models_are_two_models(self, data: Path, tmp_path: Path) -> None:
        """Though their seeds are different and all else is the same."""
        for seed in (0, 1):
            base = classifier_run(tmp_path / f"base-{seed}", data, seed=7)
            weights = load_file(base / "model.safetensors")
            name = next(name for name in weights if name.startswith("backbone") and name.endswith("weight"))
            save_file({**weights, name: (1 + seed) * weights[name]}, base / "model.safetensors")
            taught = tmp_path / str(seed) / "taught"
            auricle.teach(model=base, data=data, output=taught, seed=seed, quiet=True)
            measured(taught, data)
        compare_runs([tmp_path / "0/taught", tmp_path / "1/taught"], tmp_path / "page.md")
        assert len(set(table_of(tmp_path / "page.md", "accuracy, %").index)) == 2

    def test_seeds_of_two_starts_that_lay_at_one_path_are_two_models(
        self, classifiers: list[Path], data: Path, tmp_path: Path
    ) -> None:
        runs = [shutil.copytree(run, tmp_path / f"{seed}/run") for seed, run in enumerate(classifiers[:2])]
        for run, start in zip(runs, ("one digest", "another digest"), strict=True):
            shutil.rmtree(run / "evaluation", ignore_errors=True)
            (run / "inputs.json").write_text(json.dumps({"init_from": start}))
            measured(run, data)
        compare_runs(runs, tmp_path / "page.md")
        assert len(set(table_of(tmp_path / "page.md", "accuracy, %").index)) == 2

    @pytest.mark.slow
    def test_seeds_that_learnt_from_other_material_are_two_models(self, data: Path, tmp_path: Path) -> None:
        noise, rng = tmp_path / "noise", np.random.default_rng(0)
        augmentation = {
            "conditions": "training",
            "material": [f"noise={noise}"],
            "without": ["reverberation", "codec", "babble", "music"],
        }
        runs = []
        for seed in range(3):
            if seed != 1:
                for k in range(4):
                    audio.write(noise / f"{k}.wav", 0.1 * rng.standard_normal(RATE), RATE)
            run = auricle.train_classifier(
                data=data, output=tmp_path / str(seed), frontend="mel", seed=seed, quiet=True,
                training={"epochs": 1}, augmentation=augmentation,
            )  # fmt: skip
            measured(run, data)
            runs.append(run)
        compare_runs(runs, tmp_path / "page.md")
        assert table_of(tmp_path / "page.md", "accuracy, %")["seeds"].tolist() == ["2", "1"]

    def test_one_run_measured_in_two_ways_is_two_models(self, data: Path, tmp_path: Path) -> None:
        run = classifier_run(tmp_path / "run", data)
        measured(run, data)
        measured(run, data, continuous=True)
        compare_runs([run], tmp_path / "page.md")
        names = list(table_of(tmp_path / "page.md", "accuracy, %").index)
        assert names == ["mel (n_filters=16), tones-test", "mel (n_filters=16), tones-test-continuous"]

    def test_a_moved_copy_of_the_data_is_the_same_data(
        self, classifiers: list[Path], data: Path, tmp_path: Path
    ) -> None:
        shutil.copytree(data.parent, tmp_path / "elsewhere")
        lines = (tmp_path / "elsewhere" / "manifest.csv").read_text().splitlines()
        (tmp_path / "elsewhere" / "manifest.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]))
        run = classifier_run(tmp_path / "run", data, name="mel-db")
        measured(run, tmp_path / "elsewhere", split="test")
        tests = compare_runs([classifiers[2], run], tmp_path / "page.md")
        assert len(tests) == 1
        assert table_of(tmp_path / "page.md", "accuracy, %", 1).shape == (1, 1)

    def test_data_sets_of_one_name_are_told_apart_and_averaged(
        self, classifiers: list[Path], data: Path, other_data: Path, tmp_path: Path
    ) -> None:
        runs = []
        for name in ("mel", "leaf"):
            run = classifier_run(tmp_path / name, data, name=name)
            measured(run, data)
            measured(run, other_data, split="test", output=str(run / "evaluation" / "other"))
            runs.append(run)
        page = tmp_path / "page.md"
        tests = compare_runs(runs, page)
        titles = [test.title for test in tests]
        assert len(set(titles)) == 2
        assert all(title.startswith("tones, test, ") for title in titles)
        values = [test.comparison.interval("leaf (n_filters=16)", "clean", "accuracy").value for test in tests]
        shown = number(table_of(page, "Over data sets: accuracy, %")["clean"].loc["leaf (n_filters=16)"])
        assert shown == pytest.approx(100 * np.mean(values), abs=0.051)
        by_dataset = table_of(page, "Data set by data set: clean, accuracy, %")
        assert by_dataset.index.tolist() == [*titles, "average"]
        for title, value in zip([*titles, "average"], [*values, np.mean(values)], strict=True):
            assert number(by_dataset.loc[title, "leaf (n_filters=16)"]) == pytest.approx(100 * value, abs=0.051)
        difference = number(table_of(page, "Over data sets: accuracy, %", 1)["clean"].iloc[0])
        others = [test.comparison.interval("mel (n_filters=16)", "clean", "accuracy").value for test in tests]
        assert difference == pytest.approx(100 * (np.mean(values) - np.mean(others)), abs=0.051)
        assert "6 or more are needed" in page.read_text()
        assert ", p = " not in page.read_text()
        assert not (tmp_path / "page" / "data-sets.png").exists()


class TestOtherTasks:
    @pytest.mark.slow
    def test_separators(self, data: Path, tmp_path: Path) -> None:
        runs = [separator_run(tmp_path / f"separator-{seed}", data, seed=seed) for seed in (0, 1)]
        (runs[1] / "settings.yaml").write_text("encoder: none\n")
        found = [measured(run, data, mixtures=2) for run in runs]
        page = tmp_path / "page.md"
        compare_runs(runs, page)
        for metric, heading in (("sdri", "SDRi, dB"), ("si_sdri", "SI-SDRi, dB")):
            values, differences = table_of(page, heading), table_of(page, heading, 1)
            assert list(values.index) == ["separator-0", "separator-1"]
            assert list(differences.index) == ["separator-1 − separator-0"]
            means = []
            for evaluation in found:
                table = evaluation.table()
                own = table[(table["class"] == "all") & (table["metric"] == metric)].set_index("query")
                means.append(own.loc[["oracle", "average"], ["value", "low", "high"]])
            assert values[["oracle", "average"]].map(number).to_numpy() == pytest.approx(
                np.stack([mean["value"] for mean in means]), abs=0.0051
            )
            shown = "{:.2f} ({:.2f} … {:.2f})".format(*means[0].loc["oracle"])
            assert values["oracle"].iloc[0] == shown.replace("-", "−")
            expected = (means[1] - means[0])["value"]
            assert differences.iloc[0].map(number).tolist() == pytest.approx(expected.tolist(), abs=0.0051)
        overview = table_of(page, "Overview")
        assert list(overview)[-3:] == ["oracle: SDRi, dB", "average: SDR, dB", "average: SDRi, dB"]
        assert overview["average: SDR, dB"].tolist() == table_of(page, "SDR, dB")["average"].tolist()
        assert overview["average: SDRi, dB"].tolist() == table_of(page, "SDRi, dB")["average"].tolist()
        assert (tmp_path / "page" / "tones__test-by-class.png").is_file()
        shutil.copytree(data.parent, tmp_path / "moved")
        third = separator_run(tmp_path / "separator-2", data)
        (third / "settings.yaml").write_text("encoder: other\n")
        measured(third, data, mixtures=2, seed=1)
        tests = compare_runs([*runs, third], page)
        assert [test.title for test in tests] == ["tones, test, seed 0", "tones, test, seed 1"]

    @pytest.mark.slow
    def test_enhancers(self, data: Path, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        for k in range(8):
            audio.write(tmp_path / "noise" / f"noise-{k}.wav", 0.1 * rng.standard_normal(RATE), RATE)
        run = enhancer_run(tmp_path / "small", data)
        noise = {"noise": [str(tmp_path / "noise")], "snr": [0.0, 5.0]}
        found = measured(run, data, **noise)
        measured("spectral-gating", data, split="test", output=str(tmp_path / "gating"), **noise)
        page = tmp_path / "page.md"
        compare_runs([run, tmp_path / "gating"], page)
        measured_means = found.table().set_index(["condition", "enhancer", "metric"])
        for metric, heading in (("si_sdr", "SI-SDR, dB"), ("stoi", "STOI")):
            values, differences = table_of(page, heading), table_of(page, heading, 1)
            assert list(values.index) == ["noisy", "small", "spectral-gating"]
            assert list(values)[1:] == ["all", "0 dB", "5 dB"]
            assert list(differences.index) == ["small − noisy", "spectral-gating − noisy", "spectral-gating − small"]
            for condition in ("all", "0 dB", "5 dB"):
                gain = measured_means.loc[condition, "small", f"{metric}_gain"]
                cell = differences.loc["small − noisy", condition].strip("*").replace("…", "").strip("()")
                shown = [float(part) for part in cell.replace("−", "-").replace("(", "").replace(")", "").split()]
                assert shown == pytest.approx(gain[["value", "low", "high"]].tolist(), abs=0.051)

    @pytest.mark.slow
    def test_enhancers_at_other_ratios_are_not_compared(self, data: Path, tmp_path: Path) -> None:
        audio.write(tmp_path / "noise" / "noise.wav", 0.1 * np.random.default_rng(0).standard_normal(RATE), RATE)
        shared: dict[str, Any] = {"split": "test", "noise": [str(tmp_path / "noise")]}
        for name, enhancer, snr in (
            ("a", "identity", [0.0]), ("b", "spectral-gating", [5.0]), ("c", "spectral-gating", [0.0]),
        ):  # fmt: skip
            measured(enhancer, data, output=str(tmp_path / name), snr=snr, **shared)
        assert len(compare_runs([tmp_path / "a", tmp_path / "b"], tmp_path / "page.md")) == 2
        assert len(compare_runs([tmp_path / "a", tmp_path / "c"], tmp_path / "page.md")) == 1

    @pytest.mark.slow
    def test_enhancers_on_other_noisy_versions_of_the_same_clips(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        rows = ["path,noisy,speaker"]
        for k in range(3):
            audio.write(tmp_path / "clean" / f"{k}.wav", 0.1 * rng.standard_normal(RATE), RATE)
            rows.append(f"../clean/{k}.wav,{k}.wav,s{k}")
        for name, level in (("loud", 0.1), ("faint", 0.01)):
            for k in range(3):
                clean, _ = audio.read(tmp_path / "clean" / f"{k}.wav")
                audio.write(tmp_path / name / f"{k}.wav", clean + level * rng.standard_normal(RATE), RATE)
            (tmp_path / name / "pairs.csv").write_text("\n".join(rows))
        shutil.copytree(tmp_path / "loud", tmp_path / "moved")
        measurements = []
        for name, enhancer in (("loud", "identity"), ("faint", "spectral-gating"), ("moved", "spectral-gating")):
            measurements.append(tmp_path / f"e-{name}")
            measured(enhancer, tmp_path / name / "pairs.csv", output=str(measurements[-1]))
        page = tmp_path / "page.md"
        assert len(compare_runs(measurements, page)) == 2
        assert len(compare_runs(measurements[::2], page)) == 1
        for folder in measurements[:2]:
            record = json.loads((folder / "results.json").read_text())
            del record["settings"]["noisy"]  # as it was before
            (folder / "results.json").write_text(json.dumps(record))
        assert len(compare_runs(measurements[:2], page)) == 1

    def test_options_that_a_form_has_no_use_for_are_refused(self, data: Path, tmp_path: Path) -> None:
        page = tmp_path / "page.md"
        with pytest.raises(AuricleError, match="--data, --seeds, --training: a comparison of runs has no use for it"):
            auricle.compare(["runs/a"], output=page, data=data, seeds=[0], training={"epochs": 3})
        fronts: dict[str, Any] = {"output": tmp_path / "grid", "data": data, "frontends": ["mel", "leaf"]}
        with pytest.raises(AuricleError, match="--title: a comparison of front-ends has no use for it"):
            auricle.compare(**fronts, title="Mine")
        with pytest.raises(AuricleError, match="unknown baseline 'lef'; did you mean 'leaf'"):
            auricle.compare(**fronts, baseline="lef")
        assert not any(tmp_path.iterdir())

    @pytest.mark.slow
    def test_tasks_do_not_mix(self, classifiers: list[Path], data: Path, tmp_path: Path) -> None:
        run = separator_run(tmp_path / "separator", data)
        measured(run, data, mixtures=1)
        with pytest.raises(AuricleError, match=r"different tasks .*: classification \(.*\); separation \(.*\)"):
            compare_runs([classifiers[0], run], tmp_path / "page.md")

    @pytest.mark.parametrize("command", [None, 5, ["auricle"]])
    def test_a_command_that_is_no_text_is_one_line(
        self, classifiers: list[Path], tmp_path: Path, command: object
    ) -> None:
        (measurement,) = classifiers[0].glob("evaluation/*")
        shutil.copytree(measurement, tmp_path / "e")
        record = json.loads((tmp_path / "e" / "results.json").read_text())
        record["provenance"]["command"] = command
        (tmp_path / "e" / "results.json").write_text(json.dumps(record))
        with pytest.raises(AuricleError, match=r"e/results\.json: .*provenance\.command should be text"):
            compare_runs([tmp_path / "e"], tmp_path / "page.md")

    def test_what_was_not_measured_or_by_another_version_is_refused(self, data: Path, tmp_path: Path) -> None:
        run = classifier_run(tmp_path / "run", data)
        with pytest.raises(AuricleError, match="has not been measured yet"):
            compare_runs([run], tmp_path / "page.md")
        with pytest.raises(AuricleError, match="no such folder"):
            compare_runs([tmp_path / "nowhere"], tmp_path / "page.md")
        (run / "evaluation" / "x").mkdir(parents=True)
        (run / "evaluation" / "x" / "results.json").write_text('{"run": "run", "n_clips": 3}')
        with pytest.raises(AuricleError, match="not a result of schema 2"):
            compare_runs([run], tmp_path / "page.md")
