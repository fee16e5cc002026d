"""A separator over a recording of any length, block by block: what the whole gives at once, in bounded memory."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from auricle.systems.audiomae.features import HOP_S, WINDOW_S, filterbank_spectrograms
from auricle.systems.resampling import reach, resample
from auricle.systems.separator.encoder import MaskedEncoder, interpolated
from auricle.systems.separator.resunet import magnitudes_of, masked
from auricle.systems.separator.system import Separator
from auricle.systems.separator.unet_stream import Held, UNetStream

BLOCK = 96
"""Frames that go through the network at once: with more it takes more memory, with fewer more time."""


class SeparatorStream:
    """`push(mixtures, last)` of consecutive `(batch, time)` gives the sources `(batch, time)` that are complete.

    Their concatenation is what `separator(whole, queries)` gives, up to rounding; but a recording too short to be
    mirrored at its ends is heard as if zeros followed it. Fusion "repeat", which hears one window, cannot be streamed.
    """

    def __init__(self, separator: Separator, queries: Tensor, block: int = BLOCK) -> None:
        size = separator.size
        self.block = block
        self._n_bins = size.n_bins
        self._spectra = Spectra(size.n_fft, size.hop_length)
        self._features = Features(separator.encoder) if separator.encoder is not None else None
        self._unet = UNetStream(separator.network.base, separator.network.film(separator.standardised(queries)), block)
        self._waveforms = Waveforms(size.n_fft, size.hop_length)
        self._heard, self._told, self._masked = Held(dim=1), Held(dim=1), Held(dim=1)
        self._n_in = self._n_out = 0

    def push(self, mixtures: Tensor, last: bool = False) -> Tensor:
        self._n_in += mixtures.shape[1]
        self._heard.put(self._spectra.push(mixtures, last))
        ready = len(self._heard)
        if self._features is not None:
            self._told.put(self._features.push(mixtures, last))
            ready = min(ready, len(self._told))
        sizes = [self.block] * (ready // self.block) + ([ready % self.block] if last else [])
        done = [self._process(n, last and i == len(sizes) - 1) for i, n in enumerate(sizes)]
        sources = torch.cat([mixtures[:, :0], *done], dim=1)[:, : self._n_in - self._n_out]
        self._n_out += sources.shape[1]
        return sources

    def _process(self, n_frames: int, last: bool) -> Tensor:
        spectra = self._heard.take(n_frames)
        columns = magnitudes_of(spectra)
        if self._features is not None:
            columns = torch.cat([columns, self._told.take(n_frames)], dim=-1)
        self._masked.put(spectra)
        maps = self._unet.push(columns[:, None], last)[..., : self._n_bins]
        spectra = self._masked.take(maps.shape[2])
        return self._waveforms.push(masked(spectra, magnitudes_of(spectra), maps), last)


class Features:
    """What `MaskedEncoder` with fusion "time_aligned" tells, as soon as it has heard a whole piece of its own.

    A piece lasts as long as the encoder's spectrogram, 10.24 s as published.
    """

    def __init__(self, encoder: MaskedEncoder) -> None:
        self.encoder = encoder
        self._old, self._new = encoder.from_rate, encoder.sample_rate
        common = math.gcd(self._old, self._new)
        self._margin = -(-reach(self._old, self._new) * common // self._old) * self._old // common
        self._n_told = self._n_pieces = self._n_in = 0
        self._samples, self._first = torch.empty(0), 0
        self._pooled, self._first_pooled = torch.empty(0), 0

    def push(self, samples: Tensor, last: bool) -> Tensor:
        """`(batch, frames, width)` of the separator's frames that can be told now."""
        self._n_in += samples.shape[1]
        self._samples = torch.cat([self._samples, samples], dim=1) if self._samples.numel() else samples
        size, rate = self.encoder.size.n_frames, self._new
        while not last and self._n_in >= self._source((self._n_pieces + 1) * size * HOP_S + WINDOW_S) + self._margin:
            self._hear(size)
        n_samples = max(round(WINDOW_S * rate), -(-self._n_in * rate // self._old))
        n_shown = (n_samples - round(WINDOW_S * rate)) // round(HOP_S * rate) + 1 if last else 0
        while self._n_pieces * size < n_shown:
            self._hear(min(size, n_shown - self._n_pieces * size))
        return self._tell(last)

    def _hear(self, n_shown: int) -> None:
        """Pool the next piece, of so many frames of the encoder's spectrogram."""
        begin = self._source(self._n_pieces * self.encoder.size.n_frames * HOP_S)
        first = max(0, begin - self._margin) - self._first
        beyond = self._source((n_shown - 1) * HOP_S + WINDOW_S) + begin + self._margin - self._first
        heard = resample(self._samples[:, first:beyond], self._old, self._new)
        heard = heard[:, (begin - self._first - first) * self._new // self._old :]
        n_samples = round(((n_shown - 1) * HOP_S + WINDOW_S) * self._new)
        heard = F.pad(heard[:, :n_samples], (0, max(0, n_samples - heard.shape[1])))
        pooled = self.encoder.pooled_piece(filterbank_spectrograms(heard, self._new, self.encoder.size.n_bands))
        self._pooled = torch.cat([self._pooled, pooled], dim=1) if self._pooled.numel() else pooled
        self._n_pieces += 1
        kept = self._source(self._n_pieces * self.encoder.size.n_frames * HOP_S) - self._margin
        self._samples = self._samples[:, max(0, kept - self._first) :].clone()
        self._first = max(self._first, kept)

    def _tell(self, last: bool) -> Tensor:
        if not self._n_pieces:
            return self._samples.new_zeros(len(self._samples), 0, self.encoder.size.width)
        n_frames = self._n_in // round(self.encoder.hop_s * self._old) + 1
        frames = torch.arange(self._n_told, n_frames, device=self._pooled.device)
        places = self.encoder.places(frames) - self._first_pooled
        if not last:
            places = places[places < self._pooled.shape[1] - 1]
        told = interpolated(self._pooled, places)
        self._n_told += len(places)
        done = max(0, int(self.encoder.places(torch.tensor([self._n_told])).floor()) - self._first_pooled)
        done = min(done, self._pooled.shape[1] - 1)
        self._pooled, self._first_pooled = self._pooled[:, done:].clone(), self._first_pooled + done
        return told

    def _source(self, seconds: float) -> int:
        """In samples of the separator."""
        return round(seconds * self._old)


class Spectra:
    """The short-time Fourier transform `(batch, frames, bins)` of `ResUNet30.transform`."""

    def __init__(self, n_fft: int, hop_length: int) -> None:
        self.n_fft = n_fft
        self.hop_length = hop_length
        self._samples: Tensor | None = None
        self._begun = False

    def push(self, samples: Tensor, last: bool) -> Tensor:
        half = self.n_fft // 2
        if self._samples is not None:
            samples = torch.cat([self._samples, samples], dim=1)
        if last and not self._begun:
            samples = F.pad(samples, (0, max(0, half + 1 - samples.shape[1])))
        if not self._begun and samples.shape[1] > half:
            samples = torch.cat([samples[:, 1 : half + 1].flip(1), samples], dim=1)
            self._begun = True
        if last:
            samples = torch.cat([samples, samples[:, -half - 1 : -1].flip(1)], dim=1)
        # One sample more than the frames need stays behind, so that half a window can be mirrored at the end.
        length = samples.shape[1] - (0 if last else 1)
        n_frames = (length - self.n_fft) // self.hop_length + 1 if self._begun and length >= self.n_fft else 0
        self._samples = samples[:, n_frames * self.hop_length :].clone()
        if not n_frames:
            return samples.new_zeros(len(samples), 0, half + 1, dtype=samples.dtype.to_complex())
        window = torch.hann_window(self.n_fft, device=samples.device, dtype=samples.dtype)
        return torch.fft.rfft(samples.unfold(1, self.n_fft, self.hop_length)[:, :n_frames] * window)


class Waveforms:
    """The inverse `(batch, time)` of such spectra: overlapped windows, divided by the sum of their squares."""

    def __init__(self, n_fft: int, hop_length: int) -> None:
        self.n_fft = n_fft
        self.hop_length = hop_length
        self._sums: Tensor | None = None
        self._missing = n_fft // 2

    def push(self, spectra: Tensor, last: bool) -> Tensor:
        n_frames, kept = spectra.shape[1], self.n_fft - self.hop_length
        if not n_frames:
            return spectra.real.new_zeros(len(spectra), 0)
        window = torch.hann_window(self.n_fft, device=spectra.device, dtype=spectra.real.dtype)
        frames = torch.fft.irfft(spectra, self.n_fft) * window
        sums = _overlapped(torch.cat([frames, window.square().expand(1, n_frames, -1)]), self.hop_length)
        if self._sums is not None:
            sums[:, :kept] += self._sums
        done = sums.shape[1] - (0 if last else kept)
        self._sums = sums[:, done:].clone()
        waveforms = sums[:-1, :done] / sums[-1:, :done].clamp(min=torch.finfo(sums.dtype).tiny)
        skipped = min(self._missing, done)
        self._missing -= skipped
        return waveforms[:, skipped:]


def _overlapped(frames: Tensor, hop_length: int) -> Tensor:
    """The sum of `(batch, frames, time)`, each a hop after the one before: `(batch, time)`."""
    n_frames, size = frames.shape[1:]
    shape = (1, (n_frames - 1) * hop_length + size)
    return F.fold(frames.transpose(1, 2), shape, (1, size), stride=(1, hop_length))[:, 0, 0]
