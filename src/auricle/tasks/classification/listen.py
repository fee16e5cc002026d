"""`auricle listen`: label live sound, from standard input or a microphone, with latencies."""

from __future__ import annotations

import csv
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from auricle import audio
from auricle.audio.beginnings import is_sound_file
from auricle.audio.resampling import held_back_s, resample_stream
from auricle.config import Listen, verb
from auricle.data.tasks import columns
from auricle.data.windows import fit_length, windows_at_once
from auricle.errors import AuricleError, counted, note
from auricle.registry import unknown_name
from auricle.runs.loading import load_classifier
from auricle.runs.provenance import run_digest
from auricle.streams import is_unread
from auricle.systems.classifier.system import Classifier
from auricle.systems.streaming import Stream
from auricle.systems.system import evaluating
from auricle.tasks.classification.calibration import read_calibration
from auricle.tasks.classification.selection import Selection
from auricle.tasks.classification.window_classifiers import TorchWindowClassifier

FORMATS = {"s16le": ("<i2", 2.0**15), "s32le": ("<i4", 2.0**31), "f32le": ("<f4", 1.0)}
MOST_CHANNELS = 1024
COLUMNS = ("start_s", "end_s", "task", "label", "probability", "latency_ms")


class BadSamples:
    """Replaces samples of an input that are not finite or beyond ±1e4 by 0, counts them, and notices the first."""

    def __init__(self, name: str, sample_rate: int) -> None:
        self.name = name
        self.sample_rate = sample_rate
        self.count = 0
        self._position = 0

    def replaced(self, samples: np.ndarray) -> np.ndarray:
        """The next samples `(time, channels)` without bad ones."""
        good, n_bad = audio.without_bad_samples(samples)
        if n_bad and not self.count:
            first = self._position + int(np.argmax((good != samples).any(axis=1)))
            at = f"the first at {first / self.sample_rate:g} s; read as 0"
            reason = f"samples that are not finite or beyond ±{audio.LARGEST_SAMPLE:g}, {at}"
            audio.notice(audio.Damage(self.name, "bad-samples", reason))
        self.count += n_bad
        self._position += len(samples)
        return good


class Latencies:
    """Latencies in ms, counted in tenths, so that those of any number of windows take the memory of a few."""

    def __init__(self) -> None:
        self._counts: Counter[float] = Counter()

    def add(self, latency_ms: float) -> None:
        self._counts[round(latency_ms, 1)] += 1

    def quantile(self, share: float) -> float:
        """The latency that this share of them does not exceed; 0 if there is none."""
        wanted = share * self._counts.total()
        n_below = 0
        for latency_ms in sorted(self._counts):
            n_below += self._counts[latency_ms]
            if n_below >= wanted:
                return latency_ms
        return 0.0


class Windows:
    """Takes a recording in chunks as a `Stream` does, for a front-end that cannot: it is given one window at a time.

    Windows start every `hop` samples, by default without overlap; as those of a `Stream`, a last one of at least half
    of its length is lengthened.
    """

    lookahead = 0

    def __init__(self, model: Classifier, hop: int | None = None) -> None:
        self.model = model
        self.hop = model.window if hop is None else hop
        self.sample_rate = model.sample_rate
        if not 0 < self.hop <= model.window:
            raise AuricleError(f"the hop between windows is {self.hop} samples: from 1 up to a window, {model.window}")
        self._samples = np.zeros(0, np.float32)
        self._begun = False

    def push(self, chunk: np.ndarray) -> torch.Tensor:
        """Logits `(windows, labels)` of the windows that the chunk `(time,)` completes, possibly none."""
        self._samples = np.concatenate([self._samples, chunk])
        return self._take(self.model.window)

    def flush(self) -> torch.Tensor:
        """Logits of the last windows; a recording of less than half a window is one as well."""
        half = self.model.window / 2
        return self._take(half if self._begun else min(half, len(self._samples)))

    def _take(self, least: float) -> torch.Tensor:
        """Take the windows of at least that many samples."""
        window = self.model.window
        logits = [torch.zeros(0, self.model.heads.out_features)]
        while len(self._samples) >= max(1, least):
            batch: list[np.ndarray] = []
            while len(self._samples) >= max(1, least) and len(batch) < windows_at_once(window):
                short = "pad" if self._begun else self.model.short
                batch.append(fit_length(self._samples[:window], window, short))
                self._samples, self._begun = self._samples[self.hop :], True
            with torch.inference_mode(), evaluating(self.model):
                logits.append(self.model(torch.from_numpy(np.stack(batch))))
        return torch.cat(logits)


def pcm_chunks(
    source: BinaryIO, sample_format: str, channels: int, bad: BadSamples, max_samples: int = 4096
) -> Iterator[np.ndarray]:
    """Read interleaved raw PCM from `source` as it arrives, up to `max_samples` at once: float32 `(time,)`, mono.

    `sample_format` is "s16le", "s32le" or "f32le". The channels are averaged. An incomplete last sample is left out,
    with a note. Raises `AuricleError` for a sound file, whose header and sample rate would be taken for samples.
    """
    if sample_format not in FORMATS:
        raise AuricleError(unknown_name("sample format", sample_format, FORMATS))
    dtype, full_scale = FORMATS[sample_format]
    size = np.dtype(dtype).itemsize * channels
    rest, begun = b"", False
    while received := os.read(source.fileno(), max_samples * size):
        data = rest + received
        if not begun and is_sound_file(data):
            raise AuricleError(
                "standard input is a sound file, not raw PCM: label it with auricle predict, or give ffmpeg -f s16le, "
                "or arecord -t raw"
            )
        begun = True
        whole = len(data) // size * size
        rest = data[whole:]
        if whole:
            with np.errstate(invalid="ignore"):
                samples = np.frombuffer(data[:whole], dtype=dtype).astype(np.float32) / full_scale
            yield bad.replaced(samples.reshape(-1, channels)).mean(axis=1)
    if rest:
        note(
            f"standard input ends within a sample: {len(rest)} of {size} bytes are not heard; check that it is "
            f"{sample_format} with {counted(channels, 'channel')}"
        )


def microphone_chunks(sample_rate: int, channels: int, bad: BadSamples) -> Iterator[np.ndarray]:
    """Record from the default input device in chunks of 0.1 s: float32 `(time,)`, the channels averaged.

    Notices when the device has lost samples because they were not read in time.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise AuricleError(f"--microphone needs the package sounddevice and PortAudio ({error})") from None
    try:
        with sounddevice.InputStream(samplerate=sample_rate, channels=channels, dtype="float32") as device:
            while True:
                samples, lost = device.read(sample_rate // 10)
                if lost:
                    reason = "samples were lost, as they were not read in time; later times are too early"
                    audio.notice(audio.Damage(bad.name, "broken", reason))
                yield bad.replaced(samples).mean(axis=1)
    except sounddevice.PortAudioError as error:
        raise AuricleError(f"the microphone cannot be read ({error})") from None


def listen_to(
    run: str,
    *,
    input_rate: int = 0,
    sample_format: str = "s16le",
    channels: int = 1,
    hop_s: float | None = None,
    top_k: int | None = None,
    threshold: float | None = None,
    microphone: bool = False,
    output: Path | None = None,
    source: BinaryIO | None = None,
) -> None:
    """Label the sound from `source` (by default standard input) or the microphone until it ends, and print the labels.

    `run` is the folder of a classifier; `input_rate` is the input's sample rate in Hz, 0 for the model's. Windows start
    every `hop_s` seconds, by default without overlap. With `output` the labels are also written to a new CSV file.
    """
    if not 1 <= channels <= MOST_CHANNELS:
        raise AuricleError(f"channels={channels}: there should be from 1 to {MOST_CHANNELS}")
    if hop_s is not None and not (math.isfinite(hop_s) and hop_s > 0):
        raise AuricleError(f"hop_s={hop_s}: it should be a number of seconds above 0")
    audio.check_rate(input_rate or None)
    if output is not None:
        _refuse_heard(output)
    torch.set_num_threads(1)
    model = load_classifier(run, "cpu")
    calibration = read_calibration(run, run_digest(run), model.tasks)
    selection = Selection.for_model(TorchWindowClassifier(model, calibration=calibration), top_k, threshold)
    rate = input_rate or model.sample_rate
    stream = _stream(model, None if hop_s is None else round(hop_s * model.sample_rate))
    bad = BadSamples("the microphone" if microphone else "standard input", rate)
    if microphone:
        chunks = microphone_chunks(rate, channels, bad)
    else:
        chunks = _standard_input(source, sample_format, channels, bad)
    window_s = model.window / model.sample_rate
    needed = _needed(stream, held_back_s(rate, model.sample_rate) if rate != model.sample_rate else 0.0)
    _print_status(f"listening at {rate} Hz; a window of {window_s:g} s is labelled after {needed}")
    with ExitStack() as stack:
        table = None
        if output is not None:
            Path(output).parent.mkdir(parents=True, exist_ok=True)
            table = csv.writer(stack.enter_context(open(output, "w", newline="", encoding="utf-8", buffering=1)))
            table.writerow(COLUMNS)
        if rate != model.sample_rate:
            chunks = resample_stream(chunks, rate, model.sample_rate)
        _label(chunks, model, stream, selection, table, needed)
    if bad.count:
        _print_status(f"samples of {bad.name} that were read as 0: {bad.count}")


def _stream(model: Classifier, hop: int | None) -> Stream | Windows:
    try:
        Stream(model)
    except AuricleError:
        return Windows(model, hop)
    return Stream(model, hop)


def _refuse_heard(output: str | Path) -> None:
    """Raise `AuricleError` if the file holds more than the columns' names."""
    if os.path.isfile(output):
        with open(output, "rb") as file:
            if file.read(1000).strip() not in (b"", ",".join(COLUMNS).encode()):
                raise AuricleError(f"{output} exists, and what it holds cannot be heard again: give another --output")


def _standard_input(
    source: BinaryIO | None, sample_format: str, channels: int, bad: BadSamples
) -> Iterator[np.ndarray]:
    stream: BinaryIO = sys.stdin.buffer if source is None else source
    if stream.isatty():
        raise AuricleError(
            "standard input is a terminal: pipe raw PCM into this command, such as "
            "ffmpeg -i FILE -f s16le -ac 1 -ar 16000 - | auricle listen RUN --input-rate 16000"
        )
    return pcm_chunks(stream, sample_format, channels, bad)


def _label(
    chunks: Iterator[np.ndarray],
    model: Classifier,
    stream: Stream | Windows,
    selection: Selection,
    table: Any | None,
    needed: str,
) -> None:
    """Print the labels of each window of `chunks` and write them to `table`, a csv.writer; then print a summary.

    The summary says what sound a window waits for, in the words of `_needed`.
    """
    hop_s = (stream.hop or 0) / model.sample_rate
    n_windows, n_samples, computing_s, latencies = 0, 0, 0.0, Latencies()

    def report(logits: torch.Tensor, arrived: float) -> None:
        nonlocal n_windows
        for row in logits.numpy():
            start_s = n_windows * hop_s
            end_s = min(start_s + model.window / model.sample_rate, n_samples / model.sample_rate)
            n_windows += 1
            latency_ms = 1e3 * (time.perf_counter() - arrived)
            latencies.add(latency_ms)
            if not np.isfinite(row).all():
                _print_status(f"{start_s:9.2f} {end_s:9.2f}  no label: the model's output is not finite")
                continue
            for task in model.tasks:
                values = selection.probabilities(task, row[columns(model.tasks, task)])
                for label, probability in selection.answers(task, values[None])[0]:
                    shown = f"{label:<24} {probability:.3f}"
                    print(f"{start_s:9.2f} {end_s:9.2f}  {shown} {latency_ms:7.1f} ms", flush=True)
                    if is_unread(sys.stdout):
                        raise BrokenPipeError
                    if table:
                        cells = (f"{start_s:.4f}", f"{end_s:.4f}", task.name, label)
                        table.writerow([*cells, f"{probability:.6f}", f"{latency_ms:.2f}"])

    try:
        for chunk in chunks:
            arrived = time.perf_counter()
            n_samples += len(chunk)
            report(stream.push(chunk), arrived)
            computing_s += time.perf_counter() - arrived
    except KeyboardInterrupt:
        if not n_samples:
            raise
        _print_status("")
    if not n_samples:
        raise AuricleError("the input ended before the first sample")
    arrived = time.perf_counter()
    report(stream.flush(), arrived)
    computing_s += time.perf_counter() - arrived
    duration_s = n_samples / model.sample_rate
    median, late = latencies.quantile(0.5), latencies.quantile(0.95)
    speed = duration_s / max(computing_s, 1e-9)
    _print_status(
        f"{duration_s:.1f} s of sound, {counted(n_windows, 'window')}, {speed:.0f} times faster than real time; "
        f"latency of a window: {median:.1f} ms (95 %: {late:.1f} ms) after {needed}"
    )


def _needed(stream: Stream | Windows, held_s: float) -> str:
    """The sound that the logits of a window depend on last, and up to `held_s` seconds that the resampler keeps."""
    later_ms = 1e3 * (stream.lookahead / stream.sample_rate + held_s)
    if not later_ms:
        return "its end"
    return f"{'up to' if held_s else 'the'} {later_ms:.0f} ms of sound that follow it"


def _print_status(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@verb
def listen(options: Listen) -> None:
    """Print labels of live sound as it arrives; returns nothing."""
    listen_to(
        options.run,
        input_rate=options.input_rate or 0,
        sample_format=options.sample_format,
        channels=options.channels,
        hop_s=options.hop_s,
        top_k=options.top_k,
        threshold=options.threshold,
        microphone=options.microphone,
        output=Path(options.output) if options.output else None,
    )
