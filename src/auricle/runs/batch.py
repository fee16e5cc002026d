"""Batches of files: each input gets its outputs once, whatever is interrupted, damaged or done by other processes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from auricle import audio
from auricle.errors import AuricleError, shown_path
from auricle.files import json_text, partial_folder, remove_partials, write_json
from auricle.identity import folded, key_of
from auricle.progress import track
from auricle.readers import read_text
from auricle.runs.inputs import Inputs, Shard, find_inputs
from auricle.runs.journal import FAILED, JOURNAL, SETTINGS, Journal, Occupied
from auricle.runs.outcomes import Outcome, write_failed
from auricle.runs.work import Item, Job, Work

T = TypeVar("T")


@contextmanager
def opened(
    output: Path, settings: dict[str, Any] | None = None, conflict: str = "", overwrite: bool = False
) -> Iterator[tuple[Journal, Path]]:
    """Context manager: the journal of the folder `output`, and a folder for unfinished files in it.

    Raises `AuricleError` if `output` holds outputs of other `settings`, unless `overwrite`: then these are removed.
    `conflict` describes them, as in "tables of another model". A `failed.csv` without a journal is the user's, and the
    folder refused. What killed processes have left is removed, at the start and at the end.
    """
    if os.path.lexists(output) and not output.is_dir():
        kind = "a symbolic link that leads to no folder" if output.is_symlink() else "a file"
        raise AuricleError(f"{shown_path(output)} is {kind}: give a folder")
    if os.path.lexists(output / FAILED) and not os.path.lexists(output / JOURNAL):
        raise AuricleError(f"{output} holds a {FAILED} that was not written by this command: give another --output")
    output.mkdir(parents=True, exist_ok=True)
    path = output / SETTINGS
    with ExitStack() as stack:
        journal = Journal(output)
        stack.callback(journal.close)
        with journal.locks.writing():
            journal.refresh()
            if settings is not None and not _same_settings(path, settings):
                if path.exists():
                    if not overwrite:
                        raise AuricleError(f"{output} holds {conflict}: give another --output, or --overwrite")
                    if not journal.locks.alone():
                        raise AuricleError(f"{output} is being written to by another process: give another --output")
                    journal.clear()
                write_json(path, settings)
            remove_partials(output)
            journal.locks.share()
            journal.begin()
            unfinished = stack.enter_context(partial_folder(output))
        yield journal, unfinished
        remove_partials(output)


def _same_settings(path: Path, settings: dict[str, Any]) -> bool:
    """Whether a file has these settings, written in any way."""
    try:
        return json.loads(read_text(path)) == json.loads(json_text(settings))
    except (ValueError, RecursionError):
        return False


def each_file(
    files: Iterable[str],
    output: Path,
    settings: dict[str, Any],
    work: Callable[[Path, Path], T],
    *,
    conflict: str,
    suffix: str = "",
    place: Callable[[Path], Path] = lambda name: name,
    kind: str = "",
    caption: str = "",
    shard: str | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> list[Outcome[T]]:
    """Call `work(path, target)` for every sound file in `files`, which may be folders; errors affect only their file.

    `work` writes to `target` and beside it; that is moved to the folder `output` when it is complete. Outputs are where
    `place` puts the inputs' names, with `suffix` if one is given. When called again, files that are done are skipped;
    other processes may work on the same files at the same time. `settings` are as for `opened`; outputs of several
    kinds, whose settings are the same, may be in one folder. `shard` is as in `Shard.of`. Progress is shown under
    `caption`, if there is one.
    """

    def do(batch: Work[T]) -> None:
        for job in track(batch.jobs(), caption, total=len(batch.items), show=progress and bool(caption)):
            if job is not None:
                attempt(batch, job, work)

    return run_batch(
        files,
        output,
        settings,
        do,
        conflict=conflict,
        suffix=suffix,
        place=place,
        kind=kind,
        shard=shard,
        overwrite=overwrite,
    )


def attempt(batch: Work[T], job: Job, work: Callable[[Path, Path], T]) -> None:
    """Do the work of a job, under another name if its output's is taken, and note the outcome."""
    claimed: Job | None = job
    while claimed is not None:
        job = claimed
        try:
            with audio.noticing() as damage:
                result = work(job.item.path, job.target)
            batch.finish(job, result, [found.reason for found in damage])
            return
        except Occupied as error:
            if job.item.output:
                batch.fail(job, error)
                return
            claimed = batch.renamed(job)
        except Exception as error:
            batch.fail(job, error)
            return


def run_batch(
    files: Iterable[str],
    output: Path,
    settings: dict[str, Any],
    do: Callable[[Work[T]], None],
    *,
    conflict: str,
    suffix: str = "",
    place: Callable[[Path], Path] = lambda name: name,
    kind: str = "",
    shard: str | None = None,
    overwrite: bool = False,
) -> list[Outcome[T]]:
    """`each_file` for work on several files at a time: `do(work)` finishes or fails each of the jobs of `work`."""
    share = Shard.of(shard)
    inputs = find_inputs(files)
    key = key_of("journal", json.loads(json_text(settings)), kind)
    items = _items(inputs, key, suffix, place, kind)
    if any(os.path.realpath(item.path) == os.path.realpath(output / (item.place + item.suffix)) for item in items):
        raise AuricleError(f"{output} is where the recordings are: give another --output, so that none is overwritten")
    with opened(output, settings, conflict, overwrite) as (journal, unfinished):
        written = journal.places()
        outputs = {path for path in inputs.found if os.path.realpath(path) in written}
        items = [item for item in items if item.path not in outputs]
        work: Work[T] = Work([item for item in items if share.has(item.name)], journal, unfinished, overwrite)
        with audio.isolated():
            do(work)
        outcomes = [work.outcomes[number] for number in sorted(work.outcomes)]
        for path, name, reason in inputs.left_out:
            if share.has(name):
                outcomes.append(work.leave_out(path, name, reason))
        write_failed(journal, work.unreadable, sharded=share.count > 1)
    return outcomes


def _items(inputs: Inputs, key: str, suffix: str, place: Callable[[Path], Path], kind: str) -> list[Item]:
    """The work on input files; of those whose output would have one path, the first has it."""
    seen: set[str] = set()
    items = []
    for path, name in inputs.files:
        beside = PurePosixPath(place(Path(name))).with_suffix("").as_posix()
        ending = suffix or (path.suffix if path.suffix.lower() in audio.AUDIO_SUFFIXES else ".wav")
        output = folded(beside + ending)
        items.append(Item(path, name, key, beside, ending, kind, alone=output not in seen))
        seen.add(output)
    return items
