"""Recipes: recommended options by name, for those that are not given."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from auricle.errors import AuricleError
from auricle.registry import unknown_name

FOLDER = Path(__file__).with_suffix("")
PRETRAINED, NEW, TAUGHT = "pretrained", "new", "taught"


def recipes() -> list[str]:
    """The names of all recipes."""
    return sorted({path.name.partition(".")[0] for path in FOLDER.glob("*.yaml")})


def recipe(name: str, start: str) -> dict[str, Any]:
    """The options of a recipe for a `PRETRAINED` start, for a start from scratch (`NEW`), or for a `TAUGHT` head."""
    from auricle.readers import read_yaml

    if name not in recipes():
        raise AuricleError(unknown_name("recipe", name, recipes()))
    return read_yaml(FOLDER / f"{name}.{start}.yaml")


def with_recipe(kind: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The options `given` for `kind`, completed by those of the recipe that they name, if any.

    What is given stands, also within a group. Raises `AuricleError` for an unknown recipe.
    """
    name, known = given.get("recipe"), {field.name for field in dataclasses.fields(kind)}
    if "recipe" not in known or not isinstance(name, str):
        return dict(given)
    trained = PRETRAINED if given.get("init_from") else NEW
    completed = recipe(name, trained if "init_from" in known else TAUGHT)
    for key, value in given.items():
        inner = completed.get(key)
        completed[key] = {**inner, **value} if isinstance(inner, dict) and isinstance(value, Mapping) else value
    return completed
