from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
import torch
import yaml
from safetensors.torch import load_file

from auricle.__main__ import main
from auricle.errors import duration_text
from auricle.runs.history import read_history
from auricle.studies.grid.scores import GridScores
from auricle.systems import load
from drawing import undrawn
from sounds import PITCHES_HZ, tone_folder, tone_manifest, write_tone
from tasks.run_record import check_run_record

pytestmark = pytest.mark.figures("undrawn")
QUICK = ["--frontend-options.n_filters=16", "--optimization.learning-rate=3e-3", "--training.batch-size=8"]


def auricle(*arguments):
    """Run a command line in this process; returns its exit code."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


def auricle_fails(capsys, *arguments, code=2):
    """Run one that has to end with a bad input or, with code 3, with files that failed; returns its single line."""
    capsys.readouterr()
    assert auricle(*arguments) == code
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("auricle: ")
    return lines[0]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tone_manifest(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "tones"
    assert auricle("train", "classifier", "--data", data, "--output", folder, "--training.epochs=30", *QUICK) == 0
    return folder


@pytest.fixture(scope="module")
def second(data, tmp_path_factory):
    """A run with a cheap front-end, trained in noise."""
    folder = tmp_path_factory.mktemp("runs") / "mel"
    command = ["train", "classifier", "--data", data, "--output", folder, "--training.epochs=4", "--frontend=mel"]
    assert auricle(*command, "--augmentation.conditions=complex", *QUICK[1:]) == 0
    return folder


class TestTrain:
    def test_the_run_folder_is_complete(self, run):
        names = {path.name for path in run.iterdir()}
        assert names >= {
            "config.json", "model.safetensors", "labels.json", "settings.yaml", "clips.csv", "history.csv",
            "metrics.json", "README.md", "plots", "run.json",
        }  # fmt: skip
        assert "checkpoints" not in names
        record = check_run_record(run, "classifier")
        assert record["seed"] == 0
        assert record["versions"]["torch"] == torch.__version__
        history = read_history(run / "history.csv")
        losses = [float(row["val_loss"]) for row in history]
        assert record["epochs"] == len(history) == 30
        assert losses[record["best_epoch"] - 1] == min(losses) == record["best_val_loss"]
        assert 0 < record["training_hours"] < record["seconds_of_last_session"] / 3600
        card = (run / "README.md").read_text()
        assert f"Trained for 30 epochs in {duration_text(3600 * record['training_hours'])};" in card
        for spectrogram in (run / "plots").iterdir():
            assert f"plots/{spectrogram.name}" in card

    def test_it_learns(self, run):
        assert json.loads((run / "metrics.json").read_text())["tasks"]
        history = read_history(run / "history.csv")
        assert float(history[-1]["train_loss"]) < 0.7 * float(history[0]["train_loss"])

    def test_splits_share_no_speaker_and_the_test_split_is_the_datas_own(self, run):
        table = pd.read_csv(run / "clips.csv")
        groups = table.groupby("split")["group"].agg(set)
        assert groups["test"] == {"s3"}
        assert not groups["train"] & groups["valid"]
        assert len(table) == 36

    def test_a_finished_run_is_not_overwritten_unasked(self, run, data, capsys):
        line = auricle_fails(capsys, "train", "classifier", "--data", data, "--output", run)
        assert "finished run" in line
        assert "--overwrite" in line

    @pytest.mark.slow
    def test_settings_can_be_given_again(self, run, data, tmp_path):
        again = tmp_path / "again"
        assert auricle("train", "classifier", "--config", run / "settings.yaml", "--output", again) == 0
        first, second = load_file(run / "model.safetensors"), load_file(again / "model.safetensors")
        for name, value in first.items():
            torch.testing.assert_close(value, second[name], rtol=0, atol=0)

    @pytest.mark.slow
    def test_a_killed_training_goes_on_as_if_nothing_had_happened(self, run, data, tmp_path):
        folder = tmp_path / "killed"
        command = [
            sys.executable, "-m", "auricle", "train", "classifier", "--data", str(data), "--output", str(folder),
            "--training.epochs=30", *QUICK,
        ]  # fmt: skip
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.time() + 120
        history = folder / "history.csv"
        while process.poll() is None and time.time() < deadline:
            if history.exists() and len(history.read_text().splitlines()) >= 3:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.005)
        process.wait()
        assert not (folder / "run.json").exists(), "the training was too quick to be killed"
        with pytest.raises(ValueError, match="has not finished"):
            load(folder)
        assert auricle(*command[3:]) == 0
        resumed = [row["epoch"] for row in read_history(history)]
        assert resumed == [str(i + 1) for i in range(30)]
        whole, pieces = load_file(run / "model.safetensors"), load_file(folder / "model.safetensors")
        for name, value in whole.items():
            torch.testing.assert_close(pieces[name], value, rtol=0, atol=0)

    def test_balanced_batches_of_random_length_with_everything_else(self, data, tmp_path):
        folder = tmp_path / "run"
        command = ["train", "classifier", "--data", data, "--output", folder, "--training.epochs=2", "--short=repeat"]
        command += ["--training.balance=true", "--training.window-range-s", "[0.4, 0.9]", "--window-s=0.5"]
        command += ["--augmentation.conditions=complex", "--augmentation.spec-masks=2", "--augmentation.mixup=0.2"]
        command += ["--training.num-workers=1", "--training.early-stop=1", "--optimization.schedule=plateau"]
        assert auricle(*command, *QUICK) == 0
        settings = yaml.safe_load((folder / "settings.yaml").read_text())
        assert settings["training"]["window_range_s"] == [0.4, 0.9]
        assert load(folder).window == 4000

    def test_several_labels_are_not_balanced(self, data, tmp_path, capsys):
        manifest = data.parent / "tags.csv"
        manifest.write_text(data.read_text().replace("low,s0", "low;high,s0"))
        train = ["train", "classifier", "--data", f"tags={manifest}", "--output", tmp_path / "run"]
        assert "clips of 'tags' have several labels" in auricle_fails(capsys, *train, "--training.balance=true")
        assert not (tmp_path / "run").exists()

    def test_an_unfinished_run_refuses_other_settings(self, run, data, tmp_path, capsys):
        folder = tmp_path / "unfinished"
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "checkpoints" / "last.ckpt").touch()
        (folder / "settings.yaml").write_text((run / "settings.yaml").read_text())
        line = auricle_fails(
            capsys, "train", "classifier", "--config", run / "settings.yaml", "--output", folder, "--seed=9"
        )
        assert "seed was 0 and is 9" in line

    def test_fine_tuning_starts_from_the_run_and_leaves_frozen_parts(self, run, data, tmp_path):
        folder = tmp_path / "tuned"
        code = auricle(
            "train", "classifier", "--data", data, "--output", folder, "--init-from", run,
            "--freeze", "frontend", "backbone.blocks.0", "--training.epochs=1", *QUICK[1:],
        )  # fmt: skip
        assert code == 0
        before, after = load_file(run / "model.safetensors"), load_file(folder / "model.safetensors")
        for name, value in after.items():
            same = torch.equal(before[name], value)
            assert same if name.startswith(("frontend.", "backbone.blocks.0.")) else True
        assert not torch.equal(before["heads.weight"], after["heads.weight"])

    def test_fine_tuning_takes_no_other_front_end(self, run, data, tmp_path, capsys):
        line = auricle_fails(
            capsys, "train", "classifier", "--data", data, "--output", tmp_path / "x", "--init-from", run,
            "--frontend=mel", "--sample-rate=4000", "--window-s=0.5",
        )  # fmt: skip
        assert "frontend, sample_rate cannot be chosen with --init-from" in line

    def test_a_front_end_of_another_rate_than_the_clips_is_refused(self, data, tmp_path, capsys):
        line = auricle_fails(
            capsys, "train", "classifier", "--data", data, "--output", tmp_path / "x", "--frontend", "mel",
            "--sample-rate=4000", "--frontend-options", '{"sample_rate": 2000}',
        )  # fmt: skip
        assert "sample_rate=2000 of the front-end: clips are read at 4000 Hz" in line

    def test_a_training_does_not_go_on_with_other_clips(self, data, tmp_path, capsys):
        manifest = data.parent / "shrinking.csv"
        manifest.write_text(data.read_text())
        folder = tmp_path / "run"
        train = ["train", "classifier", "--data", manifest, "--output", folder, "--training.epochs=1", *QUICK]
        assert auricle(*train) == 0
        (folder / "run.json").unlink()
        (folder / "checkpoints").mkdir()
        (folder / "checkpoints" / "last.ckpt").touch()
        manifest.write_text("\n".join(data.read_text().splitlines()[:-4]))
        assert "whose clips were others" in auricle_fails(capsys, *train)

    def test_a_diverging_training_says_so_and_leaves_no_model(self, data, tmp_path, capsys):
        folder = tmp_path / "run"
        train = ["train", "classifier", "--data", data, "--output", folder, "--frontend=mel", "--training.epochs=3"]
        assert "learning-rate" in auricle_fails(capsys, *train, "--optimization.learning-rate=1e30")
        assert not (folder / "model.safetensors").exists()
        assert auricle(*train, "--overwrite", "--training.batch-size=8", "--optimization.learning-rate=1e-3") == 0

    @pytest.mark.slow
    def test_an_interrupted_training_says_how_to_go_on(self, data, tmp_path):
        folder = tmp_path / "run"
        command = [
            sys.executable, "-m", "auricle", "train", "classifier", "--data", str(data), "--output", str(folder),
            "--training.epochs=2000", *QUICK,
        ]  # fmt: skip
        process = subprocess.Popen(
            command,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a background job ignores interrupts
        )
        deadline = time.time() + 120
        while not (folder / "history.csv").exists() and process.poll() is None and time.time() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        assert b"run the same command again to resume" in errors

    def test_seeds_share_their_test_clips(self, tmp_path):
        folder = tone_folder(tmp_path / "sounds")
        tables = []
        for seed in (0, 1):
            run = tmp_path / f"run{seed}"
            auricle(
                "train",
                "classifier",
                "--data",
                folder,
                "--output",
                run,
                f"--seed={seed}",
                "--training.epochs=1",
                *QUICK,
            )
            tables.append((run / "clips.csv").read_text())
        assert tables[0] == tables[1]

    def test_a_folder_without_splits_gets_a_test_split(self, tmp_path):
        folder = tone_folder(tmp_path / "sounds")
        run = tmp_path / "run"
        code = auricle("train", "classifier", "--data", folder, "--output", run, "--training.epochs=1", *QUICK)
        assert code == 0
        assert set(pd.read_csv(run / "clips.csv")["split"]) == {"train", "valid", "test"}
        assert auricle("evaluate", run, "--data", folder) == 0
        result = json.loads((run / "evaluation" / "sounds-test" / "results.json").read_text())
        assert result["data"]["n_clips"] == 6

    @pytest.mark.slow
    def test_two_data_sets_share_a_model(self, data, tmp_path):
        other = tone_folder(tmp_path / "other", duration_s=0.7)
        run = tmp_path / "both"
        code = auricle(
            "train", "classifier", "--data", f"one={data}", f"two={other}", "--output", run,
            "--training.epochs=2", *QUICK,
        )  # fmt: skip
        assert code == 0
        model = load(run)
        assert [task.name for task in model.tasks] == ["one", "two"]
        assert auricle("evaluate", run, "--data", data, "--task", "one") == 0
        assert auricle("predict", run, other / "low", "--output", tmp_path / "p") == 0
        tables = pd.concat(pd.read_csv(path) for path in (tmp_path / "p").glob("*.csv"))
        assert set(tables["task"]) == {"one", "two"}


class TestEvaluate:
    def test_clean_and_in_noise(self, run, data, capsys):
        assert auricle("evaluate", run, "--data", data, "--split", "test", "--snr", 20, 0, -20) == 0
        folder = run / "evaluation" / f"{data.parent.name}-test-snr20+0+-20"
        table = pd.read_csv(folder / "results.csv")
        accuracy = table[table["metric"] == "accuracy"].set_index("condition")["value"]
        assert list(accuracy.index) == ["clean", "gaussian 20 dB", "gaussian 0 dB", "gaussian -20 dB"]
        assert accuracy["clean"] > accuracy["gaussian -20 dB"]
        predictions = pd.read_csv(folder / "predictions.csv")
        clean = predictions[predictions["condition"] == "clean"]
        assert (clean["labels"] == clean["predicted"]).mean() == pytest.approx(accuracy["clean"])
        with np.load(folder / "scores.npz") as scores:
            right = scores["clean"].argmax(1) == scores["targets"].argmax(1)
        assert right.mean() == pytest.approx(accuracy["clean"])
        assert "clips of test" in capsys.readouterr().out

    def test_clips_are_known_by_their_files_not_by_their_names(self, run, data, tmp_path, capsys):
        absolute = tmp_path / "absolute.csv"
        lines = data.read_text().splitlines()
        rows = [f"{data.parent}/{line}" for line in lines[1:] if line.endswith("train")]
        absolute.write_text("\n".join([lines[0], *rows]))
        line = auricle_fails(capsys, "evaluate", run, "--data", absolute, "--split", "train")
        assert f"was trained on {len(rows)} of these {len(rows)} clips, first {data.parent}" in line
        assert "choose others with --split or --fold" in line
        other = tone_manifest(tmp_path / data.parent.name)
        for path in other.parent.rglob("*.wav"):
            write_tone(path, 500.0, 0.7, seed=1)
        assert auricle("evaluate", run, "--data", data, "--split", "test") == 0
        line = auricle_fails(capsys, "evaluate", run, "--data", other, "--split", "test")
        assert "holds an evaluation of other clips" in line
        assert auricle("evaluate", run, "--data", other, "--split", "train", "--output", tmp_path / "e") == 0

    @pytest.mark.slow
    @pytest.mark.figures("drawn")
    def test_compare_writes_a_page(self, run, data, tmp_path):
        other = tmp_path / "mel"
        auricle(
            "train", "classifier", "--data", data, "--output", other, "--frontend=mel", "--training.epochs=1", *QUICK
        )
        for one in (run, other):
            auricle("evaluate", one, "--data", data, "--split", "test", "--snr", 10)
        page = tmp_path / "docs" / "page.md"
        own = run / "evaluation" / f"{data.parent.name}-test-snr10"
        assert auricle("compare", own, other, "--output", page) == 0
        text = page.read_text()
        assert "| mel (n_filters=16) | 0 | 1 |" in text
        assert "gaussian 10 dB" in text
        for name in (page.parent / "page").iterdir():
            assert f"page/{name.name}" in text

    def test_compare_averages_seeds_and_nothing_else(self, data, tmp_path, capsys):
        runs = {"a": ["--seed=0"], "b": ["--seed=1"], "c": ["--seed=0", "--optimization.weight-decay=0.1"]}
        for name, options in runs.items():
            train = ["train", "classifier", "--data", data, "--frontend=mel", "--training.epochs=1", *QUICK, *options]
            auricle(*train, "--output", tmp_path / name)
            auricle("evaluate", tmp_path / name, "--data", data)
        page = tmp_path / "page.md"
        assert auricle("compare", tmp_path / "a", tmp_path / "b", "--output", page) == 0
        assert "| mel (n_filters=16) | 0 | 2 |" in page.read_text()
        assert auricle("compare", tmp_path / "a", tmp_path / "c", "--output", page) == 0
        assert "mel (n_filters=16), a | 0 | 1 |" in page.read_text()
        again = ["compare", tmp_path / "a", tmp_path / "b", tmp_path / "a" / "evaluation", "--output", page]
        assert "the same run is given more than once" in auricle_fails(capsys, *again)
        line = auricle_fails(capsys, "compare", tmp_path / "a", "--baseline", "wavenet", "--output", page)
        assert "unknown baseline 'wavenet'" in line


class TestPredict:
    def test_every_format(self, run, tmp_path):
        write_tone(tmp_path / "long.flac", PITCHES_HZ["high"], 3.3, seed=1, rate=22_050)
        write_tone(tmp_path / "short.wav", PITCHES_HZ["low"], 0.2, seed=2)
        for table_format in ("csv", "audacity", "raven"):
            output = tmp_path / table_format
            code = auricle(
                "predict", run, tmp_path / "long.flac", tmp_path / "short.wav", "--format", table_format,
                "--output", output,
            )  # fmt: skip
            assert code == 0
        table = pd.read_csv(tmp_path / "csv" / "long.csv")
        assert list(table.columns) == ["file", "task", "start_s", "end_s", "label", "probability"]
        assert table["start_s"].tolist() == [0.0, 1.0, 2.0]
        assert len(pd.read_csv(tmp_path / "csv" / "short.csv")) == 1
        audacity = pd.read_csv(tmp_path / "audacity" / "long.labels.txt", sep="\t", header=None)
        np.testing.assert_allclose(audacity[0], table["start_s"])
        np.testing.assert_allclose(audacity[1], table["end_s"])
        raven = pd.read_csv(tmp_path / "raven" / "long.selections.txt", sep="\t")
        np.testing.assert_allclose(raven["Begin Time (s)"], table["start_s"])
        assert raven["Label"].tolist() == table["label"].tolist()
        assert raven["High Freq (Hz)"].unique().tolist() == [11025]

    def test_a_bad_file_stops_nobody_else(self, run, tmp_path, capsys):
        write_tone(tmp_path / "in" / "b.wav", 900.0, 1.0, seed=3)
        (tmp_path / "in" / "a.wav").write_text("this is text")
        line = auricle_fails(capsys, "predict", run, tmp_path / "in", "--output", tmp_path / "out", code=3)
        assert "1 of 2 files" in line
        assert "a.wav" in line
        assert len(pd.read_csv(tmp_path / "out" / "b.csv")) == 1
        assert not (tmp_path / "out" / "a.csv").exists()

    def test_files_of_the_same_name_have_tables_of_their_own(self, run, tmp_path):
        output = tmp_path / "out"
        for k, site in enumerate(("s1", "s2")):
            write_tone(tmp_path / site / "0600.wav", 900.0, 1.0, seed=3 + k)
            write_tone(tmp_path / site / "deep" / "0600.wav", 900.0, 2.0, seed=6 + k)
            assert auricle("predict", run, tmp_path / site, "--output", output) == 0
        sources = [pd.read_csv(path)["file"][0] for path in output.rglob("*.csv")]
        assert len(sources) == len(set(sources)) == 4
        tables = {path: path.read_text() for path in output.rglob("*.csv")}
        write_tone(tmp_path / "s1" / "0600.wav", 300.0, 3.0, seed=5)
        assert auricle("predict", run, tmp_path / "s2", tmp_path / "s1", "--output", output) == 0
        changed = [path for path, text in tables.items() if path.read_text() != text]
        assert len(changed) == 1
        assert len(pd.read_csv(changed[0])) == 3

    def test_it_goes_on_where_it_was_and_mixes_no_models(self, run, tmp_path, capsys):
        write_tone(tmp_path / "in" / "a.wav", 900.0, 1.0, seed=3)
        output = tmp_path / "out"
        assert auricle("predict", run, tmp_path / "in", "--output", output) == 0
        stamp = (output / "a.csv").stat().st_mtime_ns
        write_tone(tmp_path / "in" / "b.wav", 900.0, 1.0, seed=4)
        assert auricle("predict", run, tmp_path / "in", "--output", output) == 0
        assert (output / "a.csv").stat().st_mtime_ns == stamp
        assert (output / "b.csv").exists()
        line = auricle_fails(capsys, "predict", run, tmp_path / "in", "--output", output, "--top-k=2")
        assert "--overwrite" in line
        assert auricle("predict", run, tmp_path / "in", "--output", output, "--top-k=2", "--overwrite") == 0
        only = tmp_path / "in" / "a.wav"
        assert auricle("predict", run, only, "--output", output, "--top-k=3", "--overwrite") == 0
        assert not (output / "b.csv").exists(), "a table of other options would pass for one of these"
        assert len(pd.read_csv(output / "a.csv")) == 3
        assert auricle("predict", run, only, "--output", output, "--top-k=2", "--overwrite") == 0
        assert len(pd.read_csv(output / "a.csv")) == 2


class TestBadInput:
    def test_each_gets_one_clear_line(self, run, tmp_path, capsys):
        out = ["--output", tmp_path / "out"]
        train = ["train", "classifier", *out]
        assert "no such manifest" in auricle_fails(capsys, *train, "--data", tmp_path / "nowhere")
        (tmp_path / "unlabelled.csv").write_text("path,colour\na.wav,red\n")
        assert "--label-column" in auricle_fails(capsys, *train, "--data", tmp_path / "unlabelled.csv")
        folder = tone_folder(tmp_path / "tones", 4)
        line = auricle_fails(capsys, *train, "--data", folder, "--frontend", "leef")
        assert "did you mean 'leaf'" in line
        line = auricle_fails(capsys, *train, "--data", folder, "--backbone", "cnn-smal")
        assert "did you mean 'cnn-small'" in line
        assert "unexpected keyword" in auricle_fails(capsys, *train, "--data", folder, "--frontend-options.filters=3")
        assert "not a model folder" in auricle_fails(capsys, "evaluate", tmp_path, "--data", folder)
        assert "no such folder" in auricle_fails(capsys, "predict", tmp_path / "nothing", "a.wav")
        line = auricle_fails(capsys, "predict", run, tmp_path / "missing.wav", "--output", tmp_path / "p")
        assert "missing.wav" in line
        assert "'csb'; did you mean 'csv'" in auricle_fails(
            capsys, "predict", run, folder, "--format", "csb", "--output", tmp_path / "p"
        )
        line = auricle_fails(capsys, "export", run, "--output", tmp_path / "m.onnx", "--format", "onx")
        assert "'onx'; did you mean 'onnx'" in line
        assert "did you mean 'gaussian'" in auricle_fails(
            capsys, "evaluate", run, "--data", folder, "--noise", "gausian", "--snr", 3
        )
        assert "did you mean 'frontends'" in auricle_fails(capsys, "list", "frontend")
        (tmp_path / "odd.yaml").write_text("training:\n  rounds: 3\n")
        assert "rounds" in auricle_fails(capsys, *train, "--data", folder, "--config", tmp_path / "odd.yaml")
        assert "missing: --data, --output" in auricle_fails(capsys, "train", "classifier")
        assert "epochs" in auricle_fails(capsys, *train, "--data", folder, "--training.epochs", "many")
        for option in ("training.epochs=0", "training.batch-size=-4", "optimization.learning-rate=-1", "seed=-1",
                       "augmentation.mixup=-1", "training.accelerator=tpux", "training.precision=7",
                       "training.window-range-s=[2,1]", "training.window-range-s=[1e-9,1]"):  # fmt: skip
            auricle_fails(capsys, *train, "--data", folder, f"--{option}")
        assert auricle(*train, "--data", folder, "--training.epochs=1", *QUICK) == 0
        (tmp_path / "file").touch()
        auricle_fails(capsys, "train", "classifier", "--data", folder, "--output", tmp_path / "file" / "sub")
        auricle_fails(capsys, "compare", run, "--output", tmp_path / "file" / "page.md")
        auricle_fails(capsys, "predict", run, folder, "--hop-s=5", "--output", tmp_path / "p")

    def test_bad_files_are_listed_together_or_skipped(self, tmp_path, capsys):
        folder = tone_folder(tmp_path / "tones", 6)
        (folder / "low" / "bad.wav").write_text("text")
        sf.write(folder / "high" / "none.wav", np.zeros(0), 8000)
        train = ["train", "classifier", "--data", folder, "--output", tmp_path / "run", "--training.epochs=1", *QUICK]
        assert auricle(*train) == 2
        message = capsys.readouterr().err
        assert "bad.wav" in message
        assert "none.wav" in message
        sf.write(folder / "low" / "nan.wav", np.full(800, np.nan), 8000, subtype="FLOAT")
        assert auricle(*train, "--skip-bad") == 0
        assert "nan.wav: 800 samples are not finite" in (tmp_path / "run" / "README.md").read_text()
        assert "bad.wav" in (tmp_path / "run" / "README.md").read_text()


def test_no_warning_of_a_library_reaches_the_user():
    command = [sys.executable, "-m", "auricle", "list", "suites"]
    errors = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert errors.splitlines() == ["next: auricle stress runs/mine --data my-sounds --suite NAME"]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["train", "classifier", "--help"], ["list", "frontends"], ["list", "suites", "--json"]]
)
def test_help_and_lists_are_quick_because_nothing_heavy_is_imported(arguments):
    program = (
        "import sys, contextlib\n"
        "from auricle.__main__ import main\n"
        f"with contextlib.suppress(SystemExit):\n    main({arguments})\n"
        "heavy = {'numpy', 'torch', 'lightning', 'pandas', 'matplotlib', 'soundfile'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("what", ["frontends", "backbones", "corpora"])
def test_lists(what, capsys):
    assert auricle("list", what) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 9
    assert all(len(line.split(maxsplit=1)) == 2 for line in lines)


def test_check_reports_and_fails_on_unusable_files(tmp_path, capsys):
    folder = tone_folder(tmp_path / "tones", 3)
    assert auricle("check", folder) == 0
    (folder / "low" / "bad.wav").write_text("text")
    assert auricle("check", folder, "--output", tmp_path / "report.json") == 2
    assert "bad.wav" in capsys.readouterr().out
    assert json.loads((tmp_path / "report.json").read_text())


class TestExport:
    @pytest.fixture(scope="class")
    def exported(self, second, data, tmp_path_factory):
        """Both files, and what the command printed."""
        folder = tmp_path_factory.mktemp("exported")
        files = folder / "model.onnx", folder / "model.int8.onnx"
        with contextlib.redirect_stdout(io.StringIO()) as said:
            assert auricle("export", second, "--output", files[0], "--int8", files[1], "--data", data) == 0
        return *files, said.getvalue()

    @pytest.mark.slow
    def test_the_same_table_as_the_run(self, second, exported, tmp_path):
        write_tone(tmp_path / "tone.wav", PITCHES_HZ["low"], 3.3, seed=5)
        tables = []
        for model in (second, *exported[:2]):
            output = tmp_path / str(len(tables))
            assert auricle("predict", model, tmp_path / "tone.wav", "--output", output) == 0
            tables.append(pd.read_csv(output / "tone.csv"))
        pd.testing.assert_frame_equal(tables[0], tables[1], atol=2e-6, rtol=0)
        assert (tables[0]["label"] == tables[2]["label"]).all()
        assert (tables[0]["probability"] - tables[2]["probability"]).abs().max() < 0.2

    @pytest.mark.slow
    def test_size_latency_and_accuracy_are_printed(self, exported):
        floating, integer, said = exported
        assert "differs from the model by" in said
        for kind in ("float32", "int8"):
            assert any(
                line.startswith(kind) and "MB" in line and "ms" in line and "%" in line for line in said.splitlines()
            )
        assert integer.stat().st_size < 0.8 * floating.stat().st_size

    def test_int8_without_data(self, second, tmp_path, capsys):
        line = auricle_fails(capsys, "export", second, "--output", tmp_path / "a.onnx", "--int8", tmp_path / "b.onnx")
        assert "--data" in line


class TestListen:
    def pcm(self, path, kind="<i2", scale=2**15, rate=8000):
        waveform, _ = sf.read(path, dtype="float32")
        return (waveform * (scale - 1)).astype(kind).tobytes()

    def listen(self, run, pcm, *options):
        command = [sys.executable, "-m", "auricle", "listen", str(run), *map(str, options)]
        return subprocess.run(command, input=pcm, capture_output=True, check=False)

    def test_labels_are_those_of_continuous_prediction(self, run, tmp_path):
        write_tone(tmp_path / "tone.wav", PITCHES_HZ["low"], 3.0, seed=5)
        result = self.listen(run, self.pcm(tmp_path / "tone.wav"), "--output", tmp_path / "heard.csv")
        assert result.returncode == 0, result.stderr
        table = pd.read_csv(tmp_path / "heard.csv")
        model = load(run)
        waveform = torch.from_numpy(sf.read(tmp_path / "tone.wav", dtype="float32")[0])
        with torch.no_grad():
            expected = torch.softmax(model.window_logits(waveform, continuous=True), -1)
        assert list(table["label"]) == [model.task().labels[int(row.argmax())] for row in expected]
        np.testing.assert_allclose(table["probability"], expected.amax(1).numpy(), atol=1e-3)
        assert (table["latency_ms"] > 0).all()
        assert len(result.stdout.decode().splitlines()) == 3
        assert b"latency" in result.stderr

    def test_another_rate_and_format(self, run, tmp_path, monkeypatch, capsys):
        write_tone(tmp_path / "tone.wav", PITCHES_HZ["high"], 3.0, seed=5, rate=16000)
        pcm = self.pcm(tmp_path / "tone.wav", "<f4", 2)
        (tmp_path / "pcm").write_bytes(pcm)
        capsys.readouterr()
        with open(tmp_path / "pcm") as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            assert auricle("listen", run, "--input-rate", 16000, "--sample-format", "f32le", "--hop-s", 0.5) == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert [float(line[0]) for line in lines[:4]] == [0.0, 0.5, 1.0, 1.5]
        assert {line[2] for line in lines} == {"high"}

    def test_no_input(self, run, monkeypatch, capsys):
        with open(os.devnull) as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            assert auricle("listen", run) == 2
        assert capsys.readouterr().err.strip().splitlines()[-1].endswith("ended before the first sample")


@pytest.mark.slow
class TestStress:
    @pytest.fixture(scope="class")
    def report(self, run, second, data, tmp_path_factory):
        folder = tmp_path_factory.mktemp("stress") / "full"
        assert auricle("stress", run, second, "--data", data, "--output", folder) == 0
        return folder

    def test_every_answer_is_on_record(self, report):
        table = pd.read_csv(report / "cells.csv")
        assert set(table["model"]) == {"leaf (n_filters=16)", "mel"}
        assert table["cell"].nunique() == 52
        assert (table.groupby(["model", "cell"]).size() == table["clip"].nunique()).all()
        right = (table["predicted"] == table["labels"]).astype(int)
        assert (right == table["right"]).all()

    def test_clean_cells_are_the_evaluation(self, run, report, data, tmp_path):
        assert auricle("evaluate", run, "--data", data, "--output", tmp_path / "evaluation") == 0
        expected = pd.read_csv(tmp_path / "evaluation" / "predictions.csv").set_index("clip")
        table = pd.read_csv(report / "cells.csv")
        own = table[(table["model"] != "mel") & (table["cell"] == "clean")].set_index("clip")
        assert (own["predicted"] == expected.loc[own.index, "predicted"]).all()

    def test_what_training_met_is_said(self, report):
        table = pd.read_csv(report / "figures.csv").query("measure == 'CE'").set_index(["model", "corruption"])
        table = table["in_training"]
        assert table["mel", "babble"] == "met"
        assert table["mel", "codec"] == "not met"
        assert table["leaf (n_filters=16)", "babble"] == "not met"

    def test_the_page_needs_nothing_else(self, report):
        page = (report / "report.html").read_text(encoding="utf-8")
        for loading in ('src="http', "src='http", 'href="http', "@import", 'src="plots'):
            assert loading not in page
        for part in ("Accuracy in every condition", "How accuracy falls", "What is taken for what", "<audio"):
            assert part in page

    @pytest.mark.skipif(not shutil.which("chromium"), reason="needs a browser")
    @pytest.mark.parametrize("width", [390, 1100])
    def test_the_page_in_a_browser(self, report, tmp_path, width):
        """It renders, its script sorts a table, and nothing but tables is wider than the window."""
        page = (report / "report.html").read_text(encoding="utf-8")
        probe = """<script>addEventListener('load', () => {
            const table = document.querySelector('table:has(thead button)'), head = table.querySelectorAll('th')[0];
            const first = () => table.querySelector('tbody tr td, tbody tr th').textContent;
            const before = first(); (head.querySelector('button') || head).click(); const one = first();
            (head.querySelector('button') || head).click(); const two = first();
            document.title = JSON.stringify({before, one, two, wide: document.documentElement.scrollWidth,
                broken: [...document.images].filter(i => !i.naturalWidth).length});
        });</script>"""
        (tmp_path / "probe.html").write_text(page.replace("</body>", probe + "</body>"), encoding="utf-8")
        command = [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--window-size={width},900",
            "--dump-dom",
        ]
        dom = subprocess.run(
            [*command, f"file://{tmp_path / 'probe.html'}"], capture_output=True, text=True, check=True
        )
        title = re.search(r"<title>(.*?)</title>", dom.stdout)[1].replace("&quot;", '"')
        found = json.loads(title)
        assert found["one"] != found["two"]
        assert found["broken"] == 0
        assert found["wide"] <= max(width, 500)

    def test_finished_cells_are_kept(self, run, second, data, report):
        cells = report / "cells"
        kept = {path: path.stat().st_mtime_ns for path in cells.rglob("*.csv.gz")}
        assert len(kept) == 2 * 52
        gone, damaged = sorted(kept)[:2]
        gone.unlink()
        damaged.write_bytes(damaged.read_bytes()[:-9])
        before = pd.read_csv(report / "cells.csv")
        assert auricle("stress", run, second, "--data", data, "--output", report) == 0
        now = {path: path.stat().st_mtime_ns for path in cells.rglob("*.csv.gz")}
        assert {path for path in now if now[path] != kept[path]} == {gone, damaged}
        pd.testing.assert_frame_equal(pd.read_csv(report / "cells.csv"), before)

    def test_clips_of_the_training_are_refused(self, run, data, tmp_path, capsys):
        line = auricle_fails(capsys, "stress", run, "--data", data, "--split", "train", "--output", tmp_path / "x")
        assert "was trained on" in line
        assert "choose others with --split or --fold" in line

    def test_unknown_suite_and_baseline(self, run, data, tmp_path, capsys):
        assert "did you mean 'full'" in auricle_fails(capsys, "stress", run, "--data", data, "--suite", "ful")
        line = auricle_fails(capsys, "stress", run, "--data", data, "--baseline", "mel", "--output", tmp_path / "y")
        assert "baseline" in line


class TestGrid:
    @pytest.fixture(scope="class")
    def command(self, data, tmp_path_factory):
        folder = tmp_path_factory.mktemp("grid") / "out"
        command = ["compare", "--data", data, "--frontends", "mel,leaf-simppcen", "--seeds", 0, 1, "--output", folder]
        command += ["--training.epochs=1", "--training.batch-size=8", "--train-condition", "complex"]
        with undrawn():
            assert auricle(*command) == 0
        return command

    @pytest.mark.slow
    def test_every_run_and_the_table(self, command):
        folder = command[command.index("--output") + 1]
        assert {path.name for path in (folder / "runs" / "complex").iterdir()} == {
            f"{name}-seed{seed}" for name in ("mel", "leaf-simppcen") for seed in (0, 1)
        }
        table = pd.read_csv(folder / "table-complex.csv")
        assert list(table["front-end"]) == ["mel", "leaf-simppcen"]
        assert list(table["seeds"]) == [2, 2]
        assert table["best against the next"].notna().sum() == table["by, points"].notna().sum() == 1
        assert (folder / "complex-complex" / "report.html").exists()
        assert "mel" in (folder / "table-complex.md").read_text()

    @pytest.mark.slow
    def test_again_nothing_is_trained_or_measured(self, command, capsys):
        folder = command[command.index("--output") + 1]
        before = {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("model.safetensors")}
        capsys.readouterr()
        assert auricle(*command) == 0
        assert "training" not in capsys.readouterr().out
        assert before == {path: path.stat().st_mtime_ns for path in before}

    def test_other_options_are_refused(self, command, capsys):
        line = auricle_fails(capsys, *command, "--training.epochs=2")
        assert "training.epochs was 1 and is 2" in line

    @pytest.mark.slow
    def test_a_budget_cuts_the_epochs_of_all(self, data, tmp_path, capsys):
        command = ["compare", "--data", data, "--frontends", "mel", "mel-pcen", "--output", tmp_path / "grid"]
        assert auricle(*command, "--training.epochs=2", "--budget", 1) == 0
        assert "2 epochs in each of 2 trainings fit into 1 h" in capsys.readouterr().out
        line = auricle_fails(capsys, *command, "--budget", 1e-9)
        assert "too short" in line

    def test_clean_scores_are_those_of_the_metrics(self, command):
        folder = command[command.index("--output") + 1]
        scores = GridScores.read(folder / "scores-complex.npz")
        assert scores.probabilities.shape[:2] == (2, 2)
        np.testing.assert_allclose(scores.probabilities.sum(-1), 1.0, atol=2e-3)
        table = scores.table().set_index("front-end")
        cells = pd.read_csv(folder / "complex-complex" / "cells.csv")
        clean = cells[cells["corruption"] == "clean"].groupby("model")["right"].mean()
        for model in scores.models:
            assert table.loc[model, "top-1"].value == pytest.approx(clean[model], abs=1e-6)
        assert "On clean clips" in (folder / "table-complex.md").read_text()

    @pytest.mark.slow
    def test_options_of_front_ends_and_their_variations(self, data, tmp_path, capsys):
        command = ["compare", "--data", data, "--training.epochs=1", "--training.batch-size=8"]
        command += ["--frontends", "degram:n_filters=16", "--output", tmp_path / "grid"]
        assert auricle(*command, "--vary", "merge=max,mean", "order=2") == 0
        models = list(pd.read_csv(tmp_path / "grid" / "table-clean.csv")["front-end"])
        assert models == [f"degram (n_filters=16, merge={merge}, order=2)" for merge in ("max", "mean")]
        assert "give an option and its values" in auricle_fails(capsys, *command, "--vary", "merge")
        assert "name:option=value" in auricle_fails(capsys, *command[:-3], "mel:log", *command[-2:])

    def test_neither_runs_nor_data(self, tmp_path, capsys):
        assert "give runs to compare" in auricle_fails(capsys, "compare", "--output", tmp_path / "x.md")


class TestInspect:
    @pytest.mark.slow
    @pytest.mark.figures("drawn")
    def test_what_was_learnt_and_what_is_heard(self, run, tmp_path):
        write_tone(tmp_path / "tone.wav", PITCHES_HZ["low"], 1.0, seed=5)
        assert auricle("inspect", run, "--files", tmp_path / "tone.wav", "--output", tmp_path / "out") == 0
        drawn = {path.name.split("-")[0] for path in (tmp_path / "out" / "plots").iterdir()}
        assert drawn >= {"filter_responses", "pcen_parameters", "training", "seen"}
        page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
        assert "Dynamic range" in page
        assert "PCEN parameters; dotted: where training started." in page
        assert 'src="http' not in page
