"""Run folders: what a training leaves behind, and how an interrupted one is recognised.

config.json  model.safetensors  labels.json   the model (`auricle.load`)
settings.yaml                                 the options of the training, to be given again with --config
inputs.json                                   digests of the models and recordings that were used beside the clips
clips.csv                                     every clip and its split: train, valid or test
history.csv  metrics.json  README.md  plots/  how training went, what came out, and a model card
run.json                                      epochs, hours, versions, seed, machine, command; written when all is done
evaluation/                                   what `auricle evaluate` wrote
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from auricle.config import RunOptions
from auricle.errors import AuricleError
from auricle.files import write_json, write_text

SETTINGS, INPUTS, CLIPS = "settings.yaml", "inputs.json", "clips.csv"
FINISHED, UNFINISHED = "run.json", "checkpoints/last.ckpt"
_NOT_KEPT = ("output", "overwrite", "quiet")


def open_run(options: RunOptions, inputs: Mapping[str, str] | None = None, begun: str = UNFINISHED) -> Path:
    """Make the folder `options.output` ready for a training, new or interrupted; the folder.

    It holds an interrupted training if the file or folder `begun` is there. `inputs` are digests of the models and
    recordings that the training uses beside its clips: an interrupted one goes on with the same.

    Raises `AuricleError` for a folder that holds a finished run, an unfinished one of other settings or inputs, or
    files that are no run's; with `options.overwrite` such a run (but no other files) is removed first.
    """
    folder = Path(options.output)
    settings = {key: value for key, value in options.settings().items() if key not in _NOT_KEPT}
    if folder.exists() and not folder.is_dir():
        raise AuricleError(f"{folder} is a file: give a folder for the run")
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / SETTINGS).is_file():
            raise AuricleError(f"{folder} holds files that are not a run's: give another --output")
        finished, unfinished = (folder / FINISHED).is_file(), (folder / begun).exists()
        changes = changes_of_run(options, inputs)
        if options.overwrite and (finished or changes or not unfinished):
            shutil.rmtree(folder)
        elif finished:
            raise AuricleError(f"{folder} holds a finished run: give another --output, or --overwrite")
        elif unfinished and changes:
            raise AuricleError(
                f"{folder} holds an unfinished run with other settings ({', '.join(changes)}): repeat its settings to "
                "go on, or give another --output, or --overwrite"
            )
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / SETTINGS, yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
    write_json(folder / INPUTS, dict(inputs or {}))
    return folder


def changes_of_run(options: RunOptions, inputs: Mapping[str, str] | None = None) -> list[str]:
    """What differs between `options` and `inputs` and those of the run in `options.output`; nothing for the same."""
    folder = Path(options.output)
    settings = {key: value for key, value in options.settings().items() if key not in _NOT_KEPT}
    return _changes(folder, settings, options.path_options) + _other_inputs(folder, inputs or {})


def _other_inputs(folder: Path, inputs: Mapping[str, str]) -> list[str]:
    """Which inputs are not those that `folder` was begun with, as 'tagger has other contents'."""
    path = folder / INPUTS
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return [f"{name} has other contents" for name in {**before, **inputs} if before.get(name) != inputs.get(name)]


def _changes(folder: Path, settings: dict[str, Any], paths: Sequence[str]) -> list[str]:
    """What differs from the settings that `folder` was begun with, as 'seed was 0 and is 1'; but for `paths`."""
    before = _flat(yaml.safe_load((folder / SETTINGS).read_text(encoding="utf-8")) or {})
    now = _flat(yaml.safe_load(yaml.safe_dump(settings)))
    return [
        f"{key} was {before.get(key)!r} and is {now.get(key)!r}"
        for key in {**before, **now}
        if key not in paths and before.get(key) != now.get(key)
    ]


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted names."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return flat
