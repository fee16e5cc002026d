"""`auricle listen`: labels of sound while it comes."""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soxr
import torch

from auricle.config import Listen, verb
from auricle.errors import AuricleError
from auricle.registry import unknown_name
from auricle.runs.loading import load_classifier
from auricle.systems.classifier.system import Classifier
from auricle.systems.streaming import Stream
from auricle.tasks.classification.predict import Selection
from auricle.tasks.classification.window_classifiers import TorchWindowClassifier, columns, probabilities

FORMATS = {"s16le": ("<i2", 2.0**15), "s32le": ("<i4", 2.0**31), "f32le": ("<f4", 1.0)}
COLUMNS = ("start_s", "end_s", "task", "label", "probability", "latency_ms")


def pcm_chunks(source: BinaryIO, sample_format: str, channels: int, most: int = 4096) -> Iterator[np.ndarray]:
    """`(time,)` float32, as soon as they are there, from interleaved raw samples; channels are averaged."""
    if sample_format not in FORMATS:
        raise AuricleError(unknown_name("sample format", sample_format, FORMATS))
    kind, full_scale = FORMATS[sample_format]
    size = np.dtype(kind).itemsize * channels
    rest = b""
    while piece := os.read(source.fileno(), most * size):
        piece = rest + piece
        whole = len(piece) // size * size
        rest = piece[whole:]
        if whole:
            samples = np.frombuffer(piece[:whole], dtype=kind).astype(np.float32) / full_scale
            yield samples.reshape(-1, channels).mean(axis=1)


def microphone_chunks(sample_rate: int, channels: int) -> Iterator[np.ndarray]:
    """`(time,)` float32 from the default sound card, a tenth of a second at a time."""
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise AuricleError(f"--microphone needs the package sounddevice and PortAudio ({error})") from None
    try:
        with sounddevice.InputStream(samplerate=sample_rate, channels=channels, dtype="float32") as card:
            while True:
                yield card.read(sample_rate // 10)[0].mean(axis=1)
    except sounddevice.PortAudioError as error:
        raise AuricleError(f"the sound card cannot be listened to ({error})") from None


def resampled(chunks: Iterator[np.ndarray], source_rate: int, target_rate: int) -> Iterator[np.ndarray]:
    """`chunks` at another rate, piece by piece."""
    if source_rate == target_rate:
        yield from chunks
        return
    resampler = soxr.ResampleStream(source_rate, target_rate, 1, dtype="float32")
    for chunk in chunks:
        yield resampler.resample_chunk(chunk)
    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def listen_to(
    run: str,
    *,
    input_rate: int = 0,
    sample_format: str = "s16le",
    channels: int = 1,
    hop_s: float = 0.0,
    top_k: int | None = None,
    threshold: float | None = None,
    microphone: bool = False,
    output: Path | None = None,
    source: BinaryIO | None = None,
) -> None:
    """Print labels of what comes from `source` (standard input) or the sound card until it ends."""
    if channels < 1 or input_rate < 0:
        raise AuricleError(f"channels={channels} and input_rate={input_rate} are to be positive")
    torch.set_num_threads(1)
    model = load_classifier(run, "cpu")
    selection = Selection.usual(TorchWindowClassifier(model), top_k, threshold)
    rate = input_rate or model.sample_rate
    stream = Stream(model, round(hop_s * model.sample_rate) if hop_s else None)
    chunks = microphone_chunks(rate, channels) if microphone else _standard_input(source, sample_format, channels)
    _tell(
        f"listening at {rate} Hz; a window of {model.window / model.sample_rate:g} s is labelled when "
        f"{_lookahead_ms(stream):.0f} ms more have been heard"
    )
    with ExitStack() as stack:
        table = None
        if output is not None:
            table = csv.writer(stack.enter_context(open(output, "w", newline="", encoding="utf-8", buffering=1)))
            table.writerow(COLUMNS)
        _label(resampled(chunks, rate, model.sample_rate), model, stream, selection, table)


def _standard_input(source: BinaryIO | None, sample_format: str, channels: int) -> Iterator[np.ndarray]:
    source = source or sys.stdin.buffer
    if source.isatty():
        raise AuricleError(
            "nothing comes in: pipe raw PCM into this command, as "
            "ffmpeg -i FILE -f s16le -ac 1 -ar 16000 - | auricle listen RUN --input-rate 16000"
        )
    return pcm_chunks(source, sample_format, channels)


def _label(chunks: Iterator[np.ndarray], model: Classifier, stream: Stream, selection: Selection, table) -> None:  # type: ignore[no-untyped-def]
    hop_s = (stream.hop or 0) / model.sample_rate
    n_windows, heard, computing_s, delays_ms = 0, 0, 0.0, []

    def report(logits: torch.Tensor, arrived: float) -> None:
        nonlocal n_windows
        for row in logits.numpy():
            start_s = n_windows * hop_s
            end_s = start_s + model.window / model.sample_rate
            n_windows += 1
            delay_ms = 1e3 * (time.perf_counter() - arrived)
            delays_ms.append(delay_ms)
            for task in model.tasks:
                values = probabilities(row[columns(model.tasks, task)], task.multi_label)
                for index in np.argsort(-values, kind="stable")[: selection.top_k]:
                    if values[index] < selection.threshold:
                        continue
                    print(
                        f"{start_s:9.2f} {end_s:9.2f}  {task.labels[index]:<24} {values[index]:.3f} {delay_ms:7.1f} ms",
                        flush=True,
                    )
                    if table:
                        cells = (f"{start_s:.4f}", f"{end_s:.4f}", task.name, task.labels[index])
                        table.writerow([*cells, f"{values[index]:.6f}", f"{delay_ms:.2f}"])

    try:
        for chunk in chunks:
            arrived = time.perf_counter()
            heard += len(chunk)
            report(stream.push(chunk), arrived)
            computing_s += time.perf_counter() - arrived
    except KeyboardInterrupt:
        _tell("")
    if stream.state is None:
        raise AuricleError("the input ended before the first sample")
    arrived = time.perf_counter()
    report(stream.flush(), arrived)
    computing_s += time.perf_counter() - arrived
    heard_s = heard / model.sample_rate
    median, late = np.percentile(delays_ms, [50, 95]) if delays_ms else (0.0, 0.0)
    speed = heard_s / max(computing_s, 1e-9)
    _tell(
        f"{heard_s:.1f} s heard, {n_windows} windows, {speed:.0f} times faster than they sounded; "
        f"latency {median:.1f} ms (95 %: {late:.1f} ms), after the {_lookahead_ms(stream):.0f} ms of sound that have "
        "to follow a window"
    )


def _lookahead_ms(stream: Stream) -> float:
    return 1e3 * stream.lookahead / stream.sample_rate


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@verb
def listen(options: Listen) -> None:
    """Nothing: labels are printed while the sound comes."""
    listen_to(
        options.run,
        input_rate=options.input_rate or 0,
        sample_format=options.sample_format,
        channels=options.channels,
        hop_s=options.hop_s or 0.0,
        top_k=options.top_k,
        threshold=options.threshold,
        microphone=options.microphone,
        output=Path(options.output) if options.output else None,
    )
