"""Streaming separation of recordings of any length, block by block, in bounded memory."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from auricle.systems.audiomae.features import HOP_S, WINDOW_S, filterbank_spectrograms
from auricle.systems.resampling import reach, resample
from auricle.systems.separator.encoder import AudioMAEFeatures, interpolated
from auricle.systems.separator.resunet import apply_maps, magnitudes_of
from auricle.systems.separator.system import Separator
from auricle.systems.separator.unet_stream import FrameQueue, UNetStream

BLOCK = 96
"""Frames that the network processes at once: more take more memory, fewer take more time."""


class SeparatorStream:
    """Separates consecutive blocks of mixtures for `queries` `(batch, query_size)`, `block` frames at a time.

    The concatenated output equals `separator(mixtures, queries)` of the whole recording, up to rounding. A recording
    that is too short to be reflected at its ends is padded with zeros. Separators with the fusion "repeat", which needs
    the whole recording at once, cannot be streamed.
    """

    def __init__(self, separator: Separator, queries: Tensor, block: int = BLOCK) -> None:
        size = separator.size
        self.block = block
        self._n_bins = size.n_bins
        self._spectra = STFTStream(size.n_fft, size.hop_length)
        self._features = FeatureStream(separator.encoder) if separator.encoder is not None else None
        self._unet = UNetStream(
            separator.network.base, separator.network.film(separator.scaled_queries(queries)), block
        )
        self._waveforms = ISTFTStream(size.n_fft, size.hop_length)
        self._new_spectra, self._new_features = FrameQueue(dim=1), FrameQueue(dim=1)  # input of the network
        self._mixture_spectra = FrameQueue(dim=1)  # waiting for the output of the network
        self._n_in = self._n_out = 0

    def push(self, mixtures: Tensor, last: bool = False) -> Tensor:
        """Take the next samples `(batch, time)` of the mixtures, and return those of the sources that are complete.

        The result `(batch, time)` may be empty. `last` is true for the last call, after which nothing is pushed.
        """
        self._n_in += mixtures.shape[1]
        self._new_spectra.put(self._spectra.push(mixtures, last))
        ready = len(self._new_spectra)
        if self._features is not None:
            self._new_features.put(self._features.push(mixtures, last))
            ready = min(ready, len(self._new_features))
        sizes = [self.block] * (ready // self.block) + ([ready % self.block] if last else [])
        blocks = [self._process(n, last and i == len(sizes) - 1) for i, n in enumerate(sizes)]
        sources = torch.cat([mixtures[:, :0], *blocks], dim=1)[:, : self._n_in - self._n_out]
        self._n_out += sources.shape[1]
        return sources

    def _process(self, n_frames: int, last: bool) -> Tensor:
        spectra = self._new_spectra.take(n_frames)
        columns = magnitudes_of(spectra)
        if self._features is not None:
            columns = torch.cat([columns, self._new_features.take(n_frames)], dim=-1)
        self._mixture_spectra.put(spectra)
        maps = self._unet.push(columns[:, None], last)[..., : self._n_bins]
        spectra = self._mixture_spectra.take(maps.shape[2])
        return self._waveforms.push(apply_maps(spectra, magnitudes_of(spectra), maps), last)


class FeatureStream:
    """`AudioMAEFeatures` with the fusion "time_aligned", computed in pieces as long as the encoder's input.

    A piece of the published encoder is 10.24 s long; its features are available once the whole piece is.
    """

    def __init__(self, encoder: AudioMAEFeatures) -> None:
        self.encoder = encoder
        self._old, self._new = encoder.from_rate, encoder.sample_rate  # of the separator and of the encoder, in Hz
        common = math.gcd(self._old, self._new)
        self._margin = -(-reach(self._old, self._new) * common // self._old) * self._old // common
        self._n_out = self._n_pieces = self._n_in = 0  # frames, pieces, samples
        self._samples, self._first = torch.empty(0), 0
        self._pooled, self._first_pooled = torch.empty(0), 0

    def push(self, samples: Tensor, last: bool) -> Tensor:
        """Take the next `(batch, time)`, and return the features `(batch, frames, width)` that are complete."""
        self._n_in += samples.shape[1]
        self._samples = torch.cat([self._samples, samples], dim=1) if self._samples.numel() else samples
        size, rate = self.encoder.size.n_frames, self._new
        while not last and self._n_in >= self._source((self._n_pieces + 1) * size * HOP_S + WINDOW_S) + self._margin:
            self._encode(size)
        n_samples = max(round(WINDOW_S * rate), -(-self._n_in * rate // self._old))
        n_total = (n_samples - round(WINDOW_S * rate)) // round(HOP_S * rate) + 1 if last else 0
        while self._n_pieces * size < n_total:
            self._encode(min(size, n_total - self._n_pieces * size))
        return self._interpolate(last)

    def _encode(self, n_frames: int) -> None:
        """Encode and pool the next piece, which has `n_frames` filterbank frames."""
        begin = self._source(self._n_pieces * self.encoder.size.n_frames * HOP_S)
        first = max(0, begin - self._margin) - self._first
        end = self._source((n_frames - 1) * HOP_S + WINDOW_S) + begin + self._margin - self._first
        piece = resample(self._samples[:, first:end], self._old, self._new)
        piece = piece[:, (begin - self._first - first) * self._new // self._old :]
        n_samples = round(((n_frames - 1) * HOP_S + WINDOW_S) * self._new)
        piece = F.pad(piece[:, :n_samples], (0, max(0, n_samples - piece.shape[1])))
        pooled = self.encoder.pooled_piece(filterbank_spectrograms(piece, self._new, self.encoder.size.n_bands))
        self._pooled = torch.cat([self._pooled, pooled], dim=1) if self._pooled.numel() else pooled
        self._n_pieces += 1
        needed = self._source(self._n_pieces * self.encoder.size.n_frames * HOP_S) - self._margin
        self._samples = self._samples[:, max(0, needed - self._first) :].clone()
        self._first = max(self._first, needed)

    def _interpolate(self, last: bool) -> Tensor:
        """The features of all frames of the separator between the pooled features so far."""
        if not self._n_pieces:
            return self._samples.new_zeros(len(self._samples), 0, self.encoder.size.width)
        n_frames = self._n_in // round(self.encoder.hop_s * self._old) + 1
        frames = torch.arange(self._n_out, n_frames, device=self._pooled.device)
        places = self.encoder.places(frames) - self._first_pooled
        if not last:
            places = places[places < self._pooled.shape[1] - 1]
        features = interpolated(self._pooled, places)
        self._n_out += len(places)
        n_used = max(0, int(self.encoder.places(torch.tensor([self._n_out])).floor()) - self._first_pooled)
        n_used = min(n_used, self._pooled.shape[1] - 1)
        self._pooled, self._first_pooled = self._pooled[:, n_used:].clone(), self._first_pooled + n_used
        return features

    def _source(self, seconds: float) -> int:
        """`seconds` in samples at the separator's rate."""
        return round(seconds * self._old)


class STFTStream:
    """`ResUNet30.transform` block by block: `push` returns the spectra `(batch, frames, bins)` that are complete."""

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
        # One sample more than the frames need is stored, so that half a window can be reflected at the end.
        length = samples.shape[1] - (0 if last else 1)
        n_frames = (length - self.n_fft) // self.hop_length + 1 if self._begun and length >= self.n_fft else 0
        self._samples = samples[:, n_frames * self.hop_length :].clone()
        if not n_frames:
            return samples.new_zeros(len(samples), 0, half + 1, dtype=samples.dtype.to_complex())
        window = torch.hann_window(self.n_fft, device=samples.device, dtype=samples.dtype)
        return torch.fft.rfft(samples.unfold(1, self.n_fft, self.hop_length)[:, :n_frames] * window)


class ISTFTStream:
    """`ResUNet30.inverse` block by block: overlap-add, divided by the sum of the squared windows.

    `push` returns the samples `(batch, time)` that are complete.
    """

    def __init__(self, n_fft: int, hop_length: int) -> None:
        self.n_fft = n_fft
        self.hop_length = hop_length
        self._sums: Tensor | None = None
        self._n_padding = n_fft // 2  # samples of the reflected start that have not been skipped yet

    def push(self, spectra: Tensor, last: bool) -> Tensor:
        n_frames, n_overlap = spectra.shape[1], self.n_fft - self.hop_length
        if not n_frames:
            return spectra.real.new_zeros(len(spectra), 0)
        window = torch.hann_window(self.n_fft, device=spectra.device, dtype=spectra.real.dtype)
        frames = torch.fft.irfft(spectra, self.n_fft) * window
        sums = _overlapped(torch.cat([frames, window.square().expand(1, n_frames, -1)]), self.hop_length)
        if self._sums is not None:
            sums[:, :n_overlap] += self._sums
        n_final = sums.shape[1] - (0 if last else n_overlap)
        self._sums = sums[:, n_final:].clone()
        waveforms = sums[:-1, :n_final] / sums[-1:, :n_final].clamp(min=torch.finfo(sums.dtype).tiny)
        skipped = min(self._n_padding, n_final)
        self._n_padding -= skipped
        return waveforms[:, skipped:]


def _overlapped(frames: Tensor, hop_length: int) -> Tensor:
    """Overlap-add of `(batch, frames, time)`, each frame `hop_length` after the one before: `(batch, time)`."""
    n_frames, size = frames.shape[1:]
    shape = (1, (n_frames - 1) * hop_length + size)
    return F.fold(frames.transpose(1, 2), shape, (1, size), stride=(1, hop_length))[:, 0, 0]
