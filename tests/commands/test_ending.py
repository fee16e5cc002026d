"""How a command ends: exit codes, warnings as lines, signals."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from auricle import commands
from auricle.__main__ import SPIN_COUNT, main
from auricle.commands import Verb
from auricle.errors import AuricleError, AuricleWarning
from sounds import tone_folder

LINE = "auricle: interrupted; run the same command again to resume\n"


class Result:
    def __init__(self, complaint: str = "", exit_code: int = 0) -> None:
        self.complaint, self.exit_code = complaint, exit_code

    def __str__(self) -> str:
        return "the result"


def ending(monkeypatch, function, capsys):
    """Exit code, output and errors of `auricle list frontends` with `function` in place of the verb's own."""
    function.with_options = lambda options: function()
    monkeypatch.setattr(Verb, "function", lambda self: function)
    monkeypatch.setitem(commands.VERBS, "list", Verb(commands.config.ListNames, "auricle:none"))
    with pytest.raises(SystemExit) as ended:
        main(["list", "frontends"])
    captured = capsys.readouterr()
    return ended.value.code, captured.out, captured.err


def test_exit_codes_of_results(monkeypatch, capsys, tmp_path):
    assert ending(monkeypatch, lambda: Result(), capsys) == (0, "the result\n", "")
    assert ending(monkeypatch, lambda: "text", capsys) == (0, "text\n", "")
    some = ending(monkeypatch, lambda: Result("1 of 2 files failed", 3), capsys)
    assert some == (3, "the result\n", "auricle: 1 of 2 files failed\n")

    def unusable():
        raise AuricleError("x is wrong")

    assert ending(monkeypatch, unusable, capsys) == (2, "", "auricle: x is wrong\n")

    def in_the_way():
        (tmp_path / "link").symlink_to("nowhere")
        (tmp_path / "link").mkdir(exist_ok=True)

    assert ending(monkeypatch, in_the_way, capsys) == (
        2, "", f"auricle: {tmp_path}/link: exists already: give another name\n",
    )  # fmt: skip


def test_warnings_are_lines_and_end_with_3(monkeypatch, capsys):
    def warned(code):
        def function():
            for text in ("a.wav: is cut\nat 1 s", "a.wav: is cut\nat 1 s", "b.wav: is cut"):
                warnings.warn(text, AuricleWarning, stacklevel=1)
            return Result(exit_code=code)

        return function

    lines = "auricle: warning: a.wav: is cut at 1 s\nauricle: warning: b.wav: is cut\n"
    assert ending(monkeypatch, warned(0), capsys) == (3, "the result\n", lines)
    assert ending(monkeypatch, warned(2), capsys) == (2, "the result\n", lines)


SLOW = """
import sys, time
from auricle import commands
from auricle.__main__ import SPIN_COUNT, main
from auricle.commands import Verb

def wait():
    for _ in range(6000):
        time.sleep(0.01)  # a signal that comes as a sleep begins is handled at its end

def function():
    print("begun", flush=True)
    if "import" in sys.argv:
        import endless
    try:
        wait()
    finally:
        if "slowly" in sys.argv:
            print("ending", flush=True)
            wait()

function.with_options = lambda options: function()
Verb.function = lambda self: function
main(["list", "frontends"])
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("where", ["", "import", "slowly"])
def test_signals_end_with_one_line(number, code, where, tmp_path):
    """In the work, during an import that discards exceptions, and a second signal while the first is being handled."""
    (tmp_path / "endless.py").write_text(
        "import time\nwhile True:\n    try:\n        time.sleep(0.01)\n    except BaseException:\n        pass\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, where],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([*filter(None, sys.path), str(tmp_path)])},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    time.sleep(0.1 if where == "import" else 0)
    process.send_signal(number)
    if where == "slowly":
        assert process.stdout.readline() == "ending\n"
        process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (code, LINE)


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        from auricle.interruption import interruptible

        with interruptible():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)


PRINTING = """
import sys
import auricle.__main__ as command_line
from auricle.errors import AuricleError

def run(arguments):
    for _ in range(20):
        print("x" * 10_000)
        print("x", file=sys.stderr, flush=True)
    open("done", "w").close()
    if arguments:
        raise AuricleError("bad input")
    return 3

command_line.run = run
command_line.main()
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(("arguments", "code"), [([], 3), (["bad"], 2)])
@pytest.mark.parametrize("unread", ["stdout", "stderr", "both", "full stderr"])
def test_output_that_nobody_reads_does_not_end_the_work(unread, arguments, code, tmp_path):
    reading, pipe = os.pipe()
    os.close(reading)
    with open("/dev/full", "w") as full, open(os.devnull, "w") as nowhere:
        process = subprocess.run(
            [sys.executable, "-c", PRINTING, *arguments],
            stdout=pipe if unread in ("stdout", "both") else nowhere,
            stderr={"stderr": pipe, "both": pipe, "full stderr": full}.get(unread, nowhere),
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    os.close(pipe)
    assert process.returncode == code
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_empty_ones(closed, tmp_path):
    """The file that is written is not taken for one of the standard streams, which have the lowest numbers."""
    code = f"""
import sys
from auricle import commands
from auricle.__main__ import SPIN_COUNT, main
from auricle.commands import Verb

def function():
    with open({str(tmp_path / "file")!r}, "w") as file:
        print("a line")
        print("a line", sys.stdin.read(), sys.stderr.isatty(), file=sys.stderr)
        file.write("the content")

function.with_options = lambda options: function()
Verb.function = lambda self: function
main(["list", "frontends"])
"""
    ended = subprocess.run(["bash", "-c", f'"$0" -c "$1" {closed}', sys.executable, code], stdin=subprocess.DEVNULL)
    assert ended.returncode == 0
    assert (tmp_path / "file").read_text() == "the content"


@pytest.mark.parametrize(
    ("encoding", "shown"), [("utf-8:strict", "\\udcff 😀"), ("ascii:strict", "\\udcff \\U0001f600")]
)
def test_what_cannot_be_encoded_is_escaped(encoding, shown):
    code = """
from auricle.__main__ import SPIN_COUNT, main
from auricle.commands import Verb
from auricle.errors import AuricleError

def function():
    print(chr(0xdcff), chr(0x1f600))
    raise AuricleError(chr(0xdcff) + " " + chr(0x1f600))

function.with_options = lambda options: function()
Verb.function = lambda self: function
main(["list", "frontends"])
"""
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)
    assert ended.returncode == 2
    assert ended.stdout.decode() == f"{shown}\n"
    assert len(ended.stderr.splitlines()) == 1
    assert b"\\xff" in ended.stderr


@pytest.mark.parametrize(("name", "shown"), [(os.fsdecode(b"caf\xe9"), r"caf\xe9"), ("a\ud800", r"a\ud800")])
def test_bytes_that_are_not_utf_8_are_shown_as_everywhere(capsys, name, shown):
    with pytest.raises(SystemExit) as ended:
        main(["review", f"{name}\x1b"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(rf"auricle: {shown}\x1b: no such folder")


def test_control_characters_do_not_reach_the_terminal(tmp_path, capsys):
    odd = tmp_path / "a\x1b[2J\x9b.wav"
    odd.write_bytes(b"no sound")
    tone_folder(tmp_path / "tones")
    (tmp_path / "tones" / "low" / odd.name).write_bytes(b"no sound")
    shown = r"a\x1b[2J\x9b.wav"
    for arguments in (
        ["train", "classifier", "--data", odd, "--output", tmp_path / "run"],
        ["train", "classifier", "--data", tmp_path / "tones", "--output", tmp_path / "run"],
        ["evaluate", odd, "--data", tmp_path / "tones"],
        ["check", odd],
    ):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        assert ended.value.code == 2
        said = capsys.readouterr().err
        assert shown in said
        assert all(line.isprintable() for line in said.splitlines())


@pytest.mark.skipif(os.name != "posix", reason="a folder in use cannot be removed")
def test_a_working_folder_that_was_removed_is_said_to_be(tmp_path, monkeypatch, capfd):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(SystemExit) as ended:
        main(["doctor"])
    line = "auricle: the working folder does not exist any more: change to another one\n"
    assert (ended.value.code, *capfd.readouterr()) == (2, "", line)


def test_check_ends_with_2_for_errors(tmp_path, capsys):
    data = tone_folder(tmp_path / "tones")
    for path in data.rglob("*.wav"):
        path.write_bytes(b"no sound")
    with pytest.raises(SystemExit) as ended:
        main(["check", str(data)])
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, SPIN_COUNT), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)],
    ids=["nothing", "a count", "a policy"],
)
def test_threads_wait_actively_as_the_user_says_or_briefly(given, expected, monkeypatch, capsys):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        main(["--version"])
    assert os.environ.get("GOMP_SPINCOUNT") == expected
    capsys.readouterr()


FAULTS = """
import resource
import numpy as np
from auricle.__main__ import prepare_memory

prepare_memory()
faults = []
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(8 * 2**20)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(faults[0], faults[-1])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator of glibc")
@pytest.mark.parametrize("given", [{}, {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}])
def test_freed_memory_is_kept_unless_the_user_says_otherwise(given, monkeypatch):
    for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"):
        monkeypatch.delenv(name, raising=False)
    ended = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True, env={**os.environ, **given}
    )
    first, last = map(int, ended.stdout.split())
    assert (last < 0.01 * first) == (not given)
