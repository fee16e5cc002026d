"""Verbs that put a model to work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from auricle.config import Data
from auricle.errors import AuricleError


def predict(
    run: str,
    files: list[str],
    *,
    output: str = "predictions",
    format: str = "csv",
    hop_s: float = 0.0,
    top_k: int = 0,
    threshold: float = -1.0,
    device: str = "auto",
    overwrite: bool = False,
) -> int:
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
    """
    from auricle.tasks.classification.predict import Selection, predict_files
    from auricle.tasks.classification.window_classifiers import open_window_classifier

    model = open_window_classifier(run, device)
    results = predict_files(
        model,
        files,
        Path(output),
        table_format=format,
        hop_s=hop_s or None,
        selection=Selection.usual(model, top_k or None, threshold if threshold >= 0 else None),
        overwrite=overwrite,
    )
    for result in results:
        if result.result and result.result[0]:
            print(f"{result.file}: {result.result[0]} ({result.result[1]:.2f})")
    return _summed_up(results, "labelled", f"tables in {output}")


def enhance(run: str, files: list[str], *, output: str, device: str = "auto", overwrite: bool = False) -> int:
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
    """
    from auricle.runs.provenance import run_digest
    from auricle.tasks.enhancement.open import open_enhancer
    from auricle.tasks.enhancement.predict import enhance_files

    enhancer = open_enhancer(run, device)
    print(f"{run}: {enhancer.latency}")
    results = enhance_files(enhancer, run_digest(run), files, Path(output), overwrite=overwrite)
    return _summed_up(results, "enhanced", f"in {output}")


def separate(
    run: str,
    files: list[str],
    *,
    output: str,
    query: list[str] | None = None,
    reference: list[str] | None = None,
    all: bool = False,
    threshold: float = 0.2,
    device: str = "auto",
    overwrite: bool = False,
) -> int:
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
    """
    from auricle.identity import file_digest
    from auricle.runs.provenance import run_digest
    from auricle.tasks.separation.open import open_separator
    from auricle.tasks.separation.predict import separate_files
    from auricle.tasks.separation.queries import asked

    if bool(query or reference) == all:
        raise AuricleError("say what is wanted: --query CLASS … and --reference FILE …, or --all")
    if not 0 <= threshold <= 1:
        raise AuricleError(f"threshold={threshold:g} is not a probability")
    separator = open_separator(run, device)
    if all and (separator.tagger is None or not separator.queries):
        raise AuricleError(f"{run} has no tagger, or keeps no queries of classes: ask by --query or --reference")
    queries = None if all else asked(separator, query or [], reference or [])
    settings: dict[str, object] = {
        "separator": run_digest(run),
        "query": query,
        "reference": [[Path(file).name, file_digest(file)] for file in reference or []],
        "all": all,
        "threshold": threshold,
    }
    results = separate_files(
        separator, settings, files, Path(output), queries, threshold=threshold, overwrite=overwrite
    )
    for result in results:
        if result.result is not None:
            print(f"{result.file}: {', '.join([*result.result, 'residual'])}")
    return _summed_up(results, "separated", f"in {output}")


def _summed_up(outcomes: Sequence[Any], done: str, where: str) -> int:
    """Say how many files were `done` and `where`; an `AuricleError` that names those that were not."""
    failed = [outcome.error for outcome in outcomes if outcome.error]
    before = sum(outcome.done_before for outcome in outcomes)
    print(
        f"{len(outcomes) - len(failed)} of {len(outcomes)} files {done}"
        f"{f' ({before} of them before)' if before else ''}, {where}"
    )
    if failed:
        raise AuricleError(f"{len(failed)} of {len(outcomes)} files could not be {done}: {'; '.join(failed)}")
    return 0


def listen(
    run: str,
    *,
    input_rate: int = 0,
    sample_format: str = "s16le",
    channels: int = 1,
    hop_s: float = 0.0,
    top_k: int = 0,
    threshold: float = -1.0,
    microphone: bool = False,
    output: str = "",
) -> int:
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
    from auricle.tasks.classification.listen import listen_to

    listen_to(
        run,
        input_rate=input_rate,
        sample_format=sample_format,
        channels=channels,
        hop_s=hop_s,
        top_k=top_k or None,
        threshold=threshold if threshold >= 0 else None,
        microphone=microphone,
        output=Path(output) if output else None,
    )
    return 0


def export(
    run: str,
    *,
    output: str,
    format: str = "",
    part: str = "",
    int8: str = "",
    data: str = "",
    data_options: Data = Data(),
) -> int:
    """Write a trained classifier, or a front-end alone, for other runtimes, and check what was written.

    The file takes any batch and any length, holds its labels and sample rate, and is run and compared with the model
    before it appears. auricle predict takes an .onnx file in place of a run.

    Args:
        run: folder that auricle train wrote; or the name of a front-end (auricle list frontends), as it starts.
        output: the file, .onnx or .pt2.
        format: onnx or torch (a torch.export program); by default as the file is called.
        part: classifier or frontend; by default the whole classifier.
        int8: file for a second version (.onnx) with the backbone in int8; needs data.
        data: manifest or folder by whose training clips int8's ranges are set, and on whose test clips its accuracy is
            measured.
        data_options: how data are read.
    """
    from auricle.exporting.export import export_int8, export_model

    model, lines = export_model(run, Path(output), format, part)
    print("\n".join(lines))
    if int8:
        print("\n".join(export_int8(model, Path(run), Path(output), Path(int8), data, data_options)))
    elif data:
        raise AuricleError("data are for --int8 alone: name the file it is to be written to")
    return 0
