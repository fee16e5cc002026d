"""MAE-ResUNet (Zhao et al., 2024): the L1 loss and its queries in NumPy, and the options for its authors' readings.

Equation 2 has its twin in tasks/separation/test_data.py, equation 4 and raw queries theirs in
tasks/separation/test_train.py, the metrics in tasks/separation/test_evaluate.py; pooling, fusion and the paper's sizes
are in systems/separator/test_mae_resunet.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from auricle.data.loading import WindowSampler
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.systems import load
from auricle.systems.audiomae import AudioMAE
from auricle.systems.classifier.system import Classifier
from auricle.systems.separator import Separator

RATE = 16000
MAE: dict[str, Any] = {"n_frames": 32, "n_bands": 8, "patch": 4, "width": 8, "depth": 2, "heads": 2}
MAE |= {"decoder": "transformer", "decoder_width": 8, "decoder_depth": 1, "decoder_heads": 2}


def autoencoder() -> AudioMAE:
    """One whose last layer normalisation has learnt."""
    model = AudioMAE.build(size=MAE).eval()
    rng = np.random.default_rng(4)
    with torch.no_grad():
        model.network.norm.weight.copy_(torch.from_numpy(rng.uniform(0.5, 2.0, 8)))
        model.network.norm.bias.copy_(torch.from_numpy(rng.normal(0.0, 1.0, 8)))
    return model


def tagger() -> Classifier:
    return Classifier.build(
        sample_rate=RATE,
        window_s=0.2,
        frontend={"name": "mel", "n_filters": 32},
        backbone={"name": "cnn14", "channels": [2, 2, 2, 2, 2, 6]},
        tasks=[Task("sounds", ("dog", "rain"))],
    ).eval()


def separator(**options: Any) -> Separator:
    size = {"n_fft": 640, "hop_length": 160, "channels": (2, 3, 4), "query_size": 6}
    return Separator.build(size=size, sample_rate=RATE, **options).eval()


def test_frozen_features_after_the_last_layer_normalisation() -> None:
    """γ·(x − mean) / √(variance + 1e-6) + β of each token, over its width."""
    spectrograms = 0.1 * torch.randn(2, 32, 8, generator=torch.Generator().manual_seed(0))
    model = autoencoder()
    plain, normalised = (separator(audiomae=model, layer_norm=flag).encoder for flag in (False, True))
    assert plain is not None
    assert normalised is not None
    with torch.no_grad():
        tokens = plain.tokens(spectrograms).double().numpy()
        found = normalised.tokens(spectrograms).numpy()
    centred = tokens - tokens.mean(-1, keepdims=True)
    standard = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
    norm = model.network.norm
    expected = standard * norm.weight.detach().double().numpy() + norm.bias.detach().double().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_normalisation_is_kept_and_is_for_frozen_features(tmp_path: Path) -> None:
    separator(audiomae=autoencoder(), layer_norm=True).save(tmp_path)
    again = load(tmp_path)
    assert isinstance(again, Separator)
    assert again.encoder is not None
    assert again.encoder.layer_norm
    with pytest.raises(AuricleError, match="layer_norm"):
        separator(audiomae=autoencoder(), encoder="updated", layer_norm=True)


def test_equations_1_and_3_and_the_l1_loss() -> None:
    """f(x, e) ↦ s with e = f_LSE(s), the tagger's embedding of the target itself; the loss is the mean of |ŝ − s|."""
    model = separator(tagger=tagger())
    generator = torch.Generator().manual_seed(0)
    batch = {name: 0.1 * torch.randn(2, 3200, generator=generator) for name in ("mixture", "target")}
    with torch.no_grad():
        assert model.tagger is not None
        e = model.tagger.embed(batch["target"])
        separated = model(batch["mixture"], e).double().numpy()
        loss = float(model.loss(batch))
    expected = np.abs(separated - batch["target"].double().numpy()).mean()
    assert loss == pytest.approx(expected, rel=1e-5)


def test_balanced_sampling_draws_every_class_as_often() -> None:
    """Anchors of 5, 40 and 200 segments: over the epochs each class has a third, and every segment its turn."""
    labels = ["rare"] * 5 + ["usual"] * 40 + ["common"] * 200
    sampler = WindowSampler([labels], 0, 600, window=(1, 1))
    drawn = [index for index, _, _ in sampler]
    counts = {name: sum(labels[k] == name for k in drawn) for name in set(labels)}
    assert set(counts.values()) == {200}
    assert len({k for k in drawn if labels[k] == "common"}) > 100
