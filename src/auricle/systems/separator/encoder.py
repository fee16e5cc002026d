"""What an audio masked autoencoder tells a separator of the mixture, frame by frame (Zhao et al., 2024)."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from auricle.errors import AuricleError
from auricle.registry import unknown_name
from auricle.systems.audiomae.features import HOP_S, WINDOW_S, filterbank_spectrograms, lengthened
from auricle.systems.audiomae.network import AudioMAESize, PatchEncoder
from auricle.systems.resampling import resample

Update = Literal["frozen", "updated"]
Fusion = Literal["time_aligned", "repeat"]

_POOLED = 2  # patches in time


class MaskedEncoder(nn.Module):
    """Features of a mixture for every frame of a separator's transform.

    `config` holds `sample_rate` (Hz, of the encoder) and `size`. "frozen" gives the output of the last block,
    "updated" Σ_l softmax(w)_l · h_l over the outputs h_l of all blocks, which learn, as w does.

    "time_aligned" reads the patches that hold sound and interpolates pooled features linearly to the frames' times.
    "repeat", as in the paper, reads a spectrogram that is padded to the encoder's whole length and repeats each pooled
    feature as often as it takes to fill the separator's frames, whatever their times.
    """

    def __init__(
        self,
        config: dict[str, Any],
        *,
        sample_rate: int,
        hop_length: int,
        frame_multiple: int,
        update: Update = "frozen",
        fusion: Fusion = "time_aligned",
    ) -> None:
        super().__init__()
        for what, value, kinds in (("encoder", update, get_args(Update)), ("fusion", fusion, get_args(Fusion))):
            if value not in kinds:
                raise AuricleError(unknown_name(what, value, kinds))
        self.fusion = fusion
        self.from_rate, self.sample_rate = sample_rate, int(config["sample_rate"])
        self.hop_s = hop_length / sample_rate
        self.frame_multiple = frame_multiple
        self.network = PatchEncoder(AudioMAESize(**config["size"]))
        self.size = self.network.size
        if self.size.grid[0] % _POOLED:
            raise AuricleError(f"an encoder of {self.size.grid[0]} patches in time cannot be pooled by {_POOLED}")
        self.network.requires_grad_(False)
        self.weights: nn.Parameter | None = None
        if update == "updated":
            self.network.blocks.requires_grad_(True)
            self.weights = nn.Parameter(torch.zeros(self.size.depth))

    def forward(self, mixtures: Tensor, n_frames: int) -> Tensor:
        """`(batch, n_frames, width)` of `(batch, time)` at the separator's rate."""
        waveforms = resample(mixtures, self.from_rate, self.sample_rate)
        missing = round(WINDOW_S * self.sample_rate) - waveforms.shape[-1]
        waveforms = nn.functional.pad(waveforms, (0, max(0, missing)))
        spectrograms = filterbank_spectrograms(waveforms, self.sample_rate, self.size.n_bands)
        return (
            self.repeated(spectrograms, n_frames) if self.fusion == "repeat" else self.aligned(spectrograms, n_frames)
        )

    def aligned(self, spectrograms: Tensor, n_frames: int) -> Tensor:
        """Pooled feature p is that of the time at which its filterbank frames are centred; ends are held."""
        pooled = torch.cat([self.pooled_piece(piece) for piece in spectrograms.split(self.size.n_frames, dim=1)], dim=1)
        return interpolated(pooled, self.places(torch.arange(n_frames, device=pooled.device)))

    def pooled_piece(self, spectrograms: Tensor) -> Tensor:
        """`pooled` of any number of frames up to the encoder's own."""
        n_pooled = _POOLED * self.size.patch
        return self.pooled(lengthened(spectrograms, -(-spectrograms.shape[1] // n_pooled) * n_pooled))

    def places(self, frames: Tensor) -> Tensor:
        """Where among the pooled features the separator's `frames` lie in time: `(frames,)`, 0 for the first."""
        period_s = _POOLED * self.size.patch * HOP_S
        first_s = WINDOW_S / 2 + (period_s - HOP_S) / 2
        return (frames.double() * self.hop_s - first_s) / period_s

    def repeated(self, spectrograms: Tensor, n_frames: int) -> Tensor:
        """Pooled feature k // r for frame k, r as for the frames that the separator pads its spectrogram to."""
        if spectrograms.shape[1] > self.size.n_frames:
            raise AuricleError(
                f"fusion='repeat' takes {HOP_S * self.size.n_frames:g} s at most, "
                f"not {HOP_S * spectrograms.shape[1]:g} s"
            )
        pooled = self.pooled(lengthened(spectrograms, self.size.n_frames))
        n_padded = -(-n_frames // self.frame_multiple) * self.frame_multiple
        return pooled.repeat_interleave(-(-n_padded // pooled.shape[1]), dim=1)[:, :n_frames]

    def pooled(self, spectrograms: Tensor) -> Tensor:
        """(average + maximum) / 2 over two patches in time and all in frequency: `(batch, patches in time / 2, width)`.

        The class token is left out.
        """
        patches = self.tokens(spectrograms)[:, 1:].unflatten(1, (-1, _POOLED * self.size.grid[1]))
        return (patches.mean(2) + patches.amax(2)) / 2

    def tokens(self, spectrograms: Tensor) -> Tensor:
        """`(batch, 1 + patches, width)`: the last block's output, or the weighted sum of all."""
        if self.weights is None:
            with torch.no_grad():
                return self.network.layers(spectrograms)[-1]
        layers = torch.stack(self.network.layers(spectrograms), dim=-1)
        return layers @ self.weights.softmax(0)


def interpolated(pooled: Tensor, places: Tensor) -> Tensor:
    """`(batch, n, width)` at `places` between 0 and n − 1, linearly; the first and the last hold beyond them."""
    places = places.clamp(0, pooled.shape[1] - 1)
    below = places.floor().long()
    above = (below + 1).clamp(max=pooled.shape[1] - 1)
    share = (places - below).to(pooled)[:, None]
    return (1 - share) * pooled[:, below] + share * pooled[:, above]
