"""The int8 version of an exported classifier, and what it costs in accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from auricle import audio
from auricle.data.clips import Clip
from auricle.data.tasks import Task
from auricle.data.windows import whole_windows
from auricle.exporting.program import quiet
from auricle.progress import track
from auricle.tasks.classification.window_classifiers import WindowClassifier, columns

WEIGHTED = ("Conv", "MatMul", "Gemm")


def quantize(path: Path, quantized: Path, calibration: Iterator[np.ndarray]) -> None:
    """Write `quantized`: `path` with the backbone's and the heads' convolutions and products in int8.

    The ranges of what flows between them are those seen on `calibration`. The front-end stays in float32: its energies
    span more than 256 steps can hold. Weights are scaled per channel.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(calibration, None)
            return None if batch is None else {"waveform": batch}

    model = onnx.load(path)
    learnt = backbone_nodes(model)
    with quiet():
        quantize_static(
            model,
            quantized,
            Reader(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            nodes_to_quantize=learnt,
        )
    described = onnx.load(quantized)
    onnx.helper.set_model_props(described, {prop.key: prop.value for prop in model.metadata_props})
    onnx.save(described, quantized)


def backbone_nodes(model: Any) -> list[str]:
    """Names of the convolutions and products whose weights are the backbone's or the heads'."""
    mine = {tensor.name for tensor in model.graph.initializer if tensor.name.startswith(("backbone.", "heads."))}
    made = {output: node for node in model.graph.node for output in node.output}

    def learnt(name: str, depth: int = 3) -> bool:
        if name in mine:
            return True
        return depth > 0 and name in made and any(learnt(source, depth - 1) for source in made[name].input)

    return [
        node.name
        for node in model.graph.node
        if node.op_type in WEIGHTED and any(learnt(name) for name in node.input[1:])
    ]


def clip_windows(clip: Clip, classifier: WindowClassifier) -> np.ndarray:
    """A clip as the model reads it: `(windows, window)`."""
    waveform, _ = audio.read(clip.path, sample_rate=classifier.sample_rate, start_s=clip.start_s, end_s=clip.end_s)
    whole = whole_windows(waveform.astype(np.float32), classifier.window, classifier.short)
    return whole.reshape(-1, classifier.window)


def calibration_windows(
    clips: Sequence[Clip], classifier: WindowClassifier, at_most: int = 100
) -> Iterator[np.ndarray]:
    """The first windows of up to `at_most` clips, evenly chosen, one by one."""
    for clip in clips[:: max(1, len(clips) // at_most)][:at_most]:
        yield clip_windows(clip, classifier)[:1]


def accuracy(clips: Sequence[Clip], task: Task, classifier: WindowClassifier, title: str = "") -> float:
    """Share of `clips` whose likeliest label, logits averaged over windows, is one of theirs."""
    own = columns(classifier.tasks, task)
    hits = []
    for clip in track(clips, title, total=len(clips), show=bool(title)):
        logits = classifier.logits(clip_windows(clip, classifier)).mean(axis=0)[own]
        hits.append(task.labels[int(logits.argmax())] in clip.labels)
    return float(np.mean(hits))
