"""What `torch.compile` costs and gains with a front-end within a small network, as a page.

python benchmarks/compiled.py --output docs/benchmarks/compiled.md
"""

from __future__ import annotations

import argparse
import datetime
import shlex
import statistics
import sys
import warnings
from pathlib import Path

import torch
import torch._inductor.config
from torch import Tensor, nn

from auricle.frontends import create_frontend
from auricle.runs.provenance import processor
from cases import TRAINING
from progress import track
from timing import timed

BATCH, SAMPLES = 16, 16000
OTHER_LENGTHS = (12345, 9999, 14003, 30000, 7777)
FRONTENDS = ["mel", "mel-pcen", "degram", "leaf", "leaf-apcen", "sincnet"]
FIRST_CALL_S, NO_SLOWER = 30.0, 1.05


class Network(nn.Module):
    """A front-end and a few element-wise operations, which the compiler can join with its compression."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.frontend = create_frontend(name)
        self.scale = nn.Parameter(torch.tensor(0.7))

    def forward(self, waveform: Tensor) -> Tensor:
        return torch.sin(self.scale * self.frontend(waveform)).mean()


def measure(name: str, rounds: int, device: str) -> str:
    """One row of the page."""
    torch._dynamo.reset()
    torch.manual_seed(0)
    network = Network(name).to(device)
    compiled = torch.compile(network)
    waveform = 0.1 * torch.randn(BATCH, SAMPLES, device=device)
    first = timed(compiled, waveform, TRAINING)
    others = [timed(compiled, 0.1 * torch.randn(BATCH, length, device=device), TRAINING) for length in OTHER_LENGTHS]
    pairs = [(timed(network, waveform, TRAINING), timed(compiled, waveform, TRAINING)) for _ in range(rounds)]
    as_it_is, with_compiler = (1e3 * statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(after / before for before, after in pairs)
    lengths = ", ".join(f"{seconds:.2f}" for seconds in others)
    met = "yes" if first <= FIRST_CALL_S and ratio <= NO_SLOWER else "no"
    return f"| `{name}` | {first:.1f} | {lengths} | {as_it_is:.1f} | {with_compiler:.1f} | {ratio:.2f} | {met} |"


def page(rows: list[str], device: str, rounds: int) -> str:
    hardware = torch.cuda.get_device_name() if device == "cuda" else f"{processor()}, one thread"
    lengths = ", ".join(f"{length:,}" for length in OTHER_LENGTHS)
    return f"""# torch.compile

{datetime.date.today()}, PyTorch {torch.__version__}, {hardware}; medians of {rounds} alternating rounds.
`{shlex.join(["python", *sys.argv])}`

A training step of a front-end followed by a sine and a mean, {BATCH} × {SAMPLES:,} samples. Energies run as they are;
the rest is compiled. Targets: a first call below {FIRST_CALL_S:g} s, and a step at most {NO_SLOWER:g} times as long.
"Other lengths" are the seconds of the first step with {lengths} samples, in this order: the first of them makes the
length a variable, and a few of the others may each be a new case, such as fewer frames than bands.

| front-end | first call, s | other lengths, s | step, ms | compiled, ms | ratio | met |
| --- | ---: | --- | ---: | ---: | ---: | --- |
{chr(10).join(rows)}

With convolutional networks PyTorch 2.13 itself fails on CPUs as soon as the number of frames varies, whatever computed
the spectrogram: compiling batch normalisation of bands and an `nn.Conv2d` is enough to fail (pytorch issue 185510).
Clips of one length compile, and with `dynamic=False` each length is compiled on its own.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument(
        "--frontends", nargs="+", default=["mel", "mel-pcen", "degram", "leaf", "leaf-apcen", "sincnet"]
    )
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch._inductor.config.force_disable_caches = True  # of earlier runs
    warnings.simplefilter("ignore")
    rows = [measure(name, arguments.rounds, arguments.device) for name in track(arguments.frontends, str)]
    arguments.output.write_text(page(rows, arguments.device, arguments.rounds), encoding="utf-8")


if __name__ == "__main__":
    main()
