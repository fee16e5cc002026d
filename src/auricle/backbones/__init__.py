"""Backbones: from a time-frequency spectrogram to an embedding.

A backbone is a `Backbone` module:

- in: `(batch, in_channels, bands, frames)`, float. `bands` is the `n_bands` that it was made for; `frames` is at least
  1 and may differ from call to call. Each backbone's docstring says how it treats a spectrogram that is too small for
  its strides.
- out: `(batch, embedding_dim)`.
- in evaluation mode a clip's embedding does not depend on the other clips of its batch.

    backbone = create_backbone("efficientnet-b0", n_bands=40)
    backbone(torch.randn(8, 1, 40, 100)).shape  # (8, 1280)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from auricle.backbones.backbone import Backbone
from auricle.backbones.cnn14 import Cnn14
from auricle.backbones.efficientnet import WIDTHS, efficientnet
from auricle.backbones.mobilenet import mobilenet
from auricle.backbones.resnet import VARIANTS, ResNet
from auricle.backbones.small import SmallCnn
from auricle.backbones.vgg import VggM
from auricle.registry import Registry

__all__ = [
    "BACKBONES",
    "Backbone",
    "Cnn14",
    "ResNet",
    "SmallCnn",
    "VggM",
    "create_backbone",
    "list_backbones",
    "register_backbone",
]

BACKBONES: Registry[Backbone] = Registry("backbone")

BACKBONES.register("cnn-small")(SmallCnn)
BACKBONES.register("cnn14")(Cnn14)
BACKBONES.register("mobilenet")(mobilenet)
BACKBONES.register("vgg-m")(VggM)


def _register(name: str, maker: Callable[..., Backbone], description: str) -> None:
    maker.__doc__ = description
    BACKBONES.register(name)(maker)


for _variant, _width in WIDTHS.items():
    _description = f"EfficientNet-{_variant.upper()} (Tan & Le, 2019), embedding of {_width}."
    _register(f"efficientnet-{_variant}", partial(efficientnet, _variant), _description)

for _variant, (_description, _options) in VARIANTS.items():
    _register(_variant, partial(ResNet, **_options), _description)


def create_backbone(name: str, *, n_bands: int, in_channels: int = 1, **options: Any) -> Backbone:
    """Make the backbone `name` for spectrograms of `in_channels` channels and `n_bands` bands.

    Raises `AuricleError` for an unknown name, an option that the backbone does not have, or sizes below 1.
    """
    return BACKBONES.create(name, n_bands=n_bands, in_channels=in_channels, **options)


def list_backbones(pattern: str = "*") -> list[str]:
    """The names that `create_backbone` knows, those like `pattern`: `*` stands for any letters.

    >>> list_backbones("cnn*")
    ['cnn-small', 'cnn14']
    """
    return BACKBONES.names(pattern)


def register_backbone(name: str) -> Callable[[Callable[..., Backbone]], Callable[..., Backbone]]:
    """Decorator: register a callable that `create_backbone(name, n_bands=…, in_channels=…, **options)` calls."""
    return BACKBONES.register(name)
