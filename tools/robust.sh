#!/usr/bin/env bash
# Trains and measures what docs/results/robust.md shows. DATA is the folder of the recordings, MODEL the published
# checkpoint of EfficientAT, WORK a folder for the runs, which are kept: the same command goes on where it was ended.
# With LEFT_OUT=yes, a run without Gaussian noise is trained for each fold and seed too. OTHERS names further data, each with
# one training: speech-commands (words of other speakers), fsdd (the speakers of digits), ravdess (emotions of other actors).
# With ESC10=yes, the three folds of ESC-10 are trained on too: from the pretrained start, and from scratch with each front-end.
# last-… are heads that hear the last features alone, kept-… heads from before the training.
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=$(realpath "${DATA:-../shared/data}") MODEL=$(realpath "${MODEL:-../shared/models/mn04_as_mAP_432.pt}")
WORK=${WORK:-robust-runs} SEEDS=${SEEDS:-0} LEFT_OUT=${LEFT_OUT:-} OTHERS=${OTHERS:-} ESC10=${ESC10:-}
auricle=$PWD/.venv/bin/auricle python=$PWD/.venv/bin/python root=$PWD results=$PWD/results/robust
mkdir -p "$WORK" "$results/heads"
cd "$WORK"
# One class has a single source: it cannot be both taught and tested.
[ -e manifest.csv ] || grep -v ',washing_machine,' "$DATA/esc50-fold4/manifest.csv" > manifest.csv
[ -e audio ] || ln -s "$DATA/esc50-fold4/audio" audio
[ -e data ] || ln -s "$DATA" data
[ -e mn04 ] || "$auricle" convert efficientat "$MODEL" --output mn04

plain() { # OUTPUT MANIFEST FOLD
    [ -e "$1/run.json" ] || "$auricle" teach --model mn04 --pooling mean --data "$2" --splits.test-fold "$3" \
        --output "$1"
}
for_noise() { # OUTPUT MODEL MANIFEST FOLD OPTIONS…
    [ -e "$1/run.json" ] || "$auricle" teach --recipe robust --model "$2" --data "$3" \
        --splits.test-fold "$4" --output "$1" "${@:5}"
}
train() { # OUTPUT MANIFEST FOLD SEED OPTIONS…
    from_nothing "$@" --init-from mn04
}
from_nothing() { # OUTPUT MANIFEST FOLD SEED OPTIONS…
    [ -e "$1/run.json" ] || "$auricle" train classifier --recipe robust --data "$2" --splits.test-fold "$3" --seed "$4" \
        --output "$1" "${@:5}"
}
noises() { for name in "$@"; do echo "noise=data/background/audio/$name.flac"; done; }
measure() { # NAME MANIFEST FOLD FILE RUNS…
    "$auricle" stress "${@:5}" --data "$2" --fold "$3" --suite full \
        --material noise=data/field/noise --material-split all --output "stress-$1"
    "$python" - "$1" "$results/$4.csv.gz" <<'PROGRAM'
import sys
from pathlib import Path
import pandas as pd
name, target = sys.argv[1:]
cells = pd.read_csv(f"stress-{name}/cells.csv")
cells["run"] = cells["run"].map(lambda run: Path(run).name)
rows = cells[["run", "cell", "clip", "group", "right"]].astype({"right": int})
rows.to_csv(target, index=False, compression={"method": "gzip", "mtime": 0})
PROGRAM
}
readarray -t no_white < <(noises doing_the_dishes dude_miaowing exercise_bike pink_noise running_tap)
readarray -t all < <(noises doing_the_dishes dude_miaowing exercise_bike pink_noise running_tap white_noise)
last=(--pooling mean --no-answers)
kept() { # OUTPUT MANIFEST FOLD SEED OPTIONS…
    train "$@" --no-refit-head
}
for fold in 1 2 3; do
    runs=("plain-$fold")
    plain "plain-$fold" manifest.csv "$fold"
    for seed in $SEEDS; do
        own=$fold-$seed conditions=(--augmentation.material "${all[@]}")
        without=(--augmentation.without white coloured --augmentation.material "${no_white[@]}")
        # The network is the recipe's, whatever its head hears.
        kept "kept-$own" manifest.csv "$fold" "$seed" "${conditions[@]}"
        for_noise "robust-$own" "kept-$own" manifest.csv "$fold" "${conditions[@]}"
        for_noise "last-$own" "kept-$own" manifest.csv "$fold" "${conditions[@]}" "${last[@]}"
        runs+=({kept,robust,last}"-$own")
        if [ -n "$LEFT_OUT" ]; then
            kept "kept-no-white-$own" manifest.csv "$fold" "$seed" "${without[@]}"
            for_noise "no-white-$own" "kept-no-white-$own" manifest.csv "$fold" "${without[@]}"
            for_noise "last-no-white-$own" "kept-no-white-$own" manifest.csv "$fold" "${without[@]}" "${last[@]}"
            runs+=({no-white,last-no-white}"-$own")
        fi
    done
    measure "$fold" manifest.csv "$fold" "fold-$fold" "${runs[@]}"
    for_noise "head-$fold" mn04 manifest.csv "$fold" "${conditions[@]}"
    for_noise "head-no-white-$fold" mn04 manifest.csv "$fold" "${without[@]}"
    for_noise "last-head-$fold" mn04 manifest.csv "$fold" "${conditions[@]}" "${last[@]}"
    for_noise "last-head-no-white-$fold" mn04 manifest.csv "$fold" "${without[@]}" "${last[@]}"
    measure "heads-$fold" manifest.csv "$fold" "heads/fold-$fold" \
        "plain-$fold" {,last-}{head,head-no-white}"-$fold"
done
if [ -n "$ESC10" ]; then
    [ -e esc10.csv ] || sed 's|^audio/|data/esc10/audio/|' "$DATA/esc10/manifest.csv" > esc10.csv
    for fold in 1 2 3; do
        runs=("plain-esc10-$fold")
        plain "plain-esc10-$fold" esc10.csv "$fold"
        for seed in $SEEDS; do
            own=esc10-$fold-$seed conditions=(--augmentation.material "${all[@]}")
            kept "kept-$own" esc10.csv "$fold" "$seed" "${conditions[@]}"
            for_noise "robust-$own" "kept-$own" esc10.csv "$fold" "${conditions[@]}"
            for_noise "last-$own" "kept-$own" esc10.csv "$fold" "${conditions[@]}" "${last[@]}"
            for frontend in mel leaf leaf-apcen; do
                from_nothing "$frontend-$own" esc10.csv "$fold" "$seed" --frontend "$frontend" "${conditions[@]}"
            done
            runs+=({robust,last,mel,leaf,leaf-apcen}"-$own")
        done
        measure "esc10-$fold" esc10.csv "$fold" "esc10-$fold" "${runs[@]}"
    done
fi
"$python" "$root/tools/other_data.py" $OTHERS
for name in $OTHERS; do
    own=$name-0 conditions=(--augmentation.material "${all[@]}")
    plain "plain-$name" "$name.csv" 2
    # As many steps as for 200 clips.
    kept "kept-$own" "$name.csv" 2 0 --training.steps-per-epoch 10 "${conditions[@]}"
    for_noise "robust-$own" "kept-$own" "$name.csv" 2 "${conditions[@]}"
    for_noise "last-$own" "kept-$own" "$name.csv" 2 "${conditions[@]}" "${last[@]}"
    measure "$name" "$name.csv" 2 "$name" "plain-$name" {kept,robust,last}"-$own"
done
cd "$root"
"$python" tools/pages/robust.py results/robust --output docs/results/robust.md
