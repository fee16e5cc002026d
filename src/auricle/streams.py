"""Standard output and error that outlive their readers, as in `auricle train … | head`."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from io import TextIOWrapper
from typing import Any, TextIO


def outlive_reader(stream: TextIOWrapper, lost: type[OSError]) -> None:
    """Drop what is written to `stream` from the first error of the type `lost` on, and go on with the work.

    The files of a command are its work; what it prints tells of it. The methods are those of this stream alone.
    """
    for name in ("write", "flush"):
        setattr(stream, name, partial(_or_nowhere, stream, lost, getattr(type(stream), name)))


def is_unread(stream: TextIO) -> bool:
    """Whether what is written to a stream is dropped."""
    return getattr(stream, "unread", False)


def _or_nowhere(stream: TextIOWrapper, lost: type[OSError], method: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return method(stream, *arguments)
    except lost:
        if is_unread(stream):
            raise
        setattr(stream, "unread", True)  # noqa: B010
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        return method(stream, *arguments)
