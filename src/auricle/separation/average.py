"""Average queries: the mean condition of some clean clips of each class (Zhao et al., 2024, equation 4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from auricle.data.loading import ClipStore
from auricle.data.manifest import Manifest
from auricle.data.windows import fit_length
from auricle.options import require
from auricle.progress import track
from auricle.separation.anchors import Anchor, mine
from auricle.separation.mixtures import scaled
from auricle.systems.separator import Separator
from auricle.systems.system import evaluating

CLIPS_OF_A_CLASS = 100
_AT_ONCE = 16


@torch.no_grad()
def average_queries(
    separator: Separator,
    store: ClipStore,
    anchors: Sequence[Anchor],
    n_samples: int,
    *,
    at_most: int = CLIPS_OF_A_CLASS,
    seed: int = 0,
    progress: bool = False,
) -> dict[str, Tensor]:
    """e = 1/N Σ f(s_n) by class: the mean condition `(condition_size,)` of its anchors, each scaled to a peak of 1.

    Of a class with more than `at_most` anchors so many are drawn.
    """
    classes: dict[str, list[Anchor]] = {}
    for anchor in anchors:
        classes.setdefault(anchor.label, []).append(anchor)
    queries = {}
    with evaluating(separator):
        for label in track(sorted(classes), "Averaging queries", total=len(classes), show=progress):
            order = np.random.default_rng(seed).permutation(len(classes[label]))[:at_most]
            segments = [_segment(store, classes[label][i], n_samples) for i in np.sort(order)]
            batches = torch.from_numpy(np.stack(segments)).split(_AT_ONCE)
            conditions = [separator.condition(batch.to(separator.device)) for batch in batches]
            queries[label] = torch.cat(conditions).mean(0).cpu()
    return queries


def queries_of(
    separator: Separator, manifest: Manifest, segment_s: float = 2.0, *, progress: bool = False
) -> dict[str, Tensor]:
    """`average_queries` of the loudest `segment_s` of every clip of a manifest."""
    require(segment_s > 0, f"segment_s={segment_s:g}: above 0")
    store, n_samples = ClipStore(manifest.clips, separator.sample_rate), round(segment_s * separator.sample_rate)
    return average_queries(separator, store, mine(store, n_samples), n_samples, progress=progress)


def _segment(store: ClipStore, anchor: Anchor, n_samples: int) -> np.ndarray:
    segment = fit_length(store.read(anchor.clip, anchor.start, n_samples), n_samples)
    return scaled(segment, float(np.abs(segment).max()))
