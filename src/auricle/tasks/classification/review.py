"""`auricle review`: the windows of predictions that are worth a person's ear, and what that person said of them."""

from __future__ import annotations

import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from auricle import audio
from auricle.config import Review, SplitOptions, require, verb
from auricle.data.copies import of_other_recordings, sharing
from auricle.data.manifest import Manifest, read_manifest
from auricle.data.manifest_file import csv_records
from auricle.data.rows import split_name
from auricle.data.splits import put_aside
from auricle.errors import AuricleError, AuricleWarning, shown_path, those_counted
from auricle.files import as_named
from auricle.frontends import create_frontend
from auricle.frontends.scales import spaced_freqs
from auricle.identity import file_digest
from auricle.progress import track
from auricle.registry import unknown_name
from auricle.reports.detections import Detection
from auricle.reports.detections.reading import read_detections
from auricle.reports.page import refuse_other_page
from auricle.reports.review import Window, write_review
from auricle.runs.journal import input_digests

LOWEST_RATE, HIGHEST_RATE = 16000, 32000  # in Hz, of what is heard and seen
N_BANDS, LOWEST_HZ, TOP = 64, 60.0, 0.4875  # of what is seen; its highest frequency is this part of the sample rate
LONGEST_S = 10.0  # of what is heard of an event
LIKELY, UNCERTAIN, BESIDE = "among the most probable", "among the least probable", "reported in the same window"
ACCEPTED, CORRECTED, NONE, REJECTED = "accepted", "corrected", "none", "rejected"
_LISTED = 3
_TOUCHING_S = 1e-3  # tables round times


@verb
def review(options: Review) -> Path:
    """Write the page; returns its path."""
    require(options.per_class >= 1, f"per_class={options.per_class}: 1 or more")
    output = Path(options.output)
    if output.is_dir():
        raise AuricleError(f"{output} is a folder: give a file, as in --output review.html")
    refuse_other_page(output)
    found = read_detections(options.predictions)
    tasks = sorted({detection.task for detection in found})
    task = tasks[0] if options.task is None and len(tasks) == 1 else options.task
    if not found:
        raise AuricleError(f"{options.predictions}: nothing is reported in it")
    if task is None:
        raise AuricleError(f"the predictions are of several tasks, choose one by --task: {', '.join(tasks)}")
    if task not in tasks:
        raise AuricleError(unknown_name("task", task, tasks))
    found = [detection for detection in found if detection.task == task]
    digests = input_digests(Path(options.predictions))
    windows, bands_hz = _seen(_heard(chosen(found, options.per_class), digests, progress=not options.quiet))
    labels = sorted({detection.label for detection in found})
    title = f"Review of {shown_path(Path(options.predictions).name)}"
    return write_review(output, title, windows, labels, bands_hz)


def chosen(detections: Sequence[Detection], per_class: int) -> list[tuple[Detection, str]]:
    """Up to `per_class` detections of each label, with the reason: half the most probable, half the least.

    A recording gives its second only when all have given their first, so that one loud recording is not all there is.
    They end where what is heard of them ends. After each come the other labels that are reported in it, since a clip
    that is learnt from needs all of its labels.
    """
    picked: list[tuple[Detection, str]] = []
    for label in sorted({detection.label for detection in detections}):
        own = [detection for detection in detections if detection.label == label]
        likely = _spread(sorted(own, key=lambda d: -d.probability))[: -(-per_class // 2)]
        rest = [detection for detection in own if detection not in likely]
        unsure = _spread(sorted(rest, key=lambda d: d.probability))[: per_class - len(likely)]
        picked += [(detection, LIKELY) for detection in likely] + [(detection, UNCERTAIN) for detection in unsure]
    heard = [(replace(found, end_s=min(found.end_s, found.start_s + LONGEST_S)), why) for found, why in picked]
    return _with_others(heard, detections)


def _with_others(
    picked: Sequence[tuple[Detection, str]], detections: Sequence[Detection]
) -> list[tuple[Detection, str]]:
    """`picked`, each followed by the detections of other labels that overlap it, with its place.

    Windows that overlap one another were each judged by themselves: of them only those that begin together count.
    """
    in_time = sorted(detections, key=lambda d: (d.file, d.label, d.start_s))
    windows_overlap = any(
        (one.file, one.label) == (after.file, after.label) and _overlap(one, after) for one, after in pairwise(in_time)
    )
    near: dict[tuple[str, float], list[Detection]] = defaultdict(list)
    for detection in sorted(detections, key=lambda d: -d.probability):
        near[detection.file, detection.start_s if windows_overlap else 0.0].append(detection)
    listed = {(window.file, window.start_s, window.end_s, window.label) for window, _ in picked}
    every = []
    for window, why in picked:
        every.append((window, why))
        for other in near[window.file, window.start_s if windows_overlap else 0.0]:
            place = window.file, window.start_s, window.end_s, other.label
            if place not in listed and _overlap(window, other):
                listed.add(place)
                every.append((replace(window, label=other.label, probability=other.probability), BESIDE))
    return every


def _overlap(one: Detection, other: Detection) -> bool:
    return min(one.end_s, other.end_s) - max(one.start_s, other.start_s) > _TOUCHING_S


def _spread(ordered: Iterable[Detection]) -> list[Detection]:
    """The first of every recording in their order, then the second of every recording, and so on."""
    seen: Counter[str] = Counter()
    ranked = []
    for detection in ordered:
        ranked.append((seen[detection.file], detection))
        seen[detection.file] += 1
    return [detection for _, detection in sorted(ranked, key=lambda pair: pair[0])]


def _heard(picked: Sequence[tuple[Detection, str]], digests: Mapping[str, str], *, progress: bool) -> list[Window]:
    """The windows with their sounds, without pictures.

    Recordings that cannot be read, or have other `digests` now, are warned of.
    """
    windows, problems = [], []
    by_name: dict[str, list[Path]] = defaultdict(list)
    for known in map(Path, digests):
        by_name[known.name].append(known)
    with audio.isolated():
        for detection, why in track(picked, "Reading windows", total=len(picked), show=progress):
            path, start_s, end_s = _found(detection.file, by_name), detection.start_s, detection.end_s
            try:
                place = os.path.realpath(path)
                if place in digests and file_digest(place) != digests[place]:
                    raise AuricleError(f"{path}: it was changed after the prediction; predict it again")
                waveform, own = audio.read(path, start_s=start_s, end_s=end_s)
            except AuricleError as error:
                problems.append(str(error))
                continue
            rate = min(max(own, LOWEST_RATE), HIGHEST_RATE)
            said = detection.label, detection.probability, why
            windows.append(Window(path, start_s, end_s, *said, audio.resample(waveform, own, rate), rate, np.empty(0)))
    if not windows:
        raise AuricleError(f"none of the windows can be heard: {problems[0]}")
    if problems:
        reasons = list(dict.fromkeys(problems))
        more = f"; and {len(reasons) - _LISTED} more" if len(reasons) > _LISTED else ""
        left_out = f"{those_counted(len(problems), 'window')} left out: {'; '.join(reasons[:_LISTED])}{more}"
        warnings.warn(AuricleWarning(left_out), stacklevel=2)
    return windows


def _found(file: str, by_name: Mapping[str, Sequence[Path]]) -> str:
    """The absolute path of a recording that a table calls `file`.

    A relative path is from the folder where the prediction was made, which may be another one than this: it is that of
    the recordings predicted, by their names, which ends in the same way, if there is one.
    """
    here = as_named(os.path.abspath(file))
    known = by_name.get(Path(file).name, ())
    if os.path.isabs(file) or Path(os.path.realpath(here)) in known:
        return here
    end = tuple(part for part in Path(os.path.normpath(file)).parts if part != os.pardir)
    alike = [place for place in known if place.parts[-len(end) :] == end]
    return str(alike[0]) if len(alike) == 1 else here


def _seen(windows: Sequence[Window]) -> tuple[list[Window], np.ndarray]:
    """The windows with pictures of the same bands, and their centre frequencies in Hz.

    The bands reach up to nearly half of the highest sample rate.
    """
    rate = max(window.sample_rate for window in windows)
    frontend = create_frontend(
        "mel", sample_rate=rate, n_filters=N_BANDS, min_freq_hz=LOWEST_HZ, max_freq_hz=TOP * rate
    )
    pictured = []
    for window in windows:
        waveform = torch.from_numpy(audio.resample(window.waveform, window.sample_rate, rate))
        with torch.no_grad():
            pictured.append(window._replace(spectrogram=frontend(waveform[None])[0].numpy()))
    return pictured, spaced_freqs(N_BANDS + 2, LOWEST_HZ, TOP * rate)[1:-1]


def with_reviewed(
    manifest: Manifest, path: str, split_options: SplitOptions = SplitOptions(), *, progress: bool = False
) -> Manifest:
    """`manifest` with the windows of a table that a review page saved, as clips to learn from.

    Accepted and corrected windows have their labels; those with none of the sounds are clips without a label, in
    multi-label data; rejected ones say only what they are not, and are left out. So are windows of recordings that are
    in another split than the training split, or in the fold that is left out. Windows of a recording stay together in
    one split. With one label per clip, a clip of `manifest` makes way for a window of it that has another label. Raises
    `AuricleError` for another table, if nothing in it can be learnt from, and for windows that contradict each other.
    """
    rows = csv_records(Path(path))
    missing = {"path", "start", "end", "label", "verdict"}.difference(rows[0])
    if missing:
        raise AuricleError(f"{path}: not a table of a review page, it has no column {', '.join(sorted(missing))}")
    verdicts = (ACCEPTED, CORRECTED, NONE, REJECTED)
    for row in rows:
        if row["verdict"] not in verdicts:
            raise AuricleError(f"{path}: {unknown_name('verdict', row['verdict'], verdicts)}")
    wanted = {ACCEPTED, CORRECTED} | ({NONE} if manifest.multi_label else set())
    heard = read_manifest(path, multi_label=True, remedy="leave their rows out", progress=progress)
    nameless = [
        clip.name
        for clip, row in zip(heard, rows, strict=True)
        if row["verdict"] in (ACCEPTED, CORRECTED) and not clip.labels
    ]
    if nameless:
        raise AuricleError(f"{path}: {nameless[0]} is accepted or corrected, but has no label")
    split = split_name(split_options.train_split) if manifest.splits else None
    right = [
        replace(clip, split=split, group=f"reviewed {clip.path}")
        for clip, row in zip(heard, rows, strict=True)
        if row["verdict"] in wanted
    ]
    if not right:
        raise AuricleError(f"{path}: no window is accepted or corrected")
    added = of_other_recordings(right, put_aside(manifest, split_options))
    if not added:
        raise AuricleError(
            f"{path}: all {len(right)} windows to learn from are of recordings that {manifest.source} puts aside, "
            f"first {right[0].name}: review other recordings"
        )
    if not manifest.multi_label and any(len(clip.labels) > 1 for clip in added):
        raise AuricleError(f"{path}: a window has several labels, and the clips of {manifest.source} have one each")
    kept = manifest.clips
    if not manifest.multi_label:
        for clip, same in zip(added, sharing(added, added), strict=True):
            if other := next((other for other in same if other.labels != clip.labels), None):
                raise AuricleError(f"{path}: {clip.name} and {other.name} overlap, and have different labels")
        kept = tuple(
            clip
            for clip, same in zip(kept, sharing(kept, added), strict=True)
            if all(window.labels == clip.labels for window in same)
        )
    if progress and len(kept) < len(manifest):
        those = those_counted(len(manifest) - len(kept), "clip")
        print(f"note: {those} left out: a reviewed window of theirs has another label")
    if progress:
        print(f"note: {len(added)} reviewed windows join the clips, of {len(rows)} verdicts in {shown_path(path)}")
        if len(added) < len(right):
            those = those_counted(len(right) - len(added), "reviewed window")
            print(f"note: {those} left out: of recordings that are put aside")
    return replace(manifest, clips=(*kept, *added))
