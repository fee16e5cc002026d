"""DEGramNet (Foggia et al., 2023): equation 6 as printed, and the options of the published network.

Equations 1 to 5 have their twins in frontends/test_degram.py, 7 and 8 in metrics/test_classification.py, Table 1 in
backbones/test_backbones.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from auricle import create_backbone, create_frontend
from auricle.backbones.convolutions import eca_kernel_size
from auricle.backbones.resnet import ResNet
from auricle.errors import AuricleError
from reference import naive_batch_norm, naive_convolution, reference_state_dict, shapes_of


def test_equation_6_with_its_brackets_as_printed() -> None:
    """k = ⌈(log2 C + 1) / 2⌉, made odd by going up."""
    for channels in range(1, 3000):
        k = math.ceil(round((math.log2(channels) + 1) / 2, 9))
        assert eca_kernel_size(channels, "ceiling") == k + (k % 2 == 0)
    sizes = {rule: [eca_kernel_size(2**n, rule) for n in (6, 8, 9, 10, 11)] for rule in ("paper", "ceiling")}
    assert sizes == {"paper": [3, 5, 5, 5, 7], "ceiling": [5, 5, 5, 7, 7]}
    kernel = create_backbone("degramnet", n_bands=64, eca_kernel="ceiling").state_dict()["layer3.0.eca.conv.weight"]
    assert kernel.shape == (1, 1, 7)


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0.0)


def convolve(x: np.ndarray, layer: torch.nn.Conv2d) -> np.ndarray:
    """A convolution with its stride: every stride-th value of the one at every place."""
    stride = layer.stride[0]
    return naive_convolution(x, layer.weight.detach().double().numpy())[:, ::stride, ::stride]


def attend(x: np.ndarray, eca: torch.nn.Module) -> np.ndarray:
    """x·σ(Conv1D(mean of each channel)), zeros beyond the first and the last channel."""
    kernel = eca.conv.weight.detach().double().numpy()[0, 0]
    means = np.pad(x.mean(axis=(1, 2)), len(kernel) // 2)
    scores = np.array([kernel @ means[c : c + len(kernel)] for c in range(len(x))])
    return x / (1.0 + np.exp(-scores))[:, None, None]


def network_twin(x: np.ndarray, model: ResNet) -> np.ndarray:
    """The published network: BN; conv, BN, ReLU, max pool; BN and ReLU before each convolution; BN, ReLU, average."""
    x = relu(naive_batch_norm(convolve(naive_batch_norm(x, model.first_norm), model.conv1), model.bn1))
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::2, ::2]
    x = windows.max(axis=(-1, -2))
    for layer in (model.layer1, model.layer2, model.layer3, model.layer4):
        for block in layer:
            active = relu(naive_batch_norm(x, block.norms[0]))
            kept = x if block.shortcut is None else convolve(active, block.shortcut)
            branch = convolve(active, block.convs[0])
            for norm, conv in zip(block.norms[1:], block.convs[1:], strict=True):
                branch = convolve(relu(naive_batch_norm(branch, norm)), conv)
            x = attend(branch, block.eca) + kept
    return relu(naive_batch_norm(x, model.last_norm[0])).mean(axis=(1, 2))


@pytest.mark.parametrize("block", ["bottleneck", "basic"])
def test_preactivation_is_the_published_network(block: str) -> None:
    model = ResNet(
        n_bands=12, block=block, depths=(1, 2, 1, 1), widths=(4, 4, 6, 6), eca=True, preactivation=True
    ).eval()
    model.load_state_dict(reference_state_dict(shapes_of(model)))
    x = np.random.default_rng(0).standard_normal((1, 12, 20))
    with torch.no_grad():
        found = model(torch.from_numpy(x).float()[None])[0]
    np.testing.assert_allclose(found, network_twin(x, model), rtol=1e-4, atol=1e-5)


def test_the_inputs_norm_has_a_shift_and_no_scale_that_learns() -> None:
    model = create_backbone("resnet-18", n_bands=16, preactivation=True)
    model(torch.randn(2, 1, 16, 20)).sum().backward()
    learnt = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert "first_norm.weight" not in learnt
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_dropout_is_of_the_embedding_and_in_training_only() -> None:
    model = create_backbone("resnet-18", n_bands=16, dropout=0.5)
    x = torch.randn(4, 1, 16, 20)
    assert 0.3 < float((model.train()(x) == 0).float().mean()) < 0.9
    model.eval()
    torch.testing.assert_close(model(x), model(x))
    with pytest.raises(AuricleError, match="dropout=1"):
        create_backbone("resnet-18", n_bands=16, dropout=1.0)


@pytest.mark.parametrize(
    ("options", "axes"), [({}, (0, 1)), ({"compression": "log-z-score-frames"}, (0,))], ids=["clip", "frames"]
)
def test_log_and_z_score_over_the_clip_or_over_each_frames_bands(
    options: dict[str, Any], axes: tuple[int, ...]
) -> None:
    """The code has log(x + 1e-7) and a z-score; its option znorm_freq takes mean and deviation within each frame."""
    frontend = create_frontend("sincgram", variant="published", n_filters=24, **options).double()
    waveform = 0.1 * np.random.default_rng(1).standard_normal(3200)
    with torch.no_grad():
        clip = torch.from_numpy(waveform)[None]
        energies, found = frontend.energies(clip)[0].numpy(), frontend(clip)[0].numpy()
    levels = np.log(energies + 1e-7)
    expected = (levels - levels.mean(axis=axes, keepdims=True)) / levels.std(axis=axes, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
