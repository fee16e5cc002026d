"""Mixtures of two sounds of different classes, made on the fly from anchors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch.utils.data import DataLoader

from auricle.audio import resample
from auricle.conditions import stable_seed
from auricle.data.clip_store import ClipStore
from auricle.data.labels import listable
from auricle.data.loading import DrawnClips, Item
from auricle.data.windows import fit_length
from auricle.errors import AuricleError
from auricle.registry import unknown_name
from auricle.tasks.separation.anchors import Anchor

Normalization = Literal["joint", "separate"]

GAINS = (0.02, 50.0)
_TRIES = 100


def energy_gain(target: np.ndarray, interferer: np.ndarray) -> float:
    """Gain that gives `interferer` the energy of `target`: √(E_target / E_interferer), clipped to [0.02, 50]."""
    wanted, own = (np.square(x, dtype=np.float64).sum() for x in (target, interferer))
    return float(np.clip(np.sqrt(wanted / own) if own > 0 else np.inf, *GAINS))


def mix(
    target: np.ndarray, interferer: np.ndarray, normalization: Normalization = "joint"
) -> tuple[np.ndarray, np.ndarray]:
    """The mixture of `target` and `interferer` `(time,)` at equal energies, and the target in it, normalised.

    "joint" divides both by the mixture's max |x|, so that the target remains a component of the mixture; "separate"
    divides each by its own maximum, as in equation 2 of Zhao et al. (2024). Silence is left as it is.
    """
    mixture = target + np.float32(energy_gain(target, interferer)) * interferer
    peak = float(np.abs(mixture).max())
    own = peak if normalization == "joint" else float(np.abs(target).max())
    return scaled(mixture, peak), scaled(target, own)


def scaled(waveform: np.ndarray, peak: float) -> np.ndarray:
    """`waveform` divided by `peak`; unchanged if `peak` is 0."""
    return waveform / np.float32(peak) if peak > 0 else waveform


class AnchorMixtures(DrawnClips):
    """Mixtures of each anchor with an anchor of another class, both cut to the same length.

    An item is indexed by (anchor, seed, samples) and has `mixture` and `target` `(samples,)`. The seed determines the
    other class (none of the clip's), the other anchor (its clip shares no label with the first), where the anchors of
    `n_samples` are cut, and the speed of each, whose logarithm is uniform up to that of `speed_perturbation` in both
    directions. Clips shorter than an anchor are zero-padded.
    """

    def __init__(
        self,
        store: ClipStore,
        anchors: Sequence[Anchor],
        n_samples: int,
        normalization: Normalization = "joint",
        *,
        speed_perturbation: float = 1.0,
    ) -> None:
        if normalization not in get_args(Normalization):
            raise AuricleError(unknown_name("normalization", normalization, get_args(Normalization)))
        self.store = store
        self.anchors = tuple(anchors)
        self.n_samples = n_samples
        self.normalization: Normalization = normalization
        self.speed_perturbation = speed_perturbation
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
                    f"labels ({', '.join(map(listable, sorted(labels)))})"
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
        """A random anchor whose clip shares no label with this one's; the other classes are equally probable."""
        names = [name for name in self.classes if name not in self.labels[index]]
        for _ in range(_TRIES if names else 0):
            members = self.classes[names[rng.integers(len(names))]]
            other = members[rng.integers(len(members))]
            if self.labels[index].isdisjoint(self.labels[other]):
                return other
        fitting = [other for other, labels in enumerate(self.labels) if self.labels[index].isdisjoint(labels)]
        return fitting[rng.integers(len(fitting))]

    def cut(self, index: int, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        """A random crop `(n_samples,)` of an anchor, at a random speed."""
        anchor, rate = self.anchors[index], self.store.sample_rate
        played_at = rate
        if self.speed_perturbation != 1:
            played_at = round(rate * self.speed_perturbation ** rng.uniform(-1, 1))
        n_played = min(math.ceil(n_samples * played_at / rate), self.n_samples)
        available = min(self.n_samples, int(self.store.lengths[anchor.clip]) - anchor.start)
        start = anchor.start + int(rng.integers(max(0, available - n_played) + 1))
        played = self.store.read(anchor.clip, start, n_played)
        return fit_length(resample(played, played_at, rate)[:n_samples], n_samples)


def fixed_loader(mixtures: AnchorMixtures, *, batch_size: int) -> DataLoader[dict[str, Any]]:
    """Loader for validation: each whole anchor once, in a mixture determined by its clip's name and its label."""
    clips = mixtures.store.clips
    items = [
        (index, stable_seed("validation", clips[anchor.clip].name, anchor.label), mixtures.n_samples)
        for index, anchor in enumerate(mixtures.anchors)
    ]
    return DataLoader(mixtures, batch_size=batch_size, sampler=items)
