from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from auricle.errors import AuricleError
from auricle.systems.cmgan.conformer import ConformerAttention
from auricle.systems.cmgan.discriminator import Discriminator, normalised_pesq
from auricle.systems.cmgan.generator import TSCNet, TSCNetSize
from auricle.systems.cmgan.spectrum import Spectrum
from published import in_noise, voice
from reference import reference_state_dict, shapes_of

SMALL = TSCNetSize(channels=8, blocks=1, heads=2, dense_depth=2, kernel_size=5, max_distance=4, span=4, norm="batch")


def relative_error(ours, theirs) -> float:
    return float(np.abs(np.asarray(ours) - theirs).max() / np.abs(theirs).max())


@pytest.fixture(scope="module")
def published():
    network = TSCNet().eval()
    network.load_state_dict(reference_state_dict(shapes_of(network)))
    return network


class TestGolden:
    def test_keys_and_shapes_are_those_of_the_published_checkpoints(self, shared):
        keys = json.loads((shared / "golden" / "cmgan_tscnet.keys.json").read_text())
        assert shapes_of(TSCNet()) == {name: tuple(shape) for name, shape in keys.items()}

    def test_numbers_of_parameters(self):
        assert sum(p.numel() for p in TSCNet().parameters()) == 1_834_833
        assert sum(p.numel() for p in Discriminator().parameters()) == 181_650

    @torch.no_grad()
    def test_spectrum_and_waveform(self, published, shared):
        golden = np.load(shared / "golden" / "cmgan_tscnet.npz")
        noisy = torch.from_numpy(golden["noisy"])[None]
        spectrum = Spectrum()
        gain = noisy.square().mean().sqrt()
        compressed = spectrum.forward(noisy / gain)
        assert relative_error(compressed[0].transpose(1, 2), golden["compressed_spectrum"]) < 1e-4
        estimate = published(torch.from_numpy(golden["compressed_spectrum"])[None].transpose(2, 3))
        assert relative_error(estimate[0, 0].T, golden["real"]) < 1e-5
        assert relative_error(estimate[0, 1].T, golden["imag"]) < 1e-5
        enhanced = spectrum.inverse(estimate, noisy.shape[1]) * gain
        assert relative_error(enhanced[0], golden["enhanced"]) < 1e-5

    def test_figures_of_the_names_and_shapes(self, figures):
        figures.names_and_shapes("cmgan_tscnet.keys", shapes_of(TSCNet()))

    @torch.no_grad()
    def test_figures_of_a_voice_in_noise(self, published, figures):
        noisy = torch.from_numpy(in_noise(voice(4000), 5.0))[None]
        spectrum = Spectrum()
        gain = noisy.square().mean().sqrt()
        compressed = spectrum.forward(noisy / gain)
        figures("cmgan_tscnet/compressed_spectrum of voice", compressed[0].transpose(1, 2), of_peak=1e-4)
        estimate = published(compressed)
        figures("cmgan_tscnet/real of voice", estimate[0, 0].T, of_peak=1e-5)
        figures("cmgan_tscnet/imag of voice", estimate[0, 1].T, of_peak=1e-5)
        enhanced = spectrum.inverse(estimate, noisy.shape[1]) * gain
        figures("cmgan_tscnet/enhanced of voice", enhanced[0], of_peak=1e-5)


class TestSpectrum:
    @pytest.mark.parametrize("spectrum", [Spectrum(), Spectrum(400, 200, 0.5), Spectrum(64, 16, 1.0)])
    def test_there_and_back(self, spectrum):
        waveform = torch.randn(2, 1234)
        torch.testing.assert_close(spectrum.inverse(spectrum.forward(waveform), 1234), waveform, atol=1e-5, rtol=0)

    def test_gradients_are_finite_in_silence(self):
        waveform = torch.zeros(1, 1000, requires_grad=True)
        spectrum = Spectrum()
        spectrum.inverse(spectrum.forward(waveform), 1000).sum().backward()
        assert torch.isfinite(waveform.grad).all()

    def test_nonsense_is_refused(self):
        for options, quoted in (({"n_fft": 402}, "402"), ({"hop_length": 300}, "300"), ({"compression": 0.0}, "0")):
            with pytest.raises(AuricleError, match=quoted):
                Spectrum(**options)


def naive_attention(layer, x):
    """Equation of the class, position by position."""
    q, (k, v) = layer.to_q(x), layer.to_kv(x).chunk(2, dim=-1)
    width = x.shape[-1] // layer.heads
    out = torch.zeros_like(x)
    for head in range(layer.heads):
        part = slice(head * width, (head + 1) * width)
        for b in range(len(x)):
            for i in range(x.shape[1]):
                scores = []
                for j in range(x.shape[1]):
                    distance = min(max(i - j, -layer.max_distance), layer.max_distance)
                    position = layer.rel_pos_emb.weight[distance + layer.max_distance]
                    score = (q[b, i, part] @ k[b, j, part] + q[b, i, part] @ position) / width**0.5
                    scores.append(score if layer.span is None or abs(i - j) <= layer.span else score - torch.inf)
                out[b, i, part] = torch.softmax(torch.stack(scores), 0) @ v[b, :, part]
    return layer.to_out(out)


class TestAttention:
    @pytest.mark.parametrize("span", [None, 2])
    @torch.no_grad()
    def test_equals_its_equation(self, span):
        layer = ConformerAttention(6, heads=2, max_distance=3, span=span, dropout=0.0).eval()
        x = torch.randn(2, 9, 6)
        torch.testing.assert_close(layer(x), naive_attention(layer, x), atol=1e-5, rtol=1e-5)

    @torch.no_grad()
    def test_in_pieces_as_at_once(self, monkeypatch):
        layer = ConformerAttention(6, heads=2, max_distance=3, span=None, dropout=0.0).eval()
        x = torch.randn(5, 9, 6)
        whole = layer(x)
        monkeypatch.setattr("auricle.systems.cmgan.conformer._ATTENTION_ELEMENTS", 2 * 2 * 81)
        torch.testing.assert_close(layer(x), whole)


class TestContext:
    @torch.no_grad()
    def test_a_frame_depends_on_its_context_alone(self):
        network = TSCNet(9, SMALL).double().eval()
        before, after = SMALL.context
        x = torch.randn(1, 2, 60, 9, dtype=torch.float64)
        changed = x.clone()
        changed[:, :, 30] += 1.0
        moved = (network(x) - network(changed)).abs().amax((0, 1, 3)) > 1e-13
        assert not moved[: 30 - after].any()
        assert not moved[30 + before + 1 :].any()
        assert moved[30 - after : 30 + before + 1].all()

    def test_without_bounds_there_is_none(self):
        assert TSCNetSize().context is None
        assert TSCNetSize(norm="batch").context is None

    def test_nonsense_is_refused(self):
        for options, quoted in (
            ({"norm": "layer"}, "layer"),
            ({"channels": 10}, "10"),
            ({"kernel_size": 4}, "4"),
            ({"span": -1}, "-1"),
            ({"blocks": 0}, "0"),
        ):
            with pytest.raises(AuricleError, match=quoted):
                TSCNetSize(**options)


class TestDiscriminator:
    def test_a_score_between_0_and_1_for_each_pair(self):
        scores = Discriminator(4)(torch.rand(3, 1, 41, 33), torch.rand(3, 1, 41, 33))
        assert scores.shape == (3,)
        assert ((scores > 0) & (scores < 1)).all()

    def test_pesq_is_normalised(self):
        torch.testing.assert_close(normalised_pesq(torch.tensor([1.0, 4.5])), torch.tensor([0.0, 1.0]))
