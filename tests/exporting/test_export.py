"""Exported models against the models they were made of."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pandas as pd
import pytest
import torch
from torch import nn

import auricle
from auricle.data.tasks import Task, columns
from auricle.errors import AuricleError
from auricle.exporting import export as export_module
from auricle.exporting import program as program_module
from auricle.exporting.onnx_file import describe, runner, write_onnx
from auricle.exporting.program import export_program, largest_difference, save_program
from auricle.frontends import create_frontend, list_frontends
from auricle.frontends.compression import LogZScore
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.onnx_sessions import METADATA
from auricle.tasks.classification.window_classifiers import OnnxWindowClassifier, probabilities
from auricle.tasks.classification.window_classifiers import TorchWindowClassifier as Torch
from sounds import tone_manifest, write_tone
from untrained import classifier_run

RATE = 8000


def classifier(backbone: str, frontend: str = "mel", n_filters: int = 32, **options: object) -> Classifier:
    """With statistics of its batch normalisations that let something through."""
    tasks = [Task("animals", ("cat", "dog", "owl")), Task("tags", ("near", "far"), multi_label=True)]
    made = Classifier.build(
        sample_rate=RATE,
        window_s=0.5,
        tasks=tasks,
        frontend={"name": frontend, "n_filters": n_filters},
        backbone={"name": backbone, **options},
    )
    torch.manual_seed(0)  # of the dropout while statistics are gathered
    norms = [part for part in made.modules() if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.9
    with torch.no_grad():
        made.train()
        made(0.1 * torch.randn(8, RATE // 2, generator=torch.Generator().manual_seed(1)))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return made.eval()


@pytest.fixture(scope="module")
def leaf(tmp_path_factory):
    """LEAF in its fast form, and its ONNX file: what takes the longest to trace."""
    frontend = create_frontend("leaf", sample_rate=RATE, n_filters=16).eval()
    path = tmp_path_factory.mktemp("leaf") / "model.onnx"
    assert write_onnx(frontend, path, source="test") <= 1e-4
    return frontend, path


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A classifier that is quick to export, and its ONNX file."""
    model = classifier("cnn-small")
    path = tmp_path_factory.mktemp("small") / "model.onnx"
    assert write_onnx(model, path, source="run-7") <= 1e-4
    return model, path


class TestFrontends:
    @pytest.mark.parametrize(
        "name",
        [
            pytest.param(name, marks=[] if name in ("mel", "sincgram") else pytest.mark.slow)
            for name in list_frontends()
            if name not in ("mel-pcen", "sincnet")
        ],
    )
    def test_onnx_computes_what_torch_computes(self, name, request, tmp_path):
        if name == "leaf":
            frontend, path = request.getfixturevalue("leaf")
        else:
            # Other front-ends with LEAF's filters differ from it after the energies only: a smaller bank traces sooner.
            n_filters = 4 if name.startswith("leaf-") else 16
            frontend, path = create_frontend(name, sample_rate=RATE, n_filters=n_filters).eval(), tmp_path / "m.onnx"
            assert write_onnx(frontend, path, source="test") <= 1e-4
        run = runner(path)
        for batch, n_samples in ((1, 81), (3, RATE // 5), (2, 12345)):
            waveform = 0.1 * torch.randn(batch, n_samples, generator=torch.Generator().manual_seed(n_samples))
            with torch.no_grad():
                expected = frontend(waveform)
            np.testing.assert_allclose(run(waveform), expected.numpy(), rtol=1e-4, atol=1e-4)

    @pytest.mark.slow
    def test_causal_attention_and_z_score(self, tmp_path):
        options = {"n_filters": 16, "context_s": 0.3, "compression": LogZScore(context=30.0)}
        frontend = create_frontend("degram", sample_rate=RATE, **options).eval()
        assert write_onnx(frontend, tmp_path / "model.onnx", source="test") <= 1e-4

    @pytest.mark.slow
    def test_silence_and_full_scale(self, leaf):
        frontend, path = leaf
        run = runner(path)
        for clip in (torch.zeros(1, RATE), torch.sign(torch.sin(0.1 * torch.arange(RATE)))[None]):
            with torch.no_grad():
                np.testing.assert_allclose(run(clip), frontend(clip).numpy(), rtol=1e-4, atol=1e-4)

    def test_a_torch_program_is_of_the_present_parameters(self, tmp_path):
        frontend = create_frontend("leaf", sample_rate=RATE, n_filters=4).eval()
        with torch.no_grad():
            frontend.filterbank.bandwidths.mul_(0.7)
            frontend.pooling.widths.mul_(0.9)
            frontend.compression.alpha.fill_(0.5)
        assert save_program(frontend, tmp_path / "model.pt2", {METADATA: "{}"}) <= 1e-5

    @pytest.mark.slow
    def test_a_torch_program_of_adaptive_pcen_is_its_loop(self, tmp_path):
        frontend = create_frontend("leaf-apcen", sample_rate=RATE, n_filters=4).eval()
        assert save_program(frontend, tmp_path / "model.pt2", {METADATA: "{}"}) <= 1e-5

    @pytest.mark.slow
    def test_an_onnx_file_is_of_the_present_parameters(self, tmp_path):
        frontend = create_frontend("leaf", sample_rate=RATE, n_filters=4).eval()
        with torch.no_grad():
            frontend.filterbank.bandwidths.mul_(0.7)
            frontend.pooling.widths.mul_(0.9)
            frontend.compression.alpha.fill_(0.5)
        assert write_onnx(frontend, tmp_path / "model.onnx") <= 1e-4

    def test_published_frames_are_refused(self):
        with pytest.raises(AuricleError, match="variant='paper'"):
            export_program(create_frontend("leaf", variant="published"))


class TestClassifiers:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("backbone", "frontend", "smaller"),
        [
            ("cnn-small", "leaf", {}),
            ("mobilenet", "mel", {"width": 0.1}),
            ("eca-resnet-50", "mel", {"depths": (1, 2, 1, 1), "widths": (8, 16, 32, 64)}),
            ("vgg-m", "mel", {"channels": (12, 32, 48, 32, 32, 64, 32)}),
        ],
    )
    def test_onnx_computes_what_torch_computes(self, backbone, frontend, smaller, tmp_path):
        model = classifier(backbone, frontend, n_filters=4 if frontend == "leaf" else 32, **smaller)
        clips = 0.1 * torch.randn(2, RATE, generator=torch.Generator().manual_seed(2))
        with torch.no_grad():
            assert model(clips).diff(dim=0).abs().max() > 2e-3, "a model whose output is constant shows nothing"
        assert write_onnx(model, tmp_path / "model.onnx") <= 1e-4

    @pytest.mark.slow
    @pytest.mark.parametrize("frontend", ["mel", "mel-db", "mel-efficientat"])
    def test_silence_before_quiet_windows_are_amplified(self, frontend, tmp_path):
        """Exporters drop constants that are nearly 0, such as a floor of 1e-10."""
        model = classifier("cnn-small", frontend).with_config(min_level_db=0.0).eval()
        assert write_onnx(model, tmp_path / "model.onnx") <= 1e-4
        run = runner(tmp_path / "model.onnx")
        for level in (0.0, 1e-4):
            clip = torch.zeros(1, RATE)
            clip[0, RATE // 2 :] = level * torch.randn(RATE // 2, generator=torch.Generator().manual_seed(3))
            with torch.no_grad():
                wanted = model(clip)
            np.testing.assert_allclose(run(clip), wanted, atol=1e-4 * max(1.0, float(wanted.abs().max())))

    @pytest.mark.slow
    @pytest.mark.parametrize("backbone", ["cnn14", "resnet-18"])
    def test_exports_with_dynamic_length(self, backbone):
        model = classifier(backbone)
        assert largest_difference(model, export_program(model).module(), (0.2, 0.5, 3.0)) <= 1e-4

    @pytest.mark.slow
    def test_a_pretrained_models_program_takes_short_clips(self):
        frontend = {"name": "mel-efficientat", "variant": "published"}
        backbone = {"name": "mobilenet", "width": 0.1}
        tasks = [Task("sounds", ("cat", "dog"))]
        model = Classifier.build(tasks=tasks, sample_rate=32000, window_s=1.0, frontend=frontend, backbone=backbone)
        assert largest_difference(model.eval(), export_program(model).module(), (0.2, 1.0)) <= 1e-4

    @pytest.mark.slow
    def test_a_file_that_differs_is_not_kept(self, small, tmp_path, monkeypatch):
        model = small[0]
        monkeypatch.setattr(program_module, "LENGTHS_S", (0.2,))
        monkeypatch.setattr("auricle.exporting.onnx_file.largest_difference", lambda *_: 2e-4)
        with pytest.raises(AuricleError, match="differs from torch by 2"):
            write_onnx(model, tmp_path / "model.onnx")
        assert not list(tmp_path.iterdir())

    @pytest.mark.slow
    def test_a_difference_in_silence_alone_is_seen(self, small):
        model = small[0]

        def wrong_in_silence(x):
            return model(x) + 1e-3 * (x == 0).all(-1, keepdim=True)

        with torch.no_grad():
            scale = max(1.0, float(model(torch.zeros(1, round(0.2 * model.sample_rate))).abs().max()))
        assert largest_difference(model, wrong_in_silence, (0.3,)) < 1e-6
        assert largest_difference(model, wrong_in_silence, (0.3, 0.2)) == pytest.approx(1e-3 / scale, rel=0.01)

    def test_difference_is_seen(self, small):
        """The check finds a wrong model, and one whose shape is wrong."""
        model = small[0]
        assert largest_difference(model, lambda x: model(x) + 1e-3, (0.3,)) == pytest.approx(1e-3, rel=0.01)
        with pytest.raises(AuricleError, match="gives"):
            largest_difference(model, lambda x: model(x)[:, 1:], (0.3,))
        assert math.isnan(largest_difference(model, lambda x: model(x) * float("nan"), (0.3, 0.2)))


class TestMetadata:
    def test_a_window_classifier_knows_everything_from_the_file(self, small):
        model, path = small
        exported = OnnxWindowClassifier(path)
        assert (exported.sample_rate, exported.window, exported.short) == (RATE, RATE // 2, "pad")
        assert exported.tasks == model.tasks
        assert exported.description["source"] == "run-7"
        stored = {prop.key: prop.value for prop in onnx.load(path).metadata_props}
        assert json.loads(stored[METADATA]) == describe(model, "run-7")
        windows = 0.1 * np.random.default_rng(0).standard_normal((40, RATE // 2)).astype(np.float32)
        np.testing.assert_allclose(exported.logits(windows), Torch(model).logits(windows), atol=1e-4)

    @pytest.mark.slow
    def test_other_files_are_refused(self, tmp_path):
        (tmp_path / "text.onnx").write_text("no model")
        with pytest.raises(AuricleError, match="not an ONNX model"):
            OnnxWindowClassifier(tmp_path / "text.onnx")
        write_onnx(create_frontend("mel", sample_rate=RATE), tmp_path / "mel.onnx")
        with pytest.raises(AuricleError, match=r"not an exported classifier \(front-end\)"):
            OnnxWindowClassifier(tmp_path / "mel.onnx")
        with pytest.raises(AuricleError, match="no such file"):
            OnnxWindowClassifier(tmp_path / "none.onnx")


def test_probabilities_in_numpy_are_those_in_torch():
    logits = np.random.default_rng(0).normal(0.0, 30.0, (7, 5)).astype(np.float32)
    np.testing.assert_allclose(probabilities(logits, False), torch.softmax(torch.tensor(logits), -1), atol=1e-6)
    np.testing.assert_allclose(probabilities(logits, True), torch.sigmoid(torch.tensor(logits)), atol=1e-6)
    tasks = (Task("a", ("x", "y")), Task("b", ("z", "w", "v")))
    assert [columns(tasks, task) for task in tasks] == [slice(0, 2), slice(2, 5)]


def test_what_fails_within_an_exporter_is_one_line(tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("this operator is not known\nhere")

    mel = create_frontend("mel", sample_rate=RATE, n_filters=4)
    for place, write in (
        (torch.export, lambda path: save_program(mel, path, {})),
        (torch.onnx, lambda path: write_onnx(mel, path)),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(place, "export", fail)
            with pytest.raises(AuricleError, match=r"the export failed: this operator is not known$"):
                write(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_int8_clips_that_cannot_be_used_are_said_before_anything_is_written(of_tones, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.wav").write_bytes(b"no sound")
    write_tone(tmp_path / "data" / "b.wav", 700.0, 0.5, 1)
    (tmp_path / "data" / "new.csv").write_text("path,label\nb.wav,low")
    for data, words in (("data/new.csv", "has no clip that .* was trained on"), ("none.csv", "there is no such")):
        with pytest.raises(AuricleError, match=words):
            auricle.export(of_tones, output=tmp_path / "m.onnx", int8=tmp_path / "i.onnx", data=tmp_path / data)
    assert not list(tmp_path.glob("*.onnx"))


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("leaf", "model.bin", {}), "the suffix should be .onnx or .pt2"),
            (("leaf", "model.onnx", {"format": "onx"}), "did you mean 'onnx'"),
            (("leaf", "model.pt2", {"format": "onnx"}), "model.pt2: the suffix should be .onnx"),
            (("leaf", "model", {"format": "torch"}), "the suffix should be .pt2"),
            (("leaf", "model.onnx", {"component": "front"}), "front"),
            (("leaf", "model.onnx", {"component": "classifier"}), "there is no classifier to export"),
            (("nowhere", "model.onnx", {}), "no such folder"),
            (("lea", "model.onnx", {}), "did you mean 'leaf'"),
            (("eficientat-mn04", "model.onnx", {}), "did you mean 'efficientat-mn04'"),
        ],
    )
    def test_one_line_says_what_is_wrong(self, arguments, words, tmp_path):
        run, name, options = arguments
        with pytest.raises(AuricleError, match=words):
            auricle.export(run, output=tmp_path / name, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"output": "m.onnx", "int8": "m.onnx", "data": "sounds"}, "another file than that of --output"),
        ({"output": "m.pt2", "int8": "i.onnx", "data": "sounds"}, "a whole classifier as .onnx"),
        ({"output": "m.onnx", "int8": "i.onnx"}, "--int8 needs --data"),
        ({"output": "m.onnx", "int8": "i.pt2", "data": "sounds"}, "i.pt2: the suffix should be .onnx"),
        ({"output": "m.onnx", "data": "sounds"}, "--data is for --int8 alone"),
    ],
)
def test_what_int8_needs_is_said_before_anything_is_written(options, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AuricleError, match=words):
        auricle.export("leaf", **options)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def of_tones(tmp_path_factory):
    """A multi-label classifier, beside the folder `data` with the clips that its clips.csv lists."""
    folder = tmp_path_factory.mktemp("tones")
    return classifier_run(folder / "run", tone_manifest(folder / "data", 4), multi_label=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("new", "accuracy", "agreement"),
    [
        ({}, "–", "– of 0 clips"),
        ({"low": 2, "high": 1, "": 3}, "66.7 %", "100.0 % of 6 clips"),
    ],
)
def test_int8_is_measured_on_labelled_clips_that_were_not_learnt_from(
    of_tones, new, accuracy, agreement, tmp_path, monkeypatch
):
    rows = [f"{of_tones.parent}/data/low/low-{k}.wav,low" for k in range(3)]
    for seed, label in enumerate(label for label, count in new.items() for _ in range(count)):
        write_tone(tmp_path / f"{seed}.wav", 700.0, 0.5, 70 + seed)
        rows.append(f"{seed}.wav,{label}")
    (tmp_path / "data.csv").write_text("\n".join(["path,label", *rows]))
    monkeypatch.setattr(export_module, "likeliest_labels", lambda clips, *_: ["low" for _ in clips])
    lines = auricle.export(
        of_tones, output=tmp_path / "m.onnx", int8=tmp_path / "i.onnx", data=tmp_path / "data.csv"
    ).splitlines()
    (header,) = (line for line in lines if "accuracy" in line)
    assert f"accuracy on {sum(new.values()) - new.get('', 0)} clips of all" in header
    assert [line.endswith(f" ms {accuracy:>34}") for line in lines if " ms " in line] == [True, True]
    assert f"int8 gives {agreement} the same label" in lines[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("group", "splits", "heard", "measured"),
    [
        ("{k}", ("", ""), 4, "4 clips of the rest"),
        ("one", ("", ""), 8, "0 clips of the rest"),
        ("{k}", ("train", "valid"), 4, "4 clips of valid"),
        ("{k}", ("valid", "test"), 4, "4 clips of test"),
    ],
)
def test_int8_of_a_converted_model_is_not_measured_on_what_it_was_calibrated_on(
    group, splits, heard, measured, of_tones, tmp_path, monkeypatch
):
    run = shutil.copytree(of_tones, tmp_path / "run", ignore=shutil.ignore_patterns("clips.csv"))
    rows = []
    for k in range(8):
        write_tone(tmp_path / f"{k}.wav", 700.0, 0.5, k)
        rows.append(f"{k}.wav,{('low', 'high')[k // 4]},{group.format(k=k)},{splits[k % 2]}")
    (tmp_path / "data.csv").write_text("\n".join(["path,label,group,split", *rows]))
    calibrated, tested = [], []
    monkeypatch.setattr(export_module, "calibration_windows", lambda clips, _: calibrated.extend(clips))
    monkeypatch.setattr(export_module, "quantize", lambda path, quantized, _: shutil.copy(path, quantized))
    monkeypatch.setattr(
        export_module, "likeliest_labels", lambda clips, *_: tested.extend(clips) or ["low" for _ in clips]
    )
    said = auricle.export(run, output=tmp_path / "m.onnx", int8=tmp_path / "i.onnx", data=tmp_path / "data.csv")
    assert len(calibrated) == heard
    assert not set(calibrated) & set(tested)
    assert f"accuracy on {measured}" in said


def test_predicting_from_onnx_needs_no_torch(small, tmp_path):
    write_tone(tmp_path / "tone.wav", 500.0, 3.2, seed=1, rate=RATE)
    code = (
        "import sys; from auricle.__main__ import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as ended: assert ended.code == 0, ended.code\n"
        "assert 'torch' not in sys.modules and 'lightning' not in sys.modules"
    )
    command = [sys.executable, "-c", code, "predict", small[1], tmp_path / "tone.wav"]
    subprocess.run(
        [*map(str, command), "--output", str(tmp_path / "tables"), "--threshold=0"], check=True, capture_output=True
    )
    table = pd.read_csv(tmp_path / "tables" / "tone.csv")
    assert list(table["start_s"].unique()) == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
