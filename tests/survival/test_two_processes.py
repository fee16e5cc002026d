"""Two processes in one folder: nothing is done twice, and what a killed one has begun the other does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sounds import tone_folder

N_FILES = 40
WORKER = """
import os, sys, time
from pathlib import Path
from auricle.runs.batch import each_file
from auricle.runs.outcomes import Batch

log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def work(path, target):
    os.write(log, f"{os.getpid()} {path.name}\\n".encode())
    if path.name == "r03.wav" and "hang" in sys.argv:
        print("hanging", flush=True)
        time.sleep(60)
    time.sleep(0.01)
    target.write_text(path.read_text())

outcomes = each_file(["rec"], Path("out"), {}, work, conflict="x", suffix=".csv")
print(Batch(outcomes, "labelled", "in out", "out"))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rec").mkdir()
    for k in range(N_FILES):
        (tmp_path / "rec" / f"r{k:02}.wav").write_text(f"sound {k}")
    return tmp_path


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )  # fmt: skip


def check(folder: Path, n_done: Counter[str]) -> None:
    names = [f"r{k:02}" for k in range(N_FILES)]
    assert n_done == Counter(f"{name}.wav" for name in names)
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "files.jsonl",
        *(f"{name}.csv" for name in names),
        "settings.json",
    ]
    lines = [json.loads(line) for line in (folder / "out" / "files.jsonl").read_text().splitlines()]
    assert sorted(line["output"] for line in lines) == [f"{name}.csv" for name in names]
    assert all((folder / "out" / f"r{k:02}.csv").read_text() == f"sound {k}" for k in range(N_FILES))


def test_two_at_once_do_nothing_twice(folder: Path) -> None:
    processes = [start(folder, "-c", WORKER) for _ in range(2)]
    printed = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    log = [line.split() for line in (folder / "log").read_text().splitlines()]
    check(folder, Counter(name for _, name in log))
    for process, text in zip(processes, printed, strict=True):
        own = sum(who == str(process.pid) for who, _ in log)
        assert f"{N_FILES} of {N_FILES} files labelled" in text
        if own < N_FILES:
            assert f"{N_FILES - own} of them by another process" in text or "before" in text


@pytest.mark.slow
def test_what_a_killed_process_was_doing_the_other_does(folder: Path) -> None:
    """While it lives its file is waited for."""
    first = start(folder, "-c", WORKER, "hang")
    assert first.stdout is not None
    assert first.stdout.readline() == "hanging\n"
    second = start(folder, "-c", WORKER)
    with pytest.raises(subprocess.TimeoutExpired):
        second.communicate(timeout=3)
    assert not (folder / "out" / "r03.csv").exists()
    first.send_signal(signal.SIGKILL)
    first.communicate()
    text, _ = second.communicate(timeout=60)
    assert second.returncode == 0
    assert "3 of them before" in text
    log = Counter(line.split()[1] for line in (folder / "log").read_text().splitlines())
    log["r03.wav"] -= 1
    assert not list((folder / "out").glob(".*.part")), "what the killed process left, the next command removes"
    check(folder, log)


def test_two_real_commands(tmp_path: Path) -> None:
    """`auricle corrupt`, whose manifest is written when all is done."""
    tone_folder(tmp_path / "data", per_class=2, duration_s=0.2)
    command = ["-m", "auricle", "corrupt", "data", "--suite", "snr-ladder", "--output"]
    assert start(tmp_path, *command, "alone").wait(60) == 0
    processes = [start(tmp_path, *command, "together") for _ in range(2)]
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 0]
    trees = [
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file() and path.name != "files.jsonl"
        }
        for name in ("alone", "together")
    ]
    assert trees[0] == trees[1]
    n_lines = [len((tmp_path / name / "files.jsonl").read_text().splitlines()) for name in ("alone", "together")]
    assert n_lines[0] == n_lines[1]
