"""Denoising-enhancement by attention over bands and frames (Foggia et al., DEGramNet, section 2.1.2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle.errors import AuricleError
from auricle.frontends.compression import running_mean
from auricle.frontends.parts import State
from auricle.layers import ConvGate, shown_options
from auricle.registry import unknown_name

BRANCHES = ("frequency", "time")
MERGES = ("max", "mean")


class TFDELayer(nn.Module):
    """Attention over bands and over frames, equations 3 to 5: `(batch, n_filters, frames)` to the same shape.

    The frequency branch averages over time and gives each band a weight, by a perceptron whose hidden layer has
    `ratio`·n_filters units. The time branch averages over bands and gives each frame a weight, by a convolution over
    `kernel_size` frames (the paper does not say how many). Each branch multiplies the spectrogram by its weights; the
    two results are merged element by element, by their "max" or "mean".

    With a `context` in frames the layer is causal and can take a stream: the mean over time becomes a moving average
    with that time constant, and the convolution covers the present frame and the kernel_size − 1 before it.
    """

    extra_repr = shown_options

    def __init__(
        self,
        n_filters: int,
        *,
        ratio: float = 1 / 16,
        kernel_size: int = 7,
        merge: str = "max",
        branches: tuple[str, ...] = BRANCHES,
        context: float | None = None,
    ) -> None:
        super().__init__()
        if not 0.0 < ratio <= 1.0:
            raise AuricleError(f"ratio={ratio:g} of a perceptron's hidden layer: above 0, at most 1")
        if merge not in MERGES:
            raise AuricleError(unknown_name("merge", merge, MERGES))
        unknown = [name for name in branches if name not in BRANCHES]
        if unknown or not branches:
            raise AuricleError(unknown_name("branch", unknown[0] if unknown else "", BRANCHES))
        self.merge = merge
        self.context = context
        hidden = max(1, round(ratio * n_filters))
        self.frequency = (
            nn.Sequential(nn.Linear(n_filters, hidden), nn.ReLU(), nn.Linear(hidden, n_filters))
            if "frequency" in branches
            else None
        )
        self.time = ConvGate(kernel_size) if "time" in branches else None

    def weights(self, spectrogram: Tensor) -> dict[str, Tensor]:
        """The weights in (0, 1) of each branch: "frequency" (batch, n_filters, 1) and "time" (batch, 1, frames).

        With a `context` the frequency weights change over time: (batch, n_filters, frames).
        """
        return self._weights(spectrogram, None)[0]

    def forward(self, spectrogram: Tensor) -> Tensor:
        return self._merged(spectrogram, self.weights(spectrogram))

    def step(self, spectrogram: Tensor, state: State | None) -> tuple[Tensor, State]:
        """The output for the next frames of a stream, and the state after them.

        State: the moving average "mean" (batch, n_filters), and "squeezed" (batch, kernel_size − 1), the last frames'
        means over bands.
        """
        if self.context is None:
            raise AuricleError("attention over the whole clip cannot take a stream: give the front-end a context_s")
        weights, state = self._weights(spectrogram, state)
        return self._merged(spectrogram, weights), state

    def _merged(self, spectrogram: Tensor, weights: dict[str, Tensor]) -> Tensor:
        attended = [weight * spectrogram for weight in weights.values()]
        if len(attended) == 1:
            return attended[0]
        return torch.maximum(*attended) if self.merge == "max" else (attended[0] + attended[1]) / 2.0

    def _weights(self, spectrogram: Tensor, state: State | None) -> tuple[dict[str, Tensor], State]:
        weights, after = {}, {}
        if self.frequency is not None:
            if self.context is None:
                mean = spectrogram.mean(dim=-1, keepdim=True)
            else:
                mean = running_mean(spectrogram, self.context, state["mean"] if state else None)
                after["mean"] = mean[..., -1]
            weights["frequency"] = torch.sigmoid(self.frequency(mean.transpose(1, 2))).transpose(1, 2)
        if self.time is not None:
            squeezed = spectrogram.mean(dim=1)
            if self.context is None:
                weights["time"] = self.time(squeezed)[:, None]
            else:
                memory = self.time.kernel_size - 1
                read = torch.cat([state["squeezed"], squeezed], -1) if state else F.pad(squeezed, (memory, 0))
                weights["time"] = self.time.causal(read)[:, None]
                after["squeezed"] = read[:, read.shape[-1] - memory :]
        return weights, after
