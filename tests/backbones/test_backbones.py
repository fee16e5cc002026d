from __future__ import annotations

import json
import math
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from auricle.backbones import BACKBONES, Backbone, Cnn14, ResNet, VggM, create_backbone, list_backbones
from auricle.backbones.cnn14 import ConvBlock
from auricle.backbones.convolutions import ChannelAttention, eca_kernel_size
from auricle.backbones.efficientnet import WIDTHS
from auricle.backbones.inverted import (
    CentredConv2d,
    EvenConv2d,
    InvertedResidual,
    Row,
    SameConv2d,
    SqueezeExcitation,
    hard_swish,
    relu,
    rounded,
)
from auricle.backbones.resnet import BLOCKS, VARIANTS
from auricle.backbones.vgg import bands_left
from auricle.errors import AuricleError
from published import PublishedFigures
from reference import naive_batch_norm, naive_convolution, reference_state_dict, shapes_of

AUDIOSET_LAYER: dict[str, tuple[int, ...]] = {"fc_audioset.weight": (527, 2048), "fc_audioset.bias": (527,)}
LIGHT = ["cnn-small", "efficientnet-b0", "mobilenet", "resnet-18", "eca-resnet-50", "vgg-m"]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def cnn14() -> Cnn14:
    model = Cnn14(n_bands=64).eval()
    model.load_state_dict(reference_state_dict(shapes_of(model)))
    return model


def make(name: str, **options: Any) -> Backbone:
    """A backbone in evaluation mode with batch statistics of noise, so that its output is not tiny or constant."""
    model = create_backbone(name, **options)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        model(torch.randn(4, model.in_channels, model.n_bands, 80))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return model.eval()


def n_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


class TestContract:
    @pytest.mark.parametrize("name", ["efficientnet-b0", "mobilenet"])
    def test_forty_batches_are_enough_for_the_statistics_of_batch_norm(self, name: str) -> None:
        model = create_backbone(name, n_bands=40)
        norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
        with torch.no_grad():
            for _ in range(40):
                model(5.0 + 3.0 * torch.randn(4, 1, 40, 50))
            first = norms[0]
            now = torch.cat([first.running_mean, first.running_var.log()])
            for norm in norms:
                norm.momentum = 1.0
            model(5.0 + 3.0 * torch.randn(64, 1, 40, 50))
            wanted = torch.cat([first.running_mean, first.running_var.log()])
        torch.testing.assert_close(now, wanted, rtol=0.1, atol=0.1)

    @pytest.mark.parametrize("name", LIGHT)
    @pytest.mark.parametrize(
        ("n_bands", "frames"), [(40, 100), (64, 333), (40, 7), (128, 33), (40, 1), (1, 1), (5, 40)]
    )
    def test_any_size_gives_a_finite_embedding(self, name: str, n_bands: int, frames: int) -> None:
        model = make(name, n_bands=n_bands)
        with torch.no_grad():
            out = model(torch.randn(2, 1, n_bands, frames))
        assert out.shape == (2, model.embedding_dim)
        assert out.isfinite().all()
        assert (out[0] != out[1]).any()

    @pytest.mark.slow
    @pytest.mark.parametrize("frames", [1, 31, 32, 70])
    def test_cnn14_takes_short_spectrograms(self, cnn14: Cnn14, frames: int) -> None:
        with torch.no_grad():
            assert cnn14(torch.randn(2, 1, 64, frames)).isfinite().all()
            assert cnn14.features(torch.randn(1, 1, 64, frames)).shape == (1, 2048, max(1, frames // 32))

    @pytest.mark.slow
    def test_cnn14_extends_a_short_spectrogram_by_its_last_frame(self, cnn14: Cnn14) -> None:
        x = torch.randn(1, 1, 64, 20)
        longer = torch.cat([x, x[..., -1:].expand(-1, -1, -1, 12)], dim=-1)
        with torch.no_grad():
            torch.testing.assert_close(cnn14(x), cnn14(longer), rtol=0, atol=1e-6)

    @pytest.mark.parametrize("name", LIGHT)
    def test_eval_embedding_does_not_depend_on_the_batch(self, name: str) -> None:
        model = make(name, n_bands=40).double()
        x = torch.randn(4, 1, 40, 50, dtype=torch.float64)
        with torch.no_grad():
            assert model(x).std(dim=0).mean() > 0.01
            torch.testing.assert_close(model(x)[2:3], model(x[2:3]), rtol=1e-9, atol=1e-9)

    def test_eval_embedding_of_cnn14_does_not_depend_on_the_batch(self, cnn14: Cnn14) -> None:
        x = torch.randn(3, 1, 64, 40)
        with torch.no_grad():
            torch.testing.assert_close(cnn14(x)[1:2], cnn14(x[1:2]), rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("name", [*LIGHT, "cnn14"])
    def test_gradients_reach_every_parameter_and_the_input(self, name: str) -> None:
        model = create_backbone(name, n_bands=8, in_channels=2).train()
        x = torch.randn(4, 2, 8, 40, requires_grad=True)
        model(x).square().mean().backward()
        assert x.grad is not None
        assert (x.grad != 0).any()
        for key, parameter in model.named_parameters():
            assert parameter.grad is not None, key
            assert parameter.grad.isfinite().all(), key
            assert (parameter.grad != 0).any(), key

    def test_names(self) -> None:
        efficientnets = [f"efficientnet-{variant}" for variant in WIDTHS]
        assert list_backbones() == sorted(["cnn-small", "cnn14", "mobilenet", "vgg-m", *efficientnets, *VARIANTS])
        assert all(BACKBONES.description(name) for name in list_backbones())

    @pytest.mark.parametrize(
        ("shape", "words"),
        [((2, 40, 100), r"\(2, 40, 100\).*\(batch, 1, 40, frames\)"), ((2, 1, 64, 100), "64"), ((2, 1, 40, 0), ">= 1")],
    )
    def test_wrong_input_raises(self, shape: tuple[int, ...], words: str) -> None:
        with pytest.raises(AuricleError, match=words):
            create_backbone("cnn-small", n_bands=40)(torch.zeros(shape))

    def test_integer_input_raises(self) -> None:
        with pytest.raises(AuricleError, match=r"int64.*floating point"):
            create_backbone("cnn-small", n_bands=40)(torch.zeros((1, 1, 40, 5), dtype=torch.int64))

    @pytest.mark.parametrize(
        ("name", "options", "words"),
        [
            ("cnn15", {"n_bands": 40}, "cnn14"),
            ("cnn-small", {"n_bands": 0}, "n_bands is 0"),
            ("cnn-small", {"n_bands": 40, "in_channels": 0}, "in_channels is 0"),
            ("cnn-small", {"n_bands": 40, "depth": 3}, "depth"),
            ("efficientnet-b0", {"n_bands": 40, "pooling": "median"}, "'median'.*'mean' or 'max'"),
            ("efficientnet-b0", {"n_bands": 40, "padding": "odd"}, "'odd'.*'same' or 'even'"),
            ("mobilenet", {"n_bands": 40, "width": 0.05}, "width=0.05"),
            ("mobilenet", {"n_bands": 40, "width": "wide"}, "width='wide'"),
            ("resnet-18", {"n_bands": 40, "block": "wide"}, "'wide'.*'basic' or 'bottleneck'"),
            ("resnet-18", {"n_bands": 40, "depths": (2, 2, 2)}, r"depths=\(2, 2, 2\).*four"),
            ("resnet-18", {"n_bands": 40, "widths": (8, 8, 8, 0)}, r"widths=\(8, 8, 8, 0\).*at least 1"),
            ("eca-resnet-50", {"n_bands": 40, "eca_kernel": "wide"}, "'wide'.*'paper', 'ceiling' or 'published'"),
            ("vgg-m", {"n_bands": 40, "channels": (96, 256)}, r"channels=\(96, 256\).*seven"),
        ],
    )
    def test_wrong_options_raise(self, name: str, options: dict[str, Any], words: str) -> None:
        with pytest.raises(AuricleError, match=words):
            create_backbone(name, **options)

    def test_import_needs_neither_monai_nor_lightning(self) -> None:
        code = "import sys, auricle.backbones; assert not {'monai', 'lightning', 'torchmetrics'} & set(sys.modules)"
        subprocess.run([sys.executable, "-c", code], check=True)


class TestCnn14:
    def test_parameters_with_the_audioset_layer_are_the_published_80_753_615(self, cnn14: Cnn14) -> None:
        assert n_parameters(cnn14) + n_parameters(nn.Linear(2048, 527)) == 80_753_615

    def test_initial_values_are_the_published(self) -> None:
        model = Cnn14(n_bands=8)
        bound = math.sqrt(6 / (9 * 64 + 9 * 128))
        weight = model.get_parameter("conv_block2.conv1.weight")
        assert 0.99 * bound < weight.abs().max() <= bound
        assert (model.get_parameter("conv_block2.bn1.weight") == 1).all()
        assert (model.fc1.bias == 0).all()

    @pytest.mark.parametrize("n_in", [1, 3])
    def test_block_is_the_slow_twin(self, n_in: int) -> None:
        block = ConvBlock(n_in, 4).eval()
        block.load_state_dict(reference_state_dict(shapes_of(block)))
        x = np.random.default_rng(0).standard_normal((n_in, 5, 6))
        want = x
        for index in (1, 2):
            kernel = block.get_parameter(f"conv{index}.weight").detach().numpy()
            want = np.maximum(naive_batch_norm(naive_convolution(want, kernel), block.get_submodule(f"bn{index}")), 0)
        with torch.no_grad():
            got = block(torch.tensor(x[None], dtype=torch.float32))[0]
        np.testing.assert_allclose(got.numpy(), want, atol=1e-5)

    def test_figures_of_a_synthetic_spectrogram(self, cnn14: Cnn14) -> None:
        """Figures of the implementation that reproduces the published code's outputs, below, to 1e-6.

        Reference weights let little of the spectrogram through six blocks; kernels √2 times as large keep its variance.
        """
        model = Cnn14(n_bands=64).eval()
        model.load_state_dict({k: v * 2**0.5 if v.ndim == 4 else v for k, v in cnn14.state_dict().items()})
        band, frame = np.mgrid[:64, :100]
        noise = np.random.default_rng(0).standard_normal((64, 100))
        logmel = 10 * noise - 30 + 20 * np.cos(2 * np.pi * 3 * band / 64 * frame / 100)
        x = torch.tensor(logmel[None, None], dtype=torch.float32)
        with torch.no_grad():
            embedding = model(x)[0]
            segments = model.features(x)[0]
        want = [3.93489, 14.18042, 0.0, 0.0, 0.0, 18.75606, 2.58733, 0.0, 0.0, 0.0, 21.53905]
        torch.testing.assert_close(embedding[:11], torch.tensor(want), rtol=1e-4, atol=1e-3)
        want_segments = [[0.0, 1.09941, 1.17152], [7.28241, 9.49389, 5.93511], [0.0, 0.0, 0.0]]
        torch.testing.assert_close(segments[:3], torch.tensor(want_segments), rtol=1e-4, atol=1e-3)
        assert float(embedding.mean()) == pytest.approx(5.71478, rel=1e-4)

    def test_dropout_acts_in_training_only(self) -> None:
        model = create_backbone("cnn14", n_bands=8, dropout=0.5, block_dropout=0.0).train()
        x = torch.randn(2, 1, 8, 32)
        with torch.no_grad():
            share_of_zeros = float((model(x) == 0).float().mean())
            torch.testing.assert_close(model.eval()(x), model(x), rtol=0, atol=0)
        assert 0.65 < share_of_zeros < 0.85

    def test_state_dict_keys_are_the_published(self, cnn14: Cnn14, shared: Path) -> None:
        shapes = json.loads((shared / "golden/panns_cnn14.keys.json").read_text())
        own = {key: shape for key, shape in shapes.items() if not key.startswith("fc_audioset")}
        assert {key: list(shape) for key, shape in shapes_of(cnn14).items()} == own

    def test_tagging_golden(self, cnn14: Cnn14, shared: Path) -> None:
        golden, head = _golden(shared, "panns_cnn14")
        with torch.no_grad():
            embedding = cnn14(golden["logmel"].T[None, None])
        torch.testing.assert_close(embedding[0], golden["embedding"], rtol=0, atol=1e-5)
        clipwise = torch.sigmoid(F.linear(embedding, head["fc_audioset.weight"], head["fc_audioset.bias"]))[0]
        torch.testing.assert_close(clipwise, golden["clipwise"], rtol=0, atol=1e-5)

    def test_detection_by_maximum_golden(self, cnn14: Cnn14, shared: Path) -> None:
        golden, head = _golden(shared, "panns_cnn14_decisionlevelmax")
        segments = self._segments(cnn14, golden["logmel"])
        segmentwise = torch.sigmoid(F.linear(segments.T, head["fc_audioset.weight"], head["fc_audioset.bias"]))
        torch.testing.assert_close(segmentwise.amax(dim=0), golden["clipwise"], rtol=0, atol=1e-5)
        torch.testing.assert_close(_framewise(segmentwise, 201), golden["framewise"], rtol=0, atol=1e-5)

    def test_detection_by_attention_golden(self, cnn14: Cnn14, shared: Path) -> None:
        golden, head = _golden(shared, "panns_cnn14_decisionlevelatt")
        segments = self._segments(cnn14, golden["logmel"])[None]
        attention, tags = (
            F.conv1d(segments, head[f"att_block.{part}.weight"], head[f"att_block.{part}.bias"])[0]
            for part in ("att", "cla")
        )
        share = attention.clamp(-10, 10).softmax(dim=1)
        torch.testing.assert_close((share * tags.sigmoid()).sum(dim=1), golden["clipwise"], rtol=0, atol=1e-5)
        torch.testing.assert_close(_framewise(tags.sigmoid().T, 201), golden["framewise"], rtol=0, atol=1e-5)

    def test_figures_of_the_names_and_shapes(self, cnn14: Cnn14, figures: PublishedFigures) -> None:
        figures.names_and_shapes("panns_cnn14.keys", shapes_of(cnn14) | AUDIOSET_LAYER)

    def test_figures_of_published_embeddings(self, cnn14: Cnn14, figures: PublishedFigures) -> None:
        logmel = np.random.default_rng(3).normal(-30.0, 15.0, (100, 64)).astype(np.float32)
        with torch.no_grad():
            figures("panns_cnn14/embedding of noise", cnn14(torch.from_numpy(logmel)[None, None].mT)[0], atol=1e-5)

    @staticmethod
    def _segments(model: Cnn14, logmel: Tensor) -> Tensor:
        with torch.no_grad():
            x = model.features(logmel.T[None, None])
            x = F.max_pool1d(x, 3, stride=1, padding=1) + F.avg_pool1d(x, 3, stride=1, padding=1)
            return F.relu(model.fc1(x[0].T)).T


def _golden(shared: Path, name: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The recorded arrays, and the reference weights of the layers after the blocks."""
    with np.load(shared / f"golden/{name}.npz") as arrays:
        golden = {key: torch.from_numpy(arrays[key]) for key in ("logmel", "clipwise", *arrays.files[3:])}
    shapes = json.loads((shared / f"golden/{name}.keys.json").read_text())
    return golden, reference_state_dict({k: v for k, v in shapes.items() if k.startswith(("fc_audioset", "att_block"))})


def _framewise(segmentwise: Tensor, frames: int) -> Tensor:
    """Repeat each segment 32 times, then the last frame up to `frames`."""
    repeated = segmentwise.repeat_interleave(32, dim=0)
    return torch.cat([repeated, repeated[-1:].expand(frames - len(repeated), -1)])


class TestEfficientNet:
    def test_b0_has_four_million_parameters(self) -> None:
        published_without_classifier = 5_288_548 - (1280 * 1000 + 1000)
        model = create_backbone("efficientnet-b0", n_bands=40, in_channels=3)
        assert n_parameters(model) == published_without_classifier == 4_007_548
        assert n_parameters(create_backbone("efficientnet-b0", n_bands=40)) == 4_006_972

    def test_initial_depthwise_kernels_are_scaled_by_their_size_alone(self) -> None:
        kernel = create_backbone("efficientnet-b0", n_bands=8).get_parameter("layers.12.block.1.0.weight")
        assert kernel.shape[1:] == (1, 5, 5)
        assert kernel.std().item() == pytest.approx(math.sqrt(2 / 25), rel=0.05)

    @pytest.mark.parametrize("variant", sorted(WIDTHS)[1:4])
    def test_larger_variants(self, variant: str) -> None:
        model = make(f"efficientnet-{variant}", n_bands=16)
        with torch.no_grad():
            assert model(torch.randn(1, 1, 16, 20)).shape == (1, WIDTHS[variant])

    @pytest.mark.parametrize(("kernel_size", "stride"), product([3, 5], [1, 2]))
    def test_padding_is_tensorflows_same(self, kernel_size: int, stride: int) -> None:
        convolution = SameConv2d(1, 1, kernel_size, stride, bias=False)
        for bands, frames in product([1, 2, 3, 7, 40, 41], repeat=2):
            x = torch.ones(1, 1, bands, frames)
            want = []
            for size in (frames, bands):
                total = max((math.ceil(size / stride) - 1) * stride + kernel_size - size, 0)
                want += [total // 2, total - total // 2]
            expected = F.conv2d(F.pad(x, want), convolution.weight, stride=stride)
            torch.testing.assert_close(convolution(x), expected)

    @pytest.mark.parametrize(("kernel_size", "stride"), product([3, 5], [1, 2]))
    def test_even_padding_is_that_of_even_numbers(self, kernel_size: int, stride: int) -> None:
        convolution = EvenConv2d(1, 1, kernel_size, stride, bias=False)
        first = (kernel_size - stride) // 2
        zeros = [first, kernel_size - stride - first] * 2
        for bands, frames in product([2, 3, 7, 40, 41], repeat=2):
            x = torch.ones(1, 1, bands, frames)
            expected = F.conv2d(F.pad(x, zeros), convolution.weight, stride=stride)
            torch.testing.assert_close(convolution(x), expected)
            assert convolution(x).shape[2:] == (bands // stride, frames // stride)
        one, around = torch.ones(1, 1, 1, 1), [(kernel_size - 1) // 2, kernel_size // 2] * 2
        torch.testing.assert_close(convolution(one), F.conv2d(F.pad(one, around), convolution.weight, stride=stride))

    @pytest.mark.parametrize("size", [1, 7, 40, 100])
    def test_equals_monai_built_for_the_size(self, size: int) -> None:
        """MONAI's paddings are correct for square inputs of the size for which the network was built."""
        EfficientNet = pytest.importorskip("monai.networks.nets.efficientnet").EfficientNet

        blocks = ["r1_k3_s11_e1_i32_o16_se0.25", "r2_k3_s22_e6_i16_o24_se0.25", "r2_k5_s22_e6_i24_o40_se0.25"]
        blocks += ["r3_k3_s22_e6_i40_o80_se0.25", "r3_k5_s11_e6_i80_o112_se0.25", "r4_k5_s22_e6_i112_o192_se0.25"]
        blocks += ["r1_k3_s11_e6_i192_o320_se0.25"]
        twin = EfficientNet(blocks, in_channels=1, num_classes=1, image_size=size).eval()
        twin._fc = nn.Identity()
        model = make("efficientnet-b0", n_bands=size).double()
        twin.double().load_state_dict(monai_weights(twin.state_dict(), model.state_dict()))
        x = torch.randn(2, 1, size, size, dtype=torch.float64)
        with torch.no_grad():
            want = twin(x)
            assert want.std() > 0.1
            torch.testing.assert_close(model(x), want, rtol=1e-9, atol=1e-9)

    def test_pooling_by_maximum(self) -> None:
        mean, maximum = (make("efficientnet-b0", n_bands=40, pooling=pooling) for pooling in ("mean", "max"))
        maximum.load_state_dict(mean.state_dict())
        x = torch.randn(1, 1, 40, 70)
        with torch.no_grad():
            features = mean.features(x)  # type: ignore[operator]
            assert features.shape == (1, 1280, 2, 3)
            torch.testing.assert_close(mean(x), features.mean(dim=(2, 3)))
            torch.testing.assert_close(maximum(x), features.amax(dim=(2, 3)))

    @pytest.mark.parametrize(("name", "size"), [("efficientnet-b0", 6560), ("mobilenet", 3552)])
    def test_pooling_of_the_last_stage(self, name: str, size: int) -> None:
        """The mean, and what squeeze and excitation is given at the last features' resolution, averaged."""
        mean, stage = (make(name, n_bands=40, pooling=pooling) for pooling in ("mean", "stage"))
        stage.load_state_dict(mean.state_dict())
        given: list[Tensor] = []
        for module in mean.modules():
            if isinstance(module, SqueezeExcitation):
                module.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0].clone()))
        x = torch.randn(2, 1, 40, 70)
        with torch.no_grad():
            want, last = mean(x), mean.features(x).shape[2:]  # type: ignore[operator]
            pooled = [channels.mean(dim=(2, 3)) for channels in given[: len(given) // 2] if channels.shape[2:] == last]
            assert 1 < len(pooled) < len(given) // 2
            torch.testing.assert_close(stage(x), torch.cat([want, *pooled], dim=1))
        assert stage.embedding_dim == size


class TestInvertedResidual:
    @pytest.mark.parametrize(
        "row",
        [
            Row(3, 4, 4, 0, relu, 1),
            Row(3, 8, 4, 0, relu, 1),
            Row(5, 8, 4, 8, hard_swish, 1),
            Row(5, 8, 6, 3, hard_swish, 2),
        ],
    )
    def test_it_is_the_slow_twin(self, row: Row) -> None:
        """Widened unless the sizes are equal, filtered, weighed, narrowed, and added where the sizes allow it."""
        block = InvertedResidual(4, row, CentredConv2d, relu).double().eval()
        block.load_state_dict({k: v.double() for k, v in reference_state_dict(shapes_of(block)).items()})
        activation = {relu: F.relu, hard_swish: lambda x: x * (x + 3).clamp(0, 6) / 6}[row.activation]
        x = torch.randn(2, 4, 7, 9, dtype=torch.float64)
        layers = list(block.block)
        want = x
        if row.expanded != 4:
            widened = torch.einsum("oi,bift->boft", layers[0][0].weight[..., 0, 0], want)
            want = activation(normalised(widened, layers.pop(0)[1]))
        half = row.kernel_size // 2
        padded = F.pad(want, (half, half, half, half))
        kernel = layers[0][0].weight[:, 0]
        filtered = sum(
            padded[:, :, i : i + 7, j : j + 9] * kernel[None, :, i, j, None, None]
            for i in range(row.kernel_size)
            for j in range(row.kernel_size)
        )
        want = activation(normalised(filtered[..., :: row.stride, :: row.stride], layers.pop(0)[1]))
        if row.squeezed:
            gate = layers.pop(0)
            assert isinstance(gate, SqueezeExcitation)
            hidden = F.relu(want.mean((2, 3)) @ gate.fc1.weight.T + gate.fc1.bias)
            want = want * torch.sigmoid(hidden @ gate.fc2.weight.T + gate.fc2.bias)[..., None, None]
        want = normalised(torch.einsum("oi,bift->boft", layers[0][0].weight[..., 0, 0], want), layers[0][1])
        if row.stride == 1 and row.out == 4:
            want = want + x
        torch.testing.assert_close(block(x), want)

    def test_a_skipped_residual_leaves_its_input_and_the_mean_stays(self) -> None:
        block = InvertedResidual(4, Row(3, 4, 4, 0, relu, 1), CentredConv2d, relu, skipped=0.25).train()
        block.block = nn.Identity()
        x = torch.randn(4000, 4, 1, 1)
        features = block(x) - x
        left_out = (features == 0).all(dim=1).flatten()
        assert 0.2 < left_out.float().mean() < 0.3
        torch.testing.assert_close(features[~left_out], x[~left_out] / 0.75)
        torch.testing.assert_close(block.eval()(x), 2 * x)

    @pytest.mark.parametrize(("channels", "want"), [(6.4, 8), (9.6, 16), (25.6, 24), (44.8, 48), (32.0, 32), (1.0, 8)])
    def test_channels_are_multiples_of_eight_within_a_tenth(self, channels: float, want: int) -> None:
        assert rounded(channels) == want


def normalised(x: Tensor, norm: nn.Module) -> Tensor:
    mean, variance, weight, bias = (
        getattr(norm, name)[:, None, None] for name in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / torch.sqrt(variance + 1e-3) * weight + bias


def monai_weights(twin: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, Tensor]:
    """`own` under the names of MONAI's network: both list their layers from the waveform to the embedding."""
    order = ["stem", "_bn0", "_blocks", "_conv_head", "_bn1"]
    within = ["expand_conv", "_bn0", "depthwise", "_bn1", "se_reduce", "se_expand", "project", "_bn2"]

    def place(name: str) -> tuple[int, ...]:
        parts = name.split(".")
        first = next(index for index, word in enumerate(order) if word in parts[0])
        if first != 2:
            return first, 0, 0
        return first, int(parts[2]), next(index for index, word in enumerate(within) if word in parts[3])

    renamed = dict(zip(sorted(twin, key=place), own, strict=True))
    return {name: own[other].view(twin[name].shape) for name, other in renamed.items()}


def naive_gate(attention: nn.Module, x: NDArray) -> NDArray:
    """Each channel times the logistic function of a weighted sum of the means of it and its neighbours."""
    weights = attention.get_parameter("conv.weight").detach().double().numpy().ravel()
    means = [channel.mean() for channel in x]
    out = np.empty_like(x)
    for c in range(len(x)):
        total = 0.0
        for place, weight in enumerate(weights, start=c - len(weights) // 2):
            total += weight * means[place] if 0 <= place < len(x) else 0.0
        out[c] = x[c] / (1 + math.exp(-total))
    return out


def naive_residual_block(block: nn.Module, x: NDArray, convolutions: int, strided: int, stride: int) -> NDArray:
    """A block of so many `convolutions`, of which number `strided` (from 1) has the `stride`."""
    state = block.state_dict()

    def kernel(key: str) -> NDArray:
        return state[f"{key}.weight"].double().numpy()

    branch = x
    for index in range(1, convolutions + 1):
        step = stride if index == strided else 1
        branch = naive_convolution(branch, kernel(f"conv{index}"))[:, ::step, ::step]
        branch = naive_batch_norm(branch, block.get_submodule(f"bn{index}"))
        branch = np.maximum(branch, 0) if index < convolutions else branch
    if "eca.conv.weight" in state:
        branch = naive_gate(block.get_submodule("eca"), branch)
    if "downsample.0.weight" in state:
        x = naive_convolution(x, kernel("downsample.0"))[:, ::stride, ::stride]
        x = naive_batch_norm(x, block.get_submodule("downsample.1"))
    return np.maximum(branch + x, 0)


def naive_max_pool(x: NDArray, size: tuple[int, int], stride: tuple[int, int]) -> NDArray:
    """Max pooling; the first window of an axis may be larger than `x`, later ones must fit."""
    counts = [max(n - k, 0) // s + 1 for n, k, s in zip(x.shape[1:], size, stride, strict=True)]
    out = np.empty((len(x), *counts))
    for c, row, column in np.ndindex(out.shape):
        top, left = row * stride[0], column * stride[1]
        out[c, row, column] = x[c, top : top + size[0], left : left + size[1]].max()
    return out


class TestResNet:
    @staticmethod
    def shapes(name: str, **options: Any) -> ResNet:
        """A network on the meta device, which has only shapes."""
        with torch.device("meta"):
            model = create_backbone(name, n_bands=40, **options)
        assert isinstance(model, ResNet)
        return model

    @pytest.mark.parametrize(
        ("name", "published", "width"),
        [("resnet-18", 11_689_512, 512), ("resnet-34", 21_797_672, 512), ("resnet-50", 25_557_032, 2048)],
    )
    def test_parameters_with_the_imagenet_layer_are_torchvisions(self, name: str, published: int, width: int) -> None:
        assert n_parameters(self.shapes(name, in_channels=3)) + (width + 1) * 1000 == published
        assert n_parameters(self.shapes(name)) + (width + 1) * 1000 == published - 2 * 49 * 64

    def test_parameters_with_attention(self) -> None:
        kernels_50 = 3 * 5 + 4 * 5 + 6 * 5 + 3 * 7
        kernels_152 = 3 * 5 + 8 * 5 + 36 * 5 + 3 * 7
        assert n_parameters(self.shapes("eca-resnet-50")) == 23_501_760 + kernels_50
        assert n_parameters(self.shapes("eca-resnet-152")) == 58_143_808 - 6_272 + kernels_152
        assert n_parameters(self.shapes("eca-resnet-152", eca=False)) == 58_143_808 - 6_272

    def test_degramnet_is_the_papers_table_1(self) -> None:
        model = self.shapes("degramnet")
        inner = model.layer1, model.layer2, model.layer3, model.layer4
        assert [len(stage) for stage in inner] == [3, 8, 36, 3]
        for stage, width in zip(inner, (64, 128, 256, 256), strict=True):
            for block in stage:
                sizes = [block.get_submodule(f"conv{i}").weight.shape for i in (1, 2, 3)]
                assert [(out, *kernel) for out, _, *kernel in sizes] == [
                    (width, 1, 1),
                    (width, 3, 3),
                    (4 * width, 1, 1),
                ]
        assert model(torch.zeros(2, 1, 40, 70, device="meta")).shape == (2, 1024)
        assert self.shapes("eca-resnet-152")(torch.zeros(2, 1, 40, 70, device="meta")).shape == (2, 2048)

    def test_eca_kernel_sizes(self) -> None:
        channels = (64, 256, 512, 1024, 2048)
        assert [eca_kernel_size(c) for c in channels] == [3, 5, 5, 5, 7]
        assert [eca_kernel_size(c, "published") for c in channels] == [7, 9, 11, 11, 13]
        for c in range(1, 3000):
            exact = (math.log2(c) + 1) / 2
            nearest = min((abs(odd - exact), -odd) for odd in range(1, 15, 2))
            assert eca_kernel_size(c) == -nearest[1]
        with pytest.raises(AuricleError, match="channels=0"):
            eca_kernel_size(0)

    def test_published_kernels_are_the_networks(self) -> None:
        weights = self.shapes("eca-resnet-50", eca_kernel="published").state_dict()
        sizes = [weights[f"layer{stage}.0.eca.conv.weight"].shape for stage in (1, 2, 3, 4)]
        assert sizes == [(1, 1, 9), (1, 1, 11), (1, 1, 11), (1, 1, 13)]

    @pytest.mark.parametrize(("name", "entries"), [("resnet-18", 120), ("resnet-34", 216), ("resnet-50", 318)])
    def test_state_dict_has_as_many_entries_as_torchvisions(self, name: str, entries: int) -> None:
        assert len(self.shapes(name).state_dict()) == entries

    def test_state_dict_keys_are_torchvisions(self) -> None:
        norm = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
        want = {"conv1.weight", *(f"bn1.{key}" for key in norm)}
        for stage, depth in enumerate((3, 4, 6, 3), start=1):
            for block in range(depth):
                place = f"layer{stage}.{block}"
                for i in (1, 2, 3):
                    want |= {f"{place}.conv{i}.weight", *(f"{place}.bn{i}.{key}" for key in norm)}
            want |= {f"layer{stage}.0.downsample.0.weight", *(f"layer{stage}.0.downsample.1.{key}" for key in norm)}
        shapes = shapes_of(self.shapes("resnet-50"))
        assert set(shapes) == want
        assert shapes["conv1.weight"] == (64, 1, 7, 7)
        assert shapes["layer2.0.downsample.0.weight"] == (512, 256, 1, 1)
        assert shapes["layer3.5.conv3.weight"] == (1024, 256, 1, 1)

    def test_initial_values_are_torchvisions(self) -> None:
        model = create_backbone("resnet-18", n_bands=8, in_channels=3)
        for key, fan_out in (("conv1", 49 * 64), ("layer4.1.conv2", 9 * 512), ("layer3.0.downsample.0", 256)):
            weight = model.get_parameter(f"{key}.weight")
            assert weight.std().item() == pytest.approx(math.sqrt(2 / fan_out), rel=0.05)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert (module.weight == 1).all()
                assert (module.bias == 0).all()

    @pytest.mark.parametrize("channels", [1, 2, 16])
    def test_attention_is_the_slow_twin(self, channels: int) -> None:
        attention = ChannelAttention(channels)
        assert (channels, attention.kernel_size) in [(1, 1), (2, 1), (16, 3)]
        x = np.random.default_rng(0).normal(1.0, 2.0, (channels, 3, 4))
        with torch.no_grad():
            got = attention.double()(torch.tensor(x[None]))[0]
        np.testing.assert_allclose(got.numpy(), naive_gate(attention, x), atol=1e-12)

    @pytest.mark.parametrize("eca", [False, True])
    @pytest.mark.parametrize(
        ("kind", "n_in", "width", "n_out", "stride"),
        [
            ("basic", 8, 8, 8, 1),
            ("basic", 3, 8, 8, 1),
            ("basic", 3, 8, 8, 2),
            ("bottleneck", 16, 4, 16, 1),
            ("bottleneck", 16, 4, 16, 2),
            ("bottleneck", 5, 4, 16, 2),
        ],
    )
    def test_block_is_the_slow_twin(self, kind: str, n_in: int, width: int, n_out: int, stride: int, eca: bool) -> None:
        block = BLOCKS[kind](n_in, width, stride, ChannelAttention if eca else lambda _: nn.Identity()).eval()
        block.load_state_dict(reference_state_dict(shapes_of(block)))
        convolutions, strided = {"basic": (2, 1), "bottleneck": (3, 2)}[kind]
        x = np.random.default_rng(0).standard_normal((n_in, 5, 6))
        want = naive_residual_block(block, x, convolutions, strided, stride)
        with torch.no_grad():
            got = block.double()(torch.tensor(x[None]))[0]
        assert got.shape == (n_out, math.ceil(5 / stride), 6 // stride)
        np.testing.assert_allclose(got.numpy(), want, atol=1e-9)

    def test_network_is_the_slow_twin(self) -> None:
        options = {"block": "basic", "depths": (1, 2, 1, 1), "widths": (2, 3, 3, 8), "eca": True}
        model = ResNet(n_bands=20, **options).eval()
        model.load_state_dict(reference_state_dict(shapes_of(model)))
        x = np.random.default_rng(0).standard_normal((1, 20, 35))
        stem = naive_convolution(x, model.conv1.weight.detach().double().numpy())[:, ::2, ::2]
        stem = np.maximum(naive_batch_norm(stem, model.bn1), 0)
        want = naive_max_pool(np.pad(stem, ((0, 0), (1, 1), (1, 1))), (3, 3), (2, 2))
        for stage, blocks in enumerate((1, 2, 1, 1), start=1):
            for index in range(blocks):
                block = model.get_submodule(f"layer{stage}.{index}")
                want = naive_residual_block(block, want, 2, 1, stride=2 if stage > 1 and index == 0 else 1)
        with torch.no_grad():
            got = model.double()(torch.tensor(x[None]))[0]
        assert want.shape == (8, 1, 2)
        np.testing.assert_allclose(got.numpy(), want.mean(axis=(1, 2)), atol=1e-9)


class TestVggM:
    def test_sizes_are_the_papers(self) -> None:
        with torch.device("meta"):
            model = VggM(n_bands=512)
        assert model.features(torch.zeros(1, 1, 512, 300, device="meta")).shape == (1, 256, 9, 8)
        assert model.fc6.weight.shape == (4096, 256, 9, 1)
        convolutions = 49 * 96 + 25 * 96 * 256 + 9 * (256 * 384 + 384 * 256 + 256 * 256)
        norms = 2 * (96 + 256 + 384 + 256 + 256 + 4096 + 1024)
        assert n_parameters(model) == convolutions + 9 * 256 * 4096 + 4096 * 1024 + norms == 16_622_624

    @pytest.mark.parametrize("bands", [*range(1, 30), 40, 64, 80, 97, 128, 257])
    def test_height_of_fc6_is_what_the_pools_leave(self, bands: int) -> None:
        with torch.device("meta"):
            model = VggM(n_bands=bands, channels=(1,) * 7).eval()
        features = model.features(torch.zeros(1, 1, bands, 1 + bands % 70, device="meta"))
        assert features.shape[2] == bands_left(bands) == model.fc6.kernel_size[0]

    @pytest.mark.parametrize(("bands", "frames"), [(1, 1), (3, 9), (26, 80), (130, 20)])
    def test_is_the_slow_twin(self, bands: int, frames: int) -> None:
        model = VggM(n_bands=bands, in_channels=2, channels=(2, 3, 2, 3, 2, 5, 4)).eval()
        model.load_state_dict(reference_state_dict(shapes_of(model)))
        x = np.random.default_rng(0).standard_normal((2, bands, frames))
        weights = {key: value.double().numpy() for key, value in model.state_dict().items()}
        want = x
        pools = {1: ((3, 3), (2, 2)), 2: ((3, 3), (2, 2)), 5: ((5, 3), (3, 2))}
        for index, stride in enumerate((2, 2, 1, 1, 1), start=1):
            kernel = weights[f"conv{index}.weight"]
            first = kernel.shape[2] // 2 - 1
            missing = [max(2 * first + 1 - size, 0) for size in want.shape[1:]]
            want = naive_convolution(np.pad(want, ((0, 0), (0, missing[0]), (0, missing[1]))), kernel)
            rows, columns = (size - first for size in want.shape[1:])
            want = want[:, first:rows:stride, first:columns:stride]
            want = np.maximum(naive_batch_norm(want, model.get_submodule(f"bn{index}")), 0)
            want = naive_max_pool(want, *pools[index]) if index in pools else want
        want = np.einsum("oib,ibt->ot", weights["fc6.weight"][..., 0], want)
        want = np.maximum(naive_batch_norm(want, model.bn6), 0).mean(axis=1)
        want = np.maximum(naive_batch_norm(weights["fc7.weight"] @ want, model.bn7), 0)
        with torch.no_grad():
            got = model.double()(torch.tensor(x[None]))[0]
        assert want.max() > 0
        np.testing.assert_allclose(got.numpy(), want, atol=1e-9)


class TestSmallCnn:
    def test_size(self) -> None:
        assert n_parameters(create_backbone("cnn-small", n_bands=40)) == 159_776

    def test_is_the_slow_twin(self) -> None:
        model = create_backbone("cnn-small", n_bands=5, in_channels=2, channels=(3, 4)).eval()
        model.load_state_dict(reference_state_dict(shapes_of(model)))
        x = np.random.default_rng(0).standard_normal((2, 5, 7))
        want = naive_batch_norm(x.transpose(1, 0, 2), model.get_submodule("norm")).transpose(1, 0, 2)
        for index in (0, 5):
            kernel = model.get_parameter(f"blocks.{index}.weight").detach().numpy()
            want = naive_batch_norm(naive_convolution(want, kernel), model.get_submodule(f"blocks.{index + 1}"))
            bands, frames = (math.ceil(size / 2) for size in want.shape[1:])
            pooled = np.zeros((len(want), bands, frames))
            for channel, band, frame in np.ndindex(pooled.shape):
                window = want[channel, 2 * band : 2 * band + 2, 2 * frame : 2 * frame + 2]
                pooled[channel, band, frame] = max(window.max(), 0)
            want = pooled
        want = want.mean(axis=1)
        want = want.mean(axis=1) + want.max(axis=1)
        with torch.no_grad():
            got = model(torch.tensor(x[None], dtype=torch.float32))[0]
        np.testing.assert_allclose(got.numpy(), want, atol=1e-5)

    def test_learns_which_band_rises_over_time(self) -> None:
        """The label is the band whose level rises over time while the others fall, so that both axes matter."""
        generator = torch.Generator().manual_seed(0)

        def batch(n: int) -> tuple[Tensor, Tensor]:
            labels = torch.randint(4, (n,), generator=generator)
            slope = torch.where(F.one_hot(labels, 4).repeat_interleave(10, dim=1) == 1, 1.0, -1.0)
            ramp = torch.linspace(-1, 1, 32)
            return (slope[:, None, :, None] * ramp + torch.randn(n, 1, 40, 32, generator=generator)), labels

        model = nn.Sequential(create_backbone("cnn-small", n_bands=40, channels=(8, 16, 16, 32)), nn.Linear(32, 4))
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        for _ in range(60):
            x, labels = batch(32)
            optimizer.zero_grad()
            F.cross_entropy(model(x), labels).backward()
            optimizer.step()
        x, labels = batch(200)
        with torch.no_grad():
            assert (model.eval()(x).argmax(dim=1) == labels).float().mean() > 0.9
