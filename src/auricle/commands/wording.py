"""What the command line says of arguments that it cannot use: one line, with what was meant."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Mapping, Sequence

from auricle.commands import VERBS, Verb
from auricle.commands.flags import Flag, flags_of
from auricle.commands.help import HELP_ALL, usage
from auricle.config import Options
from auricle.errors import AuricleError
from auricle.registry import unknown_name

OTHER_VERBS = {
    "classify": "predict", "label": "predict", "infer": "predict", "tag": "predict", "detect": "predict --events",
    "test": "evaluate", "eval": "evaluate", "measure": "evaluate", "benchmark": "bench", "denoise": "enhance",
    "fit": "train classifier", "finetune": "train classifier --init-from", "augment": "corrupt", "plot": "inspect",
    "models": "list models", "frontends": "list frontends", "config": "train classifier --print-config",
}  # fmt: skip
"""What people type for verbs, and the verbs."""

OTHER_FLAGS = {
    "lr": "learning-rate", "batch": "batch-size", "bs": "batch-size", "out": "output", "o": "output",
    "output-dir": "output", "out-dir": "output", "gpu": "device, accelerator", "cuda": "device, accelerator",
    "workers": "num-workers", "model": "run, frontend, backbone", "verbose": "quiet", "force": "overwrite",
    "noise-snr": "noise-snr-db", "dataset": "data", "sr": "sample-rate", "window": "window-s", "hop": "hop-s",
    "resume": "overwrite", "checkpoint": "init-from", "pretrained": "init-from", "conditions": "suite",
    "select.split": "splits.train-split", "part": "material-split, component", "data": "speech",
    "input": "files", "file": "files", "audio": "files", "recordings": "files",
}  # fmt: skip
"""What people type for options, earlier names among them, and the options."""


EARLIER_FORMS = {"corrupt": ("suite", "data", "output"), "convert": ("checkpoint", "output")}
"""Verbs whose options were told by their places, in this order; such commands are still understood."""


def find_verb(arguments: Sequence[str]) -> tuple[str, Verb, list[str]]:
    """The verb that the arguments begin with, as in "train classifier", and the other arguments."""
    first, *rest = arguments
    target = VERBS.get(first)
    if isinstance(target, Verb):
        return first, target, rest
    if isinstance(target, dict):
        second = rest[0] if rest else ""
        if second in target:
            return f"{first} {second}", target[second], rest[1:]
        if second and not second.startswith("-"):
            raise AuricleError(unknown_name(f"kind of {first}", second, target))
        usual = f"; for labels: {shlex.join(['auricle', first, 'classifier', *rest])}" if "classifier" in target else ""
        raise AuricleError(f"auricle {first} what? Known: {', '.join(target)}{usual}")
    if first.startswith("-"):
        raise AuricleError(f"{first}: an option comes after its verb; auricle --help lists the verbs")
    group = next((name for name, kinds in VERBS.items() if isinstance(kinds, dict) and first in kinds), None)
    other = f"{group} {first}" if group else OTHER_VERBS.get(first)
    if other:
        raise AuricleError(f"unknown command {first!r}; it is auricle {other}")
    raise AuricleError(unknown_name("command", first, VERBS))


def missing(name: str, flags: Sequence[Flag], absent: Sequence[Flag]) -> str:
    """The message for the needed options of a verb that are not given."""
    return f"missing: {', '.join(flag.name for flag in absent)}. Usage: {usage(name, flags)}"


def unexpected(name: str, flags: Sequence[Flag], words: Sequence[str]) -> str:
    """The message for `words`, of which there are more than the verb takes by their places."""
    extra = words[sum(flag.positional for flag in flags) :]
    other = "; for files: auricle predict" if name == "listen" else ""
    return f"unexpected: {shlex.join(extra)}. Usage: {usage(name, flags)}{other}"


def in_earlier_form(name: str, words: Sequence[str]) -> dict[str, str]:
    """The options that `words` stand for in the verb's earlier form; empty where they are not in it."""
    keys = EARLIER_FORMS.get(name.partition(" ")[0], ())
    return dict(zip(keys, words, strict=True)) if len(words) == len(keys) else {}


def todays_form(name: str, flags: Sequence[Flag], given: Mapping[str, str]) -> str:
    """How a command with these options is written."""
    placed = [given[flag.key] for flag in flags if flag.positional]
    named = [
        word for flag in flags if not flag.positional and flag.key in given for word in (flag.name, given[flag.key])
    ]
    return f"it is written auricle {name} {shlex.join([*placed, *named])}"


def unknown_flag(name: str, flags: Sequence[Flag], given: str) -> str:
    """The message for an option that a verb does not have, or a group without the name of its option."""
    key = given.lstrip("-")
    inside = [flag for flag in flags if flag.group == key]
    if inside:
        return f"{given}: give its options one by one, as in {inside[0].name}=…"
    if any(flag.positional and flag.name.lower() in {key, *_stands_for(key)} for flag in flags):
        return f"{given}: it is given without a name: {usage(name, flags)}"
    meant = _meant(key, flags)
    hint = f"; did you mean {' or '.join(meant)}?" if meant else ""
    return f"unknown option {given}{hint} (auricle {name} {HELP_ALL} lists all)"


def unknown_key(key: str, kind: type[Options]) -> str:
    """The message for a key of a file that is no option."""
    meant = [flag[2:].replace("-", "_") for flag in _meant(key.replace("_", "-"), flags_of(kind))]
    return f"unknown option {key!r}" + (f"; did you mean {' or '.join(meant)}?" if meant else "")


def _meant(key: str, flags: Sequence[Flag]) -> list[str]:
    """The options that `key`, written with hyphens, is most likely to stand for."""
    names = {flag.name: flag.name.rpartition(".")[2].removeprefix("--") for flag in flags if not flag.positional}
    for wanted in ({_last(key)}, _stands_for(key)):
        found = [name for name, last in names.items() if last in wanted or name[2:] in wanted]
        if found:
            return found
    near = difflib.get_close_matches(key, [name[2:] for name in names], n=1, cutoff=0.7)
    near = near or difflib.get_close_matches(_last(key), list(names.values()), n=1, cutoff=0.7)
    return [name for name, last in names.items() if near and near[0] in (name[2:], last)]


def _stands_for(key: str) -> set[str]:
    return set(OTHER_FLAGS.get(key, OTHER_FLAGS.get(_last(key), "")).split(", "))


def _last(key: str) -> str:
    return re.sub(r".*\.", "", key)
