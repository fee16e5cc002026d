"""Reading PyTorch checkpoints without running any code from them."""

from __future__ import annotations

import os
import pickle
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from auricle.errors import AuricleError, first_line


def read_checkpoint(path: str | os.PathLike[str], plain: Sequence[Any] = ()) -> Any:
    """The content of a checkpoint on the CPU: tensors, plain values and objects of the classes `plain`.

    Raises `AuricleError` for a damaged file, and for one that holds anything else, whatever the environment says.
    """
    if not Path(path).is_file():
        raise AuricleError(f"{path}: there is no such checkpoint")
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                    raise AuricleError(f"{path}: not a PyTorch checkpoint, its members are compressed")
        with warnings.catch_warnings(), torch.serialization.safe_globals(list(plain)):
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            return torch.load(path, map_location="cpu", weights_only=True)
    except AuricleError:
        raise
    except pickle.UnpicklingError:
        raise AuricleError(
            f"{path}: holds more than tensors, or is no PyTorch checkpoint; save its state_dict() alone, as the "
            "published training does"
        ) from None
    except Exception as error:
        first = first_line(error)
        raise AuricleError(f"{path}: not a PyTorch checkpoint ({first or type(error).__name__})") from None
