"""How long the networks take with the weights of their convolutions in one order and in the other.

    python benchmarks/backbones.py --output docs/benchmarks/backbones.md

"Channels last" keeps the numbers of all channels at one place beside one another; outputs follow the order of the
weights, and agree up to rounding.
"""

from __future__ import annotations

import argparse
import copy
import datetime
import shlex
import statistics
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from auricle.backbones import create_backbone
from auricle.runs.provenance import processor
from cases import FORWARD, TRAINING
from progress import track
from timing import timed, with_range

BATCH, BANDS, FRAMES = 16, 40, 100
NAMES = (
    "cnn-small", "mobilenet", "efficientnet-b0", "vgg-m", "cnn14", "degramnet", "eca-resnet-50", "resnet-18",
    "resnet-50",
)  # fmt: skip
ORDERS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}


class Spectrograms(nn.Module):
    """A backbone that takes `(batch, bands, frames)`."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, spectrograms: Tensor) -> Tensor:
        return self.backbone(spectrograms[:, None])


def measured(name: str, rounds: int) -> dict[tuple[str, str], list[float]]:
    """Seconds of each pass in each order, in rounds in which they take turns."""
    torch.manual_seed(0)
    made = create_backbone(name, n_bands=BANDS)
    spectrograms = torch.randn(BATCH, BANDS, FRAMES)
    networks = {order: Spectrograms(copy.deepcopy(made).to(memory_format=form)) for order, form in ORDERS.items()}
    seconds: dict[tuple[str, str], list[float]] = {
        (kind, order): [] for kind in (FORWARD, TRAINING) for order in ORDERS
    }
    for turn in range(rounds + 1):
        for (kind, order), found in seconds.items():
            took = timed(networks[order], spectrograms, kind)
            if turn:
                found.append(took)
    return seconds


def kept(name: str) -> str:
    """The order that auricle makes the network in."""
    made = create_backbone(name, n_bands=BANDS)
    strides = [weight.stride() for weight in made.parameters()]
    last = [weight.stride() for weight in made.to(memory_format=torch.channels_last).parameters()]
    return "channels last" if strides == last else "contiguous"


def row(name: str, seconds: dict[tuple[str, str], list[float]]) -> str:
    cells = []
    for kind in (FORWARD, TRAINING):
        plain, last = (seconds[kind, order] for order in ORDERS)
        ratios = [one / other for one, other in zip(plain, last, strict=True)]
        cells += [f"{1e3 * statistics.median(plain):.1f}", f"{1e3 * statistics.median(last):.1f}"]
        cells.append(with_range(ratios))
    return f"| `{name}` | {' | '.join(cells)} | {kept(name)} |"


def page(rows: list[str], rounds: int) -> str:
    return f"""# Networks and the order of their weights

{datetime.date.today()}, PyTorch {torch.__version__}, {processor()}, one thread; medians of {rounds} rounds in which the
orders take turns, and the ratio of the two times with its range. `{shlex.join(["python", *sys.argv])}`

Each network embeds {BATCH} spectrograms of {BANDS} bands and {FRAMES} frames, without and with the backward pass. With
channels last, the weights and the output of a convolution are stored so that the numbers of all channels at one place
are beside one another; the results are the same up to rounding. "Order" is the one that auricle gives the network.

| network | forward, ms | channels last | times as quick | training, ms | channels last | times as quick | order |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |
{chr(10).join(rows)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row(name, measured(name, arguments.rounds)) for name in track(NAMES, str)]
    arguments.output.write_text(page(rows, arguments.rounds), encoding="utf-8")


if __name__ == "__main__":
    main()
