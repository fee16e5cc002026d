"""What happens when something on the page is used: one computation at a time, progress, a stop, errors in words."""

from __future__ import annotations

import inspect
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import gradio as gr

from auricle.errors import AuricleError, first_line
from auricle.progress import told_to

_BAR = gr.Progress()
_PRIVATE = "private"


class Stopped(AuricleError):
    """The work was stopped by the user."""


class Works:
    """The work of every browser tab, each of which can be stopped between its steps."""

    def __init__(self) -> None:
        self._stops: dict[str, threading.Event] = {}

    def on(
        self,
        listener: Callable[..., Any],
        function: Callable[..., Any],
        inputs: Sequence[Any],
        outputs: Any,
        name: str | None = None,
        **options: Any,
    ) -> Any:
        """Call `function` with the values of `inputs` when `listener` (such as `button.click`) says so.

        `name` is that of the function for programs that use the server; `options` are those of Gradio's listeners. One
        computation runs at a time, as models are not made for several threads.
        """
        public: dict[str, Any] = {"api_name": name} if name else {"api_visibility": _PRIVATE}
        return listener(
            self._said(function), list(inputs), outputs, concurrency_id="work", concurrency_limit=1, **public, **options
        )

    def stop_button(self) -> None:
        """A button that stops the work of its browser tab."""
        gr.Button("Stop").click(self._stop, api_visibility=_PRIVATE, queue=False)

    def _said(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, which also takes a request and a progress bar, as Gradio sees by the signature."""

        def run(*arguments: Any) -> Any:
            *values, request, progress = arguments
            stop = self._stops[str(request.session_hash)] = threading.Event()

            def tell(what: str, done: int, total: int) -> None:
                if stop.is_set():
                    raise Stopped("stopped")
                progress((done, total), desc=what, unit="parts")

            try:
                with told_to(tell):
                    return function(*values)
            except Stopped:
                raise _error("The work was stopped.", "Stopped", duration=5) from None
            except AuricleError as error:
                raise _error(str(error), "That is not possible") from None
            except Exception as error:
                traceback.print_exc(file=sys.stderr)
                raise _error(f"{type(error).__name__}: {first_line(error)}", "An error of auricle") from None

        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        given = [
            parameter.replace(default=parameter.empty) for parameter in inspect.signature(function).parameters.values()
        ]
        added = [inspect.Parameter("request", kind), inspect.Parameter("progress", kind, default=_BAR)]
        vars(run).update(__signature__=inspect.Signature([*given, *added]))
        run.__annotations__ = {"request": gr.Request}
        return run

    def _stop(self, request: gr.Request) -> None:
        if found := self._stops.get(str(request.session_hash)):
            found.set()


def _error(text: str, title: str, duration: float | None = None) -> gr.Error:
    return gr.Error(escape(text), title=title, duration=duration, print_exception=False)
