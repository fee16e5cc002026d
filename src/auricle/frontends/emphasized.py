"""The log-mel spectrogram of EfficientAT (Schmid et al., ICASSP 2023): pre-emphasis before a mel filterbank."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from auricle.frontends.pooling import frame_count
from auricle.frontends.spectral import MelFilterbank

PREEMPHASIS = 0.97


class EmphasizedMel(MelFilterbank):
    """A mel filterbank on y[t] = x[t] − 0.97·x[t − 1], under a symmetric Hann window.

    x[−1] = 0; where the clip is mirrored at its ends (`padding="reflected"`), y begins at t = 1 instead, as published,
    and is one sample shorter than x.
    """

    def constants(self) -> dict[str, Tensor]:
        return super().constants() | {"window": torch.hann_window(self.window_length, periodic=False)}

    def n_frames(self, n_samples: int) -> int:
        if self.padding == "reflected":
            return super().n_frames(n_samples - 1)
        return frame_count(n_samples, self.window_length, self.hop_length, "centered")

    def reach(self) -> tuple[int, int]:
        before, after = super().reach()
        return before + 1, after

    def frames(self, waveform: Tensor) -> Tensor:
        before = waveform if self.padding == "reflected" else F.pad(waveform, (1, 0))
        return super().frames(before[:, 1:] - PREEMPHASIS * before[:, :-1])
