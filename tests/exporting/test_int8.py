"""int8: which layers stay in float32, and how near the logits come to those of the float version."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest

from auricle import audio
from auricle.__main__ import main
from auricle.exporting import int8
from auricle.exporting.int8 import backbone_nodes, without_smallest
from auricle.systems import load
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.window_classifiers import OnnxWindowClassifier

pytestmark = pytest.mark.figures("undrawn")


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        ({"a": 97, "b": 2, "c": 1}, ["b", "a"]),
        ({"a": 98, "b": 1, "c": 1}, ["a"]),
        ({"a": 50, "b": 50}, ["a", "b"]),
        ({}, []),
    ],
)
def test_the_smallest_layers_up_to_two_hundredths_stay(sizes: dict[str, int], kept: list[str]) -> None:
    assert without_smallest(sizes) == kept


@pytest.mark.parametrize(
    ("n_clips", "taken"), [(3, [0, 1, 2]), (4, [0, 1, 2, 3]), (7, [0, 1, 3, 5]), (400, [0, 100, 200, 300])]
)
def test_calibration_hears_clips_from_first_to_last(n_clips: int, taken: list[int], monkeypatch) -> None:
    monkeypatch.setattr(int8, "clip_windows", lambda clip, _: [clip])
    clips: Any = range(n_clips)
    assert [window for (window,) in int8.calibration_windows(clips, cast(Any, None), max_clips=4)] == taken


def of_two_parts() -> Any:
    """A network of two entries x, a head that hears 100·W₁·x beside x, and gives the sum of x."""
    weights = {"backbone.layer": 100 * np.eye(2), "heads.linear.weight": np.array([[0], [0], [1], [1]])}
    nodes = [
        onnx.helper.make_node("MatMul", ["waveform", "backbone.layer"], ["large"], "layer"),
        onnx.helper.make_node("Concat", ["large", "waveform"], ["both"], "both", axis=1),
        onnx.helper.make_node("Gemm", ["both", "heads.linear.weight"], ["logits"], "head"),
    ]
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", size])
        for name, size in (("waveform", 2), ("logits", 1))
    ]
    tensors = [onnx.numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()]
    graph = onnx.helper.make_graph(nodes, "parts", ends[:1], ends[1:], tensors)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)


def test_a_head_of_several_parts_hears_the_small_ones_too(tmp_path: Path) -> None:
    model = of_two_parts()
    assert backbone_nodes(model) == {"layer": 4}
    onnx.save(model, tmp_path / "float.onnx")
    values = np.random.default_rng(0).uniform(-1, 1, (50, 2)).astype(np.float32)
    int8.quantize(tmp_path / "float.onnx", tmp_path / "int8.onnx", iter(values[:, None]))
    quantized = onnx.load(tmp_path / "int8.onnx")
    assert any(node.op_type == "QuantizeLinear" for node in quantized.graph.node)
    session = onnxruntime.InferenceSession(quantized.SerializeToString())
    (logits,) = session.run(None, {"waveform": values})
    np.testing.assert_allclose(logits[:, 0], values.sum(1), atol=0.02)


@pytest.fixture(scope="module")
def exported(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a published MobileNet as a run, in float32 and in int8, and what the command said."""
    folder = tmp_path_factory.mktemp("int8")
    recordings = sorted((shared / "data/esc10").rglob("*.flac"))[::10]
    rows = [{"path": path, "label": "sound", "split": ("train", "test")[i % 2]} for i, path in enumerate(recordings)]
    pd.DataFrame(rows).to_csv(folder / "data.csv", index=False)
    said = io.StringIO()
    for arguments in (
        ["convert", "efficientat", shared / "models/mn04_as_mAP_432.pt", "--output", folder / "run", "--window-s=2"],
        ["export", folder / "run", "--output", folder / "float.onnx", "--int8", folder / "int8.onnx"],
    ):
        data = ["--data", folder / "data.csv", "--quiet"] if arguments[0] == "export" else []
        with contextlib.redirect_stdout(said), pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in [*arguments, *data]])
        assert ended.value.code == 0
    return folder, said.getvalue()


@pytest.mark.slow
def test_every_weight_is_counted(exported: tuple[Path, str]) -> None:
    model = load(exported[0] / "run")
    assert isinstance(model, Classifier)
    parameters = [*model.backbone.named_parameters(), *model.heads.named_parameters()]
    kernels = sorted(value.numel() for name, value in parameters if value.ndim > 1)
    assert sorted(backbone_nodes(onnx.load(exported[0] / "float.onnx")).values()) == kernels


@pytest.mark.slow
def test_a_published_mobilenet_in_int8_stays_near(exported: tuple[Path, str], shared: Path) -> None:
    """With all layers in int8 the correlation of the logits is 0.92, and half of the likeliest labels differ."""
    folder, said = exported
    floating, integer = (OnnxWindowClassifier(folder / f"{kind}.onnx", threads=1) for kind in ("float", "int8"))
    correlations = []
    for path in sorted((shared / "data/esc10").rglob("*.flac"))[5::24]:
        waveform, _ = audio.read(path, sample_rate=32000)
        window = np.resize(waveform, (1, 64000)).astype(np.float32)
        correlations.append(np.corrcoef(floating.logits(window)[0], integer.logits(window)[0])[0, 1])
    assert np.mean(correlations) > 0.98
    sizes = [(folder / f"{kind}.onnx").stat().st_size for kind in ("int8", "float")]
    assert sizes[0] < 0.45 * sizes[1]
    assert "int8 gives" in said
    assert "of 12 clips the same label" in said
