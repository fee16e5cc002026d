"""The skeleton of evaluation, the same for classifiers, enhancers and separators."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import auricle
from auricle import audio
from auricle.conditions.suites import create_suite
from auricle.config import Compare, DataOptions, Evaluate, TaughtSplitOptions
from auricle.data.reading import read_data
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.metrics.workers import Workers
from auricle.runs.clips import clip_digests, clips_digest
from auricle.runs.evaluation import EvaluatedTask
from auricle.runs.results import read_result, result_of_run
from auricle.studies.grid.grid import Grid, stress_grid
from auricle.studies.stress.stress import stress_models
from auricle.tasks.classification.evaluate import ClassifierEvaluationTask
from auricle.tasks.classification.train import train_classifier
from auricle.tasks.enhancement.data import read_speech
from auricle.tasks.enhancement.evaluate import EnhancerEvaluationTask
from auricle.tasks.separation.evaluate import SeparatorEvaluationTask
from schema import check_schema
from sounds import PITCHES_HZ, RATE, tone_folder, tone_manifest, write_tone
from untrained import LABELS, classifier_run, enhancer_run, measured, separator_run, start_run

KINDS = ("classification", "enhancement", "separation")


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auricle.tasks.enhancement.evaluate.Workers", functools.partial(Workers, 0))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tone_manifest(tmp_path_factory.mktemp("tones"), per_class=8)


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(0)
    for k in range(8):
        audio.write(folder / f"noise-{k}.wav", 0.1 * rng.standard_normal(RATE), RATE)
    return folder


@pytest.fixture(scope="module")
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return {
        "classification": classifier_run(folder / "classifier", data),
        "enhancement": enhancer_run(folder / "enhancer", data),
        "separation": separator_run(folder / "separator", data),
    }


def options_of(kind: str, noise: Path) -> dict[str, Any]:
    return {
        "classification": {"snr": [10.0]},
        "enhancement": {"noise": [str(noise)], "snr": [5.0]},
        "separation": {"mixtures": 1},
    }[kind]


UNUSED = [
    *[("classification", option) for option in ({"mixtures": 3}, {"detector": "x"})],
    *[
        ("enhancement", option)
        for option in ({"task": "t"}, {"mixtures": 3}, {"detector": "x"}, {"continuous": True}, {"label_column": "l"})
    ],
    *[("enhancement", option) for option in ({"background": "x"}, {"threshold": 0.5}, {"raw": True})],
    ("separation", {"background": "x"}),
    *[
        ("separation", option)
        for option in ({"noise": ["gaussian"]}, {"snr": [3.0]}, {"task": "t"}, {"by_group": True}, {"continuous": True})
    ],
]


@pytest.mark.parametrize(("kind", "option"), UNUSED, ids=[f"{kind}-{next(iter(option))}" for kind, option in UNUSED])
def test_an_option_without_a_use_is_refused(
    kind: str, option: dict[str, Any], runs: dict[str, Path], data: Path
) -> None:
    name = "--" + next(iter(option)).replace("_", "-")
    with pytest.raises(AuricleError, match=f"^{name}: an? .* is measured without; leave it out") as refused:
        measured(runs[kind], data, **option)
    assert "\n" not in str(refused.value)
    assert not (runs[kind] / "evaluation").exists()


def test_levels_and_noise_that_do_nothing_are_refused(runs: dict[str, Path], data: Path, tmp_path: Path) -> None:
    with pytest.raises(AuricleError, match="give its levels"):
        measured(runs["classification"], data, noise=["gaussian"])
    rows = pd.read_csv(data)
    rows["path"] = rows["noisy"] = [str(data.parent / name) for name in rows["path"]]
    rows.to_csv(tmp_path / "pairs.csv", index=False)
    with pytest.raises(AuricleError, match="levels of their own"):
        measured("identity", tmp_path / "pairs.csv", split="test", snr=[3.0])


@pytest.mark.parametrize("kind", KINDS)
def test_clips_heard_in_training_are_refused_by_every_task(
    kind: str, runs: dict[str, Path], data: Path, noise: Path, tmp_path: Path
) -> None:
    heard = "was trained on 18 of these 18 clips, first .*: choose others with --split or --fold"
    with pytest.raises(AuricleError, match=heard):
        measured(runs[kind], data, split="train", output=str(tmp_path / "e"), **options_of(kind, noise))
    assert not (tmp_path / "e").exists()


def test_a_split_of_data_without_splits_is_the_runs(tmp_path: Path) -> None:
    tones = tone_folder(tmp_path / "tones", 10)
    aside, start = TaughtSplitOptions(test_share=0.3), start_run(tmp_path)
    run = auricle.teach(model=start, data=tones, splits=aside, output=tmp_path / "run", quiet=True)
    listed = pd.read_csv(run / "clips.csv")
    named = auricle.evaluate(run, data=tones, split="test", quiet=True)
    assert set(pd.read_csv(named.folder / "predictions.csv")["clip"]) == set(listed[listed["split"] == "test"]["clip"])
    assert named.split == auricle.evaluate(run, data=tones, quiet=True).split == "test"
    with pytest.raises(AuricleError, match="was trained on"):
        auricle.evaluate(run, data=tones, split="train", quiet=True)
    with pytest.raises(AuricleError, match="no clip has a split"):
        auricle.evaluate(run, data=tone_folder(tmp_path / "others", 2, duration_s=0.7), split="test", quiet=True)


def test_of_data_without_splits_the_next_training_can_put_clips_aside(tmp_path: Path) -> None:
    tones = tone_folder(tmp_path / "tones", 4)
    run = auricle.teach(model=start_run(tmp_path / "start"), data=tones, output=tmp_path / "run", quiet=True)
    with pytest.raises(AuricleError, match="was trained on 12 of these 12 clips") as refused:
        measured(run, tones)
    assert "--splits.test-share" in str(refused.value)
    assert "--split or --fold" not in str(refused.value)


def test_a_stress_test_refuses_them_with_the_same_words(runs: dict[str, Path], data: Path, tmp_path: Path) -> None:
    run, suite = runs["classification"], create_suite("snr-ladder", seed=0)
    with pytest.raises(AuricleError) as evaluated:
        measured(run, data, split="train")
    with pytest.raises(AuricleError) as stressed:
        stress_models([str(run)], str(data), suite, split="train", output=tmp_path)
    assert str(stressed.value) == str(evaluated.value)


def test_a_clip_heard_under_another_task_of_the_run_was_heard(data: Path, tmp_path: Path) -> None:
    run = classifier_run(tmp_path / "run", data)
    table = pd.read_csv(run / "clips.csv")
    other = table.assign(task="other", split="train")
    pd.concat([table, other]).to_csv(run / "clips.csv", index=False)
    with pytest.raises(AuricleError, match="was trained on 6 of these 6 clips"):
        measured(run, data, split="test")


def test_a_run_that_starts_from_another_has_heard_what_that_one_has_heard(data: Path, tmp_path: Path) -> None:
    parent = classifier_run(tmp_path / "parent", data)
    others = tone_folder(tmp_path / "others", 4)
    for k, path in enumerate(sorted(others.rglob("*.wav"))):
        write_tone(path, PITCHES_HZ[path.parent.name], 0.5, 1000 + k)
    child = train_classifier(
        data=[f"tones={others}"], output=tmp_path / "child", init_from=parent, training={"epochs": 1}, quiet=True
    )
    with pytest.raises(AuricleError, match="child was trained on 18 of these 18 clips"):
        measured(child, data, split="train")
    assert measured(child, data, split="test", output=str(tmp_path / "e")).n_clips == 6


@pytest.mark.parametrize("kind", KINDS)
def test_results_of_every_task_have_one_schema(
    kind: str, runs: dict[str, Path], data: Path, noise: Path, tmp_path: Path
) -> None:
    evaluation = measured(runs[kind], data, output=str(tmp_path), **options_of(kind, noise))
    record = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    check_schema(record)
    assert record["task"] == kind
    assert record["data"]["n_clips"] == evaluation.n_clips == 6
    read = read_speech if kind == "enhancement" else read_data
    assert record["data"]["digest"] == clips_digest(read(str(data), DataOptions()).select(split="test").clips)
    assert record["data"]["split"] == evaluation.split == "test"
    assert record["model"]["parameters"]["all"] > 100
    table = pd.read_csv(tmp_path / "results.csv", keep_default_na=False)
    columns = ["condition", "snr_db", "enhancer", "query", "class", "metric", "value", "low", "high", "n"]
    assert list(table) == [name for name in columns if name in table]
    assert {"condition", "snr_db", "metric", "value", "low", "high", "n"} <= set(table)
    assert read_result(tmp_path).measured[0].condition == record["measured"][0]["condition"]
    assert evaluation.text()


@pytest.mark.slow
def test_other_settings_have_a_folder_of_their_own(
    runs: dict[str, Path], data: Path, noise: Path, tmp_path: Path
) -> None:
    def parts(task: type[EvaluatedTask], **options: Any) -> list[str]:
        own = task(Evaluate(run=str(runs[task.name]), data=str(data), **options)).unusual()
        return [re.sub(r"-[0-9a-f]{8}$", "-DIGEST", part) for part in own]

    hiss, levels = str(noise), [0.0, 5.0, 10.0, 15.0]
    placed = f"{noise.name}-DIGEST"
    assert parts(EnhancerEvaluationTask) == []
    assert parts(EnhancerEvaluationTask, noise=[hiss], snr=levels) == [placed]
    assert parts(EnhancerEvaluationTask, noise=[hiss], snr=[-5.0, 2.5], seed=1) == [placed, "snr-5+2.5", "seed1"]
    assert parts(EnhancerEvaluationTask, noise=[hiss, "n/field"]) == [placed, "field-DIGEST"]
    detector = str(runs["classification"])
    assert parts(SeparatorEvaluationTask, mixtures=10) == []
    assert parts(SeparatorEvaluationTask, mixtures=2, detector=detector) == ["mixtures2", "classifier-DIGEST"]
    assert parts(ClassifierEvaluationTask) == []
    assert parts(ClassifierEvaluationTask, snr=[20.0, 0.5], background="n/field") == ["field-DIGEST", "snr20+0.5"]
    groups = {"by_group": True, "group_column": "speaker"}
    assert parts(ClassifierEvaluationTask, negative_label="none", **groups) == ["by-speaker", "negative-none"]
    run = Path(shutil.copytree(runs["separation"], tmp_path / "run"))
    usual = measured(run, data)
    assert usual.folder.name == f"{data.parent.name}-test"
    few = measured(run, data, mixtures=1)
    assert read_result(usual.folder).settings["mixtures"] == 10
    assert read_result(few.folder).settings["mixtures"] == 1


def test_a_classifier_in_noise_keeps_its_other_evaluations(runs: dict[str, Path], data: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(runs["classification"], tmp_path / "run"))
    levels: list[list[float]] = [[], [20.0], [20.0, 0.0]]
    folders = [measured(run, data, snr=own).folder for own in levels]
    assert [read_result(folder).settings["snr"] for folder in folders] == levels


@pytest.mark.slow
def test_places_of_one_name_have_evaluations_of_their_own(runs: dict[str, Path], data: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(runs["enhancement"], tmp_path / "run"))
    noises = [tmp_path / name / "noise" for name in "ab"]
    for noise, pitch_hz in zip(noises, (100.0, 3000.0), strict=True):
        for k in range(8):
            write_tone(noise / f"hum-{k}.wav", pitch_hz, 1.0, seed=k)
    folders = [measured(run, data, noise=[str(noise)], snr=[5.0]).folder for noise in noises]
    assert [read_result(folder).settings["noise"] for folder in folders] == [[str(noise)] for noise in noises]
    relative = os.path.relpath(noises[0])
    assert measured(run, data, noise=[relative], snr=[5.0]).folder == folders[0]


def test_an_evaluation_of_other_data_is_not_overwritten_and_a_moved_copy_is_no_other_data(
    runs: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    output = str(tmp_path / "e")
    measured(runs["classification"], data, output=output)
    shutil.copytree(data.parent, tmp_path / "moved")
    again = measured(runs["classification"], tmp_path / "moved" / "manifest.csv", split="test", output=output)
    assert again.n_clips == 6
    other = tone_manifest(tmp_path / "other", per_class=4)
    with pytest.raises(AuricleError, match="holds an evaluation of other clips"):
        measured(runs["classification"], other, split="test", output=output)


def test_an_evaluation_of_another_run_is_not_overwritten(data: Path, tmp_path: Path) -> None:
    runs = [classifier_run(tmp_path / name, data, seed=seed) for seed, name in enumerate("ab")]
    measured(runs[0], data, output=str(tmp_path / "e"))
    with pytest.raises(AuricleError, match=r"holds an evaluation of another run \(.*a\): give another --output"):
        measured(runs[1], data, output=str(tmp_path / "e"))
    shutil.copytree(runs[0], tmp_path / "copy")
    measured(tmp_path / "copy", data, output=str(tmp_path / "e"))
    classifier_run(tmp_path / "copy", data, seed=2)
    measured(tmp_path / "copy", data, output=str(tmp_path / "e"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "other", "before"),
    [
        ("classification", {"snr": [20.0]}, "test, snr10"),
        ("classification", {"seed": 1, "snr": [10.0]}, "test, snr10"),
        ("enhancement", {"snr": [0.0]}, "test, noise.*, snr5"),
        ("separation", {}, "test, mixtures1"),
    ],
)
def test_an_evaluation_with_other_settings_is_not_overwritten(
    kind: str, other: dict[str, Any], before: str, runs: dict[str, Path], data: Path, noise: Path, tmp_path: Path
) -> None:
    output = str(tmp_path / "e")
    usual = options_of(kind, noise)
    for _ in range(2):
        measured(runs[kind], data, output=output, **usual)
    kept = (tmp_path / "e" / "results.json").read_bytes()
    other = other | {name: value for name, value in usual.items() if name == "noise"}
    with pytest.raises(AuricleError, match=rf"e holds an evaluation with other settings \({before}\): give another"):
        measured(runs[kind], data, output=output, **other)
    assert (tmp_path / "e" / "results.json").read_bytes() == kept


def test_an_evaluation_of_another_split_of_the_data_is_not_overwritten(data: Path, tmp_path: Path) -> None:
    run = start_run(tmp_path / "run", tasks=[Task("tones", LABELS)])
    measured(run, data, split="test", output=str(tmp_path / "e"))
    with pytest.raises(AuricleError, match=r"with other settings \(test\)"):
        measured(run, data, split="train", output=str(tmp_path / "e"))


def test_labels_of_another_column_are_evaluated_in_another_folder(data: Path, tmp_path: Path) -> None:
    run = classifier_run(tmp_path / "run", data)
    rows = pd.read_csv(data)
    rows["path"] = [str(data.parent / name) for name in rows["path"]]
    rows.assign(**{"own/kind": rows["label"]}).to_csv(tmp_path / "m.csv", index=False)
    folders = [measured(run, tmp_path / "m.csv", **options).folder for options in ({}, {"label_column": "own/kind"})]
    assert len(set(folders)) == 2
    assert {folder.parent for folder in folders} == {run / "evaluation"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["identity", "spectral-gating"])
def test_a_folder_of_an_enhancers_name_is_not_the_enhancer(
    name: str, data: Path, noise: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        measured(name, data, noise=[str(noise)], snr=[5.0])
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "mine.txt").write_text("mine")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["identity", "spectral-gating"])
def test_a_run_of_an_enhancers_name_is_measured(
    name: str, runs: dict[str, Path], data: Path, noise: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(runs["enhancement"], name)
    options: dict[str, Any] = {"noise": [str(noise)], "snr": [5.0]}
    found = measured(name, data, output="found", **options)
    wanted = measured(runs["enhancement"], data, output="wanted", **options)
    own = read_result("found").settings["enhancer"]
    assert own == {"identity": "identity", "spectral-gating": "spectral-gating (run)"}[name]
    values = [e.table().set_index(["enhancer", "metric"])["value"] for e in (found, wanted)]
    pd.testing.assert_series_equal(values[0][own], values[1]["enhancer"])


def test_plots_of_an_evaluation_that_is_replaced_do_not_stay(runs: dict[str, Path], data: Path, tmp_path: Path) -> None:
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "confusion-gaussian-20-dB.png").touch()
    measured(runs["classification"], data, snr=[5.0], output=str(tmp_path / "e"))
    plots = {path.name for path in (tmp_path / "e").glob("confusion-*")}
    assert plots == {"confusion-clean.png", "confusion-gaussian-5-dB.png"}


@pytest.mark.parametrize("kind", KINDS)
def test_results_replace_no_file_of_a_run(
    kind: str, runs: dict[str, Path], data: Path, noise: Path, tmp_path: Path
) -> None:
    for name in ("own", "another"):
        shutil.copytree(runs[kind], tmp_path / name)
        (tmp_path / name / "clips.csv").write_text("task,split,start_s,end_s,sha256\nt,train,0.0,,0\n")
    for folder in (tmp_path / "own", tmp_path / "another"):
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        with pytest.raises(AuricleError, match="is the folder of a model: give another --output"):
            measured(tmp_path / "own", data, **options_of(kind, noise), output=str(folder))
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_results_do_not_replace_the_data(runs: dict[str, Path], data: Path) -> None:
    manifest = data.parent / "predictions.csv"
    shutil.copyfile(data, manifest)
    with pytest.raises(AuricleError, match=r"predictions\.csv may be replaced by a result: give another --output"):
        measured(runs["classification"], manifest, output=str(data.parent))
    assert manifest.read_bytes() == data.read_bytes()
    manifest.unlink()


def test_results_of_another_schema_are_refused_in_one_line(tmp_path: Path) -> None:
    for text in ("{}", '{"schema": 1}', "[]", "no JSON"):
        (tmp_path / "results.json").write_text(text)
        expected = "not JSON" if text == "no JSON" else "not a result of schema 2"
        with pytest.raises(AuricleError, match=expected) as refused:
            read_result(tmp_path)
        assert "\n" not in str(refused.value)


def test_a_run_has_one_evaluation_or_none(runs: dict[str, Path], data: Path) -> None:
    run = runs["classification"]
    assert result_of_run(run) is None
    measured(run, data)
    found = result_of_run(run)
    assert found is not None
    assert found.interval("accuracy") is not None
    assert found.interval("pesq") is None
    measured(run, data, seed=1)
    with pytest.raises(AuricleError, match="has 2 evaluations"):
        result_of_run(run)
    shutil.rmtree(run / "evaluation")


def test_digests_are_of_sounds_segments_and_labels(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data.parent, tmp_path / "a")
    first, moved = (read_data(str(path), DataOptions()) for path in (data, tmp_path / "a" / "manifest.csv"))
    assert clip_digests(first) == clip_digests(moved)
    assert clips_digest(first.clips) == clips_digest(tuple(reversed(moved.clips)))
    rows = pd.read_csv(data)
    rows.assign(label="low").to_csv(tmp_path / "a" / "manifest.csv", index=False)
    relabelled = read_data(str(tmp_path / "a"), DataOptions())
    assert clip_digests(first) == clip_digests(relabelled)
    assert clips_digest(first.clips) != clips_digest(relabelled.clips)
    rows.assign(start=0.1, end=0.3).to_csv(tmp_path / "a" / "manifest.csv", index=False)
    segments = read_data(str(tmp_path / "a"), DataOptions())
    assert not set(clip_digests(first)) & set(clip_digests(segments))


MEL = "mel:n_filters=16"


def mel_grid(data: Path, folder: Path) -> Grid:
    return Grid(
        Compare(data=str(data), output=str(folder), frontends=[MEL], seeds=[0], test_suite=["snr-ladder"], quiet=True)
    )


class TestSeveralLabels:
    """Clips with several labels, and a run that gives one to each."""

    @pytest.fixture
    def tags(self, data: Path, tmp_path: Path) -> Path:
        shutil.copytree(data.parent, tmp_path / "tags")
        manifest = tmp_path / "tags" / "manifest.csv"
        manifest.write_text(data.read_text().replace("low,s3,test", "low;high,s3,test"))
        return manifest

    refusal = r"2 of 6 clips have several labels, first low/low-3.wav \(low, high\)"

    def test_evaluate(self, runs: dict[str, Path], tags: Path) -> None:
        with pytest.raises(AuricleError, match=self.refusal):
            measured(runs["classification"], tags, split="test")

    def test_stress(self, runs: dict[str, Path], tags: Path, tmp_path: Path) -> None:
        suite = create_suite("snr-ladder", seed=0)
        with pytest.raises(AuricleError, match=self.refusal):
            stress_models([str(runs["classification"])], str(tags), suite, split="test", output=tmp_path / "s")

    def test_grid(self, data: Path, tags: Path, tmp_path: Path) -> None:
        grid = mel_grid(tags, tmp_path / "grid")
        classifier_run(grid.run(MEL, None, 0), data)
        with pytest.raises(AuricleError, match=self.refusal):
            stress_grid(grid)

    def test_a_grid_of_runs_that_give_several(self, tags: Path, tmp_path: Path) -> None:
        grid = mel_grid(tags, tmp_path / "grid")
        classifier_run(grid.run(MEL, None, 0), tags, multi_label=True)
        with pytest.raises(AuricleError, match="one label for each clip"):
            stress_grid(grid)
