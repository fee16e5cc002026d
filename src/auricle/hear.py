"""The interface of HEAR (Turian et al., 2022, https://hearbenchmark.com/hear-api.html) over every model that embeds.

model = auricle.hear.load_model("runs/mine")
scenes = auricle.hear.get_scene_embeddings(audio, model)
embeddings, timestamps_ms = auricle.hear.get_timestamp_embeddings(audio, model)
"""

from __future__ import annotations

import os

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle.data.windows import windows_at_once
from auricle.errors import AuricleError
from auricle.published import located
from auricle.systems.trnet import TRNet
from auricle.tasks.embedding.embedders import Embedder, open_embedder

TIMESTAMP_HOP_S = 0.05
TIMESTAMP_WINDOW_S = 1.0


class HearModel(nn.Module):
    """A model as HEAR takes it: `sample_rate` in Hz, `scene_embedding_size` and `timestamp_embedding_size`."""

    def __init__(self, embedder: Embedder) -> None:
        super().__init__()
        self.module = embedder.module
        self.embedder = embedder
        self.sample_rate = embedder.sample_rate
        with torch.no_grad():
            silence = torch.zeros(1, embedder.window, device=embedder.device)
            self.scene_embedding_size = self.timestamp_embedding_size = embedder.function(silence).shape[1]
        self.eval()

    def forward(self, sound: Tensor, starts: Tensor, window: int) -> Tensor:
        """Vectors `(n, size)` of the windows of `sound` `(samples,)` that begin at `starts` `(n,)`, some at a time."""
        parts = starts.split(windows_at_once(window))
        windows = (torch.stack([sound[start : start + window] for start in part]) for part in parts)
        vectors = torch.cat([self.embedder.function(some.to(self.embedder.device)) for some in windows])
        if not torch.isfinite(vectors).all():
            raise AuricleError("the model's embedding of this audio has values that are NaN or infinite")
        return vectors


def load_model(model_file_path: str | os.PathLike[str]) -> HearModel:
    """The model of a run folder, or of the name of a published model or front-end, on the CPU; see `open_embedder`."""
    return HearModel(open_embedder(located(os.fspath(model_file_path)), "cpu"))


@torch.no_grad()
def get_scene_embeddings(audio: Tensor, model: HearModel) -> Tensor:
    """One vector for each sound: `(sounds, samples)` at `model.sample_rate` to `(sounds, scene_embedding_size)`.

    It is the mean over consecutive windows as long as the model's, of which the last is completed by zeros.
    """
    window = model.embedder.window
    n_windows = -(-_checked(audio).shape[1] // window)
    padded = F.pad(audio, (0, n_windows * window - audio.shape[1]))
    starts = window * torch.arange(n_windows)
    return torch.stack([model(sound, starts, window).mean(0) for sound in padded])


@torch.no_grad()
def get_timestamp_embeddings(audio: Tensor, model: HearModel) -> tuple[Tensor, Tensor]:
    """A vector every 50 ms: `(sounds, samples)` to `(sounds, timestamps, timestamp_embedding_size)`.

    Also returns the timestamps in ms, `(sounds, timestamps)`: each is the centre of a window of 1 s, or of the model's
    if that is shorter or cannot be changed, beyond whose ends the sound is continued by zeros.
    """
    rate = model.sample_rate
    window = model.embedder.window
    if not isinstance(model.module, TRNet):
        window = min(window, round(TIMESTAMP_WINDOW_S * rate))
    times_s = torch.arange(0.0, _checked(audio).shape[1] / rate, TIMESTAMP_HOP_S, dtype=torch.float64)
    starts = (times_s * rate).round().long()
    padded = F.pad(audio, (window // 2, window))
    embeddings = torch.stack([model(sound, starts, window) for sound in padded])
    return embeddings, (1e3 * times_s).float().expand(len(audio), -1).clone()


def _checked(audio: Tensor) -> Tensor:
    if not isinstance(audio, Tensor):
        raise AuricleError(f"audio is a tensor, not a {type(audio).__name__}; torch.as_tensor makes one of an array")
    if audio.ndim != 2 or not audio.is_floating_point() or not audio.numel():
        raise AuricleError(f"audio is floats of shape (sounds, samples), not {audio.dtype} of {tuple(audio.shape)}")
    if not torch.isfinite(audio).all():
        raise AuricleError("audio has samples that are NaN or infinite")
    return audio


__all__ = ["HearModel", "get_scene_embeddings", "get_timestamp_embeddings", "load_model"]
