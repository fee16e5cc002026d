"""MobileNetV3-Large (Howard et al., 2019) without its classifier, as EfficientAT has it for spectrograms.

Efficient Large-Scale Audio Tagging Via Transformer-to-CNN Knowledge Distillation (Schmid et al., ICASSP 2023),
https://arxiv.org/abs/2211.04772
"""

from __future__ import annotations

from auricle.backbones.inverted import CentredConv2d, InvertedResidualNet, Row, hard_swish, relu, rounded
from auricle.errors import AuricleError

ROWS = (
    # kernel, expanded, channels, squeeze and excitation, activation, stride
    (3, 16, 16, False, relu, 1),
    (3, 64, 24, False, relu, 2),
    (3, 72, 24, False, relu, 1),
    (5, 72, 40, True, relu, 2),
    (5, 120, 40, True, relu, 1),
    (5, 120, 40, True, relu, 1),
    (3, 240, 80, False, hard_swish, 2),
    (3, 200, 80, False, hard_swish, 1),
    (3, 184, 80, False, hard_swish, 1),
    (3, 184, 80, False, hard_swish, 1),
    (3, 480, 112, True, hard_swish, 1),
    (3, 672, 112, True, hard_swish, 1),
    (5, 672, 160, True, hard_swish, 2),
    (5, 960, 160, True, hard_swish, 1),
    (5, 960, 160, True, hard_swish, 1),
)
STEM, LAST = 16, 6  # channels of the first convolution; the last one's, in channels before it
SQUEEZE = 4
MIN_WIDTH, MAX_WIDTH = 0.1, 4.0


def mobilenet(*, n_bands: int, in_channels: int = 1, width: float = 1.0, pooling: str = "mean") -> InvertedResidualNet:
    """MobileNetV3-Large, `width` times as wide (0.1 to 4), embedding of 960 · `width`.

    With the weights of EfficientAT (`auricle convert efficientat`) it knows AudioSet's sounds. Spectrograms of any size
    work; both axes become 32 times shorter. `pooling`: "mean" or "max" of the last features over bands and frames, or
    "stage", their mean and those that the last stage's blocks weigh their channels by: 3552 · `width` in all.
    """
    if not isinstance(width, int | float) or not MIN_WIDTH <= width <= MAX_WIDTH:
        raise AuricleError(f"width={width!r} of a MobileNet: {MIN_WIDTH:g} to {MAX_WIDTH:g}")
    rows = []
    for kernel_size, expanded, out, squeezes, activation, stride in ROWS:
        wide = rounded(expanded * width)
        squeezed = rounded(wide // SQUEEZE) if squeezes else 0
        rows.append(Row(kernel_size, wide, rounded(out * width), squeezed, activation, stride))
    return InvertedResidualNet(
        rows,
        stem=rounded(STEM * width),
        head=LAST * rows[-1].out,
        activation=hard_swish,
        squeeze_activation=relu,
        convolution=CentredConv2d,
        n_bands=n_bands,
        in_channels=in_channels,
        pooling=pooling,
    )
