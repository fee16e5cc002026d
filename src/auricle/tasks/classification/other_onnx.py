"""ONNX files of other programs, which a JSON file beside them describes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from auricle.data.tasks import Task
from auricle.data.windows import MAX_WINDOW
from auricle.errors import AuricleError
from auricle.identity import digest_of, file_digest
from auricle.readers import Shape, read_json
from auricle.tasks.classification.onnx_sessions import PROBE_S, OnnxSession
from auricle.tasks.classification.window_classifiers import WholeWindows, logits_of

LOGITS, PROBABILITIES = "logits", "probabilities"
_DESCRIPTION: Shape = {
    "labels": [str],
    "sample_rate": int,
    "window_s?": float,
    "multi_label?": bool,
    "output?": str,
}
_EXAMPLE = '{"labels": ["cat", "dog"], "sample_rate": 16000, "window_s": 1.0, "output": "logits"}'


class OtherOnnxClassifier(WholeWindows):
    """Window classifier that runs an ONNX file without metadata of auricle, described by `NAME.json` beside it.

    The description has the `labels` in the order of the outputs and the `sample_rate` in Hz; `window_s`, unless the
    file takes one length only; `output`, "logits" (the default) or "probabilities"; and `multi_label`. The file has
    one input, `(time,)`, `(batch, time)` or `(batch, 1, time)`, float32 in [-1, 1], and its first output is a row of
    numbers for each waveform; of several rows for one waveform the mean is taken.

    Raises `AuricleError` if the description is missing or the file is not like that.
    """

    short = "pad"

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        place = self.path.with_suffix(".json")
        if not place.is_file():
            raise AuricleError(
                f"{path}: not written by auricle export, so describe it in {place.name} beside it, as in {_EXAMPLE}"
            )
        described = read_json(place, _DESCRIPTION)
        self.session = OnnxSession(path, limited=True)
        self.output = described.get("output", LOGITS)
        if self.output not in (LOGITS, PROBABILITIES):
            raise AuricleError(f"{place}: output={self.output!r}: it should be {LOGITS} or {PROBABILITIES}")
        self.sample_rate = described["sample_rate"]
        self.shape = self.session.input_shape
        if len(self.session.inputs) != 1 or len(self.shape) not in (1, 2, 3):
            raise AuricleError(
                f"{path}: it should have one input of the shape (time,), (batch, time) or (batch, 1, time)"
            )
        window_s = described.get("window_s", 0.0)
        self.window = self.shape[-1] or round(window_s * self.sample_rate)
        if window_s and self.window != round(window_s * self.sample_rate):
            raise AuricleError(f"{place}: window_s={window_s:g}: the file takes {self.window} samples")
        if not (1 <= self.window <= MAX_WINDOW and 1 <= self.sample_rate <= MAX_WINDOW):
            raise AuricleError(f"{place}: give window_s, the seconds that the model is given at once, and sample_rate")
        self.tasks = (Task("labels", tuple(described["labels"]), bool(described.get("multi_label", False))),)
        self.digest = digest_of("onnx", file_digest(path), described)
        self.logits(np.zeros((1, self.shape[-1] or max(1, round(PROBE_S * self.sample_rate))), np.float32))
        self.session = OnnxSession(path)

    def logits(self, windows: np.ndarray) -> np.ndarray:
        values = np.stack([self._row(window) for window in windows])
        return values if self.output == LOGITS else logits_of(values, self.tasks[0].multi_label)

    def _row(self, window: np.ndarray) -> np.ndarray:
        """The numbers `(labels,)` of one waveform `(time,)`."""
        waveform = window.astype(np.float32).reshape([1] * (len(self.shape) - 1) + [-1])
        made = self.session.run(waveform)[0]
        n_labels = len(self.tasks[0].labels)
        if made.ndim < 1 or made.shape[-1] != n_labels or made.size == 0 or not np.issubdtype(made.dtype, np.floating):
            raise AuricleError(
                f"{self.path}: its description has {n_labels} labels, and its output for one waveform is {made.dtype} "
                f"of shape {made.shape}: they do not fit"
            )
        return made.reshape(-1, n_labels).astype(np.float32).mean(axis=0)
