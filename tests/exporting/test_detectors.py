"""Exported detectors: frames, calibration, and files whose outputs do not fit their labels."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pandas as pd
import pytest
import torch
from onnx import TensorProto, helper

import auricle
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.exporting.program import largest_difference
from auricle.runs.provenance import run_digest
from auricle.systems.classifier.system import Classifier
from auricle.systems.system import load
from auricle.tasks.classification.calibration import Calibration, TaskCalibration
from auricle.tasks.classification.onnx_sessions import METADATA
from auricle.tasks.classification.window_classifiers import OnnxWindowClassifier, TorchWindowClassifier
from auricle.tasks.open import open_window_classifier
from auricle.tasks.predict import predict
from sounds import RATE, write_tone

TASK = Task("tones", ("a", "b", "c"), multi_label=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An untrained detector whose frames differ, with a calibration that puts its thresholds among them."""
    folder = tmp_path_factory.mktemp("runs") / "detector"
    model = Classifier.build(
        sample_rate=RATE,
        window_s=1.0,
        tasks=[TASK],
        frontend={"name": "mel-db", "n_filters": 16},
        backbone={"name": "cnn14", "channels": [4, 4, 4, 4, 4, 4]},
        head="max",
    )
    with torch.no_grad():
        model.train()
        for _ in range(3):
            model(0.1 * torch.randn(8, RATE, generator=torch.Generator().manual_seed(1)))
        model.heads.cla.weight.mul_(300.0)
        model.heads.cla.bias.zero_()
    model.eval().save(folder)
    own = TaskCalibration("platt", (0.5, 2.0, 1.0), (0.3, -0.2, 0.0), (0.4, 0.5, 0.6))
    Calibration(run_digest(folder), {"tones": own}).write(folder, [TASK])
    return folder


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    auricle.export(run, output=path)
    return path


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("recordings") / "tone.wav"
    write_tone(path, 500.0, 7.3, seed=1)
    return path


@pytest.mark.slow
def test_open_axes_have_names(exported):
    session = pytest.importorskip("onnxruntime").InferenceSession(exported)
    assert session.get_inputs()[0].shape == ["batch", "time"]
    logits, frames = (output.shape for output in session.get_outputs())
    assert logits == ["batch", 3]
    assert (frames[0], frames[2]) == ("batch", 3)
    assert "time" in frames[1]


@pytest.mark.slow
def test_frames_are_those_of_the_run(run, exported):
    model = OnnxWindowClassifier(exported)
    assert model.frame_s == pytest.approx(load(run).frontend.hop_length / RATE)
    windows = 0.1 * np.random.default_rng(0).standard_normal((3, RATE)).astype(np.float32)
    wanted = TorchWindowClassifier(load(run)).detect(windows)
    for got, expected in zip(model.detect(windows), wanted, strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-3, rtol=1e-4)
    np.testing.assert_array_equal(model.logits(windows), model.detect(windows)[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{}, {"events": True, "event_gap_s": 0.2, "event_min_s": 0.1}, {"raw": True}, {"threshold": 0.2}]
)
def test_the_events_are_those_of_the_run(run, exported, recording, tmp_path, options):
    tables = []
    for number, model in enumerate((run, exported)):
        predict(model, [recording], output=tmp_path / str(number), quiet=True, **options)
        tables.append(pd.read_csv(tmp_path / str(number) / "tone.csv"))
    assert len(tables[0]) > 0
    pd.testing.assert_frame_equal(*tables, atol=1e-4, rtol=0)


@pytest.mark.slow
def test_the_calibration_is_in_the_file(run, exported):
    assert OnnxWindowClassifier(exported).calibration == open_window_classifier(run).calibration is not None
    assert OnnxWindowClassifier(exported, calibrated=False).calibration is None


def test_frames_that_differ_are_seen(run):
    model = load(run)
    assert largest_difference(model, model.detect, (0.5,)) == 0
    wrong = largest_difference(model, lambda x: (model(x), model.detect(x)[1] + 0.5), (0.5,))
    assert 0 < wrong <= 0.5
    with pytest.raises(AuricleError, match="gives"):
        largest_difference(model, model, (0.5,))


def hand_made(path, n_labels, n_outputs, frame_s=None, window=800):
    """An ONNX file that names `n_labels` labels and has outputs of `n_outputs` columns."""
    nodes = [
        helper.make_node("ReduceMean", ["waveform", "axis"], ["mean"], keepdims=1),
        helper.make_node("Expand", ["mean", "wide"], ["logits"]),
    ]
    tensors = [
        helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        helper.make_tensor("wide", TensorProto.INT64, [2], [1, n_outputs]),
    ]
    given = helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", "time"])
    made = helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)
    model = helper.make_model(
        helper.make_graph(nodes, "hand", [given], [made], tensors), opset_imports=[helper.make_opsetid("", 18)]
    )
    model.ir_version = 9
    task = {"name": "t", "labels": [f"l{k}" for k in range(n_labels)], "multi_label": True}
    about = {"kind": "classifier", "sample_rate": RATE, "window": window, "short": "pad", "tasks": [task]}
    about |= {} if frame_s is None else {"frame_s": frame_s}
    helper.set_model_props(model, {METADATA: json.dumps(about)})
    onnx.save(model, path)
    return path


def test_a_file_whose_labels_do_not_fit_its_outputs_is_refused(tmp_path):
    path = tmp_path / "m.onnx"
    assert OnnxWindowClassifier(hand_made(path, 3, 3)).logits(np.ones((2, 5), np.float32)).shape == (2, 3)
    for n_labels, n_outputs in ((3, 2), (2, 3), (1, 5)):
        with pytest.raises(AuricleError, match=rf"m\.onnx: its labels are {n_labels}, .*do not fit"):
            OnnxWindowClassifier(hand_made(path, n_labels, n_outputs))
    with pytest.raises(AuricleError, match=r"frames of one window has the shape \(\)"):
        OnnxWindowClassifier(hand_made(path, 3, 3, frame_s=0.01))
