"""Write manifests of data that a network of AudioSet's sounds was not made for, each with one split: fold 2 is tested.

    python tools/other_data.py speech-commands fsdd ravdess

The folder `data` has the recordings. Tested are words and emotions of other speakers (Speech Commands, RAVDESS), and
the speakers of other recordings of digits (FSDD).
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

LABELS = {"speech-commands": "label", "fsdd": "speaker", "ravdess": "label"}


def main(*names: str) -> None:
    for name in names:
        clips = pd.read_csv(f"data/{name}/manifest.csv", dtype=str)
        tested = clips["session"].astype(int) > 8 if name == "ravdess" else clips["split"] == "valid"
        columns = {"path": f"data/{name}/" + clips["path"], "label": clips[LABELS[name]]}
        if LABELS[name] != "speaker":
            columns["speaker"] = clips["speaker"]
        pd.DataFrame(columns | {"fold": 1 + tested.astype(int)}).to_csv(Path(f"{name}.csv"), index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
