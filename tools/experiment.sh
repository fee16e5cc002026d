#!/usr/bin/env bash
# Trains and measures what docs/results/digits.md shows. FSDD is the folder of the Free Spoken Digit Dataset's manifest.csv.
set -euo pipefail
cd "$(dirname "$0")/.."
FSDD=${FSDD:-../shared/data/fsdd}
for frontend in mel mel-spcen td-filterbanks sincnet sincnet+ leaf; do
    run=runs/digits-$frontend
    .venv/bin/auricle train classifier --config recipes/small/fsdd-digits.yaml --data "$FSDD/manifest.csv" \
        --frontend "$frontend" --output "$run"
    .venv/bin/auricle evaluate "$run" --data "$FSDD/manifest.csv" --split valid --noise gaussian --snr 20 10 0 -5
    mkdir -p "results/digits-$frontend"
    cp "$run"/evaluation/fsdd-valid/results.json "$run"/evaluation/fsdd-valid/scores.npz "results/digits-$frontend/"
done
make results
