#!/usr/bin/env bash
# Teaches and measures what docs/results/taught.md shows. DATA is the folder of the recordings, MODEL the published checkpoint of
# EfficientAT. With POOLING=mean, heads have the last features alone (results/taught/mean).
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=$(realpath "${DATA:-../shared/data}") MODEL=${MODEL:-../shared/models/mn04_as_mAP_432.pt} POOLING=${POOLING:-stage}
NOISE=$DATA/field/noise results=$PWD/results/taught python=$PWD/.venv/bin/python
[ "$POOLING" = stage ] || results+=/$POOLING
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# One class has a single source: it cannot be both taught and tested.
grep -v ',washing_machine,' "$DATA/esc50-fold4/manifest.csv" > "$work/manifest.csv"
ln -s "$DATA/esc50-fold4/audio" "$work/audio"
ln -s "$DATA" "$work/data"
sed 's|^audio/|data/esc10/audio/|' "$DATA/esc10/manifest.csv" > "$work/esc10.csv"
(cd "$work" && "$python" "$OLDPWD/tools/other_data.py" speech-commands fsdd ravdess)
.venv/bin/auricle convert efficientat "$MODEL" --output "$work/mn04"
mkdir -p "$results"
for fold in 1 2 3; do
    .venv/bin/auricle teach --model "$work/mn04" --pooling "$POOLING" --data "$work/manifest.csv" --splits.test-fold "$fold" \
        --output "$work/run-$fold"
    .venv/bin/auricle stress "$work/run-$fold" --data "$work/manifest.csv" --fold "$fold" --suite snr-ladder \
        --material noise="$NOISE" --material-split all --output "$work/recorded-$fold" --quiet
    .venv/bin/auricle evaluate "$work/run-$fold" --data "$work/manifest.csv" --fold "$fold" --snr 10 0 --quiet
    "$python" - "$work" "$fold" "$results" <<'PROGRAM'
import sys
from pathlib import Path
import pandas as pd
work, fold, results = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
(file,) = work.glob(f"run-{fold}/evaluation/*/predictions.csv")
gaussian = pd.read_csv(file)
gaussian = gaussian[gaussian["condition"] != "clean"].assign(right=lambda rows: rows["labels"] == rows["predicted"])
cells = pd.read_csv(work / f"recorded-{fold}" / "cells.csv")
levels = {"clean": "clean"} | {f"noise-{k}": f"recorded noise, {db} dB" for k, db in enumerate((20, 15, 10, 5, 0), 1)}
recorded = cells.assign(condition=cells["cell"].map(levels))
columns = ["condition", "clip", "group", "right"]
rows = pd.concat([recorded[columns], gaussian[columns]]).astype({"right": int})
rows.to_csv(f"{results}/fold-{fold}.csv.gz", index=False, compression={"method": "gzip", "mtime": 0})
PROGRAM
done
for name in speech-commands fsdd ravdess; do
    .venv/bin/auricle teach --model "$work/mn04" --pooling "$POOLING" --data "$work/$name.csv" --splits.test-fold 2 \
        --output "$work/run-$name"
    .venv/bin/auricle evaluate "$work/run-$name" --data "$work/$name.csv" --fold 2 --snr 0 --quiet
    "$python" - "$work/run-$name" "$results/$name.csv.gz" <<'PROGRAM'
import sys
from pathlib import Path
import pandas as pd
(file,) = Path(sys.argv[1]).glob("evaluation/*/predictions.csv")
rows = pd.read_csv(file).assign(right=lambda rows: (rows["labels"] == rows["predicted"]).astype(int))
rows[["condition", "clip", "group", "right"]].to_csv(sys.argv[2], index=False, compression={"method": "gzip", "mtime": 0})
PROGRAM
done
"$python" tools/taught_few.py "$work/manifest.csv" "$work/mn04" "$POOLING" "$results/few.csv"
[ -e results/taught/stages.json ] || "$python" tools/taught_stages.py "$work/mn04" results/taught/stages.json \
    "ESC-10=$work/esc10.csv" "Speech Commands=$work/speech-commands.csv:2" "RAVDESS=$work/ravdess.csv:2"
"$python" tools/pages/taught.py results/taught --output docs/results/taught.md
