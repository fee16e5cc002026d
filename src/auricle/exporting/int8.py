"""Static int8 quantisation of an exported classifier, and the accuracy of a window classifier."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from auricle import audio
from auricle.data.clips import Clip
from auricle.data.tasks import Task, columns
from auricle.data.windows import whole_windows
from auricle.exporting.program import without_messages
from auricle.extras import optional, require
from auricle.files import replacing
from auricle.progress import track
from auricle.tasks.classification.window_classifiers import WindowClassifier

OP_TYPES = ("Conv", "MatMul", "Gemm")
FLOAT_SHARE = 0.02
"""Share of the weights, those of the smallest layers, that stays in float32."""


def quantize(path: Path, quantized: Path, calibration: Iterator[np.ndarray]) -> None:
    """Write to `quantized` the ONNX model `path` with convolutions and products of backbone and heads in int8.

    Activation ranges are those on the windows of `calibration`, each `(n, window)`; weights are scaled per channel, to
    7 of the 8 bits, since their sums of 16 bits overflow on processors without instructions for such products. The
    front-end stays in float32, since the dynamic range of its energies exceeds 8 bits; so do the smallest layers, since
    the first ones of a MobileNet, with few channels, lose most by 8 bits, and small layers neither fill the file nor
    become quicker; and so does a head that hears several parts, which would have one scale, that of the largest.
    """
    onnx = optional("onnx", "int8")
    require("onnxruntime", "int8")
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(calibration, None)
            return None if batch is None else {"waveform": batch}

    model = onnx.load(path)
    with replacing(quantized) as partial, without_messages():
        quantize_static(
            model,
            partial,
            Reader(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            nodes_to_quantize=without_smallest(backbone_nodes(model)),
        )
        with_metadata = onnx.load(partial)
        onnx.helper.set_model_props(with_metadata, {prop.key: prop.value for prop in model.metadata_props})
        onnx.save(with_metadata, partial)


def backbone_nodes(model: Any) -> dict[str, int]:
    """Numbers of weights by the names of the ONNX nodes that have weights of the backbone or the heads.

    These are convolutions, and matrix products of anything but a concatenation; a weight may reach one through up to
    three others, such as a transposition.
    """
    sizes = {
        tensor.name: math.prod(tensor.dims)
        for tensor in model.graph.initializer
        if tensor.name.startswith(("backbone.", "heads."))
    }
    producers = {output: node for node in model.graph.node for output in node.output}

    def size(name: str, depth: int = 3) -> int:
        if name in sizes:
            return sizes[name]
        inputs = producers[name].input if depth > 0 and name in producers else ()
        return max((size(other, depth - 1) for other in inputs), default=0)

    concatenated = {output for node in model.graph.node if node.op_type == "Concat" for output in node.output}
    found = {
        node.name: max((size(name) for name in node.input[1:]), default=0)
        for node in model.graph.node
        if node.op_type in OP_TYPES and node.input[0] not in concatenated
    }
    return {name: n_weights for name, n_weights in found.items() if n_weights}


def without_smallest(nodes: dict[str, int]) -> list[str]:
    """The names of `nodes` but for the smallest that together have at most `FLOAT_SHARE` of all weights."""
    left = FLOAT_SHARE * sum(nodes.values())
    kept = []
    for name, n_weights in sorted(nodes.items(), key=lambda node: node[1]):
        left -= n_weights
        if left < 0:
            kept.append(name)
    return kept


def clip_windows(clip: Clip, classifier: WindowClassifier) -> np.ndarray:
    """The windows of a clip, float32 `(windows, window)` at the classifier's sample rate."""
    waveform, _ = audio.read(clip.path, sample_rate=classifier.sample_rate, start_s=clip.start_s, end_s=clip.end_s)
    whole = whole_windows(waveform.astype(np.float32), classifier.window, classifier.short)
    return whole.reshape(-1, classifier.window)


def calibration_windows(
    clips: Sequence[Clip], classifier: WindowClassifier, max_clips: int = 100
) -> Iterator[np.ndarray]:
    """Iterate over the first windows `(1, window)` of up to `max_clips` evenly spaced clips."""
    n_clips = min(max_clips, len(clips))
    for index in range(n_clips):
        yield clip_windows(clips[index * len(clips) // n_clips], classifier)[:1]


def likeliest_labels(clips: Sequence[Clip], task: Task, classifier: WindowClassifier, title: str = "") -> list[str]:
    """The likeliest label of `task` for each clip, by the logits averaged over its windows.

    With a `title`, a progress bar is shown.
    """
    own = columns(classifier.tasks, task)
    labels = []
    for clip in track(clips, title, total=len(clips), show=bool(title)):
        logits = classifier.logits(clip_windows(clip, classifier)).mean(axis=0)[own]
        labels.append(task.labels[int(logits.argmax())])
    return labels
