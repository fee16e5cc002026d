"""An extension of griffe, which reads the code for mkdocstrings: named tuples show their fields as a signature."""

from __future__ import annotations

from typing import Any

import griffe


class NamedTuples(griffe.Extension):
    """Gives every `NamedTuple` the `__init__` that its fields stand for, as griffe does for dataclasses."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        if "NamedTuple" not in {str(base) for base in cls.bases} or "__init__" in cls.members:
            return
        kind = griffe.ParameterKind.positional_or_keyword
        fields = [
            griffe.Parameter(name, annotation=field.annotation, kind=kind, default=field.value)
            for name, field in cls.attributes.items()
            if field.annotation is not None
        ]
        parameters = griffe.Parameters(griffe.Parameter("self", kind=kind), *fields)
        cls.set_member("__init__", griffe.Function("__init__", parameters=parameters, lineno=cls.lineno))
