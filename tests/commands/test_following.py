"""The command that is shown after each verb is one that can be given; --json prints the same result as plain values."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args, get_type_hints

import numpy as np
import pandas as pd
import pytest

from auricle.__main__ import main
from auricle.commands import every_verb
from auricle.commands.following import AFTER_LIST, next_command
from auricle.commands.parser import parse
from auricle.config import ListNames
from auricle.config.verbs import options_from
from auricle.data import check as check_module
from auricle.data.findings import Report
from auricle.published.table import MODELS
from auricle.tasks.embedding.table import Facts, write_part
from sounds import tone_folder

SILENT = {"listen", "studio", "completion"}  # two end with their input, what the last prints is for a shell
NEEDED = {"names": ["efficientat-mn04"], "output": "out put", "shell": "bash"}


def given(verb: Any) -> Any:
    """Options of a verb: all that is needed, and the inputs."""
    kind = verb.options
    hints = get_type_hints(kind)
    needed = {name: ["some runs"] for name, hint in hints.items() if name in ("runs",)}
    for name in ("data", "noise", "files", "like", "speech", "run", "checkpoint", "corpus", "root", "embeddings",
                 "predictions", "model"):  # fmt: skip
        if name in hints:
            needed[name] = ["some files"] if "list" in str(hints[name]) else "some files"
    if kind is ListNames:
        return ListNames(kind="frontends")
    return options_from(kind, (), needed | {name: value for name, value in NEEDED.items() if name in hints})


@pytest.mark.parametrize(("name", "verb"), every_verb().items())
def test_what_follows_is_a_command(name: str, verb: Any) -> None:
    table = pd.DataFrame({"total": [3]}, index=["a label"])
    result = SimpleNamespace(
        folder=Path("a folder"), calibration={}, complete=True, n_files=1, labelled=True, table=table
    )
    outcomes = [Path("a run")] if name.startswith(("train", "teach")) else [result, SimpleNamespace(folder=Path("f"))]
    outcomes = outcomes[:1] if name in ("check", "corrupt") else outcomes
    for outcome in outcomes:
        line = next_command(verb.name, given(verb), outcome)
        if name in SILENT or (name in ("export", "compare") and not line):
            assert not line
            continue
        program, *arguments = shlex.split(line)
        assert program == "auricle"
        assert parse(arguments) is not None


def test_only_a_classifier_labels_recordings_after_its_export(tmp_path: Path) -> None:
    def after(**options: Any) -> str:
        return next_command("export", SimpleNamespace(**{"component": None, "output": "x.onnx", **options}), "")

    assert after(run=str(tmp_path)) == after(run="efficientat-mn04") == "auricle predict x.onnx recording.wav"
    assert after(run="leaf") == after(run=str(tmp_path), component="frontend") == ""


def test_every_kind_of_names_is_followed_by_a_command() -> None:
    assert set(AFTER_LIST) == set(get_args(get_type_hints(ListNames)["kind"]))
    for line in AFTER_LIST.values():
        assert parse(shlex.split(line)[1:]) is not None


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[str, str]:
    """Standard output and error of a command that goes well."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert ended.value.code == 0
    captured = capsys.readouterr()
    return captured.out, captured.err


@pytest.mark.parametrize("name", sorted(MODELS))
def test_after_a_download_comes_what_the_model_is_good_for(name: str) -> None:
    told = shlex.split(next_command("download", SimpleNamespace(names=[name]), None))
    assert parse(told[1:])
    assert name in told
    assert told[1] == {"cmgan": "enhance", "uss": "train", "audiomae": "embed"}.get(MODELS[name].convert, "teach")


@pytest.mark.parametrize(
    ("system", "verb"),
    [("classifier", "predict"), ("cmgan", "enhance"), ("separator", "separate"), ("audiomae", "embed")],
)
def test_after_a_push_the_model_is_used_by_its_own_verb(system: str, verb: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"system": system}))
    here, there = (
        shlex.split(next_command("push", SimpleNamespace(output=str(tmp_path), repository=repository), ""))
        for repository in (None, "hub:me/birds")
    )
    assert here[1:3] == [verb, str(tmp_path)]
    assert there[1:3] == [verb, "hub:me/birds"]
    assert there[-1] == "--download"  # it is not on this computer
    assert parse(here[1:])
    assert parse(there[1:])


def test_after_a_stress_test_only_runs_are_inspected() -> None:
    models = ["runs/a", "model.onnx", "module:function"]
    assert next_command("stress", SimpleNamespace(runs=models), None) == "auricle inspect runs/a"
    assert next_command("stress", SimpleNamespace(runs=models[1:]), None) == ""


def test_an_enhancer_is_evaluated_on_recorded_pairs_without_noise() -> None:
    options = SimpleNamespace(speech="pairs.csv", noise=None)
    assert next_command("train_enhancer", options, "runs/mine") == "auricle evaluate runs/mine --data pairs.csv"
    options = SimpleNamespace(speech="speech", noise=["hum", "rain"])
    told = next_command("train_enhancer", options, "runs/mine")
    assert told == "auricle evaluate runs/mine --data speech --noise hum rain"


def test_corrupted_sounds_without_labels_are_not_evaluated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def told(data: Path, output: Path, *options: str) -> str:
        return said(capsys, "corrupt", data, "--suite", "complex", "--output", output, *options)[1]

    data, out, flat = tone_folder(tmp_path / "tones", 4), tmp_path / "out", tmp_path / "flat"
    assert told(data, out) == f"next: auricle evaluate runs/mine --data {out / 'manifest.csv'}\n"
    assert told(data / "low", flat) == f"next: auricle predict runs/mine {flat}\n"
    assert told(data, tmp_path / "half", "--shard", "1/2") == ""
    assert not (tmp_path / "half" / "manifest.csv").exists()


def test_a_path_with_an_equals_sign_is_told_whole(tmp_path: Path) -> None:
    folder = tmp_path / "a=b"
    folder.mkdir()
    for data, path in ((str(folder), str(folder)), (f"birds={folder}", str(folder)), ("birds=b.csv", "b.csv")):
        told = next_command("train_classifier", SimpleNamespace(data=[data]), "run")
        assert shlex.split(told)[-1] == path


def test_of_several_tasks_one_is_measured(tmp_path: Path) -> None:
    told = next_command("train_classifier", SimpleNamespace(data=[f"birds={tmp_path}", "frogs"]), "run")
    assert shlex.split(told) == ["auricle", "evaluate", "run", "--data", str(tmp_path), "--task", "birds"]
    evaluation = SimpleNamespace(folder="run/evaluation/birds", calibration={})
    told = next_command("evaluate", SimpleNamespace(run="run", data="birds", task="birds"), evaluation)
    assert shlex.split(told)[:3] == ["auricle", "compare", "run/evaluation/birds"]  # a stress test takes one task alone


def test_it_is_shown_last_unless_one_wants_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tone_folder(tmp_path / "my tones", 3)
    out, err = said(capsys, "check", data)
    assert out.startswith(str(data))
    trained = "auricle train classifier --recipe robust"
    rest = f"--data '{data}' --output runs/mine"
    assert err == f"next: {trained} --init-from efficientat-mn04 {rest}\n"
    many = SimpleNamespace(table=pd.DataFrame({"train": [1, 1], "total": [300, 400]}))
    assert next_command("check", SimpleNamespace(data=str(data)), many) == f"{trained} {rest}"
    assert said(capsys, "check", data, "--quiet")[1] == ""


def test_what_was_taught_is_measured_where_clips_were_put_aside(tmp_path: Path) -> None:
    options = SimpleNamespace(data="my-sounds")
    for split, verb in (("test", "evaluate"), ("valid", "predict")):
        row = f"x,a.wav,{split},,a,0,,{'0' * 64},a.wav"
        (tmp_path / "clips.csv").write_text(f"task,clip,split,group,labels,start_s,end_s,sha256,path\n{row}\n")
        assert next_command("teach", options, tmp_path).split()[1] == verb


@pytest.mark.parametrize(
    "given",
    [
        {"negative_label": "hiss"},
        {"negative_label": "-", "label_column": "species"},
        {"multi_label": True, "group_column": "my site"},
        {},
    ],
)
@pytest.mark.parametrize("verb", ["check", "train_classifier", "teach", "evaluate"])
def test_the_same_data_are_read_in_the_same_way(verb: str, given: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text(
        f"task,clip,split,group,labels,start_s,end_s,sha256,path\nx,a.wav,test,,a,0,,{'0' * 64},a.wav\n"
    )
    data = ["birds.csv"] if verb == "train_classifier" else "birds.csv"
    options = SimpleNamespace(data=data, run=str(tmp_path), task=None, **given)
    table = pd.DataFrame({"total": [3000, 3000]})
    outcome = SimpleNamespace(table=table, calibration={}) if verb in ("check", "evaluate") else tmp_path
    following = parse(shlex.split(next_command(verb, options, outcome))[1:])
    assert following is not None
    usual = {"negative_label": None, "multi_label": False, "label_column": "label", "group_column": None}
    assert {name: getattr(following[1], name) for name in usual} == {**usual, **given}
    assert following[1].data in ("birds.csv", ["birds.csv"])


@pytest.mark.parametrize("verb", ["teach", "calibrate"])
def test_predictions_of_another_model_are_left_where_they_are(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "runs" / "frogs"
    run.mkdir(parents=True)
    (run / "clips.csv").write_text("task,clip,split,group,labels,start_s,end_s,sha256,path\n")
    monkeypatch.chdir(tmp_path)
    told = [shlex.split(next_command(verb, SimpleNamespace(run=str(run)), run))]
    (tmp_path / "predictions").mkdir()
    told.append(shlex.split(next_command(verb, SimpleNamespace(run=str(run)), run)))
    assert [line[-1] for line in told] == ["predictions", "predictions-frogs"]


def test_after_a_search_the_model_of_the_table_is_taught(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    for system, taught in (("classifier", str(tmp_path)), ("audiomae", "MODEL")):
        (tmp_path / "config.json").write_text(json.dumps({"system": system}))
        facts = Facts(str(tmp_path), "0", 16000, 1.0, {})
        table = tmp_path / "table.parquet"
        write_part(table, "a.wav", (np.zeros(1), np.ones(1), np.ones((1, 2))), facts)
        told = next_command("search", SimpleNamespace(run=None, embeddings=str(table)), None)
        assert shlex.split(told)[1:4] == ["teach", "--model", taught]


def test_only_classifiers_are_inspected_after_a_comparison(tmp_path: Path) -> None:
    for name, system in (("one", "classifier"), ("two", "classifier"), ("other", "separator")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps({"system": system}))
    one, two, other = (str(tmp_path / name) for name in ("one", "two", "other"))
    for runs, expected in (
        ([one, two], shlex.join(["auricle", "inspect", one, two])),
        ([one, other], ""),
        ([one, str(tmp_path / "folds")], ""),
        ([], ""),
        (None, ""),
    ):
        assert next_command("compare", SimpleNamespace(runs=runs), None) == expected


def test_json_is_the_result_as_plain_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tone_folder(tmp_path / "tones", 3)
    out, err = said(capsys, "check", data, "--json", "--output", tmp_path / "report.json")
    assert err == ""
    assert json.loads(out) == json.loads((tmp_path / "report.json").read_text())
    names = json.loads(said(capsys, "list", "frontends", "--json")[0])
    lines = said(capsys, "list", "frontends")[0].splitlines()
    assert [row["name"] for row in names] == [line.split()[0] for line in lines]
    assert {tuple(row) for row in names} == {("name", "description")}
    models = json.loads(said(capsys, "list", "models", "--json")[0])
    assert {tuple(row) for row in models} == {("name", "here", "facts", "use")}


def test_json_stands_alone_on_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a verb says while it works, such as the size of a model that it fetches, is on standard error then."""

    whole = check_module.check_data

    def talking(*arguments: Any, **options: Any) -> Report:
        print("note: fetched")
        return whole(*arguments, **options)

    monkeypatch.setattr(check_module, "check_data", talking)
    data = tone_folder(tmp_path / "data", 4)
    for more, in_output in (([], True), (["--json"], False)):
        out, err = said(capsys, "check", data, *more)
        assert ("note: fetched" in out) == in_output
        assert ("note: fetched" in err) != in_output
    assert json.loads(out)


def test_json_is_refused_where_no_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["export", "run", "--output", "x.onnx", "--json"])
    assert ended.value.code == 2
    assert "unknown option --json" in capsys.readouterr().err
