"""ONNX files that are damaged or hostile."""

from __future__ import annotations

import json
import resource

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from auricle.errors import AuricleError
from auricle.tasks.classification.onnx_sessions import METADATA
from auricle.tasks.classification.window_classifiers import OnnxWindowClassifier

RIGHT = {
    "kind": "classifier", "sample_rate": 8000, "window": 800, "short": "pad",
    "tasks": [{"name": "t", "labels": ["a", "b", "c"]}],
}  # fmt: skip


def model(path, description=RIGHT, columns=3, bomb=0, outside=""):
    """Logits (mean of the window) · (1, 2, …); with `bomb` it makes as many MiB of ones on the way."""
    weights = helper.make_tensor("w", TensorProto.FLOAT, [1, columns], np.arange(1.0, columns + 1))
    if outside:
        weights = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1, columns], data_location=1)
        weights.external_data.add(key="location", value=outside)
    nodes = [helper.make_node("ReduceMean", ["waveform"], ["m"], axes=[1]),
             helper.make_node("MatMul", ["m", "w"], ["plain"])]  # fmt: skip
    initializers = [weights]
    if bomb:
        initializers.append(helper.make_tensor("s", TensorProto.INT64, [2], [bomb, 2**18]))
        nodes += [
            helper.make_node(
                "ConstantOfShape", ["s"], ["ones"], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [1])
            ),
            helper.make_node("ReduceMean", ["ones"], ["one"], keepdims=0),
            helper.make_node("Mul", ["plain", "one"], ["logits"]),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["plain"], ["logits"]))
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["b", "t"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", None])], initializers,
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(made, {METADATA: description if isinstance(description, str) else json.dumps(description)})
    path.write_bytes(made.SerializeToString())
    return path


def test_a_whole_model_is_used(tmp_path):
    opened = OnnxWindowClassifier(model(tmp_path / "m.onnx"))
    windows = np.random.default_rng(0).standard_normal((700, 800)).astype(np.float32)
    expected = windows.mean(axis=1, keepdims=True) * np.arange(1.0, 4.0)
    np.testing.assert_allclose(opened.logits(windows), expected, atol=1e-6)


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_labels_that_do_not_fit_the_outputs(tmp_path, columns):
    with pytest.raises(AuricleError, match=r"labels are 3.*do not fit"):
        OnnxWindowClassifier(model(tmp_path / "m.onnx", columns=columns))


@pytest.mark.parametrize(
    "description",
    [
        "", "5", "[]", "null", "{", "[" * 90_000, {}, {"kind": "classifier"}, {"kind": 5}, {"kind": []},
        RIGHT | {"kind": "front-end"}, RIGHT | {"window": "800"}, RIGHT | {"window": 0}, RIGHT | {"window": 10**12},
        RIGHT | {"window": 1.5}, RIGHT | {"sample_rate": -1}, RIGHT | {"sample_rate": None}, RIGHT | {"short": "cut"},
        RIGHT | {"short": 3}, RIGHT | {"tasks": []}, RIGHT | {"tasks": {}}, RIGHT | {"tasks": [5]},
        RIGHT | {"tasks": [{"name": "t", "labels": "abc"}]}, RIGHT | {"tasks": [{"name": "t", "labels": [1, 2, 3]}]},
        RIGHT | {"tasks": [{"name": None, "labels": ["a", "b", "c"]}]},
    ],
    ids=lambda description: str(description)[:40],
)  # fmt: skip
def test_metadata_of_another_kind(tmp_path, description):
    with pytest.raises(AuricleError) as raised:
        OnnxWindowClassifier(model(tmp_path / "m.onnx", description))
    assert len(str(raised.value).splitlines()) == 1
    assert "m.onnx" in str(raised.value) or "task" in str(raised.value)


@pytest.mark.parametrize("place", ["../secret", "/etc/hostname", "weights.bin"])
def test_other_files_are_not_read(tmp_path, place):
    (tmp_path / "weights.bin").write_bytes(bytes(12))
    with pytest.raises(AuricleError, match="in other files"):
        OnnxWindowClassifier(model(tmp_path / "m.onnx", outside=place))


def test_a_small_file_may_not_take_gigabytes(tmp_path):
    OnnxWindowClassifier(model(tmp_path / "m.onnx", bomb=16))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(AuricleError, match=r"m\.onnx: cannot be run"):
        OnnxWindowClassifier(model(tmp_path / "m.onnx", bomb=8192))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # KiB


def test_damage(tmp_path):
    data = model(tmp_path / "m.onnx").read_bytes()
    for damaged in (b"", b"x", data[:50], data[: len(data) // 2], data[:-3], bytes(len(data))):
        (tmp_path / "m.onnx").write_bytes(damaged)
        with pytest.raises(AuricleError, match=r"m\.onnx"):
            OnnxWindowClassifier(tmp_path / "m.onnx")


def test_errors_of_running(tmp_path):
    opened = OnnxWindowClassifier(model(tmp_path / "m.onnx"))
    with pytest.raises(AuricleError, match=r"m\.onnx: cannot be run"):
        opened.logits(np.zeros((2, 3, 800), np.float32))
