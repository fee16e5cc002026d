"""Train every system in miniature and print digests of its weights and of what was measured of it.

    OMP_NUM_THREADS=1 python tools/digests.py FOLDER

A change of the code that is to leave values alone leaves these lines alone. Tensors are put in the order of their
contents, so that renamed modules do not count; of tables only the numbers count. FOLDER is made anew.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import torch
from safetensors.numpy import load_file

from auricle.__main__ import run

RATE = 16000
LABELS = ("low", "high", "hiss")
SPEAKERS = ("ann", "ben", "cid")
TINY = ["--training.epochs", "2", "--training.steps-per-epoch", "2", "--training.accelerator", "cpu"]


def main(folder: Path) -> None:
    """Make the data, train and measure, and print a line for each digest."""
    torch.set_num_threads(1)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    make_data(folder)
    at = {name: str(folder / name) for name in ("clips", "clips/manifest.csv", "speech", "noise", "street")}

    for head, options in {"linear": ["--frontend", "leaf"], "max": ["--frontend", "mel-db", *TAGGER]}.items():
        train("classifier", folder / head, "--data", at["clips"], "--head", head, *options)
        evaluate(folder / head, at["clips"], "--snr", "10")
    train("classifier", folder / "adaptive", "--data", at["clips"], "--frontend", "leaf-apcen", *AUGMENTED)
    evaluate(folder / "adaptive", at["clips"])

    speech = ["--speech", at["speech"], "--noise", at["noise"]]
    small = ["--preset", "cmgan-small", "--size.channels", "4", "--crop-s", "0.5", "--training.batch-size", "2"]
    train("enhancer", folder / "enhancer", *speech, *small, "--losses.adversarial", "0.05")
    evaluate(folder / "enhancer", at["speech"], "--noise", at["noise"], "--snr", "5", csv="clips.csv")

    folds = ["--noise", at["noise"], "--unmatched-noise", at["street"], "--size.channels", "[4,4,4,4]", "--snr", "5"]
    emotions = ["--data", f"{at['speech']}/manifest.csv", *folds, "--window-s", "0.5", "--speakers", "ann"]
    train("trnet", folder / "trnet", *emotions, "--cache", str(folder / "cache"), weights="folds/ann")
    tell("trnet", "answers", numbers(folder / "trnet" / "predictions.csv"))

    size = [
        "--size.width",
        "64",
        "--size.heads",
        "4",
        "--size.depth",
        "2",
        "--size.decoder_width",
        "32",
        "--size.decoder_heads",
        "4",
        "--training.batch-size",
        "4",
    ]
    train("audiomae", folder / "audiomae", "--data", at["clips"], "--preset", "audiomae-small", *size)
    tell("audiomae", "losses", numbers(folder / "audiomae" / "history.csv"))

    mixed = ["--tagger", str(folder / "max"), "--preset", "resunet30-small", "--training.batch-size", "2"]
    own = [
        "--data",
        at["clips"],
        "--segment-s",
        "0.5",
        "--sample-rate",
        "16000",
        "--audiomae",
        str(folder / "audiomae"),
    ]
    train("separator", folder / "separator", *own, *mixed, "--encoder", "updated")
    evaluate(folder / "separator", at["clips"], "--mixtures", "2", csv="clips.csv")


TAGGER = ["--backbone", "cnn14", "--backbone-options.channels", "[4,4,8,8,8,8]"]
AUGMENTED = ["--augmentation.conditions", "complex", "--augmentation.mixup", "0.3", "--optimization.schedule", "cosine"]


def make_data(folder: Path) -> None:
    """Three kinds of clips, the same sounds as three speakers' speech, and two kinds of noise."""
    rng = np.random.default_rng(7)
    rows = {"clips": ["path,label"], "speech": ["path,label,speaker"]}
    for label in LABELS:
        for k in range(12):
            name = f"{label}{k:02d}.wav"
            write(folder / "clips" / label / name, sound(label, rng))
            write(folder / "speech" / name, sound(label, rng))
            rows["speech"].append(f"{name},{label},{SPEAKERS[k % len(SPEAKERS)]}")
    (folder / "speech" / "manifest.csv").write_text("\n".join(rows["speech"]) + "\n")
    for k in range(8):
        write(folder / "noise" / f"wind{k}.wav", np.cumsum(rng.standard_normal(2 * RATE)) * 1e-3)
        write(folder / "street" / f"car{k}.wav", rng.standard_normal(2 * RATE) * 0.1)


def sound(label: str, rng: np.random.Generator) -> np.ndarray:
    """0.8 s of a low tone, a high tone or noise, coming and going."""
    t = np.arange(round(0.8 * RATE)) / RATE
    pitch = rng.uniform(300, 600) if label == "low" else rng.uniform(1800, 3200)
    carrier = rng.standard_normal(len(t)) if label == "hiss" else np.sin(2 * np.pi * pitch * t)
    return rng.uniform(0.1, 0.5) * carrier * np.sin(np.pi * t / t[-1]) ** 2 + 1e-3 * rng.standard_normal(len(t))


def write(path: Path, samples: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, np.clip(samples, -1, 1).astype(np.float32), RATE, subtype="PCM_16")


def train(verb: str, output: Path, *options: str, weights: str = "") -> None:
    """`auricle train VERB`, and the digest of the weights that it leaves."""
    call(["train", verb, "--output", str(output), *TINY, *options])
    tensors = load_file(output / weights / "model.safetensors")
    parts = sorted(f"{t.dtype}{t.shape}{hashlib.sha256(t.tobytes()).hexdigest()}" for t in tensors.values())
    tell(output.name, f"weights of {len(parts)} tensors", "\n".join(parts))


def evaluate(folder: Path, data: str, *options: str, csv: str = "results.csv") -> None:
    """`auricle evaluate`, and the digest of the figures."""
    call(["evaluate", str(folder), "--data", data, "--output", str(folder / "measured"), *options])
    tell(folder.name, "metrics", numbers(folder / "measured" / csv))


def call(arguments: list[str]) -> None:
    print("auricle", *arguments, file=sys.stderr)
    code = run(arguments)
    assert code == 0, code


def numbers(path: Path) -> str:
    """Every number of a table, row by row; digests of clips, which may look like numbers, are none."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = [[cell for name, cell in row.items() if "digest" not in name] for row in csv.DictReader(file)]
    found = [cell for row in rows for cell in row if re.fullmatch(r"[-+]?(\d[\d.e+-]*|inf|nan)", cell)]
    assert len(found) > 3, path
    return " ".join(found)


def tell(system: str, what: str, values: Any) -> None:
    text = values if isinstance(values, str) else json.dumps(values)
    print(f"{system:12} {what:24} {hashlib.sha256(text.encode()).hexdigest()[:16]}", file=RESULTS, flush=True)


RESULTS = sys.stdout

if __name__ == "__main__":
    sys.stdout = sys.stderr
    main(Path(sys.argv[1]))
