"""`Options`, the base class of all options, and helpers to complete and check them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass, replace
from typing import Any, ClassVar, get_type_hints

from auricle.config.values import plain
from auricle.errors import AuricleError
from auricle.registry import unknown_name


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base class of options; a subclass's docstring is extended by the descriptions of inherited options.

    A docstring starts with what the verb or group does and describes each field under `Args:`. A missing value is
    `None`. `path_options` names the fields with paths of inputs, which are compared by content, not by path, and
    `model_options` those with models, which may be names of published ones. `function_options` names those that may be
    Python functions, `module:function`: they are taken from the command line and from Python, and from no file.
    `basic_options` names those that --help shows, where it does not show all.
    """

    path_options: ClassVar[tuple[str, ...]] = ()
    model_options: ClassVar[tuple[str, ...]] = ()
    function_options: ClassVar[tuple[str, ...]] = ()
    basic_options: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        text, own = described(cls.__doc__ or "")
        inherited: dict[str, str] = {}
        for base in reversed(cls.__mro__[1:]):
            if issubclass(base, Options) and base is not Options:
                inherited |= described(base.__doc__ or "")[1]
        every = own | {name: words for name, words in inherited.items() if name not in own}
        if every:
            lines = [f"    {name}: {words}" for name, words in every.items()]
            cls.__doc__ = "\n".join([text, "", "Args:", *lines])

    def settings(self) -> dict[str, Any]:
        """The options as plain values, for a YAML file that --config reads."""
        return asdict(self)

    def refuse_unused(self) -> None:
        """Raise `AuricleError` for options that another one leaves without an effect.

        A verb does so before it begins. The same options of a model that was trained once may be read.
        """
        for group in vars(self).values():
            if isinstance(group, Options):
                group.refuse_unused()

    def given(self, names: Iterable[str]) -> list[str]:
        """Those of the fields `names` that differ from their defaults, as on the command line: `--by-group`."""
        defaults = {
            field.name: field.default if field.default_factory is MISSING else field.default_factory()
            for field in fields(self)
        }
        return [f"--{name.replace('_', '-')}" for name in names if getattr(self, name) != defaults[name]]


def names_function(text: str) -> bool:
    """Whether `text` has the form `module:function`; a path of that form is given as `./module:function`."""
    return bool(re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*", text))


def refuse_functions(kind: type[Options], settings: Mapping[str, Any], source: str) -> None:
    """Raise `AuricleError` for Python functions among the options of `kind` in a file `source`: they would be run."""
    for name in kind.function_options:
        given = settings.get(name)
        for value in given if isinstance(given, list) else [given]:
            if isinstance(value, str) and names_function(value):
                raise AuricleError(
                    f"{source}: {name}: {value}: a Python function is given on the command line, not here"
                )


def described(docstring: str) -> tuple[str, dict[str, str]]:
    """Split a docstring into the text before `Args:` and the descriptions of the arguments, one line each."""
    text, _, listed = docstring.partition("Args:")
    found: dict[str, str] = {}
    name = ""
    indents = [len(line) - len(line.lstrip()) for line in listed.splitlines() if line.strip()]
    outer = min(indents, default=0)
    for line in listed.splitlines():
        start = re.match(r"(\w+): (.*)", line.strip())
        if start and len(line) - len(line.lstrip()) == outer:
            name = start[1]
            found[name] = start[2]
        elif line.strip() and name:
            found[name] += " " + line.strip()
    dedented = [line[4:] if line.startswith("    ") else line for line in text.strip().splitlines()]
    return "\n".join(dedented).strip(), found


def complete(kind: type[Any], options: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The fields of dataclass `kind` updated by `options`.

    Raises `AuricleError` for an unknown option of `name` and for a value of another type.
    """
    hints = get_type_hints(kind)
    known = asdict(kind())
    for option in options:
        if option not in known:
            raise AuricleError(unknown_name(f"option of {name}", option, known))
    return asdict(kind(**{key: plain(f"{name}.{key}", value, hints[key]) for key, value in options.items()}))


def unknown_option(kind: type[Any], name: str) -> str:
    """The error message for an option that `kind` does not have; `name` may be "group.option"."""
    groups = {field.name: fields(field.default) for field in fields(kind) if is_dataclass(field.default)}
    group = name.rpartition(".")[0]
    if group in groups:
        return unknown_name("option", name, [f"{group}.{field.name}" for field in groups[group]])
    inside = [f"{group}.{name}" for group, own in groups.items() if name in {field.name for field in own}]
    if inside:
        return f"unknown option {name!r}; it is {' or '.join(inside)}"
    return unknown_name("option", name, [field.name for field in fields(kind)])


def replaced_groups(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` for the dataclass `kind`, with dictionaries converted to the groups of options that they stand for."""
    groups: dict[str, Any] = {field.name: field.default for field in fields(kind) if is_dataclass(field.default)}
    made = dict(values)
    for name, default in groups.items():
        value = made.get(name)
        if isinstance(value, Mapping):
            made[name] = replace(default, **complete(type(default), asdict(default) | dict(value), name))
    return made


def require(condition: bool, message: str) -> None:
    """Raise `AuricleError(message)` unless `condition` holds."""
    if not condition:
        raise AuricleError(message)
