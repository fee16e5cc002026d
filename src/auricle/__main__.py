"""The command line, built from the verbs in `auricle.commands` and the options in `auricle.config`.

Fields of a verb's options that are not keyword-only are positional; the docstring is the help. Options may be written
with hyphens or underscores, read from a YAML file (`--config`), and printed as YAML (`--print_config`).
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import os
import re
import sys
import typing
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import yaml

from auricle.commands import Verb
from auricle.config import Options, element_type
from auricle.config.options import described, unknown_option
from auricle.config.verbs import expected_type
from auricle.errors import AuricleError, AuricleWarning
from auricle.interruption import interruptible
from auricle.registry import unknown_name

BAD_INPUT, SOME_FAILED = 2, 3
RENAMED = {
    "select.split": "splits.train-split",
    "select": "splits",
    "data-options.label-column": "label-column",
    "data-options.group-column": "group-column",
    "data-options.skip-bad": "skip-bad",
    "data-options": "label-column, --group-column and --skip-bad",
    "part": "material-split (corrupt, stress) or --component (export)",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code.

    0: all well. 2: an unusable command or input, which one line explains. 3: some files failed, were damaged or were
    left out. 130 and 143: interrupted by SIGINT and SIGTERM.
    """
    with interruptible() as interruption, _warnings_as_lines() as warned:
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
            interruption.say()
            code = interruption.code
        if code == 0 and warned:
            code = SOME_FAILED
    sys.exit(code)


@contextmanager
def _warnings_as_lines() -> Iterator[set[str]]:
    """Context manager in which each `AuricleWarning` is printed once, as a line; gives the set of those printed."""
    printed: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *others: Any, **more: Any) -> None:
        text = " ".join(str(message).split())
        if not issubclass(category, AuricleWarning):
            otherwise(message, category, *others, **more)
        elif text not in printed:
            printed.add(text)
            print(f"auricle: warning: {text}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", AuricleWarning)
        otherwise = warnings.showwarning
        warnings.showwarning = show
        yield printed


def run(arguments: list[str]) -> int:
    """Parse the arguments and run the verb; returns the exit code."""
    from auricle import __version__
    from auricle.commands import VERBS

    if arguments[:1] == ["--version"]:
        print(f"auricle {__version__}")
        return 0
    parser = _parser(
        prog="auricle", description="Train, stress-test and deploy audio models that keep working in noise."
    )
    _add_verbs(parser, VERBS)
    if not arguments:
        parser.print_help()
        return 0
    chosen = _verb(arguments, VERBS)
    arguments = [_underscored(argument) for argument in arguments]
    if chosen is not None:
        _check_configs(arguments, chosen.options)
        arguments = _gathered(arguments, chosen.options)
    try:
        namespace = parser.parse_args(arguments)
    except AuricleError as error:
        raise AuricleError(_about_option(str(error), chosen.options) if chosen else str(error)) from None
    values = parser.instantiate(namespace)
    while "subcommand" in values and values.subcommand:
        values = values[values.subcommand]
    assert chosen is not None
    own = {field.name: values[field.name] for field in dataclasses.fields(chosen.options) if field.name in values}
    return chosen.run(chosen.options(**own))


def _verb(arguments: list[str], verbs: dict[str, Verb | dict[str, Verb]]) -> Verb | None:
    """The verb that the arguments name, or None."""
    target: Any = verbs
    for argument in arguments:
        if isinstance(target, dict):
            target = target.get(argument, target)
    return None if isinstance(target, dict) else target


def _gathered(arguments: list[str], options: type[Options]) -> list[str]:
    """The arguments with repeated list options merged: `--a 1 --a 2` becomes `--a 1 2`."""
    lists = {f"--{name}" for name, hint in typing.get_type_hints(options).items() if element_type(hint)}
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


def _check_configs(arguments: list[str], options: type[Options]) -> None:
    """Raise `AuricleError` for an invalid --config file and for keys that the verb does not have."""
    known: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(options)}
    for name, following in zip(arguments, [*arguments[1:], ""], strict=True):
        path = following if name == "--config" else name.removeprefix("--config=") if "--config=" in name else ""
        if path and os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                settings = yaml.safe_load(file)
            if not isinstance(settings, dict):
                raise AuricleError(f"{path}: not a configuration, which has lines of the form 'option: value'")
            for key, value in settings.items():
                _check_key(path, str(key), known)
                group = known[key]
                if dataclasses.is_dataclass(group) and isinstance(value, dict):
                    for field in value:
                        _check_key(path, field, [own.name for own in dataclasses.fields(group)])


def _check_key(path: str, key: str, known: Any) -> None:
    if key not in known:
        raise AuricleError(f"{path}: {unknown_name('option', key, known)}{_hint(key)}")


def _hint(text: str) -> str:
    """The current name of an option that `RENAMED` lists, as a hint; empty for other options."""
    for old, new in RENAMED.items():
        if re.search(rf"(^|--| ){re.escape(old)}\b", text.replace("_", "-")):
            return f" (--{old} was renamed: --{new})"
    return ""


class _OneLineErrors:
    """Mixin for argument parsers that raise `AuricleError` for invalid arguments."""

    def error(self, message: str, error: Exception | None = None) -> typing.NoReturn:
        raise AuricleError(_plain(message) + _hint(message))


def _about_option(message: str, options: type[Options]) -> str:
    """The message for an option that `options` do not have, or for a value of another type, in our words."""
    unknown = re.fullmatch(r"unrecognized arguments: --([\w.]+).*", message)
    if unknown and not _hint(message):
        return unknown_option(options, unknown[1])
    value = re.fullmatch(r'Parser key "([\w.]+)": .*?(?:Got|Given) value: ?(.*)', message)
    if value:
        return f"--{value[1].replace('_', '-')} {value[2]}: expected {expected_type(options, value[1])}"
    return message


def _plain(message: str) -> str:
    line = " ".join(message.split())
    missing = re.fullmatch(r"the following arguments are required: (.*)", line)
    if missing:
        return "missing: " + ", ".join(name.rpartition(".")[2].replace("_", "-") for name in missing[1].split(","))
    verbs = re.search(r'expected "([\w.]*)subcommand" to be one of \{(.*?)\}, but it was not provided', line)
    if verbs:
        return f"auricle {verbs[1].replace('.', ' ')}what? Known: {verbs[2].replace(',', ', ')}"
    invalid = re.fullmatch(r"argument \w*subcommand: invalid choice: '(.*)' \(choose from (.*)\)", line)
    if invalid:
        return unknown_name("command", invalid[1], [name.strip(" '") for name in invalid[2].split(",")])
    choice = re.search(r'key "([\w.]+)": .*?Literal(\[.*?\]).* value: ?(.*)', line)
    if choice:
        return unknown_name(choice[1].replace("_", "-"), choice[3], ast.literal_eval(choice[2]))
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


def _add_verbs(parser: Any, verbs: dict[str, Any], path: tuple[str, ...] = ()) -> None:
    commands = parser.add_subcommands(required=True, title="verbs" if not path else "what")
    for name, target in verbs.items():
        if isinstance(target, dict):
            sub = _parser(description=f"auricle {name}: {', '.join(target)}")
            commands.add_subcommand(name, sub, help=" | ".join(target))
            _add_verbs(sub, target, (*path, name))
        else:
            text, documented = described(target.options.__doc__ or "")
            sub = _parser(description=text)
            _add_options(sub, target.options, documented)
            commands.add_subcommand(name, sub, help=text.partition("\n")[0])


def _add_options(parser: Any, options: type[Options], documented: dict[str, str]) -> None:
    """Add an argument for each field, in the order of the docstring; jsonargparse adds groups of options."""
    parser.add_argument("--config", action="config", help="YAML file with options; the command line overrides it")
    hints = typing.get_type_hints(options)
    fields = {field.name: field for field in dataclasses.fields(options)}
    for name in sorted(fields, key=list(documented).index):
        field, hint, element = fields[name], hints[name], element_type(hints[name])
        missing = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        flag = name if not field.kw_only else f"--{name}"
        if hint is bool:
            parser.add_argument(flag, action="store_true", help=documented[name])
            continue
        arguments: dict[str, Any] = {"type": hint, "help": documented[name]}
        if element:
            arguments |= {"type": element, "nargs": "+" if missing else "*"}
        if not missing:
            arguments["default"] = argparse.SUPPRESS if element and not field.kw_only else default
        if field.kw_only:
            arguments["required"] = missing
        elif not missing and not element:
            arguments["nargs"] = "?"
        parser.add_argument(flag, **arguments)


def _underscored(argument: str) -> str:
    """Replace hyphens in an option's name by underscores, but not in its value."""
    if not argument.startswith("--"):
        return argument
    name, found, value = argument.partition("=")
    return "--" + name[2:].replace("-", "_") + found + value


if __name__ == "__main__":
    main()
