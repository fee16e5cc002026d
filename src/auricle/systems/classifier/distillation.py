"""Distillation: a network learns to give noisy sound the embedding that it gave the clean sound before training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from auricle.data.windows import windows_at_once

if TYPE_CHECKING:
    from auricle.systems.classifier.system import Classifier


class Teacher:
    """A classifier whose embeddings of clean windows another one learns to reach.

    Args:
        model: the classifier; its weights are not changed.
        deviation: standard deviation over the training clips of each entry of its embedding, or of the first ones if
            the others are free.
    """

    def __init__(self, model: Classifier, deviation: Tensor) -> None:
        self.model = model.eval().requires_grad_(False)
        self.deviation = deviation

    @torch.no_grad()
    def embed(self, clean: Tensor) -> Tensor:
        """The embeddings `(batch, embedding_dim)` to reach, of the windows `clean` `(batch, time)`."""
        if self.deviation.device != clean.device:
            self.model.to(clean.device)
            self.deviation = self.deviation.to(clean.device)
        return torch.cat([self.model.embed(some) for some in clean.split(windows_at_once(self.model.window))])

    def loss(self, embeddings: Tensor, wanted: Tensor) -> Tensor:
        """The mean over windows and entries of ((e − t) / s)².

        e are `embeddings` and t those `wanted`, each `(batch, embedding_dim)`, and s the deviations, of which an entry
        that hardly varies has a hundredth of the largest. Only entries with a deviation count.
        """
        scale = self.deviation.clamp(min=0.01 * float(self.deviation.max()))
        moves = (embeddings - wanted)[:, : len(self.deviation)]
        return (moves / scale).square().mean()
