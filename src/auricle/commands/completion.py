"""`auricle completion`: the script by which a shell completes verbs, options, choices and files."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import shtab

from auricle.commands import VERBS, Verb
from auricle.commands.flags import Flag, flags_of
from auricle.commands.help import HELP_ALL, PRINT_CONFIG, first_sentence
from auricle.commands.names import INDEX, MODELS_KIND
from auricle.config import Completion, element_type, verb
from auricle.config.values import choices
from auricle.published import MODELS
from auricle.readers import read_json

KINDS = {
    "frontend": "frontends", "frontends": "frontends", "backbone": "backbones", "backbones": "backbones",
    "suite": "suites", "test_suite": "suites", "train_condition": "suites", "augmentation.conditions": "suites",
    "corpus": "corpora", "names": MODELS_KIND,
}  # fmt: skip
"""The kind of names (auricle list) that an option takes."""

_MODELS = " ".join(MODELS)
MODEL_OR_FILE = {
    "bash": "_auricle_model_or_file",
    "zsh": "_auricle_model_or_file",
    "tcsh": "f",
    "preamble": {
        "bash": f'_auricle_model_or_file() {{ compgen -W "{_MODELS}" -- "$1"; compgen -f -- "$1"; }}',
        "zsh": f"_auricle_model_or_file() {{ _alternative 'models:model:({_MODELS})' 'files:file:_files' }}",
    },
}
"""What a shell offers for an option that takes a run or a published model."""


@verb
def completion(options: Completion) -> str:
    """Write the script; returns it."""
    parser = argparse.ArgumentParser(prog="auricle")
    _add_verbs(parser, VERBS, read_json(INDEX, dict) | {MODELS_KIND: MODELS})
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
                action = _add(added, flag, names)
                if flag.key in target.options.model_options:
                    action.complete = MODEL_OR_FILE  # type: ignore[attr-defined]
            for option in (HELP_ALL, PRINT_CONFIG):
                added.add_argument(option, action="store_true")
            _completed(added.add_argument("--config"), {})


def _add(parser: argparse.ArgumentParser, flag: Flag, names: dict[str, Any]) -> argparse.Action:
    name = flag.key if flag.positional else flag.name
    text = flag.text.replace("%", "%%")
    if flag.switch:
        return parser.add_argument(name, action="store_true", help=text)
    known = choices(element_type(flag.hint) or flag.hint) or names.get(KINDS.get(flag.key, ""))
    several = "*" if flag.several else None
    return _completed(parser.add_argument(name, nargs=several, help=text), known)


def _completed(action: argparse.Action, known: Any) -> argparse.Action:
    """What a shell offers for an option: the names that are known, else files."""
    if known:
        action.choices = list(known)
    else:
        action.complete = shtab.FILE  # type: ignore[attr-defined]
    return action
