"""Options stand once: dataclass, signature, stub and command line say the same."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import runpy
import typing
from pathlib import Path

import numpy as np
import pytest

import auricle
from auricle import commands, config
from auricle.__main__ import main
from auricle.commands import every_verb
from auricle.commands.flags import flags_of
from auricle.commands.help import SECTIONS
from auricle.commands.names import INDEX
from auricle.config.options import described
from auricle.config.recipes import recipes
from auricle.config.values import choices, element_type
from auricle.config.verbs import options_from
from auricle.errors import AuricleError
from auricle.frontends import FRONTENDS, register_frontend
from sounds import tone_folder

ROOT = Path(auricle.__file__).parents[2]
STUB = ast.parse(Path(auricle.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
TYPED = {node.name: node for node in STUB.body if isinstance(node, ast.FunctionDef)}
VERBS = every_verb()
ACCEPTED = {
    "str": "StrPath",
    "str | None": "StrPath | None",
    "list[str]": "StrPath | Sequence[StrPath]",
    "list[str] | None": "StrPath | Sequence[StrPath] | None",
    "list[str | Callable[..., Any]]": "StrPath | Callable[..., Any] | Sequence[StrPath | Callable[..., Any]]",
    "list[float]": "float | Sequence[float]",
    "list[float] | None": "float | Sequence[float] | None",
    "list[int] | None": "int | Sequence[int] | None",
}
"""Types in the stub: paths may be given for text, and one value for a list, as the functions take them."""


@pytest.mark.parametrize("name", VERBS)
def test_signature_stub_and_dataclass_are_one(name):
    verb = VERBS[name]
    function = getattr(auricle, verb.name)
    assert function is verb.function()
    assert function.options is verb.options
    fields = dataclasses.fields(verb.options)
    parameters = inspect.signature(function).parameters
    positional = [field.name for field in fields if not field.kw_only]
    assert list(parameters) == positional + [field.name for field in fields if field.kw_only]
    arguments = TYPED[verb.name].args
    assert [argument.arg for argument in arguments.args] == positional
    assert [argument.arg for argument in arguments.kwonlyargs] == [f.name for f in fields if f.kw_only]
    hints = {a.arg: ast.unparse(a.annotation) for a in (*arguments.args, *arguments.kwonlyargs) if a.annotation}
    for field in fields:
        grouped = dataclasses.is_dataclass(field.default)
        expected = f"{field.type} | Mapping[str, Any]" if grouped else ACCEPTED.get(field.type, str(field.type))
        assert hints[field.name] == ast.unparse(ast.parse(expected)), field.name


@pytest.mark.parametrize("name", VERBS)
def test_every_option_is_described(name):
    text, documented = described(VERBS[name].options.__doc__ or "")
    assert text
    assert set(documented) == {field.name for field in dataclasses.fields(VERBS[name].options)}


def test_a_missing_value_is_none():
    """No empty text, and no number that means "by default"."""
    for verb in VERBS.values():
        for field in dataclasses.fields(verb.options):
            assert not (isinstance(field.default, str) and field.default == ""), (verb.name, field.name)
            if "None" in str(field.type):
                assert field.default is None, (verb.name, field.name)


@pytest.mark.parametrize("name", VERBS)
def test_what_is_needed_is_not_empty(name):
    """As "$UNSET" is in a shell; an empty path would be the current folder."""
    kind = VERBS[name].options
    needed = [f for f in dataclasses.fields(kind) if f.default is f.default_factory is dataclasses.MISSING]
    hints = typing.get_type_hints(kind)
    full = {f.name: ["x"] if element_type(hints[f.name]) else "x" for f in needed if not choices(hints[f.name])}
    needed = [field for field in needed if field.name in full]
    for field in [*needed, *(f for f in dataclasses.fields(kind) if f.name == "output")]:
        for empty in (["x", ""], []) if element_type(hints[field.name]) else ("",):
            with pytest.raises(AuricleError, match=f"^{field.name}: it is empty$"):
                options_from(kind, (), full | {field.name: empty})


def test_an_option_of_one_meaning_has_one_name_and_type():
    kinds: dict[str, set[str]] = {}
    for verb in VERBS.values():
        for field in dataclasses.fields(verb.options):
            kinds.setdefault(field.name, set()).add(str(field.type))
    for name in ("label_column", "group_column", "skip_bad", "seed", "device", "split", "fold", "overwrite", "quiet"):
        assert len(kinds[name]) == 1, (name, kinds[name])
    assert not {"data_options", "select", "part"} & set(kinds)


@pytest.mark.parametrize("name", VERBS)
def test_the_command_line_has_every_option(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*name.split(), "--help-all"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for flag in flags_of(VERBS[name].options):
        assert f"  {flag.placeholder if flag.positional else flag.name}" in shown, flag
        if choices(flag.hint):
            assert f"{{{','.join(choices(flag.hint))}}}" in shown


@pytest.mark.parametrize("name", VERBS)
def test_help_is_short_and_says_how_to_see_more(name, capsys, monkeypatch):
    """Every basic option is one of the verb's; what is needed is basic; no default is shown that means nothing."""
    monkeypatch.setenv("COLUMNS", "82")
    flags = {flag.key: flag for flag in flags_of(VERBS[name].options)}
    basic = VERBS[name].options.basic_options or tuple(flags)
    assert set(basic) <= set(flags)
    assert all(key in basic for key, flag in flags.items() if flag.needed)
    with pytest.raises(SystemExit):
        main([*name.split(), "--help"])
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) <= 80
    assert ("--help-all" in shown) == (len(basic) < len(flags))
    for key, flag in flags.items():
        there = re.search(rf"^  {re.escape(flag.placeholder if flag.positional else flag.name)}[ .\n]", shown, re.M)
        assert bool(there) == (key in basic), key
    with pytest.raises(SystemExit):
        main([*name.split(), "--help-all"])
    shown += capsys.readouterr().out
    assert not re.search(r"default: (\)|-1|null|None|\[\]|False)", shown)


def test_help_on_the_whole_has_every_verb_once():
    named = [name for names in SECTIONS.values() for name in names]
    assert sorted(named) == sorted(commands.VERBS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["help"], "make a model:"),
        (["--help"], "make a model:"),
        ([], "make a model:"),
        (["train", "--help"], "classifier  Train a sound classifier"),
        (["help", "export"], "usage: auricle export RUN --output OUTPUT [options]"),
    ],
)
def test_help_is_found_however_it_is_asked_for(arguments, said, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    assert said in capsys.readouterr().out


def test_the_recipes_are_the_choices():
    assert list(choices(typing.get_type_hints(config.TrainClassifier)["recipe"])) == recipes()


def test_the_stub_is_what_the_tool_writes():
    made = runpy.run_path(str(ROOT / "tools" / "stub.py"))["stub"]()
    functions = {node.name: ast.dump(node) for node in ast.parse(made).body if isinstance(node, ast.FunctionDef)}
    assert functions == {name: ast.dump(node) for name, node in TYPED.items()}


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "enhancer", "--speech", "x", "--output", "y", "--training.balance", "true"],
        ["train", "trnet", "--data", "x", "--noise", "n", "--output", "y", "--training.balance", "true"],
        ["train", "audiomae", "--data", "x", "--output", "y", "--training.balance", "true"],
        ["train", "audiomae", "--data", "x", "--output", "y", "--splits.test-share", "0.1"],
        ["train", "separator", "--data", "x", "--output", "y", "--training.window-range-s", "[1,2]"],
        ["train", "enhancer", "--speech", "x", "--output", "y", "--training.window-range-s", "[1,2]"],
        ["train", "separator", "--data", "x", "--output", "y", "--optimization.frontend-learning-rate", "1"],
        *(
            ["train", "classifier", "--data", "x", "--output", "y", f"--augmentation.{option}", value]
            for option, value in (
                ("noise-share", "0.5"),
                ("spec-band-width", "0.1"),
                ("spec-frame-width", "0.1"),
                ("material", "noises"),
                ("conditions-share", "0.5"),
                ("conditions-by", "clip"),
                ("without", "white"),
            )
        ),
    ],
)
def test_an_option_that_a_training_would_ignore_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert arguments[-2].replace("-", "_").lstrip("_") in capsys.readouterr().err.replace("-", "_")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["classifier", "--data", "x", "--optimization.patience", "3"], "patience=3: it is for the schedule plateau"),
        (
            ["enhancer", "--speech", "x", "--optimization.schedule", "cosine", "--optimization.halve-every", "3"],
            "halve_every=3: it is for the schedule halving",
        ),
    ],
)
def test_an_option_of_another_schedule_is_refused(arguments, said, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train", *arguments, "--output", "y"])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--augmentation.mixup", "--optimization.weight-decay", "--min-level-db"])
@pytest.mark.parametrize("value", ["inf", "-inf", "1e308", "nan"])
def test_a_number_that_single_precision_cannot_hold_is_refused(option, value, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train", "classifier", "--data", "x", "--output", "y", f"{option}={value}"])
    assert ended.value.code == 2
    assert "a number from -1e+30 to 1e+30 is needed" in capsys.readouterr().err


@pytest.mark.parametrize("part", ["frontend", "backbone"])
def test_a_part_is_not_named_by_its_options(part, tmp_path, capsys):
    given = ["--data", str(tone_folder(tmp_path / "data", 4)), "--output", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as ended:
        main(["train", "classifier", *given, f"--{part}-options.name", "leaf"])
    assert ended.value.code == 2
    assert "name=leaf: it is no option; give it as --frontend or --backbone" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "today"),
    [
        (["train", "classifier", "--data", "x", "--output", "y", "--select.test-fold", "1"], "--splits"),
        (["train", "classifier", "--data", "x", "--output", "y", "--select.split", "a"], "--splits.train-split"),
        (["stress", "run", "--data", "x", "--data-options.label-column", "l"], "--label-column"),
        (["corrupt", "x", "--output", "y", "--part", "train"], "--material-split"),
    ],
)
def test_an_old_option_names_the_new_one(arguments, today, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert today in capsys.readouterr().err


class TestFromPython:
    def test_groups_may_be_dictionaries_of_what_differs_from_the_verbs_defaults(self):
        made = config.verbs.options_from(
            config.TrainEnhancer, (), {"speech": Path("a"), "output": "b", "noise": "c", "training": {"epochs": 3}}
        )
        assert (made.speech, made.noise) == ("a", ["c"])
        assert made.training == config.Training(epochs=3, batch_size=4)

    def test_an_unknown_option_of_a_group_is_named(self):
        with pytest.raises(AuricleError, match=r"'epoch'; did you mean 'epochs'"):
            config.verbs.options_from(
                config.TrainClassifier, (), {"data": "a", "output": "b", "training": {"epoch": 3}}
            )

    @pytest.mark.parametrize(
        ("name", "meant"), [("front_end", "did you mean 'frontend'"), ("epochs", "it is training.epochs")]
    )
    def test_an_unknown_option_is_a_type_error_that_names_what_was_meant(self, name, meant):
        with pytest.raises(TypeError, match=f"unknown option '{name}'; {meant}"):
            auricle.train_classifier(data="x", output="y", **{name: "mel"})

    def test_a_missing_argument_is_that_of_a_function(self):
        with pytest.raises(TypeError, match=r"^check\(\): missing a required argument: 'data'$"):
            auricle.check()

    @pytest.mark.parametrize(
        ("option", "message"),
        [
            ({"training": {"epochs": 2.5}}, "training.epochs=2.5: expected a whole number"),
            ({"training": {"epochs": "many"}}, "training.epochs='many': expected a whole number"),
            ({"training": config.ClassifierTraining(cache_dir=3)}, "training.cache_dir=3: expected text or None"),
            ({"training": None}, "training=None: expected a dictionary of options"),
            ({"seed": True}, "seed=True: expected a whole number"),
            ({"overwrite": "yes"}, "overwrite='yes': expected True or False"),
            ({"freeze": ["frontend", 3]}, "freeze=3: expected text"),
            ({"frontend_options": "n"}, "frontend_options='n': expected a dictionary of options or None"),
            ({"window_s": "1"}, "window_s='1': expected a number or None"),
        ],
    )
    def test_a_value_of_another_type_is_refused_in_one_line(self, option, message, tmp_path):
        with pytest.raises(AuricleError) as refused:
            auricle.train_classifier(data="x", output=tmp_path / "y", **option)
        assert str(refused.value) == message
        assert not list(tmp_path.iterdir())

    def test_values_become_plain(self):
        made = config.verbs.options_from(
            config.Evaluate, (Path("run"),), {"data": Path("a"), "snr": np.float32(5), "seed": np.int64(3)}
        )
        assert (made.run, made.data, made.snr, made.seed) == ("run", "a", [5.0], 3)
        assert [type(value) for value in (*(made.snr or []), made.seed)] == [float, int]
        given = {"data": (Path("a"), "b"), "output": "c", "window_s": 2}
        made = config.verbs.options_from(config.TrainClassifier, (), given)
        assert (made.data, made.window_s) == (["a", "b"], 2.0)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["train", "classifier", "--training.epochs", "many"], "--training.epochs many: expected a whole number"),
            (["train", "classifier", "--window-s", "x"], "--window-s x: expected a number or None"),
            (["train", "classifier", "--training.balance=maybe"], "--training.balance=maybe: expected true or false"),
        ],
    )
    def test_the_command_line_says_so_too(self, arguments, message, capsys):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert capsys.readouterr().err.startswith(f"auricle: {message}")

    def test_names_are_found_by_tab(self):
        assert {"train_classifier", "create_frontend", "load", "__version__"} <= set(dir(auricle))


def test_the_index_of_names_is_what_the_tool_writes():
    made = runpy.run_path(str(ROOT / "tools" / "names.py"))["index"]()
    assert INDEX.read_text(encoding="utf-8") == made


def test_a_component_registered_here_is_listed(monkeypatch):
    monkeypatch.setattr(FRONTENDS, "_constructors", dict(FRONTENDS._constructors))

    @register_frontend("one-of-mine")
    def mine(**options):
        """Mine alone."""

    assert "one-of-mine      Mine alone." in str(auricle.list_names("frontends")).splitlines()
