"""Published AudioMAE checkpoints as systems of this package."""

from __future__ import annotations

from itertools import count, takewhile
from pathlib import Path
from typing import Any

from torch import Tensor

from auricle.errors import AuricleError
from auricle.systems.audiomae.system import AudioMAE
from auricle.systems.published import check_weights, conversion_of, read_state_dict

_N_BANDS = 128
_HEAD_WIDTH = 64


@conversion_of("an AudioMAE")
def from_published(path: str | Path) -> AudioMAE:
    """Convert a checkpoint of AudioMAE's pre-training, with its decoder; no code from it is run.

    Sizes and the type of the decoder are inferred from the checkpoint. It does not contain the number of bands, for
    which 128 is assumed, nor the number of heads: 1 for every 64 channels in the encoder, 16 in a plain decoder.
    Raises an `AuricleError` if the file is no such checkpoint.
    """
    weights = read_state_dict(path)
    model = AudioMAE.build(size=_size(path, weights))
    check_weights(path, "an AudioMAE", weights, model.network.state_dict())
    model.network.load_state_dict(weights)
    return model.eval()


def _size(path: str | Path, weights: dict[str, Tensor]) -> dict[str, Any]:
    """The sizes, inferred from the shapes of the checkpoint's entries."""
    needed = ("patch_embed.proj.weight", "pos_embed", "decoder_embed.weight", "decoder_blocks.0.norm1.weight")
    for name in needed:
        if name not in weights:
            raise AuricleError(f"{path}: not a checkpoint of AudioMAE with its decoder: it lacks {name!r}")
    width, _, patch, _ = weights["patch_embed.proj.weight"].shape
    n_patches = weights["pos_embed"].shape[1] - 1
    tau = weights.get("decoder_blocks.0.attn.tau")
    return {
        "n_frames": n_patches * patch**2 // _N_BANDS,
        "n_bands": _N_BANDS,
        "patch": patch,
        "width": width,
        "depth": _depth(weights, "blocks"),
        "heads": width // _HEAD_WIDTH,
        "decoder": "transformer" if tau is None else "swin",
        "decoder_width": len(weights["decoder_embed.weight"]),
        "decoder_depth": _depth(weights, "decoder_blocks"),
        "decoder_heads": 16 if tau is None else len(tau),
    }


def _depth(weights: dict[str, Tensor], blocks: str) -> int:
    return len(list(takewhile(lambda index: f"{blocks}.{index}.norm1.weight" in weights, count())))
