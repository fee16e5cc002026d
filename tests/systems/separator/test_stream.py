"""Streaming separation equals separation of the whole recording."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from auricle.systems.audiomae import AudioMAE
from auricle.systems.separator import Separator
from auricle.systems.separator.stream import ISTFTStream, SeparatorStream, STFTStream
from auricle.systems.separator.unet_stream import FrameQueue

TINY = {"n_fft": 64, "hop_length": 20, "channels": (2, 3, 4), "query_size": 5}
ENCODER = {"n_frames": 64, "n_bands": 32, "width": 16, "depth": 1, "heads": 2, "decoder_width": 16, "decoder_heads": 2}


def noise(*shape: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def trained_like(model: Separator) -> Separator:
    """Statistics and shifts as after a training, so that nothing cancels."""
    model.fit_query_scaling(noise(20, model.size.query_size, seed=7) + 1)
    model.network.train()
    with torch.no_grad():
        for index, parameter in enumerate(model.network.parameters()):
            if parameter.ndim == 1:
                parameter += noise(*parameter.shape, seed=index)
        for seed in range(3):
            model(noise(2, 8000, seed=seed), noise(2, model.size.query_size))
    return model.eval()


@pytest.fixture(scope="module")
def plain() -> Separator:
    return trained_like(Separator.build(size=TINY, sample_rate=8000))


@pytest.fixture(scope="module")
def small() -> Separator:
    return trained_like(Separator.build("resunet30-small", size={"query_size": 5}))


@pytest.fixture(scope="module")
def with_encoder() -> Separator:
    encoder = AudioMAE.build("audiomae-small", size=ENCODER)
    return trained_like(Separator.build(size=TINY, sample_rate=32000, audiomae=encoder))


@torch.no_grad()
def streamed(model: Separator, mixtures: Tensor, queries: Tensor, step: int, block: int) -> Tensor:
    stream = SeparatorStream(model, queries, block)
    n_samples = mixtures.shape[1]
    parts = [stream.push(mixtures[:, i : i + step], last=i + step >= n_samples) for i in range(0, n_samples, step)]
    return torch.cat(parts, dim=1)


def difference_db(model: Separator, n_samples: int, step: int, block: int, batch: int = 1) -> float:
    mixtures, queries = noise(batch, n_samples), noise(batch, model.size.query_size, seed=1)
    with torch.no_grad():
        whole = model(mixtures, queries)
    parts = streamed(model, mixtures, queries, step, block)
    assert parts.shape == whole.shape
    assert whole.std() > 0.05 * mixtures.std()
    return 20 * float(torch.log10((parts - whole).abs().max() / whole.abs().max() + 1e-12))


class TestSeams:
    @settings(max_examples=12, deadline=None)
    @given(n_samples=st.integers(33, 1500), step=st.integers(1, 1500), block=st.integers(1, 64))
    def test_blocks_of_any_size_give_the_same_as_the_whole(self, plain, n_samples, step, block):
        assert difference_db(plain, n_samples, max(step, n_samples // 10), block, batch=2) < -90

    def test_of_the_small_preset(self, small):
        assert difference_db(small, 3 * 32000 + 17, step=10000, block=32) < -90

    @pytest.mark.parametrize("n_samples", [100, 20480, 20480 + 480, 50000])
    def test_with_an_encoder_whose_pieces_end_anywhere(self, with_encoder, n_samples):
        assert difference_db(with_encoder, n_samples, step=6000, block=64, batch=2) < -90
        assert difference_db(with_encoder, n_samples, step=n_samples, block=64) < -90

    def test_features_take_part(self, with_encoder):
        mixtures, queries = noise(1, 9000), noise(1, 5)
        before = streamed(with_encoder, mixtures, queries, 9000, 64)
        weight = with_encoder.network.base.bn0.weight
        with torch.no_grad():
            weight[33:] += 1
            after = streamed(with_encoder, mixtures, queries, 9000, 64)
            weight[33:] -= 1
        assert (before - after).abs().max() > 1e-4


class TestLimits:
    @pytest.mark.parametrize("n_samples", [1, 2, 32])
    def test_too_short_to_be_mirrored_is_as_if_zeros_followed(self, plain, n_samples):
        mixtures, queries = noise(1, n_samples), noise(1, 5, seed=1)
        padded = torch.nn.functional.pad(mixtures, (0, 33 - n_samples))
        with torch.no_grad():
            whole = plain(padded, queries)[:, :n_samples]
        np.testing.assert_allclose(streamed(plain, mixtures, queries, 1, 4), whole, atol=1e-6)

    def test_silence_stays_silence(self, plain):
        assert not streamed(plain, torch.zeros(1, 2000), noise(1, 5), 300, 8).any()

    def test_memory_does_not_grow_with_the_recording(self, plain):
        stream = SeparatorStream(plain, noise(1, 5), block=8)
        with torch.no_grad():
            counts = []
            for _ in range(40):
                stream.push(noise(1, 400))
                counts.append(sum(len(queue) for queue in (stream._new_spectra, stream._mixture_spectra)))
        assert max(counts[10:]) <= max(counts[:10])


class TestParts:
    @pytest.mark.parametrize("step", [1, 7, 50, 1000])
    def test_transforms_are_torchs(self, step):
        samples = noise(2, 333)
        window = torch.hann_window(32)
        spectra, waveforms = STFTStream(32, 16), ISTFTStream(32, 16)
        parts = [spectra.push(samples[:, i : i + step], i + step >= 333) for i in range(0, 333, step)]
        wanted = torch.stft(samples, 32, 16, window=window, return_complex=True).transpose(1, 2)
        np.testing.assert_allclose(torch.cat(parts, dim=1), wanted, atol=1e-5)
        back = torch.cat([waveforms.push(part, i == len(parts) - 1) for i, part in enumerate(parts)], dim=1)
        np.testing.assert_allclose(back[:, :333], samples, atol=1e-5)

    def test_a_queue_returns_frames_in_order(self):
        queue = FrameQueue(dim=1)
        for part in (torch.arange(3), torch.arange(3, 3), torch.arange(3, 10)):
            queue.put(part[None])
        taken = [queue.take(n)[0].tolist() for n in (1, 0, 5, 4)]
        assert taken == [[0], [], [1, 2, 3, 4, 5], [6, 7, 8, 9]]
        assert len(queue) == 0
