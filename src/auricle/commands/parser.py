"""From the arguments of the command line to a verb and its options.

Files given with --config are read by `auricle.readers`, as plain values; jsonargparse sees the command line alone, and
is kept from importing or making anything that a value names.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

from auricle.commands import VERBS, Verb
from auricle.commands.wording import about_option, hint, plain
from auricle.config import Options, element_type
from auricle.config.options import described, refuse_functions, unknown_option
from auricle.config.verbs import options_from, plain_values
from auricle.errors import AuricleError
from auricle.readers import TooLarge, read_yaml, yaml_value
from auricle.registry import unknown_name

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_SHORT_FOR = {"from": "from_file"}  # `from` is no name in Python
_MANY = 64  # characters of an argument that can nest deeply or stand for many values


class Plain:
    """Stands for any plain value, such as text, a number or a list, as the type of an entry of a dictionary."""


def parse(arguments: list[str]) -> tuple[Verb, Options, bool] | None:
    """The verb, its options, and whether they are to be printed only; None if only help was printed."""
    if not arguments:
        general_parser().print_help()
        return None
    name, verb, rest = _verb(arguments)
    if verb is None:
        general_parser().parse_args(arguments)
        raise AssertionError("the general parser knows no verb's options, and ends with help or an error")
    rest = [_underscored(argument) for argument in rest]
    files, rest = _taken(rest, "--config")
    settings: dict[str, Any] = {}
    for file in files:
        settings = _merged(settings, _settings(file, verb.options))
    printed = "--print_config" in rest
    rest = [argument for argument in _gathered(rest, verb.options) if argument != "--print_config"]
    _check_names(rest, verb.options)
    _check_values(rest)
    try:
        given = verb_parser(name, verb, settings).parse_args(rest, defaults=False, env=False).as_dict()
    except AuricleError as error:
        raise AuricleError(about_option(str(error), verb.options)) from None
    own = {field.name: _nested(given[field.name]) for field in dataclasses.fields(verb.options) if field.name in given}
    return verb, options_from(verb.options, (), _merged(settings, own)), printed


def _nested(value: Any) -> Any:
    """`value`, where an entry "a.b" of a dictionary becomes the entry "b" of its entry "a"."""
    if not isinstance(value, Mapping):
        return value
    made: dict[str, Any] = {}
    for name, member in value.items():
        first, dot, rest = name.partition(".")
        made = _merged(made, {first: {rest: member} if dot else member})
    return {name: _nested(member) for name, member in made.items()}


def _verb(arguments: list[str]) -> tuple[str, Verb | None, list[str]]:
    """The verb that the arguments begin with, as in "train classifier", and the other arguments."""
    target: Verb | dict[str, Verb] | None = VERBS.get(arguments[0])
    if isinstance(target, dict):
        return " ".join(arguments[:2]), target.get("".join(arguments[1:2])), arguments[2:]
    return arguments[0], target, arguments[1:]


def _taken(arguments: list[str], name: str) -> tuple[list[str], list[str]]:
    """The values of the option `name`, and the other arguments."""
    values, others = [], []
    left = iter(arguments)
    for argument in left:
        if argument == name:
            values.append(next(left, ""))
        elif argument.startswith(f"{name}="):
            values.append(argument.removeprefix(f"{name}="))
        else:
            others.append(argument)
    return values, others


def _settings(path: str, kind: type[Options]) -> dict[str, Any]:
    """The options of `kind` in a YAML file; raises `AuricleError` for unknown ones and for values of another type."""
    if not path:
        raise AuricleError("--config: give a YAML file")
    settings = read_yaml(path)
    known = {field.name: field.default for field in dataclasses.fields(kind)}
    for key, value in settings.items():
        _check_key(path, key, known)
        group = known[key]
        if _is_group(group) and isinstance(value, dict):
            for inner in value:
                _check_key(path, inner, [own.name for own in dataclasses.fields(group)])
    refuse_functions(kind, settings, path)
    try:
        plain_values(kind, settings)
    except AuricleError as error:
        raise AuricleError(f"{path}: {error}") from None
    return settings


def _check_key(path: str, key: str, known: Any) -> None:
    if key not in known:
        raise AuricleError(f"{path}: {unknown_name('option', key, known)}{hint(key)}")


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`values` updated by `changes`; dictionaries in both are merged."""
    merged = dict(values)
    for name, value in changes.items():
        before = merged.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            value = _merged(before, value)
        merged[name] = value
    return merged


def _gathered(arguments: list[str], options: type[Options]) -> list[str]:
    """The arguments with repeated list options merged: `--a 1 --a 2` becomes `--a 1 2`, of a group `--g.a=[1, 2]`."""
    hints = typing.get_type_hints(options)
    of_groups = _lists_of_groups(hints)
    lists = {f"--{name}" for name, hint in hints.items() if element_type(hint)} | set(of_groups)
    current: list[str] = []
    gathered = [current]
    firsts: dict[str, list[str]] = {}
    for argument in arguments:
        name, found, value = argument.partition("=")
        if name in lists:
            if name not in firsts:
                firsts[name] = [name]
                gathered.append(firsts[name])
            current = firsts[name]
            current += [value] if found else []
        elif argument.startswith("--"):
            current = [argument]
            gathered.append(current)
        else:
            current.append(argument)
    gathered = [
        _as_json(group, of_groups[group[0]]) if group[:1] and group[0] in of_groups else group for group in gathered
    ]
    return [argument for group in gathered for argument in group]


def _lists_of_groups(hints: Mapping[str, Any]) -> dict[str, Any]:
    """The options of groups that are lists, as in "--augmentation.material", with the types of their elements."""
    return {
        f"--{group}.{name}": element_type(hint)
        for group, kind in hints.items()
        if dataclasses.is_dataclass(kind)
        for name, hint in typing.get_type_hints(kind).items()
        if element_type(hint)
    }


def _as_json(arguments: list[str], element: Any) -> list[str]:
    """`--g.a 1 2` as `--g.a=[1, 2]`, which is how a list of a group is read; a list in brackets stays as it is."""
    name, *values = arguments
    if not values or values[0].startswith("["):
        return arguments
    return [f"{name}=[{', '.join(json.dumps(value) if element is str else value for value in values)}]"]


def _check_names(arguments: list[str], kind: type[Options]) -> None:
    """Raise `AuricleError` for an unknown option, also where argparse would take it for a file, and for a group."""
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    for argument in arguments:
        if argument == "--":
            return
        name, dot, inner = argument.partition("=")[0].removeprefix("--").partition(".")
        if not argument.startswith("--") or name == "help":
            continue
        group = defaults.get(name)
        own = [field.name for field in dataclasses.fields(group)] if _is_group(group) else []
        if name not in defaults or (own and dot and inner not in own):
            message = f"unrecognized arguments: --{name}{dot}{inner}"
            raise AuricleError(
                f"{message}{hint(message)}" if hint(message) else unknown_option(kind, name + dot + inner)
            )
        if own and not dot:
            raise AuricleError(f"--{name}: give its options one by one, as in --{name}.{own[0].replace('_', '-')}=…")


def _is_group(default: Any) -> TypeGuard[DataclassInstance]:
    return dataclasses.is_dataclass(default) and not isinstance(default, type)


def _check_values(arguments: list[str]) -> None:
    """Raise `AuricleError` for values that nest too deeply or stand for too many values."""
    for argument in arguments:
        if len(argument) > _MANY:
            option, _, value = argument.partition("=") if argument.startswith("--") else ("a value", "", argument)
            try:
                yaml_value(value, option[:_MANY])
            except TooLarge:
                raise
            except AuricleError:
                pass  # text that is not YAML


def _underscored(argument: str) -> str:
    """Replace hyphens in an option's name by underscores, but not in its value."""
    if not argument.startswith("--"):
        return argument
    name, found, value = argument.partition("=")
    return "--" + _SHORT_FOR.get(name[2:], name[2:].replace("-", "_")) + found + value


def _new_parser(**options: Any) -> Any:
    import jsonargparse
    from jsonargparse.typing import register_type

    jsonargparse.set_parsing_settings(instantiate_subclass_spec_in_any=False, import_path_denylist=["*"])
    register_type(Plain, lambda value: value, _plain_value, fail_already_registered=False)

    class Help(jsonargparse.DefaultHelpFormatter):
        def add_argument(self, action: Any) -> None:
            action.option_strings = [
                name.replace("_", "-") if name != "--print_config" else name for name in action.option_strings
            ]
            super().add_argument(action)

    class Parser(jsonargparse.ArgumentParser):
        def error(self, message: str, error: Exception | None = None) -> typing.NoReturn:
            raise AuricleError(plain(message) + hint(message))

    return Parser(formatter_class=Help, **options)


def _plain_value(value: Any) -> Any:
    """The plain value that a text stands for."""
    if not isinstance(value, str):
        return value
    try:
        return yaml_value(value, "")
    except AuricleError:
        return value


def general_parser() -> Any:
    """A parser that prints help on all verbs, and says what is wrong with arguments that name none."""
    parser = _new_parser(
        prog="auricle", description="Train, stress-test and deploy audio models that keep working in noise."
    )
    commands = parser.add_subcommands(required=True, title="verbs")
    for name, target in VERBS.items():
        if isinstance(target, dict):
            sub = _new_parser(description=f"auricle {name}: {', '.join(target)}")
            commands.add_subcommand(name, sub, help=" | ".join(target))
            kinds = sub.add_subcommands(required=True, title="what")
            for kind, verb in target.items():
                text = described(verb.options.__doc__ or "")[0]
                kinds.add_subcommand(kind, _new_parser(description=text), help=text.partition("\n")[0])
        else:
            text = described(target.options.__doc__ or "")[0]
            commands.add_subcommand(name, _new_parser(description=text), help=text.partition("\n")[0])
    return parser


def verb_parser(name: str, verb: Verb, settings: Mapping[str, Any]) -> Any:
    """The parser of a verb's options, in the order of the docstring; those in `settings` need not be given."""
    text, documented = described(verb.options.__doc__ or "")
    parser = _new_parser(prog=f"auricle {name}", description=text)
    parser.add_argument("--config", help="YAML file with options; the command line overrides it")
    parser.add_argument("--print_config", action="store_true", help="print all options as YAML, and do nothing else")
    hints = typing.get_type_hints(verb.options)
    fields = {field.name: field for field in dataclasses.fields(verb.options)}
    for option in sorted(fields, key=list(documented).index):
        field, kind, element = fields[option], hints[option], element_type(hints[option])
        missing = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        flag = option if not field.kw_only else f"--{option}"
        if kind is bool:
            parser.add_argument(flag, action="store_true", help=documented[option])
            continue
        missing = missing and option not in settings
        arguments: dict[str, Any] = {"type": _without_any(kind), "help": documented[option]}
        if element:
            arguments |= {"type": element if isinstance(element, type) else str, "nargs": "+" if missing else "*"}
        if not missing and default is not dataclasses.MISSING:
            arguments["default"] = argparse.SUPPRESS if element and not field.kw_only else default
        if field.kw_only:
            arguments["required"] = missing
        elif not missing and not element:
            arguments["nargs"] = "?"
        parser.add_argument(flag, **arguments)
    return parser


def _without_any(hint: Any) -> Any:
    """The type with `Plain` for `Any`, for which jsonargparse would import the class that a value names."""
    if hint is Any:
        return Plain
    if typing.get_origin(hint) is dict:
        return dict[str, Plain]
    if type(None) in typing.get_args(hint):
        inner = [_without_any(kind) for kind in typing.get_args(hint) if kind is not type(None)]
        return typing.Optional[typing.Union[tuple(inner)]]  # noqa: UP007, UP045
    return hint
