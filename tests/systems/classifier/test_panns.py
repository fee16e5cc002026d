"""PANNs: the tagger and the two detectors, their heads, their checkpoints, what comes of them in training and use."""

from __future__ import annotations

import argparse
import copy
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from auricle import audio
from auricle.__main__ import main
from auricle.backbones import create_backbone
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.frontends.scales import auditory_mel_matrix
from auricle.systems import load
from auricle.systems.classifier.heads import HEADS, AttentionHead, MaxHead, create_head
from auricle.systems.classifier.published import from_published
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.events import EventRule, Events
from auricle.tasks.classification.predict import predict_file
from auricle.tasks.classification.reading import check_hop
from auricle.tasks.classification.selection import Selection
from auricle.tasks.classification.window_classifiers import TorchWindowClassifier
from published import PublishedFigures, voice
from reference import reference_state_dict, shapes_of
from sounds import write_tone

NARROW = [8, 8, 8, 8, 8, 16]
TAGGER = {"fc_audioset.weight": (527, 2048), "fc_audioset.bias": (527,)}
ATTENTION = {
    f"att_block.{part}.{name}": shape
    for part in ("att", "cla")
    for name, shape in (("weight", (527, 2048, 1)), ("bias", (527,)))
}


def auricle(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code)  # type: ignore[arg-type]


def small(head: str, **options: Any) -> Classifier:
    config: dict[str, Any] = {
        "sample_rate": 8000,
        "window_s": 2.0,
        "frontend": {"name": "mel-db", "n_filters": 32},
        "backbone": {"name": "cnn14", "channels": NARROW},
        "tasks": [Task("sounds", ("cat", "dog", "owl"), multi_label=True)],
    }
    return Classifier.build(head=head, **config | options).eval()


@pytest.fixture(scope="module")
def cnn14(tmp_path_factory: Any) -> Classifier:
    """The full-size tagger of a folder that the command converted."""
    folder = tmp_path_factory.mktemp("panns")
    with torch.device("meta"):
        trunk = create_backbone("cnn14", n_bands=64)
    weights = reference_state_dict(shapes_of(trunk) | TAGGER)
    file = folder / "Cnn14_mAP=0.431.pth"
    torch.save({"iteration": 1, "model": weights, "sampler": {"indexes": np.arange(3)}}, file)
    assert auricle("convert", "panns", file, "--output", folder / "model") == 0
    file.unlink()
    model = load(folder / "model")
    (folder / "model/model.safetensors").unlink()
    assert isinstance(model, Classifier)
    return model


def golden_arrays(shared: Path, name: str) -> dict[str, Tensor]:
    with np.load(shared / f"golden/{name}.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


@pytest.mark.slow
def test_published_tags_from_the_waveform_on(cnn14: Classifier, shared: Path) -> None:
    golden = golden_arrays(shared, "panns_cnn14")
    waveform = golden["waveform"][None]
    with torch.no_grad():
        torch.testing.assert_close(cnn14.embed(waveform)[0], golden["embedding"], rtol=0, atol=1e-5)
        torch.testing.assert_close(cnn14(waveform)[0].sigmoid(), golden["clipwise"], rtol=0, atol=1e-5)
    assert cnn14.config["head"] == "linear"
    assert cnn14.task().labels[12] == "class-12"
    assert cnn14.task().multi_label


@pytest.mark.parametrize(("name", "head"), [("decisionlevelmax", "max"), ("decisionlevelatt", "attention")])
def test_published_events_from_the_waveform_on(cnn14: Classifier, name: str, head: str, shared: Path) -> None:
    golden = golden_arrays(shared, f"panns_cnn14_{name}")
    with torch.no_grad():
        clip, frames = detector(cnn14, head).detect(golden["waveform"][None])
    torch.testing.assert_close(clip[0].sigmoid(), golden["clipwise"], rtol=0, atol=1e-5)
    torch.testing.assert_close(frames[0].sigmoid(), golden["framewise"], rtol=0, atol=1e-5)


def test_figures_of_a_voice(cnn14: Classifier, figures: PublishedFigures) -> None:
    waveform = torch.from_numpy(voice(32000, 32000))[None]
    with torch.no_grad():
        figures("panns_cnn14/embedding of voice", cnn14.embed(waveform)[0], atol=1e-5)
        figures("panns_cnn14/clipwise of voice", cnn14(waveform)[0].sigmoid(), atol=1e-5)


@pytest.mark.parametrize(("name", "head"), [("decisionlevelmax", "max"), ("decisionlevelatt", "attention")])
def test_figures_of_events(cnn14: Classifier, name: str, head: str, figures: PublishedFigures) -> None:
    with torch.no_grad():
        clip, frames = detector(cnn14, head).detect(torch.from_numpy(voice(64000, 32000))[None])
    figures(f"panns_cnn14_{name}/clipwise of voice", clip[0].sigmoid(), atol=1e-5)
    figures(f"panns_cnn14_{name}/framewise of voice", frames[0].sigmoid(), atol=1e-5)


def detector(cnn14: Classifier, head: str) -> Classifier:
    """A detector's trunk has the tagger's reference weights, as its entries have the same names."""
    detector = copy.copy(cnn14)
    detector._modules = dict(cnn14._modules)
    detector.heads = create_head(head, cnn14.backbone, 527)
    detector.heads.load_state_dict(
        {k.removeprefix("att_block.").replace("fc_audioset", "cla"): v.reshape(v.shape[:2]) if v.ndim > 1 else v
         for k, v in reference_state_dict(TAGGER if head == "max" else ATTENTION).items()}
    )  # fmt: skip
    return detector


class TestHeads:
    @pytest.mark.parametrize("n_segments", [1, 2, 7])
    @pytest.mark.parametrize("name", ["max", "attention"])
    def test_is_the_slow_twin(self, name: str, n_segments: int) -> None:
        head = HEADS[name](5, 3)
        head.load_state_dict(reference_state_dict(shapes_of(head)))
        segments = 3.0 * torch.randn(2, 5, n_segments, generator=torch.Generator().manual_seed(n_segments))
        with torch.no_grad():
            clips, each = head.double()(segments.double()).sigmoid(), head.segment_logits(segments.double()).sigmoid()
        weights = {key: value.numpy() for key, value in head.state_dict().items()}
        for row in range(2):
            for label in range(3):
                decisions, attentions = [], []
                for segment in range(n_segments):
                    x = segments[row, :, segment].double().numpy()
                    logit = weights["cla.weight"][label] @ x + weights["cla.bias"][label]
                    decisions.append(1 / (1 + np.exp(-logit)))
                    if name == "attention":
                        score = weights["att.weight"][label] @ x + weights["att.bias"][label]
                        attentions.append(np.exp(min(max(score, -10), 10)))
                want = max(decisions)
                if name == "attention":
                    want = sum(a * p for a, p in zip(attentions, decisions, strict=True)) / sum(attentions)
                assert clips[row, label] == pytest.approx(want, abs=1e-12)
                np.testing.assert_allclose(each[row, :, label], decisions, atol=1e-12)

    @pytest.mark.parametrize("sign", [-1.0, 1.0])
    def test_certainty_keeps_its_size_and_its_slope(self, sign: float) -> None:
        head = AttentionHead(1, 1)
        nn.init.zeros_(head.att.weight)
        nn.init.ones_(head.cla.weight)
        nn.init.zeros_(head.cla.bias)
        segments = torch.full((1, 1, 4), sign * 200.0, requires_grad=True)
        logits = head(segments)
        assert logits.item() == pytest.approx(sign * 200.0, rel=1e-6)
        logits.sum().backward()
        assert segments.grad is not None
        torch.testing.assert_close(segments.grad, torch.full((1, 1, 4), 0.25))

    def test_wrong_heads_are_named(self) -> None:
        with pytest.raises(AuricleError, match=r"'median'.*attention"):
            small("median")
        with pytest.raises(AuricleError, match=r"'max'.*SmallCnn.*cnn14"):
            small("max", backbone={"name": "cnn-small"})
        with pytest.raises(AuricleError, match=r"'linear' decides on clips"):
            small("linear").detect(torch.zeros(1, 8000))
        with pytest.raises(AuricleError, match=r"channels=\(8, 8\).*six"):
            create_backbone("cnn14", n_bands=8, channels=(8, 8))
        assert isinstance(create_head("max", create_backbone("cnn14", n_bands=8, channels=NARROW), 2), MaxHead)


class TestDetection:
    @pytest.mark.parametrize("head", ["max", "attention"])
    @pytest.mark.parametrize("n_samples", [1, 80, 2560, 8000, 16001])
    def test_any_length_has_as_many_frames_as_the_spectrogram(self, head: str, n_samples: int) -> None:
        model = small(head)
        for waveform in (torch.zeros(2, n_samples), torch.ones(2, n_samples)):
            with torch.no_grad():
                clips, frames = model.detect(waveform)
            assert frames.shape == (2, model.frontend.n_frames(n_samples), 3)
            assert clips.isfinite().all()
            assert frames.isfinite().all()
            torch.testing.assert_close(clips, model(waveform))
            if head == "max":
                torch.testing.assert_close(clips, frames.amax(dim=1))

    def test_events_are_the_runs_of_chosen_frames(self) -> None:
        """Random frames in random pieces, against a walk through them one by one."""
        generator = np.random.default_rng(0)
        task = Task("t", ("a", "b"), multi_label=True)
        for _ in range(50):
            values = generator.random((generator.integers(1, 30), 2))
            chosen = values > generator.random()
            events, first = Events("x.wav", task, EventRule()), 0
            while first < len(values):
                size = int(generator.integers(1, 8))
                piece = slice(first, min(first + size, len(values)))
                times = 0.5 * np.arange(piece.start, piece.stop + 1)
                events.add(times[:-1], times[1:], values[piece], chosen[piece], chosen[piece])
                first += size
            want = []
            for label in range(2):
                start = None
                for k in range(len(values) + 1):
                    on = k < len(values) and chosen[k, label]
                    if on and start is None:
                        start = k
                    if not on and start is not None:
                        want.append((task.labels[label], 0.5 * start, 0.5 * k, values[start:k, label].max()))
                        start = None
            got = [(event.label, event.start_s, event.end_s, event.probability) for event in events.close()]
            assert sorted(got) == sorted(want)

    def test_selection_by_rank_and_threshold(self) -> None:
        values = np.array([[0.1, 0.7, 0.6], [0.4, 0.2, 0.4]])
        task = Task("t", ("a", "b", "c"))
        assert Selection(1, 0.0).chosen(task, values).tolist() == [[False, True, False], [True, False, False]]
        assert Selection(3, 0.5).chosen(task, values).tolist() == [[False, True, True], [False, False, False]]

    def test_a_file_in_windows_is_the_file_in_frames(self, tmp_path: Path) -> None:
        """Its events, of windows of 2 s and a last one of 0.3 s, are the runs of the frames of each window."""
        model = small("max")
        with torch.no_grad():
            model.heads.cla.weight.mul_(20.0)  # type: ignore[union-attr, operator]
            model.heads.cla.bias.zero_()  # type: ignore[union-attr, operator]
        path = tmp_path / "tone.wav"
        write_tone(path, 500.0, 6.3, seed=1)
        waveform = torch.from_numpy(audio.read(path, sample_rate=8000)[0])
        pieces = []
        for first in range(0, len(waveform), 16000):
            piece = waveform[first : first + 16000]
            with torch.no_grad():
                frames = model.detect(nn.functional.pad(piece, (0, 16000 - len(piece)))[None])[1][0]
            pieces.append(frames[: -(-len(piece) // 80)])
        logits = torch.cat(pieces).double().numpy()
        values = 1 / (1 + np.exp(-logits))
        threshold = float(np.median(values))
        events = Events(str(path), model.task(), EventRule())
        times = np.append(0.01 * np.arange(len(values)), len(waveform) / 8000)
        events.add(times[:-1], times[1:], values, values >= threshold, values >= threshold)
        want = sorted(events.close(), key=lambda event: (event.start_s, event.label))
        got, label, probability = predict_file(TorchWindowClassifier(model), path, Selection(3, threshold))
        got.sort(key=lambda event: (event.start_s, event.label))
        assert [(e.label, e.task) for e in got] == [(e.label, e.task) for e in want]
        for event, wanted in zip(got, want, strict=True):
            assert (event.start_s, event.end_s) == pytest.approx((wanted.start_s, wanted.end_s), abs=1e-6)
            assert event.probability == pytest.approx(wanted.probability, abs=1e-5)
        assert max(event.end_s for event in got) > 6.0
        assert label in model.task().labels
        assert 0 < probability < 1

    def test_mirrored_clips_have_no_continuous_frames(self) -> None:
        model = small("max", frontend={"name": "mel-db", "variant": "published"})
        with pytest.raises(AuricleError, match=r"401 frames for 400 hops.*paper"):
            model.window_logits(torch.zeros(32000), continuous=True)

    def test_a_hop_is_refused(self) -> None:
        with pytest.raises(AuricleError, match=r"0\.5 s.*detector"):
            check_hop(TorchWindowClassifier(small("max")), 0.5)


class TestTraining:
    @pytest.mark.slow
    def test_a_detector_learns_from_clips_when_a_sound_is_there(self, tmp_path: Path) -> None:
        """From labels of whole clips of three seconds, one second of each a tone; its events lie at the tones."""
        generator = np.random.default_rng(0)
        rows = []
        pitches = {"low": 500.0, "high": 2000.0}
        for index in range(48):
            label, start = list(pitches)[index % 2], int(generator.integers(0, 3)) * 8000
            clip = 0.003 * generator.standard_normal(24000)
            clip[start : start + 8000] += 0.3 * np.sin(2 * np.pi * pitches[label] * np.arange(8000) / 8000)
            audio.write(tmp_path / f"{index}.wav", clip.astype(np.float32), 8000)
            part = "test" if index >= 44 else "valid" if index >= 36 else "train"
            rows.append({"path": f"{index}.wav", "label": label, "split": part, "start": start / 8000})
        pd.DataFrame(rows).drop(columns="start").to_csv(tmp_path / "data.csv", index=False)
        code = auricle(
            "train", "classifier", "--data", tmp_path / "data.csv", "--output", tmp_path / "run",
            "--frontend", "mel-db", "--frontend-options.n_filters=32", "--window-s=3", "--head=max",
            "--backbone", "cnn14", f"--backbone-options.channels={NARROW}", "--backbone-options.block_dropout=0",
            "--backbone-options.dropout=0", "--training.epochs=12", "--training.batch-size=6",
            "--optimization.learning-rate=3e-3",
        )  # fmt: skip
        assert code == 0
        tests = rows[44:]
        files = [tmp_path / row["path"] for row in tests]
        predictions = tmp_path / "predictions"
        assert auricle("predict", tmp_path / "run", *files, "--output", predictions, "--threshold=0.9") == 0
        for row in tests:
            table = pd.read_csv(predictions / f"{Path(row['path']).stem}.csv")
            own = table[table.label == row["label"]]
            assert len(own), table
            middle = ((own.start_s + own.end_s) / 2).to_numpy()
            assert (np.abs(middle - row["start"] - 0.5) < 0.6).any(), (row, table)
        run = load(tmp_path / "run")
        assert isinstance(run, Classifier)
        assert run.detects


class TestCheckpoints:
    @pytest.fixture(scope="class")
    def weights(self) -> dict[str, Tensor]:
        """A narrow Cnn14 of three labels under the published names."""
        trunk = create_backbone("cnn14", n_bands=64, channels=NARROW).state_dict()
        return trunk | {"fc_audioset.weight": torch.zeros(3, 16), "fc_audioset.bias": torch.zeros(3)}

    def test_labels_and_the_kind_by_name(self, weights: dict[str, Tensor], tmp_path: Path) -> None:
        torch.save(weights, tmp_path / "Cnn14_DecisionLevelMax.pth")
        table = tmp_path / "class_labels_indices.csv"
        table.write_text('index,mid,display_name\n0,/m/1,"Speech"\n1,/m/2,"Bark, loud"\n2,/m/3,Hum\n')
        model = from_published(tmp_path / "Cnn14_DecisionLevelMax.pth", labels=table, window_s=2.0)
        assert model.config["head"] == "max"
        assert model.task().labels == ("Speech", "Bark, loud", "Hum")
        assert model.window == 64000
        file = tmp_path / "Cnn14_DecisionLevelMax.pth"
        assert auricle("convert", "panns", file, "--output", tmp_path / "run", "--labels", table) == 0
        write_tone(tmp_path / "tone.wav", 500.0, 12.5, seed=1, rate=8000)
        assert auricle("predict", tmp_path / "run", tmp_path / "tone.wav", "--output", tmp_path / "out") == 0
        events = pd.read_csv(tmp_path / "out/tone.csv")
        assert sorted(events.label) == ["Bark, loud", "Hum", "Speech"]
        assert (events.start_s == 0.0).all()
        assert (events.end_s == 12.5).all()
        assert (events.probability == 0.5).all()
        assert from_published(tmp_path / "Cnn14_DecisionLevelMax.pth", head="linear").config["head"] == "linear"
        table.write_text('index,mid,display_name\n2,/m/3,Hum\n0,/m/1,Speech\n1,/m/2,"Bark, loud"\n')
        assert from_published(file, labels=table).task().labels == ("Speech", "Bark, loud", "Hum")
        table.write_text("index,mid,display_name\n0,/m/1,Speech\n")
        with pytest.raises(AuricleError, match=r"1 labels.*3 outputs"):
            from_published(tmp_path / "Cnn14_DecisionLevelMax.pth", labels=table)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("index,mid,display_name\n1,/m/1,a\n2,/m/2,b\n3,/m/3,c\n", "number the labels from 0 to 2"),
            ("index,mid,display_name\n0,/m/1,a\n1,/m/2,b\n1,/m/3,c\n", "number the labels from 0 to 2"),
            ("index,mid,display_name\n0,/m/1,a\n1,/m/2,a\n2,/m/3,c\n", "'a' stands twice"),
            ('["a", "", "c"]', "label 1 is empty"),
            ('["a", "b;c", "d"]', "'b;c' has a semicolon"),
            ('["c5", "C5", "d"]', "labels that look alike"),
        ],
    )
    def test_labels_that_cannot_be_told_are_refused(
        self, weights: dict[str, Tensor], tmp_path: Path, text: str, said: str
    ) -> None:
        torch.save(weights, tmp_path / "Cnn14.pth")
        (tmp_path / "labels").write_text(text)
        with pytest.raises(AuricleError, match=said):
            from_published(tmp_path / "Cnn14.pth", labels=tmp_path / "labels")

    def test_attention_and_what_stands_beside_the_weights(self, weights: dict[str, Tensor], tmp_path: Path) -> None:
        kept = {k: v for k, v in weights.items() if not k.startswith("fc_audioset")}
        kernels = {f"att_block.{part}.weight": torch.randn(3, 16, 1) for part in ("att", "cla")}
        biases = {f"att_block.{part}.bias": torch.randn(3) for part in ("att", "cla")}
        unused = {"att_block.bn_att.weight": torch.ones(3), "spectrogram_extractor.stft.x": torch.ones(1)}
        beside = {"arguments": argparse.Namespace(rate=32000), "loss": np.float64(1.0), "seen": np.arange(2)}
        torch.save({"model": kept | kernels | biases | unused, **beside}, tmp_path / "new.pth")
        with zipfile.ZipFile(tmp_path / "new.pth") as new, zipfile.ZipFile(tmp_path / "x.pth", "w") as old:
            for entry in new.namelist():  # as NumPy 1 called its parts
                old.writestr(entry, new.read(entry).replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
        assert torch.equal(*(from_published(tmp_path / name).heads.cla.weight for name in ("x.pth", "new.pth")))  # type: ignore[union-attr]
        model = from_published(tmp_path / "x.pth")
        assert model.config["head"] == "attention"
        for part in ("att", "cla"):
            assert torch.equal(model.get_parameter(f"heads.{part}.weight"), kernels[f"att_block.{part}.weight"][..., 0])
            assert torch.equal(model.get_parameter(f"heads.{part}.bias"), biases[f"att_block.{part}.bias"])
        for name, value in kept.items():
            assert torch.equal(model.backbone.state_dict()[name], value)

    @pytest.mark.parametrize(("rate", "highest_hz"), [(32000, 14000), (16000, 8000), (8000, 4000)])
    def test_the_mel_matrix_tells_the_rate(self, weights, tmp_path: Path, rate: int, highest_hz: int) -> None:
        n_fft = round(0.032 * rate)
        matrix = torch.from_numpy(auditory_mel_matrix(64, n_fft, rate, 50, highest_hz)).float()
        torch.save(weights | {"logmel_extractor.melW": matrix}, tmp_path / "model.pth")
        model = from_published(tmp_path / "model.pth")
        assert model.sample_rate == rate
        assert (model.frontend.hop_length, model.frontend.n_filters) == (rate // 100, 64)
        waveform = torch.randn(1, rate, generator=torch.Generator().manual_seed(0))
        window = torch.hann_window(n_fft)
        power = torch.stft(waveform, n_fft, rate // 100, window=window, return_complex=True).abs() ** 2
        expected = 10 * torch.log10(torch.clamp(matrix.T @ power, min=1e-10))
        torch.testing.assert_close(model.frontend(waveform), expected, rtol=0, atol=2e-3)
        model.save(tmp_path / "run")
        loaded = load(tmp_path / "run")
        torch.testing.assert_close(loaded(waveform), model(waveform), rtol=0, atol=0)

    def test_errors_say_what_is_wrong(self, weights: dict[str, Tensor], tmp_path: Path) -> None:
        bad = {
            "less": ({k: v for k, v in weights.items() if k != "fc1.bias"}, r"lacks 'backbone\.fc1\.bias'"),
            "more": (weights | {"extra": torch.zeros(1)}, "extra"),
            "nan": (weights | {"fc1.bias": torch.full((16,), torch.nan)}, "NaN"),
            "16k": (weights | {"logmel_extractor.melW": torch.zeros(257, 64)}, r"\(257, 64\), is not one of Cnn14's"),
        }
        for name, (content, words) in bad.items():
            torch.save(content, tmp_path / name)
            with pytest.raises(AuricleError, match=words):
                from_published(tmp_path / name)
        torch.save(weights, tmp_path / "good")
        with pytest.raises(AuricleError, match=r"'median'.*linear"):
            from_published(tmp_path / "good", head="median")
        with pytest.raises(AuricleError, match=r"unknown head 'mlp'.* Known: attention, linear, max$"):
            from_published(tmp_path / "good", head="mlp")
        with pytest.raises(AuricleError, match=r"lacks 'heads\.att"):
            from_published(tmp_path / "good", head="attention")
