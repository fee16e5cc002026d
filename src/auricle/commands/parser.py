"""From the arguments of the command line to a verb and its options.

argparse sorts the arguments, which stay text; `Flag.value` reads it, and files given with --config are read by
`auricle.readers`: nothing that a value names is imported, opened or made.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NoReturn

from auricle.commands import VERBS, Verb
from auricle.commands.flags import Flag, flags_of, plain_value
from auricle.commands.help import HELP, HELP_ALL, JSON, PRINT_CONFIG, all_verbs, kinds_help, verb_help
from auricle.commands.wording import (
    find_verb,
    in_earlier_form,
    missing,
    todays_form,
    unexpected,
    unknown_flag,
    unknown_key,
)
from auricle.config import Options
from auricle.config.options import refuse_functions
from auricle.config.verbs import options_from, plain_values
from auricle.errors import AuricleError, note
from auricle.readers import read_yaml

_NUMBERS = re.compile(r"-?\.?\d[\d.e+-]*(,-?\.?\d[\d.e+-]*)+")  # with commas between them
_NEGATIVE = re.compile(r"-\.?\d[\d.,e+-]*$")  # a number, or several with commas between them
_SHORT_FOR = {"--from": "--from-file"}  # `from` is no name in Python


def parse(arguments: list[str]) -> tuple[Verb, Options, set[str]] | None:
    """The verb, its options, and which of `PRINT_CONFIG` and `JSON` are given too; None if only help was printed."""
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:], HELP[1]]
    if not arguments or arguments[0] in (*HELP, HELP_ALL):
        print(all_verbs())
        return None
    kinds = VERBS.get(arguments[0])
    if isinstance(kinds, dict) and arguments[1:] and arguments[1] in (*HELP, HELP_ALL):
        print(kinds_help(arguments[0], kinds))
        return None
    name, verb, rest = find_verb(arguments)
    end = rest.index("--") if "--" in rest else len(rest)
    rest, literal = [_hyphenated(argument) for argument in rest[:end]], rest[end + 1 :]
    if {*HELP, HELP_ALL} & set(rest):
        print(verb_help(name, verb, everything=HELP_ALL in rest))
        return None
    flags = flags_of(verb.options)
    rest = _switched(rest, {flag.name for flag in flags if flag.switch})
    parser = _parser(flags, rest, [PRINT_CONFIG, *([JSON] if verb.record else [])])
    _check_options(name, flags, rest, parser._option_string_actions)
    texts, words = parser.parse_known_args(rest)
    given = {key: value for key, value in vars(texts).items() if value is not None}
    placed = _by_place(name, flags, [*words, *literal])
    twice = [flag.name for flag in flags if flag.key in placed and flag.key in given]
    if twice:
        raise AuricleError(f"{twice[0]}: given both by its place and by its name")
    given |= placed
    settings: dict[str, Any] = {}
    for file in given.pop("config", []):
        settings = _merged(settings, _settings(file, verb.options))
    asked = {option for option in (PRINT_CONFIG, JSON) if given.pop(option, False)}
    known = {flag.key: flag for flag in flags}
    for key, value in given.items():
        read = known[key].value(value) if key in known else _entry(key, value)
        for part in reversed(key.split(".")):
            read = {part: read}
        settings = _merged(settings, read)
    absent = [flag for flag in flags if flag.needed and flag.key not in settings]
    if absent:
        raise AuricleError(missing(name, flags, absent))
    return verb, options_from(verb.options, (), settings), asked


def _hyphenated(argument: str) -> str:
    """Replace underscores in an option's name by hyphens, but neither in its value nor in the names of entries."""
    if not argument.startswith("--"):
        return argument
    name, found, value = argument.partition("=")
    name = name.replace("_", "-")
    return _SHORT_FOR.get(name, name) + found + value


def _switched(arguments: Sequence[str], switches: Collection[str]) -> list[str]:
    """`--switch true` and `--switch=true` as `--switch`, and with false as `--no-switch`."""
    made: list[str] = []
    for argument in arguments:
        name, found, value = argument.partition("=")
        if made and made[-1] in switches and argument in ("true", "false"):
            name, found, value = made.pop(), "=", argument
        if name in switches and found:
            if value not in ("true", "false"):
                raise AuricleError(f"{argument}: expected true or false")
            argument = name if value == "true" else f"--no-{name[2:]}"
        made.append(argument)
    return made


def _check_options(
    name: str, flags: Sequence[Flag], arguments: Sequence[str], known: Mapping[str, argparse.Action]
) -> None:
    """Raise `AuricleError` for an unknown option, also where argparse would take it for a file, and for `--name=--`.

    Of that argparse, depending on the version of Python, makes no value at all.
    """
    for argument in arguments:
        option = re.match(r"-[^=]+", argument)
        if option and option[0] not in known and not _NEGATIVE.match(argument):
            raise AuricleError(unknown_flag(name, flags, option[0]))
        if option and argument == f"{option[0]}=--" and known[option[0]].nargs != 0:
            raise AuricleError(f"{option[0]}: expected one argument")


def _by_place(name: str, flags: Sequence[Flag], words: list[str]) -> dict[str, Any]:
    """The words as the options that are given by their places, or were in an earlier form of the verb."""
    earlier = in_earlier_form(name, words)
    if earlier:
        note(todays_form(name, flags, earlier))
        return earlier
    given: dict[str, Any] = {}
    left = words
    for flag in flags:
        if flag.positional and left:
            given[flag.key] = left if flag.several else left[0]
            left = [] if flag.several else left[1:]
    if left:
        raise AuricleError(unexpected(name, flags, words))
    return given


class _Parser(argparse.ArgumentParser):
    def __init__(self) -> None:
        super().__init__(add_help=False, allow_abbrev=False)
        self._negative_number_matcher = _NEGATIVE

    def error(self, message: str) -> NoReturn:
        raise AuricleError(re.sub(r"^argument (\S+?)(/\S+)?: ", r"\1: ", " ".join(message.split())))


def _parser(flags: Sequence[Flag], arguments: Sequence[str], asking: Sequence[str]) -> _Parser:
    """A parser that gives the texts of options by their keys, also those of dictionaries' entries in `arguments`."""
    parser = _Parser()
    parser.add_argument("--config", action="append")
    for name in asking:
        parser.add_argument(name, dest=name, action="store_true")
    for flag in flags:
        if flag.positional:
            continue
        if flag.switch:
            parser.add_argument(flag.name, dest=flag.key, action=argparse.BooleanOptionalAction)
        elif flag.several:
            parser.add_argument(flag.name, dest=flag.key, action="extend", nargs="*")
        else:
            parser.add_argument(flag.name, dest=flag.key)
    dictionaries = tuple(f"{flag.name}." for flag in flags if flag.entries)
    for name in {argument.partition("=")[0] for argument in arguments if argument.startswith(dictionaries)}:
        parser.add_argument(name, dest=name.removeprefix("--").replace("-", "_"), nargs="+")
    return parser


def _entry(key: str, texts: list[str]) -> Any:
    """The value of an entry of a dictionary: several texts are a list, and so are numbers between commas."""
    if len(texts) == 1 and _NUMBERS.fullmatch(texts[0]):
        texts = texts[0].split(",")
    values = [plain_value(text, key) for text in texts]
    return values if len(values) > 1 else values[0]


def _settings(path: str, kind: type[Options]) -> dict[str, Any]:
    """The options of `kind` in a YAML file; raises `AuricleError` for unknown ones and for values of another type."""
    if not path:
        raise AuricleError("--config: give a YAML file")
    settings = read_yaml(path)
    known = {field.name: field.default for field in dataclasses.fields(kind)}
    for key, value in settings.items():
        group = known.get(key)
        inside = value if dataclasses.is_dataclass(group) and isinstance(value, dict) else ()
        names = [field.name for field in dataclasses.fields(group)] if inside else []  # type: ignore[arg-type]
        for unknown in [key] if key not in known else [f"{key}.{inner}" for inner in inside if inner not in names]:
            raise AuricleError(f"{path}: {unknown_key(unknown, kind)}")
    refuse_functions(kind, settings, path)
    try:
        plain_values(kind, settings)
    except AuricleError as error:
        raise AuricleError(f"{path}: {error}") from None
    return settings


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`values` updated by `changes`; dictionaries in both are merged."""
    merged = dict(values)
    for name, value in changes.items():
        before = merged.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            value = _merged(before, value)
        merged[name] = value
    return merged
