"""From a corpus on disk to a manifest, with a summary that says how much of the corpus was there."""

from __future__ import annotations

import csv
import io
import itertools
import os
import posixpath
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from auricle.data.corpora.layout import CORPORA, CorpusRow, Published, published_counts
from auricle.errors import AuricleError
from auricle.files import write_text

OPTIONAL_COLUMNS = tuple(f.name for f in fields(CorpusRow) if f.name not in ("path", "label"))


@dataclass(frozen=True)
class Summary:
    """What `build_manifest` wrote; `str()` of it is the report a user reads.

    Args:
        corpus: name of the corpus.
        manifest: the CSV that was written.
        counts: clips per split, or per fold ("fold 1") where the corpus has folds, or under "all".
        classes: clips per class; a clip with several labels counts for each.
        missing: what the corpus lists and the folder does not hold, relative to the root.
        published: the published counts, None where there are none.
    """

    corpus: str
    manifest: Path
    counts: dict[str, int]
    classes: dict[str, int]
    missing: tuple[str, ...]
    published: Published | None

    @property
    def n_clips(self) -> int:
        """Clips in the manifest."""
        return sum(self.counts.values())

    def __str__(self) -> str:
        expected = dict(self.published.counts) if self.published else {}
        n_classes = self.published.n_classes if self.published else None
        lines = [
            f"{self.corpus}: {_compared(self.n_clips, expected.pop('all', None))} clips, "
            f"{_compared(len(self.classes), n_classes)} classes → {self.manifest}"
        ]
        for name in dict.fromkeys([*expected, *self.counts]):
            if name != "all":
                lines.append(f"  {name}: {_compared(self.counts.get(name, 0), expected.get(name))}")
        if self.missing:
            listed = self.n_clips + len(self.missing)
            lines.append(f"  missing: {len(self.missing):,} of {listed:,} listed files, e.g. {self.missing[0]}")
        lines.append(f"  published counts: {self.published.source if self.published else 'unknown'}")
        if self.published and self.published.note:
            lines.append(f"  note: {self.published.note}")
        return "\n".join(lines)


def build_manifest(corpus: str, root: str | Path, output: str | Path, **options: Any) -> Summary:
    """Write the manifest of a published corpus that lies unpacked in `root`.

    Args:
        corpus: a name in `CORPORA`, such as "speech-commands".
        root: the folder of the corpus, as its authors laid it out.
        output: the CSV to write; its `path` column is relative to the CSV's own folder.
        options: the adapter's own, such as `labels="pitch"` for "nsynth".

    Files that the corpus lists but `root` does not hold are left out and counted in the summary.

    Raises:
        AuricleError: for an unknown corpus or option, for a root that holds something else, and
            where not one listed file is there.
    """
    root = Path(root)
    if not root.is_dir():
        raise AuricleError(f"no folder {str(root)!r}: root is the folder that holds the unpacked {corpus} corpus")
    rows = CORPORA.create(corpus, root=root, **options)
    found = [os.path.isfile(root / row.path) for row in rows]
    present = list(itertools.compress(rows, found))
    missing = tuple(row.path for row, there in zip(rows, found, strict=True) if not there)
    if not present:
        looked_for = f", for example {missing[0]!r}" if missing else ""
        raise AuricleError(f"{str(root)!r} holds none of the {len(rows):,} files that {corpus} lists{looked_for}")
    manifest = write_manifest(present, output, root)
    return Summary(
        corpus=corpus,
        manifest=manifest,
        counts=dict(Counter(_part(row) for row in present)),
        classes=dict(sorted(Counter(label for row in present for label in row.label.split(";")).items())),
        missing=missing,
        published=published_counts(corpus, **options),
    )


def write_manifest(rows: Iterable[CorpusRow], output: str | Path, root: str | Path) -> Path:
    """Write `rows`, whose paths are relative to `root`, as a CSV whose paths are relative to its own folder.

    Columns are path, label and those of split, fold, group, start, end, noisy, speaker and session that some row uses.
    """
    rows, output = list(rows), Path(output)
    if output.is_dir():
        raise AuricleError(f"{str(output)!r} is a folder; output is the CSV file to write, such as manifest.csv")
    prefix = Path(os.path.relpath(root, output.parent)).as_posix()
    columns = ["label", *(c for c in OPTIONAL_COLUMNS if any(getattr(row, c) is not None for row in rows))]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", *columns])
    for row in rows:
        values = {column: getattr(row, column) for column in ["path", *columns]}
        for column in ("path", "noisy"):
            if values.get(column) is not None:
                values[column] = posixpath.normpath(posixpath.join(prefix, values[column]))
        writer.writerow(values.values())
    write_text(output, text.getvalue())
    return output


def _part(row: CorpusRow) -> str:
    if row.split is not None:
        return row.split
    return "all" if row.fold is None else f"fold {row.fold}"


def _compared(found: int, published: int | None) -> str:
    return f"{found:,}" if published is None else f"{found:,} of {published:,}"
