"""Models that ask for too much are refused before memory is taken."""

from __future__ import annotations

import resource
import time

import pytest
import torch
from torch import nn

from auricle.errors import AuricleError
from auricle.sizes import MAX_TENSOR, bounded_size
from auricle.systems.audiomae import AudioMAE
from auricle.systems.classifier.system import Classifier
from auricle.systems.system import load

BASE = {
    "sample_rate": 16000,
    "window_s": 1.0,
    "frontend": {"name": "mel"},
    "backbone": {"name": "cnn-small"},
    "tasks": [{"name": "t", "labels": ["a", "b"]}],
}


@pytest.mark.parametrize(
    "changes",
    [
        {"frontend": {"name": "mel", "n_filters": 10**9}},
        {"frontend": {"name": "mel", "n_filters": 2**23}},
        {"frontend": {"name": "mel", "n_fft": 2**40}},
        {"frontend": {"name": "leaf", "n_filters": 2**20}},
        {"frontend": {"name": "leaf", "kernel_size": 2**24 + 1}},
        {"frontend": {"name": "sincnet", "n_filters": 2**22}},
        {"frontend": {"name": "normalized-conv", "n_filters": 2**22}},
        {"sample_rate": 10**12},
        {"window_s": 1e9},
        {"backbone": {"name": "vgg-m", "channels": [2**20] * 7}},
        {"backbone": {"name": "vgg-m", "channels": [10**9] * 7}},
        {"backbone": {"name": "cnn14", "channels": [60_000] * 6}},
    ],
    ids=lambda changes: str(changes)[:60],
)
def test_a_classifier_that_asks_for_too_much(changes):
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(AuricleError) as raised:
        Classifier.build(**BASE | changes)
    assert len(str(raised.value)) < 400
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1.5 * 2**20  # KiB
    assert time.monotonic() - started < 10


def test_a_transformer_that_is_too_deep():
    with pytest.raises(AuricleError, match="too large"):
        AudioMAE.build(preset="audiomae-small", size={"depth": 10**6})


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.zeros(MAX_TENSOR + 1),
        lambda: torch.arange(1e12),
        lambda: torch.arange(0, 1, 1e-12),
        lambda: torch.linspace(0, 1, 10**11),
        lambda: torch.ones(30_000, 1) * torch.ones(1, 30_000),
        lambda: torch.ones(30_000, 1) @ torch.ones(1, 30_000),
        lambda: torch.ones(10).repeat(10**9),
        lambda: torch.full((10**6, 10**6), 1.0),
        lambda: torch.eye(10**6),
        lambda: torch.randn(10**5, 10**5),
        lambda: nn.Linear(2**15, 2**15),
        lambda: nn.Sequential(*(nn.Identity() for _ in range(6000))),
    ],
)
def test_each_way_to_take_memory(make):
    with pytest.raises(AuricleError, match="too large"), bounded_size({}):
        make()


def test_what_is_not_too_large_is_unchanged():
    torch.manual_seed(0)
    free = nn.Linear(100, 50).weight
    torch.manual_seed(0)
    with bounded_size({"seed": 2**40, "n": 2**24}):
        assert torch.equal(nn.Linear(100, 50).weight, free)
        assert torch.equal(torch.arange(10).expand(10**9, 10)[0], torch.arange(10))


def test_a_run_may_not_be_larger_than_its_weights(tmp_path):
    Classifier.build(**BASE).save(tmp_path)
    text = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(
        text.replace('"name": "cnn-small"', '"name": "cnn14", "channels": [64, 128, 256, 512, 1024, 2048]')
    )
    with pytest.raises(AuricleError, match=r"config.json: the model is too large"):
        load(tmp_path)
