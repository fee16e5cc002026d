"""YAML of plain values: configurations and the settings of runs."""

from __future__ import annotations

import os
import re
from typing import Any, ClassVar

import yaml

from auricle.errors import AuricleError
from auricle.readers.text import MIB, read_text

MAX_DEPTH = 32
MAX_VALUES = 100_000  # where an alias counts as often as it is used

_FLOAT = (
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?"
)
_BYTES = {0xDC80 + k: 0x10DC80 + k for k in range(128)}
"""Bytes of file names that are not UTF-8 (PEP 383), which YAML cannot hold, as characters for private use."""
_BYTES_AGAIN = {private: byte for byte, private in _BYTES.items()}


class TooLarge(AuricleError):
    """YAML that nests too deeply or stands for too many values."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """A safe loader without dates, merged mappings and sexagesimal numbers, which refuses duplicate keys."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    def flatten_mapping(self, node: Any) -> None:
        """Leave `<<` an ordinary key."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        made = super().construct_mapping(node, deep=deep)
        if isinstance(node, yaml.MappingNode) and len(made) < len(node.value):
            names = [key.value for key, _ in node.value if isinstance(key.value, str)]
            twice = next((name for name in names if names.count(name) > 1), "")
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice!r} stands twice", node.start_mark)
        return made


class _Dumper(yaml.SafeDumper):
    """A dumper that quotes text which `_Loader`, or a usual loader, would take for something else."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Text in double quotes if it has characters that other styles would change, such as line separators."""
    text = text.translate(_BYTES)
    style = None if text.replace("\n", "").isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
for _tag, _pattern, _first in (
    ("bool", r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "yYnNtTfFoO"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]+|0|[1-9][0-9_]*)", "-+0123456789"),
    ("float", _FLOAT + r"|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)", "-+0123456789."),
):
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), list(_first))


def read_yaml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The options in a YAML file; an empty file has none."""
    value = yaml_value(read_text(path, MIB), path)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise AuricleError(f"{path}: not a configuration, which has lines of the form 'option: value'")
    return value


def yaml_value(text: str, source: object) -> Any:
    """The plain value (text, numbers, booleans, None, lists, dictionaries) of YAML; `source` is named in errors.

    Aliases are replaced by copies. Raises `TooLarge` for more than `MAX_VALUES` values and names, or more than
    `MAX_DEPTH` levels.
    """
    try:
        depth = n_values = 0
        for event in yaml.parse(text, Loader=_Loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            n_values += isinstance(event, yaml.ScalarEvent)
            if depth > MAX_DEPTH:
                raise TooLarge(f"{source}: nested more than {MAX_DEPTH} levels deep")
            if n_values > MAX_VALUES:
                raise TooLarge(f"{source}: more than {MAX_VALUES} values and names")
        return _plain(yaml.load(text, Loader=_Loader), source, [MAX_VALUES])
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}: " if mark else ""
        raise AuricleError(f"{source}: not valid YAML ({place}{error.problem or error.context})") from None
    except AuricleError:
        raise
    except (yaml.YAMLError, ValueError, KeyError, AttributeError, TypeError, OverflowError, RecursionError) as error:
        raise AuricleError(f"{source}: not valid YAML ({str(error).partition(chr(10))[0]})") from None


def yaml_text(values: dict[str, Any]) -> str:
    """Plain values as the YAML that `read_yaml` reads."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _plain(value: Any, source: object, left: list[int], depth: int = 0) -> Any:
    """A copy of `value` in which nothing is shared; `left` is how many more values are allowed."""
    left[0] -= 1
    if left[0] < 0 or depth > MAX_DEPTH:
        raise TooLarge(f"{source}: its aliases stand for more than {MAX_VALUES} values or {MAX_DEPTH} levels")
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise AuricleError(f"{source}: {key!r} is not the name of an option")
        return {key: _plain(member, source, left, depth + 1) for key, member in value.items()}
    if isinstance(value, list):
        return [_plain(member, source, left, depth + 1) for member in value]
    if isinstance(value, str):
        return value.translate(_BYTES_AGAIN)
    if value is None or type(value) in (int, float, bool):
        return value
    raise AuricleError(f"{source}: a value of the type {type(value).__name__}, which no option takes")
