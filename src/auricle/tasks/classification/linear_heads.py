"""Linear heads fitted to embeddings, in seconds: logistic regression, or prototypes where examples are few.

They are fitted in `Coordinates` of the embeddings; the head that is returned takes embeddings as they are. Where an
embedding has several `parts`, as a classifier's `heard_parts`, these count alike, whatever their sizes are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from auricle.tasks.classification.fitting import smoothed

PENALTIES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0)
SCALES = tuple(10.0 ** (power / 8) for power in range(-8, 17))  # 0.1 to 100
FEW = 4
"""With so many clips of every label or fewer, labels are told apart by prototypes."""
OF_PROTOTYPES = 8.0
"""How far ahead of the other labels, on average, a clip at the prototype of its label is by its logit."""
ENOUGH = 100
"""From so many clips on, the variance of an entry of the embedding is taken as it is."""
LEAST_DEVIATION = 0.01
"""Of an entry of the embedding that varies, relative to the largest of its part."""
DISCOUNT = 0.5
"""How much noise counts in the scale of a direction: 0 for not at all, 1 for nothing else."""


@dataclass(frozen=True)
class LinearHead:
    """Logits `weight` · x + `bias`: `(labels, embedding_dim)` and `(labels,)`.

    By logistic regression with `penalty`, or by prototypes where it is None, then multiplied by `scale`.
    """

    weight: Tensor
    bias: Tensor
    penalty: float | None = None
    scale: float = 1.0

    @property
    def how(self) -> str:
        """How they were found, in words."""
        return "prototypes" if self.penalty is None else f"logistic regression, penalty {self.penalty:g}"

    def scaled(self, scale: float) -> LinearHead:
        """The head whose logits are `scale` times as large."""
        return LinearHead(scale * self.weight, scale * self.bias, self.penalty, scale * self.scale)

    def logits(self, embeddings: Tensor) -> Tensor:
        """`(clips, embedding_dim)` to `(clips, labels)`."""
        return F.linear(embeddings.to(self.weight), self.weight, self.bias)


@dataclass(frozen=True)
class Coordinates:
    """Coordinates (x − `mean`) · `axes` of embeddings x: `(embedding_dim,)` and `(embedding_dim, embedding_dim)`."""

    mean: Tensor
    axes: Tensor

    @classmethod
    def of(cls, embeddings: Tensor, moved: Tensor | None = None, parts: Sequence[int] = ()) -> Coordinates:
        """Each entry divided by its deviation over `embeddings` `(clips, embedding_dim)` (see `standardisation`).

        Of several `parts`, given by their sizes, each has the same sum of variances.

        With `moved` `(windows, embedding_dim)`, by which conditions moved the embeddings of some windows, coordinates
        in which the moves have no direction of their own: z · L^(−ᵀ), S = L·Lᵀ = d·M + (1 − d)·I, where M is the mean
        of m·mᵀ over the moves m in the coordinates z, divided by its mean diagonal, and d is `DISCOUNT`. This is the
        within-class covariance normalisation of Hatch et al. (2006), with noise as what varies within a class. Between
        parts M is 0: some hundreds of moves do not tell how the many entries of different parts move together.
        """
        mean, deviation = standardisation(embeddings, parts)
        sizes = torch.tensor(parts or (len(deviation),))
        alike = (len(sizes) * sizes.double() / sizes.sum()).sqrt()
        deviation = deviation * alike.repeat_interleave(sizes)
        axes = torch.diag(1 / deviation)
        if moved is not None:
            moves = moved.double() / deviation
            mean_square = moves.square().sum() / len(deviation)
            if mean_square > 0:
                own = (moves / mean_square.sqrt()).split(sizes.tolist(), dim=1)
                axes = axes @ torch.block_diag(*map(undirected, own))
        return cls(mean, axes)

    def __call__(self, embeddings: Tensor) -> Tensor:
        return (embeddings - self.mean) @ self.axes

    def head(self, weight: Tensor, bias: Tensor, penalty: float | None = None) -> LinearHead:
        """The head for embeddings as they are, from one for these coordinates."""
        own = weight @ self.axes.T
        return LinearHead(own.float(), (bias - own @ self.mean).float(), penalty)


def undirected(moves: Tensor) -> Tensor:
    """L^(−ᵀ) for L·Lᵀ = d·mᵀ·m + (1 − d)·I of `moves` m `(windows, entries)`, d = `DISCOUNT`: `(entries, entries)`."""
    identity = torch.eye(moves.shape[1], dtype=moves.dtype)
    lower = torch.linalg.cholesky(DISCOUNT * moves.T @ moves + (1 - DISCOUNT) * identity)
    return torch.linalg.solve_triangular(lower, identity, upper=False).T


def fit_heads(
    train: tuple[Tensor, Tensor],
    valid: tuple[Tensor, Tensor],
    multi_label: bool,
    moved: Tensor | None = None,
    parts: Sequence[int] = (),
) -> tuple[LinearHead, LinearHead]:
    """The head of `train` alone (see `fit_head`), and one of `train` and `valid` with the same penalty and scale."""
    held_out = fit_head(train, valid, multi_label, moved, parts)
    embeddings, targets = (torch.cat(values) for values in zip(train, valid, strict=True))
    return held_out, fit_like(held_out, embeddings, targets, multi_label, moved, parts)


def fit_like(
    head: LinearHead,
    embeddings: Tensor,
    targets: Tensor,
    multi_label: bool,
    moved: Tensor | None = None,
    parts: Sequence[int] = (),
) -> LinearHead:
    """A head for other clips, in the way in which `head` was found: with its penalty and scale, or by prototypes."""
    embeddings, targets = embeddings.double(), targets.double()
    coordinates = Coordinates.of(embeddings, moved, parts)
    if head.penalty is None:
        return prototypes(embeddings, targets, coordinates).scaled(head.scale)
    (other,) = logistic_regressions(embeddings, targets, multi_label, [head.penalty], coordinates)
    return other.scaled(head.scale)


def cross_validated_logits(
    head: LinearHead,
    embeddings: Tensor,
    targets: Tensor,
    folds: Tensor,
    multi_label: bool,
    moved: Tensor | None = None,
    parts: Sequence[int] = (),
) -> tuple[Tensor, Tensor]:
    """Each clip's logits by a head like `head` that was fitted without the clip's fold: `(clips, labels)`.

    `folds` `(clips,)` has the number of each clip's fold. The second value `(clips,)` is whether a clip could be judged
    so: not where the other folds lack one of its labels, or have fewer than two to tell apart. A label that they lack
    gets the lowest logit of the others.
    """
    logits, judged = torch.zeros(targets.shape), torch.zeros(len(targets), dtype=torch.bool)
    for fold in folds.unique():
        own = folds == fold
        known = (targets[~own] > 0).any(0)
        if known.sum() < (1 if multi_label else 2):
            continue
        other = fit_like(head, embeddings[~own], targets[~own][:, known], multi_label, moved, parts)
        found = other.logits(embeddings[own])
        rows = found.min(1, keepdim=True).values.repeat(1, len(known))
        rows[:, known] = found
        logits[own] = rows
        judged[own] = ~(targets[own][:, ~known] > 0).any(1)
    return logits, judged


def fit_head(
    train: tuple[Tensor, Tensor],
    valid: tuple[Tensor, Tensor],
    multi_label: bool,
    moved: Tensor | None = None,
    parts: Sequence[int] = (),
) -> LinearHead:
    """The head for embeddings `(clips, embedding_dim)` and 0/1 targets `(clips, labels)` of `train`.

    With `moved`, directions in which conditions move embeddings count for less (see `Coordinates.of`).

    One label per clip and at most `FEW` clips of each: `prototypes`. Else logistic regression with the penalty, one of
    `PENALTIES`, whose loss on `valid` is the lowest. A penalty also shrinks the logits, which says nothing of how well
    labels are told apart: each head is first scaled, by one of `SCALES`, as is best for that loss. Its targets are
    Platt's (`smoothed`): a few clips that are all right do not make the head infinitely sure.
    """
    embeddings, targets = (values.double() for values in train)
    coordinates = Coordinates.of(embeddings, moved, parts)
    if not multi_label and targets.sum(0).max() <= FEW:
        return prototypes(embeddings, targets, coordinates).scaled(OF_PROTOTYPES)
    heads = logistic_regressions(embeddings, targets, multi_label, PENALTIES, coordinates)
    wanted = smoothed(valid[1].double(), multi_label)
    scaled = []
    for head in heads:
        logits = head.logits(valid[0]).double()
        losses = [float(loss(scale * logits, wanted, multi_label)) for scale in SCALES]
        best = int(np.argmin(losses))
        scaled.append((losses[best], head.scaled(SCALES[best])))
    return min(scaled, key=lambda pair: pair[0])[1]


def logistic_regressions(
    embeddings: Tensor,
    targets: Tensor,
    multi_label: bool,
    penalties: Sequence[float],
    coordinates: Coordinates | None = None,
) -> list[LinearHead]:
    """For each of `penalties`, the least mean loss over clips plus penalty/2 · ‖W‖², by L-BFGS.

    W is that of the `coordinates`, by default `Coordinates.of(embeddings)`.

    With one label per clip the loss is cross-entropy, and each clip is weighted by its label's rarity; else binary
    cross-entropy of each label, whose positive and negative clips count the same in all (see `balance`).

    The best weights lie in the span of the clips' embeddings: of fewer clips than entries, they are looked for in
    coordinates of it, which are as many as the clips. Each penalty starts from the solution of the next larger one.
    """
    own = coordinates or Coordinates.of(embeddings)
    inputs = own(embeddings)
    weights = balance(targets, multi_label)
    n_clips, n_entries = inputs.shape
    span = torch.linalg.qr(inputs.T)[0] if n_clips < n_entries else torch.eye(n_entries, dtype=inputs.dtype)
    within = inputs @ span
    weight = torch.zeros(targets.shape[1], span.shape[1], dtype=inputs.dtype, requires_grad=True)
    bias = torch.zeros(targets.shape[1], dtype=inputs.dtype, requires_grad=True)
    heads = {}
    for penalty in sorted(penalties, reverse=True):
        optimizer = torch.optim.LBFGS(
            [weight, bias], max_iter=300, tolerance_grad=1e-7, tolerance_change=1e-10, line_search_fn="strong_wolfe"
        )

        def closure(penalty: float = penalty, optimizer: torch.optim.LBFGS = optimizer) -> Tensor:
            optimizer.zero_grad()
            value = loss(F.linear(within, weight, bias), targets, multi_label, weights)
            value = value + 0.5 * penalty * weight.square().sum()
            value.backward()
            return value

        with torch.enable_grad():
            optimizer.step(closure)
        heads[penalty] = own.head(weight.detach() @ span.T, bias.detach(), penalty)
    return [heads[penalty] for penalty in penalties]


def prototypes(embeddings: Tensor, targets: Tensor, coordinates: Coordinates | None = None) -> LinearHead:
    """The nearest of the labels' mean embeddings m by its direction, as a linear head: logits s · m·(x − c) / ‖m − c‖.

    c is the mean of the m, which are told apart by the angle at c alone: how far a mean lies from c tells how few clips
    it is of, and how far a clip does, how clean it is; noise draws embeddings towards each other. s is such that a clip
    at one prototype has a logit ahead of the others' by 1 on average. All of this is in the `coordinates`, by default
    `Coordinates.of(embeddings)`.
    """
    own = coordinates or Coordinates.of(embeddings)
    means = targets.T @ own(embeddings) / targets.sum(0)[:, None]
    centre = means.mean(0)
    directions = F.normalize(means - centre, dim=1)
    logits = (means - centre) @ directions.T
    ahead = (logits.diagonal()[:, None] - logits).sum() / max(1, len(means) * (len(means) - 1))
    weight = directions / ahead.clamp(min=1e-12)
    return own.head(weight, -weight @ centre)


def loss(logits: Tensor, targets: Tensor, multi_label: bool, weights: Tensor | None = None) -> Tensor:
    """The mean loss; `weights` `(clips,)`, or `(clips, labels)` with several labels per clip, have the mean 1."""
    if multi_label:
        return F.binary_cross_entropy_with_logits(logits, targets, weights)
    each = -(targets * F.log_softmax(logits, dim=1)).sum(1)
    return (each if weights is None else weights * each).mean()


def balance(targets: Tensor, multi_label: bool) -> Tensor:
    """Weights with which each label has the same sum, or with several labels per clip its presence and absence."""
    present = targets.sum(0)
    if not multi_label:
        rarity = len(targets) / (present.count_nonzero() * present.clamp(min=1))
        return targets @ rarity
    absent = len(targets) - present
    both = (present > 0) & (absent > 0)
    of_present = torch.where(both, 0.5 * len(targets) / present.clamp(min=1), torch.ones_like(present))
    of_absent = torch.where(both, 0.5 * len(targets) / absent.clamp(min=1), torch.ones_like(present))
    return targets * of_present + (1 - targets) * of_absent


def standardisation(embeddings: Tensor, parts: Sequence[int] = ()) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each entry of `embeddings` `(clips, embedding_dim)`, which may be of several `parts`.

    The variance of an entry over n clips, fewer than `ENOUGH`, is uncertain: an entry in which a few clips happen to
    agree would outweigh all others. The share n / `ENOUGH` of it is its own, the rest the mean over the entries that
    vary. For the same reason no deviation is below `LEAST_DEVIATION` of the largest of its part: a channel that hardly
    any of the clips excites may be excited by another sound. An entry without variance, from `ENOUGH` clips on or where
    none varies, has the deviation 1.
    """
    variance = embeddings.var(0, unbiased=False)
    varying = variance[variance > 1e-12 * variance.max().clamp(min=1e-12)]
    share = min(1.0, len(embeddings) / ENOUGH)
    if share < 1 and len(varying):
        variance = share * variance + (1 - share) * varying.mean()
    deviation = variance.sqrt()
    varies = deviation > 1e-6 * deviation.max().clamp(min=1e-12)
    own = deviation.split(list(parts) or len(deviation))
    deviation = torch.cat([part.clamp(min=LEAST_DEVIATION * part.max()) for part in own])
    return embeddings.mean(0), torch.where(varies, deviation, torch.ones_like(deviation))
