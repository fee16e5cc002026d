"""Values of options: as plain values of their types, and the types in words."""

from __future__ import annotations

import dataclasses
import numbers
import os
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from auricle.config.limits import check_limits
from auricle.errors import AuricleError
from auricle.registry import unknown_name

_UNIONS = (typing.Union, types.UnionType)
_LISTS = (list, tuple)
_NUMBERS: dict[Any, type] = {int: numbers.Integral, float: numbers.Real}
_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "True or False", type(None): "None"}


def plain(name: str, value: Any, hint: Any) -> Any:
    """`value` as the plain type that `hint` stands for; an `AuricleError` if it is of another one."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if element_type(hint) and not isinstance(value, (list, tuple, Mapping, type(None))):
        value = [value]
    for kind in typing.get_args(hint) if typing.get_origin(hint) in _UNIONS else (hint,):
        origin = typing.get_origin(kind)
        if origin in _LISTS and isinstance(value, (list, tuple)):
            return [plain(name, item, typing.get_args(kind)[0]) for item in value]
        if origin is dict and isinstance(value, Mapping):
            return dict(value)
        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and isinstance(value, kind):
            own = typing.get_type_hints(kind)
            members = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            return dataclasses.replace(value, **{k: plain(f"{name}.{k}", v, own[k]) for k, v in members.items()})
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
    if origin in _LISTS:
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
    """The type `T` of `list[T]`, `tuple[T, ...]` or `list[T] | None`; None for any other type."""
    for option in (hint, *typing.get_args(hint)):
        if typing.get_origin(option) in _LISTS:
            return typing.get_args(option)[0]
    return None
