"""`auricle enhance`: enhance files of any length, sample rate and number of channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from auricle import audio
from auricle.config import Enhance, verb
from auricle.progress import track
from auricle.runs.batch import each_file
from auricle.runs.cluster import on_ray
from auricle.runs.outcomes import Batch, Outcome
from auricle.systems.enhancer import PiecewiseEnhancer
from auricle.tasks.enhancement.open import enhancer_digest, open_enhancer

_BLOCK_S = 10.0


def enhance_file(enhancer: PiecewiseEnhancer, path: str | Path, output: str | Path) -> None:
    """Enhance `path` in bounded memory and write it to `output` with the same rate, channels, length and sample format.

    A sample format that `output` cannot have, by its suffix, becomes the usual one of that suffix. The file is read
    twice, first for the enhancer's meters. Channels are enhanced independently.
    """
    header = audio.info(path)
    rate, overlap_add = enhancer.sample_rate, enhancer.overlap_add
    meters = [enhancer.meter() for _ in range(header.channels)]
    for _, block in audio.blocks(path, block_s=_BLOCK_S, sample_rate=rate, mono=False):
        for meter, channel in zip(meters, block, strict=True):
            meter.add(channel)

    def process(piece: np.ndarray) -> np.ndarray:
        return np.stack([enhancer.process_checked(x, meter) for x, meter in zip(piece, meters, strict=True)])

    n_pieces = int(header.duration_s * rate / overlap_add.hop) + 1
    pieces = track(_cut(path, enhancer), "Enhancing", total=n_pieces, show=False)
    audio.write_blocks(
        output,
        overlap_add.join(pieces, process),
        rate,
        channels=header.channels,
        target_rate=header.sample_rate,
        n_samples=header.n_samples,
        subtype=audio.kept_subtype(output, header),
        container=header.format,
    )


def _cut(path: str | Path, enhancer: PiecewiseEnhancer) -> Iterator[np.ndarray]:
    rate, length, hop = enhancer.sample_rate, enhancer.overlap_add.length, enhancer.overlap_add.hop
    blocks = audio.blocks(path, block_s=length / rate, hop_s=hop / rate, sample_rate=rate, mono=False)
    return (piece for _, piece in blocks)


def enhance_files(
    enhancer: PiecewiseEnhancer,
    identity: str,
    files: Sequence[str],
    output: Path,
    *,
    shard: str | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> list[Outcome[None]]:
    """Write an enhanced version of each file to `output` (see `each_file`); `identity` identifies the enhancer."""
    return each_file(
        files,
        output,
        {"enhancer": identity},
        partial(enhance_file, enhancer),
        conflict="files of another enhancer",
        caption="Enhancing files",
        shard=shard,
        overwrite=overwrite,
        progress=progress,
    )


@verb
def enhance(options: Enhance) -> Batch[None]:
    """Enhance files; returns the outcome of each."""
    if options.engine == "ray":
        return on_ray(enhance, options)
    enhancer = open_enhancer(options.run, options.device)
    outcomes = enhance_files(
        enhancer,
        enhancer_digest(options.run),
        options.files,
        Path(options.output),
        shard=options.shard,
        overwrite=options.overwrite,
        progress=not options.quiet,
    )
    return Batch(outcomes, "enhanced", f"in {options.output}", options.output, [f"{options.run}: {enhancer.latency}"])
