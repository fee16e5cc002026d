"""Checking that a value read from a file has the structure that is expected."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any, TypeAlias

from auricle.errors import AuricleError

#: A type, such as `str` or `float` (which includes whole numbers) or `object` (any); `[shape]`, a list of them;
#: `{"key": shape}`, an object with at least these keys, where "key?" may be missing; `{"*": shape}`, an object whose
#: values all have that shape; or a tuple of alternatives, where None stands for null.
Shape: TypeAlias = Any

_WORDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
    object: "anything",
}


def checked(value: Any, shape: Shape, source: object, what: str = "the content") -> Any:
    """`value`, if it has the given shape; else an `AuricleError` that names `source` and the part that has not."""
    if isinstance(shape, dict):
        _require(isinstance(value, Mapping), value, "an object with keys", source, what)
        for name, part in shape.items():
            key = name.removesuffix("?")
            if name == "*":
                for own, member in value.items():
                    checked(member, part, source, _inside(what, own))
            elif key in value:
                checked(value[key], part, source, _inside(what, key))
            else:
                _require(name.endswith("?"), None, f"an entry {key!r}", source, what, found="none")
    elif isinstance(shape, list):
        _require(isinstance(value, list), value, "a list", source, what)
        for number, member in enumerate(value):
            checked(member, shape[0], source, f"{what}[{number}]")
    elif isinstance(shape, tuple):
        _require(any(_fits(value, option) for option in shape), value, _words(shape), source, what)
    else:
        _require(_fits(value, shape), value, _words(shape), source, what)
    return value


def _inside(what: str, key: object) -> str:
    return str(key) if what == "the content" else f"{what}.{key}"


def _fits(value: Any, shape: Shape) -> bool:
    if isinstance(shape, (dict, list, tuple)):
        try:
            checked(value, shape, "")
        except AuricleError:
            return False
        return True
    if shape is None or shape is object:
        return value is None if shape is None else True
    if isinstance(value, bool):
        return shape is bool
    return isinstance(value, (int, float) if shape is float else shape)


def _words(shape: Shape) -> str:
    if isinstance(shape, tuple):
        return " or ".join(_words(option) for option in shape)
    if isinstance(shape, (dict, list)):
        shape = type(shape)
    return "null" if shape is None else _WORDS[shape]


def _require(fits: bool, value: Any, expected: str, source: object, what: str, found: str = "") -> None:
    if not fits:
        raise AuricleError(
            f"{source}: damaged or of another kind: {what} should be {expected}, "
            f"and is {found or reprlib.repr(value)}".replace("\n", " ")
        )
