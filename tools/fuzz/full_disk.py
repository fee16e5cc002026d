"""Fill the disk to many levels under every batch verb, make room, run it again, and compare with an undisturbed run.

    python tools/fuzz/full_disk.py --output full-disk.json            32 levels
    python tools/fuzz/full_disk.py --levels 3 --output full-disk.json

The output folder is on a small file system in memory (root only) that has room for a share of what the verb writes.
The command has to end with one line and exit code 2 or 3, no output may be there that differs from the right one, and
after the disk has been given room, the same command has to give what an undisturbed run gives.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import kills
import record

PAGE = 4096


def mount(folder: Path, size: int) -> None:
    """Mount a file system of `size` bytes, or give the mounted one this size."""
    folder.mkdir(exist_ok=True)
    remount = "remount," if folder.is_mount() else ""
    options = ["mount", "-t", "tmpfs", "-o", f"{remount}size={size}", "auricle", str(folder)]
    subprocess.run(options, check=True, capture_output=True)


def used(folder: Path) -> int:
    """Bytes that are used of the file system at `folder`."""
    status = os.statvfs(folder)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def attempt(scenario: kills.Scenario, folder: Path, n_levels: int) -> kills.Counts:
    """Try `n_levels` sizes from almost nothing to almost enough; `kills` counts those that were too small."""
    disk = folder / "disk"
    counts = kills.Counts()
    log = folder.parent / "log.txt"
    expected: tuple[dict[str, str], dict[str, object]] | None = None
    whole = 0
    for level in range(n_levels + 1):
        size = 2**28 if expected is None else max(PAGE, whole * level // (n_levels + 1) // PAGE * PAGE)
        mount(disk, size)
        try:
            code = kills.run(scenario.command, folder)
            found = kills.contents(disk, scenario.ignored), kills.journal(disk / "out")
            if expected is None:
                assert code == 0, log.read_text(errors="replace")
                expected, whole = found, used(disk)
                continue
            where = f"{scenario.name}, {size} of {whole} bytes"
            counts.points += 1
            counts.kills += code != 0
            lines = log.read_text(errors="replace").strip().splitlines()
            if code not in (0, 2, 3) or any("Traceback" in line for line in lines):
                counts.failures.append(f"{where}: exit code {code}: {' '.join(lines)[-300:]}")
            wrong = [
                name
                for name, digest in found[0].items()
                if Path(name).suffix in (".csv", ".wav") and Path(name).name not in ("failed.csv", "manifest.csv")
                and expected[0].get(name) != digest
            ]  # fmt: skip
            if wrong:
                counts.failures.append(f"{where}: wrong outputs: {', '.join(wrong[:5])}")
            mount(disk, 2**28)
            code = kills.run(scenario.command, folder)
            if code != 0:
                counts.failures.append(f"{where}: then exit code {code}: {log.read_text(errors='replace')[-300:]}")
            found = kills.contents(disk, scenario.ignored), kills.journal(disk / "out")
            for what, one, other in zip(("files", "journal"), found, expected, strict=True):
                differ = sorted(name for name in {**one, **other} if one.get(name) != other.get(name))
                if differ:
                    counts.failures.append(f"{where}: {what} differ: {', '.join(differ[:5])}")
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=True)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--levels", type=int, default=32, help="sizes of the file system that are tried")
    parser.add_argument("--quick", action="store_true", help="three sizes")
    parser.add_argument("--verbs", nargs="*", default=kills.BATCHES, help="by default all batches")
    parser.add_argument("--output", type=Path, help="JSON file for what was tried and what failed")
    chosen = parser.parse_args()
    if os.geteuid() != 0:
        print("left out: only root can mount a small disk")
        return
    with tempfile.TemporaryDirectory(prefix="auricle-disk-") as room:
        folder = Path(room) / "in"
        kills.imports(chosen.verbs)
        scenarios = [scenario for scenario in kills.prepare(folder) if scenario.name in chosen.verbs]
        time.sleep(2.1)  # until the files' times tell that they did not change
        counts = {}
        for scenario in scenarios:
            command = ["disk/out" if word == "out" else word for word in scenario.command]
            own = kills.Scenario(scenario.name, command, "disk/out", scenario.ignored)
            counts[scenario.name] = attempt(own, folder, 3 if chosen.quick else chosen.levels)
    rows = [
        (f"`{name}`, {own.kills} times on a disk that is too small", own.points, own.points - len(own.failures))
        for name, own in counts.items()
    ]
    failures = [failure for own in counts.values() for failure in own.failures]
    record.save(chosen.output, rows, failures)
    print("\n".join([*(f"{what}: {tried}, {held} held" for what, tried, held in rows), *failures]))
    sys.exit(1 if any(own.failures for own in counts.values()) else 0)


if __name__ == "__main__":
    main()
