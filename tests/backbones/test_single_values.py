"""Batches of one in training: batch normalisation with a single value per channel."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from auricle import train_classifier
from auricle.backbones import create_backbone
from auricle.layers import allow_single_values
from auricle.systems import load
from sounds import tone_folder


def test_a_single_value_is_normalised_by_the_running_statistics():
    norm = nn.BatchNorm1d(3)
    with torch.no_grad():
        norm.running_mean.copy_(torch.tensor([1.0, 2.0, 3.0]))
        norm.running_var.copy_(torch.tensor([4.0, 9.0, 16.0]))
        norm.weight.copy_(torch.tensor([1.0, 2.0, 0.5]))
    allow_single_values(norm)
    x = torch.tensor([[3.0, 8.0, 11.0]])
    expected = (x - norm.running_mean) / torch.sqrt(norm.running_var + norm.eps) * norm.weight + norm.bias
    torch.testing.assert_close(norm(x), expected)
    assert norm.training
    torch.testing.assert_close(norm.running_mean, torch.tensor([1.0, 2.0, 3.0]))
    free = nn.BatchNorm1d(3)
    batch = torch.randn(4, 3)
    watched = nn.BatchNorm1d(3)
    allow_single_values(watched)
    torch.testing.assert_close(watched(batch), free(batch))
    torch.testing.assert_close(watched.running_var, free.running_var)


@pytest.mark.parametrize("name", ["cnn-small", "vgg-m", "resnet-18", "efficientnet-b0", "cnn14"])
@pytest.mark.parametrize("frames", [1, 3])
def test_every_backbone_trains_on_one_short_clip(name, frames):
    options = {"channels": [8] * 7} if name == "vgg-m" else {"channels": [8] * 6} if name == "cnn14" else {}
    backbone = create_backbone(name, n_bands=16, **options).train()
    allow_single_values(backbone)
    backbone(torch.randn(1, 1, 16, frames)).sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in backbone.parameters())
    assert backbone.training
    assert all(part.training for part in backbone.modules())


@pytest.mark.figures("undrawn")
@pytest.mark.parametrize("batch_size", [1, 4])
def test_vgg_trains_with_a_last_batch_of_one(batch_size, tmp_path):
    data = tone_folder(tmp_path / "data", 14)
    train_classifier(
        data=str(data), output=tmp_path / "run", frontend="mel", backbone="vgg-m", quiet=True,
        backbone_options={"channels": [8] * 7}, training={"epochs": 1, "batch_size": batch_size},
    )  # fmt: skip
    assert load(tmp_path / "run").backbone.bn7.running_mean.isfinite().all()
