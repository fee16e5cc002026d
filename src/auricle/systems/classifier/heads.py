"""From a backbone to a classifier's logits: one linear layer, or decisions on segments of time that are pooled.

The heads of PANNs (Kong et al., 2020): Cnn14's is "linear", those of its detectors are "max" (DecisionLevelMax) and
"attention" (DecisionLevelAtt, after Kong et al., 2019, "Weakly labelled AudioSet tagging with attention neural
networks"). Pooled are probabilities; what the heads give are the logits of these.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle.backbones import Backbone
from auricle.errors import AuricleError
from auricle.registry import unknown_name

ATTENTION_LIMIT = 10.0


class SegmentHead(nn.Module):
    """Logits of a clip, `(batch, labels)`, from its segments `(batch, n_in, segments)`; subclasses pool decisions."""

    out_features: int

    def each(self, segments: Tensor) -> Tensor:
        """Logits of the segments, `(batch, segments, labels)`."""
        raise NotImplementedError

    def pool(self, segments: Tensor, decisions: Tensor) -> Tensor:
        """The clip's logits `(batch, labels)` of `decisions`, which are `each(segments)`."""
        raise NotImplementedError

    def forward(self, segments: Tensor) -> Tensor:
        return self.pool(segments, self.each(segments))


class MaxHead(SegmentHead):
    """A label is as probable in the clip as in the segment where it is most probable."""

    def __init__(self, n_in: int, n_labels: int) -> None:
        super().__init__()
        self.out_features = n_labels
        self.cla = nn.Linear(n_in, n_labels)

    def each(self, segments: Tensor) -> Tensor:
        return self.cla(segments.transpose(1, 2))

    def pool(self, segments: Tensor, decisions: Tensor) -> Tensor:
        return decisions.amax(dim=1)


class AttentionHead(SegmentHead):
    """p = Σ_s a_s·σ(c_s), where a is the softmax over segments of attention bounded to ±10 and c are their logits."""

    def __init__(self, n_in: int, n_labels: int) -> None:
        super().__init__()
        self.out_features = n_labels
        self.att = nn.Linear(n_in, n_labels)
        self.cla = nn.Linear(n_in, n_labels)

    def each(self, segments: Tensor) -> Tensor:
        return self.cla(segments.transpose(1, 2))

    def pool(self, segments: Tensor, decisions: Tensor) -> Tensor:
        """log p − log(1 − p), each logarithm of a sum of exponentials, so that neither p = 0 nor p = 1 is lost."""
        attention = self.att(segments.transpose(1, 2)).clamp(-ATTENTION_LIMIT, ATTENTION_LIMIT)
        log_share = attention.log_softmax(dim=1)
        present = torch.logsumexp(log_share + F.logsigmoid(decisions), dim=1)
        absent = torch.logsumexp(log_share + F.logsigmoid(-decisions), dim=1)
        return present - absent


HEADS: dict[str, Callable[[int, int], nn.Linear | SegmentHead]] = {
    "linear": nn.Linear,
    "max": MaxHead,
    "attention": AttentionHead,
}


def create_head(name: str, backbone: Backbone, n_labels: int) -> nn.Linear | SegmentHead:
    """The head called `name` on `backbone`."""
    if name not in HEADS:
        raise AuricleError(unknown_name("head", name, HEADS))
    if name != "linear" and backbone.segment_frames is None:
        raise AuricleError(
            f"the head {name!r} decides on segments of time, which {type(backbone).__name__} does not give: use cnn14"
        )
    return HEADS[name](backbone.embedding_dim, n_labels)


def decide(backbone: Backbone, head: nn.Module, spectrograms: Tensor) -> Tensor:
    """Logits `(batch, labels)` of `(batch, bands, frames)`."""
    read = backbone.segments if isinstance(head, SegmentHead) else backbone
    return head(read(spectrograms[:, None]))
