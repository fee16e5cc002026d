"""The command line, made from the signatures in `auricle.commands`.

What stands before the `*` in a signature is positional, the rest are options; a docstring's text is the help.
Options may be written with hyphens or underscores, come from a YAML file (`--config`), and be printed as one
(`--print_config`).
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import os
import re
import sys
import typing
from collections.abc import Callable, Sequence
from typing import Any

import yaml

from auricle.errors import AuricleError
from auricle.registry import unknown_name

BAD_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a bad input ends it with one line and exit code 2."""
    try:
        code = run(list(sys.argv[1:] if arguments is None else arguments))
    except AuricleError as error:
        print(f"auricle: {error}", file=sys.stderr)
        code = BAD_INPUT
    except BrokenPipeError:
        code = 0
    except OSError as error:
        print(f"auricle: {error.filename or ''}: {error.strerror or error}".replace(": : ", ": "), file=sys.stderr)
        code = BAD_INPUT
    except KeyboardInterrupt:
        print("auricle: interrupted; the same command goes on from here", file=sys.stderr)
        code = 130
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Parse and carry out; returns the exit code."""
    from auricle import __version__
    from auricle.commands import VERBS

    if arguments[:1] == ["--version"]:
        print(f"auricle {__version__}")
        return 0
    parser = _parser(
        prog="auricle", description="Train, stress-test and deploy audio models that keep working in noise."
    )
    leaves: dict[tuple[str, ...], Callable[..., Any]] = {}
    _add_verbs(parser, VERBS, (), leaves)
    if not arguments:
        parser.print_help()
        return 0
    function = _verb(arguments, VERBS)
    arguments = [_underscored(argument) for argument in arguments]
    if function is not None:
        _check_configs(arguments, function)
        arguments = _gathered(arguments, function)
    namespace = parser.parse_args(arguments)
    path: tuple[str, ...] = ()
    values = namespace
    while "subcommand" in values and values.subcommand:
        path += (values.subcommand,)
        values = values[values.subcommand]
    function = leaves[path]
    values = parser.instantiate(namespace)
    for name in path:
        values = values[name]
    own = {name: values[name] for name in inspect.signature(function).parameters if name in values}
    return function(**own) or 0


def _verb(arguments: list[str], verbs: Any) -> Callable[..., Any] | None:
    """The function that the arguments name, if they do."""
    target = verbs
    for argument in arguments:
        if isinstance(target, dict):
            target = target.get(argument, target)
    return None if isinstance(target, dict) else target


def _gathered(arguments: list[str], function: Callable[..., Any]) -> list[str]:
    """An option that takes a list and is given several times, as given once with all the values."""
    lists = {f"--{name}" for name, hint in typing.get_type_hints(function).items() if _element_type(hint)}
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
    return [argument for group in gathered for argument in group]


def _check_configs(arguments: list[str], target: Callable[..., Any]) -> None:
    """An `AuricleError` for a key of a --config file that the verb does not take."""
    parameters = inspect.signature(target).parameters
    for name, following in zip(arguments, [*arguments[1:], ""], strict=True):
        path = following if name == "--config" else name.removeprefix("--config=") if "--config=" in name else ""
        if path and os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                settings = yaml.safe_load(file)
            if not isinstance(settings, dict):
                raise AuricleError(f"{path}: not a configuration, which is lines of 'option: value'")
            for key, value in settings.items():
                _check_key(path, str(key), parameters)
                group = parameters[key].default
                if dataclasses.is_dataclass(group) and isinstance(value, dict):
                    for field in value:
                        _check_key(path, field, [known.name for known in dataclasses.fields(group)])


def _check_key(path: str, key: str, known: Any) -> None:
    if key not in known:
        raise AuricleError(f"{path}: {unknown_name('option', key, known)}")


class _OneLineErrors:
    """An argument parser whose errors are the user's to mend like any other."""

    def error(self, message: str, error: Exception | None = None) -> typing.NoReturn:
        raise AuricleError(_plain(message))


def _plain(message: str) -> str:
    line = " ".join(message.split())
    missing = re.fullmatch(r"the following arguments are required: (.*)", line)
    if missing:
        return "missing: " + ", ".join(name.rpartition(".")[2].replace("_", "-") for name in missing[1].split(","))
    return line


def _parser(**options: Any) -> Any:
    from jsonargparse import ArgumentParser, DefaultHelpFormatter

    class Help(DefaultHelpFormatter):
        def add_argument(self, action: Any) -> None:
            action.option_strings = [
                name.replace("_", "-") if name != "--print_config" else name for name in action.option_strings
            ]
            super().add_argument(action)

    class Parser(_OneLineErrors, ArgumentParser):
        pass

    return Parser(formatter_class=Help, **options)


def _add_verbs(parser: Any, verbs: dict[str, Any], path: tuple[str, ...], leaves: dict[Any, Any]) -> None:
    commands = parser.add_subcommands(required=True, title="verbs" if not path else "what")
    for name, target in verbs.items():
        if isinstance(target, dict):
            sub = _parser(description=f"auricle {name}: {', '.join(target)}")
            commands.add_subcommand(name, sub, help=" | ".join(target))
            _add_verbs(sub, target, (*path, name), leaves)
        else:
            summary = inspect.getdoc(target) or ""
            sub = _parser(description=summary.partition("\n\nArgs:")[0])
            _add_parameters(sub, target)
            commands.add_subcommand(name, sub, help=summary.partition("\n")[0])
            leaves[(*path, name)] = target


def _add_parameters(parser: Any, function: Callable[..., Any]) -> None:
    """Positional parameters, lists and flags by hand; everything else, dataclasses too, by jsonargparse."""
    from docstring_parser import parse

    parser.add_argument("--config", action="config", help="YAML file with options; the command line overrides it")
    signature = inspect.signature(function)
    hints = typing.get_type_hints(function)
    documented = {entry.arg_name: entry.description for entry in parse(inspect.getdoc(function) or "").params}
    by_hand = set()
    for name, parameter in signature.parameters.items():
        element = _element_type(hints[name])
        positional = parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        required = parameter.default is inspect.Parameter.empty
        flag = parameter.default is False
        if not (positional or element or required or flag):
            continue
        by_hand.add(name)
        if flag:
            parser.add_argument(f"--{name}", action="store_true", help=documented.get(name))
            continue
        options: dict[str, Any] = {"type": element or hints[name], "help": documented.get(name)}
        if element:
            options["nargs"] = "+" if required else "*"
        if not required:
            options["default"] = argparse.SUPPRESS if positional and element else parameter.default
        if positional:
            if not required and not element:
                options["nargs"] = "?"
            parser.add_argument(name, **options)
        else:
            parser.add_argument(f"--{name}", required=required, **options)
    parser.add_function_arguments(function, skip=by_hand, as_group=False)


def _element_type(hint: Any) -> Any:
    """The type of a list's elements, for `list[T]` and `list[T] | None`; None for anything else."""
    for option in (hint, *typing.get_args(hint)):
        if typing.get_origin(option) is list:
            return typing.get_args(option)[0]
    return None


def _underscored(argument: str) -> str:
    """--label-column=x as --label_column=x; values are left alone."""
    if not argument.startswith("--"):
        return argument
    name, found, value = argument.partition("=")
    return "--" + name[2:].replace("-", "_") + found + value


if __name__ == "__main__":
    main()
