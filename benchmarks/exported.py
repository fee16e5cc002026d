"""What exported models gain by Fourier transforms that are two matrix products instead of one convolution.

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
import time
from pathlib import Path
from unittest import mock

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from torch import Tensor

from allocator import row
from auricle.data.tasks import Task
from auricle.exporting.onnx_file import write_onnx
from auricle.frontends import Frontend, create_frontend, spectral
from auricle.frontends.fast import leakage
from auricle.runs.provenance import processor
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.onnx_sessions import OnnxSession
from progress import track

Model = Frontend | Classifier
SPECTRA = spectral.spectra
SECONDS = 10
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


def models() -> dict[str, Model]:
    """What is exported, by the title of its row."""
    published = {"name": "mel-efficientat", "variant": "published", "n_filters": 128}
    mobilenet = Classifier.build(
        window_s=5.0, tasks=[Task("sounds", LABELS)], sample_rate=32000, frontend=published,
        backbone={"name": "mobilenet", "width": 0.4},
    )  # fmt: skip
    names = ("mel", "degram", "leaf")
    return {
        "`mel-efficientat` as published and `mobilenet`, width 0.4": mobilenet,
        **{f"`{name}`": create_frontend(name) for name in names},
    }


def measure(model: Model, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds by convolutions and by products, by round."""
    clip = 0.1 * np.random.default_rng(0).standard_normal((1, SECONDS * model.sample_rate)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / "convolutions.onnx", Path(folder) / "products.onnx"]
        with mock.patch.object(spectral, "spectra", convolved), mock.patch.object(leakage, "spectra", convolved):
            write_onnx(model, paths[0])
        write_onnx(model, paths[1])
        sessions = [OnnxSession(path, threads=1) for path in paths]
        times: tuple[list[float], list[float]] = [], []
        for turn in range(rounds + 1):
            for session, taken in zip(sessions, times, strict=True):
                start = time.perf_counter()
                session.run(clip)
                if turn:
                    taken.append(time.perf_counter() - start)
    return times


def page(rows: list[str], rounds: int) -> str:
    return f"""# Exported models

{datetime.date.today()}, PyTorch {torch.__version__}, onnxruntime {onnxruntime.__version__}, {processor()}, one thread;
medians of {rounds} rounds, in which both versions take turns on one clip of {SECONDS} s.
`{shlex.join(["python", *sys.argv])}`

Not every runtime has ONNX's Fourier transform, and onnxruntime's is inexact at lengths that are no powers of two. A
convolution with sines and cosines gives the same, with as many products for each sample of a window as the window is
long. `auricle export` writes two products of matrices instead, as in the algorithm of Cooley and Tukey, which have
about a tenth as many (`auricle.frontends.fourier`). A ratio below 1 is a gain. LEAF computes spectra for its lowest
bands only.

| model | convolutions, ms | products, ms | ratio (range) |
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
    found = [(name, *measure(cases[name], arguments.rounds)) for name in track(cases, str)]
    arguments.output.write_text(page([row(*one) for one in found], arguments.rounds), encoding="utf-8")


if __name__ == "__main__":
    main()
