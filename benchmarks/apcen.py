"""Measure adaptive PCEN against the published way of computing it, and write the page of it.

python benchmarks/apcen.py --output docs/benchmarks/apcen.md
"""

from __future__ import annotations

import argparse
import datetime
import math
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from auricle.frontends import create_frontend
from auricle.runs.provenance import processor
from cases import FORWARD, TRAINING
from processes import n_cores
from timing import timed

BATCH, SECONDS, SAMPLE_RATE = 16, 1, 16000
YARDSTICK = "published way"


class PublishedWay(nn.Module):
    """LEAF-APCEN as its authors compute it: a loop over windows, each with its own convolutions.

    Filters and pooling windows are made anew for every window, and the controller is PyTorch's GRU.
    """

    def __init__(self, filters_learn: bool) -> None:
        super().__init__()
        bank = create_frontend("leaf", method="direct")
        self.center_freqs = nn.Parameter(bank.filterbank.center_freqs.detach(), requires_grad=filters_learn)
        self.bandwidths = nn.Parameter(bank.filterbank.bandwidths.detach(), requires_grad=filters_learn)
        self.widths = nn.Parameter(bank.pooling.widths.detach(), requires_grad=filters_learn)
        self.gru = nn.GRU(1, 32, batch_first=True)
        self.head = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))

    def energies(self, window: Tensor) -> Tensor:
        """Three energies of each band of `(batch, 400)`: `(batch, 40, 3)`."""
        time = torch.arange(-200, 201)
        envelope = torch.exp(-(time**2) / (2 * self.bandwidths[:, None] ** 2))
        envelope = envelope / (math.sqrt(2 * math.pi) * self.bandwidths[:, None])
        filters = envelope * torch.exp(1j * self.center_freqs[:, None] * time)
        kernels = torch.cat([filters.real, filters.imag])[:, None]
        real, imaginary = (F.conv1d(window[:, None], kernels, padding=200) ** 2).chunk(2, dim=1)
        low_passes = torch.exp(-0.5 * (time / 200 / self.widths[:, None]) ** 2)[:, None]
        return F.conv1d(real + imaginary, low_passes, stride=160, padding=200, groups=40)

    def forward(self, waveform: Tensor) -> Tensor:
        outputs: list[Tensor] = []
        first = None
        for window in waveform.unfold(-1, 400, 160).unbind(1):
            energies = self.energies(window)
            first = energies if first is None else first
            floored = energies.clamp(min=1e-5)
            context = torch.cat([outputs[-1] if outputs else floored, floored], dim=-1)
            states, _ = self.gru(context.flatten(0, 1)[..., None])
            alpha, gamma = torch.sigmoid(self.head(states[:, -1])).view(len(window), 40, 2, 1).unbind(2)
            average = 0.96 * first + 0.04 * floored
            outputs.append(floored ** (0.2 + 0.8 * gamma) / (average + 1e-12) ** alpha)
        return torch.cat(outputs, dim=-1)


@dataclass
class Case:
    """One way to compute the front-end; `forward` and `training` hold the seconds of each pass."""

    name: str
    frontend: nn.Module
    forward: list[float] = field(default_factory=list)
    training: list[float] = field(default_factory=list)

    def run(self, waveform: Tensor, kind: str) -> float:
        return timed(self.frontend, waveform, kind)


def make_cases() -> list[Case]:
    makers: dict[str, Callable[[], nn.Module]] = {
        YARDSTICK: lambda: PublishedWay(filters_learn=False),
        f"{YARDSTICK}, filters learnt": lambda: PublishedWay(filters_learn=True),
        "`leaf-apcen`, variant=published": lambda: create_frontend("leaf-apcen", variant="published"),
        "`leaf-apcen`": lambda: create_frontend("leaf-apcen"),
        "`leaf-apcen`, bidirectional": lambda: create_frontend("leaf-apcen", bidirectional=True),
        "`leaf-apcen`, carried": lambda: create_frontend("leaf-apcen", carried=True),
        "`leaf-apcen`, block=5": lambda: create_frontend("leaf-apcen", block=5),
        "`leaf-simppcen`": lambda: create_frontend("leaf-simppcen"),
    }
    cases = []
    for name, make in makers.items():
        torch.manual_seed(0)
        cases.append(Case(name, make()))
    return cases


def measure(repeats: int) -> list[Case]:
    """A warm-up of each case, then rounds in which all cases take turns; the slow ones run in the first round only."""
    waveform = 0.1 * torch.randn(BATCH, SECONDS * SAMPLE_RATE, generator=torch.Generator().manual_seed(0))
    cases = make_cases()
    slow = [case for case in cases if case.name.startswith(YARDSTICK)]
    for case in cases:
        if case not in slow:
            case.run(waveform, TRAINING)
    rounds = [(turn, case) for turn in range(repeats) for case in cases if turn % 5 == 0 or case not in slow]
    for _, case in track(rounds, description="measuring"):
        case.forward.append(case.run(waveform, FORWARD))
        case.training.append(case.run(waveform, TRAINING))
    return cases


def cell(seconds: list[float]) -> str:
    """Median in milliseconds, with the quartiles where there are several runs."""
    milliseconds = [1e3 * value for value in seconds]
    if len(milliseconds) == 1:
        return f"{milliseconds[0]:.4g}"
    low, _, high = statistics.quantiles(milliseconds, n=4, method="inclusive")
    return f"{statistics.median(milliseconds):.4g} ({low:.4g}–{high:.4g})"


def long_clip_seconds(minutes: int) -> float:
    """Seconds that one forward pass of `leaf-apcen` over one clip takes."""
    frontend = create_frontend("leaf-apcen")
    waveform = 0.1 * torch.randn(1, 60 * minutes * SAMPLE_RATE, generator=torch.Generator().manual_seed(0))
    start = time.perf_counter()
    with torch.no_grad():
        frontend(waveform)
    return time.perf_counter() - start


def section(cases: list[Case], long_s: float, minutes: int, command: str) -> str:
    yardstick = statistics.median(cases[0].training)
    rows = [
        f"| {case.name} | {cell(case.forward)} | {cell(case.training)} "
        f"| {yardstick / statistics.median(case.training):.3g} × | {len(case.training)} |"
        for case in cases
    ]
    table = "\n".join(rows)
    return f"""# What adaptive PCEN costs

Written by `{command}` on {datetime.date.today().isoformat()}.

- Processor: {processor()}, {n_cores()} cores, {torch.get_num_threads()} of them used
- Software: torch {torch.__version__}, Python {platform.python_version()}, {platform.system()}
- {BATCH} clips of {SECONDS} s of noise at 16 kHz, 40 filters, float32

Milliseconds per batch, medians over the runs and quartiles in brackets. The "{YARDSTICK}" is that of the authors,
rewritten in plain code: a loop over 98 windows of 25 ms, each with its own convolutions. Its filters are frozen, as in
the paper and in the published configuration, unless the row says "filters learnt". All ways take turns.

| way | forward | forward + backward | quicker | runs |
| --- | ---: | ---: | ---: | ---: |
{table}

One clip of {minutes} minutes in one forward pass of `leaf-apcen`: {long_s:.3g} s.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Measure adaptive PCEN and write a Markdown section.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--output", type=Path, default=Path("docs/benchmarks/apcen.md"), help="the file to write")
    parser.add_argument("--repeats", type=int, default=15, help="timed runs; the published way gets a fifth of them")
    parser.add_argument("--minutes", type=int, default=10, help="length of the long clip")
    parser.add_argument("--threads", type=int, default=n_cores(), help="threads to compute with")
    arguments = parser.parse_args()
    if min(arguments.repeats, arguments.minutes, arguments.threads) < 1:
        parser.error("--repeats, --minutes and --threads must be positive")
    if not arguments.output.parent.is_dir():
        parser.error(f"--output {arguments.output}: there is no folder {arguments.output.parent}")
    torch.set_num_threads(arguments.threads)
    cases = measure(arguments.repeats)
    command = shlex.join(["python", "benchmarks/apcen.py", *sys.argv[1:]])
    text = section(cases, long_clip_seconds(arguments.minutes), arguments.minutes, command)
    arguments.output.write_text(text, encoding="utf-8")
    Console().print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
