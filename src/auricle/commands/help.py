"""The texts of --help and --help-all, laid out by argparse."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import fields

from auricle.commands import VERBS, Verb
from auricle.commands.flags import Flag, flags_of
from auricle.config.options import described

HELP, HELP_ALL = ("-h", "--help"), "--help-all"
PRINT_CONFIG, JSON = "--print-config", "--json"
SECTIONS = {
    "begin": ("demo", "doctor", "list", "completion"),
    "recordings": ("check", "manifest", "corrupt"),
    "make a model": ("train", "teach", "calibrate", "download", "convert"),
    "measure models": ("evaluate", "stress", "compare", "inspect", "bench"),
    "use a model": (
        "predict",
        "review",
        "embed",
        "search",
        "enhance",
        "separate",
        "listen",
        "studio",
        "export",
        "push",
    ),
}
OF_KINDS = {"train": "Train a model from recordings", "convert": "Convert a published checkpoint to a model folder"}
_WIDEST = 100


class _Layout(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        width = min(shutil.get_terminal_size().columns - 2, _WIDEST)
        super().__init__(prog, max_help_position=30, width=width)

    def _split_lines(self, text: str, width: int) -> list[str]:
        """Names with hyphens stay whole."""
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Paragraphs stay paragraphs."""
        return "\n\n".join("\n".join(self._split_lines(part, width)) for part in text.split("\n\n"))


def all_verbs() -> str:
    """Help on the command line as a whole."""
    parser = argparse.ArgumentParser(
        prog="auricle",
        usage="auricle VERB [INPUT ...] [--option value ...]",
        description="Train, stress-test and deploy audio models that keep working in noise.",
        epilog="auricle VERB --help shows how a verb is used, auricle --version the version.",
        formatter_class=_Layout,
        add_help=False,
    )
    for title, names in SECTIONS.items():
        _add_verbs(parser.add_argument_group(title), {name: VERBS[name] for name in names})
    return parser.format_help().rstrip()


def kinds_help(name: str, kinds: dict[str, Verb]) -> str:
    """Help on a verb of several kinds, such as train."""
    parser = argparse.ArgumentParser(
        usage=f"auricle {name} {{{','.join(kinds)}}} [--option value ...]",
        description=f"{OF_KINDS[name]}.",
        formatter_class=_Layout,
        add_help=False,
    )
    _add_verbs(parser.add_argument_group("kinds"), kinds)
    return parser.format_help().rstrip()


def _add_verbs(group: argparse._ArgumentGroup, verbs: Mapping[str, Verb | dict[str, Verb]]) -> None:
    for name, target in verbs.items():
        text = f"{OF_KINDS[name]}: {', '.join(target)}." if isinstance(target, dict) else first_sentence(target)
        group.add_argument(name, help=text.replace("%", "%%"))


def first_sentence(verb: Verb) -> str:
    """What a verb does."""
    return described(verb.options.__doc__ or "")[0].partition("\n")[0]


def usage(name: str, flags: Sequence[Flag]) -> str:
    """The command with what it needs, as in "auricle export RUN --output OUTPUT [options]"."""
    words = [f"auricle {name}"]
    for flag in sorted(flags, key=lambda flag: not flag.positional):
        if flag.needed or flag.positional:
            shown = flag.placeholder + (" ..." if flag.several else "")
            words.append((shown if flag.positional else f"{flag.name} {shown}") if flag.needed else f"[{shown}]")
    return " ".join([*words, "[options]"])


def verb_help(name: str, verb: Verb, *, everything: bool) -> str:
    """Help on a verb: its basic options, or all in their groups."""
    flags = flags_of(verb.options)
    basic = [flag for flag in flags if not verb.options.basic_options or flag.key in verb.options.basic_options]
    more = [flag for flag in flags if flag not in basic]
    parser = argparse.ArgumentParser(
        prog=f"auricle {name}",
        usage=usage(name, flags),
        description=described(verb.options.__doc__ or "")[0],
        formatter_class=_Layout,
        add_help=False,
    )
    _add(parser.add_argument_group("input"), [flag for flag in basic if flag.positional])
    named = [flag for flag in basic if not flag.positional]
    _add(parser.add_argument_group("options"), sorted(named, key=lambda flag: not flag.needed))
    if everything:
        _add(parser.add_argument_group("more options"), [flag for flag in more if not flag.group])
        for field in fields(verb.options):
            title = described(verb.options.__doc__ or "")[1][field.name].rstrip(".")
            _add(parser.add_argument_group(title), [flag for flag in more if flag.group == field.name])
    general = parser.add_argument_group("about the command")
    if more and not everything:
        general.add_argument(HELP_ALL, action="store_true", help=f"show {len(more)} more options")
    if verb.record:
        general.add_argument(JSON, action="store_true", help="print the result as JSON")
    general.add_argument(
        "--config", metavar="FILE", help="read options from a YAML file; the command line overrides it"
    )
    general.add_argument(PRINT_CONFIG, action="store_true", help="print all options as YAML, and do nothing else")
    return parser.format_help().rstrip()


def _add(group: argparse._ArgumentGroup, flags: Sequence[Flag]) -> None:
    for flag in flags:
        text = (flag.text + _default(flag)).replace("%", "%%")
        if flag.positional:
            group.add_argument(flag.key, metavar=flag.placeholder, nargs="+" if flag.several else None, help=text)
        elif flag.switch:
            group.add_argument(flag.name, action="store_true", help=text)
        elif flag.entries:
            group.add_argument(f"{flag.name}.NAME", metavar="VALUE", help=text)
        else:
            group.add_argument(flag.name, metavar=flag.placeholder, nargs="+" if flag.several else None, help=text)


def _default(flag: Flag) -> str:
    """The default in brackets, where there is one to speak of."""
    if flag.needed or flag.default is None or flag.default is False or flag.default == []:
        return " (required)" if flag.needed and not flag.positional else ""
    shown = flag.default if isinstance(flag.default, list) else [flag.default]
    return f" (default: {' '.join(f'{value:g}' if isinstance(value, float) else str(value) for value in shown)})"
