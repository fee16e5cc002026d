"""Distillation: a network learns to make of a sound in noise what it made of the sound as it is, before it learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from auricle.data.windows import windows_at_once

if TYPE_CHECKING:
    from auricle.systems.classifier.system import Classifier


class Teacher:
    """A classifier whose features and embeddings of clean windows another one learns to reach.

    Args:
        model: the classifier; its weights are not changed.
        deviation: standard deviation of each entry of its embedding over the training clips, `(embedding_dim,)`.
    """

    def __init__(self, model: Classifier, deviation: Tensor) -> None:
        self.model = model.eval().requires_grad_(False)
        self.deviation = deviation

    def loss(self, features: Tensor, embeddings: Tensor, clean: Tensor) -> Tensor:
        """The mean of ((e − t) / s)² over the entries of the embedding, and that over the features it is pooled from.

        e are `embeddings` `(batch, embedding_dim)` or `features` `(batch, channels, …)`, and t the teacher's of the
        windows `clean` `(batch, time)`. s is the deviation of an entry of the embedding, and of a channel in these
        windows; one that hardly varies has a hundredth of the largest.
        """
        if self.deviation.device != clean.device:
            self.model.to(clean.device)
            self.deviation = self.deviation.to(clean.device)
        with torch.no_grad():
            parts = clean.split(windows_at_once(self.model.window))
            wanted = torch.cat([self.model.features(some) for some in parts])
            channels = wanted.transpose(0, 1).flatten(1).std(1)
            pooled = self.model.backbone.pooled(wanted)
        return _distance(features, wanted, channels) + _distance(embeddings, pooled, self.deviation)


def _distance(learnt: Tensor, wanted: Tensor, deviation: Tensor) -> Tensor:
    scale = deviation.clamp(min=0.01 * float(deviation.max())).reshape(-1, *[1] * (learnt.ndim - 2))
    return ((learnt - wanted) / scale).square().mean()
