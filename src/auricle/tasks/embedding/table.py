"""Tables of embeddings: a Parquet file with a row for each window, and the facts that search needs in its metadata."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from auricle.errors import AuricleError, first_line
from auricle.extras import require as require_package
from auricle.files import replacing
from auricle.readers import Shape, checked, parquet_file
from auricle.reports.detections import plain_text

if TYPE_CHECKING:
    import pyarrow

SCHEMA = 1
COLUMNS = ("file", "start_s", "end_s", "vector")
_FACTS = b"auricle.embeddings"
_SHAPE: Shape = {
    "schema": int,
    "model": str,
    "digest": str,
    "sample_rate": int,
    "window_s": float,
    "frontend_options": dict,
}
_ROWS = 8192  # that are read at a time


@dataclass(frozen=True)
class Facts:
    """What made a table: the model, its digest, and the windows it was given.

    `model` is the absolute path of a run, or the name of a front-end with `frontend_options`.
    """

    model: str
    digest: str
    sample_rate: int
    window_s: float
    frontend_options: dict[str, Any]


def schema(facts: Facts, size: int) -> pyarrow.Schema:
    """The columns of a table whose vectors have `size` entries, with `facts` as metadata."""
    import pyarrow

    columns = [
        ("file", pyarrow.string()),
        ("start_s", pyarrow.float64()),
        ("end_s", pyarrow.float64()),
        ("vector", pyarrow.list_(pyarrow.float32(), size)),
    ]
    told = json.dumps({"schema": SCHEMA, **asdict(facts)}, sort_keys=True)
    return pyarrow.schema(columns, metadata={_FACTS: told.encode()})


def write_part(path: Path, file: str, rows: tuple[np.ndarray, np.ndarray, np.ndarray], facts: Facts) -> None:
    """Write the table of one file: starts and ends in s `(n,)`, and vectors `(n, size)`."""
    import pyarrow
    import pyarrow.parquet

    starts, ends, vectors = rows
    n, size = vectors.shape
    columns = [
        pyarrow.array([plain_text(file)] * n, pyarrow.string()),
        pyarrow.array(np.round(starts, 4)),
        pyarrow.array(np.round(ends, 4)),
        pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.astype(np.float32).ravel()), size),
    ]
    with replacing(path) as partial, open(partial, "wb") as content:  # pyarrow takes no name that is not UTF-8
        pyarrow.parquet.write_table(pyarrow.Table.from_arrays(columns, schema=schema(facts, size)), content)


def merge(parts: Iterable[Path], path: Path) -> int:
    """Write the rows of all tables `parts`, which have the same columns, to the table `path`; returns their number."""
    import pyarrow.parquet

    n_rows = 0
    with replacing(path) as partial, open(partial, "wb") as content:
        writer = None
        try:
            for part in parts:
                with parquet_file(part) as file:
                    writer = writer or pyarrow.parquet.ParquetWriter(content, file.schema_arrow)
                    for batch in file.iter_batches(_ROWS):
                        writer.write_batch(batch)
                        n_rows += len(batch)
        finally:
            if writer is not None:
                writer.close()
    return n_rows


class Embeddings:
    """A table that `auricle embed` wrote. Raises `AuricleError` if `path` is none."""

    def __init__(self, path: str | Path) -> None:
        require_package("pyarrow", "a table of embeddings")
        import pyarrow

        self.path = Path(path)
        if not self.path.is_file():
            raise AuricleError(f"{path}: no such file; give the table that auricle embed wrote")
        try:
            with parquet_file(self.path) as file:
                found = file.schema_arrow
                self.n_rows: int = file.metadata.num_rows
        except (pyarrow.ArrowException, OSError) as error:
            raise AuricleError(f"{path}: not a Parquet file ({first_line(error)})") from None
        told = (found.metadata or {}).get(_FACTS)
        try:
            facts = json.loads(told or b"null")
        except (ValueError, RecursionError):
            facts = None
        if facts is None or tuple(found.names) != COLUMNS:
            raise AuricleError(f"{path}: not a table that auricle embed wrote")
        checked(facts, _SHAPE, f"{path}: not a table that auricle embed wrote")
        if facts["schema"] != SCHEMA:
            raise AuricleError(f"{path}: a table of another version of auricle")
        self.facts = Facts(**{field.name: facts[field.name] for field in fields(Facts)})
        kinds = [field.type for field in found]
        if not pyarrow.types.is_fixed_size_list(kinds[-1]) or kinds[-1].list_size < 1:
            raise AuricleError(f"{path}: not a table that auricle embed wrote: its vectors have no fixed size")
        self.size: int = kinds[-1].list_size
        for field, wanted in zip(found, schema(self.facts, self.size), strict=True):
            if field.type != wanted.type:
                raise AuricleError(
                    f"{path}: not a table that auricle embed wrote: {field.name} is {field.type}, not {wanted.type}"
                )

    def batches(self) -> Iterator[tuple[list[str], np.ndarray, np.ndarray, np.ndarray]]:
        """Iterate over files `[n]`, starts and ends in s `(n,)`, and vectors `(n, size)`, some rows at a time."""
        import pyarrow

        try:
            with parquet_file(self.path) as file:
                for batch in file.iter_batches(_ROWS):
                    files, starts, ends, vectors = (batch.column(name) for name in COLUMNS)
                    flat = vectors.flatten()
                    if any(column.null_count for column in (files, starts, ends, vectors, flat)):
                        raise AuricleError(f"{self.path}: damaged, a value is missing")
                    rows = flat.to_numpy(zero_copy_only=False).reshape(len(batch), self.size)
                    times = [values.to_numpy(zero_copy_only=False) for values in (starts, ends)]
                    with np.errstate(over="ignore"):
                        if not np.isfinite(np.square(rows).sum(axis=1)).all():
                            raise AuricleError(f"{self.path}: damaged, a vector is not finite, or too long")
                    if not ((times[0] >= 0) & (times[0] <= times[1]) & np.isfinite(times[1])).all():
                        raise AuricleError(f"{self.path}: damaged, a window has impossible times")
                    yield files.to_pylist(), *times, rows
        except AuricleError:
            raise
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise AuricleError(f"{self.path}: damaged ({first_line(error)})") from None


def remove_table(path: Path) -> None:
    """Remove the table of embeddings `path`; a file that is none stays."""
    with suppress(AuricleError, OSError):
        Embeddings(path)
        path.unlink()
