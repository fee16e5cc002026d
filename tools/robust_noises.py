"""Which noises to learn from, on development clips: try some in one share or another, and note what that is worth.

    python tools/robust_noises.py ../shared/data MN04 --output results/robust/noises.json --shares suite=3 recorded=1

DATA has esc10, background, music and speech; MN04 is the folder of auricle convert efficientat. Each fold of ESC-10 is
tested in turn, under corruptions and among recordings of music, of speech and of two noises that no training has heard.
Log-mels of all clips with every noise are computed once and kept beside the output. Without --shares the plain head is
measured. Agreement is the share of clips of which the network's own head says, first of AudioSet's 527 classes, what it
said of the clip as it is before the training: it tells more than ten classes can. What there is to learn from, at −5 to
20 dB where it is a noise:

    suite     the corruptions of the suite training, with synthetic noise, music and talkers
    recorded  three recordings of background
    coloured  Gaussian noise of random spectrum and level, the condition of that name
    shaped    Gaussian noise of the spectrum of another training clip
    clip      another training clip
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path

import numpy as np
import torch
from robust_choice import RATE, SAMPLES, cosine, embed, head_of, log_mels
from torch import Tensor, nn

from auricle.conditions import create_suite, stable_seed
from auricle.conditions.mixing import active_power, add_noise
from auricle.conditions.synthetic import randomly_coloured
from auricle.data.clip_store import ClipStore
from auricle.data.manifest import Manifest, read_manifest
from auricle.data.material import read_material
from auricle.runs.loading import load_classifier

LEARNT, TESTED = ("doing_the_dishes", "exercise_bike", "pink_noise"), ("running_tap", "dude_miaowing")
NOISES = ("recorded", "coloured", "shaped", "clip")
FOLDS, DRAWS, DRAWS_OF_NOISE = ("1", "2", "3"), 24, 8
EPOCHS, BATCH, STEP = 30, 16, 1e-3


def shaped(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of the power spectrum of a clip `(time,)`, averaged over 119 bands of equal ratio."""
    power = np.abs(np.fft.rfft(clip)) ** 2
    edges = np.concatenate([[0], np.unique(np.round(np.geomspace(10, power.size, 120)).astype(int))])
    bands = np.add.reduceat(power, edges[:-1]) / np.diff(edges)
    smooth = np.sqrt(np.interp(np.arange(power.size), (edges[:-1] + edges[1:]) / 2, bands))
    return np.fft.irfft(np.fft.rfft(rng.standard_normal(clip.size)) * smooth, clip.size)


def computed(data: Path, manifest: Manifest, frontend: nn.Module) -> dict[str, np.ndarray]:
    """Log-mels `(clips, bands, frames)` of tests, and `(clips, draws, bands, frames)` of what may be learnt from."""
    store = ClipStore(manifest.clips, RATE)
    clips = [np.resize(store.read(index), SAMPLES) for index in range(len(manifest))]
    recorded = read_material([f"noise={data}/background/audio/{name}.flac" for name in LEARNT])
    training = create_suite("training", split="train")
    kinds = [cell for cell in training.cells if cell.severity == 0 and cell.corruption not in ("clean", "coloured")]
    kinds.append(training.cell("codec-4"))
    places = {
        "music": [f"noise={data}/music"],
        "speech": [f"noise={data}/speech"],
        "noise": [f"noise={data}/background/audio/{name}.flac" for name in TESTED],
    }
    tests = [(create_suite("full"), "full", (0, 3, 5))]
    tests += [
        (create_suite("snr-ladder", material=read_material(place), split="all"), name, (3, 5))
        for name, place in places.items()
    ]
    found: dict[str, list[np.ndarray]] = {}
    for index, (waveform, clip) in enumerate(zip(clips, manifest.clips, strict=True)):
        others = [k for k, c in enumerate(manifest.clips) if c.fold == clip.fold and c.group != clip.group]
        heard = {"clean": [waveform]}
        heard["suite"] = [
            kinds[(draw + index) % len(kinds)].create()(
                waveform, RATE, stable_seed("choice", clip.name, draw), training.material
            )
            for draw in range(DRAWS)
        ]
        power = active_power(waveform, RATE)
        for name in NOISES:
            heard[name] = []
            for draw in range(DRAWS_OF_NOISE):
                rng = np.random.default_rng(stable_seed(name, clip.name, draw))
                snr_db, other = rng.uniform(-5.0, 20.0), clips[rng.choice(others)]
                noise = {
                    "recorded": lambda rng=rng: recorded.draw("noise", 1, SAMPLES, RATE, rng)[0],
                    "coloured": lambda rng=rng: randomly_coloured(SAMPLES, RATE, rng),
                    "shaped": lambda rng=rng, other=other: shaped(other, rng),
                    "clip": lambda rng=rng, other=other: np.roll(other, int(rng.integers(other.size))),
                }[name]()
                heard[name].append(add_noise(waveform, noise, snr_db, power))
        for suite, name, severities in tests:
            for cell in suite.cells:
                if cell.severity in severities:
                    heard[f"{name} {cell.name}"] = [suite.apply(cell, waveform, RATE, clip.name)]
        for name, waveforms in heard.items():
            found.setdefault(name, []).append(log_mels(frontend, waveforms))
    stacked = {name: np.stack(values) for name, values in found.items()}
    return {name: values[:, 0] if values.shape[1] == 1 else values for name, values in stacked.items()}


def scaled(deviation: Tensor) -> Tensor:
    return deviation.clamp(min=0.01 * float(deviation.max()))


def trained(
    network: nn.Module,
    clean: Tensor,
    mels: dict[str, np.ndarray],
    train: np.ndarray,
    shares: dict[str, float],
    clean_share: float,
    of_features: float,
) -> None:
    """Train `network` in place to reach its own embeddings `clean` of the clips as they are.

    With `of_features`, the weight of their distance, to reach its own features before they are pooled too.
    """
    deviation = scaled(clean[train].std(0))
    wanted = torch.cat([features_of(network, mels["clean"][index, None]) for index in range(len(clean))])
    channels = scaled(wanted[train].std((0, 2, 3)))[:, None, None]
    optimizer = torch.optim.Adam(network.parameters(), lr=STEP)
    schedule = cosine(optimizer, EPOCHS * (len(train) // BATCH))
    rng = np.random.default_rng(0)
    names, probabilities = list(shares), np.array(list(shares.values())) / sum(shares.values())
    network.eval()
    for _ in range(EPOCHS):
        order = rng.permutation(train)
        for first in range(0, len(order) - BATCH + 1, BATCH):
            part, heard = order[first : first + BATCH], []
            for index in part:
                if rng.random() < clean_share:
                    heard.append(mels["clean"][index])
                    continue
                draws = mels[names[rng.choice(len(names), p=probabilities)]][index]
                heard.append(draws[rng.integers(len(draws))])
            features = network.features(torch.from_numpy(np.stack(heard)).float()[:, None])
            loss = ((features.mean((2, 3)) - clean[part]) / deviation).square().mean()
            loss = loss + of_features * ((features - wanted[part]) / channels).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


@torch.no_grad()
def features_of(network: nn.Module, mels: np.ndarray) -> Tensor:
    return network.eval().features(torch.from_numpy(mels).float()[:, None])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--shares", nargs="*", default=[], metavar="NAME=SHARE")
    parser.add_argument("--clean", type=float, default=0.2, help="share of the windows that are heard as they are")
    parser.add_argument("--features", type=float, default=0.0, help="weight of the distance of the features")
    options = parser.parse_args()
    shares = {name: float(share) for name, share in (pair.split("=") for pair in options.shares)}
    model = load_classifier(options.model, "cpu")
    manifest = read_manifest(options.data / "esc10" / "manifest.csv")
    kept = options.output.with_suffix(".npz")
    if not kept.is_file():
        np.savez(kept, **computed(options.data, manifest, model.frontend))
    with np.load(kept) as arrays:
        mels = {name: arrays[name] for name in arrays.files if " " in name or name in ("clean", *shares)}
    labels, folds = manifest.label_names, np.array([clip.fold for clip in manifest])
    targets = torch.tensor([labels.index(clip.labels[0]) for clip in manifest])
    groups = np.array([clip.group for clip in manifest])
    right: dict[str, list[np.ndarray]] = {}
    agrees: dict[str, list[np.ndarray]] = {}
    for fold in FOLDS:
        torch.manual_seed(0)
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        network = copy.deepcopy(model.backbone).requires_grad_(True)
        clean = embed(network, mels["clean"])
        head = head_of(clean[train], targets[train], groups[train])
        if shares:
            trained(network, clean, mels, train, shares, options.clean, options.features)
        for name in mels:
            if " " in name:
                embeddings = embed(network, mels[name][test])
                with torch.no_grad():
                    answers, said = head(embeddings).argmax(-1), model.heads(embeddings).argmax(-1)
                    before = model.heads(clean[test]).argmax(-1)
                right.setdefault(name, []).append((answers == targets[test]).numpy())
                agrees.setdefault(name, []).append((said == before).numpy())
    trials = json.loads(options.output.read_text()) if options.output.is_file() else []
    chosen = {"clean": options.clean, "features": options.features} if shares else {}
    trial = {"shares": shares, **chosen, "accuracy": shares_of(right), "agreement": shares_of(agrees)}
    options.output.write_text(json.dumps([*trials, trial], indent=1))


def shares_of(hits: dict[str, list[np.ndarray]]) -> dict[str, float]:
    """The share of hits under each test, over all folds."""
    return {name: round(float(np.concatenate(values).mean()), 6) for name, values in hits.items()}


if __name__ == "__main__":
    main()
