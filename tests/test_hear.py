"""HEAR's interface: what its validator asks of a model, and vectors that are those of the windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auricle import hear
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.systems.classifier.system import Classifier


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    Classifier.build(
        sample_rate=16000,
        window_s=2.0,
        frontend={"name": "mel", "n_filters": 12},
        backbone={"name": "cnn-small", "channels": [4, 4, 8]},
        tasks=[Task("x", ("a", "b"))],
    ).save(folder)
    return folder


def test_a_scene_is_the_mean_over_its_windows(run):
    model = hear.load_model(str(run))
    assert isinstance(model, torch.nn.Module)
    assert model.sample_rate == 16000
    sounds = torch.from_numpy(np.random.default_rng(0).standard_normal((3, 72000)).astype(np.float32))
    scenes = hear.get_scene_embeddings(sounds, model)
    assert scenes.shape == (3, model.scene_embedding_size)
    windows = torch.cat([sounds, torch.zeros(3, 24000)], dim=1).reshape(3, 3, 32000)
    with torch.no_grad():
        expected = torch.stack([model.module.embed(own).mean(0) for own in windows])
    torch.testing.assert_close(scenes, expected, rtol=0, atol=1e-5)


def test_each_timestamp_is_the_centre_of_its_window(run):
    model = hear.load_model(str(run))
    sounds = torch.from_numpy(np.random.default_rng(1).standard_normal((2, 20000)).astype(np.float32))
    embeddings, timestamps = hear.get_timestamp_embeddings(sounds, model)
    assert embeddings.shape == (2, 25, model.timestamp_embedding_size)
    torch.testing.assert_close(timestamps, (50.0 * torch.arange(25)).expand(2, -1))
    centre = 16000 * 600 // 1000
    with torch.no_grad():
        at_600_ms = model.module.embed(sounds[:, centre - 8000 : centre + 8000])
        first = model.module.embed(torch.cat([torch.zeros(2, 8000), sounds[:, :8000]], dim=1))
    torch.testing.assert_close(embeddings[:, 12], at_600_ms, rtol=0, atol=1e-5)
    torch.testing.assert_close(embeddings[:, 0], first, rtol=0, atol=1e-5)


def test_a_name_that_is_none_is_answered_in_one_sentence():
    with pytest.raises(AuricleError, match=r"^nowhere: there is no such folder; give a run folder, or the name of a "
                       r"published model \(auricle list models\) or of a front-end \(degram, .*\)$"):  # fmt: skip
        hear.load_model("nowhere")
    with pytest.raises(AuricleError, match=r"^leef: there is no such folder; did you mean 'leaf'\?$"):
        hear.load_model("leef")


def test_a_front_end_too_and_bad_audio_is_refused():
    model = hear.load_model("mel")
    assert hear.get_scene_embeddings(torch.zeros(1, 100), model).shape == (1, 80)
    for bad in (torch.zeros(100), torch.zeros(1, 100, dtype=torch.int64), torch.full((1, 9), torch.nan)):
        with pytest.raises(AuricleError, match="audio"):
            hear.get_scene_embeddings(bad, model)
    with pytest.raises(AuricleError, match="a tensor, not a ndarray"):
        hear.get_scene_embeddings(np.zeros((1, 100), np.float32), model)


def test_a_model_is_given_as_a_path_too(run):
    assert hear.load_model(run).sample_rate == 16000


def test_an_embedding_that_overflows_is_refused(run):
    model = hear.load_model(run)
    loud = torch.full((1, 16000), 1e30)
    for embeddings in (hear.get_scene_embeddings, hear.get_timestamp_embeddings):
        with pytest.raises(AuricleError, match="NaN or infinite"):
            embeddings(loud, model)
