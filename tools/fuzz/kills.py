"""Kill every verb at every write, run it again, and compare with a run that nobody disturbed.

    python tools/fuzz/kills.py --output kills.json            all points, and 100 kills at random times
    python tools/fuzz/kills.py --quick --output kills.json    a few points of each verb

The real verbs run, in processes forked after their imports. An audit hook counts what changes files (opening for
writing, renaming, removing, making folders) and ends the process with SIGKILL just before a given one of them. Then the
same command runs again, undisturbed. Its outputs have to be those of an undisturbed run, byte for byte; the journal
those lines, in any order; nothing else may be left; and what was complete must not have been written again.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import record

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink")
VARIES = ("files.jsonl", "run.json", "results.json", "README.md", "history.csv", "summary.json")
N_RANDOM = 100


@dataclass
class Scenario:
    """A command line whose last word is made from `output`; `ignored` names outputs that hold times."""

    name: str
    command: list[str]
    output: str
    ignored: tuple[str, ...] = VARIES


@dataclass
class Counts:
    """What was tried with a verb, and what did not hold, in words."""

    points: int = 0
    kills: int = 0
    failures: list[str] = field(default_factory=list)


def is_write(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether an audit event is about to change a file."""
    if event in CHANGES:
        return True
    if event != "open" or not isinstance(arguments[0], (str, bytes)):
        return False
    path, _, flags = arguments
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) and not os.fsdecode(path).startswith(
        ("/dev/", "/proc/")
    )


def run(command: list[str], folder: Path, kill_at: int | None = None, kill_after_s: float | None = None) -> int:
    """Run `auricle COMMAND` in a forked process in `folder`; returns its exit code, or -9 if it was killed.

    It is killed before the write number `kill_at`, or after a time. The number of writes is left in the file `writes`
    beside `folder`.
    """
    process = os.fork()
    if process == 0:
        code = 70
        try:
            code = _verb(command, folder, kill_at)
        finally:
            os._exit(code)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status)


def _verb(command: list[str], folder: Path, kill_at: int | None) -> int:
    from auricle.__main__ import main

    n_writes = 0

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal n_writes
        if is_write(event, arguments):
            n_writes += 1
            if n_writes == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    os.chdir(folder)
    log = os.open(folder.parent / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.addaudithook(count)
    try:
        main(command)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    n_total = n_writes
    (folder.parent / "writes").write_text(str(n_total))
    return code


def contents(folder: Path, ignored: tuple[str, ...]) -> dict[str, str]:
    """The digest of each file below a folder, also of hidden ones; of an ignored one only that it exists."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            found[name + "/"] = ""
        elif path.name in ignored:
            found[name] = "ignored"
        else:
            content = path.read_bytes()
            found[name] = hashlib.sha256(gzip.decompress(content) if path.suffix == ".gz" else content).hexdigest()
    return found


def journal(folder: Path) -> dict[str, dict[str, Any]]:
    """The last line of each input and kind, without what depends on time."""
    lines: dict[str, dict[str, Any]] = {}
    path = folder / "files.jsonl"
    for line in path.read_text().splitlines() if path.is_file() else ():
        try:
            entry = json.loads(line)
        except ValueError:  # cut off by the kill
            continue
        entry["places"] = sorted(entry["places"])
        lines[f"{entry['name']} {entry['kind']}"] = entry
    return lines


def complete(folder: Path) -> dict[Path, int]:
    """Outputs that the journal tells of and that are whole, with their times of change."""
    times = {}
    for entry in journal(folder).values():
        paths = [folder / name for name in entry["outputs"]]
        digests = list(entry["outputs"].values())
        if all(
            p.is_file() and hashlib.sha256(p.read_bytes()).hexdigest() == d for p, d in zip(paths, digests, strict=True)
        ):
            times |= {path: path.stat().st_mtime_ns for path in paths}
    return times


class Trial:
    """One scenario in a folder with the inputs, compared with an undisturbed run."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self.scenario = scenario
        self.folder = folder
        self.counts = Counts()
        self.clean()
        code = run(scenario.command, self.folder)
        log = (folder.parent / "log.txt").read_text(errors="replace")
        assert code == 0, f"{scenario.name}: exit code {code}: {log}"
        self.n_writes = int((folder.parent / "writes").read_text())
        self.expected = contents(self.output, scenario.ignored), journal(self.output)

    @property
    def output(self) -> Path:
        return self.folder / self.scenario.output

    def clean(self) -> None:
        if self.output.is_dir():
            shutil.rmtree(self.output)
        self.output.unlink(missing_ok=True)

    def kill(self, at: int | None = None, after_s: float | None = None) -> None:
        """Kill the command once, run it again, and note what does not hold."""
        self.clean()
        where = f"{self.scenario.name}, write {at}" if at else f"{self.scenario.name}, after {after_s:.3f} s"
        self.counts.points += 1
        self.counts.kills += run(self.scenario.command, self.folder, at, after_s) == -signal.SIGKILL
        before = complete(self.output)
        code = run(self.scenario.command, self.folder)
        log = (self.folder.parent / "log.txt").read_text(errors="replace").strip()
        if code != 0 and not ("holds a finished run" in log and code == 2):
            self.counts.failures.append(f"{where}: exit code {code}: {log[-300:]}")
            return
        found = contents(self.output, self.scenario.ignored), journal(self.output)
        for what, one, other in zip(("files", "journal"), found, self.expected, strict=True):
            wrong = sorted(name for name in {**one, **other} if one.get(name) != other.get(name))
            if wrong:
                self.counts.failures.append(f"{where}: {what} differ: {', '.join(wrong[:5])}")
        again = [path.name for path, stamp in before.items() if path.stat().st_mtime_ns != stamp]
        if again:
            self.counts.failures.append(f"{where}: written twice: {', '.join(again[:5])}")


def prepare(folder: Path) -> list[Scenario]:
    """Inputs for all verbs in `folder`: recordings, and small models that have not learnt anything."""
    import torch

    from sounds import tone_folder, tone_manifest, write_tone
    from untrained import classifier_run, separator_run

    torch.set_num_threads(1)
    data = tone_manifest(folder / "data", per_class=4)
    for k in range(4):
        write_tone(folder / "rec" / ("deep" if k % 2 else ".") / f"r{k}.wav", 300.0 * (k + 1), 1.2, seed=k)
    shutil.copy(folder / "rec" / "r0.wav", folder / "rec" / "r0-again.wav")
    tone_folder(folder / "few", per_class=1, duration_s=0.3)
    classifier_run(folder / "classifier", data)
    separator_run(folder / "separator", data)
    train = ["train", "classifier", "--data", "data/manifest.csv", "--output", "out", "--frontend", "mel", "--quiet"]
    train += ["--training.epochs=2", "--training.batch-size=8", "--frontend-options.n_filters=16"]
    train += ["--backbone-options.channels", "[4,4,8]", "--window-s=0.5"]
    batches = [
        Scenario("predict", ["predict", "classifier", "rec", "--output", "out", "--quiet"], "out"),
        Scenario("enhance", ["enhance", "spectral-gating", "rec", "--output", "out", "--quiet"], "out"),
        Scenario("separate", ["separate", "separator", "rec", "--query", "low", "--output", "out", "--quiet"], "out"),
        Scenario("corrupt", ["corrupt", "few", "--suite", "snr-ladder", "--output", "out", "--quiet"], "out"),
    ]
    others = [
        Scenario("train classifier", train, "out", (*VARIES, "metrics.json")),
        Scenario("evaluate", ["evaluate", "classifier", "--data", "data", "--output", "out", "--quiet"], "out"),
        Scenario("export", ["export", "classifier", "--output", "out/model.onnx", "--quiet"], "out"),
        Scenario(
            "stress",
            ["stress", "classifier", "--data", "data", "--suite", "snr-ladder", "--output", "out", "--quiet"],
            "out",
        ),
    ]
    return [*batches, *others]


def imports(names: list[str]) -> None:
    """Import what the verbs `names` need, before any process is forked."""
    import auricle.__main__
    from auricle.commands import every_verb

    assert auricle.__main__
    for name in names:
        every_verb()[name].function()


def points(n_writes: int, n: int | None) -> Iterator[int]:
    """Numbers of writes at which to kill: all, or `n` of them at equal distances."""
    if n is None or n >= n_writes:
        yield from range(1, n_writes + 1)
    else:
        yield from sorted({round(1 + (k + 0.5) * (n_writes - 1) / n) for k in range(n)})


def measure(
    names: list[str], n_points: Callable[[str], int | None], n_random: int, room: Path, seed: int = 0
) -> dict[str, Counts]:
    """Kill the verbs `names` at `n_points(name)` writes each, None for all, and `n_random` times at random moments."""
    imports(names)
    scenarios = [scenario for scenario in prepare(room / "in") if scenario.name in names]
    time.sleep(2.1)  # until the files' times tell that they did not change
    rng = random.Random(seed)
    counts = {}
    for scenario in scenarios:
        trial = Trial(scenario, room / "in")
        for at in points(trial.n_writes, n_points(scenario.name)):
            trial.kill(at)
        if n_random and scenario.name in BATCHES:
            trial.clean()
            begin = time.perf_counter()
            run(scenario.command, trial.folder)
            duration_s = time.perf_counter() - begin
            for _ in range(n_random // len(BATCHES)):
                trial.kill(after_s=rng.uniform(0, duration_s))
        counts[scenario.name] = trial.counts
        print(f"{scenario.name}: {trial.counts.points} points, {trial.counts.kills} killed, "
              f"{len(trial.counts.failures)} failures", file=sys.stderr, flush=True)  # fmt: skip
    return counts


BATCHES = ("predict", "enhance", "separate", "corrupt")
OTHERS = ("train classifier", "evaluate", "export", "stress")
SLOW = 24
"""Points for a verb that is not a batch, whose runs are slow."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few points of each verb, and no random kills")
    parser.add_argument("--verbs", nargs="*", default=[*BATCHES, *OTHERS], help="by default all")
    parser.add_argument("--points", type=int, help="points of predict, enhance, separate and corrupt; by default all")
    parser.add_argument("--other-points", type=int, help=f"points of each of the others; by default {SLOW}")
    parser.add_argument("--random", type=int, help=f"kills at random times; by default {N_RANDOM}, or 0 with --quick")
    parser.add_argument("--output", type=Path, help="JSON file for what was tried and what failed")
    chosen = parser.parse_args()

    def n_points(name: str) -> int | None:
        asked, quick, usual = (chosen.points, 4, None) if name in BATCHES else (chosen.other_points, 1, SLOW)
        if asked is not None:
            return asked
        return quick if chosen.quick else usual

    n_random = chosen.random if chosen.random is not None else (0 if chosen.quick else N_RANDOM)
    with tempfile.TemporaryDirectory(prefix="auricle-kills-") as room:
        counts = measure(chosen.verbs, n_points, n_random, Path(room))
    rows = [(f"`{name}` killed", own.kills, own.kills - len(own.failures)) for name, own in counts.items()]
    failures = [failure for own in counts.values() for failure in own.failures]
    record.save(chosen.output, rows, failures, points={name: own.points for name, own in counts.items()})
    print("\n".join([*(f"{what}: {tried}, {held} held" for what, tried, held in rows), *failures]))
    sys.exit(1 if any(own.failures for own in counts.values()) else 0)


if __name__ == "__main__":
    main()
