"""Tables of embeddings: each row is what the model makes of that window alone, whatever else was embedded."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import auricle
from auricle import audio
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.systems.audiomae import AudioMAE
from auricle.systems.classifier.system import Classifier
from auricle.systems.trnet import TRNet
from auricle.tasks.embedding.embed import parts_of
from auricle.tasks.embedding.embedders import open_embedder
from killing import forked
from sounds import RATE, tone_folder, tone_manifest, write_tone
from untrained import classifier_run, separator_run

pytest.importorskip("pyarrow", reason="the extra [parquet] is not installed")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Recordings of several lengths in rec, and the run of a classifier with windows of 0.5 s."""
    folder = tmp_path_factory.mktemp("made")
    for k, duration_s in enumerate((0.2, 0.5, 1.6, 3.0)):
        write_tone(folder / "rec" / f"r{k}.wav", 300.0 + 200 * k, duration_s, seed=k)
    classifier_run(folder / "run", tone_manifest(folder / "tones", 4))
    return folder


def test_rows_are_the_backbones_embedding_of_each_window(made: Path, tmp_path: Path):
    batch = auricle.embed(made / "run", made / "rec", output=tmp_path / "e.parquet", quiet=True)
    table = pd.read_parquet(tmp_path / "e.parquet")
    assert list(table.columns) == ["file", "start_s", "end_s", "vector"]
    assert [outcome.result for outcome in batch.outcomes] == [1, 1, 3, 6]
    model = auricle.load(made / "run").eval()
    window = model.window
    for row in table.itertuples():
        waveform, _ = audio.read(row.file)
        part = waveform[round(row.start_s * RATE) :][:window]
        assert row.end_s - row.start_s == pytest.approx(len(part) / RATE)
        padded = torch.from_numpy(np.pad(part, (0, window - len(part))))
        with torch.no_grad():
            expected = model.backbone(model.frontend(padded[None])[:, None])[0].numpy()
        np.testing.assert_allclose(row.vector, expected, rtol=0, atol=1e-5)


def test_a_file_alone_has_the_same_rows_to_the_bit(made: Path, tmp_path: Path):
    auricle.embed(made / "run", made / "rec", output=tmp_path / "e.parquet", hop_s=0.2, quiet=True)
    auricle.embed(made / "run", made / "rec" / "r3.wav", output=tmp_path / "one.parquet", hop_s=0.2, quiet=True)
    together, alone = (pd.read_parquet(tmp_path / name) for name in ("e.parquet", "one.parquet"))
    rows = together[together["file"] == str(made / "rec" / "r3.wav")]
    np.testing.assert_array_equal(np.stack(rows["vector"]), np.stack(alone["vector"]))
    np.testing.assert_allclose(np.diff(alone["start_s"]), 0.2)


@pytest.mark.parametrize("options", [{}, {"window_s": 0.3}])
def test_a_front_end_gives_the_mean_and_the_deviation_of_its_bands(made: Path, tmp_path: Path, options):
    chosen = {"sample_rate": RATE, "n_filters": 12}
    auricle.embed("mel", made / "rec", output=tmp_path / "e.parquet", frontend_options=chosen, quiet=True, **options)
    table = pd.read_parquet(tmp_path / "e.parquet")
    row = table[table["file"].str.endswith("r3.wav")].iloc[0]
    waveform = audio.read(row["file"])[0][: round(options.get("window_s", 1.0) * RATE)]
    spectrogram = auricle.create_frontend("mel", **chosen)(torch.from_numpy(waveform)[None])[0].numpy()
    expected = np.concatenate([spectrogram.mean(1), spectrogram.std(1)])
    np.testing.assert_allclose(row["vector"], expected, rtol=0, atol=1e-5)


def test_a_separator_embeds_as_its_tagger_does(made: Path):
    run = separator_run(made / "separator", made / "tones" / "manifest.csv")
    separator = auricle.load(run)
    embedder = open_embedder(run, "cpu")
    windows = np.random.default_rng(0).standard_normal((2, embedder.window)).astype(np.float32)
    expected = separator.embed_query(torch.from_numpy(windows)).numpy()
    np.testing.assert_allclose(embedder.vectors(windows), expected, rtol=0, atol=1e-5)


def test_trnet_embeds_by_its_representation(tmp_path: Path):
    size = {"channels": [2, 2, 4, 4]}
    system = TRNet.build(Task("emotion", ("a", "b")), kind="baseline-n", size=size, window_s=0.5)
    system.save(tmp_path / "run")
    embedder = open_embedder(tmp_path / "run", "cpu")
    windows = np.random.default_rng(0).standard_normal((1, embedder.window)).astype(np.float32)
    given = torch.from_numpy(windows)
    with torch.no_grad():
        expected = system.eval()(given, given, torch.tensor([embedder.window])).representation
    np.testing.assert_allclose(embedder.vectors(windows), expected.numpy(), rtol=0, atol=1e-5)
    with pytest.raises(AuricleError, match=r"this TRNet takes 0\.5 s"):
        open_embedder(tmp_path / "run", "cpu", window_s=1.0)


def test_an_autoencoder_embeds_by_the_mean_of_its_patches(tmp_path: Path):
    size = {"n_frames": 32, "width": 16, "depth": 1, "heads": 2, "decoder_width": 16, "decoder_depth": 1}
    system = AudioMAE.build("audiomae-small", size=size | {"decoder_heads": 2})
    system.save(tmp_path / "run")
    embedder = open_embedder(tmp_path / "run", "cpu")
    assert embedder.window == 0.32 * 16000
    windows = np.random.default_rng(0).standard_normal((2, embedder.window)).astype(np.float32)
    with torch.no_grad():
        expected = system.eval()(torch.from_numpy(windows))[:, 1:].mean(1)
    np.testing.assert_allclose(embedder.vectors(windows), expected.numpy(), rtol=0, atol=1e-5)
    with pytest.raises(AuricleError, match=r"at most 0\.32"):
        open_embedder(tmp_path / "run", "cpu", window_s=1.0)


def test_what_cannot_be_read_is_listed_and_costs_only_itself(made: Path, tmp_path: Path):
    (tmp_path / "bad.wav").write_bytes(b"nothing")
    files = [made / "rec", tmp_path / "bad.wav"]
    batch = auricle.embed(made / "run", files, output=tmp_path / "e.parquet", quiet=True)
    assert batch.exit_code == 3
    assert len(pd.read_parquet(tmp_path / "e.parquet")) == 11
    assert "bad.wav" in (parts_of(tmp_path / "e.parquet") / "failed.csv").read_text()
    only = auricle.embed(made / "run", tmp_path / "bad.wav", output=tmp_path / "none.parquet", quiet=True)
    assert "there is no table" in str(only)
    assert not (tmp_path / "none.parquet").exists()


def test_a_table_of_what_can_no_longer_be_read_is_removed(made: Path, tmp_path: Path):
    shutil.copy(made / "rec" / "r0.wav", tmp_path / "x.wav")
    table = tmp_path / "e.parquet"
    auricle.embed(made / "run", tmp_path / "x.wav", output=table, quiet=True)
    assert table.exists()
    (tmp_path / "x.wav").write_bytes(b"nothing")
    assert "there is no table" in str(auricle.embed(made / "run", tmp_path / "x.wav", output=table, quiet=True))
    assert not table.exists()
    pd.DataFrame({"own": [1]}).to_parquet(table)
    auricle.embed(made / "run", tmp_path / "x.wav", output=table, quiet=True)
    assert list(pd.read_parquet(table)["own"]) == [1]


def test_a_folder_whose_name_is_not_utf_8_has_a_table_too(made: Path, tmp_path: Path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    shutil.copytree(made / "rec", folder)
    auricle.embed("mel", folder, output=folder / "e.parquet", quiet=True)
    with open(folder / "e.parquet", "rb") as table:
        files = set(pd.read_parquet(table)["file"])
    assert files == {rf"{tmp_path}/caf\xe9/r{k}.wav" for k in range(4)}
    assert len(auricle.search(folder / "e.parquet", like=folder / "r0.wav", top=2)) == 2


def test_shards_make_one_table(made: Path, tmp_path: Path):
    for share in ("2/2", "1/2"):
        auricle.embed(made / "run", made / "rec", output=tmp_path / "e.parquet", shard=share, quiet=True)
    auricle.embed(made / "run", made / "rec", output=tmp_path / "whole.parquet", quiet=True)
    both, whole = (pd.read_parquet(tmp_path / name) for name in ("e.parquet", "whole.parquet"))
    order = ["file", "start_s"]
    pd.testing.assert_frame_equal(
        both.sort_values(order).reset_index(drop=True), whole.sort_values(order).reset_index(drop=True)
    )


def test_a_shard_has_nothing_of_recordings_that_are_no_longer_given(made: Path, tmp_path: Path):
    table = tmp_path / "e.parquet"
    for k in range(4):
        write_tone(tmp_path / "others" / f"r{k}.wav", 999.0 + k, 0.7, seed=9)
    auricle.embed(made / "run", made / "rec", output=table, quiet=True)
    auricle.embed(made / "run", [tmp_path / "others", made / "rec" / "r1.wav"], output=table, shard="1/1", quiet=True)
    files = set(pd.read_parquet(table)["file"])
    assert files == {str(tmp_path / "others" / f"r{k}.wav") for k in range(4)} | {str(made / "rec" / "r1.wav")}


def test_another_model_needs_another_table(made: Path, tmp_path: Path):
    auricle.embed(made / "run", made / "rec", output=tmp_path / "e.parquet", quiet=True)
    with pytest.raises(AuricleError, match="embeddings by another model"):
        auricle.embed("mel", made / "rec", output=tmp_path / "e.parquet", quiet=True)
    auricle.embed("mel", made / "rec", output=tmp_path / "e.parquet", overwrite=True, quiet=True)
    assert len(pd.read_parquet(tmp_path / "e.parquet")["vector"][0]) == 80


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"output": "e.csv"}, "the table is a Parquet file"),
        ({"hop_s": 0.0}, "a hop of 0 s"),
        ({"hop_s": 1e-9}, "a hop of 1e-09 s: less than a sample at"),
        ({"window_s": -1.0}, "window_s=-1"),
        ({"window_s": 1e-9}, "a window of 0 samples"),
        ({"run": "nowhere"}, "there is no such folder; give a run folder, or"),
        ({"frontend_options": {"n_filters": 8}}, "those of a front-end, not of a run"),
    ],
)
def test_bad_options_are_refused_in_one_line(made: Path, tmp_path: Path, options, said):
    given = {"run": made / "run", "files": made / "rec", "output": "e.parquet", "quiet": True} | options
    with pytest.raises(AuricleError, match=said):
        auricle.embed(**given | {"output": tmp_path / given["output"]})
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_killed_anywhere_the_same_command_completes_the_table(made: Path, tmp_path: Path):
    sounds = tone_folder(tmp_path / "sounds", 1, 0.6)
    table = tmp_path / "out" / "e.parquet"
    command = ["embed", str(made / "run"), str(sounds), "--output", str(table), "--device", "cpu", "--quiet"]
    code, n_writes = forked(command, tmp_path / "out")
    assert code == 0
    expected = pd.read_parquet(table)
    assert n_writes > 10
    for kill_at in range(1, n_writes + 1, 5):
        shutil.rmtree(tmp_path / "out")
        assert forked(command, tmp_path / "out", kill_at)[0] < 0
        assert not table.exists() or pd.read_parquet(table).equals(expected)
        assert forked(command, tmp_path / "out")[0] == 0
        pd.testing.assert_frame_equal(pd.read_parquet(table), expected)
        left = {path.name for path in table.parent.iterdir()}
        assert left == {"e.parquet", "e.parquet.parts"}


def test_a_classifiers_window_can_be_chosen(made: Path):
    whole, short = (open_embedder(made / "run", "cpu", window_s=s) for s in (None, 0.25))
    assert short.window * 2 == whole.window
    assert isinstance(whole.module, Classifier)
