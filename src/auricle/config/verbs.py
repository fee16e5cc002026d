"""Verbs: functions that take the fields of an options dataclass as keywords, from Python and the command line."""

from __future__ import annotations

import functools
import inspect
import os
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from auricle.config.options import Options, replaced_groups

AnyOptions = TypeVar("AnyOptions", bound=Options)
R = TypeVar("R")


def verb(function: Callable[[AnyOptions], R]) -> Callable[..., R]:
    """Decorator that lets `function(options)` be called with the fields of its options as arguments.

    The result has the signature and the docstring of the options; its attribute `options` is their class and
    `with_options` the original function. A group of options may be given as a dictionary of values that differ from the
    defaults.
    """
    hints = typing.get_type_hints(function)
    kind: type[AnyOptions] = hints["options"]

    @functools.wraps(function)
    def call(*arguments: Any, **keywords: Any) -> R:
        return function(options_from(kind, arguments, keywords))

    call.__doc__ = f"{kind.__doc__}\n\nReturns:\n    {inspect.getdoc(function)}"
    signature = inspect.signature(kind).replace(return_annotation=hints["return"])
    vars(call).update(options=kind, with_options=function, __signature__=signature)
    return call


def options_from(kind: type[AnyOptions], arguments: Sequence[Any], keywords: Mapping[str, Any]) -> AnyOptions:
    """Options from call arguments; paths become strings, and a string becomes a list of one if a list is expected."""
    bound = inspect.signature(kind).bind(*arguments, **keywords).arguments
    values = {name: _text(value) for name, value in bound.items()}
    hints = typing.get_type_hints(kind)
    alone = {name: [value] for name, value in values.items() if isinstance(value, str) and element_type(hints[name])}
    return kind(**replaced_groups(kind, values | alone))


def _text(value: Any) -> Any:
    """`value` with paths converted to strings."""
    if isinstance(value, list):
        return [_text(item) for item in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def element_type(hint: Any) -> Any:
    """The type `T` of `list[T]` or `list[T] | None`; None for any other type."""
    for option in (hint, *typing.get_args(hint)):
        if typing.get_origin(option) is list:
            return typing.get_args(option)[0]
    return None
