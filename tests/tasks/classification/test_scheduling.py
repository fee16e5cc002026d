"""Many files at once: the results are those of each file alone, whatever is beside it, and errors cost one file."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from auricle import audio
from auricle.data.tasks import Task
from auricle.runs.ahead import ahead
from auricle.runs.batch import run_batch
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.collecting import FileLabels
from auricle.tasks.classification.predict import predict_file, predict_files
from auricle.tasks.classification.reading import batch_size, run_model
from auricle.tasks.classification.scheduling import Steps, work_through
from auricle.tasks.classification.selection import Selection
from auricle.tasks.classification.window_classifiers import TorchWindowClassifier
from sounds import PITCHES_HZ, RATE, write_tone

LENGTHS_S = (0.1, 0.5, 3.0, 0.74, 20.0, 0.26, 1.0, 0.5, 0.5, 2.3)


def classifier(**options) -> TorchWindowClassifier:
    config = {"frontend": {"name": "mel", "n_filters": 16}, "backbone": {"name": "cnn-small", "channels": [4, 4, 8]}}
    tasks = [Task("tones", tuple(PITCHES_HZ)), Task("again", ("x", "y"), multi_label=True)]
    return TorchWindowClassifier(Classifier.build(sample_rate=RATE, window_s=0.5, tasks=tasks, **config, **options))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for k, duration_s in enumerate(LENGTHS_S):
        write_tone(tmp_path / "rec" / f"r{k}.wav", 300.0 + 150 * k, duration_s, seed=k)
    return tmp_path


def labelled(model, folder, names=None, hop_s=None, selection=None):
    """(detections, label, probability) or the error of each file, from one call for all files."""
    selection = selection or Selection(3, 0.0)
    results = {}

    def write(path, table, result, sample_rate):
        table.write_text("done")
        results[path.name] = result

    steps = Steps(partial(run_model, model), partial(FileLabels, model, selection=selection), write)

    def label(work):
        for _ in work_through(work, model, steps, hop_s):
            pass

    files = [str(folder / "rec")] if names is None else [str(folder / "rec" / name) for name in names]
    outcomes = run_batch(files, folder / "out", {}, label, conflict="x", suffix=".csv", overwrite=True)
    return results | {Path(o.file).name: o.error for o in outcomes if o.error}


@pytest.mark.parametrize("hop_s", [None, 0.2])
def test_results_are_those_of_each_file_alone_to_the_bit(folder: Path, hop_s):
    model = classifier()
    together = labelled(model, folder, hop_s=hop_s)
    assert len(together) == len(LENGTHS_S)
    for name, result in together.items():
        assert result == predict_file(model, folder / "rec" / name, Selection(3, 0.0), hop_s)
    assert labelled(model, folder, ["r4.wav", "r1.wav"], hop_s) == {n: together[n] for n in ("r4.wav", "r1.wav")}


def test_events_of_a_detector_too(folder: Path):
    config = {"frontend": {"name": "mel-db", "n_filters": 16}, "head": "max"}
    backbone = {"name": "cnn14", "channels": [4, 4, 4, 4, 4, 8]}
    tasks = [Task("tones", tuple(PITCHES_HZ), multi_label=True)]
    model = TorchWindowClassifier(
        Classifier.build(sample_rate=RATE, window_s=1.0, tasks=tasks, backbone=backbone, **config)
    )
    selection = Selection(3, 0.5)
    for name, result in labelled(model, folder, selection=selection).items():
        assert result == predict_file(model, folder / "rec" / name, selection)


def test_a_full_batch_changes_the_last_bits_at_most():
    model = classifier()
    windows = np.random.default_rng(0).standard_normal((5, model.window)).astype(np.float32)
    logits, frames = run_model(model, windows)
    assert frames is None
    np.testing.assert_allclose(logits, model.logits(windows), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(run_model(model, windows[3:4])[0], logits[3:4])


class Broken:
    """A classifier that fails, or gives NaN, for windows that are loud at one frequency."""

    def __init__(self, what: str, pitch_hz: float) -> None:
        self.inner = classifier()
        self.what, self.pitch_hz = what, pitch_hz
        self.sizes: list[int] = []

    def __getattr__(self, name: str):
        return getattr(self.inner, name)

    def logits(self, windows: np.ndarray) -> np.ndarray:
        self.sizes.append(sum(window.any() for window in windows))
        peaks = np.abs(np.fft.rfft(windows)).argmax(axis=1) * RATE / windows.shape[1]
        odd = np.isclose(peaks, self.pitch_hz, atol=4)
        if self.what == "error" and odd.any():
            raise RuntimeError("out of memory")
        logits = self.inner.logits(windows)
        logits[odd] = np.nan
        return logits


@pytest.mark.parametrize(("what", "reason"), [("error", "RuntimeError: out of memory"), ("nan", "not finite")])
def test_a_file_that_the_model_fails_for_costs_only_itself(folder: Path, what: str, reason: str):
    expected = labelled(classifier(), folder)
    found = labelled(Broken(what, 300.0 + 150 * 7), folder)
    assert reason in found.pop("r7.wav")
    expected.pop("r7.wav")
    assert found == expected


def test_batches_are_filled_across_files(folder: Path):
    for path in (folder / "rec").iterdir():
        path.unlink()
    for k in range(70):
        write_tone(folder / "rec" / f"s{k:02}.wav", 500.0, 0.5, seed=k)
    model = Broken("none", 0.0)
    labelled(model, folder)
    assert batch_size(model) == 16
    assert model.sizes == [16, 16, 16, 16, 6]


def test_files_that_cannot_be_read_and_recordings_of_one_name(folder: Path):
    """Copies of one recording under one name wait for each other."""
    (folder / "rec" / "r2.wav").write_bytes(b"nothing")
    write_tone(folder / "two" / "r3.wav", 300.0 + 150 * 3, 0.74, seed=3)
    model = classifier()
    outcomes = predict_files(
        model, [str(folder / "rec"), str(folder / "two")], folder / "out", selection=Selection(1, 0.0), progress=False
    )
    assert len(outcomes) == len(LENGTHS_S) + 1
    assert [Path(o.file).name for o in outcomes if o.error] == ["r2.wav"]
    assert outcomes[-1].done_before
    assert len(list((folder / "out").glob("r*.csv"))) == len(LENGTHS_S) - 1


def test_reading_ahead_is_bounded_and_ends():
    made = []
    closed = threading.Event()

    def items():
        try:
            for k in range(1000):
                made.append(k)
                yield k
        finally:
            closed.set()

    iterator = ahead(items(), 10, lambda item: 3)
    assert [next(iterator) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert len(made) <= 5 + 3 + 1
    iterator.close()
    assert closed.is_set()
    assert len(made) < 20

    def fails():
        yield 1
        raise ZeroDivisionError

    iterator = ahead(fails(), 10, lambda item: 100)
    assert next(iterator) == 1
    with pytest.raises(ZeroDivisionError):
        next(iterator)


def test_a_long_file_is_labelled_in_full_batches(tmp_path: Path):
    """A file of 5 minutes is no single batch."""
    model = classifier()
    alive: list[int] = []
    real = model.logits

    def logits(windows):
        alive.append(len(windows))
        return real(windows)

    model.logits = logits  # type: ignore[method-assign]
    audio.write(tmp_path / "rec" / "long.wav", np.zeros(RATE * 300, dtype=np.float32), RATE)
    labelled(model, tmp_path)
    assert set(alive) == {batch_size(model)}
    assert len(alive) == -(-600 // batch_size(model))
