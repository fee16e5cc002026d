"""Opening ONNX files that may be damaged or hostile, and running them.

A file is refused if it refers to data outside itself; a small one may not take much memory; every error of ONNX Runtime
is an `AuricleError` that names the file.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from auricle.errors import AuricleError, first_line
from auricle.extras import optional
from auricle.readers import Shape, json_value, read_bytes

METADATA = "auricle"  # key of an exported model's metadata, whose value is its description as JSON
FRAMES = "frame_logits"  # output of an exported detector, after its logits
INPUT = "waveform"
PROBE_S = 0.2
LARGEST = 2**31  # bytes of a file
_SMALL = 2**23  # bytes of a file that is small
_SMALL_MEMORY = 900 * 2**20

_DESCRIPTION: Shape = {
    "kind": str,
    "sample_rate": int,
    "window": int,
    "short": str,
    "frame_s?": float,
    "calibration?": object,
    "tasks": [{"name": str, "labels": [str], "multi_label?": bool}],
}


class OnnxSession:
    """An ONNX Runtime session on the CPU with `threads` threads (0: one for each core).

    With `limited`, a small file may take 900 MiB of memory at most. Raises `AuricleError` if the file is missing, is
    not ONNX, is larger than 2 GiB, or refers to other files.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int = 0, limited: bool = False) -> None:
        onnxruntime = optional("onnxruntime", "an ONNX file")
        if not Path(path).is_file():
            raise AuricleError(f"{path}: no such file")
        data = read_bytes(path, LARGEST)
        self.path = path
        _refuse_other_files(path, data)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4
        if limited and len(data) <= _SMALL:
            _limit_memory()
            options.add_session_config_entry("session.use_env_allocators", "1")
        try:
            self.session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise AuricleError(f"{path}: not an ONNX model ({_reason(error)})") from None
        self.inputs = [node.name for node in self.session.get_inputs()]

    @property
    def is_described(self) -> bool:
        """Whether the file says what it is, as those of `auricle export` do."""
        return METADATA in self.session.get_modelmeta().custom_metadata_map

    @property
    def input_shape(self) -> list[int | None]:
        """The sizes of the first input; None where any size is taken."""
        return [size if isinstance(size, int) else None for size in self.session.get_inputs()[0].shape]

    def description(self, kind: str) -> dict[str, Any]:
        """What `auricle export` wrote about a model of this kind; an `AuricleError` for any other file."""
        text = self.session.get_modelmeta().custom_metadata_map.get(METADATA, "{}")
        described = json_value(text, self.path, {"kind?": object})
        if described.get("kind") != kind:
            found = described.get("kind", "not written by auricle export")
            raise AuricleError(f"{self.path}: not an exported {kind} ({found!s:.80})")
        if self.inputs != [INPUT]:
            raise AuricleError(f"{self.path}: its inputs are {', '.join(self.inputs)[:80]}, and not {INPUT}")
        return json_value(text, self.path, _DESCRIPTION if kind == "classifier" else {"kind": str})

    def run(self, waveforms: np.ndarray) -> list[np.ndarray]:
        """All outputs for the first input, `(batch, time)` float32."""
        try:
            outputs: Sequence[Any] = self.session.run(None, {self.inputs[0]: waveforms})
        except Exception as error:
            raise AuricleError(f"{self.path}: cannot be run ({_reason(error)})") from None
        return [np.asarray(output) for output in outputs]

    def check_outputs(self, columns: int, n_samples: int, frames: bool = False) -> None:
        """Raise `AuricleError` unless the first output for a clip of silence is a row of `columns` numbers.

        With `frames` the second has to be such rows too, for each frame.
        """
        first, *others = self.run(np.zeros((1, n_samples), np.float32))
        if first.shape != (1, columns) or first.dtype != np.float32:
            raise AuricleError(
                f"{self.path}: its labels are {columns}, and its output for one window is {first.dtype} of shape "
                f"{first.shape}: they do not fit"
            )
        rows = others[0].shape if others else ()
        if frames and not (len(rows) == 3 and rows[0] == 1 and rows[2] == columns and others[0].dtype == np.float32):
            raise AuricleError(
                f"{self.path}: its labels are {columns}, and its output for the frames of one window has the shape "
                f"{rows}: they do not fit"
            )


@functools.cache
def _limit_memory() -> None:
    """Limit the memory that sessions which use the environment's allocator take together."""
    onnxruntime = optional("onnxruntime", "an ONNX file")
    place = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    limits = {"max_mem": _SMALL_MEMORY, "arena_extend_strategy": 1, "initial_chunk_size_bytes": -1}
    onnxruntime.create_and_register_allocator(place, onnxruntime.OrtArenaCfg(limits | {"max_dead_bytes_per_chunk": -1}))


def _refuse_other_files(path: str | os.PathLike[str], data: bytes) -> None:
    onnx = optional("onnx", "an ONNX file")
    try:
        model = onnx.load_model_from_string(data)
        outside = any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model))
    except Exception as error:
        raise AuricleError(f"{path}: not an ONNX model ({_reason(error)})") from None
    if outside:
        raise AuricleError(f"{path}: its weights are in other files, which are not read: export it as one file")


def _tensors(message: Any) -> Iterator[Any]:
    """All tensors within a protobuf message."""
    if message.DESCRIPTOR.name == "TensorProto":
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for member in value if field.is_repeated else (value,):
                yield from _tensors(member)


def _reason(error: Exception) -> str:
    return first_line(error)[:200] or type(error).__name__
