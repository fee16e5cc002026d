"""`auricle enhance`: recordings of any length, rate and number of channels, file by file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from auricle import audio
from auricle.enhancement.enhancer import Enhancer, Meter
from auricle.errors import AuricleError
from auricle.inference.journal import same_output
from auricle.progress import track

_BLOCK_S = 10.0


@dataclass
class Enhanced:
    """One file's enhanced version, or why there is none."""

    file: str
    output: Path | None = None
    error: str = ""
    done_before: bool = False


def enhance_file(enhancer: Enhancer, path: str | Path, output: str | Path) -> None:
    """Write `path` enhanced to `output`, in bounded memory: the same rate, channels, length and kind of samples.

    The file is read twice, first for what the enhancer's meters have to know. Channels are enhanced by themselves.
    """
    header = audio.info(path)
    rate, pieces = enhancer.sample_rate, enhancer.pieces
    meters = [enhancer.meter() for _ in range(header.channels)]
    n_samples = 0
    for _, block in audio.blocks(path, block_s=_BLOCK_S, sample_rate=rate, mono=False):
        n_samples += block.shape[-1]
        for meter, channel in zip(meters, block, strict=True):
            meter.add(channel)

    def process(piece: np.ndarray) -> np.ndarray:
        return np.stack([_checked(enhancer, x, meter) for x, meter in zip(piece, meters, strict=True)])

    suffix = Path(output).suffix.lower()
    audio.write_blocks(
        output,
        pieces.join(_cut(path, enhancer), process),
        rate,
        channels=header.channels,
        target_rate=header.sample_rate,
        n_samples=header.n_samples,
        subtype=header.subtype if suffix == Path(path).suffix.lower() else None,
    )


def _cut(path: str | Path, enhancer: Enhancer) -> Iterator[np.ndarray]:
    rate, pieces = enhancer.sample_rate, enhancer.pieces
    cut = audio.blocks(path, block_s=pieces.length / rate, hop_s=pieces.hop / rate, sample_rate=rate, mono=False)
    return (piece for _, piece in cut)


def _checked(enhancer: Enhancer, piece: np.ndarray, meter: Meter) -> np.ndarray:
    done = enhancer.process(piece, meter)
    if not np.isfinite(done).all():
        raise AuricleError("the enhancer gave NaN or infinite samples")
    return done


def enhance_files(
    enhancer: Enhancer,
    identity: str,
    files: Sequence[str],
    output: Path,
    *,
    overwrite: bool = False,
    progress: bool = True,
) -> list[Enhanced]:
    """An enhanced version of each file below `output`; a file that cannot be read is reported and stops nobody else.

    Called again after an interruption it leaves out the files that are there. Files of another enhancer (`identity`
    tells) in `output` are an `AuricleError` unless `overwrite`.
    """
    results: list[Enhanced] = []
    paths: list[tuple[Path, Path]] = []
    for given in files:
        try:
            root = Path(given) if Path(given).is_dir() else Path(given).parent
            paths += [(path, path.relative_to(root)) for path in audio.find_audio(given)]
        except AuricleError as error:
            results.append(Enhanced(given, error=str(error)))
    if any(path.resolve() == (output / relative).resolve() for path, relative in paths):
        raise AuricleError(f"{output} is where the recordings are: give another --output, so that none is written over")
    journal = same_output(output, {"enhancer": identity}, "files of another enhancer", overwrite)
    for path, relative in track(paths, "Enhancing files", total=len(paths), show=progress):
        target = journal.table_of(path, output / relative, path.suffix)
        result = Enhanced(str(path), target)
        if not overwrite and journal.has(path, target):
            result.done_before = True
        else:
            try:
                enhance_file(enhancer, path, target)
                journal.add(path, target)
            except (AuricleError, OSError) as error:
                named = str(error) if str(path) in str(error) else f"{path}: {error}"
                result = Enhanced(str(path), error=named)
        results.append(result)
    return results
