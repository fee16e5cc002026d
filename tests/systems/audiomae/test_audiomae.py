"""The audio masked autoencoder: equal to the published outputs and to slow twins; limit cases; checkpoints."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import Trainer
from numpy.typing import NDArray
from torch import Tensor

from auricle.__main__ import main
from auricle.errors import AuricleError
from auricle.frontends.kaldi import kaldi_fbank
from auricle.runs.callbacks import SeededSteps
from auricle.runs.training_module import TrainingModule
from auricle.systems import load
from auricle.systems.audiomae import PRESETS, AudioMAE
from auricle.systems.audiomae.masking import (
    insert_mask_tokens,
    patch_mask,
    patchify,
    random_visible,
    reconstruction_loss,
    select_tokens,
    unpatchify,
)
from auricle.systems.audiomae.network import AudioMAESize, MaskedAutoencoder
from auricle.systems.audiomae.published import from_published
from auricle.systems.audiomae.transformer import SwinBlock, TransformerBlock, sine_positions
from published import PublishedFigures
from reference import reference_state_dict, shapes_of

SPECTROGRAM_SEED = 5
TINY: dict[str, Any] = {
    "n_frames": 64,
    "width": 64,
    "depth": 2,
    "heads": 1,
    "decoder_width": 16,
    "decoder_depth": 2,
    "decoder_heads": 2,
}


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def referenced(module: torch.nn.Module) -> Any:
    module.load_state_dict(reference_state_dict(shapes_of(module)))
    return module.double().eval()


def relative(actual: Tensor, expected: NDArray) -> float:
    wanted = expected.astype(np.float64)
    return float(np.abs(actual.double().numpy() - wanted).max() / np.abs(wanted).max())


class TestPublished:
    @pytest.fixture(scope="class")
    def golden(self, shared: Path) -> dict[str, NDArray]:
        with np.load(shared / "golden/audiomae_pretrain_vitb.npz") as arrays:
            return {name: arrays[name] for name in arrays.files}

    @pytest.fixture(scope="class")
    def model(self) -> MaskedAutoencoder:
        model = MaskedAutoencoder().eval()
        shapes = shapes_of(model)
        positions = {name: value for name, value in model.state_dict().items() if "pos_embed" in name}
        model.load_state_dict(reference_state_dict({k: v for k, v in shapes.items() if k not in positions}) | positions)
        return model

    @pytest.fixture(scope="class")
    def outputs(self, model: MaskedAutoencoder) -> dict[str, Tensor]:
        """What the arrays of the published outputs' file hold."""
        spectrograms = np.random.default_rng(SPECTROGRAM_SEED).standard_normal((1, 1, 1024, 128)) * 0.5
        with torch.no_grad():
            layers = model.layers(torch.from_numpy(spectrograms[:, 0].astype(np.float32)))
            tokens = model.norm(layers[-1])
            decoded = model.decode(tokens, torch.arange(512)[None])
        means = torch.stack([layer[0].mean(0) for layer in layers])
        return {"block_means": means, "tokens": tokens[0], "decoded": decoded[0, :64]}

    def test_names_and_shapes(self, model: MaskedAutoencoder, shared: Path) -> None:
        keys = json.loads((shared / "golden/audiomae_pretrain_vitb.keys.json").read_text())
        assert {name: list(shape) for name, shape in shapes_of(model).items()} == keys

    def test_positions(self, model: MaskedAutoencoder, golden: dict[str, NDArray]) -> None:
        for name in ("pos_embed", "decoder_pos_embed"):
            np.testing.assert_allclose(model.get_buffer(name)[0].numpy(), golden[name], atol=3e-4)

    def test_encoder_and_swin_decoder(self, outputs: dict[str, Tensor], golden: dict[str, NDArray]) -> None:
        """Tokens and patches are stored in half precision, and rounding is what remains of their errors."""
        assert int(golden["fbank_seed"]) == SPECTROGRAM_SEED
        assert relative(outputs["block_means"], golden["block_means"]) < 1e-5
        assert relative(outputs["tokens"], golden["tokens"]) < 1e-3
        assert relative(outputs["decoded"], golden["decoded"]) < 1e-3

    def test_figures(self, model: MaskedAutoencoder, outputs: dict[str, Tensor], figures: PublishedFigures) -> None:
        figures.names_and_shapes("audiomae_pretrain_vitb.keys", shapes_of(model))
        for name in ("pos_embed", "decoder_pos_embed"):
            figures(f"audiomae_pretrain_vitb/{name}", model.get_buffer(name)[0], atol=3e-4)
        for name, bound in (("block_means", 1e-5), ("tokens", 1e-3), ("decoded", 1e-3)):
            figures(f"audiomae_pretrain_vitb/{name}", outputs[name], of_peak=bound)

    def test_parameters_of_the_encoder(self, model: MaskedAutoencoder) -> None:
        parts = [model.blocks, model.patch_embed, model.norm]
        count = sum(p.numel() for part in parts for p in part.parameters()) + model.cls_token.numel()
        assert count == pytest.approx(85_250_000, rel=1e-3)


class TestFilterbank:
    @pytest.mark.parametrize(("n_samples", "rate", "n_bands"), [(400, 16000, 128), (719, 16000, 40), (720, 8000, 23)])
    def test_is_kaldis(self, n_samples: int, rate: int, n_bands: int) -> None:
        waveform = 0.3 * noise(n_samples).double()
        got = kaldi_fbank(waveform[None], rate, n_bands=n_bands)[0].numpy()
        np.testing.assert_allclose(got, naive_fbank(waveform.numpy(), rate, n_bands), atol=1e-8)

    @pytest.mark.parametrize("level", [0.0, 1.0, 32768.0])
    def test_constants_are_silence(self, level: float) -> None:
        silence = kaldi_fbank(torch.full((1, 800), level), 16000)
        torch.testing.assert_close(silence, torch.full((1, 3, 128), math.log(2**-23)))

    def test_square_wave_at_full_scale(self) -> None:
        wave = torch.where(torch.arange(1600) // 20 % 2 == 0, 1.0, -1.0)[None]
        assert kaldi_fbank(wave).isfinite().all()

    def test_short_waveforms_are_named(self) -> None:
        with pytest.raises(AuricleError, match=r"\(1, 399\).*400 samples"):
            kaldi_fbank(torch.zeros(1, 399))

    def test_unknown_windows_are_named(self) -> None:
        with pytest.raises(AuricleError, match=r"unknown window 'hamming'.*hann, povey"):
            kaldi_fbank(torch.zeros(1, 400), window="hamming")

    @pytest.mark.parametrize("n_samples", [400, 10_000, 10_640, 60_000])
    def test_features_are_padded_or_cut_then_scaled(self, n_samples: int) -> None:
        model = AudioMAE.build(size=TINY)
        waveform = 0.1 * noise(1, n_samples) + 0.5
        spectrograms = model.features(waveform)
        assert spectrograms.shape == (1, 64, 128)
        rows = kaldi_fbank(waveform - waveform.mean())[0, :64]
        torch.testing.assert_close(spectrograms[0, : len(rows)], (rows + 4.2677393) / 9.1379948)
        torch.testing.assert_close(
            spectrograms[0, len(rows) :], torch.full((64 - len(rows), 128), 4.2677393 / 9.1379948)
        )


def naive_fbank(waveform: NDArray, rate: int, n_bands: int) -> NDArray:
    """Kaldi's definitions one by one: window by window, bin by bin, band by band."""
    size, hop = rate * 25 // 1000, rate // 100
    n_fft = 1
    while n_fft < size:
        n_fft *= 2

    def mel(hz: float) -> float:
        return 1127.0 * math.log(1.0 + hz / 700.0)

    step = (mel(rate / 2) - mel(20.0)) / (n_bands + 1)
    out = np.zeros((1 + (len(waveform) - size) // hop, n_bands))
    for k in range(len(out)):
        frame = waveform[k * hop : k * hop + size].copy()
        frame -= sum(frame) / size
        for i in reversed(range(1, size)):
            frame[i] -= 0.97 * frame[i - 1]
        frame[0] -= 0.97 * frame[0]
        for i in range(size):
            frame[i] *= 0.5 - 0.5 * math.cos(2.0 * math.pi * i / (size - 1))
        turns = np.exp(-2j * np.pi / n_fft * np.outer(np.arange(n_fft // 2), np.arange(size)))
        power = np.abs(turns @ frame) ** 2
        for band in range(n_bands):
            left = mel(20.0) + band * step
            center, right = left + step, left + 2 * step
            energy = 0.0
            for b in range(n_fft // 2):
                place = mel(b * rate / n_fft)
                if left < place < right:
                    weight = (place - left) / step if place <= center else (right - place) / step
                    energy += weight * power[b]
            out[k, band] = math.log(max(energy, 2.0**-23))
    return out


class TestMasking:
    def test_patches_lie_time_by_time(self) -> None:
        spectrograms = noise(2, 6, 4)
        patches = patchify(spectrograms, 2)
        assert patches.shape == (2, 6, 4)
        for time, band, dt, db in np.ndindex(3, 2, 2, 2):
            assert patches[1, 2 * time + band, 2 * dt + db] == spectrograms[1, 2 * time + dt, 2 * band + db]
        assert torch.equal(unpatchify(patches, 4), spectrograms)
        with pytest.raises(AuricleError, match=r"6 frames and 4 bands.*3"):
            patchify(spectrograms, 3)

    @pytest.mark.parametrize(("ratio", "n_visible"), [(0.8, 102), (0.0, 512), (0.75, 128), (0.998, 1)])
    def test_visible_and_masked_patches(self, ratio: float, n_visible: int) -> None:
        visible = random_visible(50, 512, ratio, torch.Generator().manual_seed(0))
        assert visible.shape == (50, n_visible)
        mask = patch_mask(visible, 512)
        for row, places in zip(mask, visible, strict=True):
            assert sorted(set(places.tolist())) == places.tolist()
            assert [not masked for masked in row] == [place in set(places.tolist()) for place in range(512)]
        if ratio == 0.8:
            counts = (~mask).sum(0)
            assert counts.float().mean() == pytest.approx(50 * 102 / 512)
            assert counts.float().std() == pytest.approx(math.sqrt(50 * 0.2 * 0.8), rel=0.2)

    @pytest.mark.parametrize("ratio", [-0.1, 1.0, 0.999])
    def test_no_visible_patch_is_refused(self, ratio: float) -> None:
        with pytest.raises(AuricleError, match=f"mask_ratio={ratio:g}"):
            random_visible(1, 512, ratio)

    def test_tokens_return_to_their_places_among_mask_tokens(self) -> None:
        tokens, visible, mask_token = noise(2, 5, 3), torch.tensor([[0, 3], [1, 4]]), noise(3, seed=1)
        filled = insert_mask_tokens(select_tokens(tokens, visible), visible, mask_token, 5)
        for row, place in np.ndindex(2, 5):
            want = tokens[row, place] if place in visible[row].tolist() else mask_token
            assert torch.equal(filled[row, place], want)

    def test_loss_is_the_slow_twin(self) -> None:
        predicted, patches = noise(2, 3, 4).double().numpy(), 5 * noise(2, 3, 4, seed=1).double().numpy() + 3
        mask = np.array([[True, False, True], [False, False, True]])
        total, count = 0.0, 0
        for row, place in np.argwhere(mask):
            patch = patches[row, place]
            mean = sum(patch) / 4
            variance = sum((value - mean) ** 2 for value in patch) / 3
            wanted = [(value - mean) / math.sqrt(variance + 1e-6) for value in patch]
            total += sum((p - w) ** 2 for p, w in zip(predicted[row, place], wanted, strict=True)) / 4
            count += 1
        loss = reconstruction_loss(torch.from_numpy(predicted), torch.from_numpy(patches), torch.from_numpy(mask))
        assert loss.item() == pytest.approx(total / count, rel=1e-12)

    def test_silence_has_a_finite_loss(self) -> None:
        predicted = noise(1, 2, 4).requires_grad_()
        loss = reconstruction_loss(predicted, torch.zeros(1, 2, 4), torch.ones(1, 2, dtype=torch.bool))
        loss.backward()
        assert loss.item() == pytest.approx(predicted.detach().square().mean().item())
        assert predicted.grad is not None
        assert predicted.grad.isfinite().all()


class TestBlocks:
    def test_plain_block(self) -> None:
        block = referenced(TransformerBlock(6, 2))
        x = noise(1, 5, 6).double()
        with torch.no_grad():
            got = block(x)[0].numpy()
        weights = {name: value.numpy() for name, value in block.state_dict().items()}
        attended = x[0].numpy() + naive_attention(weights, naive_norm(x[0].numpy(), weights, "norm1"), 2)
        want = attended + naive_mlp(naive_norm(attended, weights, "norm2"), weights, "mlp")
        np.testing.assert_allclose(got, want, atol=1e-9)

    @pytest.mark.parametrize("shift", [0, 2])
    @pytest.mark.parametrize("grid", [(12, 8), (4, 2), (8, 4), (1, 1)])
    def test_swin_block(self, grid: tuple[int, int], shift: int) -> None:
        block = referenced(SwinBlock(8, 2, grid, shift=shift))
        x = 3 * noise(1, grid[0] * grid[1], 8).double()
        with torch.no_grad():
            got = block(x)[0].numpy()
        weights = {name: value.numpy() for name, value in block.state_dict().items()}
        attended = naive_window_attention(weights, x[0].numpy(), 2, grid, shift if grid[0] > 4 else 0)
        y = x[0].numpy() + naive_norm(attended, weights, "norm1")
        want = y + naive_norm(naive_mlp(y, weights, "mlp"), weights, "norm2")
        np.testing.assert_allclose(got, want, atol=1e-9)

    @pytest.mark.parametrize("grid", [(1, 1), (3, 2), (2, 5)])
    def test_positions(self, grid: tuple[int, int]) -> None:
        got = sine_positions(grid, 8).numpy()
        for row, column in np.ndindex(grid):
            want = []
            for place in (column, row):
                angles = [place, place / 100]
                want += [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
            np.testing.assert_allclose(got[row * grid[1] + column], want, atol=1e-6)


def naive_norm(x: NDArray, weights: dict[str, NDArray], name: str) -> NDArray:
    centred = x - x.mean(-1, keepdims=True)
    standard = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
    return standard * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def naive_linear(x: NDArray, weights: dict[str, NDArray], name: str) -> NDArray:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def naive_mlp(x: NDArray, weights: dict[str, NDArray], name: str) -> NDArray:
    hidden = naive_linear(x, weights, f"{name}.fc1")
    gelu = np.vectorize(lambda value: 0.5 * value * (1 + math.erf(value / math.sqrt(2))))(hidden)
    return naive_linear(gelu, weights, f"{name}.fc2")


def naive_attention(weights: dict[str, NDArray], x: NDArray, heads: int) -> NDArray:
    n, width = x.shape
    size = width // heads
    qkv = naive_linear(x, weights, "attn.qkv")
    out = np.zeros_like(x)
    for head, i in np.ndindex(heads, n):
        q, k, v = (qkv[:, part * width + head * size : part * width + (head + 1) * size] for part in range(3))
        scores = np.exp([q[i] @ k[j] / math.sqrt(size) for j in range(n)])
        out[i, head * size : (head + 1) * size] = sum(scores[j] * v[j] for j in range(n)) / scores.sum()
    return naive_linear(out, weights, "attn.proj")


def naive_window_attention(
    weights: dict[str, NDArray], x: NDArray, heads: int, grid: tuple[int, int], shift: int
) -> NDArray:
    """Token by token: who is in the same window after the shift, and did not come around the edge alone."""
    rows, columns = grid
    width = x.shape[1]
    size = width // heads
    qkv = naive_linear(x, weights, "attn.qkv")
    places = [((r - shift) % rows, c) for r in range(rows) for c in range(columns)]
    windows = [(r // 4, c // 4, r >= rows - shift) for r, c in places]
    out = np.zeros_like(x)
    for head, i in np.ndindex(heads, len(x)):
        q, k, v = (qkv[:, part * width + head * size : part * width + (head + 1) * size] for part in range(3))
        members = [j for j in range(len(x)) if windows[j] == windows[i]]
        scores = []
        for j in members:
            cosine = q[i] @ k[j] / (np.linalg.norm(q[i]) * np.linalg.norm(k[j]))
            steps = np.array([places[i][axis] - places[j][axis] for axis in range(2)], dtype=float)
            hidden = naive_linear(np.sign(steps) * np.log(1 + np.abs(steps)), weights, "attn.meta_mlp.fc1")
            bias = naive_linear(np.maximum(hidden, 0), weights, "attn.meta_mlp.fc2")[head]
            scores.append(math.exp(cosine / max(weights["attn.tau"][head], 0.01) + bias))
        total = sum(score * v[j] for score, j in zip(scores, members, strict=True))
        out[i, head * size : (head + 1) * size] = total / sum(scores)
    return naive_linear(out, weights, "attn.proj")


class TestAutoencoder:
    @pytest.mark.parametrize("decoder", ["swin", "transformer"])
    def test_masked_patches_do_not_reach_the_encoder(self, decoder: str) -> None:
        model = MaskedAutoencoder(AudioMAESize(**TINY | {"decoder": decoder})).double().eval()
        spectrograms, visible = noise(1, 64, 128).double(), torch.tensor([[3, 17, 30]])
        other = patchify(noise(1, 64, 128, seed=1).double(), 16)
        other = insert_mask_tokens(select_tokens(patchify(spectrograms, 16), visible), visible, other[0, 0], 32)
        with torch.no_grad():
            first, second = (model(spectrogram, visible)[1] for spectrogram in (spectrograms, unpatchify(other, 128)))
            assert model.encode(spectrograms, visible).shape == (1, 4, 64)
        assert first.shape == (1, 32, 256)
        torch.testing.assert_close(first, second, rtol=0, atol=1e-12)

    def test_a_shorter_spectrogram_has_the_first_positions(self) -> None:
        """Block by block, it is the whole spectrogram of which the first patches alone are visible."""
        model = MaskedAutoencoder(AudioMAESize(**TINY)).double().eval()
        spectrograms = noise(2, 64, 128).double()
        with torch.no_grad():
            short = model.layers(spectrograms[:, :32])
            visible = model.layers(spectrograms, torch.arange(16).expand(2, -1))
        assert len(short) == 2
        for one, other in zip(short, visible, strict=True):
            torch.testing.assert_close(one, other)

    @pytest.mark.parametrize("decoder", ["swin", "transformer"])
    def test_gradients_reach_every_parameter(self, decoder: str) -> None:
        model = AudioMAE.build(size=TINY | {"decoder": decoder, "decoder_depth": 3}).train()
        for signal in (torch.zeros(2, 10640), torch.sign(noise(2, 10640))):
            model.zero_grad()
            model.loss(model.features(signal)).backward()
            for name, parameter in model.named_parameters():
                assert parameter.grad is not None, name
                assert parameter.grad.isfinite().all(), name

    def test_it_learns_to_predict_masked_patches(self) -> None:
        """Spectrograms whose patches all rise in one direction, drawn for each: without knowing it the loss is 1."""
        torch.manual_seed(0)
        size = {"n_frames": 64, "n_bands": 32, "patch": 8, "width": 64, "depth": 2, "heads": 2, "decoder_width": 32}
        model = AudioMAE.build("audiomae-small", size=size | {"decoder_depth": 1, "decoder_heads": 2}, mask_ratio=0.5)
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        rows, columns = torch.arange(64.0)[:, None] % 8 - 3.5, torch.arange(32.0) % 8 - 3.5

        def batch(n: int) -> Tensor:
            direction = 2 * math.pi * torch.rand(n, 1, 1)
            return direction.cos() * rows + direction.sin() * columns

        for _ in range(60):
            optimizer.zero_grad()
            model.loss(batch(16)).backward()
            optimizer.step()
        with torch.no_grad():
            assert model.eval().loss(batch(64)) < 0.2

    def test_the_loss_is_repeatable(self) -> None:
        model, spectrograms = AudioMAE.build(size=TINY).eval(), noise(2, 64, 128)
        losses = [model.loss(spectrograms, torch.Generator().manual_seed(seed)).item() for seed in (1, 1, 2)]
        assert losses[0] == losses[1] != losses[2]

    def test_masks_and_the_networks_own_draws_are_independent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seeds = []

        def noticed(*shape: Any, generator: torch.Generator) -> Tensor:
            seeds.append(generator.initial_seed())
            return random_visible(*shape, generator=generator)

        monkeypatch.setattr("auricle.systems.audiomae.system.random_visible", noticed)
        model = AudioMAE.build(size=TINY)
        SeededSteps().on_train_batch_start(Trainer(logger=False), TrainingModule(model), {}, 0)
        model.training_step({"waveform": 0.1 * noise(2, 8000)}, 0)
        assert len(seeds) == 1
        assert seeds != [torch.initial_seed()]

    @pytest.mark.parametrize("shape", [(1, 65, 128), (1, 8, 128), (1, 64, 127), (1, 80, 128), (64, 128)])
    def test_wrong_spectrograms_are_named(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(AuricleError, match=f"{shape[-2]}"):
            MaskedAutoencoder(AudioMAESize(**TINY)).encode(torch.zeros(shape))

    @pytest.mark.parametrize(
        ("size", "words"),
        [
            ({"decoder": "conv"}, "'conv'.*swin"),
            ({"positions": "none"}, "'none'.*grid"),
            ({"n_frames": 100}, "n_frames=100.*16"),
            ({"heads": 5}, "width=768.*heads=5"),
            ({"decoder_width": 510}, "decoder_width=510"),
            ({"n_frames": 1008}, "63 × 8"),
            ({"depth": 0}, "depth=0"),
        ],
    )
    def test_wrong_sizes_are_named(self, size: dict[str, Any], words: str) -> None:
        with pytest.raises(AuricleError, match=words):
            AudioMAESize(**size)


class TestFolders:
    def test_a_checkpoint_becomes_a_folder(self, tmp_path: Path) -> None:
        model = AudioMAE.build(size=TINY, seed=3).eval()
        arguments = argparse.Namespace(mask_ratio=0.8)
        content = {"model": model.network.state_dict(), "optimizer": {"state": {}}, "epoch": 31, "args": arguments}
        torch.save(content, tmp_path / "pretrained.pth")
        with pytest.raises(SystemExit) as ended:
            main(["convert", "audiomae", str(tmp_path / "pretrained.pth"), "--output", str(tmp_path / "model")])
        assert ended.value.code == 0
        converted = load(tmp_path / "model")
        assert isinstance(converted, AudioMAE)
        assert converted.size == model.size
        waveform = 0.1 * noise(1, 9000)
        with torch.no_grad():
            assert torch.equal(converted(waveform), model(waveform))

    def test_errors_say_what_is_wrong(self, tmp_path: Path) -> None:
        weights = MaskedAutoencoder(AudioMAESize(**TINY)).state_dict()
        bad = {
            "encoder": ({k: v for k, v in weights.items() if "decoder" not in k}, r"lacks 'decoder_embed\.weight'"),
            "less": ({k: v for k, v in weights.items() if k != "norm.bias"}, r"lacks 'norm\.bias'"),
            "more": (weights | {"head.weight": torch.zeros(1)}, r"has 'head\.weight'"),
            "nan": (weights | {"norm.bias": torch.full((64,), torch.nan)}, "NaN"),
        }
        for name, (content, words) in bad.items():
            torch.save(content, tmp_path / name)
            with pytest.raises(AuricleError, match=words):
                from_published(tmp_path / name)

    @pytest.mark.parametrize("preset", PRESETS)
    def test_presets_fit(self, preset: str) -> None:
        with torch.device("meta"):
            network = AudioMAE.build(preset).network
        assert len(network.decoder_blocks) == {"audiomae": 16, "audiomae-paper": 8, "audiomae-small": 2}[preset]

    def test_unknown_names(self) -> None:
        with pytest.raises(AuricleError, match=r"'mae'.*audiomae"):
            AudioMAE.build("mae")
        with pytest.raises(AuricleError, match=r"'layers'.*depth"):
            AudioMAE.build(size={"layers": 1})


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_training_with_advice(loss: float) -> None:
    model = AudioMAE.build("audiomae-small", size={"depth": 1})
    model.check_finite(torch.tensor(0.5))
    with pytest.raises(AuricleError, match=r"epoch 1, step 1: try a smaller --optimization.learning-rate than 0.001"):
        model.check_finite(torch.tensor(loss))
