"""Convolution of waveforms with banks of filters: at every sample, and by Fourier transforms of overlapping blocks.

Block by block (overlap-save): a block of n samples is transformed, multiplied by the filters' transforms, and
transformed back. The n − W + 1 samples to which all W taps of a filter contribute are right, and the next block begins
after so many. The products of one block fit the cache.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from auricle.powers import next_power_of_two

MAX_PRODUCTS = 2**22  # largest time · W of one call of the convolution
BLOCK = 4  # length of a block, in filters' lengths, rounded up to a power of two
MIN_BLOCK = 1024  # samples


def convolve(waveform: Tensor, kernels: Tensor) -> Tensor:
    """Convolve `(batch, time)`, zero-padded, with each row of `kernels` `(rows, W)`: `(batch, rows, time)`.

    Long clips are split, because on a CPU PyTorch's convolution is up to fifty times slower where time · W is large.
    """
    n_samples, width = waveform.shape[-1], kernels.shape[-1]
    piece = max(1, MAX_PRODUCTS // width)
    padded = F.pad(waveform, (width // 2, width // 2))[:, None]
    if torch.compiler.is_exporting():
        return F.conv1d(padded, kernels[:, None])
    pieces = [
        F.conv1d(padded[..., start : min(start + piece, n_samples) + width - 1], kernels[:, None])
        for start in range(0, n_samples, piece)
    ]
    return torch.cat(pieces, dim=-1) if len(pieces) > 1 else pieces[0]


def convolve_by_blocks(waveform: Tensor, kernels: Tensor) -> Tensor:
    """`convolve` by transforms: on a CPU several times faster where a clip is longer than one block, else the same."""
    size = block_length(kernels.shape[-1])
    if torch.compiler.is_exporting() or waveform.is_cuda or waveform.shape[-1] <= size:
        return convolve(waveform, kernels)
    return _ByBlocks.apply(waveform, kernels)


def block_length(width: int) -> int:
    """Samples of a block for filters of `width` samples."""
    return max(MIN_BLOCK, next_power_of_two(BLOCK * width))


class _ByBlocks(torch.autograd.Function):
    """`convolve_by_blocks`. A gradient that is itself to be differentiated comes from `convolve`."""

    @staticmethod
    def forward(ctx: Any, waveform: Tensor, kernels: Tensor) -> Tensor:
        ctx.save_for_backward(waveform, kernels)
        size, step = _sizes(kernels)
        spectra, responses = _spectra(waveform, kernels), torch.fft.rfft(kernels, size).conj()
        outputs = waveform.new_empty(len(waveform), len(kernels), spectra.shape[1] * step)
        for block, spectrum in enumerate(spectra.unbind(1)):
            filtered = torch.fft.irfft(spectrum[:, None] * responses, size)
            outputs[..., block * step : (block + 1) * step] = filtered[..., :step]
        return outputs[..., : waveform.shape[-1]]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        waveform, kernels = ctx.saved_tensors
        if torch.is_grad_enabled():
            inputs = [value for value in (waveform, kernels) if value.requires_grad]
            found = iter(torch.autograd.grad(convolve(waveform, kernels), inputs, gradient, create_graph=True))
            for_waveform = next(found) if waveform.requires_grad else None
            return for_waveform, next(found) if kernels.requires_grad else None
        size, step = _sizes(kernels)
        width, n_samples = kernels.shape[-1], waveform.shape[-1]
        spectra, responses = _spectra(waveform, kernels), torch.fft.rfft(kernels, size)
        for_kernels = torch.zeros_like(responses)
        padded = gradient.new_zeros(len(waveform), spectra.shape[1] * step + width - 1)
        for block, spectrum in enumerate(spectra.unbind(1)):
            of_outputs = torch.fft.rfft(gradient[..., block * step : (block + 1) * step], size)
            if ctx.needs_input_grad[1]:
                for_kernels += (spectrum[:, None] * of_outputs.conj()).sum(0)
            if ctx.needs_input_grad[0]:
                of_inputs = torch.fft.irfft((of_outputs * responses).sum(1), size)
                padded[:, block * step : block * step + step + width - 1] += of_inputs[:, : step + width - 1]
        return (
            padded[:, width // 2 :][:, :n_samples] if ctx.needs_input_grad[0] else None,
            torch.fft.irfft(for_kernels, size)[:, :width] if ctx.needs_input_grad[1] else None,
        )


def _sizes(kernels: Tensor) -> tuple[int, int]:
    """Samples of a block, and from one block's beginning to the next one's."""
    size = block_length(kernels.shape[-1])
    return size, size - kernels.shape[-1] + 1


def _spectra(waveform: Tensor, kernels: Tensor) -> Tensor:
    """The transforms of the blocks of the zero-padded `waveform`, `(batch, blocks, bins)`."""
    size, step = _sizes(kernels)
    before, n_samples = kernels.shape[-1] // 2, waveform.shape[-1]
    missing = -(-n_samples // step) * step + size - step - n_samples - before
    return torch.fft.rfft(F.pad(waveform, (before, missing)).unfold(-1, size, step))
