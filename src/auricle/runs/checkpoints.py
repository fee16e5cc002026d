"""Checkpoints of an unfinished training: the states after its best and its last epoch."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint

from auricle.errors import AuricleError
from auricle.files import replacing
from auricle.readers import checked
from auricle.systems.checkpoints import read_checkpoint

_CHECKPOINT = {
    "epoch": int,
    "global_step": int,
    "state_dict": dict,
    "loops": dict,
    "callbacks": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
    "pytorch-lightning_version": str,
}


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its path, to the disk, and then renames it.

    Lightning itself writes into the system's temporary folder, and copies from there if that is another file system.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with replacing(path) as partial:
            try:
                partial.write_bytes(content.getbuffer())
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(path)) from None

    def load_checkpoint(self, path: str | os.PathLike[str], *arguments: Any, **options: Any) -> dict[str, Any]:
        """The checkpoint, of which only tensors and plain values are read; an `AuricleError` if it is none."""
        return read_checkpoint(path)


class Kept(ModelCheckpoint):
    """The checkpoint called `name` in `folder`, which is found again if the folder has moved."""

    def __init__(self, folder: Path, name: str, **options: Any) -> None:
        super().__init__(folder, filename=name, enable_version_counter=False, **options)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        before, here = str(state_dict["dirpath"]), str(self.dirpath)
        super().load_state_dict(_moved(state_dict, before, here))


def _moved(value: Any, before: str, here: str) -> Any:
    """`value` with the paths in the folder `before` changed to those in `here`."""
    if isinstance(value, dict):
        return {_moved(key, before, here): _moved(item, before, here) for key, item in value.items()}
    if isinstance(value, str) and (value == before or value.startswith(before + os.sep)):
        return here + value.removeprefix(before)
    return value


def check_unfinished(path: Path) -> int:
    """The number of steps done in a checkpoint; an `AuricleError` if it cannot be resumed, or would run code.

    The checkpoint of the best epoch is beside it, and must be readable if there has been such an epoch.
    """
    try:
        state = checked(read_checkpoint(path), _CHECKPOINT, path)
        best = path.with_name("best.ckpt")
        kept = [own.get("best_model_path") for own in state["callbacks"].values() if isinstance(own, dict)]
        if any(Path(str(other)).name == best.name for other in kept):
            read_checkpoint(best)
    except AuricleError as error:
        raise AuricleError(f"{error}: remove {path.parent.parent} and begin again") from None
    return int(state["global_step"])
