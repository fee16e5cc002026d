"""Try one way of training in noise from a pretrained start, on development clips, and note what it is worth.

    python tools/robust_choice.py ../shared/data MN04 --output results/robust/choice.json --epochs 30 --embedding 1

DATA has esc10, background, music and speech; MN04 is the folder of auricle convert efficientat. Folds 1 and 2 of ESC-10
are trained on and fold 3 is heard under corruptions, with recordings of music and speech that no training has heard.
Log-mels of the clips under 24 conditions each are computed once and kept beside the output. Without --epochs the plain
head is measured. With --compression the network hears PCEN of the energies instead of their logarithm, each band with
the mean and deviation that the logarithm had over the training clips; with --enhancer every clip is first enhanced.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle.conditions import create_suite, stable_seed
from auricle.data.clip_store import ClipStore
from auricle.data.manifest import read_manifest
from auricle.data.material import read_material
from auricle.frontends.adaptive.pcen import AdaptivePCEN
from auricle.frontends.compression import PCEN
from auricle.runs.loading import load_classifier
from auricle.systems.enhancer import PiecewiseEnhancer
from auricle.tasks.classification.linear_heads import fit_heads
from auricle.tasks.enhancement.open import open_enhancer

RATE, SAMPLES, FRAMES, DRAWS, TEST_FOLD = 32000, 160000, 500, 24, "3"
NOISES = ("doing_the_dishes", "dude_miaowing", "exercise_bike", "pink_noise", "running_tap")

COMPRESSIONS: dict[str, Callable[[int], nn.Module]] = {"pcen": PCEN, "apcen": lambda n_bands: AdaptivePCEN()}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    for name, default in (("epochs", 0), ("masks", 0), ("frames", FRAMES), ("batch_size", 20)):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    for name, default in (
        ("learning_rate", 1e-3),
        ("labels", 0.0),
        ("embedding", 0.0),
        ("logits", 0.0),
        ("mixup", 0.0),
        ("layer_decay", 1.0),
    ):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=default)
    parser.add_argument("--batch-norm", choices=["eval", "train"], default="eval")
    parser.add_argument("--without", default="")
    parser.add_argument("--compression", choices=["log", *COMPRESSIONS], default="log")
    parser.add_argument("--enhancer", default="identity")
    return parser.parse_args()


class Clips:
    """Log-mels of the clips: clean, under conditions to learn from, and under those of the test."""

    def __init__(self, data: Path, frontend: nn.Module, enhancer: PiecewiseEnhancer, kept: Path) -> None:
        self.manifest = read_manifest(data / "esc10" / "manifest.csv")
        if not kept.is_file():
            np.savez(kept, **self._computed(data, frontend, enhancer))
        with np.load(kept) as arrays:
            self.arrays = {name: arrays[name] for name in arrays.files}
        self.folds = np.array([clip.fold for clip in self.manifest])
        labels = self.manifest.label_names
        self.targets = torch.tensor([labels.index(clip.labels[0]) for clip in self.manifest])
        self.groups = np.array([clip.group for clip in self.manifest])

    def _computed(self, data: Path, frontend: nn.Module, enhancer: PiecewiseEnhancer) -> dict[str, np.ndarray]:
        def log_mels(waveforms: list[np.ndarray]) -> np.ndarray:
            with torch.no_grad():
                return frontend(torch.from_numpy(np.stack(waveforms)).float()).half().numpy()

        store = ClipStore(self.manifest.clips, RATE)
        material = read_material([f"noise={data}/background/audio/{name}.flac" for name in NOISES] + ["synthetic"])
        training = create_suite("training", material=material, split="train")
        kinds = [cell for cell in training.cells if cell.severity == 0 and cell.corruption != "clean"]
        kinds.append(training.cell("codec-4"))
        tests = [("full", cell) for cell in create_suite("full").cells if cell.severity in (0, 3, 5)]
        suites = {"full": create_suite("full")}
        for name in ("music", "speech"):
            recorded = read_material([f"noise={data}/{name}"])
            suites[name] = create_suite("snr-ladder", material=recorded, split="all")
            tests += [(name, cell) for cell in suites[name].cells if cell.severity in (3, 5)]
        found: dict[str, list[np.ndarray]] = {"clean": [], "training": []}
        for index, clip in enumerate(self.manifest):
            waveform = np.resize(store.read(index), SAMPLES)
            heard = []
            for draw in range(DRAWS):
                seed = stable_seed("choice", clip.name, draw)
                made = kinds[(draw + index) % len(kinds)].create()(waveform, RATE, seed, training.material)
                heard.append(enhancer.enhance(made, RATE))
            found["clean"].append(log_mels([waveform])[0])
            found["training"].append(log_mels(heard))
            for name, cell in tests:
                made = enhancer.enhance(suites[name].apply(cell, waveform, RATE, clip.name), RATE)
                found.setdefault(f"{name} {cell.name}", []).append(log_mels([made])[0])
        kind = [[kinds[(d + i) % len(kinds)].corruption for d in range(DRAWS)] for i in range(len(self.manifest))]
        return {name: np.stack(values) for name, values in found.items()} | {"kinds": np.array(kind)}


class Compressed(nn.Module):
    """`network` behind another compression of the energies whose front-end's logarithm is (log E + 4.5) / 5.

    Each band is scaled and shifted to the mean and deviation of the logarithm over `mels` `(clips, bands, frames)`.
    """

    def __init__(self, network: nn.Module, compression: nn.Module, mels: np.ndarray) -> None:
        super().__init__()
        self.network, self.compression = network, compression
        logarithms = torch.from_numpy(mels).float()
        with torch.no_grad():
            compressed = torch.cat([compression(energies(part)) for part in logarithms.split(20)])
        (mean, deviation), (wanted, spread) = (
            (values.mean((0, 2)), values.std((0, 2))) for values in (compressed, logarithms)
        )
        self.scale = nn.Parameter(spread / deviation)
        self.shift = nn.Parameter(wanted - mean * spread / deviation)
        self.layers = [self.compression, nn.ParameterList([self.scale, self.shift]), *network.layers]

    def forward(self, mels: Tensor) -> Tensor:
        compressed = self.compression(energies(mels[:, 0]))
        return self.network((compressed * self.scale[:, None] + self.shift[:, None])[:, None])


def energies(mels: Tensor) -> Tensor:
    """The energies that the front-end made `mels` of."""
    return torch.exp(5 * mels - 4.5)


def cosine(optimizer: torch.optim.Optimizer, n_steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    """Step sizes that rise over 20 of the steps and fall to zero over all."""
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / 20) * 0.5 * (1 + np.cos(np.pi * step / n_steps))
    )


def step_sizes(network: nn.Module, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Each layer's parameters with a step size `layer_decay` times that of the layer before; one has the whole."""
    layers = [list(layer.parameters()) for layer in network.layers]
    factors = chosen.layer_decay ** np.arange(len(layers))
    rates = chosen.learning_rate * factors / factors.max()
    return [{"params": own, "lr": float(rate)} for own, rate in zip(layers, rates, strict=True)]


def embed(network: nn.Module, mels: np.ndarray) -> Tensor:
    network.eval()
    with torch.no_grad():
        return torch.cat([network(torch.from_numpy(part).float()[:, None]) for part in np.array_split(mels, 6)])


def head_of(embeddings: Tensor, targets: Tensor, groups: np.ndarray) -> nn.Linear:
    """The head that auricle teach would fit, with a fifth of the groups to choose the penalty by."""
    names = np.random.default_rng(0).permutation(np.unique(groups))
    held = torch.from_numpy(np.isin(groups, names[: len(names) // 5]))
    one_hot = F.one_hot(targets).float()
    fitted = fit_heads((embeddings[~held], one_hot[~held]), (embeddings[held], one_hot[held]), False)[1]
    head = nn.Linear(embeddings.shape[1], one_hot.shape[1])
    head.load_state_dict({"weight": fitted.weight, "bias": fitted.bias})
    return head


def batches(clips: Clips, train: np.ndarray, chosen: argparse.Namespace) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Indices and log-mels, a fifth of them clean, for one epoch after the other."""
    rng = np.random.default_rng(0)
    without = chosen.without.split(",")
    for _ in range(chosen.epochs):
        order = rng.permutation(train)
        for part in np.split(order, range(chosen.batch_size, len(order), chosen.batch_size)):
            if len(part) < chosen.batch_size:
                continue
            mels = []
            for index in part:
                allowed = np.flatnonzero(~np.isin(clips.arrays["kinds"][index], without))
                noisy = clips.arrays["training"][index, rng.choice(allowed)]
                mels.append(clips.arrays["full clean"][index] if rng.random() < 0.2 else noisy)
            yield part, torch.from_numpy(np.stack(mels)).float()


def trained(
    network: nn.Module, start: nn.Module, head: nn.Linear, clips: Clips, train: np.ndarray, chosen: argparse.Namespace
) -> None:
    """Train `network`, and `head` where a loss depends on it, in place, to make what `start` makes of clean clips."""
    teacher = copy.deepcopy(start).eval().requires_grad_(False)
    clean = embed(teacher, clips.arrays["clean"])
    with torch.no_grad():
        wanted = head(clean)
    deviation = clean[train].std(0).clamp(min=1e-3)
    optimizer = torch.optim.Adam([*step_sizes(network, chosen), {"params": head.parameters()}], lr=chosen.learning_rate)
    schedule = cosine(optimizer, chosen.epochs * (len(train) // chosen.batch_size))
    rng = np.random.default_rng(1)
    for part, mels in batches(clips, train, chosen):
        network.train(chosen.batch_norm == "train")
        targets, goal, logits = F.one_hot(clips.targets[part]).float(), clean[part], wanted[part]
        if chosen.frames < FRAMES:
            first = int(rng.integers(FRAMES - chosen.frames + 1))
            mels = mels[..., first : first + chosen.frames]
            goal = embed(teacher, clips.arrays["clean"][part][..., first : first + chosen.frames])
        if chosen.mixup:
            drawn = rng.beta(chosen.mixup, chosen.mixup, len(part))
            share = torch.from_numpy(np.maximum(drawn, 1 - drawn)).float()[:, None]
            other = torch.from_numpy(rng.permutation(len(part)))
            mixed = share[..., None] * energies(mels) + (1 - share)[..., None] * energies(mels)[other]
            mels = (mixed.log() + 4.5) / 5
            targets, goal, logits = (share * v + (1 - share) * v[other] for v in (targets, goal, logits))
        for _ in range(chosen.masks):
            for axis, longest in ((1, 24), (2, 80)):
                for clip in mels:
                    length = int(rng.random() * longest)
                    first = int(rng.integers(clip.shape[axis - 1] - length))
                    clip.narrow(axis - 1, first, length).fill_(float(clip.mean()))
        embeddings = network(mels[:, None])
        loss = chosen.embedding * ((embeddings - goal) / deviation).square().mean()
        if chosen.labels:
            loss = loss - chosen.labels * (targets * F.log_softmax(head(embeddings), -1)).sum(-1).mean()
        if chosen.logits:
            softened = F.log_softmax(head(embeddings) / 2, -1), F.softmax(logits / 2, -1)
            loss = loss + 4 * chosen.logits * F.kl_div(*softened, reduction="batchmean")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def main() -> None:
    chosen = options()
    torch.manual_seed(0)
    model = load_classifier(chosen.model, "cpu")
    kept = chosen.output.with_suffix(".npz" if chosen.enhancer == "identity" else f".{chosen.enhancer}.npz")
    enhancer = open_enhancer(chosen.enhancer, "cpu")
    enhancer.sample_rate = RATE
    clips = Clips(chosen.data, model.frontend, enhancer, kept)
    train, test = np.flatnonzero(clips.folds != TEST_FOLD), np.flatnonzero(clips.folds == TEST_FOLD)
    head = head_of(embed(model.backbone, clips.arrays["clean"])[train], clips.targets[train], clips.groups[train])
    network = model.backbone
    if chosen.compression != "log":
        network = Compressed(
            network, COMPRESSIONS[chosen.compression](clips.arrays["clean"].shape[1]), clips.arrays["clean"][train]
        )
    if chosen.epochs:
        trained(network, copy.deepcopy(model.backbone), head, clips, train, chosen)
    accuracy = {}
    for name, mels in clips.arrays.items():
        if name not in ("training", "kinds", "clean"):
            with torch.no_grad():
                right = head(embed(network, mels[test])).argmax(-1) == clips.targets[test]
            accuracy[name] = round(float(right.float().mean()), 6)
    trial = {name: value for name, value in vars(chosen).items() if not isinstance(value, Path)}
    trials = json.loads(chosen.output.read_text()) if chosen.output.is_file() else []
    chosen.output.write_text(json.dumps([*trials, {"trial": trial, "accuracy": accuracy}], indent=1))


if __name__ == "__main__":
    main()
