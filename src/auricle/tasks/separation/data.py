"""Mixtures of two sounds of different classes, made on the fly from anchors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch.utils.data import DataLoader

from auricle.conditions import stable_seed
from auricle.data.loading import ClipStore, DrawnClips, Item
from auricle.data.windows import fit_length
from auricle.errors import AuricleError
from auricle.registry import unknown_name
from auricle.tasks.separation.anchors import Anchor

Normalization = Literal["joint", "separate"]

GAINS = (0.02, 50.0)
_TRIES = 100


def energy_gain(target: np.ndarray, interferer: np.ndarray) -> float:
    """What `interferer` is multiplied by to have the energy of `target`: √(E_target / E_interferer) in [0.02, 50]."""
    wanted, own = (np.square(x, dtype=np.float64).sum() for x in (target, interferer))
    return float(np.clip(np.sqrt(wanted / own) if own > 0 else np.inf, *GAINS))


def mix(
    target: np.ndarray, interferer: np.ndarray, normalization: Normalization = "joint"
) -> tuple[np.ndarray, np.ndarray]:
    """The mixture of `target` and `interferer` `(time,)` at equal energies, and the target in it, normalised.

    "joint" divides both by max |x|, so that the target stays a part of the mixture; "separate" divides each by its own
    maximum, as equation 2 of Zhao et al. (2024) reads. Silence is left as it is.
    """
    mixture = target + np.float32(energy_gain(target, interferer)) * interferer
    peak = float(np.abs(mixture).max())
    own = peak if normalization == "joint" else float(np.abs(target).max())
    return scaled(mixture, peak), scaled(target, own)


def scaled(waveform: np.ndarray, peak: float) -> np.ndarray:
    """`waveform` over `peak`, or as it is if that is 0."""
    return waveform / np.float32(peak) if peak > 0 else waveform


class AnchorMixtures(DrawnClips):
    """Each anchor mixed with another of a class of its own, cut to the same length.

    An item is indexed by (anchor, seed, samples), and all randomness comes from the seed: the other class, which is
    none of the clip's, an anchor of it whose clip shares no label with the first, and where in the anchors of
    `n_samples` the cuts are. A clip that is shorter than its anchor is followed by zeros. Gives `mixture` and `target`
    `(samples,)`.
    """

    def __init__(
        self, store: ClipStore, anchors: Sequence[Anchor], n_samples: int, normalization: Normalization = "joint"
    ) -> None:
        if normalization not in get_args(Normalization):
            raise AuricleError(unknown_name("normalization", normalization, get_args(Normalization)))
        self.store = store
        self.anchors = tuple(anchors)
        self.n_samples = n_samples
        self.normalization: Normalization = normalization
        self.sizes = [len(self.anchors)]
        self.labels = [frozenset(store.clips[anchor.clip].labels) for anchor in self.anchors]
        self.classes: dict[str, list[int]] = {}
        for index, anchor in enumerate(self.anchors):
            self.classes.setdefault(anchor.label, []).append(index)
        kinds = dict(zip(self.labels, self.anchors, strict=True))
        for labels, anchor in kinds.items():
            if not any(labels.isdisjoint(others) for others in kinds):
                raise AuricleError(
                    f"{store.clips[anchor.clip].name} cannot be mixed: no other clip of its split is free of its "
                    f"labels ({', '.join(sorted(labels))})"
                )

    def __len__(self) -> int:
        return len(self.anchors)

    def __getitem__(self, item: Item) -> dict[str, Any]:
        index, seed, n_samples = item
        rng = np.random.default_rng(seed)
        other = self.partner(index, rng)
        mixture, target = mix(self.cut(index, n_samples, rng), self.cut(other, n_samples, rng), self.normalization)
        return {"mixture": torch.tensor(mixture), "target": torch.tensor(target)}

    def partner(self, index: int, rng: np.random.Generator) -> int:
        """An anchor of another class, all classes being equally probable, whose clip has no label of this one's."""
        names = [name for name in self.classes if name not in self.labels[index]]
        for _ in range(_TRIES if names else 0):
            members = self.classes[names[rng.integers(len(names))]]
            other = members[rng.integers(len(members))]
            if self.labels[index].isdisjoint(self.labels[other]):
                return other
        fitting = [other for other, labels in enumerate(self.labels) if self.labels[index].isdisjoint(labels)]
        return fitting[rng.integers(len(fitting))]

    def cut(self, index: int, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        """`(n_samples,)` of an anchor, from a place that `rng` draws."""
        anchor = self.anchors[index]
        heard = min(self.n_samples, int(self.store.lengths[anchor.clip]) - anchor.start)
        start = anchor.start + int(rng.integers(max(0, heard - n_samples) + 1))
        return fit_length(self.store.read(anchor.clip, start, n_samples), n_samples)


def fixed_loader(mixtures: AnchorMixtures, *, batch_size: int) -> DataLoader[dict[str, Any]]:
    """Each anchor once and whole, always mixed with what its clip's name and its label draw: for validation."""
    clips = mixtures.store.clips
    items = [
        (index, stable_seed("validation", clips[anchor.clip].name, anchor.label), mixtures.n_samples)
        for index, anchor in enumerate(mixtures.anchors)
    ]
    return DataLoader(mixtures, batch_size=batch_size, sampler=items)
