from __future__ import annotations

import functools
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from auricle import audio
from auricle.__main__ import main
from auricle.conditions import Material, active_power, mean_power
from auricle.config import EnhancerLosses, EnhancerOptimization, Training
from auricle.data.clip_store import ClipStore
from auricle.data.material import read_material
from auricle.errors import AuricleError
from auricle.metrics.workers import Workers
from auricle.runs.history import read_history
from auricle.systems import load
from auricle.systems.cmgan import CMGAN
from auricle.tasks.enhancement.compare import sample_of
from auricle.tasks.enhancement.data import Mixtures, noisy_versions, read_speech
from auricle.tasks.enhancement.evaluation import METRICS, EnhancerEvaluation
from auricle.tasks.enhancement.train import noises_trained_on, train_enhancer, write_noises
from auricle.tasks.evaluate import evaluate
from tasks.run_record import check_run_record

pytestmark = pytest.mark.figures("undrawn")
RATE = 16000
SIZE = {"channels": 4, "blocks": 1, "heads": 1, "kernel_size": 3, "span": 4, "max_distance": 4, "dense_depth": 1}
QUICK = {
    "preset": "cmgan-small",
    "size": SIZE,
    "crop_s": 0.2,
    "quiet": True,
    "optimization": EnhancerOptimization(learning_rate=5e-3),
}


@pytest.fixture(autouse=True)
def _one_process(monkeypatch):
    monkeypatch.setattr("auricle.tasks.enhancement.evaluate.Workers", functools.partial(Workers, 0))


@contextmanager
def stopped_at(epoch):
    """Context manager: trainings end with an error in that epoch, counted from 0."""
    whole = CMGAN.training_step

    def stop(self, batch, index):
        if self.loop.current_epoch == epoch:
            raise RuntimeError("stop")
        return whole(self, batch, index)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CMGAN, "training_step", stop)
        with pytest.raises(RuntimeError, match="stop"):
            yield


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Clean speech (tones that come and go) of four speakers, and eight sources of noise."""
    folder = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(0)
    time = np.arange(RATE // 2) / RATE
    rows = ["path,speaker,split"]
    for k in range(8):
        tone = 0.2 * np.sin(2 * np.pi * (300 + 100 * k) * time) * (np.sin(2 * np.pi * 5 * time) > 0)
        audio.write(folder / "speech" / f"{k}.wav", tone, RATE)
        rows.append(f"{k}.wav,s{k % 4},{('train', 'train', 'valid', 'test')[k % 4]}")
        audio.write(folder / "noise" / f"noise-{k}.wav", 0.1 * rng.standard_normal(RATE), RATE)
    (folder / "speech" / "manifest.csv").write_text("\n".join(rows))
    return folder


def train(sounds, output, **options):
    noise = options.pop("noise", [str(sounds / "noise")])
    training = options.pop("training", Training(epochs=4, batch_size=4))
    return train_enhancer(speech=sounds / "speech", output=output, noise=noise, training=training, **QUICK | options)


def measured(run, data, **options):
    evaluation = evaluate(run, data=data, quiet=True, **options)
    assert isinstance(evaluation, EnhancerEvaluation)
    return evaluation


@pytest.fixture(scope="module")
def run(sounds, tmp_path_factory):
    return train(sounds, tmp_path_factory.mktemp("runs") / "run")


def write_pairs(sounds, folder, offset=0.01):
    """A manifest of the clean speech with noisy versions of its own."""
    rows = ["path,speaker,noisy,split"]
    for k in range(8):
        clean, _ = audio.read(sounds / "speech" / f"{k}.wav")
        audio.write(folder / f"noisy-{k}.wav", clean + offset, RATE)
        split = ("train", "train", "valid", "test")[k % 4]
        rows.append(f"{sounds / 'speech' / f'{k}.wav'},s{k % 4},noisy-{k}.wav,{split}")
    (folder / "pairs.csv").write_text("\n".join(rows))
    return folder / "pairs.csv"


class TestPairs:
    @pytest.fixture
    def folder(self, tmp_path):
        for name in ("clean", "n1", "n2"):
            audio.write(tmp_path / f"{name}.wav", np.zeros(2 * RATE), RATE)
        return tmp_path

    @pytest.mark.parametrize("separator", [",", ";"])
    def test_every_segment_has_its_own_noisy_version(self, folder, separator):
        rows = ["path,noisy,start,end", "clean.wav,n1.wav,,1.0", "clean.wav,n2.wav,1,2"]
        (folder / "pairs.csv").write_text("\n".join(rows).replace(",", separator))
        clips = noisy_versions(read_speech(str(folder / "pairs.csv")))
        assert [clip.key for clip in clips] == [("n1.wav", 0.0, 1.0), ("n2.wav", 1.0, 2.0)]

    @pytest.mark.parametrize("row", ["clean.wav", "clean.wav,1,2"])
    def test_a_row_without_one_is_refused(self, folder, row):
        (folder / "pairs.csv").write_text(f"path,start,end,noisy\nclean.wav,0,1,n1.wav\n{row}\n")
        manifest = read_speech(str(folder / "pairs.csv"))
        with pytest.raises(AuricleError, match=r"pairs\.csv: clean\.wav.* has no noisy version in the column 'noisy'"):
            noisy_versions(manifest)


class TestMixtures:
    def test_noise_is_at_its_ratio_and_all_depends_on_the_seed(self, sounds):
        store = ClipStore(read_speech(str(sounds / "speech")).clips, RATE)
        material = read_material([f"noise={sounds / 'noise'}"]).of_split("train")
        mixtures = Mixtures(store, material, (5.0, 5.0))
        one, again, other = mixtures[0, 1, 4000], mixtures[0, 1, 4000], mixtures[0, 2, 4000]
        assert torch.equal(one["noisy"], again["noisy"])
        assert not torch.equal(one["noisy"], other["noisy"])
        assert one["clean"].shape == (4000,)
        clean, added = one["clean"].numpy(), (one["noisy"] - one["clean"]).numpy()
        assert 10 * np.log10(active_power(clean, RATE) / mean_power(added)) == pytest.approx(5.0, abs=1e-3)


class TestLosses:
    def test_perfect_estimates_cost_nothing_whatever_the_level(self):
        model = CMGAN.build("cmgan-small", size=SIZE)
        clean = torch.randn(2, 3200) * 1e-3
        model.generator.forward = lambda noisy: noisy
        terms, _ = model.compare(clean, clean)
        for name, term in terms.items():
            assert term < 1e-6, name

    def test_equal_their_definitions_on_equally_scaled_signals(self):
        model = CMGAN.build("cmgan-small", size=SIZE).eval()
        clean, noise = torch.randn(2, 3200), torch.randn(2, 3200)
        noisy = clean + noise
        terms, _ = model.compare(noisy, clean)
        louder, _ = model.compare(100 * noisy, 100 * clean)
        level = noisy.square().mean(-1, keepdim=True).sqrt()
        estimate = model.spectrum.forward(model(noisy / level))
        wanted = model.spectrum.forward(clean / level)
        torch.testing.assert_close(terms["time"], (model(noisy / level) - clean / level).abs().mean())
        raw = model.generator(model.spectrum.forward(noisy / level))
        real, imaginary = ((raw[:, k] - wanted[:, k]).square().mean() for k in (0, 1))
        torch.testing.assert_close(terms["complex"], real + imaginary)
        magnitudes = [spectrum.square().sum(1).sqrt() for spectrum in (raw, wanted)]
        torch.testing.assert_close(
            terms["magnitude"], (magnitudes[0] - magnitudes[1]).square().mean(), rtol=1e-3, atol=0
        )
        for name, term in terms.items():
            torch.testing.assert_close(louder[name], term, rtol=1e-3, atol=1e-5)
        assert estimate.shape == wanted.shape

    def test_weights_are_the_published_ones(self):
        assert EnhancerLosses() == EnhancerLosses(complex=0.1, magnitude=0.9, time=0.2, adversarial=0.05)
        model = CMGAN.build("cmgan", size=SIZE)
        total = model.weighted({name: torch.tensor(1.0) for name in ("complex", "magnitude", "time", "adversarial")})
        assert total.item() == pytest.approx(1.25)

    def test_silence_has_finite_losses_and_gradients(self):
        model = CMGAN.build("cmgan-small", size=SIZE)
        terms, _ = model.compare(torch.zeros(1, 3200), torch.zeros(1, 3200))
        model.weighted(terms).backward()
        assert all(torch.isfinite(p.grad).all() for p in model.generator.parameters() if p.grad is not None)


class TestPresets:
    def test_numbers_of_parameters(self):
        small = CMGAN.build("cmgan-small")
        assert sum(p.numel() for p in CMGAN.build().parameters()) == 1_834_833
        assert 90_000 < sum(p.numel() for p in small.parameters()) < 115_000
        assert small.losses.adversarial == 0.0

    def test_nonsense_is_refused(self):
        with pytest.raises(AuricleError, match="cmgan-smal"):
            CMGAN.build("cmgan-smal")
        with pytest.raises(AuricleError, match="chanels"):
            CMGAN.build(size={"chanels": 3})


def noises(sounds):
    """The recordings of noise that runs are trained and measured with."""
    material = read_material([f"noise={sounds / 'noise'}"])
    return [recording for recording in material.recordings if recording.kind == "noise"]


class TestTraining:
    def test_a_run_has_what_it_needs_and_learns(self, run, sounds):
        history = read_history(run / "history.csv")
        assert float(history[-1]["train_loss"]) < float(history[0]["train_loss"])
        assert isinstance(load(run), CMGAN)
        parts = pd.read_csv(run / "clips.csv").groupby("split")["group"].unique()
        assert {part: set(speakers) for part, speakers in parts.items()} == {
            "train": {"s0", "s1"},
            "valid": {"s2"},
            "test": {"s3"},
        }
        assert 0 < len(noises_trained_on(run, noises(sounds))) < 8
        assert "cmgan-small" in (run / "README.md").read_text()
        record = check_run_record(run, "cmgan")
        assert (record["seed"], record["epochs"]) == (0, len(history))

    def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(self, run, sounds, tmp_path):
        with stopped_at(2):
            train(sounds, tmp_path / "run")
        train(sounds, tmp_path / "run")
        ours, theirs = load(tmp_path / "run").state_dict(), load(run).state_dict()
        assert all(torch.equal(ours[name], value) for name, value in theirs.items())

    def test_a_discriminator_learns_beside_it_and_is_not_kept(self, sounds, tmp_path, monkeypatch):
        asked = []

        def measured(self, clean, estimate):
            asked.append(len(clean))
            return torch.tensor([2.5, torch.nan, 3.0, 1.0])[: len(clean)]

        monkeypatch.setattr(CMGAN, "_measured_pesq", measured)
        folder = train(sounds, tmp_path / "run", losses={"adversarial": 0.05})
        assert "train_discriminator_loss" in read_history(folder / "history.csv")[-1]
        assert asked == [4, 4, 4, 4]
        assert all(name.startswith("generator.") for name in load(folder).state_dict())

    def test_pairs_are_learnt_from_where_a_manifest_has_them(self, sounds, tmp_path):
        manifest = write_pairs(sounds, tmp_path)
        training = Training(epochs=1, batch_size=4)
        folder = train_enhancer(speech=manifest, output=tmp_path / "run", training=training, **QUICK)
        evaluation = measured(folder, manifest)
        assert set(evaluation.clips["snr"]) == {"recorded"}
        rows = manifest.read_text().splitlines()
        manifest.write_text("\n".join([*rows[:-1], f"{sounds / 'speech' / '7.wav'},s3,,test"]))
        with pytest.raises(AuricleError, match="no noisy version"):
            train_enhancer(speech=manifest, output=tmp_path / "other", training=training, **QUICK)
        noise = {"noise": [str(sounds / "noise")], "training": training}
        assert train_enhancer(speech=manifest, output=tmp_path / "mixed", **noise, **QUICK), "the column is not used"

    def test_noise_that_a_start_has_heard_is_known_after_pairs_too(self, run, sounds, tmp_path):
        manifest = write_pairs(sounds, tmp_path)
        options = {name: value for name, value in QUICK.items() if name not in ("preset", "size")}
        options |= {"speech": manifest, "init_from": run, "training": Training(epochs=1, batch_size=4)}
        with pytest.raises(AuricleError, match="--snr: the noisy versions have levels of their own"):
            train_enhancer(output=tmp_path / "x", **options, snr=[0.0, 5.0])
        tuned = train_enhancer(output=tmp_path / "tuned", **options)
        heard = [row for row in (Path(run) / "noises.csv").read_text().splitlines() if ",train," in row]
        assert heard
        assert set(heard) <= set((Path(tuned) / "noises.csv").read_text().splitlines())

    def test_a_resumed_training_has_the_same_noisy_versions(self, sounds, tmp_path):
        manifest = write_pairs(sounds, tmp_path / "pairs")
        training = Training(epochs=2, batch_size=4)

        def resume(speech):
            return train_enhancer(speech=speech, output=tmp_path / "run", training=training, **QUICK)

        with stopped_at(1):
            resume(manifest)
        with pytest.raises(AuricleError, match=r"unfinished run with other settings \(noisy has other contents"):
            resume(write_pairs(sounds, tmp_path / "other", offset=0.02))
        assert (resume((tmp_path / "pairs").rename(tmp_path / "moved") / "pairs.csv") / "run.json").is_file()

    def test_a_resumed_training_has_the_same_noise(self, sounds, tmp_path):
        """Also the same of what the noise has for training and for tests."""
        shutil.copytree(sounds / "noise", tmp_path / "noise")

        def write(splits):
            rows = [f"noise-{k}.wav,hiss,{splits[k % 2]}" for k in range(8)]
            (tmp_path / "noise" / "manifest.csv").write_text("\n".join(["path,label,split", *rows]))

        def resume():
            return train_enhancer(
                speech=sounds / "speech", noise=[tmp_path / "noise"], output=tmp_path / "run",
                training=Training(epochs=2, batch_size=4), **QUICK,
            )  # fmt: skip

        write(("train", "test"))
        with stopped_at(1):
            resume()
        write(("test", "train"))
        with pytest.raises(AuricleError, match="noise has other contents"):
            resume()
        write(("train", "test"))
        assert (resume() / "run.json").is_file()

    def test_a_run_can_be_started_from(self, run, sounds, tmp_path):
        barely = {
            "optimization": EnhancerOptimization(learning_rate=1e-12),
            "training": Training(epochs=1, batch_size=4),
        }
        again = load(train(sounds, tmp_path / "run", init_from=str(run), preset=None, size=None, **barely))
        assert again.size == load(run).size
        for ours, theirs in zip(again.parameters(), load(run).parameters(), strict=True):
            torch.testing.assert_close(ours, theirs)
        with pytest.raises(AuricleError, match="init-from"):
            train(sounds, tmp_path / "x", init_from=str(run))

    def test_nonsense_is_refused(self, sounds, tmp_path):
        with pytest.raises(AuricleError, match="--noise"):
            train(sounds, tmp_path / "x", noise=[])
        with pytest.raises(AuricleError, match=r"0\.001"):
            train(sounds, tmp_path / "x", crop_s=0.001)
        with pytest.raises(AuricleError, match=r"\[9.0, 3.0\]"):
            train(sounds, tmp_path / "x", snr=[9.0, 3.0])
        assert not (tmp_path / "x").exists()


class TestEvaluation:
    def test_clips_that_training_put_aside_in_noise_that_it_never_heard(self, run, sounds, tmp_path):
        options = {"noise": [str(sounds / "noise")], "snr": [0.0, 10.0]}
        evaluation = measured(run, sounds / "speech", output=str(tmp_path / "e"), **options)
        assert set(evaluation.clips["clip"]) == {"3.wav", "7.wav"}
        assert list(evaluation.clips["enhancer"].unique()) == ["noisy", "spectral-gating", "run"]
        table = evaluation.table().set_index(["snr_db", "enhancer", "metric"])["value"]
        assert table.loc[10.0, "noisy", "si_sdr"] > table.loc[0.0, "noisy", "si_sdr"] + 5
        gain = table.loc[0.0, "run", "si_sdr"] - table.loc[0.0, "noisy", "si_sdr"]
        assert table.loc[0.0, "run", "si_sdr_gain"] == pytest.approx(gain)
        assert (tmp_path / "e" / "table.md").read_text() == evaluation.text()
        saved = pd.read_csv(tmp_path / "e" / "clips.csv", keep_default_na=False, na_values="nan")
        assert len(saved) == 2 * 2 * 3

    def test_what_the_run_has_heard_is_refused(self, run, sounds, tmp_path):
        with pytest.raises(AuricleError, match="trained on 4 of these 4 clips"):
            measured(run, sounds / "speech", noise=[str(sounds / "noise")], split="train")
        source = noises_trained_on(run, noises(sounds))[0].source
        rows = ["path,label,source,split", f"{sounds / 'noise' / source}.wav,noise,{source},test"]
        (tmp_path / "noise.csv").write_text("\n".join(rows))
        with pytest.raises(AuricleError, match=source):
            measured(run, sounds / "speech", noise=[str(tmp_path / "noise.csv")])

    def test_what_the_run_that_it_starts_from_has_heard_it_has_heard(self, run, sounds, tmp_path):
        write_noises(tmp_path / "noises.csv", Material(()), str(run))
        assert noises_trained_on(tmp_path, noises(sounds)) == noises_trained_on(run, noises(sounds)) != []

    def test_noise_is_known_by_its_content(self, run, sounds, tmp_path):
        heard = noises_trained_on(run, noises(sounds))
        (tmp_path / "speech").symlink_to(sounds / "speech")
        for k, recording in enumerate(noises(sounds)):
            audio.write(tmp_path / "noise" / f"{recording.source}.wav", audio.read(recording.path)[0] * 0.5, RATE)
            (tmp_path / "moved").mkdir(exist_ok=True)
            (tmp_path / "moved" / f"other {k}.wav").write_bytes(recording.path.read_bytes())
        assert noises_trained_on(run, noises(tmp_path)) == []
        moved = read_material([f"noise={tmp_path / 'moved'}"]).recordings
        found = noises_trained_on(run, [recording for recording in moved if recording.kind == "noise"])
        assert {recording.content for recording in found} == {recording.content for recording in heard}
        assert noises_trained_on(None, found) == noises_trained_on(tmp_path, found) == []

    @pytest.mark.parametrize("by_group", [False, True])
    def test_clips_of_the_same_name_are_two(self, sounds, tmp_path, by_group):
        for name, number in (("c0.wav", 0), ("c0.wav@0-0.4", 1), ("c1.wav", 2)):
            shutil.copy(sounds / "speech" / f"{number}.wav", tmp_path / name)
        rows = ["path,start,end,speaker", "c0.wav,0,0.4,ann", "c0.wav@0-0.4,,,ben", "c1.wav,,,ann"]
        (tmp_path / "speech.csv").write_text("\n".join(rows))
        options = {"noise": [str(sounds / "noise")], "snr": [0.0, 5.0], "output": str(tmp_path / "e")}
        evaluation = measured("identity", tmp_path / "speech.csv", by_group=by_group, **options)
        assert evaluation.n_clips == 3
        own = evaluation.clips[evaluation.clips["enhancer"] == "noisy"]
        older = own.assign(clip=own["clip"].str.partition(" ")[0])
        for table in (own, older):
            sample = sample_of(table, by_group)
            assert len(sample.units) == 3
            assert sample.groups == (("ann", "ben", "ann") if by_group else None)
            mean = sample.statistics["0 dB", "si_sdr"](np.array([[0.0, 1.0, 0.0]]))
            assert mean == pytest.approx(own["si_sdr"].iloc[1])

    def test_gains_are_paired(self, tmp_path):
        rows = []
        for k in range(6):
            for name, offset in (("noisy", 0.0), ("better", 0.5)):
                values = dict.fromkeys(("pesq", "stoi", "csig", "cbak", "covl", "segmental_snr", "si_sdr"), k + offset)
                rows.append({"snr": 5.0, "clip": str(k), "group": "", "enhancer": name, **values})
        table = EnhancerEvaluation(tmp_path, "test", pd.DataFrame(rows)).table()
        better = table[table["enhancer"] == "better"].set_index("metric")
        assert better.loc["pesq_gain", ["value", "low", "high"]].tolist() == [0.5, 0.5, 0.5]
        assert better.loc["pesq", "low"] < better.loc["pesq", "value"] - 0.5

    def test_a_single_clip_has_no_interval(self, tmp_path):
        rows = [
            {"snr": 5.0, "clip": "a", "group": "", "enhancer": name, **dict.fromkeys(METRICS, value)}
            for name, value in (("noisy", 1.0), ("worse", 0.5))
        ]
        text = EnhancerEvaluation(tmp_path, "test", pd.DataFrame(rows)).text()
        assert "| 5 | worse | 0.50 | 0.500 |" in text
        assert "| 5 | worse | −0.50 | −0.500 |" in text
        assert "nan" not in text


def test_the_command_line(run, sounds, tmp_path, capsys):
    def auricle(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return ended.value.code

    speech, noise = sounds / "speech", sounds / "noise"
    changes = [f"--size.{name}={value}" for name, value in SIZE.items()]
    command = ["train", "enhancer", "--speech", speech, "--noise", noise, "--preset=cmgan-small", "--crop-s=0.2"]
    assert auricle(*command, "--output", tmp_path / "run", "--training.epochs=1", *changes) == 0
    assert auricle("train", "enhancer", "--config", tmp_path / "run" / "settings.yaml", "--output", tmp_path / "b") == 0
    assert auricle("enhance", run, speech, "--output", tmp_path / "out") == 0
    assert "8 of 8 files enhanced" in capsys.readouterr().out
    assert auricle("enhance", run, speech, tmp_path / "no.wav", "--output", tmp_path / "out") == 3
    captured = capsys.readouterr()
    assert "(8 of them before)" in captured.out
    assert "no.wav" in captured.err
    evaluation = ["evaluate", "identity", "--data", speech, "--split", "test", "--noise", noise, "--snr", "5"]
    assert auricle(*evaluation, "--output", tmp_path / "e") == 0
    assert "| 5 | spectral-gating |" in capsys.readouterr().out
    assert auricle(*command, "--output", tmp_path / "c", "--snr", "3") == 2
    assert "--snr 3" in capsys.readouterr().err
