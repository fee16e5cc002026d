from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from auricle import audio
from auricle.data.tasks import Task
from auricle.data.windows import whole_windows
from auricle.reports.detections import Detection
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.collecting import FileResult
from auricle.tasks.classification.events import EventRule
from auricle.tasks.classification.predict import in_words, predict_file
from auricle.tasks.classification.reading import file_windows, run_model
from auricle.tasks.classification.selection import Selection
from auricle.tasks.classification.window_classifiers import TorchWindowClassifier
from auricle.tasks.predict import predict
from sounds import write_tone


@pytest.fixture(scope="module")
def model():
    return Classifier.build(
        sample_rate=8000,
        window_s=0.25,
        frontend={"name": "mel", "n_filters": 8},
        backbone={"name": "cnn-small"},
        tasks=[Task("animals", ("cat", "dog", "owl")), Task("tags", ("near", "far"), multi_label=True)],
    )


@pytest.mark.parametrize("duration_s", [0.01, 0.25, 0.3, 0.4, 40.1])
@pytest.mark.parametrize(("rate", "short"), [(8000, "pad"), (22050, "pad"), (8000, "repeat")])
def test_a_file_in_blocks_is_the_file_in_windows(model, tmp_path, monkeypatch, duration_s, rate, short):
    monkeypatch.setattr(model, "short", short)
    path = tmp_path / "tone.wav"
    write_tone(path, 500.0, duration_s, seed=1, rate=rate)
    labels = TorchWindowClassifier(model)
    parts = [(starts, ends, run_model(labels, windows)[0]) for starts, ends, windows in file_windows(labels, path)]
    starts, ends, logits = (np.concatenate(values) for values in zip(*parts, strict=True))
    whole = whole_windows(audio.read(path, sample_rate=8000)[0], model.window, short)
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(whole).unflatten(0, (-1, model.window)))
    np.testing.assert_allclose(logits, expected.numpy(), atol=1e-4)
    np.testing.assert_allclose(starts, 0.25 * np.arange(len(starts)))
    assert (ends[:-1] == starts[1:]).all()
    assert ends[-1] <= duration_s + 1 / 8000


def test_windows_may_overlap(model, tmp_path):
    path = tmp_path / "tone.wav"
    write_tone(path, 500.0, 1.0, seed=1)
    labels = TorchWindowClassifier(model)
    starts, _, windows = next(file_windows(labels, path, hop_s=0.125))
    logits, _ = run_model(labels, windows)
    np.testing.assert_allclose(starts, 0.125 * np.arange(7))
    waveform = torch.from_numpy(audio.read(path)[0])
    with torch.no_grad():
        np.testing.assert_allclose(logits[3], model(waveform[None, 3000:5000])[0].numpy(), atol=1e-4)


def test_selection_takes_the_likeliest_and_those_above_the_threshold(model, tmp_path):
    path = tmp_path / "tone.wav"
    write_tone(path, 500.0, 0.5, seed=1)
    every, label, probability = predict_file(TorchWindowClassifier(model), path, Selection(top_k=9, threshold=0.0))
    assert len(every) == 2 * (3 + 2)
    animals = [d for d in every if d.task == "animals" and d.start_s == 0.0]
    assert sum(d.probability for d in animals) == pytest.approx(1.0, abs=1e-5)
    assert [d.probability for d in animals] == sorted((d.probability for d in animals), reverse=True)
    one, _, _ = predict_file(TorchWindowClassifier(model), path, Selection(top_k=1, threshold=0.0))
    assert next(d.label for d in one if d.task == "animals") == animals[0].label
    above, _, _ = predict_file(TorchWindowClassifier(model), path, Selection(top_k=9, threshold=0.4))
    assert above == [d for d in every if d.probability >= 0.4]
    assert label in ("cat", "dog", "owl")
    assert 1 / 3 <= probability <= 1


@pytest.mark.parametrize(
    ("task", "events", "detections", "expected"),
    [
        ("animals", None, [("animals", "cat", 0.6), ("tags", "near", 0.8)], "cat (0.33)"),
        ("animals", None, [("tags", "near", 0.8)], "near (0.80)"),
        ("animals", None, [], "nothing above the threshold"),
        ("tags", None, [], "nothing above the threshold"),
        ("tags", None, [("tags", "far", 0.6), ("tags", "near", 0.7), ("tags", "far", 0.9)], "far (0.90), near (0.70)"),
        ("animals", EventRule(), [("animals", "owl", 0.9), ("animals", "cat", 0.6)], "2 events: owl, cat"),
        ("animals", EventRule(), [("animals", "owl", 0.9), ("animals", "owl", 0.6)], "2 events: owl"),
        ("animals", EventRule(), [("animals", "owl", 0.9)], "1 event: owl"),
        ("animals", EventRule(), [], "no event"),
    ],
)
def test_a_line_says_what_the_table_has(model, task, events, detections, expected):
    found = [Detection("a.wav", task, k, k + 1.0, label, p) for k, (task, label, p) in enumerate(detections)]
    tasks = sorted(model.tasks, key=lambda own: own.name != task)
    heard = SimpleNamespace(tasks=tasks, frame_s=None)
    assert in_words(FileResult(found, "cat", 0.33), heard, Selection(9, 0.5, events=events)) == expected


def test_of_many_labels_some_are_named(model):
    found = [Detection("a.wav", "tags", 0.0, 1.0, f"tag {k}", 0.9 - 0.1 * k) for k in range(7)]
    heard = SimpleNamespace(tasks=(Task("tags", ("near",), multi_label=True),), frame_s=None)
    said = in_words(FileResult(found, "near", 0.9), heard, Selection(9, 0.1))
    assert said.endswith("tag 4 (0.50) and 2 more")


def test_a_multi_label_model_that_finds_nothing_says_so(tmp_path):
    tags = Classifier.build(
        sample_rate=8000,
        window_s=0.25,
        frontend={"name": "mel", "n_filters": 8},
        backbone={"name": "cnn-small"},
        tasks=[Task("tags", ("near", "far"), multi_label=True)],
    )
    tags.save(tmp_path / "run")
    write_tone(tmp_path / "a.wav", 500.0, 0.5, seed=1)
    for threshold, said in ((1.0, "nothing above the threshold"), (0.0, "near (")):
        batch = predict(tmp_path / "run", [tmp_path / "a.wav"], output=tmp_path / f"{threshold}", threshold=threshold)
        assert said in str(batch).splitlines()[0]
        label, probability = batch.outcomes[0].result
        assert label in ("near", "far")
        assert 0 < probability < 1
