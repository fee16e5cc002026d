"""Made-up cells of a stress test, in which exactly these shares of the clips are right."""

from __future__ import annotations

import numpy as np
import pandas as pd

from auricle.conditions.suites import Cell, Suite, severity_cells

N_CLIPS = 200
SUITE = Suite(
    "made-up",
    (
        Cell("clean", 0, "clean"),
        *severity_cells("white", (20.0, 10.0, 0.0), lambda snr: {"snr_db": snr}),
        *severity_cells("codec", (32.0, 8.0), lambda kbps: {"codec": "opus", "kbps": kbps}),
        *severity_cells("gain", (-10.0, -24.0), lambda gain: {"gain_db": gain}),
    ),
)
CLEAN_ONLY = {cell.name: 0.9 for cell in SUITE.cells}


def made_up(shares: dict[str, dict[str, float]], n_clips: int = N_CLIPS) -> pd.DataFrame:
    """Cells with columns as `measure_cells` gives them; `shares[model][cell]` of the clips are right, by chance."""
    rows = []
    for number, (model, own) in enumerate(shares.items()):
        for cell in SUITE.cells:
            rng = np.random.default_rng([number, len(rows)])
            right = rng.permutation(np.arange(n_clips) < round(own[cell.name] * n_clips)).astype(int)
            for clip in range(n_clips):
                label = "abcd"[clip % 4]
                said = label if right[clip] else "abcd"[(clip + 1) % 4]
                rows.append({"run": f"runs/{model}", "model": model, "seed": 0, "corruption": cell.corruption,
                             "severity": cell.severity, "cell": cell.name, "clip": f"{clip}", "group": f"{clip}",
                             "labels": label, "predicted": said, "right": int(right[clip]), "probability": 0.9,
                             "own": 1})  # fmt: skip
    return pd.DataFrame(rows)
