#!/usr/bin/env bash
# Teaches and measures what docs/results/taught.md shows. ESC50 is the folder of fold 4 of ESC-50 with its manifest.csv,
# NOISE a folder of recorded noises, MODEL the published checkpoint of EfficientAT.
set -euo pipefail
cd "$(dirname "$0")/.."
ESC50=${ESC50:-../shared/data/esc50-fold4} NOISE=${NOISE:-../shared/data/field/noise}
MODEL=${MODEL:-../shared/models/mn04_as_mAP_432.pt}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# One class has a single source: it cannot be both taught and tested.
grep -v ',washing_machine,' "$ESC50/manifest.csv" > "$work/manifest.csv"
ln -s "$(realpath "$ESC50/audio")" "$work/audio"
.venv/bin/auricle convert efficientat "$MODEL" --output "$work/mn04"
mkdir -p results/taught
for fold in 1 2 3; do
    .venv/bin/auricle teach --model "$work/mn04" --data "$work/manifest.csv" --splits.test-fold "$fold" --output "$work/run-$fold"
    .venv/bin/auricle stress "$work/run-$fold" --data "$work/manifest.csv" --fold "$fold" --suite snr-ladder \
        --material noise="$NOISE" --material-split all --output "$work/recorded-$fold" --quiet
    .venv/bin/auricle evaluate "$work/run-$fold" --data "$work/manifest.csv" --fold "$fold" --snr 10 0 --quiet
    .venv/bin/python - "$work" "$fold" <<'PROGRAM'
import sys
from pathlib import Path
import pandas as pd
work, fold = Path(sys.argv[1]), sys.argv[2]
(file,) = work.glob(f"run-{fold}/evaluation/*/predictions.csv")
gaussian = pd.read_csv(file)
gaussian = gaussian[gaussian["condition"] != "clean"].assign(right=lambda rows: rows["labels"] == rows["predicted"])
cells = pd.read_csv(work / f"recorded-{fold}" / "cells.csv")
levels = {"clean": "clean"} | {f"noise-{k}": f"recorded noise, {db} dB" for k, db in enumerate((20, 15, 10, 5, 0), 1)}
recorded = cells.assign(condition=cells["cell"].map(levels))
columns = ["condition", "clip", "group", "right"]
rows = pd.concat([recorded[columns], gaussian[columns]]).astype({"right": int})
rows.to_csv(f"results/taught/fold-{fold}.csv.gz", index=False, compression={"method": "gzip", "mtime": 0})
PROGRAM
done
.venv/bin/python tools/taught_few.py "$work/manifest.csv" "$work/mn04" results/taught/few.csv
.venv/bin/python tools/pages/taught.py results/taught --output docs/results/taught.md
