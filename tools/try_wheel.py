"""Build the wheel, install it into a new environment with core packages alone, and use it there as a newcomer would.

python tools/try_wheel.py [INTERPRETER ...]

Without an interpreter the one that runs this. Each trains a classifier on a few sounds, predicts, exports and lists.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
USE = """
import sys
from pathlib import Path

import numpy as np
import soundfile as sf

import auricle

assert "site-packages" in auricle.__file__, auricle.__file__
assert not {"onnx", "sklearn", "ray", "pesq"} & set(sys.modules)
rng = np.random.default_rng(0)
for label, frequency_hz in (("low", 300.0), ("high", 3000.0)):
    for number in range(8):
        path = Path("sounds", label, f"{number}.wav")
        path.parent.mkdir(parents=True, exist_ok=True)
        phase = 2 * np.pi * frequency_hz * np.arange(8000) / 16000
        sf.write(path, 0.3 * np.sin(phase) + 0.01 * rng.standard_normal(8000), 16000)
auricle.train_classifier(data="sounds", output="run", backbone="cnn-small", training={"epochs": 1})
batch = auricle.predict("run", ["sounds"], output="predictions")
assert len(batch.outcomes) == 16 and not any(outcome.error for outcome in batch.outcomes)
"""


def main() -> None:
    for interpreter in sys.argv[1:] or [sys.executable]:
        with tempfile.TemporaryDirectory() as folder:
            run("-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, str(ROOT), interpreter=interpreter)
            (wheel,) = Path(folder).glob("auricle-*.whl")
            run("-m", "venv", "environment", interpreter=interpreter, folder=folder)
            inside = str(Path(folder, "environment", "bin", "python"))
            run("-m", "pip", "install", "--quiet", str(wheel), interpreter=inside, folder=folder)
            run("-m", "pip", "check", interpreter=inside, folder=folder)
            run("-c", USE, interpreter=inside, folder=folder)
            run("-m", "auricle", "list", "frontends", interpreter=inside, folder=folder)
            run("-m", "auricle", "export", "run", "--output", "model.pt2", interpreter=inside, folder=folder)
        print(f"{interpreter}: the wheel installs and works")


def run(*arguments: str, interpreter: str, folder: str | None = None) -> None:
    """Run the interpreter in `folder`, away from the sources; ends this program where it fails."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment["PIP_CONSTRAINT"] = str(ROOT / "constraints.txt")
    done = subprocess.run(
        [interpreter, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{interpreter} {' '.join(arguments)[:200]}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
