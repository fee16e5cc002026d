"""Frame-wise AudioMAE features as additional input of a separator (Zhao et al., 2024)."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from auricle.errors import AuricleError
from auricle.registry import unknown_name
from auricle.systems.audiomae.features import HOP_S, WINDOW_S, filterbank_spectrograms, pad_frames
from auricle.systems.audiomae.network import AudioMAESize, PatchEncoder
from auricle.systems.resampling import resample

Update = Literal["frozen", "updated"]
Fusion = Literal["time_aligned", "repeat"]

_POOLED = 2  # patches in time that are pooled into one feature


class AudioMAEFeatures(nn.Module):
    """AudioMAE features of a mixture, one for each frame of a separator's short-time Fourier transform.

    `config` is that of the encoder, with `sample_rate` (Hz) and `size`; `sample_rate` and `hop_length` are the
    separator's, and `frame_multiple` is the number of frames of which its network needs a multiple.

    With the `update` "frozen" the features are the output of the last block, with `layer_norm` after the encoder's last
    layer normalisation, as the authors of AudioMAE use it. With "updated" they are Σ_l softmax(w)_l · h_l over the
    outputs h_l of all blocks, and both w and the blocks are trained.

    With the `fusion` "time_aligned" only patches that contain sound are encoded, and pooled features are interpolated
    linearly to the times of the separator's frames. With "repeat", as in the paper, the spectrogram is padded to the
    encoder's full length, and each pooled feature is repeated equally often until the separator's frames are filled,
    whatever their times.
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
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        for what, value, kinds in (("encoder", update, get_args(Update)), ("fusion", fusion, get_args(Fusion))):
            if value not in kinds:
                raise AuricleError(unknown_name(what, value, kinds))
        if layer_norm and update != "frozen":
            raise AuricleError("layer_norm: the outputs of all blocks have none, it is for encoder='frozen'")
        self.fusion = fusion
        self.layer_norm = layer_norm
        self.from_rate, self.sample_rate = sample_rate, int(config["sample_rate"])
        self.hop_s = hop_length / sample_rate
        self.frame_multiple = frame_multiple
        self.network = PatchEncoder(AudioMAESize(**config["size"]))
        self.size = self.network.size
        if self.size.grid[0] % _POOLED:
            raise AuricleError(f"an encoder with {self.size.grid[0]} patches in time: an even number is needed")
        self.network.requires_grad_(False)
        self.weights: nn.Parameter | None = None
        if update == "updated":
            self.network.blocks.requires_grad_(True)
            self.weights = nn.Parameter(torch.zeros(self.size.depth))

    def forward(self, mixtures: Tensor, n_frames: int) -> Tensor:
        """Features `(batch, n_frames, width)` of mixtures `(batch, time)` at the separator's sample rate."""
        waveforms = resample(mixtures, self.from_rate, self.sample_rate)
        missing = round(WINDOW_S * self.sample_rate) - waveforms.shape[-1]
        waveforms = nn.functional.pad(waveforms, (0, max(0, missing)))
        spectrograms = filterbank_spectrograms(waveforms, self.sample_rate, self.size.n_bands)
        if self.fusion == "repeat":
            return self.repeated(spectrograms, n_frames)
        return self.aligned(spectrograms, n_frames)

    def aligned(self, spectrograms: Tensor, n_frames: int) -> Tensor:
        """Features interpolated to the times of the separator's frames, `(batch, n_frames, width)`.

        A pooled feature belongs to the centre of its filterbank frames; the first and the last extend to the ends.
        """
        pooled = torch.cat([self.pooled_piece(piece) for piece in spectrograms.split(self.size.n_frames, dim=1)], dim=1)
        return interpolated(pooled, self.places(torch.arange(n_frames, device=pooled.device)))

    def pooled_piece(self, spectrograms: Tensor) -> Tensor:
        """`pooled` for any number of frames up to the encoder's own, padded to whole features."""
        n_pooled = _POOLED * self.size.patch
        return self.pooled(pad_frames(spectrograms, -(-spectrograms.shape[1] // n_pooled) * n_pooled))

    def places(self, frames: Tensor) -> Tensor:
        """The positions of the separator's frames, with indices `frames` `(n,)`, on the time axis of pooled features.

        Position p, `(n,)`, is the centre of pooled feature p.
        """
        period_s = _POOLED * self.size.patch * HOP_S
        first_s = WINDOW_S / 2 + (period_s - HOP_S) / 2
        return (frames.double() * self.hop_s - first_s) / period_s

    def repeated(self, spectrograms: Tensor, n_frames: int) -> Tensor:
        """Frame k gets pooled feature k // r, `(batch, n_frames, width)`.

        r is chosen such that the features fill the separator's frames, rounded up to a multiple of `frame_multiple`.
        """
        if spectrograms.shape[1] > self.size.n_frames:
            raise AuricleError(
                f"a mixture of {HOP_S * spectrograms.shape[1]:g} s: with fusion='repeat' "
                f"{HOP_S * self.size.n_frames:g} s at most"
            )
        pooled = self.pooled(pad_frames(spectrograms, self.size.n_frames))
        n_padded = -(-n_frames // self.frame_multiple) * self.frame_multiple
        return pooled.repeat_interleave(-(-n_padded // pooled.shape[1]), dim=1)[:, :n_frames]

    def pooled(self, spectrograms: Tensor) -> Tensor:
        """(mean + maximum) / 2 over two patches in time and all in frequency, without the class token.

        `(batch, frames, bands)` to `(batch, patches in time / 2, width)`.
        """
        patches = self.tokens(spectrograms)[:, 1:].unflatten(1, (-1, _POOLED * self.size.grid[1]))
        return (patches.mean(2) + patches.amax(2)) / 2

    def tokens(self, spectrograms: Tensor) -> Tensor:
        """The output of the last block or the weighted sum of all outputs, `(batch, 1 + patches, width)`."""
        if self.weights is None:
            with torch.no_grad():
                if self.layer_norm:
                    return self.network.encode(spectrograms)
                return self.network.layers(spectrograms)[-1]
        layers = torch.stack(self.network.layers(spectrograms), dim=-1)
        return layers @ self.weights.softmax(0)


def interpolated(pooled: Tensor, places: Tensor) -> Tensor:
    """Linear interpolation of `(batch, n, width)` at the positions `places` `(m,)`: `(batch, m, width)`.

    Positions are clamped to 0 … n − 1.
    """
    places = places.clamp(0, pooled.shape[1] - 1)
    below = places.floor().long()
    above = (below + 1).clamp(max=pooled.shape[1] - 1)
    weight = (places - below).to(pooled)[:, None]
    return (1 - weight) * pooled[:, below] + weight * pooled[:, above]
