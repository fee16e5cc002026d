"""Run folders: their files, and how finished and interrupted runs are recognised.

config.json  model.safetensors  labels.json   the model (auricle.load)
settings.yaml                                 the options of the training, a file for --config
inputs.json                                   digests of the models and recordings used besides the clips
clips.csv                                     every clip and its split: train, valid or test
history.csv  metrics.json  README.md  plots/  losses by epoch, validation metrics, and the model card
run.json                                      epochs, hours, versions, seed, machine, command; written last
evaluation/                                   results of auricle evaluate
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from auricle.config import RunOptions
from auricle.data.reading import data_name
from auricle.errors import AuricleError, shown_path
from auricle.files import is_partial, partial_folder, remove_partials, write_json, write_text
from auricle.progress import first_process
from auricle.readers import read_json, read_yaml, yaml_text, yaml_value
from auricle.runs import processes
from auricle.runs.folder_lock import folder_lock, lock_path

SETTINGS, INPUTS, CLIPS = "settings.yaml", "inputs.json", "clips.csv"
CHECKPOINTS = "checkpoints"
FINISHED, UNFINISHED = "run.json", f"{CHECKPOINTS}/last.ckpt"
OF_A_RUN = frozenset({
    SETTINGS, INPUTS, CLIPS, CHECKPOINTS, FINISHED, "README.md", "anchors", "anchors.csv", "calibration.json",
    "config.json", "enhancer", "evaluation", "folds", "history.csv", "labels.json", "metrics.json", "mlruns",
    "model.safetensors", "noises.csv", "plots", "predictions.csv", "report.html", "representations.npz", "results.csv",
    "results.json", "table.md", "teacher", "tensorboard", "wandb",
})  # fmt: skip
"""What trainings and evaluations write into a run folder; anything else in it is the user's."""
_LOCK = "training"
_NOT_KEPT = ("output", "overwrite", "quiet", "download")


@contextmanager
def open_run(options: RunOptions, inputs: Mapping[str, str] | None = None, begun: str = UNFINISHED) -> Iterator[Path]:
    """Context manager: the folder `options.output`, prepared for a new training or to resume one, and locked.

    The folder holds an interrupted training if the file or folder `begun` exists in it. `inputs` are digests of the
    models and recordings that the training uses besides its clips; resuming requires the same inputs. A training that
    was interrupted after its last result is only tidied up: it has `FINISHED`. A new training that fails before `begun`
    exists leaves no folder behind. Of several processes of one training the first prepares the folder.

    Raises `AuricleError` for a folder in which another process trains, that holds a finished run, an unfinished run
    with other settings or inputs, or files that are not a run's. With `options.overwrite` such a run (but no other
    files) is removed first.
    """
    folder = Path(options.output)
    processes.join()
    if not first_process():
        processes.follow_first()
        yield folder
        return
    with ExitStack() as stack:
        with processes.leading():
            _refuse_other_files(folder)
            new = [path for path in (folder, *folder.parents) if not path.exists()]
            stack.enter_context(folder_lock(folder, _LOCK))
            _prepare(folder, options, inputs or {}, begun)
        try:
            yield folder
        except AuricleError:
            if folder in new and not (folder / begun).exists():
                _remove(folder, new)
            raise


def _remove(folder: Path, new: Sequence[Path]) -> None:
    """Remove `folder`, and those of the folders above it that are `new` and empty."""
    shutil.rmtree(folder)
    with suppress(OSError):
        for path in new[1:]:
            path.rmdir()


def _refuse_other_files(folder: Path) -> None:
    """Raise `AuricleError` for a file, or a folder with files that are not a run's."""
    if folder.exists() and not folder.is_dir():
        raise AuricleError(f"{folder} is a file: give a folder for the run")
    if not folder.is_dir() or _is_of_training(folder / SETTINGS):
        return
    if any(path != lock_path(folder, _LOCK) and not is_partial(path) for path in folder.iterdir()):
        raise AuricleError(f"{folder} holds files that are not a run's: give another --output")


def _is_of_training(settings: Path) -> bool:
    """Whether it is a file with the options of a training, all of which have a seed, and sounds to learn from."""
    try:
        found = read_yaml(settings) if settings.is_file() else {}
    except AuricleError:
        return False
    return "seed" in found and bool({"data", "speech"} & set(found))


def _prepare(folder: Path, options: RunOptions, inputs: Mapping[str, str], begun: str) -> None:
    """Refuse, resume or replace what the locked `folder` holds, and write the settings and the inputs."""
    _refuse_other_files(folder)
    finished, unfinished = (folder / FINISHED).is_file(), (folder / begun).exists()
    remove_partials(folder, below=True)
    if (folder / SETTINGS).is_file():
        changes = changes_of_run(options, inputs)
        if finished and (folder / CHECKPOINTS).exists() and not changes:
            discard_checkpoints(folder)
            return
        if options.overwrite and (finished or changes or not unfinished):
            _refuse_own_inputs(folder, options)
            _empty(folder)
        elif finished:
            raise AuricleError(f"{folder} holds a finished run: give another --output, or --overwrite")
        elif unfinished and changes:
            raise AuricleError(
                f"{folder} holds an unfinished run with other settings ({', '.join(changes)}): repeat its settings to "
                "resume, or give another --output, or --overwrite"
            )
    write_text(folder / SETTINGS, yaml_text(_kept(options)))
    write_json(folder / INPUTS, dict(inputs))


def _refuse_own_inputs(folder: Path, options: RunOptions) -> None:
    """Raise `AuricleError` if a model or data that the training uses are the run in `folder`, or a part of it."""
    settings, run = flattened(options.settings()), Path(os.path.realpath(folder))
    for name in options.path_options:
        given = settings.get(name) or []
        for source in [given] if isinstance(given, str) else given:
            place = Path(os.path.realpath(data_name(source)[1]))
            if place == run or (place.is_relative_to(run) and place.relative_to(run).parts[0] in OF_A_RUN):
                raise AuricleError(
                    f"{folder} holds {shown_path(source)}, which the training uses: give another --output, so that it "
                    "is not lost"
                )


def _empty(folder: Path) -> None:
    """Remove a run from its locked folder, its settings last, so that an interruption leaves a folder of a run."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name != FINISHED):
        if path.name in OF_A_RUN and path.name != SETTINGS:
            _discard(path)
    (folder / SETTINGS).unlink()


def discard_checkpoints(folder: Path) -> None:
    """Remove the checkpoints, which are needed only to resume a training."""
    if (folder / CHECKPOINTS).exists():
        _discard(folder / CHECKPOINTS)


def _discard(path: Path) -> None:
    """Remove a file or folder at once: an interruption leaves no part of a folder under its name."""
    with partial_folder(path.parent) as away:
        os.replace(path, away / path.name)


def changes_of_run(options: RunOptions, inputs: Mapping[str, str] | None = None) -> list[str]:
    """How `options` and `inputs` differ from those of the run in `options.output`; empty if they do not."""
    folder = Path(options.output)
    return _changes(folder, _kept(options), options.path_options) + _other_inputs(folder, inputs or {})


def _kept(options: RunOptions) -> dict[str, Any]:
    """The options that settings.yaml holds."""
    return {key: value for key, value in options.settings().items() if key not in _NOT_KEPT}


def read_inputs(folder: Path) -> dict[str, str]:
    """The digests of the models and recordings that the run used besides its clips, by option; without a file none."""
    path = folder / INPUTS
    return read_json(path, {"*": str}) if path.is_file() else {}


def _other_inputs(folder: Path, inputs: Mapping[str, str]) -> list[str]:
    """Inputs that differ from those of the run in `folder`, such as 'tagger has other contents'."""
    before = read_inputs(folder)
    return [f"{name} has other contents" for name in {**before, **inputs} if before.get(name) != inputs.get(name)]


def _changes(folder: Path, settings: dict[str, Any], paths: Sequence[str]) -> list[str]:
    """Settings that differ from those of the run in `folder`, such as 'seed was 0 and is 1'; ignores `paths`."""
    before = flattened(read_yaml(folder / SETTINGS))
    now = flattened(yaml_value(yaml_text(settings), "the settings"))
    return [
        f"{key} was {before.get(key)!r} and is {now.get(key)!r}"
        for key in {**before, **now}
        if key not in paths and before.get(key) != now.get(key)
    ]


def flattened(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted names."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= flattened(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return flat
