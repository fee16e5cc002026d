"""`auricle separate`: extract sources from files of any length, sample rate and number of channels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from auricle import audio
from auricle.config import Separate, verb
from auricle.errors import AuricleError
from auricle.files import write_table
from auricle.identity import file_digest, file_names
from auricle.progress import track
from auricle.reports.detections import Detection, plain_text
from auricle.runs.batch import each_file
from auricle.runs.cluster import on_ray
from auricle.runs.outcomes import Batch, Outcome
from auricle.runs.provenance import run_digest
from auricle.systems.overlap import OverlapAdd, with_last_flag
from auricle.systems.separator import Separator
from auricle.systems.separator.stream import SeparatorStream
from auricle.systems.system import evaluating
from auricle.tasks.separation.open import open_separator
from auricle.tasks.separation.queries import (
    RESIDUAL,
    Query,
    detect_classes,
    detected_queries,
    findable_classes,
    read_queries,
)

COLUMNS = ("start_s", "end_s", "class", "probability", "file")

_BLOCK_S = 1.28
_LEARNT_S, _CONTEXT_S, _OVERLAP_S = 2.0, 0.125, 0.25


def separate_file(
    separator: Separator,
    path: str | Path,
    table: Path,
    queries: Sequence[Query] | None,
    threshold: float = 0.2,
    progress: bool = True,
) -> list[str]:
    """Write each query's source and the residual to the folder beside `table`, and `table`; returns the sources' names.

    Without `queries`, each class is extracted that the tagger finds with a probability of at least `threshold`. Sources
    have the mixture's rate, channels, length and sample format (WAV if its suffix cannot have that format, with 16 bits
    if the format is lossy).
    """
    found = detect_classes(separator, path, threshold)
    if queries is None:
        queries = detected_queries(separator, found)
    header = audio.info(path)
    suffix, subtype = _kind(Path(path), header)
    folder = table.with_suffix("")
    stems = file_names((query.name for query in queries), reserved=[RESIDUAL])
    sources = [folder / (stems[query.name] + suffix) for query in queries]
    peak = max(float(np.abs(block).max()) for _, block in audio.blocks(path, block_s=10.0, mono=False))
    for query, source in zip(queries, sources, strict=True):
        blocks = separated(separator, path, query, header.channels, 1 / peak if peak > 0 else 1.0)
        n_blocks = int(np.ceil(header.duration_s / _BLOCK_S))
        audio.write_blocks(
            source,
            track(blocks, f"{Path(path).name}: {query.name}", total=n_blocks, show=progress),
            separator.sample_rate,
            channels=header.channels,
            target_rate=header.sample_rate,
            n_samples=header.n_samples,
            subtype=subtype,
            container=header.format,
        )
    residual = write_residual(path, sources, folder / (RESIDUAL + suffix), subtype)
    rows = _table(found, queries, [*sources, residual], table.parent, header.duration_s)
    write_table(table, rows)
    return [query.name for query in queries]


def separated(separator: Separator, path: str | Path, query: Query, channels: int, gain: float) -> Iterator[np.ndarray]:
    """Yield blocks `(channels, time)` of the source that `query` describes, at the separator's sample rate.

    The separator's input is the mixture times `gain`, as training mixtures have a peak of 1. Fusion "repeat" works only
    for the segment length of the training, so segments of that length are cross-faded; shorter ones are padded.
    """
    rate = separator.sample_rate
    queries = query.embedding.to(separator.device).expand(channels, -1)

    def signal(block_s: float, hop_s: float) -> Iterator[np.ndarray]:
        return (x for _, x in audio.blocks(path, block_s=block_s, hop_s=hop_s, sample_rate=rate, mono=False))

    with torch.inference_mode(), evaluating(separator):
        if separator.encoder is None or separator.encoder.fusion != "repeat":
            stream = SeparatorStream(separator, queries)
            for block, last in with_last_flag(signal(_BLOCK_S, _BLOCK_S)):
                yield _array(stream.push(_tensor(block, gain, separator), last), gain)
            return

        length, context, overlap = (round(seconds * rate) for seconds in (_LEARNT_S, _CONTEXT_S, _OVERLAP_S))

        def process(piece: np.ndarray) -> np.ndarray:
            padded = _tensor(np.pad(piece, ((0, 0), (0, length - piece.shape[-1]))), gain, separator)
            return _array(separator(padded, queries), gain)[:, : piece.shape[-1]]

        overlap_add = OverlapAdd(length, context, overlap)
        yield from overlap_add.join(signal(length / rate, overlap_add.hop / rate), process)


def _tensor(block: np.ndarray, gain: float, separator: Separator) -> torch.Tensor:
    return torch.from_numpy(block * np.float32(gain)).to(separator.device)


def _array(sources: torch.Tensor, gain: float) -> np.ndarray:
    return sources.cpu().numpy() / np.float32(gain)


def write_residual(mixture: str | Path, sources: Sequence[Path], output: Path, subtype: str | None) -> Path:
    """Write the mixture minus the sources as written, so that all files add up to the mixture; returns its path.

    The residual of overlapping sources may exceed full scale; then the file is a 32-bit float WAV file.
    """

    def residual() -> Iterator[np.ndarray]:
        paths = [mixture, *sources]
        readers = [audio.blocks(path, block_s=10.0, mono=False) for path in paths]
        for (_, whole), *blocks in zip(*readers, strict=True):
            yield (whole.astype(np.float64) - sum(block.astype(np.float64) for _, block in blocks)).astype(np.float32)

    header = audio.info(mixture)
    if subtype not in ("FLOAT", "DOUBLE") and any(np.abs(block).max() > 1 for block in residual()):
        output, subtype = output.with_suffix(".wav"), "FLOAT"
    audio.write_blocks(
        output,
        residual(),
        header.sample_rate,
        channels=header.channels,
        n_samples=header.n_samples,
        subtype=subtype,
        container=header.format,
    )
    return output


def _kind(path: Path, header: audio.AudioInfo) -> tuple[str, str | None]:
    """Suffix and subtype of the sources' files: the mixture's if lossless, else 16-bit WAV."""
    if header.subtype.startswith("PCM_") or header.subtype in ("FLOAT", "DOUBLE"):
        for suffix in (path.suffix.lower(), ".wav"):
            if subtype := audio.kept_subtype(f"source{suffix}", header):
                return suffix, subtype
    return ".wav", "PCM_16"


def _table(
    found: Sequence[Detection], queries: Sequence[Query], files: Sequence[Path], root: Path, duration_s: float
) -> pd.DataFrame:
    """When each source was detected; one row for the whole file if it was not detected, and for the residual."""
    rows: list[dict[str, object]] = []
    for query, file in zip([*queries, None], files, strict=True):
        name = RESIDUAL if query is None else query.name
        times = [
            (d.start_s, d.end_s, d.probability)
            for d in found
            if query is not None and query.of_class and d.label == name
        ]
        for start_s, end_s, probability in times or [(0.0, duration_s, np.nan)]:
            values = (
                round(start_s, 4),
                round(end_s, 4),
                name,
                round(probability, 6),
                plain_text(file.relative_to(root).as_posix()),
            )
            rows.append(dict(zip(COLUMNS, values, strict=True)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def separate_files(
    separator: Separator,
    settings: dict[str, Any],
    files: Iterable[str],
    output: Path,
    queries: Sequence[Query] | None,
    *,
    threshold: float = 0.2,
    shard: str | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> list[Outcome[list[str]]]:
    """Separate each file into `output` (see `each_file`); results are the sources' names.

    `settings` identify the separator and the queries.
    """

    def work(path: Path, table: Path) -> list[str]:
        return separate_file(separator, path, table, queries, threshold, progress)

    return each_file(
        files,
        output,
        settings,
        work,
        conflict="sources of another separator or of other queries",
        suffix=".csv",
        shard=shard,
        overwrite=overwrite,
    )


@verb
def separate(options: Separate) -> Batch[list[str]]:
    """Separate files; returns the outcome of each, with the names of its sources."""
    if options.engine == "ray":
        return on_ray(separate, options)
    if bool(options.query or options.reference) == options.all:
        raise AuricleError("say what is wanted: --query CLASS … and --reference FILE …, or --all")
    if not 0 <= options.threshold <= 1:
        raise AuricleError(f"threshold={options.threshold:g} is not a probability")
    separator = open_separator(options.run, options.device)
    if options.all and not findable_classes(separator):
        raise AuricleError(
            f"--all: {options.run} has no tagger, or no average query of a class that its tagger knows by that name: "
            "use --query or --reference"
        )
    queries = None if options.all else read_queries(separator, options.query or [], options.reference or [])
    settings: dict[str, object] = {
        "separator": run_digest(options.run),
        "query": options.query,
        "reference": [[Path(file).name, file_digest(file)] for file in options.reference or []],
        "all": options.all,
        "threshold": options.threshold,
    }
    outcomes = separate_files(
        separator,
        settings,
        options.files,
        Path(options.output),
        queries,
        threshold=options.threshold,
        shard=options.shard,
        overwrite=options.overwrite,
        progress=not options.quiet,
    )
    lines = [f"{o.file}: {', '.join([*o.result, 'residual'])}" for o in outcomes if o.result is not None]
    return Batch(outcomes, "separated", f"in {options.output}", options.output, lines)
