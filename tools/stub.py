"""Write src/auricle/__init__.pyi: the types of everything that `import auricle` offers.

python tools/stub.py
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import auricle
from auricle.commands import every_verb

STUB = Path(auricle.__file__).with_suffix(".pyi")
REEXPORTED = {
    name: home for name, home in auricle._HOMES.items() if name not in {v.name for v in every_verb().values()}
}


def stub() -> str:
    """The text of the stub."""
    imports: set[tuple[str, str]] = set()
    functions = []
    for verb in sorted(every_verb().values(), key=lambda verb: verb.name):
        function = verb.function()
        hints = typing.get_type_hints(verb.options)
        result = typing.get_type_hints(function.with_options)["return"]
        for hint in (*hints.values(), result):
            imports |= set(classes_in(hint))
        functions.append(definition(verb.name, verb.options, inspect.signature(function).return_annotation))
    lines = [f"from {module} import {name}" for module, name in sorted(imports)]
    lines += [f"from {home} import {name} as {name}" for name, home in sorted(REEXPORTED.items())]
    head = [
        "from collections.abc import Mapping, Sequence",
        "from os import PathLike",
        "from typing import Any, Literal, TypeAlias",
        *lines,
        "",
        "StrPath: TypeAlias = str | PathLike[str]",
        "__version__: str",
    ]
    return "\n".join([*head, "", *functions])


def definition(name: str, options: Any, result: Any) -> str:
    """`def name(...) -> ...: ...` with the options as arguments."""
    positional, keywords = [], []
    for field in fields(options):
        grouped = is_dataclass(field.default)
        hint = f"{field.type} | Mapping[str, Any]" if grouped else accepted(field.type)
        needed = field.default is MISSING and field.default_factory is MISSING
        plain = field.default is not MISSING and not grouped
        text = f"    {field.name}: {hint}" + ("" if needed else f" = {field.default!r}" if plain else " = ...")
        (keywords if field.kw_only else positional).append((needed, f"{text},"))
    ordered = [text for _, text in positional]
    ordered += ["    *,", *(text for _, text in keywords)] if keywords else []
    return "\n".join([f"def {name}(", *ordered, f") -> {shown(result)}: ...", ""])


def accepted(kind: str) -> str:
    """What may be given for an option of the type `kind`: paths for text, and one value or several for a list."""
    kind = re.sub(r"\bstr\b(?!, )", "StrPath", kind)
    kind = re.sub(r"\blist\[(\w+)\]", r"\1 | Sequence[\1]", kind)
    return re.sub(r"\blist\[(\w+) \| (Callable\[.*?\])\]", r"\1 | \2 | Sequence[\1 | \2]", kind)


def shown(hint: Any) -> str:
    """A type as source text."""
    if hint is None or hint is type(None):
        return "None"
    if typing.get_args(hint):
        return f"{shown(typing.get_origin(hint))}[{', '.join(shown(argument) for argument in typing.get_args(hint))}]"
    return hint.__name__


def classes_in(hint: Any) -> Iterator[tuple[str, str]]:
    """(module, name) of every class in a type that is not built in."""
    for part in (typing.get_origin(hint), *typing.get_args(hint)):
        if part is not None:
            yield from classes_in(part)
    if inspect.isclass(hint) and hint.__module__ not in ("builtins", "types", "typing"):
        yield hint.__module__, hint.__name__


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
