"""Trainings of separators and autoencoders: run folders, going on after a kill, average queries, the command line."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from auricle import audio
from auricle.__main__ import main
from auricle.config import BalancedTraining, DataOptions, Optimization, PretrainingSplitOptions, SplitOptions, Training
from auricle.data.clip_store import ClipStore
from auricle.data.manifest import read_manifest
from auricle.data.splits import Splits, make_splits
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.runs.clips import clip_table
from auricle.runs.history import read_history
from auricle.systems import load
from auricle.systems.audiomae import AudioMAE
from auricle.systems.classifier.system import Classifier
from auricle.systems.separator import Separator
from auricle.tasks.evaluate import evaluate
from auricle.tasks.pretraining.data import read_splits
from auricle.tasks.pretraining.train import train_audiomae
from auricle.tasks.separation import anchors
from auricle.tasks.separation.data import AnchorMixtures
from auricle.tasks.separation.train import train_separator
from tasks.run_record import check_run_record

pytestmark = pytest.mark.figures("undrawn")
RATE = 8000
TONES_HZ = {"low": 300, "mid": 1200, "high": 3000}
SIZE: dict[str, Any] = {"n_fft": 128, "hop_length": 64, "channels": [4, 4, 4]}
MAE: dict[str, Any] = {
    "n_frames": 32,
    "n_bands": 32,
    "patch": 8,
    "width": 16,
    "depth": 1,
    "heads": 1,
    "decoder": "transformer",
}
MAE |= {"decoder_width": 8, "decoder_depth": 1, "decoder_heads": 1}
QUICK: dict[str, Any] = {
    "preset": "resunet30-small",
    "size": SIZE,
    "sample_rate": RATE,
    "segment_s": 0.2,
    "splits": SplitOptions(validation_share=0.4),
    "training": BalancedTraining(epochs=4, batch_size=4, steps_per_epoch=3),
    "optimization": Optimization(learning_rate=1e-2),
    "quiet": True,
}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tones of three classes, each from four sources, the last of which are for testing."""
    folder = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(0)
    time = np.arange(RATE // 2) / RATE
    rows = ["path,label,source,split"]
    for label, frequency in TONES_HZ.items():
        for k in range(5):
            tone = 0.2 * np.sin(2 * np.pi * frequency * (1 + 0.02 * k) * time + 6 * rng.random())
            audio.write(folder / f"{label}-{k}.wav", tone * (time > 0.1), RATE)
            rows.append(f"{label}-{k}.wav,{label},{label}{k},{'test' if k == 4 else 'train'}")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tagger, a detector and an autoencoder, none of them trained."""
    folder = tmp_path_factory.mktemp("models")
    for name, head in (("tagger", "linear"), ("detector", "max")):
        Classifier.build(
            sample_rate=RATE,
            window_s=0.2,
            frontend={"name": "mel", "n_filters": 32},
            backbone={"name": "cnn14", "channels": [2, 2, 2, 2, 2, 6]},
            head=head,
            tasks=[Task("tones", tuple(sorted(TONES_HZ)), multi_label=head == "max")],
        ).save(folder / name)
    AudioMAE.build(size=MAE).save(folder / "audiomae")
    return folder


BRIEF = BalancedTraining(epochs=1, batch_size=2, steps_per_epoch=1)


def copied(model: Path, folder: Path) -> Path:
    return Path(shutil.copytree(model, folder))


def train(sounds: Path, models: Path, output: Path, **options: Any) -> Path:
    return train_separator(data=sounds, output=output, **QUICK | {"tagger": models / "tagger"} | options)


@pytest.fixture(scope="module")
def run(sounds: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(sounds, models, tmp_path_factory.mktemp("runs") / "run", audiomae=str(models / "audiomae"))


class TestSeparator:
    def test_a_run_has_what_it_needs_and_learns(self, run: Path) -> None:
        history = read_history(run / "history.csv")
        assert float(history[-1]["train_loss"]) < float(history[0]["train_loss"])
        clips = pd.read_csv(run / "clips.csv")
        assert set(clips[clips["split"] == "test"]["clip"]) == {f"{label}-4.wav" for label in TONES_HZ}
        assert not set(clips[clips["split"] == "train"]["group"]) & set(clips[clips["split"] == "valid"]["group"])
        found = pd.read_csv(run / "anchors.csv")
        assert set(found["split"]) == {"train", "valid"}
        assert set(found["clip"]) == set(clips[clips["split"] != "test"]["clip"])
        assert found["start_s"].between(0.09, 0.3).all()
        card = (run / "README.md").read_text()
        assert "resunet30-small" in card
        assert "frozen, time_aligned" in card
        assert check_run_record(run, "separator")["epochs"] == 4

    def test_average_queries_are_means_over_the_training_clips(self, run: Path, sounds: Path) -> None:
        model = load(run)
        assert isinstance(model, Separator)
        assert list(model.queries) == sorted(TONES_HZ)
        found = pd.read_csv(run / "anchors.csv").query("split == 'train' and label == 'mid'")
        conditions = []
        for row in found.itertuples():
            start = round(float(str(row.start_s)) * RATE)
            segment = audio.read(sounds / str(row.clip))[0][start : start + RATE // 5]
            conditions.append(model.embed_query(torch.from_numpy(segment / np.abs(segment).max())[None])[0])
        torch.testing.assert_close(model.queries["mid"], torch.stack(conditions).mean(0))

    def test_tagger_and_frozen_encoder_stay_as_they_were(self, run: Path, models: Path) -> None:
        state = load(run).state_dict()
        for name, prefix in (("tagger", "tagger."), ("audiomae", "encoder.")):
            weights = load(models / name).state_dict()
            own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            assert own
            assert all(torch.equal(value, weights[key]) for key, value in own.items())

    def test_raw_queries_are_not_standardised(self, run: Path, sounds: Path, models: Path, tmp_path: Path) -> None:
        brief = BalancedTraining(epochs=1, batch_size=2, steps_per_epoch=1)
        raw, usual = load(train(sounds, models, tmp_path / "raw", training=brief, raw_queries=True)), load(run)
        assert isinstance(raw, Separator)
        assert isinstance(usual, Separator)
        queries = torch.randn(3, raw.size.query_size)
        torch.testing.assert_close(raw.scaled_queries(queries), queries)
        torch.testing.assert_close(usual.scaled_queries(queries), (queries - usual.query_mean) / usual.query_deviation)
        assert usual.query_mean.any()

    def test_the_loss_can_be_chosen_and_changed(self, run: Path, sounds: Path, models: Path, tmp_path: Path) -> None:
        brief = BalancedTraining(epochs=1, batch_size=2, steps_per_epoch=1)
        first = train(sounds, models, tmp_path / "first", training=brief, loss="sdr")
        assert load(first).config["loss"] == "sdr"
        assert load(run).config["loss"] == "l1"
        own = {name: value for name, value in QUICK.items() if name not in ("preset", "size", "sample_rate")}
        changed = train_separator(data=sounds, output=tmp_path / "on", init_from=run, **own | {"loss": "sdr"})
        assert load(changed).config["loss"] == "sdr"
        losses = [float(read_history(path / "history.csv")[0]["val_loss"]) for path in (run, changed)]
        assert losses[0] > 0 > losses[1]
        assert "decibels" in (changed / "README.md").read_text()

    def test_speeds_are_perturbed_in_training_and_not_in_validation(
        self, sounds: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = []

        class Recorded(AnchorMixtures):
            def __init__(self, store: ClipStore, *arguments: Any, **options: Any) -> None:
                super().__init__(store, *arguments, **options)
                made.append(([clip.name for clip in store.clips], self.speed_perturbation))

        monkeypatch.setattr("auricle.tasks.separation.train.AnchorMixtures", Recorded)
        brief = BalancedTraining(epochs=1, batch_size=2, steps_per_epoch=1)
        folder = train(sounds, models, tmp_path / "run", training=brief, speed_perturbation=1.5)
        table = pd.read_csv(folder / "clips.csv")
        split = dict(zip(table["clip"], table["split"], strict=True))
        assert sorted(({split[name] for name in names}, speed) for names, speed in made) == [
            ({"train"}, 1.5), ({"valid"}, 1.0)
        ]  # fmt: skip
        assert "played up to 1.5 times faster or slower" in (folder / "README.md").read_text()

    def test_starting_from_a_run(self, run: Path, sounds: Path, models: Path, tmp_path: Path) -> None:
        """It goes on from that run's network and standardisation, with its tagger and autoencoder; the rest is new."""
        own = {name: value for name, value in QUICK.items() if name not in ("preset", "size", "sample_rate")}
        own |= {"optimization": Optimization(learning_rate=1e-9), "training": BalancedTraining(epochs=1, batch_size=4)}
        longer = train_separator(data=sounds, output=tmp_path / "longer", init_from=run, **own)
        before, after = load(run).state_dict(), load(longer).state_dict()
        assert before.keys() == after.keys()
        for name, value in before.items():
            if not name.endswith(("running_mean", "running_var", "num_batches_tracked")):
                torch.testing.assert_close(after[name], value, rtol=1e-4, atol=1e-6)
        assert f"from {run.name}\n" in (longer / "README.md").read_text()
        for options, words in (
            ({"preset": "resunet30"}, "preset cannot"),
            ({"size": SIZE}, "size cannot"),
            ({"encoder": "updated"}, "encoder cannot"),
        ):
            with pytest.raises(AuricleError, match=words):
                train_separator(data=sounds, output=tmp_path / "x", init_from=run, **own | options)
        with pytest.raises(AuricleError, match="'classifier', but 'separator' is needed"):
            train_separator(data=sounds, output=tmp_path / "x", init_from=models / "tagger", **own)

    @pytest.mark.parametrize("raw", [False, True])
    def test_queries_of_another_tagger_are_standardised_anew(
        self, raw: bool, sounds: Path, models: Path, tmp_path: Path
    ) -> None:
        start = train(sounds, models, tmp_path / "start", training=BRIEF, raw_queries=raw)
        other = Classifier(load(models / "tagger").config)
        other.save(tmp_path / "other")
        fresh = load(train(sounds, models, tmp_path / "fresh", tagger=tmp_path / "other", training=BRIEF))
        own = {name: value for name, value in QUICK.items() if name not in ("preset", "size", "sample_rate")}
        own |= {"training": BRIEF, "init_from": start, "tagger": tmp_path / "other"}
        tuned = load(train_separator(data=sounds, output=tmp_path / "tuned", **own))
        assert isinstance(tuned, Separator)
        assert isinstance(fresh, Separator)
        assert tuned.scales_queries != raw
        if not raw:
            torch.testing.assert_close(tuned.query_mean, fresh.query_mean)
            torch.testing.assert_close(tuned.query_deviation, fresh.query_deviation)

    def test_clips_of_the_tagger_are_no_test_clips(self, sounds: Path, models: Path, tmp_path: Path) -> None:
        splits = make_splits(read_manifest(sounds), "sounds", SplitOptions(validation_share=0.4))
        tagger = copied(models / "tagger", tmp_path / "tagger")
        (tagger / "clips.csv").write_text(clip_table([dataclasses.replace(splits, train=splits.test, test=None)]))
        with pytest.raises(AuricleError, match=rf"{tagger} was trained on 3 of the 3 clips put aside .* --tagger"):
            train(sounds, models, tmp_path / "x", tagger=tagger)
        assert not (tmp_path / "x").exists()
        (tagger / "clips.csv").write_text(clip_table([splits]))
        train(sounds, models, tmp_path / "run", tagger=tagger, training=BRIEF)

    @pytest.mark.slow
    def test_what_its_tagger_was_trained_on_it_was_trained_on(self, sounds: Path, models: Path, tmp_path: Path) -> None:
        others = tmp_path / "others"
        for k, (label, frequency) in enumerate(TONES_HZ.items()):
            audio.write(others / label / f"{k}.wav", 0.2 * np.sin(frequency * np.arange(RATE // 2)), RATE)
        clips = read_manifest(others)
        tagger = copied(models / "tagger", tmp_path / "tagger")
        none = clips.only(())
        (tagger / "clips.csv").write_text(clip_table([Splits(Task("o", clips.label_names), clips, none, none)]))
        run = train(sounds, models, tmp_path / "run", tagger=tagger, training=BRIEF)
        own = {name: value for name, value in QUICK.items() if name not in ("preset", "size", "sample_rate")}
        longer = train_separator(data=sounds, output=tmp_path / "b", init_from=run, **own | {"training": BRIEF})
        for separator in (run, longer):
            with pytest.raises(AuricleError, match="was trained on 3 of these 3 clips"):
                evaluate(separator, data=others, quiet=True)
            assert evaluate(separator, data=sounds, mixtures=1, quiet=True).n_clips == 3

    @pytest.mark.slow
    def test_what_its_autoencoder_heard_is_said(self, sounds: Path, models: Path, tmp_path: Path) -> None:
        clips = read_manifest(sounds)
        encoder, none = copied(models / "audiomae", tmp_path / "audiomae"), clips.only(())
        (encoder / "clips.csv").write_text(clip_table([Splits(Task("o", clips.label_names), clips, none, none)]))
        run = train(sounds, models, tmp_path / "run", audiomae=str(encoder), training=BRIEF)
        own = {name: value for name, value in QUICK.items() if name not in ("preset", "size", "sample_rate")}
        longer = train_separator(data=sounds, output=tmp_path / "b", init_from=run, **own | {"training": BRIEF})
        deaf = train(sounds, models, tmp_path / "deaf", audiomae=str(models / "audiomae"), training=BRIEF)
        for separator, said in ((run, True), (longer, True), (deaf, False)):
            found = evaluate(separator, data=sounds, mixtures=1, quiet=True)
            page = (found.folder / "report.html").read_text(encoding="utf-8")
            assert ("autoencoder learnt from 3 of them without labels" in page) == said

    def test_half_precision_learns_alike(self, sounds: Path, models: Path, tmp_path: Path) -> None:
        losses = []
        for precision in ("32-true", "bf16-mixed"):
            training = BalancedTraining(epochs=2, batch_size=4, steps_per_epoch=3, precision=precision)
            options = {"audiomae": str(models / "audiomae"), "encoder": "updated", "training": training}
            folder = train(sounds, models, tmp_path / precision, **options)
            losses.append(float(read_history(folder / "history.csv")[-1]["val_loss"]))
        assert losses[1] == pytest.approx(losses[0], rel=0.1)

    @pytest.mark.slow
    @pytest.mark.parametrize("encoder", ["frozen", "updated"])
    def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(
        self, encoder: Any, sounds: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        options = {"audiomae": str(models / "audiomae"), "encoder": encoder, "detector": str(models / "detector")}
        whole = train(sounds, models, tmp_path / "whole", **options)
        step, mine = Separator.training_step, anchors.mine

        def stop(self: Separator, batch: Any, index: int) -> Any:
            if self.loop.current_epoch == 2:
                raise RuntimeError("stop")
            return step(self, batch, index)

        monkeypatch.setattr(Separator, "training_step", stop)
        with pytest.raises(RuntimeError, match="stop"):
            train(sounds, models, tmp_path / "run", **options)
        monkeypatch.setattr(Separator, "training_step", step)
        monkeypatch.setattr("auricle.tasks.separation.train.mine", None)
        train(sounds, models, tmp_path / "run", **options)
        monkeypatch.setattr("auricle.tasks.separation.train.mine", mine)
        ours, theirs = load(tmp_path / "run").state_dict(), load(whole).state_dict()
        assert all(torch.equal(ours[name], value) for name, value in theirs.items())

    def test_nonsense_is_refused(self, sounds: Path, models: Path, tmp_path: Path) -> None:
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"tagger": str(models / "audiomae")}, "'audiomae', but 'classifier' is needed"),
            ({"audiomae": str(models / "tagger")}, "'classifier', but 'audiomae' is needed"),
            ({"segment_s": 0.0}, "segment_s=0"),
            ({"crop_s": 0.3}, "crop_s=0.3"),
            ({"crop_s": 0.001}, "0.001 s at a time"),
            ({"size": {"query_size": 4}}, "4 entries"),
            ({"preset": "resunet"}, "'resunet'"),
            ({"tagger": None}, "--tagger RUN"),
        ]
        for options, words in wrong:
            with pytest.raises(AuricleError, match=words):
                train_separator(data=sounds, output=tmp_path / "x", **QUICK | {"tagger": models / "tagger"} | options)
        assert not (tmp_path / "x").exists()
        with pytest.raises(AuricleError, match="clips as a whole"):
            train(sounds, models, tmp_path / "x", detector=str(models / "tagger"))


class TestAutoencoder:
    @pytest.mark.figures("drawn")
    def test_a_run_has_spectrograms_and_learns(self, sounds: Path, tmp_path: Path) -> None:
        training = Training(epochs=3, batch_size=4, steps_per_epoch=4)
        options = {
            "size": MAE,
            "splits": PretrainingSplitOptions(validation_share=0.3),
            "training": training,
            "quiet": True,
        }
        folder = train_audiomae(data=[sounds], output=tmp_path / "run", **options)
        history = read_history(folder / "history.csv")
        assert float(history[-1]["train_loss"]) < float(history[0]["train_loss"])
        assert isinstance(load(folder), AudioMAE)
        assert (folder / "plots/reconstruction.png").stat().st_size > 5000
        assert set(pd.read_csv(folder / "clips.csv")["split"]) == {"train", "valid", "test"}
        assert check_run_record(folder, "audiomae")["epochs"] == 3

        step = AudioMAE.training_step
        try:

            def stop(self: AudioMAE, batch: Any, index: int) -> Any:
                if self.loop.current_epoch == 1:
                    raise RuntimeError("stop")
                return step(self, batch, index)

            AudioMAE.training_step = stop  # type: ignore[method-assign]
            with pytest.raises(RuntimeError, match="stop"):
                train_audiomae(data=[sounds], output=tmp_path / "again", **options)
        finally:
            AudioMAE.training_step = step  # type: ignore[method-assign]
        train_audiomae(data=[sounds], output=tmp_path / "again", **options)
        ours, theirs = load(tmp_path / "again").state_dict(), load(folder).state_dict()
        assert all(torch.equal(ours[name], value) for name, value in theirs.items())

    def test_folds_and_splits_are_left_out_of_the_sources_that_have_them(self, sounds: Path, tmp_path: Path) -> None:
        rows = [f"{sounds / f'{label}-{k}.wav'},{label},{k}" for label in TONES_HZ for k in range(3)]
        (tmp_path / "folds.csv").write_text("\n".join(["path,label,fold", *rows]))
        (tmp_path / "deep/er").mkdir(parents=True)
        audio.write(tmp_path / "deep/er/x.wav", np.ones(100), RATE)
        sources = [f"a={tmp_path / 'folds.csv'}", str(sounds), str(tmp_path / "deep")]
        parts = read_splits(sources, DataOptions(), PretrainingSplitOptions(test_fold="1", validation_share=0.2))
        assert parts.test is not None
        assert {clip.name.rpartition("-")[2] for clip in parts.test if clip.name.startswith("a/")} == {"1.wav"}
        assert sum(clip.name.startswith(f"{sounds.name}/") for clip in parts.test) == 3
        kept = {clip.name for part in (parts.train, parts.valid) for clip in part}
        assert len(kept) == 6 + (12 - 3) + 1, "the folder's recordings of fold 1 are tested under the other name"
        assert not {clip.path for clip in parts.test} & {clip.path for p in (parts.train, parts.valid) for clip in p}
        assert "deep/er/x.wav" in kept
        with pytest.raises(AuricleError, match="same name"):
            read_splits([str(sounds), str(sounds)], DataOptions(), PretrainingSplitOptions())

    def test_nonsense_is_refused(self, sounds: Path, tmp_path: Path) -> None:
        for options, words in (({"mask_ratio": 1.0}, "mask_ratio=1: .*1 of 16 patches"), ({"preset": "mae"}, "'mae'")):
            with pytest.raises(AuricleError, match=words):
                train_audiomae(data=[sounds], output=tmp_path / "x", size=MAE, **options)  # type: ignore[arg-type]
        assert not (tmp_path / "x").exists()

    @pytest.mark.parametrize(("window", "n_windows"), [(200, 5), (600, 1), (2000, 1)])
    def test_windows_are_drawn_by_length(self, tmp_path: Path, window: int, n_windows: int) -> None:
        """A clip nine times as long is heard nine times as often, whatever is left after the last whole window."""
        from auricle.data.clip_store import ClipStore
        from auricle.tasks.pretraining.train import Windows

        audio.write(tmp_path / "a.wav", np.full(100, 0.1), RATE, subtype="FLOAT")
        audio.write(tmp_path / "b.wav", np.full(900, 0.9), RATE, subtype="FLOAT")
        part = read_splits([str(tmp_path)], DataOptions(), PretrainingSplitOptions(validation_share=0.5))
        clips = (*part.train.clips, *part.valid.clips)
        whole = type(part.train)(tmp_path, clips)
        windows = Windows(whole, ClipStore(clips, RATE), window)
        assert len(windows) == n_windows
        items = [(index, seed, 200) for index in range(n_windows) for seed in range(500 // n_windows)]
        drawn = [float(windows[item]["waveform"].mean()) for item in items]
        assert set(np.round(drawn, 3)) == {0.1, 0.9}
        assert np.mean(np.array(drawn) < 0.5) == pytest.approx(0.1, abs=0.04)


def test_the_command_line(sounds: Path, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def auricle(*arguments: object) -> int:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return int(ended.value.code)  # type: ignore[arg-type]

    sizes = [f"--size.{name}={value}" for name, value in MAE.items()]
    training = ["--training.epochs=1", "--training.batch-size=4", "--training.steps-per-epoch=1"]
    split_options = "--splits.validation-share=0.3"
    assert (
        auricle("train", "audiomae", "--data", sounds, "--output", tmp_path / "mae", *sizes, *training, split_options)
        == 0
    )
    sizes = [f"--size.{name}={value}" for name, value in SIZE.items()]
    command = ["train", "separator", "--data", sounds, "--tagger", models / "tagger", "--preset", "resunet30-small"]
    command += [
        "--audiomae",
        tmp_path / "mae",
        "--encoder",
        "updated",
        "--fusion",
        "repeat",
        "--query",
        "probabilities",
    ]
    command += ["--segment-s", 0.2, "--crop-s", 0.1, "--sample-rate", RATE, *sizes, *training, split_options]
    assert auricle(*command, "--output", tmp_path / "run") == 0
    model = load(tmp_path / "run")
    assert isinstance(model, Separator)
    assert model.size.query_size == 3
    assert str(tmp_path / "run") in capsys.readouterr().out
    assert auricle(*command, "--output", tmp_path / "run") == 2
    assert "finished run" in capsys.readouterr().err
    assert auricle(*command[:-1], "--splits.test-fold=2", "--output", tmp_path / "x") == 2
    assert "fold '2'" in capsys.readouterr().err
