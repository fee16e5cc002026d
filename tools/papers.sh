#!/usr/bin/env bash
# Trains and measures what docs/results/papers.md judges: the tables of the papers on several small data sets.
#
#     tools/papers.sh leaf compression filters apcen controller degram trnet
#
# DATA is the folder of the recordings, WORK a folder for the runs, which are kept: the same command goes on where it was
# ended. SEEDS are the seeds of what takes minutes, TRAINED the conditions that adaptive PCEN is trained under.
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=$(realpath "${DATA:-../shared/data}") WORK=${WORK:-paper-runs} SEEDS=${SEEDS:-0 1 2} TRAINED=${TRAINED:-clean complex}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
auricle=$PWD/.venv/bin/auricle python=$PWD/.venv/bin/python root=$PWD
mkdir -p "$WORK"
cd "$WORK"

# Manifests: RAVDESS in two folds of sessions, EmoDB in four of two speakers, ESC-50 without classes of fewer sources than folds,
# and the speakers of Speech Commands with 20 clips or more, of which a quarter is for testing.
[ -e speakers.csv ] || "$python" - "$DATA" <<'PROGRAM'
import sys
from pathlib import Path
import pandas as pd
data = Path(sys.argv[1])
tables = {}
for name in ("background", "field", "esc10", "esc50-fold4", "ravdess", "emodb-2s", "fsdd", "speech-commands"):
    if not Path(name).exists():
        Path(name).symlink_to(data / name)
    if (data / name / "manifest.csv").is_file():
        tables[name] = pd.read_csv(data / name / "manifest.csv", dtype=str)
        tables[name]["path"] = f"{name}/" + tables[name]["path"]
ravdess, emodb, esc50, commands = (tables[name] for name in ("ravdess", "emodb-2s", "esc50-fold4", "speech-commands"))
ravdess["fold"] = 1 + (ravdess["session"].astype(int) > 5)
emodb["fold"] = emodb["speaker"].map({"03": 1, "08": 1, "10": 2, "09": 2, "12": 3, "13": 3, "15": 4, "14": 4})
in_all_folds = esc50.groupby("label")["fold"].transform("nunique") == 3
speakers = commands[commands["speaker"].str.fullmatch("[0-9a-f]{8}")]
speakers = speakers[speakers.groupby("speaker")["path"].transform("size") >= 20].sample(frac=1, random_state=0)
speakers["split"] = ["valid" if place % 4 == 0 else "train" for place in speakers.groupby("speaker").cumcount()]
for name, table in {
    "esc10": tables["esc10"],
    "ravdess": ravdess,
    "emodb": emodb,
    "fsdd": tables["fsdd"],
    "speech-commands": commands,
    "esc50-42": esc50[in_all_folds],
    "speakers": speakers.sort_values("path"),
}.items():
    table.to_csv(f"{name}.csv", index=False)
PROGRAM
grep -v ',washing_machine,' "$DATA/esc50-fold4/manifest.csv" > esc50-fold4.csv
[ -e audio ] || ln -s "$DATA/esc50-fold4/audio" audio
[ -e recipes ] || ln -s "$root/recipes" recipes

options() { # DATA SET: how each data set is read, and for how long it is trained on
    case $1 in
        fsdd-digits) echo --data fsdd.csv --group-column none --training.epochs 8 ;;
        commands) echo --data speech-commands.csv --training.epochs 12 ;;
        command-speakers) echo --data speakers.csv --label-column speaker --group-column none --training.epochs 15 ;;
        ravdess) echo --data ravdess.csv --folds 1 2 --splits.validation-share 0.15 --training.epochs 20 ;;
        esc10) echo --data esc10.csv --sample-rate 16000 --folds 1 2 3 --splits.validation-share 0.15 --training.epochs 30 ;;
        emodb) echo --data emodb.csv --folds 1 2 3 4 --splits.validation-share 0.15 --training.epochs 15 ;;
        esc50-42) echo --data esc50-42.csv --sample-rate 16000 --folds 1 2 3 --splits.validation-share 0.15 --training.epochs 30 ;;
        fsdd-speakers) echo --data fsdd.csv --label-column speaker --group-column none --training.epochs 8 ;;
    esac
}
grid() { # PAPER DATA FRONT-ENDS TRAINED SUITES SEEDS NAME OPTIONS…
    local output=$1-$7 target=$root/results/$1/$7 suite
    # shellcheck disable=SC2046,SC2086
    "$auricle" compare $(options "$2") --frontends "$3" --train-condition "$4" --test-suite $5 --seeds $6 \
        --optimization.learning-rate 1e-3 --optimization.schedule cosine --output "$output" --quiet "${@:8}"
    mkdir -p "$target"
    cp "$output/scores-$4.npz" "$target/$4-scores.npz"
    for suite in $5; do
        "$python" - "$output/$4-$suite/cells.csv" "$target/$4-$suite.csv.gz" <<'PROGRAM'
import sys
import pandas as pd
cells = pd.read_csv(sys.argv[1], dtype=str).drop(columns="run")
cells.to_csv(sys.argv[2], index=False, compression={"method": "gzip", "mtime": 0})
PROGRAM
    done
}

leaf() {
    for set in esc10 commands ravdess command-speakers fsdd-digits; do
        grid leaf $set mel,mel-spcen,leaf clean snr-ladder "$SEEDS" $set
    done
}
compression() {
    grid leaf command-speakers mel,leaf,leaf:compression=log clean snr-ladder 0 command-speakers-compression
}
filters() {
    for set in esc10 ravdess commands; do
        grid leaf $set sincnet,td-filterbanks,leaf clean snr-ladder 0 $set-filters
    done
}
degram() {
    grid degram esc10 spectrogram,sincgram,despectrogram,degram clean snr-ladder "$SEEDS" esc10 --vary compression=log-z-score
}
apcen() { # The paper's Tables 2 and 3.
    local trained set all=mel,leaf-fixed,leaf-pcen,leaf-simppcen,leaf-apcen
    for set in esc10 commands ravdess; do
        grid apcen $set mel,leaf-pcen,leaf-simppcen,leaf-apcen complex complex "$SEEDS" $set
    done
    grid apcen esc10 leaf-simppcen,leaf-apcen complex complex "0 1" esc10-60-epochs --training.epochs 60
    grid apcen esc10 leaf-pcen,leaf-simppcen,leaf-apcen complex complex 0 esc10-efficientnet --backbone efficientnet-b0 \
        --training.epochs 60
    for trained in $TRAINED; do
        grid apcen esc50-42 $all "$trained" "complex snr-ladder" "$SEEDS" esc50-fold4
        grid apcen emodb $all "$trained" complex "$SEEDS" emodb-2s
        grid apcen fsdd-speakers $all "$trained" "complex snr-ladder" "0 1" fsdd-speakers
    done
}
controller() { # Ten times the learning rate in the front-end, beside the models of `apcen`.
    local folder=$root/results/apcen set
    for set in esc10 ravdess commands; do
        grid apcen $set leaf-simppcen,leaf-apcen complex complex "$SEEDS" $set-controller \
            --optimization.frontend-learning-rate 1e-2
        rm "$folder/$set-controller/complex-scores.npz"
        "$python" - "$folder/$set/complex-complex.csv.gz" "$folder/$set-controller/complex-complex.csv.gz" <<'PROGRAM'
import sys
import pandas as pd
usual, faster = (pd.read_csv(path, dtype=str) for path in sys.argv[1:])
same = usual[usual["model"].isin(faster["model"].unique())]
faster["model"] += " (lr=1e-2)"
table = pd.concat([same, faster])
table.to_csv(sys.argv[2], index=False, compression={"method": "gzip", "mtime": 0})
PROGRAM
    done
}
trnet() { # One speaker of each session is left out, validated by the other.
    local seed kind output target=$root/results/emotion/ravdess
    for seed in $SEEDS; do
        for kind in baseline-c baseline-n baseline-e trnet; do
            output=trnet/$kind-$seed teacher=()
            [ $kind = trnet ] && teacher=(--teacher "trnet/baseline-c-$seed")
            "$auricle" train trnet --config recipes/trnet/small.yaml --data ravdess.csv --noise esc50-fold4.csv \
                --unmatched-noise background field/noise --speakers 01 04 05 08 09 12 13 16 17 20 --seed "$seed" \
                --kind $kind "${teacher[@]}" --cache noisy-speech --output "$output" --quiet
            mkdir -p "$target/$kind-$seed"
            cp "$output/results.json" "$target/$kind-$seed/"
            gzip -9nc "$output/predictions.csv" > "$target/$kind-$seed/predictions.csv.gz"
        done
    done
}
for paper in "${@:?which papers?}"; do "$paper"; done
