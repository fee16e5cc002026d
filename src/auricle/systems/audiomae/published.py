"""Published AudioMAE checkpoints as systems of this package."""

from __future__ import annotations

from itertools import count, takewhile
from pathlib import Path
from typing import Any

from torch import Tensor

from auricle.errors import AuricleError
from auricle.systems.audiomae.system import AudioMAE
from auricle.systems.published import check_weights, read_state_dict

_N_BANDS = 128
_HEAD_WIDTH = 64


def from_published(path: str | Path) -> AudioMAE:
    """The system of a checkpoint of AudioMAE's pre-training, of encoder and decoder; no code of it is run.

    Sizes and the decoder's kind are the checkpoint's; what it does not tell are 128 bands, heads of 64 in the encoder,
    and 16 heads in a decoder of plain blocks.
    """
    weights = read_state_dict(path)
    model = AudioMAE.build(size=_size(path, weights))
    check_weights(path, "an AudioMAE", weights, model.network.state_dict())
    model.network.load_state_dict(weights)
    return model.eval()


def _size(path: str | Path, weights: dict[str, Tensor]) -> dict[str, Any]:
    """The sizes that the checkpoint's entries tell."""
    needed = ("patch_embed.proj.weight", "pos_embed", "decoder_embed.weight", "decoder_blocks.0.norm1.weight")
    for name in needed:
        if name not in weights:
            raise AuricleError(f"{path}: not an AudioMAE's pre-training with its decoder: it lacks {name!r}")
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
