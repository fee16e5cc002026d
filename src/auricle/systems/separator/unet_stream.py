"""The U-Net of ResUNet30 over any number of frames, block by block: what all give at once, in bounded memory.

An output frame depends on more than 300 frames to either side, so pieces would have to overlap by seconds. Instead
every layer keeps the few frames that its next block needs: a 3 × 3 convolution its last two, a skip connection as many
as the decoder lags behind. Nothing is computed twice, and there are no seams.

Everything has frames in dimension 2: `(batch, channels, frames, columns)`. `push(x, last)` takes the next frames, any
number of them, and gives those of the output that are complete, which may be none; nothing comes after `last`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle.systems.separator.resunet import Decoder, ResidualConvBlock, UNet, UNetEncoder

Betas = dict[str, Tensor]

_SLOPE = 0.01


class UNetStream:
    """`UNet` by blocks of frames; of those that wait for the end no more than about `block` are decoded at once."""

    def __init__(self, net: UNet, betas: Betas, block: int) -> None:
        self.net = net
        self._portion = max(1, block // net.frame_multiple)
        self._n_in = self._n_out = 0
        *self._down, self._bottleneck = [EncoderStream(stage, betas, name) for name, stage in net.encoders()]
        self._up = [DecoderStream(stage, betas, name) for name, stage in net.decoders()]

    def push(self, spectrograms: Tensor, last: bool) -> Tensor:
        """`(batch, 1, frames, n_columns)` to `(batch, 3, frames, n_columns)`."""
        self._n_in += spectrograms.shape[2]
        x = self.net.normalised(spectrograms)
        if last:
            x = F.pad(x, (0, 0, 0, -self._n_in % self.net.frame_multiple))
        x = of_frames(self.net.pre_conv, x)
        for encoder, decoder in zip(self._down, reversed(self._up), strict=True):
            x, whole = encoder.push(x, last)
            decoder.skips.put(whole)
        x, _ = self._bottleneck.push(x, last)
        *parts, rest = x.split(self._portion, dim=2)
        maps = torch.cat([*(self._decoded(part, False) for part in parts), self._decoded(rest, last)], dim=2)
        maps = maps[:, :, : self._n_in - self._n_out]
        self._n_out += maps.shape[2]
        return maps

    def _decoded(self, x: Tensor, last: bool) -> Tensor:
        for decoder in self._up:
            x = decoder.push(x, last)
        return F.pad(of_frames(self.net.after_conv, x), (0, 1))


class EncoderStream:
    """`UNetEncoder` by blocks of frames; those that do not fill a pool wait."""

    def __init__(self, encoder: UNetEncoder, betas: Betas, name: str) -> None:
        self.pool = encoder.pool
        self._block = BlockStream(encoder.conv_block1, betas, f"{name}->conv_block1")
        self._rest: Tensor | None = None

    def push(self, x: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        x = self._block.push(x, last)
        whole = x if self._rest is None else torch.cat([self._rest, x], dim=2)
        n_frames = whole.shape[2] // self.pool[0] * self.pool[0]
        self._rest = whole[:, :, n_frames:].clone() if n_frames < whole.shape[2] else None
        return of_frames(nn.AvgPool2d(self.pool), whole[:, :, :n_frames], least=self.pool[0]), x


class DecoderStream:
    """`Decoder` by blocks of frames; what the encoder put into `skips` waits for its turn."""

    def __init__(self, decoder: Decoder, betas: Betas, name: str) -> None:
        self.skips = Held(dim=2)
        self._activate = Activation(decoder.bn1, betas[f"{name}->beta1"])
        self._up = decoder.conv1
        self._block = BlockStream(decoder.conv_block2, betas, f"{name}->conv_block2")

    def push(self, x: Tensor, last: bool) -> Tensor:
        x = of_frames(self._up, self._activate(x))
        return self._block.push(torch.cat([x, self.skips.take(x.shape[2])], dim=1), last)


class BlockStream:
    """`ResidualConvBlock` by blocks of frames: its output lags two frames behind."""

    def __init__(self, block: ResidualConvBlock, betas: Betas, place: str) -> None:
        self.block = block
        self._first = StreamedConvolution(Activation(block.bn1, betas[f"{place}->beta1"]), block.conv1)
        self._second = StreamedConvolution(Activation(block.bn2, betas[f"{place}->beta2"]), block.conv2)
        self._kept: Tensor | None = None

    def push(self, x: Tensor, last: bool) -> Tensor:
        y = self._second.push(self._first.push(x, last), last)
        kept = x[:, :, :0] if self._kept is None else self._kept
        before = min(kept.shape[2], y.shape[2])
        after = y.shape[2] - before
        self._add(y[:, :, :before], kept[:, :, :before])
        self._add(y[:, :, before:], x[:, :, :after])
        self._kept = copied(torch.cat([kept[:, :, before:], x[:, :, after:]], dim=2), self._kept)
        return y

    def _add(self, y: Tensor, x: Tensor) -> None:
        if y.shape[2]:
            y.add_(x if self.block.shortcut is None else self.block.shortcut(x))


class Activation:
    """φ(BN(x) + β) with the normalisation in evaluation mode, which is φ(scale · x + shift)."""

    def __init__(self, norm: nn.BatchNorm2d, beta: Tensor) -> None:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        self._scale = scale[:, None, None]
        self._shift = (norm.bias - norm.running_mean * scale)[:, None, None] + beta

    def __call__(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        return F.leaky_relu_(torch.addcmul(self._shift, x, self._scale, out=out), _SLOPE)


class StreamedConvolution:
    """An activation and a 3 × 3 convolution by blocks of frames, zeros before the first frame and after the last."""

    def __init__(self, activate: Activation, layer: nn.Conv2d) -> None:
        self.activate = activate
        self.layer = layer
        self._kept: Tensor | None = None

    def push(self, x: Tensor, last: bool) -> Tensor:
        batch, channels, n_frames, n_columns = x.shape
        kept = self._kept if self._kept is not None else x.new_zeros(batch, channels, 1, n_columns)
        before, after = kept.shape[2], int(last)
        shape = batch, channels, before + n_frames + after, n_columns
        framed = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
        framed[:, :, :before] = kept
        self.activate(x, out=framed[:, :, before : before + n_frames])
        framed[:, :, before + n_frames :] = 0
        self._kept = copied(framed[:, :, -2:], self._kept)
        return of_frames(self._convolve, framed, least=3)

    def _convolve(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.layer.weight, self.layer.bias, padding=(0, 1))


class Held:
    """What waits for its turn: put in and taken out along `dim` in any portions.

    It lies in one tensor, which is written round and round (see `copied`). What was taken holds until something is put.
    """

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._ring: Tensor | None = None
        self._first = self._n = 0

    def __len__(self) -> int:
        return self._n

    def put(self, x: Tensor) -> None:
        n_new = x.shape[self.dim]
        if self._ring is None:
            self._ring = x.clone()
        elif self._n + n_new > self._ring.shape[self.dim]:
            self._ring, self._first = torch.cat([*self._parts(self._first, self._n), x], self.dim), 0
        else:
            done = 0
            for part in self._parts(self._first + self._n, n_new):
                part.copy_(x.narrow(self.dim, done, part.shape[self.dim]))
                done += part.shape[self.dim]
        self._n += n_new

    def take(self, n: int) -> Tensor:
        """The first `n`, which are to be there."""
        parts = self._parts(self._first, n)
        self._first += n
        self._n -= n
        return parts[0] if len(parts) == 1 else torch.cat(parts, self.dim)

    def _parts(self, first: int, n: int) -> list[Tensor]:
        """The one or two pieces of the ring that hold `n` from place `first` on."""
        assert self._ring is not None
        size = self._ring.shape[self.dim]
        first %= max(1, size)
        before = min(n, size - first)
        parts = [self._ring.narrow(self.dim, first, before)]
        return parts if before == n else [*parts, self._ring.narrow(self.dim, 0, n - before)]


def copied(x: Tensor, place: Tensor | None) -> Tensor:
    """A copy of `x`, in `place` if it fits there.

    What lives from block to block stays where it is: were it allocated anew between large tensors that come and go, the
    free memory would fall into pieces.
    """
    if place is None or place.shape != x.shape:
        return x.clone()
    return place.copy_(x)


def of_frames(layer: Callable[[Tensor], Tensor], x: Tensor, least: int = 1) -> Tensor:
    """`layer(x)`; and of less than `least` frames, which layers refuse, none."""
    if x.shape[2] >= least:
        return layer(x)
    return layer(x.new_zeros(*x.shape[:2], least, x.shape[3]))[:, :, :0]
