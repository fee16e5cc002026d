#!/usr/bin/env bash
# Trains and measures what docs/results/robust.md shows. DATA is the folder of the recordings, MODEL the published
# checkpoint of EfficientAT, WORK a folder for the runs, which are kept: the same command goes on where it was ended.
# With LEFT_OUT=yes, a run without Gaussian noise is trained for each fold too.
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=$(realpath "${DATA:-../shared/data}") MODEL=$(realpath "${MODEL:-../shared/models/mn04_as_mAP_432.pt}")
WORK=${WORK:-robust-runs} SEEDS=${SEEDS:-0} LEFT_OUT=${LEFT_OUT:-}
auricle=$PWD/.venv/bin/auricle python=$PWD/.venv/bin/python root=$PWD
mkdir -p "$WORK" results/robust
cd "$WORK"
# One class has a single source: it cannot be both taught and tested.
[ -e manifest.csv ] || grep -v ',washing_machine,' "$DATA/esc50-fold4/manifest.csv" > manifest.csv
[ -e audio ] || ln -s "$DATA/esc50-fold4/audio" audio
[ -e mn04 ] || "$auricle" convert efficientat "$MODEL" --output mn04

train() { # NAME FOLD SEED OPTIONS…
    local output=$1-$2-$3
    [ -e "$output/run.json" ] || "$auricle" train classifier --init-from mn04 --recipe robust --data manifest.csv \
        --splits.test-fold "$2" --seed "$3" --output "$output" "${@:4}"
}
noises() { for name in "$@"; do echo "noise=$DATA/background/audio/$name.flac"; done; }
readarray -t no_white < <(noises doing_the_dishes dude_miaowing exercise_bike pink_noise running_tap)
readarray -t all < <(noises doing_the_dishes dude_miaowing exercise_bike pink_noise running_tap white_noise)
for fold in 1 2 3; do
    runs=("plain-$fold")
    [ -e "plain-$fold/run.json" ] ||
        "$auricle" teach --model mn04 --data manifest.csv --splits.test-fold "$fold" --output "plain-$fold"
    if [ -n "$LEFT_OUT" ]; then
        train no-white "$fold" 0 --augmentation.without white coloured --augmentation.material "${no_white[@]}"
        runs+=("no-white-$fold-0")
    fi
    for seed in $SEEDS; do
        train robust "$fold" "$seed" --augmentation.material "${all[@]}"
        runs+=("robust-$fold-$seed")
    done
    [ -e "stress-$fold/report.html" ] || "$auricle" stress "${runs[@]}" --data manifest.csv --fold "$fold" --suite full \
        --material noise="$DATA/field/noise" --material-split all --output "stress-$fold"
    "$python" - "$fold" "$root/results/robust" <<'PROGRAM'
import sys
from pathlib import Path
import pandas as pd
fold, target = sys.argv[1], Path(sys.argv[2])
cells = pd.read_csv(f"stress-{fold}/cells.csv")
cells["run"] = cells["run"].map(lambda run: Path(run).name)
rows = cells[["run", "cell", "clip", "group", "right"]].astype({"right": int})
rows.to_csv(target / f"fold-{fold}.csv.gz", index=False, compression={"method": "gzip", "mtime": 0})
PROGRAM
done
cd "$root"
"$python" tools/pages/robust.py results/robust --output docs/results/robust.md
