"""The options of a verb as the command line has them: `--name`, those of groups `--group.name`, all given as text."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import MISSING, dataclass
from typing import Any

from auricle.config import Options, element_type
from auricle.config.options import described
from auricle.config.values import choices, in_words
from auricle.errors import AuricleError
from auricle.readers import TooLarge, yaml_value
from auricle.registry import unknown_name

_LONGEST = 80  # characters of a value in a message
_NUMBERS: dict[Any, Any] = {int: int, float: float}


@dataclass(frozen=True)
class Flag:
    """An option: its `key`, as in "group.name", type, default and description, and whether its place tells it."""

    key: str
    hint: Any
    default: Any
    text: str
    positional: bool = False

    @property
    def name(self) -> str:
        """How it is written, as in "--group.some-name"; in capitals for one that is given by its place."""
        hyphenated = self.key.replace("_", "-")
        return hyphenated.upper() if self.positional else f"--{hyphenated}"

    @property
    def group(self) -> str:
        """The name of its group, if any."""
        return self.key.rpartition(".")[0]

    @property
    def needed(self) -> bool:
        """Whether it has no default."""
        return self.default is MISSING

    @property
    def several(self) -> bool:
        """Whether it takes several values."""
        return bool(element_type(self.hint))

    @property
    def switch(self) -> bool:
        """Whether it takes no value."""
        return self.hint in (bool, bool | None)

    @property
    def entries(self) -> bool:
        """Whether it is a dictionary, whose entries are given as --name.entry."""
        return any(typing.get_origin(kind) is dict for kind in (self.hint, *typing.get_args(self.hint)))

    @property
    def placeholder(self) -> str:
        """What stands for its value in help."""
        kind = element_type(self.hint) or self.hint
        if choices(kind):
            return f"{{{','.join(choices(kind))}}}"
        number = next((known for known in _NUMBERS if known in (kind, *typing.get_args(kind))), None)
        word = self.name if self.positional else self.name.rpartition("-")[2].rpartition(".")[2].upper()
        return {None: word, int: "N", float: "X"}[number]

    def value(self, given: str | bool | list[str]) -> Any:
        """The value that texts stand for; raises `AuricleError` for one of another type, or for none."""
        if isinstance(given, bool):
            return given
        element = element_type(self.hint)
        texts = [given] if isinstance(given, str) else given
        if not element:
            if not texts:
                raise AuricleError(f"{self.name}: expected one argument")
            return self._one(texts[-1], self.hint)
        if element in _NUMBERS:
            texts = [text.strip() for text in ",".join(texts).strip("[]").split(",") if text.strip()]
        elif len(texts) == 1 and texts[0].startswith("[") and texts[0].endswith("]"):
            texts = yaml_value(texts[0], self.name)
        return [self._one(text, element) if isinstance(text, str) else text for text in texts]

    def _one(self, text: str, hint: Any) -> Any:
        kinds = (hint, *typing.get_args(hint))
        if type(None) in kinds and text == "null":
            return None
        if choices(hint) and text not in choices(hint):
            raise AuricleError(unknown_name(self.name, text, choices(hint)))
        if self.entries:
            return self._refused_unless(plain_value(text, self.name), dict, text)
        number = next((_NUMBERS[kind] for kind in kinds if kind in _NUMBERS), None)
        if number is None:
            return text
        try:
            return number(text)
        except ValueError:
            return self._refused_unless(None, number, text)

    def _refused_unless(self, value: Any, kind: type, text: str) -> Any:
        if isinstance(value, kind):
            return value
        shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
        raise AuricleError(f"{self.name} {shown}: expected {in_words(self.hint)}")


def plain_value(text: str, name: str) -> Any:
    """The plain value (text, number, list, …) that a text stands for; raises `TooLarge`."""
    try:
        return yaml_value(text, name)
    except TooLarge:
        raise
    except AuricleError:
        return text


def flags_of(kind: type[Options]) -> list[Flag]:
    """All options of a verb, in the order of its docstring; those of groups last."""
    documented = described(kind.__doc__ or "")[1]
    hints = typing.get_type_hints(kind)
    fields = sorted(dataclasses.fields(kind), key=lambda field: list(documented).index(field.name))
    own, of_groups = [], []
    for field in fields:
        if dataclasses.is_dataclass(field.default) and not isinstance(field.default, type):
            texts = described(type(field.default).__doc__ or "")[1]
            types = typing.get_type_hints(type(field.default))
            for name in (inner.name for inner in dataclasses.fields(field.default)):
                default = getattr(field.default, name)
                of_groups.append(Flag(f"{field.name}.{name}", types[name], default, texts[name]))
        else:
            default = field.default if field.default_factory is MISSING else field.default_factory()
            text = documented[field.name]
            own.append(Flag(field.name, hints[field.name], default, text, positional=not field.kw_only))
    return own + of_groups
