"""The page that says what was measured."""

from __future__ import annotations

import datetime
import platform
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch

import memory
from accuracy import Errors
from cases import DIRECT, FORWARD, LEAF, N_FILTERS, SAMPLE_RATE, TRAINING, YARDSTICK, Case, Workload
from processes import n_cores
from streams import N_STREAMS, Streams, kept_up

try:
    from auricle.runs.provenance import processor
except ImportError:

    def processor() -> str:
        return platform.processor() or platform.machine()


Cases = dict[tuple[str, str], Case]
DASH = "–"
KEPT = (
    "glibc kept what was freed (`MALLOC_TRIM_THRESHOLD_` and `MALLOC_MMAP_THRESHOLD_` at 4000000000), "
    "so that large arrays cause no page faults at every pass"
)
NOT_KEPT = "glibc with its defaults: it returns large arrays to the system, and they cause page faults at every pass"
OTHER_LIBC = "as the system has it"


@dataclass(frozen=True)
class Target:
    """What a ratio of two passes is asked to be, at most or at least."""

    title: str
    numerator: tuple[str, str]
    denominator: tuple[str, str]
    sign: str
    value: float

    def met(self, ratio: float) -> bool:
        return meets(ratio, self.sign, self.value)


def meets(found: float, sign: str, target: float) -> bool:
    """Whether `found` is at most (`sign` "≤") or at least ("≥") the `target`."""
    return found <= target if sign == "≤" else found >= target


TARGETS = (
    Target(f"`{LEAF}` forward / `{YARDSTICK}` forward", (LEAF, FORWARD), (YARDSTICK, FORWARD), "≤", 4.0),
    Target(f"`{DIRECT}` training pass / `{LEAF}` training pass", (DIRECT, TRAINING), (LEAF, TRAINING), "≥", 30.0),
)
MEMORY_TARGET = 0.1


@dataclass
class Results:
    """All that was measured; `extra` holds the main rows with memory kept, `gpu` all rows on one."""

    allocator: str
    cases: dict[Workload, Cases]
    errors: dict[Workload, Errors]
    memory: dict[tuple[str, str], list[float]]
    streams: Streams
    extra: dict[Workload, Cases] = field(default_factory=dict)
    gpu_name: str = ""
    gpu: dict[Workload, Cases] = field(default_factory=dict)
    gpu_errors: dict[Workload, Errors] = field(default_factory=dict)


def by_key(cases: Iterable[Case]) -> Cases:
    return {(case.name, case.kind): case for case in cases}


def number(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def spread(values: Iterable[float], shown: Callable[[float], str] = number) -> str:
    """Median, and quartiles in brackets where there is more than one value."""
    values = list(values)
    median = shown(statistics.median(values))
    if len(values) == 1:
        return median
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{median} ({shown(low)}–{shown(high)})"


def cost(case: Case | None, workload: Workload, yardstick_s: float) -> list[str]:
    """Cells of a table: milliseconds per second of audio, ratio of medians to the yardstick, runs."""
    if case is None:
        return [DASH] * 3
    if case.failure:
        return [f"`torch.compile` failed: {case.failure}", DASH, DASH]
    milliseconds = spread(1e3 * seconds / workload.audio_seconds for seconds in case.times)
    return [milliseconds, f"{statistics.median(case.times) / yardstick_s:.3g} ×", str(len(case.times))]


def error_cell(name: str, errors: Errors | None) -> str:
    if name != LEAF or errors is None:
        return DASH
    return f"{errors.energies:.1e} / {errors.compressed:.1e} / {errors.gradients:.1e}"


def table(workload: Workload, cases: Cases, errors: Errors | None) -> str:
    yardstick_s = statistics.median(cases[YARDSTICK, FORWARD].times)
    rows = []
    for name in dict.fromkeys(name for name, _ in cases):
        forward = cases[name, FORWARD]
        cells = [f"`{name}`", f"{forward.n_parameters:,}", *cost(forward, workload, yardstick_s)]
        cells += [*cost(cases.get((name, TRAINING)), workload, yardstick_s), error_cell(name, errors)]
        rows.append(cells)
    header = ["front-end", "parameters", FORWARD, "ratio", "runs", TRAINING, "ratio", "runs", "error"]
    return markdown(header, "lrrrrrrrr", rows)


def markdown(header: list[str], alignment: str, rows: Iterable[list[str]]) -> str:
    """A table; `alignment` has "l" or "r" for each column."""
    rules = ["---" if side == "l" else "---:" for side in alignment]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rules, *rows))


def targets(results: dict[Workload, Cases]) -> str:
    """The ratios asked for, of runs in the same round."""
    rows = []
    for target in TARGETS:
        for workload, cases in results.items():
            rounds = zip(cases[target.numerator].times, cases[target.denominator].times, strict=False)
            ratios = [numerator_s / denominator_s for numerator_s, denominator_s in rounds]
            met = "yes" if target.met(statistics.median(ratios)) else "no"
            rows.append(
                [target.title, workload.title, spread(ratios), str(len(ratios)), f"{target.sign} {target.value:g}", met]
            )
    return markdown(["ratio", "clips", "median (quartiles)", "rounds", "target", "met"], "llrrrl", rows)


def memory_table(growths: dict[tuple[str, str], list[float]]) -> str:
    direct_mib = statistics.median(growths[DIRECT, TRAINING])
    rows = [
        [f"`{name}`", kind, spread(mib), f"{statistics.median(mib) / direct_mib:.3g}"]
        for (name, kind), mib in growths.items()
    ]
    return markdown(["front-end", "pass", "MiB", f"to `{DIRECT}`"], "llrr", rows)


def sections(results: dict[Workload, Cases], errors: dict[Workload, Errors], level: str = "##") -> str:
    return "\n\n".join(
        f"{level} {workload.title[0].upper()}{workload.title[1:]}\n\n{table(workload, cases, errors.get(workload))}"
        for workload, cases in results.items()
    )


def streams_table(streams: Streams) -> str:
    rows = []
    for chunk_ms in streams.apart:
        cells = [f"{chunk_ms} ms"]
        for times_s in (streams.apart[chunk_ms], streams.joined[chunk_ms]):
            cells += [spread(1e3 * seconds for seconds in times_s), f"{kept_up(times_s, chunk_ms):.0f}"]
        rows.append(cells)
    header = ["chunk", "one after the other, ms", "streams per core", "joined, ms", "streams per core"]
    return markdown(header, "lrrrr", rows)


def extra_section(results: Results) -> str:
    if not results.extra:
        return ""
    return f"""
## With memory kept

The same in a process in which {KEPT}.

{targets(results.extra)}

{sections(results.extra, results.errors, "###")}
"""


def gpu_section(results: Results) -> str:
    if not results.gpu:
        return "There was no CUDA device on this machine."
    return f"""The same on one {results.gpu_name}, without TF32; a pass ends when the device has finished it. Rows
"compiled" went through `torch.compile`; ratios are to the `{YARDSTICK}` that did not.

{sections(results.gpu, results.gpu_errors, "###")}"""


def write(results: Results, command: str) -> str:
    """The page in Markdown."""
    batch = memory.WORKLOAD
    memory_ratio = memory.ratio(results.memory)
    return f"""# What the front-ends cost

Written by `{command}` on {datetime.date.today().isoformat()};
`make bench` writes it anew.

- Processor: {processor()}, {n_cores()} core{"s, all of them" if n_cores() > 1 else ""} used
- Software: torch {torch.__version__}, Python {platform.python_version()}, {platform.system()}
- Memory: {results.allocator}
- Front-ends: the default variants, {N_FILTERS} filters, noise at {SAMPLE_RATE / 1000:g} kHz, float32

Times are **milliseconds of computing per second of audio**: the median over the runs, and the quartiles in brackets
where there is more than one run. 10 means that a hundred seconds of audio take one second.

- The yardstick `{YARDSTICK}` is plain torch: `torch.stft` of 512 points under a Hann window of 400
  with a hop of 160 samples, its power times {N_FILTERS} mel triangles, log(E + 1e-5). "Ratio" divides medians
  by its forward pass.
- All take turns in one process, round after round, so that what slows the machine for a while slows them all; where
  quartiles lie far apart, something did. Ratios carry over to other machines better than milliseconds do.
- "{FORWARD.capitalize()}" records no gradients. `{LEAF}` then makes its filters once, in the warm-up;
  `{DIRECT}` makes them at every pass.
- "{TRAINING.capitalize()}" includes the gradients of all the front-end's parameters, and none with respect to the
  waveform. A dash stands where a front-end has nothing to learn.
- "Parameters" counts fixed ones too.
- "Runs" follow a warm-up that is not counted. Slow passes get fewer of them.
- "Error" is the norm of the difference from `{DIRECT}` on the same clips divided by the norm of
  the latter: of the energies (largest over bands), of what sPCEN makes of them (likewise), and of the gradients
  of the output's mean (largest over parameters). A dash stands where there is no reference.

## LEAF against the targets

Ratios of runs in the same round; a training pass is {TRAINING} of all parameters. The median
decides whether a target is met.

{targets(results.cases)}

{sections(results.cases, results.errors)}

## Memory of one training step

By how much one pass with {batch.title} raises the peak resident memory of a fresh process, after a warm-up with one
clip: the median over {memory.N_PROCESSES} processes, and the quartiles. The C library manages memory in its default
way. `{LEAF}` takes {memory_ratio:.3g} of what `{DIRECT}` takes; the target is at most {MEMORY_TARGET:g}:
{"met" if memory_ratio <= MEMORY_TARGET else "not met"}.

{memory_table(results.memory)}

## Live streams on one core

Time to take one chunk of each of {N_STREAMS} streams of `{LEAF}` at {SAMPLE_RATE / 1000:g} kHz on one thread,
one after the other and with their states joined into one batch; and how many streams one core serves in real time,
counted by the slowest tenth of the chunks. A frame is given {results.streams.lookahead_ms:.0f} ms of sound after its
centre. The target is 40 streams with chunks of 20 ms.

{streams_table(results.streams)}
{extra_section(results)}
## On a GPU

{gpu_section(results)}
"""
