"""Conversion of published ResUNet30 checkpoints."""

from __future__ import annotations

from itertools import count, takewhile
from pathlib import Path

from torch import Tensor

from auricle.errors import AuricleError
from auricle.systems.published import check_weights, conversion_of, read_state_dict
from auricle.systems.separator.system import Separator

_SEPARATOR = "ss_model."
_TRANSFORMS = ("base.stft.", "base.istft.")


@conversion_of("a ResUNet30")
def from_published(path: str | Path, *, hop_length: int = 320) -> Separator:
    """Convert a checkpoint of ResUNet30, alone or within a checkpoint of its training; no code from it is run.

    The query network and the optimiser of a training checkpoint are ignored. Channels, `n_fft` and `query_size` are
    inferred from the checkpoint, which does not contain `hop_length` (in samples). Raises an `AuricleError` if the file
    is no such checkpoint.
    """
    weights = read_state_dict(path)
    if any(name.startswith(_SEPARATOR) for name in weights):
        weights = {k.removeprefix(_SEPARATOR): v for k, v in weights.items() if k.startswith(_SEPARATOR)}
    weights = {name: value for name, value in weights.items() if not name.startswith(_TRANSFORMS)}
    model = Separator.build(size=_size(path, weights) | {"hop_length": hop_length})
    check_weights(path, "a ResUNet30", weights, model.network.state_dict())
    model.network.load_state_dict(weights)
    return model.eval()


def _size(path: str | Path, weights: dict[str, Tensor]) -> dict[str, object]:
    """The sizes, inferred from the shapes of the checkpoint's entries."""
    norm, first = "base.bn0.weight", "film.encoder_block1->conv_block1->beta1.weight"
    names = (f"base.encoder_block{index}.conv_block1.conv1.weight" for index in count(1))
    kernels = [weights[name] for name in takewhile(weights.__contains__, names)]
    lacking = [name for name in (norm, first) if name not in weights]
    if lacking or not kernels:
        raise AuricleError(
            f"{path}: not a ResUNet30: it lacks {(lacking or ['base.encoder_block1.conv_block1.conv1.weight'])[0]!r}"
        )
    return {
        "n_fft": 2 * (len(weights[norm]) - 1),
        "channels": [len(kernel) for kernel in kernels],
        "query_size": weights[first].shape[-1],
    }
