"""Small data sets that tests make: tones that are easy to tell apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile as sf

RATE = 8000
PITCHES_HZ = {"low": 300.0, "middle": 900.0, "high": 2400.0}


def write_tone(path: Path, pitch_hz: float, duration_s: float, seed: int, rate: int = RATE) -> None:
    """A tone of random phase and level in a little noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(duration_s * rate)) / rate
    tone = rng.uniform(0.1, 0.4) * np.sin(2 * np.pi * (pitch_hz * time + rng.uniform()))
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, tone + 0.01 * rng.standard_normal(len(time)), rate)


def tone_folder(folder: Path, per_class: int = 10, duration_s: float = 0.5) -> Path:
    """A folder of class folders low, middle and high."""
    for k, (label, pitch_hz) in enumerate(PITCHES_HZ.items()):
        for i in range(per_class):
            write_tone(folder / label / f"{label}-{i}.wav", pitch_hz, duration_s, 100 * k + i)
    return folder


def tone_manifest(folder: Path, per_class: int = 12) -> Path:
    """The same as a manifest with splits train and test and four speakers, of whom one is in the test only."""
    tone_folder(folder, per_class)
    rows = ["path,label,speaker,split"]
    for label in PITCHES_HZ:
        for i in range(per_class):
            rows.append(f"{label}/{label}-{i}.wav,{label},s{i % 4},{'test' if i % 4 == 3 else 'train'}")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return folder / "manifest.csv"
