"""`auricle doctor`: what is installed, what there is to compute on, and whether it works, for a bug report."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import torch

from auricle import audio
from auricle.config import Doctor, verb
from auricle.data.tasks import Task
from auricle.errors import counted
from auricle.extras import EXTRAS, how_to_install
from auricle.published.home import home
from auricle.runs.provenance import provenance
from auricle.systems.classifier.system import Classifier

RATE = 8000
_FURTHER = ("pandas", "safetensors", "matplotlib")


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, what was found, and whether it is as it should be."""

    section: str
    name: str
    found: str
    ok: bool = True


class Diagnosis(list[Finding]):
    """All findings; as text a line for each, under the names of their sections."""

    @property
    def complaint(self) -> str:
        """What does not work; empty if everything does."""
        return "; ".join(f"{finding.name}: {finding.found}" for finding in self if not finding.ok)

    @property
    def exit_code(self) -> int:
        """2 if something does not work."""
        return 2 if self.complaint else 0

    def record(self) -> list[dict[str, Any]]:
        """The findings as plain values."""
        return [asdict(finding) for finding in self]

    def __str__(self) -> str:
        width = max(len(finding.name) for finding in self)
        lines: list[str] = []
        for index, finding in enumerate(self):
            if index == 0 or finding.section != self[index - 1].section:
                lines += ["", finding.section] if lines else [finding.section]
            lines.append(f"  {finding.name:{width}}  {finding.found}")
        return "\n".join(lines)


@verb
def doctor(options: Doctor) -> Diagnosis:
    """Look at the installation and try it; returns what was found."""
    return Diagnosis([*_versions(), *_devices(), *_extras(), *_places(), *_tests()])


def _versions() -> list[Finding]:
    made = provenance()
    machine = made["machine"]
    versions = {"python": made["python"], **made["versions"], "libsndfile": sf.__libsndfile_version__}
    versions |= {name: metadata.version(name) for name in _FURTHER}
    system = f"{machine['system']}, {machine['processor']}, {machine['cores']} cores"
    return [Finding("versions", name, text) for name, text in {"system": system, **versions}.items()]


def _devices() -> list[Finding]:
    found = [Finding("devices", "cpu", counted(torch.get_num_threads(), "thread"))]
    for index in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(index)
        found.append(Finding("devices", f"cuda:{index}", f"{about.name}, {about.total_memory / 2**30:.0f} GiB"))
    if torch.backends.mps.is_available():
        found.append(Finding("devices", "mps", "available"))
    return found


def _extras() -> list[Finding]:
    found = []
    for package in (*EXTRAS, "sounddevice"):
        name = "scikit-learn" if package == "sklearn" else package
        try:
            text = metadata.version(name)
        except metadata.PackageNotFoundError:
            text = f"not installed: {how_to_install(package)}"
        found.append(Finding("extras", name, text))
    return found


def _places() -> list[Finding]:
    """Whether files can be written where auricle writes them."""
    places = {"models": home(), "this folder": Path.cwd(), "temporary files": Path(tempfile.gettempdir())}
    return [_writable(name, folder) for name, folder in places.items()]


def _writable(name: str, folder: Path) -> Finding:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    can = os.access(there, os.W_OK | os.X_OK)
    shown = str(folder).replace(str(Path.home()), "~", 1)
    return Finding("write access", name, f"{shown}: {'yes' if can else 'no'}", ok=can)


def _tests() -> list[Finding]:
    """Sound files and a training, each tried with sounds that code makes."""
    return [_tried("sound files", _sound_files), _tried("training", _training)]


def _tried(name: str, test: Callable[[], str]) -> Finding:
    begun = time.perf_counter()
    try:
        text, ok = test(), True
    except Exception as error:  # whatever it is, it belongs in the report
        text, ok = f"{type(error).__name__}: {error}", False
    return Finding("self-test", name, f"{text} ({time.perf_counter() - begun:.1f} s)", ok)


def _tone(pitch_hz: float, seconds: float = 0.5) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * pitch_hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def _sound_files() -> str:
    tone = _tone(440.0)
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("wav", "flac"):
            path = Path(folder) / f"tone.{suffix}"
            audio.write(path, tone, RATE)
            read, rate = audio.read(path)
            if rate != RATE or not np.allclose(read, tone, atol=2**-14):
                raise RuntimeError(f"a .{suffix} file is not read as it was written")
    return "ok"


def _training() -> str:
    """A small classifier learns two tones on the best device."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    random, threads = torch.random.get_rng_state(), torch.get_num_threads()
    torch.manual_seed(0)
    torch.set_num_threads(1)  # on a busy computer several would wait for each other
    try:
        frontend = {"name": "leaf", "n_filters": 8}
        task = Task("tones", ("low", "high"))
        model = Classifier.build(
            tasks=[task], sample_rate=RATE, window_s=0.5, frontend=frontend, backbone={"name": "cnn-small"}
        ).to(device)
        sounds = torch.tensor(np.stack([_tone(pitch) for pitch in (300.0, 320.0, 1500.0, 1600.0)]), device=device)
        labels = torch.tensor([0, 0, 1, 1], device=device)
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        losses = []
        for _ in range(5):
            loss = torch.nn.functional.cross_entropy(model(sounds), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    finally:
        torch.random.set_rng_state(random)
        torch.set_num_threads(threads)
    if not losses[-1] < losses[0]:
        raise RuntimeError(f"the loss went from {losses[0]:.3g} to {losses[-1]:.3g}")
    return f"ok, on {device}"
