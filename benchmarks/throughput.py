"""Measure how fast `auricle predict` labels many short files and one long one, and write the page of it.

python benchmarks/throughput.py --output docs/benchmarks/throughput.md
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shlex
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from auricle import audio
from auricle.data.tasks import Task
from auricle.runs.provenance import processor
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.predict import predict_files
from auricle.tasks.classification.reading import batch_size, file_windows, run_model
from auricle.tasks.classification.selection import Selection
from auricle.tasks.classification.window_classifiers import TorchWindowClassifier
from page import markdown
from processes import n_cores
from progress import track

FILE_RATE, MODEL_RATE = 44100, 16000
LABELS = tuple(f"class-{k}" for k in range(10))
MODELS = {
    "cnn-small with mel": ("mel", "cnn-small"),
    "EfficientNet-B0 with mel": ("mel", "efficientnet-b0"),
    "EfficientNet-B0 with leaf": ("leaf", "efficientnet-b0"),
    "EfficientNet-B0 with leaf-apcen": ("leaf-apcen", "efficientnet-b0"),
}
ONE_HOUR = ("cnn-small with mel",)
"""Models that label the long file too: the quickest, for which reading matters most."""
TARGET = 1.25


@dataclass
class Times:
    """Seconds of each round: reading alone, the model alone, and `auricle predict` with its processor seconds."""

    decoding: list[float] = field(default_factory=list)
    model: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def ratio(self) -> float:
        """Time of the whole over the largest of the three that it cannot be below, in medians."""
        halves = [seconds / 2 for seconds in self.processor]
        bound = max(statistics.median(values) for values in (self.decoding, self.model, halves))
        return statistics.median(self.whole) / bound


@dataclass
class Sounds:
    """The recordings of a workload, their number of windows, and their duration in seconds."""

    title: str
    folder: Path
    n_windows: int
    duration_s: float


def build(frontend: str, backbone: str) -> TorchWindowClassifier:
    system = Classifier.build(
        sample_rate=MODEL_RATE,
        window_s=1.0,
        frontend={"name": frontend},
        backbone={"name": backbone},
        tasks=[Task("sounds", LABELS)],
    )
    return TorchWindowClassifier(system.eval(), "benchmark")


def write_sounds(folder: Path, n_files: int, long_s: int) -> list[Sounds]:
    """Files of 1 s, and one long file, of noise at 44.1 kHz."""
    rng = np.random.default_rng(0)
    noise = (0.1 * rng.standard_normal(60 * FILE_RATE)).astype(np.float32)
    for number in range(n_files):
        start = (number % 59) * FILE_RATE
        audio.write(folder / "short" / f"{number:04}.wav", noise[start : start + FILE_RATE], FILE_RATE)
    blocks = (noise[: min(60, long_s - start) * FILE_RATE] for start in range(0, long_s, 60))
    audio.write_blocks(folder / "long" / "long.wav", blocks, FILE_RATE, channels=1)
    title = f"one file of {long_s / 3600:g} h"
    return [
        Sounds(f"{n_files} files of 1 s", folder / "short", n_files, n_files),
        Sounds(title, folder / "long", long_s, long_s),
    ]


def decode(model: TorchWindowClassifier, sounds: Sounds) -> None:
    """Read and resample all windows, in the process that `auricle predict` reads in."""
    with audio.isolated():
        for path in audio.find_audio(sounds.folder):
            for _ in file_windows(model, path):
                pass


def run_alone(model: TorchWindowClassifier, sounds: Sounds) -> None:
    """Run the model on as many windows, in full batches."""
    windows = 0.1 * np.random.default_rng(0).standard_normal((batch_size(model), model.window)).astype(np.float32)
    for start in range(0, sounds.n_windows, len(windows)):
        run_model(model, windows[: sounds.n_windows - start])


def predict(model: TorchWindowClassifier, sounds: Sounds, output: Path) -> None:
    selection = Selection.for_model(model)
    outcomes = predict_files(model, [str(sounds.folder)], output, selection=selection, progress=False)
    assert not any(outcome.error or outcome.done_before for outcome in outcomes)


def timed(run: Callable[..., None], *arguments: object) -> tuple[float, float]:
    """Seconds on the clock, and seconds of all processors, those of ended child processes included."""
    begin, before = time.perf_counter(), os.times()
    run(*arguments)
    end, after = time.perf_counter(), os.times()
    return end - begin, sum(after[:4]) - sum(before[:4])


def measure(n_files: int, long_s: int, repeats: int) -> dict[tuple[str, str], tuple[Sounds, Times]]:
    """All models and workloads take turns, round after round, after a warm-up with a few files."""
    results: dict[tuple[str, str], tuple[Sounds, Times]] = {}
    with tempfile.TemporaryDirectory() as room:
        folder, output = Path(room) / "sounds", Path(room) / "tables"
        models = {name: build(*parts) for name, parts in MODELS.items()}
        (warm_up, _), workloads = write_sounds(Path(room) / "few", 40, 2), write_sounds(folder, n_files, long_s)
        for model in models.values():
            predict(model, warm_up, output)
            shutil.rmtree(output)
        short, long = workloads
        round_ = [*((name, short) for name in models), *((name, long) for name in ONE_HOUR)]
        turns = [turn for _ in range(repeats) for turn in round_]
        for name, sounds in track(turns, lambda turn: f"{turn[0]}: {turn[1].title}"):
            _, times = results.setdefault((sounds.title, name), (sounds, Times()))
            times.decoding.append(timed(decode, models[name], sounds)[0])
            times.model.append(timed(run_alone, models[name], sounds)[0])
            whole_s, processor_s = timed(predict, models[name], sounds, output)
            times.whole.append(whole_s)
            times.processor.append(processor_s)
            shutil.rmtree(output)
    return results


def write(results: dict[tuple[str, str], tuple[Sounds, Times]], repeats: int, command: str) -> str:
    """The page in Markdown."""
    rows = []
    for (title, name), (sounds, times) in results.items():
        medians = [statistics.median(v) for v in (times.decoding, times.model, times.processor, times.whole)]
        hours = sounds.duration_s / 3600 / (medians[-1] / 60)
        cells = [f"{seconds:.3g}" for seconds in medians]
        rows.append([title, name, *cells, f"{times.ratio():.2f}", f"{hours:.2f}"])
    header = ["recordings", "model", "decoding, s", "model, s", "processors, s", "`auricle predict`, s", "ratio",
              "hours of audio per minute"]  # fmt: skip
    n_met = sum(times.ratio() <= TARGET for _, times in results.values())
    return f"""# How fast recordings are labelled

Written by `{command}` on {datetime.date.today().isoformat()};
`make bench` writes it anew.

- Processor: {processor()}, {n_cores()} core{"s, all of them" if n_cores() > 1 else ""} used
- Software: torch {torch.__version__}, Python {platform.python_version()}, {platform.system()}
- Recordings: mono WAV files of 16 bits at {FILE_RATE / 1000:g} kHz, which are resampled to {MODEL_RATE / 1000:g} kHz
- Models: windows of 1 s without overlap, float32

`auricle predict` decodes and resamples in a process of its own, gathers the windows of consecutive files into full
batches, and writes tables while the model is at work. On two cores it cannot be quicker than any of three times:
decoding alone, the model alone, and half of the processor seconds of all its processes. It should take little longer
than the longest of them. "Ratio" is its time divided by the longest; the target is {TARGET:g}, which {n_met} of
{len(results)} rows meet. All figures are medians of {repeats} rounds in one process, in which all take turns. Starting
Python and loading the model are not included.

{markdown(header, "llrrrrrr", rows)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=600, help="number of files of 1 s")
    parser.add_argument("--long-s", type=int, default=3600, help="seconds of the long file")
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    parser.add_argument("--output", type=Path, help="page to write; by default it is printed")
    chosen = parser.parse_args()
    torch.set_num_threads(n_cores())
    results = measure(chosen.files, chosen.long_s, chosen.repeats)
    command = " ".join(["python", *map(shlex.quote, sys.argv)])
    text = write(results, chosen.repeats, command)
    if chosen.output is None:
        print(text)
    else:
        chosen.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
