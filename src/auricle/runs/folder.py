"""Run folders: what a training leaves behind, and how an interrupted one is recognised.

config.json  model.safetensors  labels.json   the model (`auricle.load`)
settings.yaml                                 the command's settings, to be given again with --config
clips.csv                                     every clip and its split: train, valid or test
history.csv  metrics.json  README.md  plots/  how training went, what came out, and a model card
run.json                                      epochs, hours, versions, seed, machine, command; written when all is done
evaluation/                                   what `auricle evaluate` wrote
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from auricle.errors import AuricleError
from auricle.files import write_text

SETTINGS, CLIPS, FINISHED, UNFINISHED = "settings.yaml", "clips.csv", "run.json", "checkpoints/last.ckpt"
_NOT_COMPARED = ("output", "overwrite")


def open_run(folder: str | Path, settings: dict[str, Any], overwrite: bool = False, begun: str = UNFINISHED) -> Path:
    """Make `folder` ready for a training with `settings`, new or interrupted: then it holds the file or folder `begun`.

    A folder that holds a finished run, an unfinished one with other settings, or files that are no run's, is an
    `AuricleError`; with `overwrite` such a run (but no other files) is removed first.
    """
    folder = Path(folder)
    own = {key: value for key, value in settings.items() if key not in _NOT_COMPARED}
    if folder.exists() and not folder.is_dir():
        raise AuricleError(f"{folder} is a file: give a folder for the run")
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / SETTINGS).is_file():
            raise AuricleError(f"{folder} holds files that are not a run's: give another --output")
        finished, unfinished = (folder / FINISHED).is_file(), (folder / begun).exists()
        changes = [f"{key} was {was!r} and is {now!r}" for key, (was, now) in changed_settings(folder, own).items()]
        if overwrite and (finished or changes or not unfinished):
            shutil.rmtree(folder)
        elif finished:
            raise AuricleError(f"{folder} holds a finished run: give another --output, or --overwrite")
        elif unfinished and changes:
            raise AuricleError(
                f"{folder} holds an unfinished run with other settings ({', '.join(changes)}): repeat its settings to "
                "go on, or give another --output, or --overwrite"
            )
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / SETTINGS, yaml.safe_dump(own, sort_keys=False, allow_unicode=True))
    return folder


def changed_settings(folder: Path, settings: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What differs from the settings that `folder` was begun with: dotted names with the value then and now."""
    before = _flat(yaml.safe_load((folder / SETTINGS).read_text(encoding="utf-8")) or {})
    now = _flat(yaml.safe_load(yaml.safe_dump(settings)))
    return {key: (before.get(key), now.get(key)) for key in {**before, **now} if before.get(key) != now.get(key)}


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted names."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return flat
