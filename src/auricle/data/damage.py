"""What is done about damaged clips: they are used and said, but those with bad samples are not learnt from."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence

from auricle import audio
from auricle.errors import AuricleError, AuricleWarning, shown_path, those_counted

BAD_SAMPLES = "bad-samples"
_LISTED = 3


def report_damage(damaged: Mapping[str, Sequence[audio.Damage]], *, refuse_bad_samples: bool) -> None:
    """Say in one `AuricleWarning` which clips are damaged; `damaged` is the damage by the names of clips.

    With `refuse_bad_samples`, as in training, raises `AuricleError` if clips have samples that are not finite or beyond
    ±1e4.
    """
    bad = {name: [each for each in own if each.kind == BAD_SAMPLES] for name, own in damaged.items()}
    if refuse_bad_samples and any(bad.values()):
        raise AuricleError(f"cannot be learnt from: {_listed(bad)[1]}; correct them, or leave them out (--skip-bad)")
    n, listed = _listed(damaged)
    if n:
        warnings.warn(f"{those_counted(n, 'damaged clip')} used: {listed}", AuricleWarning, stacklevel=3)


def bad_samples(damage: Sequence[audio.Damage]) -> str:
    """The reason why a clip with this damage has bad samples; empty if it has none."""
    return next((each.reason for each in damage if each.kind == BAD_SAMPLES), "")


def reason_of(error: Exception, path: str | os.PathLike[str]) -> str:
    """The message of an error about a file without the file's path."""
    return str(error).removeprefix(f"{path}: ").removeprefix(f"{shown_path(path)}: ")


def _listed(damaged: Mapping[str, Sequence[audio.Damage]]) -> tuple[int, str]:
    """The number of damaged clips, and the first of them with what is wrong."""
    reasons = [f"{name}: {', '.join(each.reason for each in own)}" for name, own in damaged.items() if own]
    more = f"; and {len(reasons) - _LISTED} more" if len(reasons) > _LISTED else ""
    return len(reasons), "; ".join(reasons[:_LISTED]) + more
