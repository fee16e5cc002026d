"""Verbs: functions that take the fields of an options dataclass as keywords, from Python and the command line."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import numbers
import os
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from auricle.config.limits import check_limits
from auricle.config.options import Options, replaced_groups, unknown_option
from auricle.config.recipes import with_recipe
from auricle.errors import AuricleError, shown_path
from auricle.published import located
from auricle.registry import unknown_name

AnyOptions = TypeVar("AnyOptions", bound=Options)
R = TypeVar("R")

_UNIONS = (typing.Union, types.UnionType)
_NUMBERS: dict[Any, type] = {int: numbers.Integral, float: numbers.Real}
_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "True or False", type(None): "None"}


def verb(function: Callable[[AnyOptions], R]) -> Callable[..., R]:
    """Decorator that lets `function(options)` be called with the fields of its options as arguments.

    The result has the signature and the docstring of the options; its attribute `options` is their class and
    `with_options` the function of such options. Models may be given by the names of published ones (`with_models`), and
    a group of options as a dictionary of values that differ from the defaults.
    """
    hints = typing.get_type_hints(function)
    kind: type[AnyOptions] = hints["options"]

    @functools.wraps(function)
    def with_options(options: AnyOptions) -> R:
        complete = with_models(options)
        refuse_input_as_output(complete)
        complete.refuse_unused()
        return function(complete)

    @functools.wraps(function)
    def call(*arguments: Any, **keywords: Any) -> R:
        try:
            options = options_from(kind, arguments, keywords)
        except TypeError as error:
            raise TypeError(f"{function.__name__}(): {error}") from None
        return with_options(options)

    call.__doc__ = f"{kind.__doc__}\n\nReturns:\n    {inspect.getdoc(function)}"
    signature = inspect.signature(kind).replace(return_annotation=hints["return"])
    vars(call).update(options=kind, with_options=with_options, __signature__=signature)
    return call


def options_from(kind: type[AnyOptions], arguments: Sequence[Any], keywords: Mapping[str, Any]) -> AnyOptions:
    """The options of these arguments, as plain values of their types.

    A path is its text, and a single value where a list is expected is a list of one. Raises `TypeError` for arguments
    that are missing or unknown, and `AuricleError` for a value of another type or an empty text where one is needed.
    """
    signature = inspect.signature(kind)
    for name in keywords:
        if name not in signature.parameters:
            raise TypeError(unknown_option(kind, name))
    given = with_recipe(kind, signature.bind(*arguments, **keywords).arguments)
    values = plain_values(kind, given)
    for field in dataclasses.fields(kind):
        needed = field.name == "output" or field.default is field.default_factory is dataclasses.MISSING
        value = values.get(field.name)
        if needed and (value in ("", []) or (isinstance(value, list) and "" in value)):
            raise AuricleError(f"{field.name}: it is empty")
    return kind(**values)


def with_models(options: AnyOptions) -> AnyOptions:
    """The options, where names of published models are replaced by their folders.

    Raises `AuricleError` for one that is not on this computer, unless the options say `download`.
    """
    download = getattr(options, "download", False)
    changes: dict[str, Any] = {}
    for name in options.model_options:
        value = getattr(options, name)
        if isinstance(value, list):
            changes[name] = [located(model, download) if isinstance(model, str) else model for model in value]
        elif value is not None:
            changes[name] = located(value, download)
    return dataclasses.replace(options, **changes)


def refuse_input_as_output(options: Options) -> None:
    """Raise `AuricleError` if `output` is a sound file, a file that is given, or a part of a folder that is given.

    Other files in such a folder, as an earlier export or report, may be replaced. No verb writes a sound to `output`
    itself, and tables name sounds that the verb is not given.
    """
    output = getattr(options, "output", None)
    if not isinstance(output, str) or not os.path.isfile(output):
        return
    place = Path(os.path.realpath(output))
    for name, value in vars(options).items():
        for given in value if isinstance(value, list) else [value]:
            if name == "output" or not isinstance(given, str) or not os.path.exists(given):
                continue
            source = Path(os.path.realpath(given))
            if place == source or (place.is_relative_to(source) and _is_part(place, source)):
                raise AuricleError(f"{shown_path(output)} is an input: give another --output, so that it is not lost")
    if _is_sound(place):
        raise AuricleError(f"{shown_path(output)} is a sound file: give another --output, so that it is not lost")


def _is_part(file: Path, folder: Path) -> bool:
    """Whether the file is one of what makes the folder a model, the result of a batch, or a data set."""
    if (folder / "config.json").is_file():
        return file.name == "README.md" or file.suffix in (".csv", ".json", ".npz", ".safetensors", ".yaml")
    if (folder / "files.jsonl").is_file():
        return file.suffix != ".html"
    return _is_sound(file) or file.name in ("manifest.csv", "metadata.csv", "metadata.jsonl")


def _is_sound(file: Path) -> bool:
    from auricle.audio.formats import READABLE_SUFFIXES  # not above: help needs no NumPy

    return file.suffix.lower() in READABLE_SUFFIXES


def plain_values(kind: type[Options], values: Mapping[str, Any]) -> dict[str, Any]:
    """Some of the options of `kind` as plain values of their types, with groups in place of dictionaries.

    Raises `AuricleError` for a value of another type.
    """
    hints = typing.get_type_hints(kind)
    made = dict(values)
    for name, value in made.items():
        if dataclasses.is_dataclass(hints[name]) and isinstance(value, Mapping):
            own = typing.get_type_hints(hints[name])
            made[name] = {k: _plain(f"{name}.{k}", v, own[k]) if k in own else v for k, v in value.items()}
    return {name: _plain(name, value, hints[name]) for name, value in replaced_groups(kind, made).items()}


def _plain(name: str, value: Any, hint: Any) -> Any:
    """`value` as the plain type that `hint` stands for; an `AuricleError` if it is of another one."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if element_type(hint) and not isinstance(value, (list, tuple, Mapping, type(None))):
        value = [value]
    for kind in typing.get_args(hint) if typing.get_origin(hint) in _UNIONS else (hint,):
        origin = typing.get_origin(kind)
        if origin is list and isinstance(value, (list, tuple)):
            return [_plain(name, item, typing.get_args(kind)[0]) for item in value]
        if origin is dict and isinstance(value, Mapping):
            return dict(value)
        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and isinstance(value, kind):
            own = typing.get_type_hints(kind)
            members = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            return dataclasses.replace(value, **{k: _plain(f"{name}.{k}", v, own[k]) for k, v in members.items()})
        if kind in _NUMBERS and isinstance(value, _NUMBERS[kind]) and not isinstance(value, bool):
            check_limits(name, value)
            return kind(value)  # pyright: ignore[reportCallIssue]
        if origin is typing.Literal and value in typing.get_args(kind):
            return value
        if origin is Callable and callable(value):
            return value
        if kind in (str, bool, type(None)) and isinstance(value, kind):
            if isinstance(value, str) and "\0" in value:
                raise AuricleError(f"{name}: it holds a zero byte")
            return value
    if choices(hint) and isinstance(value, str):
        raise AuricleError(unknown_name(name, value, choices(hint)))
    raise AuricleError(f"{name}={value!r}: expected {in_words(hint)}")


def in_words(hint: Any) -> str:
    """A type in words."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in _UNIONS:
        return " or ".join(in_words(argument) for argument in arguments)
    if origin is typing.Literal:
        return f"one of {', '.join(arguments)}"
    if origin is Callable:
        return "a function"
    if origin is list:
        return f"a list, each {in_words(arguments[0])}"
    if origin is dict or dataclasses.is_dataclass(hint):
        return "a dictionary of options"
    return _WORDS[hint]


def choices(hint: Any) -> tuple[str, ...]:
    """The values of a `Literal`, of which None may be an alternative; empty for any other type."""
    for option in (hint, *typing.get_args(hint)):
        if typing.get_origin(option) is typing.Literal:
            return typing.get_args(option)
    return ()


def element_type(hint: Any) -> Any:
    """The type `T` of `list[T]` or `list[T] | None`; None for any other type."""
    for option in (hint, *typing.get_args(hint)):
        if typing.get_origin(option) is list:
            return typing.get_args(option)[0]
    return None
