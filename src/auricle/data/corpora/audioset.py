"""AudioSet: two million segments of online videos with 527 labels; copies are incomplete, as videos are deleted."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

from auricle.data.corpora.layout import (
    CorpusRow,
    Published,
    audio_files,
    corpus,
    one_of,
    open_text,
    read_table,
    require,
)
from auricle.errors import AuricleError, shown_path
from auricle.readers import blaming

SEGMENTS = {
    "balanced": "balanced_train_segments.csv",
    "unbalanced": "unbalanced_train_segments.csv",
    "eval": "eval_segments.csv",
}
_SOURCE = "AudioSet download page (research.google.com/audioset/download.html), Gemmeke et al. 2017"
_NOTE = "videos vanish, so every copy is partial; LEAF, Table A.1, had 1,832,720 train and 17,695 test"


@corpus(
    "audioset",
    Published({"train": 2_065_161, "test": 20_383}, 527, _SOURCE, _NOTE, when={"train": "all"}),
    Published({"train": 22_176, "test": 20_383}, 527, _SOURCE, _NOTE, when={"train": "balanced"}),
    Published({"train": 2_042_985, "test": 20_383}, 527, _SOURCE, _NOTE, when={"train": "unbalanced"}),
    known_by="class_labels_indices.csv",
)
def audioset(root: Path, train: str = "all", whole_videos: bool = False) -> list[CorpusRow]:
    """AudioSet: ten-second segments with one or more of 527 labels (the display names), official split.

    Layout: `class_labels_indices.csv` (index,mid,display_name) and the segment tables
    `balanced_train_segments.csv`, `unbalanced_train_segments.csv` and `eval_segments.csv`: three lines that
    begin with "#", then `YTID, start_seconds, end_seconds, "mid,mid"`. The sounds lie anywhere below `root`,
    named by video: `<YTID>.wav`, `Y<YTID>.wav`, `<YTID>_<start>.wav` or `<YTID>_<start>_<end>.wav`, or with any
    other audio suffix. Both training tables are the split "train", the evaluation table is "test".

    Args:
        root: the folder with the tables and the sounds.
        train: "all" training tables that exist, or only "balanced" or "unbalanced".
        whole_videos: the files are soundtracks of whole videos instead of cut segments; the manifest then has the
            start and end of each segment.
    """
    one_of("audioset train", train, ["all", "balanced", "unbalanced"])
    require(root, "AudioSet", "class_labels_indices.csv")
    wanted = ["balanced", "unbalanced", "eval"] if train == "all" else [train, "eval"]
    tables = [name for name in wanted if (root / SEGMENTS[name]).is_file()]
    if not tables:
        looked_for = ", ".join(SEGMENTS[name] for name in wanted)
        raise AuricleError(f"{str(root)!r} does not hold AudioSet: none of {looked_for} exists")
    names = class_names(root / "class_labels_indices.csv")
    sounds = {video: path for path in audio_files(root) if (video := video_of(Path(path).stem)) is not None}
    rows = []
    for table in tables:
        split = "test" if table == "eval" else "train"
        for video, start, end, mids in _segments(root / SEGMENTS[table]):
            unknown = [mid for mid in mids if mid not in names]
            if unknown:
                raise AuricleError(f"{SEGMENTS[table]}: {unknown[0]!r} of {video} is not in class_labels_indices.csv")
            label = ";".join(names[mid] for mid in mids)
            path = sounds.get(video, f"{video}.wav")
            row = CorpusRow(path, label, split=split, group=video)
            rows.append(replace(row, start=start, end=end) if whole_videos else row)
    return rows


def class_names(table: Path) -> dict[str, str]:
    """Display names by machine identifier ("mid") in class_labels_indices.csv; ";" becomes ","."""
    rows = read_table(table, ("mid", "display_name"))
    return {row["mid"]: row["display_name"].replace(";", ",") for row in rows}


def numbered_names(table: Path) -> list[str]:
    """Display names in the order of the column index, which should be 0, 1, …; `AuricleError` where it is not."""
    rows = read_table(table, ("index", "mid", "display_name"))
    of_index = {row["index"].strip(): row["display_name"].replace(";", ",") for row in rows}
    numbers = list(map(str, range(len(rows))))
    if set(of_index) != set(numbers):
        raise AuricleError(f"{shown_path(table)}: the column index should number the labels from 0 to {len(rows) - 1}")
    return [of_index[number] for number in numbers]


def video_of(stem: str) -> str | None:
    """The eleven-character video identifier in a file name without suffix, or None if there is none."""
    time = r"(?:_\d+(?:\.\d+)?){0,2}"
    match = re.fullmatch(rf"([\w-]{{11}}){time}", stem) or re.fullmatch(rf"Y([\w-]{{11}}){time}", stem)
    return match[1] if match else None


def _segments(table: Path) -> list[tuple[str, float, float, list[str]]]:
    """(video, start in s, end in s, mids) of each row of a segment table."""
    text = open_text(table)
    with blaming(table.name, "a table of segments of AudioSet"):
        lines = csv.reader(text, skipinitialspace=True)
        return [
            (fields[0], float(fields[1]), float(fields[2]), fields[3].split(","))
            for fields in lines
            if fields and not fields[0].startswith("#")
        ]
