"""Verbs: functions that take the fields of an options dataclass as keywords, from Python and the command line."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from auricle.config.options import Options, replaced_groups, unknown_option
from auricle.config.recipes import with_recipe
from auricle.config.values import plain
from auricle.errors import AuricleError, shown_path
from auricle.published import located

AnyOptions = TypeVar("AnyOptions", bound=Options)
R = TypeVar("R")


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
            made[name] = {k: plain(f"{name}.{k}", v, own[k]) if k in own else v for k, v in value.items()}
    return {name: plain(name, value, hints[name]) for name, value in replaced_groups(kind, made).items()}
