"""Pooling: from sub-band signals `(batch, n_filters, time)` at the waveform's rate to frames.

All windows have an odd length W. `padding` determines where the frames of N samples lie:

- "centered": ceil(N / hop) frames, frame k centred at sample k·hop;
- "same": ceil(N / hop) frames, padded as TensorFlow's SAME, so that their offset depends on N mod hop;
- "valid": whole windows only, (N − W) // hop + 1 frames, frame k centred at k·hop + W // 2.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle.errors import AuricleError
from auricle.layers import Constants, bounded, shown_options, without_tails

PADDINGS = ("centered", "same", "valid")


def frame_count(n_samples: int, kernel_size: int, hop_length: int, padding: str) -> int:
    """Number of frames of `n_samples` under `padding`."""
    if padding == "valid":
        return max(0, (n_samples - kernel_size) // hop_length + 1)
    return (n_samples + hop_length - 1) // hop_length  # not -(-n // hop): ONNX divides towards zero


def pad(signal: Tensor, kernel_size: int, hop_length: int, padding: str, value: float = 0.0) -> Tensor:
    """Pad `(…, time)` with `value` so that the frames are its whole windows of `kernel_size` every `hop_length`."""
    n_samples = signal.shape[-1]
    if padding == "centered":
        left = right = kernel_size // 2
    elif padding == "same":
        n_frames = frame_count(n_samples, kernel_size, hop_length, padding)
        total = (n_frames - 1) * hop_length + kernel_size - n_samples
        if kernel_size < hop_length:  # else it is never negative, which torch.export cannot prove
            total = max(total, 0)
        left, right = total // 2, total - total // 2
    else:
        if n_samples < kernel_size:
            raise AuricleError(f"{n_samples} samples are fewer than the window's {kernel_size}: give a longer clip")
        return signal
    return F.pad(signal, (left, right), value=value)


def gaussian_windows(widths: Tensor, kernel_size: int, normalize: bool = False) -> Tensor:
    """exp(−½ (t / σ)²), t = −(W−1)/2 … (W−1)/2, σ = width·(W − 1)/2: `(n_filters, kernel_size)`.

    Equation 5 of the LEAF paper; its factor 1/(√(2π)σ) only with `normalize`: the published results do without.
    `widths` `(n_filters,)` are standard deviations relative to half the window.
    """
    half = 0.5 * (kernel_size - 1)
    time = torch.arange(kernel_size, device=widths.device, dtype=widths.dtype) - half
    sigma = widths[:, None] * half
    windows = without_tails(torch.exp(-0.5 * (time / sigma) ** 2))
    return windows / (math.sqrt(2.0 * math.pi) * sigma) if normalize else windows


def hann_squared_window(kernel_size: int, shift: int = 0) -> Tensor:
    """sin⁴(π (t − shift) / (W − 1)), t = 0 … W − 1: the fixed low-pass of time-domain filterbanks, `(kernel_size,)`."""
    time = torch.arange(kernel_size, dtype=torch.float64) - shift
    return (torch.sin(torch.pi * time / (kernel_size - 1)) ** 4).float()


def window_pool(signal: Tensor, windows: Tensor, hop_length: int, padding: str = "centered") -> Tensor:
    """Weighted sums of `(batch, n_filters, time)` under `windows` `(n_filters, W)`: `(batch, n_filters, frames)`."""
    n_filters, kernel_size = windows.shape
    padded = pad(signal, kernel_size, hop_length, padding)
    return F.conv1d(padded, windows[:, None], stride=hop_length, groups=n_filters)


def weighted_sums(values: Tensor, windows: Tensor, step: int) -> Tensor:
    """Sums of `(batch, time, columns)` under `windows` `(W, columns)`, one every `step`: `(batch, frames, columns)`.

    Without padding. Quicker than a grouped convolution, which an exported graph uses.
    """
    if torch.compiler.is_exporting():
        by_time = values.transpose(1, 2)
        return F.conv1d(by_time, windows.T[:, None], stride=step, groups=len(windows.T)).transpose(1, 2)
    return (values.unfold(1, len(windows), step).transpose(2, 3) * windows).sum(2)


def max_pool(signal: Tensor, kernel_size: int, stride: int) -> Tensor:
    """Maximum over windows of `(batch, n_filters, time)`, by `max_pool2d`, because `max_pool1d` cannot be exported."""
    return F.max_pool2d(signal[:, None], (1, kernel_size), (1, stride))[:, 0]


class Pooling(nn.Module):
    """Base class of poolings: `(batch, n_filters, time)` to `(batch, n_filters, frames)`."""

    extra_repr = shown_options

    def __init__(self, kernel_size: int, hop_length: int, padding: str = "centered") -> None:
        super().__init__()
        if padding not in PADDINGS:
            raise AuricleError(f"unknown padding {padding!r}: one of {', '.join(PADDINGS)}")
        if kernel_size % 2 == 0:
            raise AuricleError(f"a pooling window of {kernel_size} samples has no centre: use an odd length")
        self.kernel_size = kernel_size
        self.hop_length = hop_length
        self.padding = padding

    def n_frames(self, n_samples: int) -> int:
        return frame_count(n_samples, self.kernel_size, self.hop_length, self.padding)


class GaussianPool(Pooling):
    """Learnable Gaussian low-pass, one width per band (LEAF paper, section 3.2).

    The parameters `widths` are standard deviations relative to half the window, initially 0.4, bounded to [2/W, 0.5].
    `normalize`: windows with the factor of equation 5, whose weights add up to about 1.
    """

    def __init__(
        self,
        n_filters: int,
        kernel_size: int,
        hop_length: int,
        padding: str = "centered",
        width: float = 0.4,
        normalize: bool = False,
    ) -> None:
        super().__init__(kernel_size, hop_length, padding)
        self.normalize = normalize
        self.widths = nn.Parameter(torch.full((n_filters,), width))

    def widths_in_bounds(self) -> Tensor:
        return bounded(self.widths, 2.0 / self.kernel_size, 0.5)

    def spreads(self) -> Tensor:
        """Standard deviations of the windows in samples, `(n_filters,)`."""
        return self.widths_in_bounds() * 0.5 * (self.kernel_size - 1)

    def windows(self) -> Tensor:
        return gaussian_windows(self.widths_in_bounds(), self.kernel_size, self.normalize)

    def forward(self, signal: Tensor) -> Tensor:
        return window_pool(signal, self.windows(), self.hop_length, self.padding)


class HannPool(Constants, Pooling):
    """Fixed squared-Hann low-pass, shared by all bands (time-domain filterbanks).

    In the published code the window peaks one sample late: `shift=1`.
    """

    window: Tensor

    def __init__(
        self, n_filters: int, kernel_size: int, hop_length: int, padding: str = "centered", shift: int = 0
    ) -> None:
        super().__init__(kernel_size, hop_length, padding)
        self.n_filters = n_filters
        self.shift = shift
        self.register_constants()

    def constants(self) -> dict[str, Tensor]:
        return {"window": hann_squared_window(self.kernel_size, self.shift)}

    def windows(self) -> Tensor:
        return self.window.expand(self.n_filters, -1)

    def forward(self, signal: Tensor) -> Tensor:
        return window_pool(signal, self.windows(), self.hop_length, self.padding)


class MaxPool(Pooling):
    """Maximum under the window, the pooling of SincNet."""

    def forward(self, signal: Tensor) -> Tensor:
        padded = pad(signal, self.kernel_size, self.hop_length, self.padding, value=-math.inf)
        return max_pool(padded, self.kernel_size, self.hop_length)
