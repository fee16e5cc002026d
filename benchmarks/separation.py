"""Measure the separation of a long file against the published tool's way, and write the page of it.

python benchmarks/separation.py --output docs/benchmarks/separation.md
"""

from __future__ import annotations

import argparse
import datetime
import platform
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from auricle import audio
from auricle.runs.provenance import processor
from auricle.systems.separator import Separator
from auricle.tasks.separation.predict import separated
from auricle.tasks.separation.queries import Query
from memory import peak_mib
from processes import in_fresh_process, n_cores
from progress import track

RATE = 32000
SEGMENT = 2 * RATE
PUBLISHED, OURS = "published way", "`auricle separate`"
N_PROCESSES = 3


def write_mixture(path: Path, seconds: int) -> None:
    """Write tones that start and stop in noise."""
    rng = np.random.default_rng(0)
    blocks = []
    for second in range(seconds):
        time_s = second + np.arange(RATE) / RATE
        tone = np.sin(2 * np.pi * (300 + 40 * (second % 20)) * time_s) * (np.sin(2 * np.pi * 0.7 * time_s) > 0)
        blocks.append((0.2 * tone + 0.05 * rng.standard_normal(RATE)).astype(np.float32))
    audio.write(path, np.concatenate(blocks), RATE)


def build(preset: str, memory_format: torch.memory_format) -> tuple[Separator, torch.Tensor]:
    separator = Separator.build(preset).eval()
    separator.network.to(memory_format=memory_format)
    return separator, 0.1 * torch.randn(separator.size.query_size, generator=torch.Generator().manual_seed(0))


def published_way(preset: str = "resunet30") -> Callable[[Path, Path], None]:
    """The published tool's loop: read the whole file, cut it into segments of 2 s, separate them one by one."""
    separator, query = build(preset, torch.contiguous_format)

    def run(source: Path, target: Path) -> None:
        waveform, _ = audio.read(source, sample_rate=RATE)
        segments = []
        with torch.no_grad():
            for start in range(0, len(waveform), SEGMENT):
                segment = np.zeros(SEGMENT, dtype=np.float32)
                piece = waveform[start : start + SEGMENT]
                segment[: len(piece)] = piece
                segments.append(separator(torch.from_numpy(segment)[None], query[None])[0].numpy())
        audio.write(target, np.concatenate(segments)[: len(waveform)], RATE)

    return run


def our_way(preset: str = "resunet30") -> Callable[[Path, Path], None]:
    """What `auricle separate` does for one source."""
    separator, query = build(preset, torch.channels_last)

    def run(source: Path, target: Path) -> None:
        blocks = separated(separator, source, Query("source", query), channels=1, gain=1.0)
        audio.write_blocks(target, blocks, RATE, channels=1)

    return run


WAYS = {PUBLISHED: published_way, OURS: our_way}


def peak_of(way: str, source: Path, target: Path) -> float:
    """Peak resident memory in MiB of this process, which does nothing else."""
    torch.set_num_threads(n_cores())
    WAYS[way]()(source, target)
    return peak_mib()


def timed(run: Callable[[Path, Path], None], source: Path, target: Path) -> float:
    start = time.perf_counter()
    run(source, target)
    return time.perf_counter() - start


def measure(seconds: int, repeats: int) -> tuple[dict[str, list[float]], list[float], dict[str, list[float]]]:
    """Seconds of both ways taking turns, seconds of the small preset, and peak memory of both ways in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        source, target, short = (Path(folder) / name for name in ("mixture.wav", "source.wav", "short.wav"))
        write_mixture(source, seconds)
        write_mixture(short, 4)
        pairs = [way for _ in range(N_PROCESSES) for way in WAYS]
        peaks: dict[str, list[float]] = {way: [] for way in WAYS}
        for way in track(pairs, lambda way: f"memory: {way}"):
            peaks[way].append(in_fresh_process(peak_of, way, source, target))
        runs = {way: make() for way, make in WAYS.items()}
        times: dict[str, list[float]] = {way: [] for way in WAYS}
        for run in runs.values():
            run(short, target)
        for way in track([way for _ in range(repeats) for way in WAYS], lambda way: f"time: {way}"):
            times[way].append(timed(runs[way], source, target))
        small = our_way("resunet30-small")
        small(short, target)
        return times, [timed(small, source, target) for _ in range(repeats)], peaks


def spread(values: list[float]) -> str:
    """Median, with the lowest and highest value."""
    return f"{statistics.median(values):.3g} ({min(values):.3g}–{max(values):.3g})"


def page(
    times: dict[str, list[float]], small: list[float], peaks: dict[str, list[float]], seconds: int, command: str
) -> str:
    rows = [
        f"| {way} | {spread(times[way])} | {seconds / statistics.median(times[way]):.3g} | {spread(peaks[way])} |"
        for way in WAYS
    ]
    ratios = [ours / theirs for ours, theirs in zip(times[OURS], times[PUBLISHED], strict=True)]
    memory = statistics.median(peaks[OURS]) / statistics.median(peaks[PUBLISHED])
    table = "\n".join(rows)
    return f"""# What separation costs

Written by `{command}` on {datetime.date.today().isoformat()}.

- Processor: {processor()}, {n_cores()} cores, {torch.get_num_threads()} of them used
- Software: torch {torch.__version__}, Python {platform.python_version()}, {platform.system()}
- One source out of a mono file of {seconds} s at 32 kHz, from file to file, float32

The published tool's way, rewritten in plain code: the whole file is read and cut into segments of 2 s, and ResUNet30
separates one after the other. `auricle separate` reads blocks, and every layer keeps what its next block needs, so
there are no seams, and no frame is padded or computed twice. Both take turns in one process; peak memory is measured
in a separate process for each, interpreter and weights included. Medians, with the lowest and the highest in brackets.

| ResUNet30 | seconds | times real time | peak memory, MiB |
| --- | ---: | ---: | ---: |
{table}

Time of `auricle separate` over that of the published way, turn by turn: {spread(ratios)}. Peak memory over peak memory:
{memory:.3g}.

The small preset takes {spread(small)} s, {seconds / statistics.median(small):.3g} times real time.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Measure the separation of a long file and write a Markdown page.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--output", type=Path, default=Path("docs/benchmarks/separation.md"), help="the file to write")
    parser.add_argument("--seconds", type=int, default=120, help="length of the file")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each way")
    arguments = parser.parse_args()
    if min(arguments.seconds, arguments.repeats) < 1:
        parser.error("--seconds and --repeats must be positive")
    if not arguments.output.parent.is_dir():
        parser.error(f"--output {arguments.output}: there is no folder {arguments.output.parent}")
    torch.set_num_threads(n_cores())
    times, small, peaks = measure(arguments.seconds, arguments.repeats)
    command = shlex.join(["python", "benchmarks/separation.py", *sys.argv[1:]])
    arguments.output.write_text(page(times, small, peaks, arguments.seconds, command), encoding="utf-8")
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
