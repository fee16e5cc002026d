"""EfficientNet (Tan & Le, 2019) without its classifier, as a network of inverted residuals."""

from __future__ import annotations

import math

from auricle.backbones.inverted import EvenConv2d, InvertedResidualNet, Row, SameConv2d, rounded, swish
from auricle.errors import AuricleError

SCALES = {
    "b0": (1.0, 1.0),
    "b1": (1.0, 1.1),
    "b2": (1.1, 1.2),
    "b3": (1.2, 1.4),
    "b4": (1.4, 1.8),
    "b5": (1.6, 2.2),
    "b6": (1.8, 2.6),
    "b7": (2.0, 3.1),
}
"""By how much each variant is wider and deeper than B0."""
STAGES = (
    # kernel, expansion, channels, repeats, stride of the first
    (3, 1, 16, 1, 1),
    (3, 6, 24, 2, 2),
    (5, 6, 40, 2, 2),
    (3, 6, 80, 3, 2),
    (5, 6, 112, 3, 1),
    (5, 6, 192, 4, 2),
    (3, 6, 320, 1, 1),
)
PADDINGS = {"same": SameConv2d, "even": EvenConv2d}
STEM, HEAD = 32, 1280
SKIPPED = 0.2
WIDTHS = {variant: rounded(HEAD * width) for variant, (width, _) in SCALES.items()}
"""Embedding size of each variant."""


def efficientnet(
    variant: str, *, n_bands: int, in_channels: int = 1, pooling: str = "mean", padding: str = "same"
) -> InvertedResidualNet:
    """EfficientNet "b0" … "b7" (`variant`) without its classifier, randomly initialised.

    Every convolution is zero-padded like TensorFlow's "same", so that n bands or frames become ceil(n / stride), and
    spectrograms of any size work. With `padding="even"` odd numbers are padded like even ones, so that n become
    n // stride: efficientnet_pytorch (Melas-Kyriazi, 2019) pads its B0 so unless it is made for images of any size.
    `pooling`: "mean" or "max" of the last features over bands and frames, or "stage", their mean and those that the
    last stage's blocks weigh their channels by.
    """
    if variant not in SCALES:
        raise AuricleError(f"unknown EfficientNet {variant!r}; known: {', '.join(SCALES)}")
    if padding not in PADDINGS:
        raise AuricleError(f"padding is {padding!r}; it should be 'same' or 'even'")
    width, depth = SCALES[variant]
    channels, rows = rounded(STEM * width), []
    for kernel_size, expansion, out, repeats, stride in STAGES:
        for repeat in range(math.ceil(depth * repeats)):
            squeezed = max(1, channels // 4)
            step = stride if repeat == 0 else 1
            rows.append(Row(kernel_size, expansion * channels, rounded(out * width), squeezed, swish, step))
            channels = rows[-1].out
    return InvertedResidualNet(
        rows,
        stem=rounded(STEM * width),
        head=WIDTHS[variant],
        activation=swish,
        squeeze_activation=swish,
        convolution=PADDINGS[padding],
        n_bands=n_bands,
        in_channels=in_channels,
        pooling=pooling,
        skipped=SKIPPED,
    )
