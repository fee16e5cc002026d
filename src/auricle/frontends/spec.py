"""Front-ends in text: `name:option=value:option=value`, and names for tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from auricle.errors import AuricleError
from auricle.readers import yaml_value

_BETWEEN_COMMAS = re.compile(r",(?![^\[]*\])")


def read_frontend(text: str) -> dict[str, Any]:
    """`name` and options of "degram:order=8:merge=mean"; values as YAML reads them."""
    name, *options = text.split(":")
    settings: dict[str, Any] = {"name": name}
    for option in options:
        key, found, value = option.partition("=")
        if not found or key in settings:
            raise AuricleError(f"{text!r}: options of a front-end are given as name:option=value:option=value")
        settings[key] = yaml_value(value, text)
    return settings


def frontend_name(config: dict[str, Any]) -> str:
    """A front-end's name, with the options that make it another one."""
    shown = ", ".join(f"{key}={value}" for key, value in config.items() if key not in ("name", "sample_rate"))
    return config["name"] + (f" ({shown})" if shown else "")


def names_in(texts: Sequence[str]) -> list[str]:
    """The names in texts that hold one each or several with commas between them; a comma in brackets is an option's."""
    return [name for text in texts for name in _BETWEEN_COMMAS.split(text) if name]
