"""MAE-ResUNet: pooling, alignment and fusion against slow twins; what learns; any length; folders."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from auricle.errors import AuricleError
from auricle.systems import load
from auricle.systems.audiomae import AudioMAE
from auricle.systems.audiomae.features import DEVIATION, MEAN, filterbank_spectrograms
from auricle.systems.resampling import resample
from auricle.systems.separator import Separator
from auricle.systems.separator.encoder import AudioMAEFeatures
from auricle.systems.separator.resunet import ResUNet30, ResUNetSize

RATE, PATCH, BANDS = 16000, 4, 8
MAE: dict[str, Any] = {
    "n_frames": 32,
    "n_bands": BANDS,
    "patch": PATCH,
    "width": 8,
    "depth": 2,
    "heads": 2,
    "decoder": "transformer",
    "decoder_width": 8,
    "decoder_depth": 1,
    "decoder_heads": 2,
}
TINY: dict[str, Any] = {"n_fft": 640, "hop_length": 160, "channels": (2, 3, 4), "query_size": 5}


def autoencoder(**size: Any) -> AudioMAE:
    return AudioMAE.build(size=MAE | size).eval()


def separator(**options: Any) -> Separator:
    return Separator.build(size=TINY, sample_rate=RATE, audiomae=autoencoder(), **options).eval()


def encoder_of(**options: Any) -> AudioMAEFeatures:
    encoder = separator(**options).encoder
    assert encoder is not None
    return encoder


def noise(*shape: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def naive_pooled(tokens: np.ndarray) -> np.ndarray:
    """`(1 + patches, width)`: patch by patch, two times and all bands into one."""
    across = BANDS // PATCH
    rows = []
    for first in range(0, (len(tokens) - 1) // across, 2):
        own = [tokens[1 + time * across + band] for time in (first, first + 1) for band in range(across)]
        rows.append((np.mean(own, axis=0) + np.max(own, axis=0)) / 2)
    return np.array(rows)


class TestFeatures:
    def test_pooling(self) -> None:
        encoder = encoder_of()
        spectrograms = noise(2, 32, BANDS)
        with torch.no_grad():
            tokens, pooled = encoder.tokens(spectrograms), encoder.pooled(spectrograms)
        assert pooled.shape == (2, 4, 8)
        for clip in range(2):
            np.testing.assert_allclose(pooled[clip].numpy(), naive_pooled(tokens[clip].numpy()), atol=1e-6)

    @pytest.mark.parametrize("n_frames", [3, 8, 21, 32])
    def test_time_aligned(self, n_frames: int) -> None:
        """Whole pairs of patches are read, and interpolated between the times at which these are centred."""
        encoder = encoder_of()
        spectrograms = noise(1, n_frames, BANDS)
        n_read = int(np.ceil(n_frames / 8)) * 8
        blank = np.full((n_read - n_frames, BANDS), -MEAN / (2 * DEVIATION))
        with torch.no_grad():
            got = encoder.aligned(spectrograms, 40)[0].numpy()
            read = torch.from_numpy(np.concatenate([spectrograms[0].numpy(), blank])).float()
            pooled = naive_pooled(encoder.tokens(read[None])[0].numpy())
        centres_s = [np.mean([0.01 * (8 * p + k) + 0.0125 for k in range(8)]) for p in range(len(pooled))]
        for frame in range(40):
            want = [np.interp(frame * 160 / RATE, centres_s, pooled[:, d]) for d in range(8)]
            np.testing.assert_allclose(got[frame], want, atol=1e-5)

    def test_what_is_longer_than_the_encoder_is_read_piece_by_piece(self) -> None:
        encoder = encoder_of()
        spectrograms = noise(1, 72, BANDS)
        with torch.no_grad():
            pieces = torch.cat([encoder.pooled(spectrograms[:, k : k + 32]) for k in (0, 32, 64)], dim=1)
            first = encoder.aligned(spectrograms[:, :32], 30)
            together = encoder.aligned(spectrograms, 73)
        assert pieces.shape[1] == 9
        torch.testing.assert_close(together[:, -1], pieces[:, -1])
        torch.testing.assert_close(together[:, :28], first[:, :28])

    def test_repeat(self) -> None:
        """A spectrogram of the whole length, of which each pooled feature fills as many frames as any other."""
        encoder = encoder_of(fusion="repeat")
        spectrograms = noise(1, 13, BANDS)
        with torch.no_grad():
            got = encoder.repeated(spectrograms, 21)[0].numpy()
            whole = torch.full((1, 32, BANDS), -MEAN / (2 * DEVIATION))
            whole[:, :13] = spectrograms
            pooled = naive_pooled(encoder.tokens(whole)[0].numpy())
        assert encoder.frame_multiple == 4
        for frame in range(21):
            np.testing.assert_allclose(got[frame], pooled[frame // 6], atol=1e-6)

    def test_the_papers_sizes(self) -> None:
        """2 s at 32 kHz: 201 frames, padded to 224, are filled by 32 features, each seven times."""
        with torch.device("meta"):
            config = {"sample_rate": 16000, "size": AudioMAE.build().config["size"]}
            encoder = AudioMAEFeatures(config, sample_rate=32000, hop_length=320, frame_multiple=32, fusion="repeat")
            network = ResUNet30(ResUNetSize(n_fft=1024), 768)
        assert network.base.bn0.num_features == 1281
        shapes = []
        encoder.pooled = lambda spectrograms: (
            shapes.append(tuple(spectrograms.shape)) or torch.arange(32.0)[None, :, None]
        )  # type: ignore[assignment,func-returns-value]
        features = encoder(noise(1, 64000), 201)[0, :, 0]
        assert shapes == [(1, 1024, 128)]
        assert features.tolist() == [frame // 7 for frame in range(201)]

    def test_the_mixture_is_resampled_to_the_encoders_rate(self) -> None:
        model = Separator.build(size=TINY, sample_rate=32000, audiomae=autoencoder()).eval()
        assert model.encoder is not None
        mixture = noise(1, 9000)
        with torch.no_grad():
            got = model.encoder(mixture, 57)
            want = model.encoder.aligned(filterbank_spectrograms(resample(mixture, 32000, 16000), 16000, BANDS), 57)
        torch.testing.assert_close(got, want)

    def test_layers(self) -> None:
        frozen, updated = encoder_of(), encoder_of(encoder="updated")
        spectrograms = noise(1, 16, BANDS)
        layers = frozen.network.layers(spectrograms)
        torch.testing.assert_close(frozen.tokens(spectrograms), layers[-1])
        torch.testing.assert_close(updated.tokens(spectrograms), (layers[0] + layers[1]) / 2)
        assert updated.weights is not None
        updated.weights.data = torch.tensor([2.0, -1.0])
        share = np.exp(2) / (np.exp(2) + np.exp(-1))
        torch.testing.assert_close(updated.tokens(spectrograms), share * layers[0] + (1 - share) * layers[1])


class TestNetwork:
    def test_features_are_columns_after_the_bins_and_the_last_is_dropped(self) -> None:
        torch.manual_seed(0)
        network = ResUNet30(ResUNetSize(**TINY), 8).eval()
        seen = []
        network.base.pre_conv.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        mixture, features = noise(1, 3200), noise(1, 21, 8, seed=1)
        with torch.no_grad():
            separated = network(mixture, noise(1, 5), features)
            magnitudes = network.transform(mixture).abs()
        assert separated.shape == (1, 3200)
        columns = torch.cat([magnitudes, features], dim=-1)[:, :, :-1] / np.sqrt(1 + 1e-5)
        assert seen[0].shape == (1, 1, 24, 321 + 7)
        torch.testing.assert_close(seen[0][:, 0, :21], columns, rtol=1e-4, atol=1e-5)

    def test_the_features_matter(self) -> None:
        model, mixture, query = separator(), noise(1, 3200), noise(1, 5)
        model.network.base.bn0.running_var.mul_(1e-2)
        with torch.no_grad():
            before = model(mixture, query)
            assert model.encoder is not None
            model.encoder.network.blocks[0].mlp.fc2.bias.add_(1.0)
            assert not torch.allclose(model(mixture, query), before)

    @pytest.mark.parametrize("n_samples", [321, 400, 3200, 9999])
    @pytest.mark.parametrize("level", [0.0, 1.0])
    def test_any_length_and_level(self, n_samples: int, level: float) -> None:
        model = separator(encoder="updated").train()
        separated = model(level * noise(2, n_samples), noise(2, 5))
        assert separated.shape == (2, n_samples)
        separated.abs().sum().backward()
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)

    @pytest.mark.parametrize("encoder", ["frozen", "updated"])
    def test_what_learns(self, encoder: Any) -> None:
        model = separator(encoder=encoder).train()
        model(noise(2, 3200), noise(2, 5)).abs().sum().backward()
        trained = {name for name, p in model.named_parameters() if p.grad is not None and name.startswith("encoder.")}
        blocks = {f"encoder.network.{name}" for name, _ in model.encoder.network.named_parameters() if "blocks" in name}  # type: ignore[union-attr]
        assert trained == (blocks | {"encoder.weights"} if encoder == "updated" else set())

    def test_blocks_have_a_step_size_of_their_own(self) -> None:
        model = separator(encoder="updated", encoder_learning_rate=3e-5)
        model.loop = SimpleNamespace(trainer=SimpleNamespace(estimated_stepping_batches=10))  # type: ignore[assignment]
        groups = model.configure_optimizers()["optimizer"].param_groups
        rates = {id(p): group["lr"] for group in groups for p in group["params"]}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                assert rates.pop(id(parameter)) == (3e-5 if "blocks" in name and "encoder." in name else 1e-3), name
        assert not rates

    def test_a_folder_brings_it_back_without_the_decoder(self, tmp_path: Path) -> None:
        model = separator(encoder="updated", fusion="repeat")
        model.save(tmp_path / "model")
        assert not any("decoder" in name for name in model.state_dict() if name.startswith("encoder."))
        again = load(tmp_path / "model")
        mixture, query = noise(1, 3200), noise(1, 5)
        with torch.no_grad():
            assert torch.equal(again(mixture, query), model(mixture, query))

    def test_it_starts_with_the_autoencoders_weights(self) -> None:
        own = autoencoder().network.state_dict()
        for name, value in encoder_of().network.state_dict().items():
            assert torch.equal(value, own[name])

    def test_small_presets_fit_each_other(self) -> None:
        model = Separator.build("resunet30-small", audiomae=AudioMAE.build("audiomae-small"))
        assert model.network.base.bn0.num_features == 513 + 192

    def test_what_does_not_fit_is_named(self) -> None:
        with pytest.raises(AuricleError, match=r"12 features.*multiple of 8"):
            Separator.build(size=TINY, audiomae=autoencoder(width=12))
        with pytest.raises(AuricleError, match="5 patches in time"):
            Separator.build(size=TINY, audiomae=autoencoder(n_frames=20))
        with pytest.raises(AuricleError, match=r"'frosen'.*frozen"):
            separator(encoder="frosen")
        with pytest.raises(AuricleError, match=r"'repeated'.*repeat"):
            separator(fusion="repeated")
        with pytest.raises(AuricleError, match=r"0\.32 s at most"):
            separator(fusion="repeat")(noise(1, 9999), noise(1, 5))
        with pytest.raises(AuricleError, match="encoder_learning_rate=0"):
            separator(encoder_learning_rate=0.0)
