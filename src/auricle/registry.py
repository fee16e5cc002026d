"""Names for things that can be created: `create_*`, `list_*` and `register_*` stand on this.

FRONTENDS: Registry[Frontend] = Registry("front-end")

@FRONTENDS.register("leaf")
def leaf(...): ...

FRONTENDS["leaf"](n_filters=64)
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from auricle.errors import AuricleError

T = TypeVar("T")


class Registry(Generic[T]):
    """A mapping from a name to the callable that makes the thing; `kind` is what errors call it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._makers: dict[str, Callable[..., T]] = {}

    def register(self, name: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
        """Decorator: `name` makes what the decorated callable returns. A taken name is an error."""

        def add(maker: Callable[..., T]) -> Callable[..., T]:
            if name in self._makers:
                raise AuricleError(f"the {self.kind} {name!r} is registered already")
            self._makers[name] = maker
            return maker

        return add

    def __getitem__(self, name: str) -> Callable[..., T]:
        try:
            return self._makers[name]
        except KeyError:
            raise AuricleError(unknown_name(self.kind, name, self._makers)) from None

    def create(self, name: str, **options: Any) -> T:
        """Make `name` with `options`; an option that its maker does not take is an `AuricleError`."""
        maker = self[name]
        try:
            return maker(**options)
        except TypeError as error:
            if "unexpected keyword argument" not in str(error):
                raise
            raise AuricleError(f"the {self.kind} {name!r} cannot be made so: {error}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._makers))

    def __contains__(self, name: object) -> bool:
        return name in self._makers

    def description(self, name: str) -> str:
        """The first line of the maker's docstring."""
        return (self[name].__doc__ or "").strip().partition("\n")[0]


def unknown_name(kind: str, name: str, known: Any) -> str:
    """'unknown front-end 'leef'; did you mean 'leaf'? Known: …' for a name that is not in `known`."""
    names = sorted(str(n) for n in known)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"unknown {kind} {name!r}{hint} Known: {', '.join(names)}"
