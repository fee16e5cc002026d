"""The errors of the command line in our words."""

from __future__ import annotations

import ast
import re
from typing import Any

from auricle.config import Options
from auricle.config.options import unknown_option
from auricle.config.verbs import expected_type
from auricle.registry import unknown_name

_LONGEST = 80  # characters of a value in a message
RENAMED = {
    "select.split": "splits.train-split",
    "select": "splits",
    "data-options.label-column": "label-column",
    "data-options.group-column": "group-column",
    "data-options.skip-bad": "skip-bad",
    "data-options": "label-column, --group-column and --skip-bad",
    "part": "material-split (corrupt, stress) or --component (export)",
}


def hint(text: str) -> str:
    """The current name of an option that `RENAMED` lists, as a hint; empty for other options."""
    for old, new in RENAMED.items():
        if re.search(rf"(^|--| ){re.escape(old)}\b", text.replace("_", "-")):
            return f" (--{old} was renamed: --{new})"
    return ""


def about_option(message: str, options: type[Options]) -> str:
    """The message for an option that `options` do not have, or for a value of another type, in our words."""
    unknown = re.fullmatch(r"unrecognized arguments: --([\w.]+).*", message)
    if unknown and not hint(message):
        return unknown_option(options, unknown[1])
    value = re.fullmatch(r'Parser key "([\w.]+)": .*?(?:Got|Given) value: ?(.*)', message)
    if value:
        return f"--{value[1].replace('_', '-')} {_short(value[2])}: expected {expected_type(options, value[1])}"
    return message


def _short(value: str) -> str:
    return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"


def plain(message: str) -> str:
    """A message of jsonargparse as one line, in our words if it is one of the usual ones."""
    line = " ".join(message.split())
    missing = re.fullmatch(r"the following arguments are required: (.*)", line)
    if missing:
        names = (name.strip().rpartition(".")[2] for name in missing[1].split(","))
        return "missing: " + ", ".join(names).replace("_", "-")
    verbs = re.search(r'expected "([\w.]*)subcommand" to be one of \{(.*?)\}, but it was not provided', line)
    if verbs:
        return f"auricle {verbs[1].replace('.', ' ')}what? Known: {verbs[2].replace(',', ', ')}"
    invalid = re.fullmatch(r"argument \w*subcommand: invalid choice: '(.*)' \(choose from (.*)\)", line)
    if invalid:
        return unknown_name("command", invalid[1], [name.strip(" '") for name in invalid[2].split(",")])
    choice = re.search(r'key "([\w.]+)": .*?Literal(\[.*?\]).* value: ?(.*)', line)
    if choice:
        known: list[Any] = ast.literal_eval(choice[2])
        return unknown_name(choice[1].replace("_", "-"), choice[3], known)
    return line
