"""Measure the figures that docs/benchmarks/speed.md compares with their targets, and save the run.

python benchmarks/speed.py --output results/speed/now.json

Everything is a ratio of passes that take turns in one process. `benchmarks/speed_page.py` writes the page from saved
runs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor, nn

from auricle.backbones import create_backbone
from auricle.data.tasks import Task
from auricle.runs.provenance import provenance
from auricle.systems.classifier.system import Classifier
from cases import DIRECT, FORWARD, LEAF, N_FILTERS, SAMPLE_RATE, TRAINING, YARDSTICK, Workload, create
from processes import in_fresh_process, n_cores
from streams import kept_up, measure_streams
from timing import timed

EFFICIENTNET, SMALL = NETWORKS = ("efficientnet-b0", "cnn-small")
SIMP, APCEN, LOOP = "leaf-simppcen", "leaf-apcen", "leaf-apcen, method=loop"
SECOND, MINUTE, BATCH, TEN_MINUTES = Workload(16, 1), Workload(1, 60), Workload(64, 1), Workload(1, 600)
PASSES = {
    SECOND: [
        (YARDSTICK, FORWARD),
        *((name, kind) for name in (LEAF, APCEN, *NETWORKS) for kind in (FORWARD, TRAINING)),
        (SIMP, FORWARD),
        (DIRECT, TRAINING),
    ],
    MINUTE: [(YARDSTICK, FORWARD), (LEAF, FORWARD), ("sincnet", FORWARD), ("td-filterbanks", FORWARD)],
    BATCH: [(APCEN, TRAINING), (LOOP, TRAINING)],
    TEN_MINUTES: [(APCEN, FORWARD)],
}
Times = dict[str, list[float]]


def module_and_input(name: str, workload: Workload) -> tuple[nn.Module, Tensor]:
    """A front-end with a batch of clips, or a network with a batch of their spectrograms.

    The weights of networks are contiguous, as they were when the targets were set (`benchmarks/backbones.py`).
    """
    if name not in NETWORKS:
        return create(name), workload.waveform()
    torch.manual_seed(0)
    spectrograms = torch.randn(workload.batch, 1, N_FILTERS, 100 * workload.seconds)
    network = create_backbone(name, n_bands=N_FILTERS)
    return network.to(memory_format=torch.contiguous_format), spectrograms  # type: ignore[call-overload]


def measure(workload: Workload, threads: int, rounds: int) -> Times:
    """Seconds of every pass of `workload`, one of each round, by "name, kind"."""
    torch.set_num_threads(threads)
    cases = {(name, kind): module_and_input(name, workload) for name, kind in PASSES[workload]}
    for (_, kind), (module, given) in cases.items():
        module.train(kind == TRAINING)
        timed(module, given, kind)
    times: Times = {f"{name}, {kind}": [] for name, kind in cases}
    for _ in range(rounds):
        for (name, kind), (module, given) in cases.items():
            times[f"{name}, {kind}"].append(timed(module, given, kind))
    return times


def command_line(rounds: int) -> dict[str, Times]:
    """Seconds and peak MiB of `auricle predict` of one file of ten seconds, and of other commands, in turns."""
    with tempfile.TemporaryDirectory() as folder:
        model, sound = Path(folder) / "model", Path(folder) / "sound.wav"
        task = Task("sounds", ("one", "other"))
        Classifier.build(
            sample_rate=SAMPLE_RATE,
            window_s=1.0,
            frontend={"name": "leaf"},
            backbone={"name": "cnn-small"},
            tasks=[task],
        ).save(model)
        noise = 0.1 * np.random.default_rng(0).standard_normal(10 * SAMPLE_RATE)
        soundfile.write(sound, noise, SAMPLE_RATE)
        program = [sys.executable, "-m", "auricle"]
        commands: dict[str, Callable[[int], list[str]]] = {
            "import torch": lambda _: [sys.executable, "-c", "import torch"],
            "predict": lambda turn: [*program, "predict", str(model), str(sound), "--output", f"{folder}/{turn}.csv"],
            "import auricle": lambda _: [sys.executable, "-c", "import auricle"],
            "--help": lambda _: [*program, "--help"],
            "list frontends": lambda _: [*program, "list", "frontends"],
        }
        found: dict[str, Times] = {name: {"seconds": [], "mib": []} for name in commands}
        for turn in range(-1, rounds):
            for name, command in commands.items():
                seconds, mib = in_process(command(turn))
                if turn >= 0:
                    found[name]["seconds"].append(seconds)
                    found[name]["mib"].append(mib)
        return found


def in_process(command: list[str]) -> tuple[float, float]:
    """Seconds and peak resident MiB of a command that must succeed."""
    start = time.perf_counter()
    with open(os.devnull, "w", encoding="utf-8") as nothing:
        process = os.posix_spawn(
            command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, nothing.fileno(), 1)]
        )
        _, status, usage = os.wait4(process, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def run(rounds: int) -> dict[str, object]:
    """All measurements, each in a fresh process with the C library's default management of memory."""
    threads = sorted({1, n_cores()})
    passes = {
        workload.title: {
            str(count): in_fresh_process(measure, workload, count, rounds if workload is not TEN_MINUTES else 3)
            for count in threads
        }
        for workload in PASSES
    }
    kept = {"1": in_fresh_process(measure, SECOND, 1, rounds, keep_memory=True)}
    streams = in_fresh_process(measure_streams)
    return {
        "provenance": provenance(),
        "rounds": rounds,
        "passes": passes,
        "memory kept": {SECOND.title: kept},
        "streams": {f"{ms} ms": kept_up(times, ms) for ms, times in streams.apart.items()},
        "command line": command_line(max(3, rounds // 3)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the figures of speed and save the run.")
    parser.add_argument("--output", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--rounds", type=int, default=15, help="rounds in which all passes take turns")
    arguments = parser.parse_args()
    if arguments.rounds < 2:
        parser.error("--rounds must be 2 or more")
    results = run(arguments.rounds)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
