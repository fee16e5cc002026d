"""EfficientAT's MobileNets: conversion, and the published outputs from the waveform on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from auricle import audio
from auricle.__main__ import main
from auricle.backbones import create_backbone
from auricle.errors import AuricleError
from auricle.exporting.program import export_program
from auricle.frontends import create_frontend
from auricle.identity import file_digest
from auricle.systems import load
from auricle.systems.classifier.efficientat import WIDTHS, from_published
from auricle.systems.classifier.system import Classifier

CHECKPOINT = "models/mn04_as_mAP_432.pt"


@pytest.fixture(scope="module")
def model(shared: Path) -> Classifier:
    return from_published(shared / CHECKPOINT, labels=shared / "models/class_labels_indices.csv")


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, Any]:
    with np.load(shared / "golden/efficientat_mn04.npz") as arrays:
        return {key: arrays[key] for key in arrays.files}


@pytest.fixture(scope="module")
def clips(shared: Path, golden: dict[str, Any]) -> list[Tensor]:
    paths = [shared / "data/esc50-fold4" / str(name) for name in golden["clips"]]
    waveforms = [audio.read(path, sample_rate=32000)[0] for path in paths]
    return [torch.from_numpy(np.atleast_2d(waveform)) for waveform in waveforms]


def close(found: Tensor, expected: np.ndarray) -> None:
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=0, atol=1e-4)


def test_published_outputs_from_the_waveform_on(model: Classifier, golden: dict[str, Any], clips: list[Tensor]) -> None:
    with torch.no_grad():
        close(model.frontend(clips[0])[0], golden["log_mel"])
        for clip, embedding, logits in zip(clips, golden["embeddings"], golden["logits"], strict=True):
            close(model.embed(clip)[0], embedding)
            close(model(clip)[0], logits)
        second = clips[0][:, :32000]
        close(model.embed(second)[0], golden["embedding_1s"])
        close(model(second)[0], golden["logits_1s"])


def test_published_means_of_every_layer(model: Classifier, golden: dict[str, Any], clips: list[Tensor]) -> None:
    """The first layer that differs shows where the network goes another way."""
    found: list[Tensor] = []
    for layer in model.backbone.layers:
        layer.register_forward_hook(lambda module, inputs, output: found.append(output.mean((2, 3))[0]))
    with torch.no_grad():
        for clip in clips:
            model(clip)
    for layer in model.backbone.layers:
        layer._forward_hooks.clear()
    n_layers = len(model.backbone.layers)
    widths = [int(width) for width in golden["channels"][:n_layers]]
    for number, published in enumerate(torch.from_numpy(golden["channel_means"]).split(widths, dim=1)):
        torch.testing.assert_close(torch.stack(found[number::n_layers]), published, rtol=0, atol=1e-4)


def test_the_command_makes_a_folder_that_predict_takes(shared: Path, model: Classifier, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["convert", "efficientat", str(shared / CHECKPOINT), "--output", str(tmp_path / "mn04")])
    assert ended.value.code == 0
    converted = load(tmp_path / "mn04")
    assert isinstance(converted, Classifier)
    assert converted.config["backbone"] == {"name": "mobilenet", "width": 0.4}
    assert converted.task().labels[0] == "class-0"
    card = (tmp_path / "mn04" / "README.md").read_text()
    assert card.startswith("# mn04: a MobileNet of EfficientAT")
    assert f"`{Path(CHECKPOINT).name}`, SHA-256 `{file_digest(shared / CHECKPOINT)}`" in card
    assert str(shared) not in card
    waveform = 0.1 * torch.randn(1, 32000)
    with torch.no_grad():
        torch.testing.assert_close(converted(waveform), model(waveform), rtol=0, atol=0)


def test_another_hop_and_number_of_bands(shared: Path, tmp_path: Path) -> None:
    """At three times the hop the frames are every third one; 40 bands are those of the front-end."""
    waveform = 0.1 * torch.randn(1, 32000, generator=torch.Generator().manual_seed(0))
    command = ["convert", "efficientat", str(shared / CHECKPOINT), "--n-filters", "40", "--hop-length", "480"]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--output", str(tmp_path / "coarse")])
    assert ended.value.code == 0
    coarse = load(tmp_path / "coarse")
    assert isinstance(coarse, Classifier)
    fine = from_published(shared / CHECKPOINT, n_filters=40, hop_length=160)
    alone = create_frontend("mel-efficientat", variant="published", sample_rate=32000, n_filters=40)
    with torch.no_grad():
        frames = fine.frontend(waveform)
        assert frames.shape[1] == 40
        torch.testing.assert_close(coarse.frontend(waveform), frames[..., ::3], rtol=0, atol=1e-5)
        torch.testing.assert_close(alone(waveform), frames[..., : 2 * alone(waveform).shape[-1] : 2], rtol=0, atol=1e-5)
        features = coarse.backbone(frames[..., ::3].unsqueeze(1))
        torch.testing.assert_close(coarse.embed(waveform), features, rtol=0, atol=1e-4)


@pytest.mark.parametrize("option", ["n_filters", "hop_length"])
def test_no_bands_and_no_hop_are_refused(
    shared: Path, tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(
            ["convert", "efficientat", str(shared / CHECKPOINT), f"--{option}", "0", "--output", str(tmp_path / "out")]
        )
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert option in line
    assert not (tmp_path / "out").exists()


def test_another_file_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "other.pt"
    torch.save({"features.0.0.weight": torch.zeros(8, 1, 3, 3)}, file)
    with pytest.raises(AuricleError, match="not a MobileNet of EfficientAT: it lacks"):
        from_published(file)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_published_width_is_recognised(width: float, tmp_path: Path) -> None:
    torch.manual_seed(0)
    trunk = create_backbone("mobilenet", n_bands=128, width=width)
    hidden = round(trunk.embedding_dim * 4 / 3)
    state = {f"features.{name.removeprefix('layers.')}": value for name, value in trunk.state_dict().items()}
    state = {name.replace("block.2.fc", "block.2.conc_se_layers.0.fc"): value for name, value in state.items()}
    state |= {"classifier.2.weight": torch.zeros(hidden, trunk.embedding_dim), "classifier.2.bias": torch.zeros(hidden)}
    state |= {"classifier.5.weight": torch.zeros(3, hidden), "classifier.5.bias": torch.zeros(3)}
    torch.save(state, tmp_path / "model.pt")
    model = from_published(tmp_path / "model.pt")
    assert model.config["backbone"]["width"] == width
    assert model.task().labels == ("class-0", "class-1", "class-2")


@pytest.mark.slow
def test_the_exported_program_computes_the_same(model: Classifier) -> None:
    program = export_program(model).module()
    waveform = 0.1 * torch.randn(2, 64000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(program(waveform), model(waveform), rtol=1e-4, atol=1e-4)
