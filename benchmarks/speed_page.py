"""Write docs/benchmarks/speed.md: figures of speed and their targets, from runs that `benchmarks/speed.py` saved.

python benchmarks/speed_page.py results/speed --output docs/benchmarks/speed.md
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cases import DIRECT, FORWARD, LEAF, TRAINING, YARDSTICK, Workload
from page import DASH, markdown, meets, number, spread
from speed import APCEN, BATCH, EFFICIENTNET, LOOP, MINUTE, NETWORKS, SECOND, SIMP, TEN_MINUTES

Run = dict[str, Any]
Ratios = list[float]
BEFORE, NOW = "before", "now"


@dataclass(frozen=True)
class Target:
    """A figure of a run, what it is asked to be, at most or at least, and how it is shown."""

    title: str
    figure: Callable[[Run, str], Ratios]
    sign: str
    value: float | None
    shown: Callable[[float], str] = number
    threads: bool = True

    def met(self, found: float) -> str:
        if self.value is None:
            return DASH
        return "yes" if meets(found, self.sign, self.value) else "no"


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def seconds(value: float) -> str:
    return f"{value:.2f} s"


def times(run: Run, workload: Workload, threads: str, name: str, kind: str) -> Ratios:
    return run["passes"][workload.title][threads][f"{name}, {kind}"]


def ratio(workload: Workload, over: str, under: str, kind: str, sign: str, value: float | None) -> Target:
    """The target of one pass over another, round by round."""

    def of(run: Run, threads: str) -> Ratios:
        pairs = zip(*(times(run, workload, threads, name, kind) for name in (over, under)), strict=True)
        return [one / other for one, other in pairs]

    return Target(f"`{over}` / `{under}`, {kind}, {workload.title}", of, sign, value)


def share(frontend: str, network: str, kind: str, kept: bool = False) -> Callable[[Run, str], Ratios]:
    """The front-end's part of the time of front-end and network, round by round."""

    def of(run: Run, threads: str) -> Ratios:
        passes = run["memory kept" if kept else "passes"][SECOND.title].get(threads, {})
        of_frontend, of_network = (passes.get(f"{name}, {kind}", []) for name in (frontend, network))
        return [one / (one + other) for one, other in zip(of_frontend, of_network, strict=True)]

    return of


def over_torch(run: Run, threads: str) -> Ratios:
    """Seconds of `auricle predict` beyond 1.3 times those of `import torch`."""
    commands = run["command line"]
    pairs = zip(commands["predict"]["seconds"], commands["import torch"]["seconds"], strict=True)
    return [of_predict - 1.3 * of_torch for of_predict, of_torch in pairs]


def of_command(name: str, what: str) -> Callable[[Run, str], Ratios]:
    return lambda run, threads: run["command line"][name][what]


def share_targets() -> list[Target]:
    """What a user feels: the front-end's share with the networks."""
    asked = {(LEAF, FORWARD): 0.18, (APCEN, FORWARD): 0.25, (LEAF, TRAINING): 0.12, (APCEN, TRAINING): 0.20}
    targets = []
    for (frontend, kind), value in asked.items():
        for network in NETWORKS:
            title = f"share of `{frontend}` with `{network}`, {kind}"
            asked_here = value if network == EFFICIENTNET else None
            targets.append(Target(title, share(frontend, network, kind), "≤", asked_here, percent))
    kept = Target(
        f"share of `{LEAF}` with `{EFFICIENTNET}`, {FORWARD}, memory kept",
        share(LEAF, EFFICIENTNET, FORWARD, kept=True),
        "≤",
        0.18,
        percent,
    )
    return [*targets, kept]


TARGETS = [
    *share_targets(),
    ratio(SECOND, LEAF, YARDSTICK, FORWARD, "≤", 4),
    ratio(MINUTE, LEAF, YARDSTICK, FORWARD, "≤", 4),
    ratio(SECOND, DIRECT, LEAF, TRAINING, "≥", 30),
    ratio(SECOND, APCEN, SIMP, FORWARD, "≤", 1.6),
    ratio(BATCH, LOOP, APCEN, TRAINING, "≥", 4),
    Target(
        f"`{APCEN}`, {FORWARD}, {TEN_MINUTES.title}",
        lambda run, threads: times(run, TEN_MINUTES, threads, APCEN, FORWARD),
        "≤",
        2,
        seconds,
    ),
    *(ratio(MINUTE, name, YARDSTICK, FORWARD, "≤", None) for name in ("sincnet", "td-filterbanks")),
    Target(
        "streams of `leaf` per core, chunks of 20 ms", lambda run, _: [run["streams"]["20 ms"]], "≥", 40, threads=False
    ),
    Target("`auricle predict` of 10 s less 1.3 × `import torch`", over_torch, "≤", 0.5, seconds, threads=False),
    Target("peak MiB of `auricle predict` of 10 s", of_command("predict", "mib"), "≤", 300, threads=False),
    *(
        Target(f"`{name}`", of_command(name, "seconds"), "≤", 0.3, seconds, threads=False)
        for name in ("import auricle", "--help", "list frontends")
    ),
]


def table(runs: dict[str, Run]) -> str:
    now = runs[NOW]
    rows = []
    for target in TARGETS:
        for threads in sorted(now["passes"][SECOND.title]) if target.threads else ("1",):
            found = target.figure(now, threads)
            if not found:
                continue
            before = spread(target.figure(runs[BEFORE], threads), target.shown) if BEFORE in runs else DASH
            asked = DASH if target.value is None else f"{target.sign} {target.shown(target.value)}"
            counted = threads if target.threads else DASH
            rows.append(
                [
                    target.title,
                    counted,
                    before,
                    spread(found, target.shown),
                    asked,
                    target.met(statistics.median(found)),
                ]
            )
    return markdown(["figure", "threads", BEFORE, NOW, "target", "met"], "lrrrrl", rows)


def write(runs: dict[str, Run], command: str) -> str:
    """The page in Markdown."""
    about = runs[NOW]["provenance"]
    dates = ", ".join(
        f"{name} {run['provenance']['date']} by `{run['provenance']['command']}`" for name, run in runs.items()
    )
    return f"""# Speed and its targets: {about["machine"]["processor"]}

Written by `{command}` from saved runs: {dates}.

- Processor: {about["machine"]["processor"]}, {about["machine"]["cores"]} cores
- Software: torch {about["versions"]["torch"]}, Python {about["python"]}, {about["machine"]["system"]}
- Noise at 16 kHz, 40 filters, float32, seed 0; {runs[NOW]["rounds"]} rounds in which all passes take turns

A target is what a figure should be: at most (≤) or at least (≥) this value. Each figure is the median over the rounds,
with the quartiles in brackets; a ratio compares passes of the same round. The share of a front-end is its time divided
by that of front-end and network together. The weights of the network are contiguous, as when the targets were set;
[auricle's networks are quicker](backbones.md), so the shares with them are higher. "{TRAINING}" includes the gradients
of all learnable parameters. The number of streams is computed from the slowest tenth of the chunks. Memory is managed
as the C library does by default, unless the row says "memory kept": then the library keeps what was freed, so that the
system need not provide cleared pages for large arrays at every pass.

{table(runs)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the page of speed and its targets.")
    parser.add_argument("runs", type=Path, help=f"the folder with {NOW}.json and {BEFORE}.json")
    parser.add_argument("--output", type=Path, default=Path("docs/benchmarks/speed.md"), help="the page to write")
    arguments = parser.parse_args()
    runs = {}
    for name in (BEFORE, NOW):
        file = arguments.runs / f"{name}.json"
        if file.is_file():
            runs[name] = json.loads(file.read_text(encoding="utf-8"))
    if NOW not in runs:
        parser.error(f"{arguments.runs}: no {NOW}.json; python benchmarks/speed.py writes it")
    command = shlex.join(["python", "benchmarks/speed_page.py", *sys.argv[1:]])
    arguments.output.write_text(write(runs, command), encoding="utf-8")
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
