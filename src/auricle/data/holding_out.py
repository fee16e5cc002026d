"""Selection of groups to hold out: a given share of all clips and of each label, or one fold after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_EXHAUSTIVE = 12  # largest number of groups for an exhaustive search
_TOTAL_WEIGHT = 4.0  # weight of the share of all clips, relative to the mean over labels


def choose_held_out(groups: Sequence[Sequence[tuple[str, ...]]], share: float, seed: int) -> list[int]:
    """The indices of the groups to hold out; `groups[i]` has the labels of each clip of group i; at least two groups.

    The first criterion is to keep as many labels as possible in the remaining groups, the second to minimise

        mean over labels l of (held_l / n_l - share)² + 4 (held / n - share)²,

    exactly for up to twelve groups, by local search from several starts for more. Neither side is empty.
    """
    names = sorted({label for group in groups for clip in group for label in clip})
    column = {name: i for i, name in enumerate(names)}
    counts = np.zeros((len(groups), len(names) + 1))
    for i, group in enumerate(groups):
        counts[i, -1] = len(group)
        for clip in group:
            for label in clip:
                counts[i, column[label]] += 1
    random = np.random.default_rng(seed)
    if len(groups) <= _EXHAUSTIVE:
        order = random.permutation(len(groups))
        return sorted(order[_best_of_all(counts[order], share)].tolist())
    starts = max(1, min(20, 4000 // len(groups)))
    choices = [_exchange(counts, share, random, by_size=start == 0) for start in range(starts)]
    return sorted(np.flatnonzero(min(choices, key=lambda choice: _distance(choice @ counts, counts, share))).tolist())


def spread_over_folds(groups: Sequence[tuple[str, ...]], n_folds: int, seed: int) -> list[int]:
    """The fold of each group, of which `groups` has the labels: those of equal labels take one fold after the other."""
    order = np.random.default_rng(seed).permutation(len(groups)).tolist()
    order.sort(key=lambda index: groups[index])
    return (np.argsort(order) % n_folds).tolist()


def _distance(held: np.ndarray, counts: np.ndarray, share: float) -> np.ndarray:
    """The distance of the held-out counts `(..., labels + 1)` from `share` of all."""
    squared = (held / counts.sum(axis=0) - share) ** 2
    return squared[..., :-1].mean(axis=-1) + _TOTAL_WEIGHT * squared[..., -1]


def _best_of_all(counts: np.ndarray, share: float) -> np.ndarray:
    n_groups = len(counts)
    choices = (np.arange(1, 2**n_groups - 1)[:, None] >> np.arange(n_groups)) & 1
    lost = ((1 - choices) @ counts == 0).sum(axis=1)
    distance = _distance(choices @ counts, counts, share)
    return choices[np.lexsort((distance, lost))[0]].astype(bool)


def _exchange(counts: np.ndarray, share: float, random: np.random.Generator, by_size: bool) -> np.ndarray:
    """Local search: move one group at a time, in random order, if the distance falls and no label is lost."""
    order = random.permutation(len(counts))
    if by_size:
        order = order[np.argsort(-counts[order, -1], kind="stable")]
    totals = counts.sum(axis=0)
    weights = np.append(np.full(counts.shape[1] - 1, 1 / (counts.shape[1] - 1)), _TOTAL_WEIGHT) / totals**2
    touched = [np.flatnonzero(row) for row in counts]
    held = np.zeros(len(counts), dtype=bool)
    excess = -share * totals
    left = totals.copy()
    for _ in range(4):
        moved = False
        for i in order:
            at, sign = touched[i], -1 if held[i] else 1
            step = counts[i, at]
            if (sign == 1 and (left[at] == step).any()) or (sign == -1 and held.sum() == 1):
                continue
            if (weights[at] * step * (2 * sign * excess[at] + step)).sum() < -1e-15:
                held[i] = not held[i]
                excess[at] += sign * step
                left[at] -= sign * step
                moved = True
        if not moved:
            break
    if not held.any():
        lost = ((totals - counts) == 0).sum(axis=1)[order]
        held[order[np.lexsort((_distance(counts[order], counts, share), lost))[0]]] = True
    return held
