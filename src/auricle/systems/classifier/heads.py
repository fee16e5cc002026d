"""Heads that map the output of a backbone to logits, by one linear layer or by pooling the decisions of segments.

These are the heads of PANNs (Kong et al., 2020): "linear" is that of Cnn14, "max" that of Cnn14_DecisionLevelMax and
"attention" that of Cnn14_DecisionLevelAtt (after Kong et al., 2019, "Weakly labelled AudioSet tagging with attention
neural networks"). Pooling is defined on probabilities; the heads return the logits of the pooled probabilities.
"mlp" is that of MobileNetV3 (Howard et al., 2019).

A linear head may hear what another head answers too, `AnswersHead`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle.backbones import Backbone
from auricle.backbones.inverted import rounded
from auricle.errors import AuricleError
from auricle.registry import unknown_name

ATTENTION_LIMIT = 10.0


class SegmentHead(nn.Module):
    """Base class of heads that classify the segments of a clip and pool their logits."""

    out_features: int

    def segment_logits(self, segments: Tensor) -> Tensor:
        """Logits `(batch, segments, labels)` of segments `(batch, n_in, segments)`."""
        raise NotImplementedError

    def pool(self, segments: Tensor, logits: Tensor) -> Tensor:
        """The clips' logits `(batch, labels)`, given `segments` and their logits from `segment_logits`."""
        raise NotImplementedError

    def forward(self, segments: Tensor) -> Tensor:
        """The clips' logits `(batch, labels)` of segments `(batch, n_in, segments)`."""
        return self.pool(segments, self.segment_logits(segments))


class MaxHead(SegmentHead):
    """The probability of a label in a clip is the maximum over the segments."""

    def __init__(self, n_in: int, n_labels: int) -> None:
        super().__init__()
        self.out_features = n_labels
        self.cla = nn.Linear(n_in, n_labels)

    def segment_logits(self, segments: Tensor) -> Tensor:
        return self.cla(segments.transpose(1, 2))

    def pool(self, segments: Tensor, logits: Tensor) -> Tensor:
        return logits.amax(dim=1)


class AttentionHead(SegmentHead):
    """p = Σ_s a_s·σ(c_s), with the segments' logits c, and a the softmax over segments of scores clamped to ±10."""

    def __init__(self, n_in: int, n_labels: int) -> None:
        super().__init__()
        self.out_features = n_labels
        self.att = nn.Linear(n_in, n_labels)
        self.cla = nn.Linear(n_in, n_labels)

    def segment_logits(self, segments: Tensor) -> Tensor:
        return self.cla(segments.transpose(1, 2))

    def pool(self, segments: Tensor, logits: Tensor) -> Tensor:
        """log p − log(1 − p), both by log-sum-exp, which stays exact for p close to 0 and to 1."""
        attention = self.att(segments.transpose(1, 2)).clamp(-ATTENTION_LIMIT, ATTENTION_LIMIT)
        log_weights = attention.log_softmax(dim=1)
        present = torch.logsumexp(log_weights + F.logsigmoid(logits), dim=1)
        absent = torch.logsumexp(log_weights + F.logsigmoid(-logits), dim=1)
        return present - absent


class MLPHead(nn.Sequential):
    """Two linear layers with a hard swish and dropout between them; the first widens the embedding to 4/3."""

    def __init__(self, n_in: int, n_labels: int, dropout: float = 0.2) -> None:
        width = rounded(n_in * 4 / 3)
        super().__init__(nn.Linear(n_in, width), nn.Hardswish(), nn.Dropout(dropout), nn.Linear(width, n_labels))
        self.out_features = n_labels


class AnswersHead(nn.Module):
    """A linear head on an embedding and on the logits of another head, the `answers`, which stays as it is.

    The other head is the "mlp" of a pretrained model, for the embedding's first `n_first` entries: what it answers
    about its own labels describes a sound by what it resembles. Logits of a network as features for other labels are
    known as tandem features (Hermansky et al., ICASSP 2000, "Tandem connectionist feature extraction for conventional
    HMM systems").
    """

    def __init__(self, n_in: int, n_labels: int, *, n_first: int, n_answers: int) -> None:
        super().__init__()
        self.n_first = n_first
        self.out_features = n_labels
        self.answers = MLPHead(n_first, n_answers).requires_grad_(False)
        self.linear = nn.Linear(n_in + n_answers, n_labels)

    def heard(self, embeddings: Tensor) -> Tensor:
        """`(batch, n_in)` to what the linear head hears, `(batch, n_in + n_answers)`."""
        return torch.cat([embeddings, self.answers(embeddings[:, : self.n_first])], dim=1)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Logits `(batch, labels)` of embeddings `(batch, n_in)`."""
        return self.linear(self.heard(embeddings))

    def requires_grad_(self, requires_grad: bool = True) -> AnswersHead:
        self.linear.requires_grad_(requires_grad)
        return self


Head = nn.Linear | MLPHead | AnswersHead | SegmentHead

HEADS: dict[str, Callable[[int, int], Head]] = {
    "linear": nn.Linear,
    "mlp": MLPHead,
    "max": MaxHead,
    "attention": AttentionHead,
}


def create_head(name: str, backbone: Backbone, n_labels: int, n_answers: int = 0) -> Head:
    """The head called `name`, a key of `HEADS`, for the output of `backbone`.

    A linear one hears `n_answers` logits of a pretrained head too. Raises an `AuricleError` if there is no such head,
    if it needs segments that the backbone does not give, or for answers to another head than a linear one.
    """
    if name not in HEADS:
        raise AuricleError(unknown_name("head", name, HEADS))
    if name in ("max", "attention") and backbone.segment_frames is None:
        raise AuricleError(
            f"the head {name!r} needs segments of time, which {type(backbone).__name__} does not give: use cnn14"
        )
    if n_answers:
        if name != "linear":
            raise AuricleError(f"n_answers={n_answers}: it is for the head 'linear', not {name!r}")
        n_first = backbone.embedding_parts[0]
        return AnswersHead(backbone.embedding_dim, n_labels, n_first=n_first, n_answers=n_answers)
    return HEADS[name](backbone.embedding_dim, n_labels)


def decide(backbone: Backbone, head: nn.Module, spectrograms: Tensor) -> Tensor:
    """Logits `(batch, labels)` of spectrograms `(batch, bands, frames)`, by `backbone` and `head`."""
    extract = backbone.segments if isinstance(head, SegmentHead) else backbone
    return head(extract(spectrograms[:, None]))


def detect(backbone: Backbone, head: SegmentHead, spectrograms: Tensor) -> tuple[Tensor, Tensor]:
    """Logits `(batch, labels)` of spectrograms `(batch, bands, frames)`, and `(batch, frames, labels)` of frames."""
    assert backbone.segment_frames is not None
    segments = backbone.segments(spectrograms[:, None])
    logits = head.segment_logits(segments)
    frames = torch.arange(spectrograms.shape[-1], device=spectrograms.device)
    indices = (frames // backbone.segment_frames).clamp(max=logits.shape[1] - 1)
    return head.pool(segments, logits), logits[:, indices]
