"""Write the manifest of a corpus on disk, with a summary of how complete the copy is."""

from __future__ import annotations

import itertools
import os
import posixpath
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from auricle.config import BuildManifest, verb
from auricle.data.corpora.layout import CORPORA, CorpusRow, Published, corpus_name, published_counts
from auricle.errors import AuricleError
from auricle.files import write_rows

OPTIONAL_COLUMNS = tuple(f.name for f in fields(CorpusRow) if f.name not in ("path", "label"))


@dataclass(frozen=True)
class Summary:
    """Summary of a manifest written by `build_manifest`; `str()` gives the report for the user.

    Args:
        corpus: name of the corpus.
        manifest: path of the CSV file.
        counts: clips per split, or per fold ("fold 1") if the corpus has folds, or under "all".
        classes: clips per class; a clip with several labels counts once for each.
        missing: files listed by the corpus that do not exist, relative to the root.
        published: the published counts, or None.
    """

    corpus: str
    manifest: Path
    counts: dict[str, int]
    classes: dict[str, int]
    missing: tuple[str, ...]
    published: Published | None

    @property
    def n_clips(self) -> int:
        """Number of clips in the manifest."""
        return sum(self.counts.values())

    def __str__(self) -> str:
        expected = dict(self.published.counts) if self.published else {}
        n_classes = self.published.n_classes if self.published else None
        lines = [
            f"{self.corpus}: {_of_published(self.n_clips, expected.pop('all', None))} clips, "
            f"{_of_published(len(self.classes), n_classes)} classes → {self.manifest}"
        ]
        for name in dict.fromkeys([*expected, *self.counts]):
            if name != "all":
                lines.append(f"  {name}: {_of_published(self.counts.get(name, 0), expected.get(name))}")
        if self.missing:
            listed = self.n_clips + len(self.missing)
            lines.append(f"  missing: {len(self.missing):,} of {listed:,} listed files, e.g. {self.missing[0]}")
        lines.append(f"  published counts: {self.published.source if self.published else 'unknown'}")
        if self.published and self.published.note:
            lines.append(f"  note: {self.published.note}")
        return "\n".join(lines)


@verb
def build_manifest(options: BuildManifest) -> Summary:
    """Write the manifest of a corpus; returns a summary with the number of files found."""
    return _built(corpus_name(options.corpus), Path(options.root), Path(options.output), options.options or {})


def _built(corpus: str, root: Path, output: Path, options: dict[str, Any]) -> Summary:
    """Write the manifest of the corpus in `root`; listed files that do not exist are left out and counted.

    Raises `AuricleError` for an unknown corpus or option, if `root` is not the folder of the corpus, and if none of the
    listed files exists.
    """
    if not root.is_dir():
        raise AuricleError(
            f"there is no folder {str(root)!r}: root should be the folder of the unpacked {corpus} corpus"
        )
    if "root" in options:
        raise AuricleError("options.root: the folder of the corpus is given by its place")
    rows = CORPORA.create(corpus, root=root, **options)
    found = [os.path.isfile(root / row.path) for row in rows]
    present = list(itertools.compress(rows, found))
    missing = tuple(row.path for row, exists in zip(rows, found, strict=True) if not exists)
    if not present:
        looked_for = f", for example {missing[0]!r}" if missing else ""
        raise AuricleError(f"{str(root)!r} holds none of the {len(rows):,} files that {corpus} lists{looked_for}")
    manifest = write_manifest(present, output, root)
    return Summary(
        corpus=corpus,
        manifest=manifest,
        counts=dict(Counter(_split_or_fold(row) for row in present)),
        classes=dict(sorted(Counter(label for row in present for label in row.label.split(";")).items())),
        missing=missing,
        published=published_counts(corpus, **options),
    )


def write_manifest(rows: Iterable[CorpusRow], output: str | Path, root: str | Path) -> Path:
    """Write `rows` (paths relative to `root`) to a CSV file (paths relative to its folder); returns its path.

    The columns are path, label, and those of split, fold, group, start, end, noisy, speaker and session that any row
    uses.
    """
    rows, output = list(rows), Path(output)
    if output.is_dir():
        raise AuricleError(f"{str(output)!r} is a folder: output should be a CSV file, such as manifest.csv")
    output.parent.mkdir(parents=True, exist_ok=True)
    prefix = Path(os.path.relpath(root, output.parent)).as_posix()
    columns = ["path", "label", *(c for c in OPTIONAL_COLUMNS if any(getattr(row, c) is not None for row in rows))]

    def cell(row: CorpusRow, column: str) -> object:
        value = getattr(row, column)
        if value is None or column not in ("path", "noisy"):
            return value
        return posixpath.normpath(posixpath.join(prefix, value))

    write_rows(output, columns, ([cell(row, column) for column in columns] for row in rows))
    return output


def _split_or_fold(row: CorpusRow) -> str:
    """The key under which `Summary.counts` counts a row."""
    if row.split is not None:
        return row.split
    return "all" if row.fold is None else f"fold {row.fold}"


def _of_published(found: int, published: int | None) -> str:
    return f"{found:,}" if published is None else f"{found:,} of {published:,}"
