"""Distillation: a head fitted to clean clips, and a network that learns to make the same of clips under conditions."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import auricle
from auricle import audio
from auricle.conditions import create_suite
from auricle.errors import AuricleError
from auricle.systems import load
from auricle.systems.classifier.distillation import Teacher
from auricle.systems.classifier.system import Classifier
from killing import forked
from sounds import RATE, tone_folder
from untrained import start_run

pytestmark = pytest.mark.figures("undrawn")
NOISY = {"conditions": "training"}
QUICK: dict[str, Any] = {"training": {"epochs": 2, "batch_size": 8}, "augmentation": NOISY, "quiet": True}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network with batch norm, whose embedding tells tones apart all the same."""
    mobilenet = {"name": "mobilenet", "width": 0.1}
    return start_run(tmp_path_factory.mktemp("models") / "start", backbone=mobilenet, head="mlp")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tone_folder(tmp_path_factory.mktemp("tones"), 10)


def distilled(start: Path, data: Path, output: Path, **options: Any) -> Classifier:
    auricle.train_classifier(data=data, output=output, init_from=start, distill=True, **QUICK | options)
    model = load(output)
    assert isinstance(model, Classifier)
    return model


def test_the_loss_is_the_squared_distance_in_deviations(start: Path):
    teacher, student = load(start), load(start)
    assert isinstance(teacher, Classifier)
    assert isinstance(student, Classifier)
    generator = torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(3, RATE, generator=generator) for _ in range(2))
    with torch.no_grad():
        wanted, found = teacher.embed(clean), student.embed(clean + noise)
    deviation = torch.rand(wanted.shape[1], generator=generator)
    deviation[0] = 0.0
    slow = 0.0
    for one, other in zip(found, wanted, strict=True):
        for entry, (a, b) in enumerate(zip(one.tolist(), other.tolist(), strict=True)):
            slow += ((a - b) / max(float(deviation[entry]), 0.01 * float(deviation.max()))) ** 2
    measure = Teacher(teacher, deviation)
    torch.testing.assert_close(measure.embed(clean), wanted, rtol=0, atol=0)
    assert float(measure.loss(found, wanted)) == pytest.approx(slow / wanted.numel(), rel=1e-4)
    assert float(measure.loss(wanted, wanted)) == 0.0


def test_a_step_leaves_the_head_and_the_statistics_of_batch_norm(start: Path):
    student = load(start)
    assert isinstance(student, Classifier)
    student.follow(Teacher(copy.deepcopy(student), torch.ones(student.backbone.embedding_dim)))
    student.train()
    before = {name: value.clone() for name, value in student.state_dict().items()}
    assert not any(name.startswith("teacher") for name in before)
    optimizer = torch.optim.SGD([p for p in student.parameters() if p.requires_grad], lr=0.1)
    clean = torch.randn(4, RATE, generator=torch.Generator().manual_seed(1))
    empty = torch.zeros(4, 2)
    batch = {"waveform": 0.01 * clean, "clean": clean, "target": empty, "task": torch.zeros(4, dtype=torch.long)}
    student.training_step(batch, 0).backward()
    optimizer.step()
    changed = {name for name, value in student.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert not [name for name in changed if name.startswith("heads") or "running" in name or "tracked" in name]
    student.follow(None)
    assert all(parameter.requires_grad for parameter in student.heads.parameters())


def test_each_teacher_embeds_a_validation_batch_once(start: Path, monkeypatch: pytest.MonkeyPatch):
    student = load(start)
    assert isinstance(student, Classifier)
    generator = torch.Generator().manual_seed(2)
    heard, clean = (torch.randn(4, RATE // 2, generator=generator) for _ in range(2))
    batch = {"windows": heard, "clean": clean, "counts": torch.tensor([1, 3]), "target": torch.eye(2, 3)}
    batch |= {"task": torch.zeros(2, dtype=torch.long), "test": torch.zeros(2, dtype=torch.bool)}
    losses: list[float] = []
    monkeypatch.setattr(student, "loop", SimpleNamespace(log=lambda name, value, **_: losses.append(float(value))))
    student.eval()
    for scale in (1.0, 1.5):
        other = copy.deepcopy(student)
        with torch.no_grad():
            next(other.backbone.parameters()).mul_(scale)
        teacher = Teacher(other, torch.ones(student.backbone.embedding_dim))
        embeddings = mock.Mock(wraps=teacher.embed)
        monkeypatch.setattr(teacher, "embed", embeddings)
        student.follow(teacher)
        with torch.no_grad():
            student.validation_step(batch, 0)
            student.validation_step(batch, 0)
            wanted = float(teacher.loss(student.embed(heard), other.embed(clean)))
        assert embeddings.call_count == 1
        assert losses[0] == losses[2] == pytest.approx(wanted, rel=1e-5)
        losses.clear()


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["mean", "stage"])
def test_the_head_is_that_of_teach_and_only_the_rest_is_trained(start: Path, data: Path, tmp_path: Path, pooling: str):
    auricle.teach(model=start, data=data, output=tmp_path / "taught", pooling=pooling, quiet=True)
    splits = {"validation_share": 0.2, "test_share": 0.0}
    model = distilled(start, data, tmp_path / "run", splits=splits, pooling=pooling)
    taught = load(tmp_path / "taught")
    assert isinstance(taught, Classifier)
    assert model.config["window_s"] == taught.config["window_s"] == 0.5
    for name, value in taught.heads.state_dict().items():
        torch.testing.assert_close(model.heads.state_dict()[name], value, rtol=0, atol=0)
    same = [torch.equal(a, b) for a, b in zip(model.backbone.parameters(), taught.backbone.parameters(), strict=True)]
    assert not all(same)
    statistics = [name for name in model.state_dict() if "running" in name or "tracked" in name]
    assert statistics
    for name in statistics:
        torch.testing.assert_close(model.state_dict()[name], taught.state_dict()[name], rtol=0, atol=0)
    card = (tmp_path / "run" / "README.md").read_text()
    assert "learnt to give the same embedding under conditions" in card
    known = (tmp_path / "run" / "clips.csv").read_text()
    assert "valid" not in known


@pytest.mark.parametrize("pooling", ["mean", "stage"])
def test_heads_have_the_last_stage_unless_another_pooling_is_asked_for(
    start: Path, data: Path, tmp_path: Path, pooling: str
):
    mobilenet = {"name": "mobilenet", "width": 0.1}
    size = {"mean": 96, "stage": 352}
    model = distilled(start, data, tmp_path / "run", pooling=pooling, refit_head=True)
    assert model.config["backbone"] == mobilenet | {"pooling": pooling}
    assert model.heads.weight.shape == (3, size[pooling])
    for name, asked, found in (
        ("clean", {}, "stage"),
        ("noisy", {"augmentation": NOISY}, "stage"),
        ("asked", {"pooling": "mean"}, "mean"),
    ):
        folder = auricle.teach(model=tmp_path / "run", data=data, output=tmp_path / name, quiet=True, **asked)
        taught = load(folder)
        assert taught.config["backbone"] == mobilenet | {"pooling": found}
        assert taught.heads.weight.shape == (3, size[found])
        assert (", with its last stage" in (folder / "README.md").read_text()) == (found == "stage")
    refitted = distilled(start, data, tmp_path / "refitted", refit_head=True)
    assert refitted.config["backbone"] == mobilenet | {"pooling": "stage"}
    assert "pooling" not in distilled(start, data, tmp_path / "kept").config["backbone"]


def test_a_head_that_is_fitted_anew_leaves_the_last_stage_free(start: Path, data: Path, tmp_path: Path):
    """So the network learns the same, whatever of it the head is going to hear; if it is kept, all has to stay."""
    weights, histories = [], []
    for refit_head in (True, False):
        for pooling in ("mean", "stage"):
            folder = tmp_path / f"{pooling}-{refit_head}"
            options = {"pooling": pooling, "refit_head": refit_head, "training": {"epochs": 1, "batch_size": 8}}
            weights.append(distilled(start, data, folder, **options).backbone.state_dict())
            histories.append(pd.read_csv(folder / "history.csv")[["train_loss", "val_loss", "val_accuracy"]])
    equal = [all(torch.equal(weights[0][name], other[name]) for name in weights[0]) for other in weights]
    assert equal == [True, True, True, False]
    for history in histories[1:3]:
        pd.testing.assert_frame_equal(history, histories[0])


def test_fine_tuning_keeps_the_pooling_unless_another_is_asked_for(start: Path, data: Path, tmp_path: Path):
    options: dict[str, Any] = {"data": data, "init_from": start, "training": {"epochs": 1}, "quiet": True}
    kept = load(auricle.train_classifier(output=tmp_path / "kept", **options))
    other = load(auricle.train_classifier(output=tmp_path / "other", pooling="stage", **options))
    assert "pooling" not in kept.config["backbone"]
    assert other.config["backbone"]["pooling"] == "stage"
    with pytest.raises(AuricleError, match=r"it is for --init-from; give --backbone-options\.pooling"):
        auricle.train_classifier(output=tmp_path / "new", **options | {"init_from": None, "pooling": "stage"})
    with pytest.raises(AuricleError, match="option 'pooling'"):
        auricle.teach(
            model=start_run(tmp_path / "plain"), data=data, output=tmp_path / "taught", pooling="mean", quiet=True
        )


def test_a_refitted_head_is_that_of_teach_on_the_trained_network(start: Path, data: Path, tmp_path: Path):
    splits = {"validation_share": 0.2, "test_share": 0.0}
    model = distilled(start, data, tmp_path / "run", splits=splits, refit_head=True)
    before = distilled(start, data, tmp_path / "before", splits=splits)
    auricle.teach(model=tmp_path / "before", data=data, output=tmp_path / "taught", augmentation=NOISY, quiet=True)
    taught = load(tmp_path / "taught")
    assert isinstance(taught, Classifier)
    for name, value in taught.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=0, atol=0)
    assert not torch.equal(model.heads.weight, before.heads.weight)
    card = (tmp_path / "run" / "README.md").read_text()
    assert "as the teacher" in card
    assert "discounts directions" in card


@pytest.mark.slow
def test_quiet_clips_come_nearer_to_the_embedding_of_loud_ones(start: Path, data: Path, tmp_path: Path):
    others = [name for name in create_suite("training").corruptions if name != "gain"]
    model = distilled(
        start,
        data,
        tmp_path / "run",
        training={"epochs": 20, "batch_size": 8},
        augmentation={"conditions": "training", "without": others},
        optimization={"learning_rate": 3e-3, "schedule": "cosine"},
    )
    teacher = load(start)
    assert isinstance(teacher, Classifier)
    tones = torch.stack([torch.from_numpy(audio.read(path)[0]) for path in sorted(data.rglob("*.wav"))])
    measure = Teacher(teacher, torch.ones(teacher.backbone.embedding_dim))
    with torch.no_grad():
        wanted = measure.embed(tones)
        before, after = (float(measure.loss(of.embed(0.03 * tones), wanted)) for of in (teacher, model))
    assert after < 0.5 * before


def test_gaussian_noise_alone_can_be_learnt(start: Path, data: Path, tmp_path: Path):
    model = distilled(start, data, tmp_path / "run", augmentation={"noise_snr_db": (0.0, 10.0)})
    before = load(start)
    assert isinstance(before, Classifier)
    pairs = zip(model.backbone.parameters(), before.backbone.parameters(), strict=True)
    assert not all(torch.equal(a, b) for a, b in pairs)
    validated = (tmp_path / "run" / "history.csv").read_text().splitlines()
    assert float(dict(zip(*(line.split(",") for line in validated[:2]), strict=True))["val_loss"]) > 0


def test_several_labels_and_none(start: Path, data: Path, tmp_path: Path):
    rows = [(path, path.parent.name) for path in sorted(data.rglob("*.wav"))]
    lines = [f"{path},{'' if label == 'low' else label},{number}" for number, (path, label) in enumerate(rows)]
    (tmp_path / "manifest.csv").write_text("path,label,group\n" + "\n".join(lines))
    model = distilled(start, tmp_path / "manifest.csv", tmp_path / "run", multi_label=True)
    assert model.task().multi_label
    assert model.task().labels == ("high", "middle")
    low = model.predict(audio.read(rows[15][0])[0], RATE)
    high = model.predict(audio.read(rows[0][0])[0], RATE)
    assert rows[15][1] == "low"
    assert high["high"] > low["high"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"init_from": None}, "distill: it needs --init-from"),
        ({"distill": False, "refit_head": True}, "refit_head: it is for distill"),
        ({"augmentation": {}}, "nothing is to be learnt without --augmentation.conditions"),
        ({"augmentation": {"spec_masks": 1}}, "nothing is to be learnt without --augmentation.conditions"),
        ({"augmentation": NOISY | {"mixup": 0.2}}, "mixup mixes labels"),
        ({"head": "mlp"}, "its head is linear; leave out --head mlp"),
        ({"augmentation": NOISY | {"clean_validation": True}}, "it is validated under conditions"),
        ({"augmentation": NOISY | {"without": ["wind"]}}, "unknown corruption of the suite 'training', 'wind'"),
        ({"augmentation": {"without": ["white"]}}, "without: it is for conditions"),
    ],
)
def test_what_it_cannot_do_is_said_before_anything_is_written(start: Path, data: Path, tmp_path: Path, options, said):
    given = {"data": data, "output": tmp_path / "run", "init_from": start, "distill": True} | QUICK | options
    with pytest.raises(AuricleError, match=said):
        auricle.train_classifier(**given)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_killed_and_resumed_it_ends_with_the_same_weights(start: Path, data: Path, tmp_path: Path):
    command = ["train", "classifier", "--data", str(data), "--init-from", str(start), "--recipe", "robust", "--quiet"]
    command += ["--training.epochs", "3", "--training.batch-size", "8", "--output"]
    code, n_writes = forked([*command, str(tmp_path / "whole")], tmp_path / "whole")
    assert code == 0
    for kill_at in (n_writes // 3, n_writes // 2):
        folder = tmp_path / f"killed-{kill_at}"
        assert forked([*command, str(folder)], folder, kill_at)[0] < 0
        assert forked([*command, str(folder)], folder)[0] == 0
        whole, pieces = (load_file(path / "model.safetensors") for path in (tmp_path / "whole", folder))
        for name, value in whole.items():
            torch.testing.assert_close(pieces[name], value, rtol=0, atol=0)
