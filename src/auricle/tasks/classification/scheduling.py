"""Many files at once: windows of consecutive files fill the model's batches, while files are read and written."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np

from auricle import audio
from auricle.runs.ahead import ahead
from auricle.runs.work import Job, Work
from auricle.tasks.classification.reading import batch_size, file_windows
from auricle.tasks.classification.window_classifiers import TakesWindows

_BATCHES_AHEAD = 2
_FILES_UNWRITTEN = 64
_WRITERS = 4  # more than one, as each waits for the disk

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


class Collector(Protocol[R_co]):
    """Collects what a model makes of one file, from consecutive batches of its windows."""

    def add(self, starts: np.ndarray, ends: np.ndarray, rows: np.ndarray, frames: np.ndarray | None, /) -> None:
        """Add windows: starts and ends in s `(n,)`, and the model's `rows` `(n, …)` and `frames` `(n, frames, …)`."""
        ...

    def finish(self) -> R_co:
        """The result for the whole file."""
        ...


@dataclass(frozen=True)
class Steps(Generic[R, T]):
    """What is done with windows and files.

    Args:
        run: the model's rows, and its frames or None, for up to `batch_size` windows `(n, window)`.
        collect: a collector for the recording at a path.
        write: writes the result for the recording (first path) to a file (second path), and returns what the outcome
            holds; the last argument is the recording's sample rate in Hz, or 0 unless `with_rate`.
        with_rate: whether `write` needs the sample rate.
    """

    run: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]
    collect: Callable[[Path], Collector[R]]
    write: Callable[[Path, Path, R, int], T]
    with_rate: bool = False


@dataclass
class Windows:
    """Some consecutive windows of a file: starts and ends in s `(n,)`, samples `(n, window)`."""

    job: Job
    starts: np.ndarray
    ends: np.ndarray
    samples: np.ndarray


@dataclass
class End:
    """The end of a file, with the damage that was met, or the error; `sample_rate` is 0 if it was not asked for."""

    job: Job
    sample_rate: int = 0
    damage: list[str] = field(default_factory=list)
    error: Exception | None = None


def read_jobs(
    work: Work[T], model: TakesWindows, hop_s: float | None, with_rate: bool
) -> Iterator[Windows | End | None]:
    """Read one file after the other; None means that no file can be read until another is done."""
    for job in work.jobs():
        if job is None:
            yield None
            continue
        path = job.item.path
        end = End(job)
        with audio.noticing() as damage:
            try:
                for starts, ends, samples in file_windows(model, path, hop_s):
                    yield Windows(job, starts, ends, samples)
                if with_rate:
                    end.sample_rate = audio.info(path).sample_rate
            except Exception as error:
                end.error = error
        end.damage = [found.reason for found in damage]
        yield end


class _File(Generic[R]):
    """A file whose windows are under way; its rows reach `collector` in batches that depend on the file alone."""

    def __init__(self, job: Job, collector: Collector[R], size: int) -> None:
        self.job = job
        self.collector = collector
        self.end: End | None = None
        self.error: Exception | None = None
        self.n_waiting = 0
        self._size = size
        self._rows: list[tuple[float, float, np.ndarray, np.ndarray | None]] = []

    def add(self, start_s: float, end_s: float, row: np.ndarray, frames: np.ndarray | None) -> None:
        self._rows.append((start_s, end_s, row, frames))
        if len(self._rows) == self._size:
            self.pass_on()

    def pass_on(self) -> None:
        if not self._rows or self.error is not None:
            return
        starts, ends, rows, frames = zip(*self._rows, strict=True)
        self._rows = []
        try:
            of_frames = None if frames[0] is None else np.stack(frames)
            self.collector.add(np.array(starts), np.array(ends), np.stack(rows), of_frames)
        except Exception as error:
            self.error = error

    @property
    def is_complete(self) -> bool:
        return self.end is not None and self.n_waiting == 0


class _Batches(Generic[R, T]):
    """Gathers windows into batches, and hands results to the writing threads when a file is complete."""

    def __init__(self, work: Work[T], steps: Steps[R, T], size: int) -> None:
        self.work = work
        self.steps = steps
        self.pool = ThreadPoolExecutor(_WRITERS)
        self._size = size
        self._files: dict[int, _File[R]] = {}
        self._pending: deque[tuple[_File[R], float, float, np.ndarray]] = deque()
        self._writing: deque[Future[None]] = deque()

    def take(self, what: Windows | End) -> None:
        job = what.job
        file = self._files.get(id(job)) or _File(job, self.steps.collect(job.item.path), self._size)
        self._files[id(job)] = file
        if isinstance(what, End):
            file.end = what
            file.error = what.error or file.error
        elif file.error is None:
            file.n_waiting += len(what.samples)
            self._pending.extend((file, *row) for row in zip(what.starts, what.ends, what.samples, strict=True))
        while len(self._pending) >= self._size:
            self._run_batch()
        self._finish([file])

    def flush(self) -> None:
        """Finish all files whose end is known."""
        if self._pending:
            self._run_batch()
        while self._writing:
            self._writing.popleft().result()

    def _run_batch(self) -> None:
        rows = [self._pending.popleft() for _ in range(min(self._size, len(self._pending)))]
        files = list(dict.fromkeys(row[0] for row in rows))
        try:
            self._run(rows)
        except Exception as error:
            if len(files) == 1:
                files[0].error = error
            for file in files if len(files) > 1 else ():
                try:
                    self._run([row for row in rows if row[0] is file])
                except Exception as own:
                    file.error = own
        for row in rows:
            row[0].n_waiting -= 1
        self._finish(files)

    def _run(self, rows: list[tuple[_File[R], float, float, np.ndarray]]) -> None:
        outputs, frames = self.steps.run(np.stack([row[3] for row in rows]))
        for number, (file, start_s, end_s, _) in enumerate(rows):
            file.add(start_s, end_s, outputs[number], None if frames is None else frames[number])

    def _finish(self, files: list[_File[R]]) -> None:
        for file in files:
            if file.is_complete and self._files.pop(id(file.job), None) is not None:
                file.pass_on()
                self._writing.append(self.pool.submit(self._write, file))
                while len(self._writing) > _FILES_UNWRITTEN or (self._writing and self._writing[0].done()):
                    self._writing.popleft().result()

    def _write(self, file: _File[R]) -> None:
        job, end = file.job, file.end
        assert end is not None
        try:
            if file.error is not None:
                raise file.error
            outcome = self.steps.write(job.item.path, job.target, file.collector.finish(), end.sample_rate)
            self.work.finish(job, outcome, end.damage)
        except Exception as error:
            self.work.fail(job, error)


def work_through(work: Work[T], model: TakesWindows, steps: Steps[R, T], hop_s: float | None = None) -> Iterator[Job]:
    """Do all jobs of `work` with windows as in `file_windows`; yields each when its last window has been read.

    One thread reads, this one runs the model, and others write. Memory is bounded. Results are those of each file
    alone, to the bit. An error of a file, or of the model in a batch of several files, costs only the files that it is
    about.
    """
    size = batch_size(model)
    batches = _Batches(work, steps, size)

    def n_windows(what: Windows | End | None) -> int:
        return len(what.samples) if isinstance(what, Windows) else 0

    with batches.pool:
        reading = ahead(read_jobs(work, model, hop_s, steps.with_rate), _BATCHES_AHEAD * size, n_windows)
        with closing(reading):
            for what in reading:
                if what is None:
                    batches.flush()
                    continue
                batches.take(what)
                if isinstance(what, End):
                    yield what.job
            batches.flush()
