"""Average queries: the mean query embedding of clean clips of each class (Zhao et al., 2024, equation 4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from auricle.config import require
from auricle.data.clip_store import ClipStore
from auricle.data.manifest import Manifest
from auricle.data.windows import fit_length
from auricle.progress import track
from auricle.systems.separator import Separator
from auricle.tasks.separation.anchors import Anchor, mine
from auricle.tasks.separation.data import scaled

CLIPS_PER_CLASS = 100
_AT_ONCE = 16


def average_queries(
    separator: Separator,
    store: ClipStore,
    anchors: Sequence[Anchor],
    n_samples: int,
    *,
    max_anchors: int = CLIPS_PER_CLASS,
    seed: int = 0,
    progress: bool = False,
) -> dict[str, Tensor]:
    """The mean query embedding e = 1/N Σ f(s_n) `(query_size,)` of each class's anchors, each scaled to a peak of 1.

    A class with more than `max_anchors` anchors is represented by a random sample of that size.
    """
    classes: dict[str, list[Anchor]] = {}
    for anchor in anchors:
        classes.setdefault(anchor.label, []).append(anchor)
    queries = {}
    for label in track(sorted(classes), "Averaging queries", total=len(classes), show=progress):
        some = sample_anchors(classes[label], max_anchors, seed)
        queries[label] = query_embeddings(separator, store, some, n_samples).mean(0)
    return queries


def sample_anchors(anchors: Sequence[Anchor], max_anchors: int, seed: int) -> list[Anchor]:
    """A random sample of at most `max_anchors` of the anchors, in their order."""
    chosen = np.random.default_rng(seed).permutation(len(anchors))[:max_anchors]
    return [anchors[index] for index in np.sort(chosen)]


@torch.no_grad()
def query_embeddings(separator: Separator, store: ClipStore, anchors: Sequence[Anchor], n_samples: int) -> Tensor:
    """Query embeddings `(anchors, query_size)` of the anchors, each scaled to a peak of 1."""
    embeddings = []
    for first in range(0, len(anchors), _AT_ONCE):
        segments = [_segment(store, anchor, n_samples) for anchor in anchors[first : first + _AT_ONCE]]
        embeddings.append(separator.embed_query(torch.from_numpy(np.stack(segments)).to(separator.device)).cpu())
    return torch.cat(embeddings)


def queries_of(
    separator: Separator, manifest: Manifest, segment_s: float = 2.0, *, progress: bool = False
) -> dict[str, Tensor]:
    """`average_queries` of the loudest `segment_s` seconds of every clip of a manifest."""
    require(segment_s > 0, f"segment_s={segment_s:g}: above 0")
    store, n_samples = ClipStore(manifest.clips, separator.sample_rate), round(segment_s * separator.sample_rate)
    return average_queries(separator, store, mine(store, n_samples), n_samples, progress=progress)


def _segment(store: ClipStore, anchor: Anchor, n_samples: int) -> np.ndarray:
    segment = fit_length(store.read(anchor.clip, anchor.start, n_samples), n_samples)
    return scaled(segment, float(np.abs(segment).max()))
