"""Models as embedders: what they make of a window, as one vector."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import Module

from auricle.config import require
from auricle.data.windows import MAX_WINDOW
from auricle.errors import AuricleError
from auricle.frontends import FRONTENDS, Frontend, create_frontend
from auricle.identity import key_of
from auricle.layers import first_tensor
from auricle.published import MODELS
from auricle.registry import did_you_mean
from auricle.runs.loading import usable_device
from auricle.runs.provenance import run_digest
from auricle.systems.audiomae import AudioMAE
from auricle.systems.audiomae.features import HOP_S
from auricle.systems.classifier.system import Classifier, evaluating
from auricle.systems.separator import Separator
from auricle.systems.system import load
from auricle.systems.trnet import TRNet
from auricle.tasks.classification.reading import full_batch
from auricle.tasks.emotion.predict import TRNetWindowClassifier
from auricle.tasks.open import refuse_folds

FRONTEND_WINDOW_S = 1.0


@dataclass
class Embedder:
    """Maps windows `(n, window)`, float32 at `sample_rate` Hz, to vectors `(n, size)`.

    `function` does so for tensors on the device of `module`. `short` is how a recording shorter than a window is
    lengthened, "pad" or "repeat"; `digest` identifies the model.
    """

    module: Module
    function: Callable[[Tensor], Tensor]
    sample_rate: int
    window: int
    digest: str
    short: str = "pad"
    batch_size: int | None = None
    frame_s: float | None = None

    def __post_init__(self) -> None:
        require(1 <= self.window <= MAX_WINDOW, f"a window of {self.window} samples: from 1 to {MAX_WINDOW}")

    @property
    def device(self) -> torch.device:
        """The device of the module's weights."""
        return first_tensor(self.module).device

    def vectors(self, windows: np.ndarray) -> np.ndarray:
        """`(n, window)` float32 to `(n, size)` float32."""
        with torch.no_grad(), evaluating(self.module):
            return self.function(torch.from_numpy(windows).to(self.device)).float().cpu().numpy()

    def run(self, windows: np.ndarray) -> tuple[np.ndarray, None]:
        """The vectors of up to `batch_size(self)` windows, each independent of the others to the bit, and no frames."""
        return self.vectors(full_batch(self, windows))[: len(windows)], None


def open_embedder(
    model: str | Path,
    device: str = "auto",
    *,
    window_s: float | None = None,
    frontend_options: Mapping[str, Any] | None = None,
) -> Embedder:
    """The embedder of a run folder or of a front-end's name.

    - a classifier: the backbone's embedding, the input of its head;
    - a separator: the embedding of its tagger, from which its queries are made;
    - TRNet: the representation that its classifier takes;
    - an audio masked autoencoder: the mean of its patches' tokens;
    - a front-end: the mean and the standard deviation of each band over the frames.

    `window_s` is the length of a window in seconds, by default the model's, of a front-end 1. Raises `AuricleError` for
    anything else, and for a window that the model cannot take.
    """
    require(window_s is None or 0 < window_s < float("inf"), f"window_s={window_s}: above 0")
    if not Path(model).is_dir():
        return _of_frontend(str(model), usable_device(device), window_s, dict(frontend_options or {}))
    require(not frontend_options, "frontend_options are those of a front-end, not of a run")
    refuse_folds(model)
    system = load(model, usable_device(device))
    digest = run_digest(model)
    if isinstance(system, Separator) and system.tagger is not None:
        system = system.tagger
    if isinstance(system, Classifier):
        window = system.window if window_s is None else _samples(window_s, system.sample_rate)
        return Embedder(system, system.embed, system.sample_rate, window, digest, system.short)
    if isinstance(system, TRNet):
        trnet = TRNetWindowClassifier.from_run(model, device)
        fits = window_s is None or _samples(window_s, trnet.sample_rate) == trnet.window
        require(fits, f"window_s={window_s}: this TRNet takes {trnet.window / trnet.sample_rate:g} s")
        return Embedder(
            system, trnet.representations, trnet.sample_rate, trnet.window, digest, trnet.short, trnet.batch_size
        )
    if isinstance(system, AudioMAE):
        longest_s = system.size.n_frames * HOP_S
        fits = window_s is None or window_s <= longest_s
        require(fits, f"window_s={window_s}: at most {longest_s:g}, the length of this autoencoder's input")
        window = _samples(longest_s if window_s is None else window_s, system.sample_rate)
        return Embedder(system, partial(_mean_token, system), system.sample_rate, window, digest)
    raise AuricleError(f"{model}: a run of {system.name} has no embedding")


def _samples(seconds: float, sample_rate: int) -> int:
    return round(min(seconds * sample_rate, MAX_WINDOW + 1))


def _mean_token(system: AudioMAE, waveforms: Tensor) -> Tensor:
    """The mean over the patches' tokens, without the class token: `(batch, time)` to `(batch, width)`."""
    return system(waveforms)[:, 1:].mean(1)


def _of_frontend(name: str, device: str, window_s: float | None, options: dict[str, Any]) -> Embedder:
    if name not in FRONTENDS:
        advice = did_you_mean(name, [*MODELS, *FRONTENDS]) or (
            "; give a run folder, or the name of a published model (auricle list models) or of a front-end "
            f"({', '.join(FRONTENDS)})"
        )
        raise AuricleError(f"{name}: there is no such folder{advice}")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        frontend = create_frontend(name, **options).to(device)
    window = _samples(FRONTEND_WINDOW_S if window_s is None else window_s, frontend.sample_rate)
    digest = key_of("frontend", run_digest(name), options)
    return Embedder(frontend, partial(statistics, frontend), frontend.sample_rate, window, digest)


def statistics(frontend: Frontend, waveforms: Tensor) -> Tensor:
    """The mean and the standard deviation over the frames of each band: `(batch, time)` to `(batch, 2 · bands)`."""
    spectrograms = frontend(waveforms)
    return torch.cat([spectrograms.mean(-1), spectrograms.std(-1, correction=0)], dim=-1)
