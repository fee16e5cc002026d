"""Recipes complete the options that are not given, from the command line and from Python alike."""

from __future__ import annotations

import pytest

import auricle
from auricle.commands.parser import parse
from auricle.config import Teach, TrainClassifier
from auricle.config.recipes import NEW, PRETRAINED, TAUGHT, recipe, recipes, with_recipe
from auricle.config.verbs import options_from
from auricle.errors import AuricleError

BASE = {"data": "sounds", "output": "run", "recipe": "robust"}


def from_the_command_line(*arguments: str) -> TrainClassifier:
    parsed = parse(["train", "classifier", "--data", "sounds", "--output", "run", "--recipe", "robust", *arguments])
    assert parsed is not None
    options = parsed[1]
    assert isinstance(options, TrainClassifier)
    return options


@pytest.mark.parametrize("start", [PRETRAINED, NEW])
@pytest.mark.parametrize("name", recipes())
def test_every_recipe_is_options_of_training(name: str, start: str):
    given = recipe(name, start)
    options = options_from(TrainClassifier, (), {"data": "sounds", "output": "run"} | given)
    for key, value in given.items():
        own = getattr(options, key)
        for inner, expected in value.items() if isinstance(value, dict) else ():
            assert getattr(own, inner) == expected
        assert isinstance(value, dict) or own == value


def test_the_recipe_of_a_head_is_options_of_teaching():
    given = ["--model", "m", "--data", "d", "--output", "r", "--recipe", "robust", "--min-level-db", "3"]
    parsed = parse(["teach", *given])
    assert parsed is not None
    assert isinstance(options := parsed[1], Teach)
    assert options.augmentation.conditions == recipe("robust", TAUGHT)["augmentation"]["conditions"] == "training"
    assert options.min_level_db == 3.0


def test_what_is_given_stands_and_the_rest_is_the_recipes():
    said = recipe("robust", PRETRAINED)
    options = from_the_command_line("--init-from", "mn04", "--training.epochs", "3", "--optimization.schedule=constant")
    assert options.training.epochs == 3
    assert options.training.batch_size == said["training"]["batch_size"]
    assert options.optimization.schedule == "constant"
    assert options.optimization.learning_rate == said["optimization"]["learning_rate"]
    assert options.distill
    assert options.refit_head
    again = options_from(
        TrainClassifier,
        (),
        BASE | {"init_from": "mn04", "training": {"epochs": 3}, "optimization": {"schedule": "constant"}},
    )
    assert again == options


def test_the_start_decides_which_recipe_it_is():
    assert not from_the_command_line().distill
    assert from_the_command_line("--init-from", "mn04").distill
    assert not with_recipe(TrainClassifier, {"data": "x", "output": "y"}).get("distill")


def test_a_file_of_settings_stands_before_the_recipe(tmp_path):
    (tmp_path / "own.yaml").write_text("training:\n  epochs: 7\n")
    options = from_the_command_line("--config", str(tmp_path / "own.yaml"))
    assert options.training.epochs == 7


def test_an_unknown_recipe_is_one_line(tmp_path):
    with pytest.raises(AuricleError, match="unknown recipe 'robst'"):
        auricle.train_classifier(data=tmp_path, output=tmp_path / "run", recipe="robst")


@pytest.mark.parametrize(
    ("arguments", "material", "snr_db"),
    [
        (["--augmentation.material", "noise=a b", "synthetic"], ["noise=a b", "synthetic"], None),
        (["--augmentation.material", "a", "--augmentation.material", "b"], ["a", "b"], None),
        (["--augmentation.material=a"], ["a"], None),
        (["--augmentation.material", '["a", "b"]'], ["a", "b"], None),
        (["--augmentation.noise-snr-db", "-5", "20"], [], [-5.0, 20.0]),
        (["--augmentation.noise-snr-db", "[-5, 20]"], [], [-5.0, 20.0]),
    ],
)
def test_lists_of_a_group_are_given_as_other_lists_are(arguments, material, snr_db):
    augmentation = from_the_command_line(*arguments).augmentation
    assert augmentation.material == material
    assert augmentation.noise_snr_db == snr_db
