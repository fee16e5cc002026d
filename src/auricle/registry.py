"""Registries of constructors by name, behind every `create_*`, `list_*` and `register_*`.

An entry is registered and called like this:

    FRONTENDS: Registry[Frontend] = Registry("front-end")

    @FRONTENDS.register("leaf")
    def leaf(...): ...

    FRONTENDS["leaf"](n_filters=64)
"""

from __future__ import annotations

import difflib
import fnmatch
import inspect
from collections.abc import Callable, Iterable, Iterator
from numbers import Integral
from typing import Any, Generic, TypeVar

from auricle.errors import AuricleError

_ALIKE = 0.5
T = TypeVar("T")
Constructor = TypeVar("Constructor", bound=Callable[..., Any])


class Registry(Generic[T]):
    """A mapping from names to constructors; `kind` is the name of an entry in error messages.

    `shared` names the options that constructors take as `**options`.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.shared: tuple[str, ...] = ()
        self._constructors: dict[str, Callable[..., T]] = {}

    def register(self, name: str) -> Callable[[Constructor], Constructor]:
        """Decorator: register a class or function as the constructor `name`.

        Raises `AuricleError` for a name in use, and where there is none.
        """
        if not isinstance(name, str) or not name:
            raise AuricleError(f"a {self.kind} is registered by a name, which the decorator is given: {name!r} is none")

        def add(constructor: Constructor) -> Constructor:
            if name in self._constructors:
                raise AuricleError(f"the {self.kind} {name!r} is registered already")
            self._constructors[name] = constructor
            return constructor

        return add

    def __getitem__(self, name: str) -> Callable[..., T]:
        try:
            return self._constructors[name]
        except KeyError:
            raise AuricleError(unknown_name(self.kind, name, self._constructors)) from None

    def create(self, name: str, /, **options: Any) -> T:
        """Call the constructor `name` with `options`.

        NumPy's whole numbers count as Python's. Raises `AuricleError` for an unknown name and for an option that the
        constructor does not take.
        """
        constructor = self[name]
        options = {option: int(value) if _is_foreign_int(value) else value for option, value in options.items()}
        try:
            return constructor(**options)
        except AuricleError:
            raise
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            MemoryError,
            RuntimeError,
            TypeError,
            ValueError,
        ) as error:
            known = self.options(name)
            for option in options:
                if isinstance(error, TypeError) and known and option not in known:
                    meant = did_you_mean(option, known) or "."
                    own = f"{option!r} of the {self.kind} {name!r} (unexpected keyword)"
                    raise AuricleError(f"unknown option {own}{meant} Known: {', '.join(sorted(known))}") from None
            reason = f"{error}".partition("\n")[0] or type(error).__name__
            raise AuricleError(f"the {self.kind} {name!r} cannot be created with these options: {reason}") from error

    def options(self, name: str) -> list[str]:
        """The options of the constructor `name`; none if it takes any, or does not say which."""
        try:
            parameters = inspect.signature(self[name]).parameters.values()
        except (TypeError, ValueError):
            return []
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters) and not self.shared:
            return []
        return [
            *(own.name for own in parameters if own.kind in (own.KEYWORD_ONLY, own.POSITIONAL_OR_KEYWORD)),
            *self.shared,
        ]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._constructors))

    def names(self, pattern: str = "*") -> list[str]:
        """The names in alphabetical order, those like `pattern` as in a shell: `*` stands for any letters."""
        return fnmatch.filter(self, pattern)

    def __contains__(self, name: object) -> bool:
        return name in self._constructors

    def description(self, name: str) -> str:
        """The first line of the docstring of the constructor `name`."""
        return (self[name].__doc__ or "").strip().partition("\n")[0]


def _is_foreign_int(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, int)


def unknown_name(kind: str, name: str, known: Any) -> str:
    """An error message for a name that is not in `known`: "unknown front-end 'leef'; did you mean 'leaf'? Known: …"."""
    names = [str(n) for n in known]
    return f"unknown {kind} {name!r}{did_you_mean(name, names) or '.'} Known: {', '.join(sorted(names))}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error message that suggests the name in `known` which `name` resembles; empty if none does.

    Of names that resemble it equally the first is suggested.
    """
    matcher = difflib.SequenceMatcher(b=str(name))
    nearest, most = "", 0.0
    for each in known:
        matcher.set_seq1(each)
        if matcher.ratio() > most:
            nearest, most = each, matcher.ratio()
    return f"; did you mean {nearest!r}?" if most >= _ALIKE else ""
