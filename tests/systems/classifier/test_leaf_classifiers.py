"""Whole published classifiers of LEAF-APCEN and leaf-pytorch: conversion, against plain restatements of both."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

import leaf_twins
from auricle.__main__ import main
from auricle.backbones import create_backbone
from auricle.errors import AuricleError
from auricle.systems import load
from auricle.systems.classifier import leaf_pytorch
from auricle.systems.classifier.conversion import likeliest_backbone, read_labels
from auricle.systems.classifier.system import Classifier
from leaf_twins import Weights
from published import in_noise, voice
from sounds import write_tone

pytestmark = pytest.mark.figures("undrawn")
N_LABELS = 6


def auricle(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code)  # type: ignore[arg-type]


def clips(seed: int, n_samples: int = 16000) -> Tensor:
    """A voice in noise, from mostly noise to mostly voice; none begins with silence."""
    mixed = [0.3 * in_noise(np.roll(voice(n_samples), 2000), snr_db, seed) for snr_db in (-10, 0, 10, 30)]
    return torch.from_numpy(np.stack(mixed))


def converted(tmp_path: Path, what: str, weights: Weights, *options: object) -> Classifier:
    """The model of the folder that the command makes of `weights`."""
    torch.save(
        {"model_state_dict": dict(weights), "epoch": 3} if what == "leaf-pytorch" else dict(weights),
        tmp_path / "epoch_3.pth",
    )
    assert auricle("convert", what, tmp_path / "epoch_3.pth", "--output", tmp_path / "run", *options) == 0
    model = load(tmp_path / "run")
    assert isinstance(model, Classifier)
    return model


def equal_on_other_clips(model: Classifier, weights: Weights, twin: Callable[[Tensor], Tensor]) -> None:
    """In float64, where a difference is one of the computation; random weights amplify the rounding of float32."""
    model.double()
    weights.update({name: value.double() for name, value in weights.items() if value.is_floating_point()})
    for n_samples in (16000, 12345):
        waveforms = clips(1, n_samples).double()
        with torch.no_grad():
            want, got = twin(waveforms), model(waveforms)
        assert want.std() > 0.3
        assert (want[0] - want[-1]).abs().max() > 0.1
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "lead"), [("pcen", 0), ("simppcen", 0), ("apcen", 149), ("apcen", 0)])
def test_leaf_apcen_is_the_plain_twin(kind: str, lead: int, tmp_path: Path) -> None:
    weights = Weights()

    def twin(waveforms: Tensor) -> Tensor:
        return leaf_twins.leaf_apcen(weights, waveforms, kind, N_LABELS, lead)

    twin(clips(0))
    options = ["--lead=0"] if (kind, lead) == ("apcen", 0) else []
    model = converted(tmp_path, "leaf-apcen", weights, *options)
    assert model.config["frontend"]["name"] == f"leaf-{kind}"
    equal_on_other_clips(model, weights, twin)


@pytest.mark.slow
@pytest.mark.parametrize(("network", "backbone"), [("efficientnet", "efficientnet-b0"), ("resnet", "resnet-18")])
def test_leaf_pytorch_is_the_plain_twin(network: str, backbone: str, tmp_path: Path) -> None:
    weights = Weights()

    def twin(waveforms: Tensor) -> Tensor:
        return leaf_twins.leaf_pytorch(weights, waveforms, network, N_LABELS)

    twin(clips(0))
    model = converted(tmp_path, "leaf-pytorch", weights)
    assert model.config["backbone"] == {"name": backbone}
    assert (model.window, model.task().multi_label) == (16000, False)
    equal_on_other_clips(model, weights, twin)


@pytest.mark.slow
def test_settings_and_labels_of_leaf_pytorch(tmp_path: Path) -> None:
    weights = Weights()
    leaf_twins.leaf_pytorch(weights, clips(0), "efficientnet", 3)
    (tmp_path / "lbl_map.json").write_text(json.dumps({"owl": 2, "cat": 0, "dog": 1}))
    (tmp_path / "my.cfg").write_text(
        "frontend:\n    name: leaf\n    default_args: False\nmodel:\n    arch: efficientnet\n    type: multilabel\n"
        "opt:\n    lr: 1e-3\naudio_config:\n    sample_rate: 8000\n    window_stride: 12.5\n    val_clip_size: 2.5\n"
    )
    options = ["--cfg", tmp_path / "my.cfg", "--labels", tmp_path / "lbl_map.json"]
    model = converted(tmp_path, "leaf-pytorch", weights, *options)
    assert (model.sample_rate, model.window, model.frontend.hop_length) == (8000, 20000, 100)
    assert model.frontend.filterbank.kernel_size == 201
    assert model.task().labels == ("cat", "dog", "owl")
    assert model.task().multi_label
    write_tone(tmp_path / "tone.wav", 500.0, 3.0, seed=1, rate=8000)
    options = ["--output", tmp_path / "out", "--threshold=0.01"]
    assert auricle("predict", tmp_path / "run", tmp_path / "tone.wav", *options) == 0
    table = pd.read_csv(tmp_path / "out" / "tone.csv")
    assert set(table.label) == {"cat", "dog", "owl"}
    assert set(table.end_s) == {2.5}


RESNETS = leaf_pytorch._RESNETS
EFFICIENTNETS = leaf_pytorch._EFFICIENTNETS


@pytest.mark.parametrize(
    ("config", "others"),
    [*((config, RESNETS) for config in RESNETS), *((config, EFFICIENTNETS) for config in EFFICIENTNETS[1:4])],
)
def test_every_depth_is_recognised(config: dict[str, Any], others: list[dict[str, Any]]) -> None:
    with torch.device("meta"):
        state = create_backbone(**config, n_bands=40).state_dict()
    assert likeliest_backbone({f"backbone.{name}": value for name, value in state.items()}, others, 40) == config


class TestErrors:
    @pytest.fixture(scope="class")
    def apcen(self) -> Weights:
        weights = Weights()
        leaf_twins.leaf_apcen(weights, clips(0), "pcen", N_LABELS)
        return weights

    def refused(self, capsys: Any, tmp_path: Path, what: str, content: Any, *options: object) -> str:
        """The one line on standard error."""
        torch.save(content, tmp_path / "model.pth")
        assert auricle("convert", what, tmp_path / "model.pth", "--output", tmp_path / "run", *options) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        assert not (tmp_path / "run").exists()
        return lines[0]

    def test_other_weights(self, apcen: Weights, capsys: Any, tmp_path: Path) -> None:
        root, head = "_frontend.compression.r", "_head.weight"
        bad: dict[str, tuple[dict[str, Tensor], str]] = {
            "less": ({k: v for k, v in apcen.items() if k != "_head.bias"}, "lacks 'heads.bias'"),
            "more": (apcen | {"_frontend.ppn2.x": torch.zeros(1)}, "has 'frontend.ppn2.x'"),
            "shape": (apcen | {head: torch.zeros(N_LABELS, 7)}, f"heads.weight has the shape ({N_LABELS}, 7)"),
            "nan": (apcen | {head: torch.full((N_LABELS, 1280), torch.nan)}, "NaN"),
            "logs": (apcen | {root: -apcen[root]}, "pcen_learn_logs"),
            "frontend": ({k: v for k, v in apcen.items() if k[:3] == "_fr"}, "not a classifier of LEAF-APCEN"),
        }
        for content, words in bad.values():
            assert words in self.refused(capsys, tmp_path, "leaf-apcen", content)

    def test_the_unused_layer_of_the_encoder_is_left_out(self, apcen: Weights, tmp_path: Path) -> None:
        unused = {"_encoder._fc.weight": torch.zeros(N_LABELS, 1280), "_encoder._fc.bias": torch.zeros(N_LABELS)}
        converted(tmp_path, "leaf-apcen", apcen | unused)

    def test_other_networks_of_leaf_pytorch(self, apcen: Weights, capsys: Any, tmp_path: Path) -> None:
        densenet = {"features._pooling._bias": torch.ones(40), "model.features.conv0.weight": torch.zeros(64, 1, 7, 7)}
        assert "an EfficientNet or a ResNet" in self.refused(capsys, tmp_path, "leaf-pytorch", densenet)
        assert "an EfficientNet or a ResNet" in self.refused(capsys, tmp_path, "leaf-pytorch", dict(apcen))
        vlad = {"model.layer1.0.conv1.weight": torch.zeros(64, 64, 3, 3), "model.fc.weight": torch.zeros(3, 8192)}
        assert "not a classifier of leaf-pytorch: it lacks" in self.refused(capsys, tmp_path, "leaf-pytorch", vlad)

    def test_other_settings_of_leaf_pytorch(self, capsys: Any, tmp_path: Path) -> None:
        settings = tmp_path / "settings"
        options = "leaf-pytorch", {"a": torch.zeros(1)}, "--cfg", settings
        settings.write_bytes(pickle.dumps(Path("x")))
        assert str(settings) in self.refused(capsys, tmp_path, *options)
        for text, words in (
            ("audio_config:\n    sample_rate: .nan\n", "should all be positive"),
            ("audio_config:\n    sample_rate: high\n", "audio_config.sample_rate should be a number"),
        ):
            settings.write_text(text)
            assert words in self.refused(capsys, tmp_path, *options)


class TestLabels:
    def test_text_and_lists(self, tmp_path: Path) -> None:
        (tmp_path / "labels.txt").write_text("Anger\n\n Fear \nJoy, loud\n")
        (tmp_path / "labels.json").write_text('["Anger", "Fear", "Joy, loud"]')
        for name in ("labels.txt", "labels.json"):
            assert read_labels(tmp_path / name, 3) == ("Anger", "Fear", "Joy, loud")
        assert read_labels(None, 2) == ("class-0", "class-1")

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ('["a", "b"]', "2 labels, but the checkpoint has 3 outputs"),
            ('["a", "b", "a"]', "'a' stands twice"),
            ('{"a": 1, "b": 2, "c": 3}', "numbered from 0 to 2"),
            ('{"a": "0"}', "should be"),
        ],
    )
    def test_other_labels_are_refused(self, tmp_path: Path, text: str, words: str) -> None:
        (tmp_path / "labels.json").write_text(text)
        with pytest.raises(AuricleError, match=words):
            read_labels(tmp_path / "labels.json", 3)
