"""TRNet (Chen and Zhang, 2024) as a window classifier of emotions, with its estimate of the noise level."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from auricle.runs.loading import usable_device
from auricle.runs.provenance import OWN_ENHANCER, run_digest
from auricle.systems.enhancer import Enhancer
from auricle.systems.system import evaluating, load
from auricle.systems.trnet import TRNet, TRNetOutput
from auricle.tasks.classification.window_classifiers import WholeWindows
from auricle.tasks.enhancement.open import open_enhancer


class TRNetWindowClassifier(WholeWindows):
    """TRNet, or one of its baselines, as a window classifier; each window is enhanced on its own.

    Zeros at the end of a window count as padding. TRNet's coefficient c in [0, 1], higher for less noise, is the extra
    column `coefficient`.
    """

    batch_size = 1  # an enhancer takes one window after the other

    def __init__(self, system: TRNet, enhancer: Enhancer | None, digest: str = "") -> None:
        self.system = system
        self.enhancer = enhancer
        self.sample_rate = system.sample_rate
        self.window = system.window
        self.short = system.short
        self.tasks = system.tasks
        self.digest = digest
        self.extras: tuple[str, ...] = ("coefficient",) if system.kind.has_refinement else ()

    @classmethod
    def from_run(cls, run: str | Path, device: str = "auto") -> TRNetWindowClassifier:
        """Load one fold of an `auricle train trnet` run with the enhancer that it was trained with."""
        system = load(run, usable_device(device))
        assert isinstance(system, TRNet)
        enhancer = None
        if system.kind.needs_enhanced:
            name = system.config["enhancer"]
            enhancer = open_enhancer(Path(run) / OWN_ENHANCER if name == OWN_ENHANCER else name, device)
        return cls(system, enhancer, run_digest(run))

    def logits(self, windows: np.ndarray) -> np.ndarray:
        """`(n, window)` float32 at `sample_rate` → `(n, labels)`, or `(n, labels + 1)` with the coefficient."""
        output = self._output(windows)
        columns = [output.logits, output.coefficient] if self.extras else [output.logits]
        return torch.cat(columns, dim=1).cpu().numpy()

    def representations(self, windows: Tensor) -> Tensor:
        """What the logits are computed from: `(n, window)` float32 at `sample_rate` → `(n, dim)`."""
        return self._output(windows.cpu().numpy()).representation

    def _output(self, windows: np.ndarray) -> TRNetOutput:
        lengths = [int(np.flatnonzero(window)[-1]) + 1 if window.any() else self.window for window in windows]
        enhanced = windows
        if self.enhancer is not None:
            enhanced = np.zeros_like(windows)
            for row, window, length in zip(enhanced, windows, lengths, strict=True):
                row[:length] = self.enhancer.enhance(window[:length], self.sample_rate)
        with torch.no_grad(), evaluating(self.system):
            signals = [torch.from_numpy(values).to(self.system.device) for values in (windows, enhanced)]
            return self.system(*signals, torch.tensor(lengths, device=self.system.device))
