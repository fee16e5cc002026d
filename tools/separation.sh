#!/usr/bin/env bash
# Trains and measures the separators `more-clips`, `more-clips-sdr` and `more-clips-speed` of docs/results/separation.md, whose
# queries are a published tagger's and which learn from other recordings besides the clips of ESC-50's fold 4. DATA is the folder of the
# recordings, MODEL the published checkpoint of EfficientAT, WORK a folder for the runs, which are kept: the same command goes
# on where it was ended.
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=$(realpath "${DATA:-../shared/data}") MODEL=$(realpath "${MODEL:-../shared/models/mn04_as_mAP_432.pt}")
WORK=${WORK:-separation-runs}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
auricle=$PWD/.venv/bin/auricle python=$PWD/.venv/bin/python root=$PWD
mkdir -p "$WORK"
cd "$WORK"
[ -e audio ] || ln -s "$DATA/esc50-fold4/audio" audio
[ -e data ] || ln -s "$DATA" data
[ -e mn04 ] || "$auricle" convert efficientat "$MODEL" --output mn04
# The 42 classes that are in all three folds; and with them the other eight, ESC-10, 90 utterances, music and background noise.
[ -e more.csv ] || "$python" - <<'PROGRAM'
from pathlib import Path
import pandas as pd

AS_IN_ESC50 = {
    "dog_bark": "dog", "baby_cry": "crying_baby", "person_sneeze": "sneezing", "fire_crackling": "crackling_fire",
}
OTHERS = "others"


def table(name):
    rows = pd.read_csv(f"data/{name}/manifest.csv", dtype=str)
    return rows.assign(path=f"data/{name}/" + rows["path"])


esc50 = pd.read_csv("data/esc50-fold4/manifest.csv", dtype=str)
esc50[esc50.groupby("label")["fold"].transform("nunique") == 3].to_csv("esc50.csv", index=False)
parts = [table("esc50-fold4"), table("esc10").replace({"label": AS_IN_ESC50}).assign(fold=OTHERS)]
for name, count in (("ravdess", 60), ("emodb-2s", 30)):
    rows = table(name)
    some = rows[rows["duration"].astype(float) > 0.5].sample(count, random_state=0)
    parts.append(some.assign(label="speech", source=name + some["speaker"], fold=OTHERS))
noise = table("background")
noise = noise[~noise["label"].isin(["pink_noise", "white_noise"])]
parts.append(noise.assign(source=noise["label"], label=noise["label"].replace("dude_miaowing", "cat"), fold=OTHERS))
music = sorted(Path("data/music").iterdir())
parts.append(pd.DataFrame({"path": map(str, music), "label": "music", "source": [p.name for p in music], "fold": OTHERS}))
pd.concat(parts)[["path", "label", "source", "fold"]].to_csv("more.csv", index=False)
PROGRAM
train() { # NAME OPTIONS
    name=$1 target=$root/results/separation/esc50-fold4/$1
    shift
    mkdir -p "$target"
    for fold in 1 2 3; do
        run=$name-$fold measured=$name-$fold/evaluation/esc50-fold$fold/clips.csv
        [ -e "$run/run.json" ] || "$auricle" train separator --config "$root/recipes/separation/small.yaml" --data more.csv \
            --group-column source --tagger mn04 "$@" --training.precision bf16-mixed --training.epochs 96 \
            --splits.test-fold "$fold" --splits.validation-share 0.15 --output "$run" --quiet
        [ -e "$measured" ] || "$auricle" evaluate "$run" --data esc50.csv --fold "$fold" --mixtures 10 --quiet
        gzip -9nc "$measured" > "$target/fold$fold.csv.gz"
    done
}
train more-clips --loss l1 --speed-perturbation 1
train more-clips-sdr --loss sdr --speed-perturbation 1
train more-clips-speed --loss sdr --speed-perturbation 1.25
