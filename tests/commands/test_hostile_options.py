"""No option of any verb, however it is given, imports, runs or reads anything that its value names."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
import time
import typing

import pytest
import yaml

import auricle
from auricle.__main__ import main
from auricle.audio.resampling import HIGHEST_RATE, LOWEST_RATE
from auricle.commands import every_verb
from auricle.commands.parser import parse
from auricle.config.limits import LIMITS
from auricle.errors import AuricleError
from auricle.readers import yaml_text

VERBS = every_verb()


def _admits(hint, kind):
    if hint is kind or typing.get_origin(hint) is kind:
        return True
    return any(_admits(inner, kind) for inner in typing.get_args(hint))


def _open_options():
    """Every option whose type admits a dictionary, or any value; and every group."""
    for name, verb in VERBS.items():
        for option, hint in typing.get_type_hints(verb.options).items():
            if option == "path_options" or option in verb.options.function_options:
                continue
            if _admits(hint, dict) or _admits(hint, typing.Any) or dataclasses.is_dataclass(hint):
                yield name, option


OPEN = sorted(_open_options())


def _needed(verb):
    """Arguments for all options that are needed except `without`."""
    kinds = dataclasses.fields(verb.options)
    missing = [f for f in kinds if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING]
    return [argument for f in missing for argument in (["x"] if not f.kw_only else [f"--{f.name}", "x"])]


@pytest.fixture
def canary(tmp_path, monkeypatch):
    """A module that leaves a file if it is imported or run."""
    ran = tmp_path / "it-ran"
    (tmp_path / "canary_module.py").write_text(f"open({str(ran)!r}, 'w')\nclass Bird:\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield ran
    assert not ran.exists()
    assert "canary_module" not in sys.modules


def specs(ran):
    """Values that a parser could take for a class, at several depths."""
    popen = {"class_path": "subprocess.Popen", "init_args": {"args": f"touch {ran}", "shell": True}}
    bird = {"class_path": "canary_module.Bird"}
    for spec in (popen, bird):
        yield spec
        yield {"n_filters": spec}
        yield {"a": {"b": [spec, {"c": spec}]}}
        yield {"epochs": spec}


def test_there_are_options_to_attack():
    assert {("train classifier", "frontend_options"), ("manifest", "options"), ("train trnet", "size")} <= set(OPEN)
    assert {("train classifier", "training"), ("compare", "optimization")} <= set(OPEN)


@pytest.mark.parametrize(("name", "option"), OPEN)
def test_a_class_in_an_option_stays_data(name, option, canary, tmp_path):
    verb = VERBS[name]
    group = dataclasses.is_dataclass(typing.get_type_hints(verb.options)[option])
    for spec in specs(canary):
        text = json.dumps(spec)
        (tmp_path / "c.yaml").write_text(yaml.safe_dump({option: spec}))
        dotted = [f"--{option}.{key}={json.dumps(value)}" for key, value in spec.items()]
        deeper = [f"--{option}.class_path=canary_module.Bird", f"--{option}.init_args.x=1"]
        for given in (
            ["--config", "c.yaml"],
            [f"--{option}={text}"],
            [f"--{option}", text],
            dotted,
            deeper,
            [f"--{option}=canary_module.Bird"],
            ["--config", "c.yaml", *dotted],
        ):
            arguments = [*name.split(), *_needed(verb), *given]
            if group:
                with pytest.raises(AuricleError):
                    parse(arguments)
            else:
                with contextlib.suppress(AuricleError):
                    _is_plain(getattr(parse(arguments)[1], option))


def _is_plain(value):
    assert type(value) in (dict, list, str, int, float, bool, type(None)), type(value)
    for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _is_plain(member)


@pytest.mark.parametrize(("name", "option"), OPEN)
def test_an_option_reads_no_file_that_its_value_names(name, option, canary, tmp_path):
    (tmp_path / "inner.yaml").write_text("epochs: 1\nn_filters: 3\n")
    verb = VERBS[name]
    for value in ("inner.yaml", "@inner.yaml", "/dev/zero"):
        (tmp_path / "c.yaml").write_text(yaml.safe_dump({option: value}))
        for given in (["--config", "c.yaml"], [f"--{option}={value}"], [f"--{option}", value]):
            with pytest.raises(AuricleError):
                parse([*name.split(), *_needed(verb), *given])


def test_an_entry_of_an_option_is_text_where_it_names_a_file(canary, tmp_path):
    (tmp_path / "inner.yaml").write_text("n: 3\n")
    _, options, _ = parse(["train", "classifier", "--data", "x", "--output", "y", "--frontend-options.a=inner.yaml"])
    assert options.frontend_options == {"a": "inner.yaml"}
    _, options, _ = parse(["train", "classifier", "--data", "@inner.yaml", "--output", "y"])
    assert options.data == ["@inner.yaml"]


def test_the_environment_gives_no_options(canary, monkeypatch, tmp_path):
    (tmp_path / "c.yaml").write_text("seed: 5\n")
    monkeypatch.setenv("JSONARGPARSE_DEFAULT_ENV", "true")
    for name in ("AURICLE_TRAIN_CLASSIFIER__SEED", "AURICLE_SEED", "SEED", "AURICLE__SEED"):
        monkeypatch.setenv(name, "5")
    for name in ("AURICLE_CONFIG", "AURICLE_TRAIN_CLASSIFIER__CONFIG", "CONFIG"):
        monkeypatch.setenv(name, "c.yaml")
    _, options, _ = parse(["train", "classifier", "--data", "x", "--output", "y"])
    assert options.seed == 0


def test_the_command_line_overrides_the_file_wherever_it_stands(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "data: [a]\nseed: 1\nfrontend_options: {n_filters: 8, x: {y: 1}}\ntraining: {epochs: 2}\n"
    )
    (tmp_path / "b.yaml").write_text("seed: 2\ntraining: {batch_size: 4}\n")
    own = ["--output", "o", "--training.epochs", "7", "--frontend-options.x.z=2"]
    for order in (
        ["--config", f"{tmp_path}/a.yaml", f"--config={tmp_path}/b.yaml", *own],
        [*own, "--config", f"{tmp_path}/a.yaml", f"--config={tmp_path}/b.yaml"],
    ):
        _, options, _ = parse(["train", "classifier", *order])
        assert (options.seed, options.training.epochs, options.training.batch_size) == (2, 7, 4)
        assert options.data == ["a"]
        assert options.frontend_options["n_filters"] == 8
        assert options.frontend_options["x"]["z"] == 2


BOMB = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)
BAD_FILES = {
    "bomb": BOMB.encode(),
    "bomb in an option": ("data:\n" + "".join(f"- {line}\n" for line in BOMB.splitlines())).encode(),
    "itself": b"frontend_options: &a {x: *a}",
    "merged bomb": b"a: &a {k: v}\nb: &b {<<: [*a, *a, *a]}\n",
    "deep": b"frontend_options: " + b"[" * 500_000,
    "deep and closed": b"frontend_options: {a: " + b"[" * 90 + b"]" * 90 + b"}",
    "deep block": b"frontend_options: " + b"? " * 400_000,
    "large": b"data: [" + b"x, " * 500_000 + b"]",
    "many": b"data: [" + b"x, " * 200_000 + b"]",
    "python": b"frontend_options: !!python/object/apply:os.system ['touch it-ran']",
    "python name": b"data: [!!python/name:canary_module.Bird '']",
    "python module": b"data: !!python/module:canary_module ''",
    "binary": b"data: !!binary aGVsbG8=",
    "set": b"data: !!set {a, b}",
    "unclosed": b"data: [a",
    "tabs": b"training:\n\tepochs: 1",
    "utf-16": "data: [a]".encode("utf-16"),
    "utf-32": "data: [a]".encode("utf-32"),
    "latin-1": "data: [caf\u00e9]".encode("latin-1"),
    "zero bytes": b"data: [a]\0",
    "control": b"data: [\x01]",
    "null group": b"training: null",
    "list for a group": b"training: [1]",
    "text for a group": b"training: other.yaml",
    "class for a group": b"training: {class_path: canary_module.Bird}",
    "list at the top": b"- data",
    "text at the top": b"data",
    "number at the top": b"7",
    "twice": b"seed: 1\nseed: 2",
    "twice inside": b"training: {epochs: 1, epochs: 2}",
    "number as name": b"1: 2",
    "list as name": b"? [a]\n: 1",
    "nested file": b"config: other.yaml",
    "nested file in a group": b"training: {config: other.yaml}",
    "two documents": b"seed: 1\n---\nseed: 2",
    "text for a number": b"seed: one",
    "date for a number": b"seed: 2020-01-01",
    "large number": b"seed: " + b"9" * 5000,
    "number beyond floats": b"seed: " + b"9" * 400,
    "zero byte in a text": b'frontend: "a\\0b"',
    "infinite": b"seed: .inf",
    "bad tag": b"seed: !!timestamp x",
    "bool tag": b"seed: !!bool x",
    "null list": b"data: null",
    "list of null": b"data: [null]",
    "dictionary for text": b"frontend: {a: 1}",
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_one_line_at_once(kind, canary, tmp_path, capsys):
    (tmp_path / "c.yaml").write_bytes(BAD_FILES[kind])
    (tmp_path / "other.yaml").write_text("seed: 1\n")
    started = time.process_time()
    with pytest.raises(SystemExit) as ended:
        main(["train", "classifier", "--data", "x", "--output", "y", "--config", "c.yaml"])
    assert ended.value.code == 2
    assert time.process_time() - started < 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("auricle: c.yaml: ")
    assert len(line) < 500


def test_many_values_without_aliases_are_not_said_to_be_aliases(tmp_path):
    (tmp_path / "c.yaml").write_bytes(BAD_FILES["many"])
    with pytest.raises(AuricleError, match="more than 100000 values and names"):
        parse(["train", "classifier", "--data", "x", "--output", "y", "--config", str(tmp_path / "c.yaml")])


def test_a_file_that_is_none_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "loop", tmp_path / "none", "/dev/zero", "", "a\0b"):
        with pytest.raises(AuricleError):
            parse(["train", "classifier", "--data", "x", "--output", "y", "--config", str(path)])


def test_dates_and_other_looks_stay_text(tmp_path):
    (tmp_path / "c.yaml").write_text(
        "label_column: 2020-01-01\nfrontend: 1:30\noutput: 12-3\ndata: [a: b]\n".replace("a: b", "'a: b'")
    )
    _, options, _ = parse(["train", "classifier", "--config", str(tmp_path / "c.yaml")])
    assert (options.label_column, options.frontend, options.output) == ("2020-01-01", "1:30", "12-3")


def test_values_on_the_command_line_are_bounded(tmp_path):
    flow = "{" + BOMB.replace("\n", ", ") + "}"
    for value in (BOMB, flow, "[" * 50_000, "[" * 60 + "]" * 60):
        for option in ("--frontend-options", "--seed", "--data", "--training.epochs", "--frontend-options.x"):
            started = time.monotonic()
            with pytest.raises(AuricleError) as raised:
                parse(["train", "classifier", "--output", "y", f"{option}={value}", "--seed", "x"])
            assert time.monotonic() - started < 2
            assert len(str(raised.value)) < 1000


def test_settings_written_are_settings_read(tmp_path):
    arguments = ["train", "classifier", "--data", "1e3", "a b", "--output", "o", "--label-column", "2020-01-01"]
    arguments += ["--frontend-options.n_filters=8", "--frontend-options.name='12'", "--training.epochs", "3"]
    _, options, _ = parse(arguments)
    assert options.frontend_options == {"n_filters": 8, "name": "12"}
    (tmp_path / "s.yaml").write_text(yaml_text(options.settings()))
    assert parse(["train", "classifier", "--config", str(tmp_path / "s.yaml")])[1] == options


def test_rates_are_those_of_sounds() -> None:
    assert LIMITS["sample_rate"] == (LOWEST_RATE, HIGHEST_RATE)
    with pytest.raises(AuricleError, match="sample_rate=49: a number from 50"):
        auricle.bench(frontends=["mel"], backbones=["cnn-small"], sample_rate=49)
