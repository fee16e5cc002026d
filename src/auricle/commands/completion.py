"""`auricle completion`: the script by which a shell completes verbs, options, choices and files."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import shtab

from auricle.commands import VERBS, Verb
from auricle.commands.flags import Flag, flags_of
from auricle.commands.help import HELP_ALL, PRINT_CONFIG, first_sentence
from auricle.commands.names import INDEX
from auricle.config import Completion, element_type, verb
from auricle.config.verbs import choices
from auricle.readers import read_json

KINDS = {
    "frontend": "frontends", "frontends": "frontends", "backbone": "backbones", "backbones": "backbones",
    "suite": "suites", "test_suite": "suites", "train_condition": "suites", "augmentation.conditions": "suites",
    "corpus": "corpora",
}  # fmt: skip
"""The kind of names (auricle list) that an option takes."""


@verb
def completion(options: Completion) -> str:
    """Write the script; returns it."""
    parser = argparse.ArgumentParser(prog="auricle")
    _add_verbs(parser, VERBS, read_json(INDEX, dict))
    return shtab.complete(parser, options.shell)


def _add_verbs(
    parser: argparse.ArgumentParser, verbs: Mapping[str, Verb | dict[str, Verb]], names: dict[str, Any]
) -> None:
    subparsers = parser.add_subparsers()
    for name, target in verbs.items():
        if isinstance(target, dict):
            _add_verbs(subparsers.add_parser(name, help=f"one of {', '.join(target)}"), target, names)
        else:
            added = subparsers.add_parser(name, help=first_sentence(target).replace("%", "%%"))
            for flag in flags_of(target.options):
                _add(added, flag, names)
            for option in (HELP_ALL, PRINT_CONFIG):
                added.add_argument(option, action="store_true")
            _completed(added.add_argument("--config"), {})


def _add(parser: argparse.ArgumentParser, flag: Flag, names: dict[str, Any]) -> None:
    name = flag.key if flag.positional else flag.name
    text = flag.text.replace("%", "%%")
    if flag.switch:
        parser.add_argument(name, action="store_true", help=text)
        return
    known = choices(element_type(flag.hint) or flag.hint) or names.get(KINDS.get(flag.key, ""))
    several = "*" if flag.several else None
    _completed(parser.add_argument(name, nargs=several, help=text), known)


def _completed(action: argparse.Action, known: Any) -> None:
    """What a shell offers for an option: the names that are known, else files."""
    if known:
        action.choices = list(known)
    else:
        action.complete = shtab.FILE  # type: ignore[attr-defined]
