"""One process for each case: a verb runs in it, watched, and the process says how it ended."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from confine import confine

MAX_SECONDS = 20
MAX_BYTES = 2**30  # resident, beyond those of a forked process that does nothing
EXIT_CODES = (0, 2, 3)
_WRITING = {
    "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod",
    "os.chown", "shutil.rmtree", "shutil.move", "shutil.copyfile",
}  # fmt: skip
_FORBIDDEN = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect", "socket.bind")
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_HARMLESS = ("/dev/null", "/dev/shm", "/dev/tty", "/proc/self")


@dataclass
class Outcome:
    """How a case ended: `problem` is empty if nothing is wrong."""

    problem: str
    code: int | None
    seconds: float
    bytes: int
    error: str


def run(arguments: list[str], place: Path, allowed: list[Path]) -> Outcome:
    """Run the command line in a forked process in `place`; it may write below `allowed` only."""
    report, end = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(report)
        _work(arguments, place, [str(path) for path in allowed], end)
    os.close(end)
    status, usage = _wait(child, started)
    with os.fdopen(report, "rb") as pipe:
        said = pipe.read(20_000).decode("utf-8", "replace")
    seconds = time.monotonic() - started
    problem, _, error = said.partition("\n")
    code = os.waitstatus_to_exitcode(status) if status is not None else None
    grown = max(0, usage - _RESIDENT)
    if code is None:
        problem = f"no end after {MAX_SECONDS} s"
    elif code < 0:
        problem = f"signal {signal.Signals(-code).name}"
    elif not problem and code not in EXIT_CODES:
        problem = f"exit code {code}"
    elif not problem and grown > MAX_BYTES:
        problem = f"{grown / 2**20:.0f} MiB of memory"
    return Outcome(problem, code, seconds, grown, error)


_RESIDENT = 0


def remember_memory() -> None:
    """Count memory from that which a process has that was forked and does nothing."""
    global _RESIDENT
    child = os.fork()
    if child == 0:
        os._exit(0)
    _RESIDENT = os.wait4(child, 0)[2].ru_maxrss * 1024


def _wait(child: int, started: float) -> tuple[int | None, int]:
    """The status and the largest resident memory of a child; None if it was killed because it took too long."""
    late = False
    while not late:
        late = time.monotonic() - started > MAX_SECONDS
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            return status, usage.ru_maxrss * 1024
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    _, _, usage = os.wait4(child, 0)
    return None, usage.ru_maxrss * 1024


def _work(arguments: list[str], place: Path, allowed: list[str], end: int) -> None:
    """Run the command line and end this process, after writing a problem or an empty line, and the error, to `end`."""
    outside: list[str] = []
    problem, code, said = "", 1, ""
    try:
        os.chdir(place)
        temporary = place / ".tmp"
        temporary.mkdir()
        os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        sys.argv = ["auricle", *arguments]
        errors = io.StringIO()
        confine(place)
        _watch(allowed, outside)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
            code, problem = _ended(arguments)
        said = errors.getvalue()
        errors_said = [line for line in said.splitlines() if line.startswith("auricle: ")]
        if outside:
            problem = outside[0]
        elif not problem and "Traceback" in said:
            problem = "traceback"
        elif not problem and (decoded := resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024) > MAX_BYTES:
            problem = f"{decoded / 2**20:.0f} MiB of memory for decoding"
        elif not problem and code == 2 and len(errors_said) != 1:
            problem = f"{len(errors_said)} errors instead of one"
    except BaseException as error:
        problem = f"the worker failed: {error!r}"
    os.write(end, f"{problem[:2000]}\n{said[-4000:]}".encode("utf-8", "replace"))
    os._exit(code if isinstance(code, int) and 0 <= code < 256 else 1)


def _ended(arguments: list[str]) -> tuple[int, str]:
    from auricle.__main__ import main

    try:
        main(arguments)
    except SystemExit as ended:
        return (ended.code if isinstance(ended.code, int) else 1), ""
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "/auricle/" in frame.filename] or frames
        where = f"{Path(own[-1].filename).name}:{own[-1].lineno}"
        return 1, f"traceback {type(error).__name__} at {where}: {' '.join(str(error).split())[:300]}"
    return 0, ""


def _watch(allowed: list[str], outside: list[str]) -> None:
    """Refuse every program that is started and every change of a file outside `allowed`, and note it in `outside`.

    The decoding process may be started: it is confined too. This names what was tried; the kernel (`confine`) refuses
    it where Python does not see it.
    """
    from auricle.audio.process import command

    roots = tuple(os.path.realpath(path) + os.sep for path in allowed)
    decoding = [str(command())]

    def inside(path: object) -> bool:
        if isinstance(path, int) or path is None:
            return True
        text = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else str(path)
        parent, name = os.path.split(text)
        real = os.path.join(os.path.realpath(parent or "."), name)
        return (real + os.sep).startswith(roots) or real.startswith(_HARMLESS)

    def refuse(what: str) -> None:
        outside.append(what)
        raise PermissionError(errno.EPERM, what)

    def hook(event: str, values: tuple[object, ...]) -> None:
        if event == "open":
            path, flags = values[0], values[2]
            if isinstance(flags, int) and flags & _WRITE_FLAGS and not inside(path):
                refuse(f"opened {path!r} for writing")
        elif event in _WRITING:
            for path in values[:2] if event in ("os.rename", "os.link") else values[:1]:
                if not inside(path):
                    refuse(f"{event} of {path!r}")
        elif event in _FORBIDDEN and list(map(str, values[1:2])) != decoding:
            refuse(f"{event} {str(values)[:200]}")

    sys.addaudithook(hook)
