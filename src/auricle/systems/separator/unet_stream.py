"""Streaming of ResUNet30's U-Net, block by block of frames: the output of the whole input, in bounded memory.

An output frame depends on more than 300 input frames to either side, so overlapping pieces would have to overlap by
seconds. Instead each layer stores the few frames that it needs for the next block: a 3 × 3 convolution its last two
input frames, a skip connection the frames by which the decoder lags behind. No frame is computed twice.

All tensors are `(batch, channels, frames, columns)`. `push(x, last)` takes any number of consecutive frames and returns
the output frames that are complete, possibly none. `last` is true for the last block, after which nothing is pushed.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle.systems.separator.resunet import ResidualConvBlock, UNet, UNetDecoder, UNetEncoder

Betas = dict[str, Tensor]

_SLOPE = 0.01


class UNetStream:
    """`UNet` block by block; `betas` are the outputs of `FiLM`.

    At most about `block` frames are decoded at once, which bounds the memory at the end of the input.
    """

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
            x, skip = encoder.push(x, last)
            decoder.skips.put(skip)
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
    """`UNetEncoder` block by block; frames that do not fill a pooling window wait for the next block."""

    def __init__(self, encoder: UNetEncoder, betas: Betas, name: str) -> None:
        self.pool = encoder.pool
        self._block = BlockStream(encoder.conv_block1, betas, f"{name}->conv_block1")
        self._rest: Tensor | None = None

    def push(self, x: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        x = self._block.push(x, last)
        waiting = x if self._rest is None else torch.cat([self._rest, x], dim=2)
        n_frames = waiting.shape[2] // self.pool[0] * self.pool[0]
        self._rest = waiting[:, :, n_frames:].clone() if n_frames < waiting.shape[2] else None
        return of_frames(nn.AvgPool2d(self.pool), waiting[:, :, :n_frames], least=self.pool[0]), x


class DecoderStream:
    """`UNetDecoder` block by block; the encoder puts the input of the skip connection into the queue `skips`."""

    def __init__(self, decoder: UNetDecoder, betas: Betas, name: str) -> None:
        self.skips = FrameQueue(dim=2)
        self._activate = Activation(decoder.bn1, betas[f"{name}->beta1"])
        self._up = decoder.conv1
        self._block = BlockStream(decoder.conv_block2, betas, f"{name}->conv_block2")

    def push(self, x: Tensor, last: bool) -> Tensor:
        x = of_frames(self._up, self._activate(x))
        return self._block.push(torch.cat([x, self.skips.take(x.shape[2])], dim=1), last)


class BlockStream:
    """`ResidualConvBlock` block by block; its output lags behind its input by two frames."""

    def __init__(self, block: ResidualConvBlock, betas: Betas, place: str) -> None:
        self.block = block
        self._first = StreamedConvolution(Activation(block.bn1, betas[f"{place}->beta1"]), block.conv1)
        self._second = StreamedConvolution(Activation(block.bn2, betas[f"{place}->beta2"]), block.conv2)
        self._residual: Tensor | None = None

    def push(self, x: Tensor, last: bool) -> Tensor:
        y = self._second.push(self._first.push(x, last), last)
        stored = x[:, :, :0] if self._residual is None else self._residual
        before = min(stored.shape[2], y.shape[2])
        after = y.shape[2] - before
        self._add(y[:, :, :before], stored[:, :, :before])
        self._add(y[:, :, before:], x[:, :, :after])
        self._residual = copied(torch.cat([stored[:, :, before:], x[:, :, after:]], dim=2), self._residual)
        return y

    def _add(self, y: Tensor, x: Tensor) -> None:
        if y.shape[2]:
            y.add_(x if self.block.shortcut is None else self.block.shortcut(x))


class Activation:
    """φ(BN(x) + β) in evaluation mode, computed as φ(scale · x + shift); φ is a leaky ReLU."""

    def __init__(self, norm: nn.BatchNorm2d, beta: Tensor) -> None:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        self._scale = scale[:, None, None]
        self._shift = (norm.bias - norm.running_mean * scale)[:, None, None] + beta

    def __call__(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        return F.leaky_relu_(torch.addcmul(self._shift, x, self._scale, out=out), _SLOPE)


class StreamedConvolution:
    """An activation and a 3 × 3 convolution, block by block, with zeros before the first and after the last frame."""

    def __init__(self, activate: Activation, layer: nn.Conv2d) -> None:
        self.activate = activate
        self.layer = layer
        self._previous: Tensor | None = None

    def push(self, x: Tensor, last: bool) -> Tensor:
        batch, channels, n_frames, n_columns = x.shape
        previous = self._previous if self._previous is not None else x.new_zeros(batch, channels, 1, n_columns)
        before, after = previous.shape[2], int(last)
        shape = batch, channels, before + n_frames + after, n_columns
        padded = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
        padded[:, :, :before] = previous
        self.activate(x, out=padded[:, :, before : before + n_frames])
        padded[:, :, before + n_frames :] = 0
        self._previous = copied(padded[:, :, -2:], self._previous)
        return of_frames(self._convolve, padded, least=3)

    def _convolve(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.layer.weight, self.layer.bias, padding=(0, 1))


class FrameQueue:
    """A queue of frames along dimension `dim`, put in and taken out in any numbers.

    The frames are stored in one tensor that serves as a ring buffer (see `copied`). The tensor that `take` returns is
    valid until the next `put`.
    """

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._ring: Tensor | None = None
        self._first = self._n = 0

    def __len__(self) -> int:
        return self._n

    def put(self, x: Tensor) -> None:
        """Append the frames of `x`."""
        n_new = x.shape[self.dim]
        if self._ring is None:
            self._ring = x.clone()
        elif self._n + n_new > self._ring.shape[self.dim]:
            self._ring, self._first = torch.cat([*self._parts(self._first, self._n), x], self.dim), 0
        else:
            n_copied = 0
            for part in self._parts(self._first + self._n, n_new):
                part.copy_(x.narrow(self.dim, n_copied, part.shape[self.dim]))
                n_copied += part.shape[self.dim]
        self._n += n_new

    def take(self, n: int) -> Tensor:
        """Remove and return the first `n` frames; there have to be as many."""
        parts = self._parts(self._first, n)
        self._first += n
        self._n -= n
        return parts[0] if len(parts) == 1 else torch.cat(parts, self.dim)

    def _parts(self, first: int, n: int) -> list[Tensor]:
        """The one or two slices of the ring buffer that hold `n` frames from index `first` on."""
        assert self._ring is not None
        size = self._ring.shape[self.dim]
        first %= max(1, size)
        before = min(n, size - first)
        parts = [self._ring.narrow(self.dim, first, before)]
        return parts if before == n else [*parts, self._ring.narrow(self.dim, 0, n - before)]


def copied(x: Tensor, place: Tensor | None) -> Tensor:
    """A copy of `x`, written into `place` if that has the same shape.

    Tensors that live from block to block keep their memory: allocating them anew between the large temporary tensors
    would fragment the free memory.
    """
    if place is None or place.shape != x.shape:
        return x.clone()
    return place.copy_(x)


def of_frames(layer: Callable[[Tensor], Tensor], x: Tensor, least: int = 1) -> Tensor:
    """`layer(x)`, or an empty result for fewer than `least` frames, for which PyTorch layers raise an error."""
    if x.shape[2] >= least:
        return layer(x)
    return layer(x.new_zeros(*x.shape[:2], least, x.shape[3]))[:, :, :0]
