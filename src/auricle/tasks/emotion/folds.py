"""Leave-one-speaker-out folds: one speaker for testing, the partner for validation, the others for training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from auricle.config import DataOptions
from auricle.data.clips import Clip
from auricle.data.copies import without_copies
from auricle.data.labels import refuse_label_errors
from auricle.data.manifest import Manifest
from auricle.data.manifest_file import csv_records
from auricle.data.reading import read_data
from auricle.errors import AuricleError, counted, shown_path
from auricle.identity import file_names
from auricle.registry import unknown_name

SESSION_COLUMN = "session"


@dataclass(frozen=True)
class Fold:
    """The test speaker, the validation speaker, and the training speakers."""

    test: str
    valid: str
    train: tuple[str, ...]
    folder: str
    """The name of its folder, made of the test speaker's."""

    def clips(self, manifest: Manifest, split: str) -> tuple[Clip, ...]:
        """The clips of split "train", "valid" or "test", without copies of clips in later splits of that order."""
        speakers = {"train": self.train, "valid": (self.valid,), "test": (self.test,)}
        places = list(speakers)
        later = [name for other in places[places.index(split) + 1 :] for name in speakers[other]]
        return without_copies(
            (clip for clip in manifest if clip.group in speakers[split]),
            (clip for clip in manifest if clip.group in later),
        )


def read_speakers(source: str, options: DataOptions = DataOptions(), *, progress: bool = False) -> Manifest:
    """Read clips grouped by speaker; the default group column is `speaker`."""
    manifest = read_data(source, replace(options, group_column=options.group_column or "speaker"), progress=progress)
    nobody = [clip.name for clip in manifest if not clip.group]
    if nobody:
        raise AuricleError(f"{source}: {counted(len(nobody), 'clip')} without a speaker, first {nobody[0]}")
    if manifest.multi_label:
        raise AuricleError(f"{source}: some clips have several labels or none; one emotion each is learnt")
    refuse_label_errors(source, manifest.label_names)
    return manifest


def speakers_of(manifest: Manifest) -> list[str]:
    """All speakers, sorted."""
    return sorted({clip.group or "" for clip in manifest})


def sessions_of(manifest: Manifest) -> dict[str, str]:
    """The session of each speaker, from the manifest's column `session`; empty without one."""
    source = Path(manifest.source)
    if not source.is_file():
        return {}
    records = csv_records(source)
    if SESSION_COLUMN not in records[0]:
        return {}
    by_path = {shown_path(record.get("path", "")): record[SESSION_COLUMN] for record in records}
    sessions: dict[str, str] = {}
    for clip in manifest:
        session = by_path.get(clip.file, "")
        if not session or sessions.setdefault(clip.group or "", session) != session:
            raise AuricleError(f"{source}: the speaker of {clip.name} has no session, or more than one")
    return sessions


def partners(speakers: Sequence[str], sessions: dict[str, str], pairs: Sequence[str] = ()) -> dict[str, str]:
    """Each speaker's partner: from the same pair ("03-08"), else from the same session.

    Without pairs and sessions, neighbours in the order of names are partners; if the number of speakers is odd, the
    partner of the last is the first.
    """
    groups: list[list[str]]
    if pairs:
        groups = [text.split("-") for text in pairs]
        strange = [name for group in groups for name in group if name not in speakers]
        if strange:
            raise AuricleError(f"pairs {' '.join(pairs)}: {unknown_name('speaker', strange[0], speakers)}")
    elif sessions:
        by_session = defaultdict(list)
        for speaker in speakers:
            by_session[sessions[speaker]].append(speaker)
        groups = list(by_session.values())
    else:
        groups = [list(speakers[k : k + 2]) for k in range(0, len(speakers) - 1, 2)]
    for group in groups:
        if len(group) != 2 or group[0] == group[1]:
            raise AuricleError(f"{' '.join(group)}: a pair or a session is of two speakers, not {len(set(group))}")
    found = {a: b for group in groups for a, b in (group, group[::-1])}
    if len(found) < 2 * len(groups):
        raise AuricleError(f"pairs {' '.join(pairs)}: a speaker is in more than one")
    if not pairs and not sessions and len(speakers) % 2:
        found[speakers[-1]] = speakers[0]
    missing = [speaker for speaker in speakers if speaker not in found]
    if missing:
        raise AuricleError(f"pairs {' '.join(pairs)}: no partner for {', '.join(missing)}")
    return found


def plan_folds(manifest: Manifest, pairs: Sequence[str] = (), only: Sequence[str] = ()) -> list[Fold]:
    """Plan a fold for each speaker in the order of names, or for each of `only`."""
    speakers = speakers_of(manifest)
    if len(speakers) < 3:
        raise AuricleError(
            f"{manifest.source}: {len(speakers)} speakers; at least 3 are needed, for testing, validation and training"
        )
    partner = partners(speakers, {} if pairs else sessions_of(manifest), pairs)
    for speaker in only:
        if speaker not in partner:
            raise AuricleError(unknown_name("speaker", speaker, speakers))
        if only.count(speaker) > 1:
            raise AuricleError(
                f"speakers {' '.join(only)}: {speaker!r} is there {only.count(speaker)} times, name it once"
            )
    labels = set(manifest.label_names)
    folders = file_names(speakers)
    folds = []
    for test in only or speakers:
        rest = tuple(speaker for speaker in speakers if speaker not in (test, partner[test]))
        fold = Fold(test, partner[test], rest, folders[test])
        lacking = labels - {label for clip in fold.clips(manifest, "train") for label in clip.labels}
        if lacking:
            raise AuricleError(
                f"{manifest.source}: without {test} and {partner[test]} nobody is {sorted(lacking)[0]!r}"
            )
        folds.append(fold)
    return folds
