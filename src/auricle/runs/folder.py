"""Run folders: their files, and how finished and interrupted runs are recognised.

config.json  model.safetensors  labels.json   the model (`auricle.load`)
settings.yaml                                 the options of the training, a file for --config
inputs.json                                   digests of the models and recordings used besides the clips
clips.csv                                     every clip and its split: train, valid or test
history.csv  metrics.json  README.md  plots/  losses by epoch, validation metrics, and the model card
run.json                                      epochs, hours, versions, seed, machine, command; written last
evaluation/                                   results of `auricle evaluate`
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from auricle.config import RunOptions
from auricle.errors import AuricleError
from auricle.files import remove_partials, write_json, write_text
from auricle.readers import read_json, read_yaml, yaml_text, yaml_value

SETTINGS, INPUTS, CLIPS = "settings.yaml", "inputs.json", "clips.csv"
FINISHED, UNFINISHED = "run.json", "checkpoints/last.ckpt"
_NOT_KEPT = ("output", "overwrite", "quiet")


def open_run(options: RunOptions, inputs: Mapping[str, str] | None = None, begun: str = UNFINISHED) -> Path:
    """Prepare the folder `options.output` for a new training or for resuming an interrupted one; returns the folder.

    The folder holds an interrupted training if the file or folder `begun` exists in it. `inputs` are digests of the
    models and recordings that the training uses besides its clips; resuming requires the same inputs.

    Raises `AuricleError` for a folder that holds a finished run, an unfinished run with other settings or inputs, or
    files that are not a run's. With `options.overwrite` such a run (but no other files) is removed first.
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
                "resume, or give another --output, or --overwrite"
            )
    folder.mkdir(parents=True, exist_ok=True)
    remove_partials(folder, below=True)
    write_text(folder / SETTINGS, yaml_text(settings))
    write_json(folder / INPUTS, dict(inputs or {}))
    return folder


def changes_of_run(options: RunOptions, inputs: Mapping[str, str] | None = None) -> list[str]:
    """How `options` and `inputs` differ from those of the run in `options.output`; empty if they do not."""
    folder = Path(options.output)
    settings = {key: value for key, value in options.settings().items() if key not in _NOT_KEPT}
    return _changes(folder, settings, options.path_options) + _other_inputs(folder, inputs or {})


def _other_inputs(folder: Path, inputs: Mapping[str, str]) -> list[str]:
    """Inputs that differ from those of the run in `folder`, such as 'tagger has other contents'."""
    path = folder / INPUTS
    before = read_json(path, {"*": str}) if path.is_file() else {}
    return [f"{name} has other contents" for name in {**before, **inputs} if before.get(name) != inputs.get(name)]


def _changes(folder: Path, settings: dict[str, Any], paths: Sequence[str]) -> list[str]:
    """Settings that differ from those of the run in `folder`, such as 'seed was 0 and is 1'; ignores `paths`."""
    before = _flat(read_yaml(folder / SETTINGS))
    now = _flat(yaml_value(yaml_text(settings), "the settings"))
    return [
        f"{key} was {before.get(key)!r} and is {now.get(key)!r}"
        for key in {**before, **now}
        if key not in paths and before.get(key) != now.get(key)
    ]


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested settings to dotted names."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return flat
