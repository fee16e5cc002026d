"""Whole files of every kind that auricle reads, from which cases are made: sounds, a run, its results, outputs."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile as sf
from confine import confine

RATE = 8000
FORMATS = {
    "a.wav": ("WAV", "PCM_16"), "b.wav": ("WAV", "FLOAT"), "c.flac": ("FLAC", "PCM_16"), "d.ogg": ("OGG", "VORBIS"),
    "e.mp3": ("MP3", "MPEG_LAYER_III"), "f.aiff": ("AIFF", "PCM_16"), "g.au": ("AU", "PCM_16"),
    "h.opus": ("OGG", "OPUS"), "i.w64": ("W64", "PCM_24"), "j.caf": ("CAF", "ALAC_16"), "k.wav": ("RF64", "PCM_16"),
}  # fmt: skip
TRAIN = [
    "train", "classifier", "--data", "data", "--output", "run", "--frontend", "mel", "--frontend-options.n_filters=8",
    "--window-s=0.25", "--training.epochs=1", "--training.batch-size=8", "--quiet",
]  # fmt: skip
COMMANDS = (
    TRAIN,
    ["evaluate", "run", "--data", "data", "--quiet", "--output", "run/evaluation/data"],
    ["export", "run", "--output", "model.onnx"],
    ["predict", "run", "sounds", "--output", "predicted", "--quiet"],
    ["corrupt", "data", "--suite", "suite.json", "--output", "corrupted", "--quiet"],
    ["stress", "run", "--data", "data", "--suite", "suite.json", "--output", "stressed", "--quiet"],
    ["enhance", "spectral-gating", "sounds/a.wav", "sounds/c.flac", "--output", "enhanced", "--quiet"],
)


def make(folder: Path) -> None:
    """Write sounds and run `COMMANDS` in `folder`, in a process of its own."""
    folder.mkdir(parents=True)
    child = os.fork()
    if child == 0:
        try:
            confine(folder)
            _make(folder)
        except BaseException as error:
            print(f"the material could not be made: {error!r}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        raise SystemExit("the material could not be made")


def _make(folder: Path) -> None:
    from auricle.__main__ import main
    from auricle.conditions import create_suite
    from auricle.conditions.suites import Suite
    from auricle.files import write_json

    os.chdir(folder)
    (folder / ".tmp").mkdir()
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder / ".tmp")
    rng = np.random.default_rng(0)
    for label, frequency in (("low", 300), ("high", 1500), ("mid", 800)):
        for k in range(4):
            time = np.arange(RATE // 4) / RATE
            wave = 0.3 * np.sin(2 * np.pi * frequency * (1 + 0.01 * k) * time) + 0.01 * rng.standard_normal(len(time))
            path = folder / "data" / label / f"{label}{k}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            sf.write(path, wave, RATE)
    rows = [
        f"data/{path.parent.name}/{path.name},{path.parent.name},s{path.stem[-1]}"
        for path in sorted(folder.glob("data/*/*.wav"))
    ]
    (folder / "manifest.csv").write_text("\n".join(["path,label,speaker", *rows]) + "\n")
    (folder / "sounds").mkdir()
    for name, (container, coding) in FORMATS.items():
        rate = 48_000 if coding == "OPUS" else RATE
        sf.write(folder / "sounds" / name, 0.1 * rng.standard_normal(rate // 2), rate, format=container, subtype=coding)
    full = create_suite("full")
    write_json(folder / "suite.json", Suite("small", (full.cells[0], full.cells[1], full.cells[31])).spec())
    for command in COMMANDS:
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                main(command)
            except SystemExit as ended:
                if ended.code:
                    raise RuntimeError(f"{command}: exit code {ended.code}") from None
    shutil.copytree("run", "unfinished")
    for name in ("run.json", "model.safetensors", "evaluation"):
        path = folder / "unfinished" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
