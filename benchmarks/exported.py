"""What exported models gain by how short-time spectra and PCEN's moving average are computed in them.

    python benchmarks/exported.py --output docs/benchmarks/exported.md

Each model is exported to ONNX in both ways, and onnxruntime runs both in turns on one thread.
"""

from __future__ import annotations

import argparse
import datetime
import math
import shlex
import sys
import tempfile
from pathlib import Path
from unittest import mock

import onnxruntime
import torch
import torch.nn.functional as F
from torch import Tensor

from allocator import row
from auricle.data.tasks import Task
from auricle.exporting.onnx_file import latencies_ms, write_onnx
from auricle.frontends import Frontend, compression, create_frontend, spectral
from auricle.frontends.fast import leakage
from auricle.runs.provenance import processor
from auricle.systems.classifier.system import Classifier
from progress import track

Model = Frontend | Classifier
SPECTRA, RECURRENCE = spectral.spectra, compression.linear_recurrence
SECONDS = (1, 10)
LABELS = tuple(f"sound {index}" for index in range(50))


def convolved(signal: Tensor, window: Tensor, hop_length: int, n_fft: int) -> Tensor:
    """`spectral.spectra` by a convolution with sines and cosines."""
    if not torch.compiler.is_exporting():
        return SPECTRA(signal, window, hop_length, n_fft)
    n_bins = n_fft // 2 + 1
    turns = torch.arange(n_bins)[:, None] * torch.arange(len(window)) % n_fft
    angle = (2.0 * math.pi / n_fft * turns.double())[:, None]
    waves = torch.cat([torch.cos(angle), -torch.sin(angle)], dim=1).flatten(0, 1).to(window) * window
    return F.conv1d(signal[:, None], waves[:, None], stride=hop_length).unflatten(1, (n_bins, 2)).permute(0, 3, 1, 2)


def doubled(decay: Tensor, drive: Tensor, initial: Tensor) -> Tensor:
    """`compression.linear_recurrence` by rounds of which each adds what as many steps before have, up to 2^20 steps."""
    if not torch.compiler.is_exporting():
        return RECURRENCE(decay, drive, initial)
    n_steps = drive.shape[-1]
    result = drive
    for k in range(20):
        result = result + decay.pow(2**k)[:, None] * F.pad(result, (2**k, 0))[..., :n_steps]
    return result + decay[:, None].pow(torch.arange(n_steps) + 1) * initial[..., None]


def models() -> dict[str, Model]:
    """What is exported, by the title of its row."""
    published = {"name": "mel-efficientat", "variant": "published", "n_filters": 128}
    mobilenet = Classifier.build(
        window_s=5.0, tasks=[Task("sounds", LABELS)], sample_rate=32000, frontend=published,
        backbone={"name": "mobilenet", "width": 0.4},
    )  # fmt: skip
    names = ("mel", "degram", "mel-spcen", "leaf")
    return {
        "`mel-efficientat` as published and `mobilenet`, width 0.4": mobilenet,
        **{f"`{name}`": create_frontend(name) for name in names},
    }


def measure(model: Model, rounds: int) -> dict[int, list[list[float]]]:
    """For clips of each length in `SECONDS`: milliseconds in one way and in the other, by round."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / "plain.onnx", Path(folder) / "blocks.onnx"]
        with (
            mock.patch.object(spectral, "spectra", convolved),
            mock.patch.object(leakage, "spectra", convolved),
            mock.patch.object(compression, "linear_recurrence", doubled),
        ):
            write_onnx(model, paths[0])
        write_onnx(model, paths[1])
        return {seconds: latencies_ms(paths, seconds * model.sample_rate, rounds) for seconds in SECONDS}


def page(rows: list[str], rounds: int) -> str:
    return f"""# Exported models

{datetime.date.today()}, PyTorch {torch.__version__}, onnxruntime {onnxruntime.__version__}, {processor()}, one thread;
medians of {rounds} rounds, in which both files take turns on one clip.
`{shlex.join(["python", *sys.argv])}`

Two operations of front-ends have no form that every runtime has and that is exact at any length. In the plain form, a
convolution with sines and cosines gives short-time spectra, with as many products for each sample of a window as the
window is long; and PCEN's moving average takes twenty rounds, each of which adds what twice as many frames before have,
however few frames there are. `auricle export` writes Fourier transforms of two products of matrices, as in the
algorithm of Cooley and Tukey (`auricle.frontends.fourier`), and the moving average in four levels of blocks
(`auricle.frontends.compression.linear_recurrence`). A ratio below 1 is a gain.

| model | plain, ms | as exported, ms | ratio (range) |
| --- | ---: | ---: | ---: |
{chr(10).join(rows)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cases = models()
    rows = [
        row(f"{name}, {seconds} s", *([latency / 1e3 for latency in own] for own in latencies))
        for name in track(cases, str)
        for seconds, latencies in measure(cases[name], arguments.rounds).items()
    ]
    arguments.output.write_text(page(rows, arguments.rounds), encoding="utf-8")


if __name__ == "__main__":
    main()
