"""The options of the verbs that put a model to work."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from auricle.config.groups import DataOptions
from auricle.config.options import Options


@dataclass(frozen=True, kw_only=True)
class Predict(Options):
    """Label recordings of any length, window by window, and write a table for each.

    A file that cannot be read is named at the end and stops nobody else; then the exit code is 2. Given again after an
    interruption, files whose tables are there are left out.

    Args:
        run: folder that auricle train wrote, or an .onnx file of auricle export.
        files: sound files, or folders of them.
        output: folder for the tables.
        format: csv, audacity (label track) or raven (selection table).
        hop_s: seconds from one window to the next; by default windows do not overlap.
        top_k: labels reported per window; by default the likeliest, or all where several may hold.
        threshold: probability below which a label is not reported; by default 0, or 0.5 where several may hold.
        device: cpu, cuda, or auto for a GPU if there is one.
        overwrite: write tables anew that are there.
        quiet: show no progress.
    """

    run: str = field(kw_only=False)
    files: list[str] = field(kw_only=False)
    output: str = "predictions"
    format: Literal["csv", "audacity", "raven"] = "csv"
    hop_s: float | None = None
    top_k: int | None = None
    threshold: float | None = None
    device: str = "auto"
    overwrite: bool = False
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class Enhance(Options):
    """Take the noise out of recordings of speech, of any length, rate and number of channels.

    What comes out has the rate, the channels, the length and the kind of samples of what came in; what lies above half
    of the enhancer's own rate (8 kHz) is lost. A file that cannot be read is named at the end and stops nobody else;
    then the exit code is 2. Given again after an interruption, files that are there are left out.

    Args:
        run: folder that auricle train enhancer or auricle convert wrote, or spectral-gating, or identity.
        files: sound files, or folders of them.
        output: folder for the enhanced files.
        device: cpu, cuda, or auto for a GPU if there is one.
        overwrite: write files anew that are there.
        quiet: show no progress.
    """

    run: str = field(kw_only=False)
    files: list[str] = field(kw_only=False)
    output: str
    device: str = "auto"
    overwrite: bool = False
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class Separate(Options):
    """Take sounds out of recordings of any length, rate and number of channels, by name or by example.

    Of each recording a table says what was found when, and beside it a folder holds a file for each source and the
    residual, with the rate, the channels, the length and the kind of samples of what came in; together they add up to
    it. A file that cannot be read is named at the end and stops nobody else; then the exit code is 2. Given again after
    an interruption, files that are done are left out.

    Args:
        run: folder that auricle train separator wrote.
        files: sound files, or folders of them.
        output: folder for tables and sources.
        query: classes that are wanted, each a source of its own, of those that the run keeps average queries of.
        reference: recordings of one wanted sound; several are averaged.
        all: every class that the separator's tagger finds in a recording.
        threshold: probability from which on the tagger has found a class.
        device: cpu, cuda, or auto for a GPU if there is one.
        overwrite: separate files anew that are done; sources of before are removed.
        quiet: show no progress.
    """

    run: str = field(kw_only=False)
    files: list[str] = field(kw_only=False)
    output: str
    query: list[str] | None = None
    reference: list[str] | None = None
    all: bool = False
    threshold: float = 0.2
    device: str = "auto"
    overwrite: bool = False
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class Listen(Options):
    """Label sound as it comes: raw PCM on standard input, or a sound card. Ends with the input or with Ctrl-C.

    A line for each label: start and end in seconds, label, probability, and the milliseconds from the arrival of the
    samples that completed the window to the line. What the front-end needs to hear after the window comes on top, and
    is said at the start.

    Args:
        run: folder that auricle train wrote.
        input_rate: of the samples in Hz; by default the model's.
        sample_format: s16le, s32le or f32le.
        channels: interleaved; they are averaged.
        hop_s: seconds from one window to the next, whole frames; by default windows do not overlap.
        top_k: labels reported per window; by default the likeliest, or all where several may hold.
        threshold: probability below which a label is not reported; by default 0, or 0.5 where several may hold.
        microphone: listen to the sound card; needs the package sounddevice.
        output: CSV file for the lines too.
    """

    run: str = field(kw_only=False)
    input_rate: int | None = None
    sample_format: Literal["s16le", "s32le", "f32le"] = "s16le"
    channels: int = 1
    hop_s: float | None = None
    top_k: int | None = None
    threshold: float | None = None
    microphone: bool = False
    output: str | None = None


@dataclass(frozen=True, kw_only=True)
class Export(DataOptions):
    """Write a trained classifier, or a front-end alone, for other runtimes, and check what was written.

    The file takes any batch and any length, holds its labels and sample rate, and is run and compared with the model
    before it appears. auricle predict takes an .onnx file in place of a run.

    Args:
        run: folder that auricle train wrote; or the name of a front-end (auricle list frontends), as it starts.
        output: the file, .onnx or .pt2.
        format: onnx or torch (a torch.export program); by default as the file is called.
        component: classifier or frontend; by default the whole classifier.
        int8: file for a second version (.onnx) with the backbone in int8; needs data.
        data: manifest or folder by whose training clips int8's ranges are set, and on whose test clips its accuracy is
            measured.
        quiet: show no progress.
    """

    run: str = field(kw_only=False)
    output: str
    format: Literal["onnx", "torch"] | None = None
    component: Literal["classifier", "frontend"] | None = None
    int8: str | None = None
    data: str | None = None
    quiet: bool = False
