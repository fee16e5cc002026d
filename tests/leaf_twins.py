"""Published classifiers restated plainly: LEAF-APCEN's, and leaf-pytorch's, down to the names of their weights.

A restatement asks `Weights` for what it needs by its published name. What is asked for the first time is drawn at
random, batch statistics from what passes by, so that one pass makes a checkpoint whose outputs have a sensible size.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SWISH = F.silu
STAGES = (  # of EfficientNet-B0: repeats, kernel, stride of the first, expansion, channels
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)  # fmt: skip


class Weights(dict[str, Tensor]):
    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, name: str, *shape: int, mean: float = 0.0, spread: float) -> Tensor:
        if name not in self:
            self[name] = mean + spread * torch.randn(shape, generator=self.generator)
        return self[name]

    def linear(self, x: Tensor, name: str, n_out: int) -> Tensor:
        n_in = x.shape[-1]
        weight = self.normal(f"{name}.weight", n_out, n_in, spread=n_in**-0.5)
        return x @ weight.T + self.normal(f"{name}.bias", n_out, spread=0.2)

    def norm(self, x: Tensor, name: str, eps: float) -> Tensor:
        n = x.shape[1]
        weight, bias = (self.normal(f"{name}.{w}", n, mean=m, spread=0.2) for w, m in (("weight", 1), ("bias", 0)))
        mean = self.setdefault(f"{name}.running_mean", x.mean((0, 2, 3)))
        variance = self.setdefault(f"{name}.running_var", 0.5 * (x.var((0, 2, 3)) + x.var()))
        self.setdefault(f"{name}.num_batches_tracked", torch.tensor(1))
        mean, variance, weight, bias = (value[:, None, None] for value in (mean, variance, weight, bias))
        return (x - mean) / torch.sqrt(variance + eps) * weight + bias

    def convolution(self, x: Tensor, name: str, n_out: int, kernel: int, stride: int = 1, groups: int = 1) -> Tensor:
        fan = x.shape[1] // groups * kernel**2
        weight = self.normal(f"{name}.weight", n_out, x.shape[1] // groups, kernel, kernel, spread=fan**-0.5)
        return F.conv2d(x, weight, stride=stride, groups=groups)


def efficientnet_b0(w: Weights, x: Tensor, prefix: str, image_size: int | None) -> Tensor:
    """The features of efficientnet_pytorch's B0: zeros as for square images of a size, or of the actual size (None)."""
    size = image_size

    def padded(x: Tensor, kernel: int, stride: int) -> Tensor:
        zeros = []
        for n in (size or x.shape[-1], size or x.shape[-2]):
            total = max((math.ceil(n / stride) - 1) * stride + kernel - n, 0)
            zeros += [total // 2, total - total // 2]
        return F.pad(x, zeros)

    x = SWISH(w.norm(w.convolution(padded(x, 3, 2), f"{prefix}_conv_stem", 32, 3, 2), f"{prefix}_bn0", 1e-3))
    size = size and math.ceil(size / 2)
    index = 0
    for repeats, kernel, first_stride, expansion, n_out in STAGES:
        for repeat in range(repeats):
            name, stride, n_in = f"{prefix}_blocks.{index}.", first_stride if repeat == 0 else 1, x.shape[1]
            inputs, wide = x, n_in * expansion
            if expansion != 1:
                x = SWISH(w.norm(w.convolution(x, f"{name}_expand_conv", wide, 1), f"{name}_bn0", 1e-3))
            x = w.convolution(padded(x, kernel, stride), f"{name}_depthwise_conv", wide, kernel, stride, wide)
            size = size and math.ceil(size / stride)
            x = SWISH(w.norm(x, f"{name}_bn1", 1e-3))
            squeezed = w.convolution(x.mean((2, 3), keepdim=True), f"{name}_se_reduce", max(1, n_in // 4), 1)
            squeezed = SWISH(squeezed + w.normal(f"{name}_se_reduce.bias", n_in // 4, spread=0.2)[:, None, None])
            squeezed = w.convolution(squeezed, f"{name}_se_expand", wide, 1)
            x = x * torch.sigmoid(squeezed + w.normal(f"{name}_se_expand.bias", wide, spread=0.2)[:, None, None])
            x = w.norm(w.convolution(x, f"{name}_project_conv", n_out, 1), f"{name}_bn2", 1e-3)
            x = x + inputs if stride == 1 and n_in == n_out else x
            index += 1
    return SWISH(w.norm(w.convolution(x, f"{prefix}_conv_head", 1280, 1), f"{prefix}_bn1", 1e-3))


def resnet_18(w: Weights, x: Tensor, prefix: str) -> Tensor:
    """The features of leaf-pytorch's ResNet-18, which is torchvision's with one input channel."""
    x = F.relu(w.norm(w.convolution(F.pad(x, (3, 3, 3, 3)), f"{prefix}conv1", 64, 7, 2), f"{prefix}bn1", 1e-5))
    x = F.max_pool2d(x, 3, 2, padding=1)
    for stage, width in enumerate((64, 128, 256, 512), start=1):
        for block in range(2):
            name, stride = f"{prefix}layer{stage}.{block}.", 2 if stage > 1 and block == 0 else 1
            branch, shortcut = x, x
            for layer, step in ((1, stride), (2, 1)):
                branch = w.convolution(F.pad(branch, (1, 1, 1, 1)), f"{name}conv{layer}", width, 3, step)
                branch = w.norm(branch, f"{name}bn{layer}", 1e-5)
                branch = F.relu(branch) if layer == 1 else branch
            if stride == 2:
                shortcut = w.norm(w.convolution(x, f"{name}downsample.0", width, 1, 2), f"{name}downsample.1", 1e-5)
            x = F.relu(branch + shortcut)
    return x


def gabor_energies(x: Tensor, centres: Tensor, widths: Tensor, pooling: Tensor, hop: int = 160) -> Tensor:
    """Pooled energies `(batch, bands, frames)` of `(batch, time)`, by filters and windows of 401 samples."""
    z = math.sqrt(2 * math.log(2)) / math.pi
    centres, widths = centres.clamp(0, math.pi), widths.clamp(4 * z, 401 * z)
    t = torch.arange(-200, 201)
    kernels = torch.exp(1j * torch.outer(centres, t)) * torch.exp(-torch.outer(1 / (2 * widths**2), t**2))
    kernels = kernels / (math.sqrt(2 * math.pi) * widths)[:, None]
    power = sum(F.conv1d(x[:, None], part[:, None], padding=200) ** 2 for part in (kernels.real, kernels.imag))
    windows = torch.exp(-0.5 * (t / (pooling.clamp(2 / 401, 0.5)[:, None] * 200)) ** 2)
    return F.conv1d(power, windows[:, None], stride=hop, padding=200, groups=len(centres))


def filters(w: Weights) -> tuple[Tensor, Tensor, Tensor]:
    """Centres, widths and pooling widths of 40 bands, a few beyond their bounds."""
    spread = torch.linspace(0.02, 3.3, 40)
    return spread, 160 - 155 * torch.linspace(0, 1, 40) ** 0.3, w.normal("", 40, mean=0.4, spread=0.1)


def leaf_apcen(w: Weights, x: Tensor, kind: str, n_labels: int, lead: int = 0) -> Tensor:
    """Logits of LEAF-APCEN's classifiers, `kind` "pcen", "simppcen" or "apcen", of clips `(batch, time)`."""
    bank = "_frontend.filterbank."
    for name, value in zip(("center_freqs", "bandwidths", "pooling_widths"), filters(Weights(1)), strict=True):
        w.setdefault(bank + name, value)
    own = [w[bank + name] for name in ("center_freqs", "bandwidths", "pooling_widths")]
    spectrogram = _adaptive(w, x, own, lead) if kind == "apcen" else _static(w, gabor_energies(x, *own), kind)
    features = efficientnet_b0(w, spectrogram[:, None], "_encoder.", image_size=224)
    return w.linear(features.amax((2, 3)), "_head", n_labels)


def _static(w: Weights, energies: Tensor, kind: str) -> Tensor:
    energies = energies.clamp(min=1e-5)
    alpha = w.normal("_frontend.compression.alpha", 40, mean=0.5, spread=0.4).clamp(max=1)[:, None]
    exponent = 1 / w.normal("_frontend.compression.r", 40, mean=1.5, spread=0.4).clamp(min=1)[:, None]
    if kind == "pcen":
        s = w.setdefault("_frontend.compression.s", torch.linspace(-1e-4, 1.01, 40))
        delta = w.normal("_frontend.compression.delta", 40, mean=1.0, spread=0.8).clamp(min=0)[:, None]
    else:
        s = torch.full((40,), 0.04, dtype=energies.dtype)
    average = moving_average(energies, s)
    if kind == "pcen":
        return (energies / (1e-12 + average) ** alpha + delta) ** exponent - delta**exponent
    return energies**exponent / (average + 1e-12) ** alpha


def moving_average(energies: Tensor, s: Tensor) -> Tensor:
    averages = [energies[..., 0]]
    for frame in range(1, energies.shape[-1]):
        averages.append((1 - s) * averages[-1] + s * energies[..., frame])
    return torch.stack(averages, dim=-1)


def _adaptive(w: Weights, x: Tensor, own: list[Tensor], lead: int) -> Tensor:
    """Window by window: the controller reads the output of the window before and the energies of this one."""
    gru = nn.GRU(1, 32, batch_first=True).to(x.dtype)
    for name, value in gru.named_parameters():
        w.normal(f"_frontend.ppn.gru.{name}", *value.shape, spread=0.4)
    gru.load_state_dict({name: w[f"_frontend.ppn.gru.{name}"] for name in gru.state_dict()})
    outputs, first = [], None
    for window in F.pad(x, (lead, 0)).unfold(-1, 400, 160).unbind(1):
        energies = gabor_energies(window, *own)
        first = energies if first is None else first
        energies = energies.clamp(min=1e-5)
        before = outputs[-1] if outputs else energies
        _, state = gru(torch.cat([before, energies], dim=-1).flatten(0, 1)[..., None])
        hidden = F.relu(w.linear(state[0], "_frontend.ppn.head.0", 32))
        alpha, r = torch.sigmoid(w.linear(hidden, "_frontend.ppn.head.2", 2)).T.unflatten(1, energies.shape[:2])
        average = 0.96 * first + 0.04 * energies
        outputs.append(energies ** (0.2 + 0.8 * r[..., None]) / (average + 1e-12) ** alpha[..., None])
    return torch.cat(outputs, dim=-1)


def leaf_pytorch(w: Weights, x: Tensor, network: str, n_labels: int) -> Tensor:
    """Logits of leaf-pytorch's classifiers with an "efficientnet" or a "resnet", of clips `(batch, time)`."""
    centres, widths, pooling = filters(Weights(1))
    w.setdefault("features._complex_conv._kernel", torch.stack([centres, widths], dim=1))
    w.setdefault("features._pooling.weights", pooling.reshape(1, 1, 40, 1))
    centres, widths = w["features._complex_conv._kernel"].T
    energies = gabor_energies(x, centres, widths, w["features._pooling.weights"].flatten())
    bias = w.normal("features._pooling._bias", 40, mean=0.2, spread=0.1)
    energies = (energies + bias[:, None]).clamp(min=1e-5)
    average = moving_average(
        energies, w.normal("features._compression.ema._weights", 40, mean=0.04, spread=0.03).clamp(0, 1)
    )
    alpha = w.normal("features._compression.alpha", 40, mean=0.5, spread=0.4).clamp(max=1)[:, None]
    delta = w.normal("features._compression.delta", 40, mean=1.0, spread=0.2)[:, None]
    exponent = 1 / w.normal("features._compression.root", 40, mean=1.5, spread=0.4).clamp(min=1)[:, None]
    spectrogram = (energies / (1e-12 + average) ** alpha + delta) ** exponent - delta**exponent
    if network == "resnet":
        return w.linear(resnet_18(w, spectrogram[:, None], "model.").mean((2, 3)), "model.fc", n_labels)
    features = efficientnet_b0(w, spectrogram[:, None], "model.", image_size=None)
    return w.linear(features.mean((2, 3)), "model._fc", n_labels)
