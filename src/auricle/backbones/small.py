"""A small convolutional network that trains in minutes on two CPU cores."""

from __future__ import annotations

from torch import Tensor, nn

from auricle.backbones.backbone import Backbone


class SmallCnn(Backbone):
    """A small CNN for two CPU cores, embedding of 128 (about 0.16 M parameters).

    Batch normalisation of each band, then four blocks of 3 × 3 convolution, batch normalisation, ReLU, 2 × 2 max
    pooling and dropout of whole channels. Pooling windows may extend beyond the end, so that no band or frame is
    dropped and spectrograms of any size work. The last features are averaged over bands; the embedding is their mean
    over time plus their maximum.
    """

    def __init__(
        self,
        *,
        n_bands: int,
        in_channels: int = 1,
        channels: tuple[int, ...] = (16, 48, 96, 128),
        dropout: float = 0.1,
    ) -> None:
        super().__init__(n_bands=n_bands, in_channels=in_channels, embedding_dim=channels[-1])
        self.norm = nn.BatchNorm2d(n_bands)
        blocks: list[nn.Module] = []
        for n_in, n_out in zip((in_channels, *channels), channels, strict=False):
            blocks += [
                nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
                nn.BatchNorm2d(n_out),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2, ceil_mode=True),
                nn.Dropout2d(dropout),
            ]
        self.blocks = nn.Sequential(*blocks)
        self.keep_channels_last()

    def embed(self, x: Tensor) -> Tensor:
        x = self.norm(x.transpose(1, 2)).transpose(1, 2)
        x = self.blocks(x).mean(dim=2)
        return x.mean(dim=2) + x.amax(dim=2)
