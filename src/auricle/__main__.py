"""The command line: `auricle VERB`; see `auricle.commands.parser`.

Commands have one form, `auricle VERB INPUT… --option value`. Fields of a verb's options that are not keyword-only are
its inputs; the docstring is the help. Options may be written with hyphens or underscores, read from a YAML file
(`--config`), and printed as YAML (`--print-config`).
"""

from __future__ import annotations

import ctypes
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any

from auricle.errors import AuricleError, AuricleWarning, lines_without_controls, without_controls
from auricle.interruption import interruptible
from auricle.streams import outlive_reader

BAD_INPUT, SOME_FAILED = 2, 3
SPIN_COUNT = "10000"
"""Turns for which a thread of torch (libgomp) waits actively; `benchmarks/neighbours.py` measures their effect."""

KEPT_BYTES = 2**30
"""What was freed and is kept for the next arrays, at most; `benchmarks/allocator.py` measures the effect."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code.

    0: all well. 2: an unusable command or input, which one line explains. 3: some files failed, were damaged or were
    left out. 130 and 143: interrupted by SIGINT and SIGTERM.
    """
    _prepare_streams()
    _prepare_threads()
    prepare_memory()
    with interruptible() as interruption, _warnings_as_lines() as warned:
        try:
            code = run(list(sys.argv[1:] if arguments is None else arguments))
        except AuricleError as error:
            print(lines_without_controls(f"auricle: {error}"), file=sys.stderr)
            code = BAD_INPUT
        except BrokenPipeError:
            code = 0
        except OSError as error:
            why = "exists already: give another name" if isinstance(error, FileExistsError) else error.strerror or error
            line = f"auricle: {error.filename or ''}: {why}".replace(": : ", ": ")
            print(without_controls(line), file=sys.stderr)
            code = BAD_INPUT
        except KeyboardInterrupt:
            interruption.say()
            code = interruption.code
        if code == 0 and warned:
            code = SOME_FAILED
    sys.exit(code)


def _prepare_streams() -> None:
    """Open standard streams that are closed as empty ones, and write characters that cannot be encoded as escapes.

    The bytes of a name that is not UTF-8 cannot be encoded, nor can an emoji in ASCII. Streams outlive their readers,
    and standard error a full disk too: messages that cannot be written do not end the work.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    for stream, lost in ((sys.stdout, BrokenPipeError), (sys.stderr, OSError)):
        if isinstance(stream, TextIOWrapper):
            outlive_reader(stream, lost)
            if stream.errors == "strict":
                stream.reconfigure(errors="backslashreplace")


def _prepare_threads() -> None:
    """Let torch's threads that have nothing to do wait actively for some microseconds only, if nothing else is set.

    They wait for milliseconds otherwise and keep the cores from other processes: two trainings on the same cores are
    then several times slower than one after the other. The setting is read when torch is loaded.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)


def prepare_memory() -> None:
    """Let glibc keep what was freed, if the environment does not say otherwise.

    It gives large arrays back to the system otherwise, which clears every page of the next ones anew.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    for name, parameter in (("MMAP", M_MMAP_THRESHOLD), ("TRIM", M_TRIM_THRESHOLD)):
        if mallopt is not None and f"MALLOC_{name}_THRESHOLD_" not in os.environ:
            mallopt(parameter, KEPT_BYTES)


@contextmanager
def _warnings_as_lines() -> Iterator[set[str]]:
    """Context manager in which each `AuricleWarning` is printed once, as a line; gives the set of those printed."""
    printed: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *others: Any, **more: Any) -> None:
        text = without_controls(" ".join(str(message).split()))
        if not issubclass(category, AuricleWarning):
            otherwise(message, category, *others, **more)
        elif text not in printed:
            printed.add(text)
            print(f"auricle: warning: {text}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", AuricleWarning)
        otherwise = warnings.showwarning
        warnings.showwarning = show
        yield printed


def run(arguments: list[str]) -> int:
    """Parse the arguments and run the verb; returns the exit code."""
    from auricle import __version__
    from auricle.commands.parser import JSON, PRINT_CONFIG, parse
    from auricle.readers import yaml_text

    if arguments[:1] == ["--version"]:
        print(f"auricle {__version__}")
        return 0
    parsed = parse(arguments)
    if parsed is None:
        return 0
    verb, options, asked = parsed
    if PRINT_CONFIG in asked:
        print(yaml_text(options.settings()), end="")
        return 0
    return verb.run(options, as_json=JSON in asked)


if __name__ == "__main__":
    main()
