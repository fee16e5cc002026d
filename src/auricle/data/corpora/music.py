"""Corpora of music: single notes and excerpts of tracks."""

from __future__ import annotations

from pathlib import Path

from auricle.data.corpora.layout import LARGEST_TABLE, CorpusRow, Published, corpus, one_of, open_text, require
from auricle.errors import AuricleError
from auricle.readers import blaming, read_json

_NSYNTH_SPLITS = {
    "test": {"train": "train", "valid": "valid", "test": "test"},
    "valid": {"train": "train", "valid": "test"},
}
"""Splits by official split, for each value of the option `test`."""
_NSYNTH_COUNTS = {
    "test": {"train": 289_205, "valid": 12_678, "test": 4_096},
    "valid": {"train": 289_205, "test": 12_678},
}
_NSYNTH_SOURCE = "NSynth page (magenta.tensorflow.org/datasets/nsynth), Engel et al. 2017"
_NSYNTH_NOTE = "LEAF, Table A.1, tests on 12,678 notes, which is the size of the official valid split: test=valid"
_NSYNTH_PITCHES = "; its 128 pitches are all MIDI numbers, of which NSynth sounds only some"
FMA_SPLITS = {"training": "train", "validation": "valid", "test": "test"}


@corpus(
    "nsynth",
    *(
        Published(
            counts,
            11 if labels == "instrument" else None,
            _NSYNTH_SOURCE,
            _NSYNTH_NOTE + (_NSYNTH_PITCHES if labels == "pitch" else ""),
            when={"labels": labels, "test": test},
        )
        for labels in ("instrument", "pitch")
        for test, counts in _NSYNTH_COUNTS.items()
    ),
    known_by="nsynth-*/examples.json",
)
def nsynth(root: Path, labels: str = "instrument", test: str = "test") -> list[CorpusRow]:
    """NSynth: four-second notes, labelled by instrument family or by MIDI pitch, official split.

    Layout: `nsynth-<split>/examples.json`, {note: its annotations}, and `nsynth-<split>/audio/<note>.wav`
    for the splits train, valid and test; a missing split is left out. The group is the instrument.

    Args:
        root: the folder that holds `nsynth-train` and the others.
        labels: "instrument" (family, 11 classes) or "pitch" (MIDI number).
        test: "test", or "valid" to test on the official split valid, as the size of LEAF's test set says; the split
            test is then left out, and validation clips are taken from the training split.
    """
    key = {"instrument": "instrument_family_str", "pitch": "pitch"}[
        one_of("nsynth labels", labels, ["instrument", "pitch"])
    ]
    splits = _NSYNTH_SPLITS[one_of("nsynth test", test, _NSYNTH_SPLITS)]
    tables = {name: root / f"nsynth-{name}" / "examples.json" for name in splits}
    if not any(table.is_file() for table in tables.values()):
        raise AuricleError(f"{str(root)!r} does not hold NSynth: 'nsynth-train/examples.json' is missing")
    shape = {"*": {key: (str, int), "instrument_str": str}}
    return [
        CorpusRow(f"nsynth-{name}/audio/{note}.wav", str(about[key]), split=splits[name], group=about["instrument_str"])
        for name, table in tables.items()
        if table.is_file()
        for note, about in sorted(read_json(table, shape, LARGEST_TABLE).items())
    ]


@corpus(
    "fma-small",
    Published(
        {"train": 6_400, "valid": 800, "test": 800},
        8,
        "Defferrard et al. 2017, arXiv:1612.01840 (8,000 tracks, 8 genres); LEAF-APCEN, Table 1 (per split)",
    ),
    known_by="fma_metadata/tracks.csv",
)
def fma_small(root: Path) -> list[CorpusRow]:
    """FMA-small: thirty-second excerpts in eight balanced genres, official split, grouped by artist.

    Layout: `fma_metadata/tracks.csv`, whose header has two rows (such as set over split, and track over
    genre_top) and a third with the name of the index, and `fma_small/<first three digits>/<six-digit id>.mp3`.
    """
    import pandas as pd

    require(root, "FMA", "fma_metadata/tracks.csv", "fma_small")
    text = open_text(root / "fma_metadata" / "tracks.csv")
    rows = []
    with blaming("fma_metadata/tracks.csv", "FMA's table of tracks"):
        tracks = pd.read_csv(text, index_col=0, header=[0, 1], low_memory=False)
        for column in [("set", "subset"), ("set", "split"), ("track", "genre_top"), ("artist", "id")]:
            if column not in tracks.columns:
                raise AuricleError(
                    f"fma_metadata/tracks.csv has no column {' over '.join(column)}: is it the file of FMA?"
                )
        small = tracks[tracks["set", "subset"] == "small"]
        columns = (small["track", "genre_top"], small["set", "split"], small["artist", "id"])
        for track, genre, split, artist in zip(small.index, *columns, strict=True):
            name = f"{int(track):06d}"
            path = f"fma_small/{name[:3]}/{name}.mp3"
            rows.append(CorpusRow(path, str(genre), split=FMA_SPLITS[str(split)], group=str(artist)))
    return rows
