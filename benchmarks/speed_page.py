"""Write docs/benchmarks/speed.md: the bars of speed, from runs that `benchmarks/speed.py` saved.

python benchmarks/speed_page.py results/speed --output docs/benchmarks/speed.md
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from page import DASH, markdown, number

Run = dict[str, Any]
Ratios = list[float]
BEFORE, NOW = "before", "now"
SECOND, MINUTE, BATCH, TEN_MINUTES = "16 clips of 1 s", "one clip of 60 s", "64 clips of 1 s", "one clip of 600 s"
YARDSTICK, LEAF, DIRECT, APCEN = "torch.stft log-mel", "leaf", "leaf, method=direct", "leaf-apcen"
FORWARD, TRAINING = "forward", "forward + backward"
EFFICIENTNET, SMALL = "efficientnet-b0", "cnn-small"


@dataclass(frozen=True)
class Bar:
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
        return "yes" if (found <= self.value if self.sign == "≤" else found >= self.value) else "no"


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def seconds(value: float) -> str:
    return f"{value:.2f} s"


def times(run: Run, workload: str, threads: str, name: str, kind: str) -> Ratios:
    return run["passes"][workload][threads][f"{name}, {kind}"]


def ratio(workload: str, over: tuple[str, str], under: tuple[str, str]) -> Callable[[Run, str], Ratios]:
    """One pass over another, round by round."""

    def of(run: Run, threads: str) -> Ratios:
        pairs = zip(times(run, workload, threads, *over), times(run, workload, threads, *under), strict=True)
        return [one / other for one, other in pairs]

    return of


def share(frontend: str, network: str, kind: str, kept: bool = False) -> Callable[[Run, str], Ratios]:
    """The front-end's part of the time of front-end and network, round by round."""

    def of(run: Run, threads: str) -> Ratios:
        passes = run["memory kept" if kept else "passes"][SECOND].get(threads, {})
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


def share_bars() -> list[Bar]:
    """What a user feels: the front-end's share with the networks."""
    asked = {(LEAF, FORWARD): 0.18, (APCEN, FORWARD): 0.25, (LEAF, TRAINING): 0.12, (APCEN, TRAINING): 0.20}
    bars = []
    for (frontend, kind), value in asked.items():
        for network in (EFFICIENTNET, SMALL):
            title = f"share of `{frontend}` with `{network}`, {kind}"
            asked_here = value if network == EFFICIENTNET else None
            bars.append(Bar(title, share(frontend, network, kind), "≤", asked_here, percent))
    kept = Bar(
        f"share of `{LEAF}` with `{EFFICIENTNET}`, {FORWARD}, memory kept",
        share(LEAF, EFFICIENTNET, FORWARD, kept=True),
        "≤",
        0.18,
        percent,
    )
    return [*bars, kept]


BARS = [
    *share_bars(),
    Bar(f"`{LEAF}` / `{YARDSTICK}`, {FORWARD}, {SECOND}", ratio(SECOND, (LEAF, FORWARD), (YARDSTICK, FORWARD)), "≤", 4),
    Bar(f"`{LEAF}` / `{YARDSTICK}`, {FORWARD}, {MINUTE}", ratio(MINUTE, (LEAF, FORWARD), (YARDSTICK, FORWARD)), "≤", 4),
    Bar(f"`{DIRECT}` / `{LEAF}`, {TRAINING}, {SECOND}", ratio(SECOND, (DIRECT, TRAINING), (LEAF, TRAINING)), "≥", 30),
    Bar(
        f"`{APCEN}` / `leaf-simppcen`, {FORWARD}, {SECOND}",
        ratio(SECOND, (APCEN, FORWARD), ("leaf-simppcen", FORWARD)),
        "≤",
        1.6,
    ),
    Bar(
        f"`{APCEN}, method=loop` / `{APCEN}`, {TRAINING}, {BATCH}",
        ratio(BATCH, (f"{APCEN}, method=loop", TRAINING), (APCEN, TRAINING)),
        "≥",
        4,
    ),
    Bar(
        f"`{APCEN}`, {FORWARD}, {TEN_MINUTES}",
        lambda run, threads: times(run, TEN_MINUTES, threads, APCEN, FORWARD),
        "≤",
        2,
        seconds,
    ),
    *(
        Bar(
            f"`{name}` / `{YARDSTICK}`, {FORWARD}, {MINUTE}",
            ratio(MINUTE, (name, FORWARD), (YARDSTICK, FORWARD)),
            "≤",
            None,
        )
        for name in ("sincnet", "td-filterbanks")
    ),
    Bar(
        "streams of `leaf` per core, chunks of 20 ms", lambda run, _: [run["streams"]["20 ms"]], "≥", 40, threads=False
    ),
    Bar("`auricle predict` of 10 s less 1.3 × `import torch`", over_torch, "≤", 0.5, seconds, threads=False),
    Bar("peak MiB of `auricle predict` of 10 s", of_command("predict", "mib"), "≤", 300, threads=False),
    *(
        Bar(f"`{name}`", of_command(name, "seconds"), "≤", 0.3, seconds, threads=False)
        for name in ("import auricle", "--help", "list frontends")
    ),
]


def cell(bar: Bar, found: Ratios) -> str:
    """The median, and the quartiles where there is more than one round."""
    if not found:
        return DASH
    middle = bar.shown(statistics.median(found))
    if len(found) < 2:
        return middle
    low, _, high = statistics.quantiles(found, n=4, method="inclusive")
    return f"{middle} ({bar.shown(low)}–{bar.shown(high)})"


def table(runs: dict[str, Run]) -> str:
    now = runs[NOW]
    rows = []
    for bar in BARS:
        for threads in sorted(now["passes"][SECOND]) if bar.threads else ("1",):
            found = bar.figure(now, threads)
            if not found:
                continue
            before = cell(bar, bar.figure(runs[BEFORE], threads)) if BEFORE in runs else DASH
            asked = DASH if bar.value is None else f"{bar.sign} {bar.shown(bar.value)}"
            counted = threads if bar.threads else DASH
            rows.append([bar.title, counted, before, cell(bar, found), asked, bar.met(statistics.median(found))])
    return markdown(["figure", "threads", BEFORE, NOW, "bar", "met"], "lrrrrl", rows)


def write(runs: dict[str, Run], command: str) -> str:
    """The page in Markdown."""
    about = runs[NOW]["provenance"]
    dates = ", ".join(
        f"{name} {run['provenance']['date']} by `{run['provenance']['command']}`" for name, run in runs.items()
    )
    return f"""# Speed against its bars

Written by `{command}` from saved runs: {dates}.

- Processor: {about["machine"]["processor"]}, {about["machine"]["cores"]} cores
- Software: torch {about["versions"]["torch"]}, Python {about["python"]}, {about["machine"]["system"]}
- Noise at 16 kHz, 40 filters, float32, seed 0; {runs[NOW]["rounds"]} rounds in which all passes take turns

Each figure is the median over the rounds, with the quartiles in brackets; a ratio is of passes of the same round. The
share of a front-end is its time divided by that of front-end and network together. "{TRAINING}" includes the gradients
of all parameters that learn. Streams are counted by the slowest tenth of the chunks. Memory is as the C library has it,
unless "memory kept" is said: then it keeps what was freed, so that large arrays are not faulted in anew at every pass.

{table(runs)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the page of the bars of speed.")
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
    command = f"python benchmarks/speed_page.py {arguments.runs} --output {arguments.output}"
    arguments.output.write_text(write(runs, command), encoding="utf-8")
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
