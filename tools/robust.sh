#!/usr/bin/env bash
# Trains and measures what docs/results/robust.md shows: three folds of fold 4 of ESC-50, three seeds, by the recipe
# robust, and beside it the plain head of auricle teach. DATA is the folder of the shared recordings, WORK a folder for
# the runs, which are kept: the same command goes on where it was ended. JOBS trainings run at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=$(realpath "${DATA:-../shared/data}") MODEL=$(realpath "${MODEL:-../shared/models/mn04_as_mAP_432.pt}")
WORK=${WORK:-robust-runs} JOBS=${JOBS:-1} SEEDS=${SEEDS:-0 1 2}
AURICLE=${AURICLE:-$PWD/.venv/bin/auricle}
PYTHON=$PWD/.venv/bin/python RESULTS=$PWD/results/robust
mkdir -p "$WORK" "$RESULTS"
cd "$WORK"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
# One class has a single source: it cannot be both taught and tested.
[ -e manifest.csv ] || grep -v ',washing_machine,' "$DATA/esc50-fold4/manifest.csv" > manifest.csv
[ -e audio ] || ln -s "$DATA/esc50-fold4/audio" audio
[ -e mn04 ] || $AURICLE convert efficientat "$MODEL" mn04

noises() { for name in "$@"; do echo "noise=$DATA/background/audio/$name.flac"; done; }
train() { # OUTPUT FOLD SEED OPTIONS…
    local output=$1 fold=$2 seed=$3
    shift 3
    [ -e "$output/run.json" ] || $AURICLE train classifier --init-from mn04 --recipe robust --data manifest.csv \
        --splits.test-fold "$fold" --seed "$seed" --output "$output" --quiet "$@" > "$output.log" 2>&1
}
{
    for fold in 1 2 3; do
        [ -e "plain-$fold/run.json" ] || echo "$AURICLE teach --model mn04 --data manifest.csv --splits.test-fold $fold --output plain-$fold --quiet"
    done
    for seed in $SEEDS; do
        for fold in 1 2 3; do
            echo "train robust-$fold-$seed $fold $seed --augmentation.material $(noises doing_the_dishes dude_miaowing exercise_bike pink_noise running_tap white_noise | tr '\n' ' ') synthetic"
            echo "train no-white-$fold-$seed $fold $seed --augmentation.without white --augmentation.material $(noises doing_the_dishes dude_miaowing exercise_bike pink_noise running_tap | tr '\n' ' ') synthetic"
        done
    done
} > jobs
export -f train
export AURICLE
xargs -P "$JOBS" -I {} bash -c '{}' < jobs

# Every corruption of the suite full, whose noise are recordings that no training has heard.
measure() { # FOLD
    local runs=("plain-$1")
    for seed in $SEEDS; do runs+=("robust-$1-$seed" "no-white-$1-$seed"); done
    [ -e "stress-$1/report.html" ] || $AURICLE stress "${runs[@]}" --data manifest.csv --fold "$1" --suite full \
        --material noise="$DATA/field/noise" --material-split all --output "stress-$1" --quiet > "stress-$1.log" 2>&1
}
export -f measure
export DATA SEEDS
printf 'measure %s\n' 1 2 3 | xargs -P "$JOBS" -I {} bash -c '{}'
for fold in 1 2 3; do gzip -nc "stress-$fold/cells.csv" > "$RESULTS/fold-$fold.csv.gz"; done
"$PYTHON" ../tools/pages/robust.py "$RESULTS" --output ../docs/results/robust.md
