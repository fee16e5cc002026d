"""The whole fold plan on a miniature: what is written, what a kill leaves, and what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
import torch
from safetensors.torch import load_file, save_file

from auricle.config import Optimization, Training
from auricle.errors import AuricleError
from auricle.identity import file_digest
from auricle.runs import train as train_module
from auricle.runs.clips import clip_digests, clips_digest
from auricle.runs.results import find_results, read_result
from auricle.studies.compared_models import group_models
from auricle.systems.system import load
from auricle.tasks.emotion.compare import ComparedEmotions
from auricle.tasks.emotion.evaluate import read_predictions
from auricle.tasks.emotion.folds import read_speakers
from auricle.tasks.emotion.train import train_trnet
from auricle.tasks.enhancement.train import NOISES
from schema import check_schema
from tasks.run_record import check_run_record

pytestmark = pytest.mark.figures("undrawn")
RATE = 16000
ARRANGED = frozenset({"arrangement", "data", "noise", "unmatched_noise", "folds"})
ONE_EPOCH = Training(epochs=1, batch_size=8, accelerator="cpu")
SMALL = {
    "size": {"channels": [4, 8]},
    "window_s": 0.3,
    "snr": [20.0, 0.0],
    "training": ONE_EPOCH,
    "optimization": Optimization(learning_rate=1e-2),
    "quiet": True,
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """Four speakers with four clips each, eight noises to learn from and two others."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    rows = ["path,label,speaker,session"]
    time = np.arange(round(0.3 * RATE)) / RATE
    for place, speaker in enumerate("abcd"):
        for take in range(4):
            name, high = f"{speaker}{take}.wav", take % 2
            tone = 0.2 * np.sin(2 * np.pi * (2500 if high else 400) * time + rng.uniform(0, 6))
            sf.write(folder / name, tone + 0.005 * rng.standard_normal(len(time)), RATE)
            rows.append(f"{name},{'high' if high else 'low'},{speaker},{place // 2}")
    (folder / "m.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    for kind, count in (("near", 8), ("far", 2)):
        (folder / kind).mkdir()
        for k in range(count):
            sf.write(folder / kind / f"{kind}-{k}.wav", 0.1 * rng.standard_normal(RATE), RATE)
    return folder


def run(corpus: Path, output: Path, **options) -> Path:
    given = {"noise": [str(corpus / "near")], "unmatched_noise": [str(corpus / "far")], "cache": str(corpus / "cache")}
    return train_trnet(data=corpus / "m.csv", output=output, **given | SMALL | options)


@pytest.fixture(scope="module")
def teachers(corpus, tmp_path_factory) -> Path:
    return run(corpus, tmp_path_factory.mktemp("runs") / "c", kind="baseline-c", speakers=["a", "c"])


@pytest.fixture(scope="module")
def done(corpus, tmp_path_factory) -> Path:
    return run(corpus, tmp_path_factory.mktemp("runs") / "t", speakers=["a", "c"])


def test_every_clip_of_every_speaker_is_answered_at_every_level(done):
    table = read_predictions(done)
    assert len(table) == 2 * 4 * (1 + 2 + 2)
    assert set(table["speaker"]) == {"a", "c"}
    assert (table["fold"] == table["speaker"]).all()
    clean = table[table["noise"] == "clean"]
    assert np.isinf(clean["snr"]).all()
    assert set(table.loc[table["noise"] == "unmatched", "snr"]) == {20.0, 0.0}
    assert table["coefficient"].between(0, 1).all()
    assert table["probability"].between(0.5, 1).all()
    record = check_run_record(done, "trnet", more=ARRANGED)
    folds = [check_run_record(done / "folds" / speaker, "trnet") for speaker in "ac"]
    assert record["epochs"] == sum(fold["epochs"] for fold in folds) == 2
    assert record["training_hours"] == pytest.approx(sum(fold["training_hours"] for fold in folds))
    assert record["best_val_loss"] == pytest.approx(np.mean([fold["best_val_loss"] for fold in folds]))
    assert record["folds"][0] == {"test": "a", "valid": "b", "train": ["c", "d"], "folder": "a"}
    assert record["arrangement"]["kind"] == "trnet"
    kept = np.load(done / "folds" / "a" / "representations.npz")
    assert kept["representation"].shape == (4 * 3, 8)
    assert set(kept["level"]) == {"clean", "matched 20 dB", "matched 0 dB"}


def test_folds_and_run_have_the_results_of_any_task(done, corpus):
    answers = read_predictions(done)
    manifest = read_speakers(str(corpus / "m.csv"))
    for folder, clips, split in (
        (done, [clip for clip in manifest if clip.group in ("a", "c")], "folds"),
        (done / "folds" / "a", [clip for clip in manifest if clip.group == "a"], "a"),
    ):
        record = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        check_schema(record)
        assert record["task"] == "emotion"
        assert (record["data"]["n_clips"], record["data"]["split"]) == (len(clips), split)
        assert record["data"]["digest"] == clips_digest(clips)
        assert [row["condition"] for row in record["measured"]][:2] == ["clean", "matched 20 dB"]
        clean = answers[(answers["noise"] == "clean") & answers["fold"].isin({clip.group for clip in clips})]
        right = (clean["label"] == clean["predicted"]).mean()
        assert record["measured"][0]["metrics"]["war"]["value"] == pytest.approx(right)
        assert set(read_predictions(folder)["digest"]) == set(clip_digests(clips))
        assert (folder / "results.csv").is_file()


def test_nobody_who_tests_or_validates_is_learnt_from(done):
    clips = pd.read_csv(done / "folds" / "a" / "clips.csv", dtype=str)
    assert {part: set(rows["group"]) for part, rows in clips.groupby("split")} == {
        "train": {"c", "d"},
        "valid": {"b"},
        "test": {"a"},
    }
    noises = pd.read_csv(done / "noises.csv", dtype=str, keep_default_na=False)
    assert noises[noises["noise"] == "matched"].groupby("source")["speaker"].nunique().eq(1).all()
    assert set(noises.loc[noises["noise"] == "matched", "speaker"]) == set("abcd")


def test_each_fold_is_a_model_and_its_teacher_another(done):
    system, teacher = load(done / "folds" / "a"), load(done / "folds" / "a" / "teacher")
    assert system.config["enhancer"] == "spectral-gating"
    assert teacher.config["kind"] == "baseline-c"
    assert system.teacher is None
    assert not (done / "folds" / "a" / "checkpoints").exists()


def test_after_a_kill_it_goes_on_and_keeps_what_is_done(corpus, done, tmp_path, monkeypatch):
    calls = []
    fit = train_module.fit

    def killed(system, *arguments, **options):
        calls.append(system.config["kind"])
        if len(calls) == 4:
            raise KeyboardInterrupt
        return fit(system, *arguments, **options)

    monkeypatch.setattr(train_module, "fit", killed)
    with pytest.raises(KeyboardInterrupt):
        run(corpus, tmp_path / "t", speakers=["a", "c"])
    assert not (tmp_path / "t" / "run.json").exists()
    with pytest.raises(AuricleError, match="seed was 0 and is 1"):
        run(corpus, tmp_path / "t", speakers=["a", "c"], seed=1)
    run(corpus, tmp_path / "t", speakers=["a", "c"])
    assert calls == ["baseline-c", "trnet", "baseline-c", "trnet", "trnet"]
    pd.testing.assert_frame_equal(read_predictions(tmp_path / "t"), read_predictions(done))
    with pytest.raises(AuricleError, match="finished run"):
        run(corpus, tmp_path / "t", speakers=["a", "c"])


def test_a_fold_of_other_recordings_is_not_gone_on_with(corpus, tmp_path):
    """The speakers' names, and the recordings' names and sizes, are as they were."""
    own = shutil.copytree(corpus, tmp_path / "corpus")
    options = {"kind": "baseline-c", "speakers": ["a", "c"], "cache": None}
    run(own, tmp_path / "t", **options)
    (tmp_path / "t" / "run.json").unlink()
    shutil.rmtree(tmp_path / "t" / "folds" / "c")
    shutil.copytree(own, tmp_path / "moved")
    for path in own.glob("?0.wav"):
        path.write_bytes((own / path.name.replace("0", "2")).read_bytes())
    with pytest.raises(AuricleError, match=r"folds/a was trained on other clips"):
        run(own, tmp_path / "t", **options)
    shutil.rmtree(own)
    (tmp_path / "moved").rename(own)
    run(own, tmp_path / "t", **options)
    assert (tmp_path / "t" / "folds" / "c" / "run.json").exists()


def test_a_speakers_name_is_no_path(corpus, tmp_path):
    names = {"a": "../../outside", "b": "x/y", "c": str(tmp_path / "absolute"), "d": "."}
    rows = [row.split(",") for row in (corpus / "m.csv").read_text(encoding="utf-8").splitlines()]
    lines = [",".join([str(corpus / file), label, names[who], session]) for file, label, who, session in rows[1:]]
    (tmp_path / "m.csv").write_text("\n".join([",".join(rows[0]), *lines]), encoding="utf-8")
    before = set(tmp_path.iterdir())
    given = {"noise": [str(corpus / "near")], "kind": "baseline-c", "cache": str(corpus / "cache")} | SMALL
    folder = train_trnet(data=tmp_path / "m.csv", output=tmp_path / "in" / "run", **given)
    assert set(tmp_path.iterdir()) - before == {tmp_path / "in"}
    assert set((tmp_path / "in").iterdir()) == {folder}
    assert len({path for path in (folder / "folds").iterdir() if (path / "run.json").is_file()}) == 4
    assert set(read_predictions(folder)["speaker"]) == set(names.values())


def test_the_teachers_can_be_another_run(corpus, done, teachers, tmp_path):
    again = run(corpus, tmp_path / "t", speakers=["a", "c"], teacher=str(teachers))
    assert not (again / "folds" / "a" / "teacher").exists()
    pd.testing.assert_frame_equal(read_predictions(again), read_predictions(done))
    with pytest.raises(AuricleError, match="baseline-c is"):
        run(corpus, tmp_path / "u", speakers=["a"], teacher=str(done))
    with pytest.raises(AuricleError, match="another fold"):
        run(corpus, tmp_path / "v", speakers=["a"], teacher=str(teachers), pairs=["a-d", "b-c"])


def averaged(*runs: Path) -> list[list[str]]:
    """The names of the runs that count as seeds of one model, by model."""
    groups = group_models(ComparedEmotions(), [read_result(folder) for folder in runs])
    return [[result.folder.name for result in group] for group in groups]


@pytest.mark.slow
def test_runs_are_seeds_of_one_another_if_their_teachers_are(corpus, done, teachers, tmp_path):
    longer = run(corpus, tmp_path / "c2", kind="baseline-c", speakers=["a", "c"], training=replace(ONE_EPOCH, epochs=2))
    other = run(corpus, tmp_path / "c3", kind="baseline-c", speakers=["a", "c"], seed=3)
    given = {"t1": teachers, "t2": longer, "t3": other}
    runs = [
        run(corpus, tmp_path / name, speakers=["a", "c"], seed=seed, teacher=str(teacher))
        for seed, (name, teacher) in enumerate(given.items(), start=1)
    ]
    assert averaged(done, *runs) == [["t", "t1", "t3"], ["t2"]]


@pytest.mark.slow
def test_runs_with_another_enhancer_of_the_same_path_are_no_seeds(corpus, tmp_path):
    from auricle.systems.cmgan import CMGAN

    def trained(name: str, seed: int, enhancer: str, its_seed: int = 0) -> Path:
        CMGAN.build("cmgan-small", size={"channels": 4, "blocks": 1, "heads": 1, "dense_depth": 1}, seed=its_seed).save(
            tmp_path / enhancer
        )
        return run(
            corpus, tmp_path / name, kind="baseline-e", speakers=["a"], seed=seed, enhancer=str(tmp_path / enhancer)
        )

    runs = trained("a", 0, "cmgan"), trained("b", 1, "cmgan", its_seed=1), trained("c", 2, "moved")
    assert averaged(*runs) == [["a", "c"], ["b"]]


def test_figures_of_weights_that_a_fold_no_longer_has_are_refused(done, tmp_path):
    run = shutil.copytree(done, tmp_path / "run")
    assert find_results([run])[0].folds == sorted(path.name for path in (run / "folds").iterdir())
    fold = next((run / "folds").iterdir())
    weights = {name: value + 1 for name, value in load_file(fold / "model.safetensors").items()}
    save_file(weights, fold / "model.safetensors")
    with pytest.raises(AuricleError, match="had other weights when it was measured"):
        find_results([run])


def test_a_baseline_has_no_coefficient_and_no_enhancer(teachers):
    table = read_predictions(teachers)
    assert table["coefficient"].isna().all()
    assert not (teachers / "folds" / "a" / "teacher").exists()


def test_the_published_variant_and_the_other_kinds_train(corpus, tmp_path):
    for kind, variant in (("trnet", "published"), ("baseline-e", "paper"), ("no-low", "paper")):
        folder = run(corpus, tmp_path / f"{kind}-{variant}", kind=kind, variant=variant, speakers=["a"])
        assert len(read_predictions(folder)) == 20


def test_an_enhancer_is_kept_with_the_fold_and_its_noises_are_left_out(corpus, tmp_path):
    from auricle.systems.cmgan import CMGAN

    enhancer = tmp_path / "cmgan"
    size = {"channels": 4, "blocks": 1, "heads": 1, "dense_depth": 1}
    CMGAN.build("cmgan-small", size=size).save(enhancer)
    rows = ["source,split,name,sha256"]
    rows += [
        f"x,{s},y,{file_digest(corpus / 'near' / n)}" for n, s in (("near-0.wav", "train"), ("near-1.wav", "test"))
    ]
    (enhancer / NOISES).write_text("\n".join(rows), encoding="utf-8")
    folder = run(corpus, tmp_path / "e", kind="baseline-e", speakers=["a"], enhancer=str(enhancer))
    sources = set(pd.read_csv(folder / "noises.csv")["source"])
    assert "near-0" not in sources
    assert "near-1" in sources
    own = folder / "folds" / "a"
    assert load(own).config["enhancer"] == "enhancer"
    waveform = 0.1 * np.random.default_rng(0).standard_normal(4000).astype(np.float32)
    first, second = (load(path).enhance(waveform, RATE) for path in (enhancer, own / "enhancer"))
    assert np.array_equal(first, second)


def test_an_enhancer_that_heard_the_test_speaker_is_refused(corpus, tmp_path):
    digest = file_digest(corpus / "a0.wav")
    lines = ["task,clip,split,group,labels,start_s,end_s,sha256,path", f"speech,x.wav,train,x,,0.0,,{digest},/x.wav"]
    (tmp_path / "clips.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(AuricleError, match="1 clips of the speaker a"):
        run(corpus, tmp_path / "t", enhancer=str(tmp_path), speakers=["a"])


def test_a_source_in_both_noises_is_refused(corpus, tmp_path):
    with pytest.raises(AuricleError, match="8 sources are in the noise and in the unmatched"):
        run(corpus, tmp_path / "t", unmatched_noise=[str(corpus / "near")])


def test_training_lowers_every_loss_that_counts(corpus, tmp_path):
    training = Training(epochs=6, batch_size=8, accelerator="cpu")
    folder = run(corpus, tmp_path / "t", speakers=["a"], training=training)
    history = pd.read_csv(folder / "folds" / "a" / "history.csv")
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]
    assert torch.isfinite(torch.tensor(history["val_loss"].to_numpy())).all()
