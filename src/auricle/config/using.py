"""Options of the verbs that use a trained model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from auricle.config.groups import DataOptions, ModelOptions
from auricle.config.options import Options


@dataclass(frozen=True, kw_only=True)
class BatchOptions(ModelOptions):
    """Options of every verb that works on many files with a model.

    Args:
        device: cpu, cuda, or auto for a GPU if there is one.
        shard: i/n, to do the i-th of n shares of the files, as in 1/4; all shards may write to one folder.
        engine: local (this machine), or ray (the workers of a Ray cluster, all of which see the same paths).
        workers: number of Ray's workers; by default one for each GPU or core of the cluster.
        overwrite: replace existing files.
        quiet: show no progress.
    """

    model_options = ("run",)

    device: str = "auto"
    shard: str | None = None
    engine: Literal["local", "ray"] = "local"
    workers: int | None = None
    overwrite: bool = False
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class Predict(BatchOptions):
    """Label recordings of any length, window by window or as events, and write a table for each.

    Files that cannot be used do not stop the others: they are listed in failed.csv, and the exit code is 3. After an
    interruption, the same command resumes; files with tables are skipped. Tables of several formats may be in one
    folder.

    Args:
        run: folder written by auricle train, teach or convert, published model (auricle list models), or .onnx file of
            auricle export.
        files: sound files, or folders of them.
        output: folder for the tables.
        format: csv, jsonl (JSON lines), parquet (a folder that is read as one table), audacity (label track) or raven
            (selection table).
        hop_s: seconds from one window to the next; by default windows do not overlap.
        top_k: labels reported per window; by default the most probable, or all for a multi-label model and for events.
        threshold: probability below which a label is not reported; by default 0, or for a multi-label model and for
            events the threshold of each label that was tuned when the run was calibrated, else 0.5.
        raw: report probabilities as the model gives them, without the run's calibration and its thresholds.
        unknown: answer "unknown" where the likeliest label is less probable than almost all right answers to the
            clips that the run was calibrated with (see auricle calibrate --kept); for one label per window.
        events: merge windows, or a detector's frames, into events: each begins where a label reaches its threshold.
        event_low: probability at which an event still goes on; by default half of the label's threshold.
        event_gap_s: longest gap in seconds between two events of a label that makes them one; by default 0.
        event_min_s: shortest event in seconds; shorter ones are left out.
        overwrite: replace existing tables.
    """

    basic_options = (
        "run", "files", "output", "format", "hop_s", "top_k", "threshold", "unknown", "events", "device", "overwrite",
    )  # fmt: skip

    run: str = field(kw_only=False)
    files: list[str] = field(kw_only=False)
    output: str = "predictions"
    format: Literal["csv", "jsonl", "parquet", "audacity", "raven"] = "csv"
    hop_s: float | None = None
    top_k: int | None = None
    threshold: float | None = None
    raw: bool = False
    unknown: bool = False
    events: bool = False
    event_low: float | None = None
    event_gap_s: float | None = None
    event_min_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Enhance(BatchOptions):
    """Reduce the noise in recordings of speech of any length, sample rate and number of channels.

    Enhanced files have the rate, channels, length and sample format of the input; frequencies above half of the
    enhancer's sample rate (8 kHz) are lost. Files that cannot be used do not stop the others: they are listed in
    failed.csv, and the exit code is 3. After an interruption, the same command resumes; finished files are skipped.

    Args:
        run: folder written by auricle train enhancer or auricle convert, or spectral-gating, or identity.
        files: sound files, or folders of them.
        output: folder for the enhanced files.
    """

    run: str = field(kw_only=False)
    files: list[str] = field(kw_only=False)
    output: str


@dataclass(frozen=True, kw_only=True)
class Separate(BatchOptions):
    """Extract sounds from recordings of any length, sample rate and number of channels, by class name or by example.

    For each recording a table lists what was found when, and a folder beside it has a file for each source and the
    residual, with the rate, channels, length and sample format of the input; they add up to the input. Files that
    cannot be used do not stop the others: they are listed in failed.csv, and the exit code is 3. After an interruption,
    the same command resumes; finished files are skipped.

    Args:
        run: folder written by auricle train separator.
        files: sound files, or folders of them.
        output: folder for tables and sources.
        query: classes to extract, each as one source; the run must have average queries of them.
        reference: recordings of one sound to extract; several are averaged.
        all: extract every class that the separator's tagger finds in a recording.
        threshold: lowest probability at which the tagger finds a class.
        overwrite: separate finished files again; their earlier sources are removed.
    """

    run: str = field(kw_only=False)
    files: list[str] = field(kw_only=False)
    output: str
    query: list[str] | None = None
    reference: list[str] | None = None
    all: bool = False
    threshold: float = 0.2


@dataclass(frozen=True, kw_only=True)
class Embed(BatchOptions):
    """Compute the embedding of each window of recordings of any length, and write them to one table.

    The table is a Parquet file with a row for each window: file, start_s, end_s, vector. Files that cannot be used do
    not stop the others: they are listed in failed.csv, and the exit code is 3. After an interruption, the same command
    resumes: each file's part of the table is kept beside it, in a folder with the table's name and .parts.

    Args:
        run: run of a classifier, TRNet, a separator (its tagger) or an audio masked autoencoder, or folder of auricle
            convert; or a front-end (auricle list frontends), for the mean and deviation of its bands.
        files: sound files, or folders of them.
        output: Parquet file for the table.
        window_s: length of a window in seconds; by default the model's, for a front-end 1.
        hop_s: seconds from one window to the next; by default windows do not overlap.
        frontend_options: options of a front-end, as in --frontend-options.n_filters=64.
        shard: i/n, to do the i-th of n shares of the files, as in 1/4; all shards may write to one table.
        overwrite: compute the embeddings of finished files again.
    """

    run: str = field(kw_only=False)
    files: list[str] = field(kw_only=False)
    output: str = "embeddings.parquet"
    window_s: float | None = None
    hop_s: float | None = None
    frontend_options: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Search(Options):
    """List the windows of a table of embeddings that sound most like an example.

    Windows are compared by the cosine of their vectors, from which the mean of the table is subtracted. With several
    examples, or an example of several windows, the nearest counts.

    Args:
        embeddings: table of auricle embed.
        like: sound files that are examples of what is wanted.
        top: number of windows that are listed.
        per_file: list only the nearest window of each file.
        run: the run that made the table, if it is not where it was.
        output: CSV file to write the list to as well.
        device: cpu, cuda, or auto for a GPU if there is one.
    """

    model_options = ("run",)

    embeddings: str = field(kw_only=False)
    like: list[str]
    top: int = 20
    per_file: bool = False
    run: str | None = None
    output: str | None = None
    device: str = "auto"


@dataclass(frozen=True, kw_only=True)
class Review(Options):
    """Make a page to listen to predictions: the most and the least probable windows of each label.

    The page opens from disk, with spectrograms and sounds inside. Keys accept, reject or correct labels, and save the
    verdicts as review.csv, from which auricle teach --reviewed learns.

    Args:
        predictions: folder written by auricle predict (CSV, JSON lines or Parquet).
        output: HTML file to write.
        per_class: windows of each label, half of them the most probable and half the least; the other labels that are
            reported in a window are shown too.
        task: task whose labels are reviewed, for a model of several.
        quiet: show no progress.
    """

    predictions: str = field(kw_only=False)
    output: str = "review.html"
    per_class: int = 10
    task: str | None = None
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class Listen(ModelOptions):
    """Label live sound: raw PCM on standard input, or a microphone. Ends with the input or with Ctrl-C.

    Prints a line for each label: start and end in seconds, label, probability, and the latency in milliseconds from the
    arrival of the last samples of the window to the output. The sound that the front-end needs after the window adds to
    this latency, and its duration is printed at the start.

    Args:
        run: folder written by auricle train, teach or convert, or published model (auricle list models).
        input_rate: sample rate of the input in Hz; by default the model's.
        sample_format: s16le, s32le or f32le.
        channels: number of interleaved channels, which are averaged.
        hop_s: seconds from one window to the next, in whole frames; by default windows do not overlap.
        top_k: labels reported per window; by default the most probable, or all for a multi-label model.
        threshold: probability below which a label is not reported; by default 0, or for a multi-label model the
            threshold of each label that was tuned when the run was calibrated, else 0.5.
        microphone: listen to the microphone; needs the package sounddevice.
        output: new CSV file to write the lines to as well.
    """

    model_options = ("run",)

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
class Export(ModelOptions, DataOptions):
    """Export a trained classifier, or only a front-end, to a file for other runtimes, and verify the file.

    The exported model takes any batch size and length, contains its labels and sample rate, and is compared with the
    original before it is saved. auricle predict takes an .onnx file in place of a run.

    Args:
        run: folder written by auricle train, teach or convert, or published model (auricle list models); or the name of
            a front-end (auricle list frontends), untrained.
        output: file to write, .onnx or .pt2.
        format: onnx or torch (a torch.export program); by default according to the suffix of the file.
        component: classifier or frontend; by default the whole classifier.
        int8: file for a second version (.onnx) with the backbone quantised to int8; needs data.
        data: manifest or folder of clips: the run's training clips are used to calibrate the quantisation (of a
            converted model, any clips), and accuracy is measured on test clips.
        quiet: show no progress.
    """

    model_options = ("run",)

    run: str = field(kw_only=False)
    output: str
    format: Literal["onnx", "torch"] | None = None
    component: Literal["classifier", "frontend"] | None = None
    int8: str | None = None
    data: str | None = None
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class Push(Options):
    """Write a run as a model hub expects it: card with metadata and usage, configuration, labels, and safetensors.

    With a repository it is also uploaded to the Hugging Face Hub, with the token of `hf auth login`; others then load
    it as hub:USER/NAME.

    Args:
        run: folder written by auricle train or auricle teach.
        output: folder for the files, new or that of an earlier push, which is replaced.
        repository: USER/NAME of a repository to upload to; it is created if there is none.
        private: create the repository as a private one.
        licence: licence of the model, such as cc-by-4.0, for the card; by default that of a published model.
    """

    model_options = ("run",)

    run: str = field(kw_only=False)
    output: str
    repository: str | None = None
    private: bool = False
    licence: str | None = None


@dataclass(frozen=True, kw_only=True)
class Studio(Options):
    """Open a web page on this machine: hear and see a sound in any condition, and run models on it.

    Drop a sound or record one; see it through any front-end, clean and in noise, rooms and codecs; label, enhance and
    separate it; compare two models; open reports. The page is served on this machine alone (127.0.0.1), and nothing
    leaves the machine. Ends with Ctrl-C.

    Args:
        models: folder with runs of auricle train and .onnx files of auricle export, at any place in it.
        port: port of the page; by default 7860, or the next free one.
        no_browser: only print the address, and open no browser.
        reports: more folders with pages of auricle stress, compare, inspect or demo; those in models are found anyway.
        material: recordings to mix in: a folder with the sub-folders noise, music, speech, room, or kind=PATH, as in
            noise=esc-50/audio; kinds that are not given are synthetic.
        device: cpu, cuda, or auto for a GPU if there is one.
    """

    models: str | None = field(default=None, kw_only=False)
    port: int | None = None
    no_browser: bool = False
    reports: list[str] | None = None
    material: list[str] | None = None
    device: str = "auto"
