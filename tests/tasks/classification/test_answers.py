"""Heads that hear what a pretrained model answers about its own labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import auricle
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.systems import load
from auricle.systems.classifier.heads import AnswersHead, MLPHead
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification import training_task
from sounds import RATE, tone_folder
from untrained import start_run

pytestmark = pytest.mark.figures("undrawn")
NOISY = {"augmentation": {"conditions": "training"}}
DISTILLED: dict[str, Any] = {"distill": True, "refit_head": True, "training": {"epochs": 2, "batch_size": 8}} | NOISY
N_ANSWERS, N_LAST, N_STAGE = 7, 96, 256


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained MobileNet whose head has a hidden layer and more labels than are taught."""
    tasks = [Task("other", tuple("abcdefg"))]
    mobilenet = {"name": "mobilenet", "width": 0.1}
    return start_run(tmp_path_factory.mktemp("models") / "start", backbone=mobilenet, head="mlp", tasks=tasks)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tone_folder(tmp_path_factory.mktemp("tones"), 10)


@pytest.fixture(autouse=True)
def few_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that conditions are heard quickly."""
    monkeypatch.setattr(training_task, "MOVED_WINDOWS", 30)


@pytest.fixture
def first(start: Path, data: Path, tmp_path: Path) -> Classifier:
    """A model for noise that was taught from `start`, in the folder first."""
    return taught(start, data, tmp_path / "first", **NOISY)


def opened(folder: Path) -> Classifier:
    model = load(folder)
    assert isinstance(model, Classifier)
    return model


def taught(start: Path, data: Path, output: Path, **options: Any) -> Classifier:
    return opened(auricle.teach(model=start, data=data, output=output, quiet=True, **options))


def tones(n_clips: int = 4) -> Tensor:
    time = torch.arange(RATE // 2) / RATE
    return torch.stack([0.2 * torch.sin(2 * torch.pi * (300.0 + 400.0 * clip) * time) for clip in range(n_clips)])


def assert_hears(model: Classifier, start: Path) -> None:
    """`model` hears the answers of `start`, which has not been trained."""
    first, last = opened(start).heads, model.heads
    assert isinstance(last, AnswersHead)
    assert isinstance(first, MLPHead)
    for name, value in first.state_dict().items():
        torch.testing.assert_close(last.answers.state_dict()[name], value, rtol=0, atol=0)
    with torch.no_grad():
        embeddings = model.embed(tones())
        by_hand = torch.cat([embeddings, first.eval()(embeddings[:, :N_LAST])], dim=1)
        torch.testing.assert_close(model.heard(tones()), by_hand)
        logits = torch.stack([last.linear.weight @ row + last.linear.bias for row in by_hand])
        torch.testing.assert_close(model(tones()), logits, rtol=1e-4, atol=1e-5)
    assert model.heard_parts == (*model.backbone.embedding_parts, N_ANSWERS)
    assert model.config["n_answers"] == N_ANSWERS


def test_a_head_for_noise_hears_the_answers_of_its_model(first: Classifier, start: Path, tmp_path: Path) -> None:
    assert_hears(first, start)
    assert first.heard_parts == (N_LAST, N_STAGE, N_ANSWERS)
    card = (tmp_path / "first" / "README.md").read_text()
    assert ", with its last stage and its answers about its own 7 labels" in card


@pytest.mark.slow
def test_an_exported_model_hears_them_too(first: Classifier, tmp_path: Path) -> None:
    auricle.export(tmp_path / "first", output=tmp_path / "first.pt2")
    program = torch.export.load(tmp_path / "first.pt2").module()
    with torch.no_grad():
        torch.testing.assert_close(program(tones()), first(tones()), rtol=1e-4, atol=1e-4)


def test_other_heads_hear_them_if_asked(start: Path, data: Path, tmp_path: Path) -> None:
    assert "n_answers" not in taught(start, data, tmp_path / "clean").config
    assert_hears(taught(start, data, tmp_path / "asked", answers=True), start)
    assert "n_answers" not in taught(start, data, tmp_path / "not", answers=False, **NOISY).config
    few = start_run(tmp_path / "few", backbone={"name": "mobilenet", "width": 0.1}, head="mlp")
    assert "n_answers" not in taught(few, data, tmp_path / "fewer", **NOISY).config


def test_a_model_taught_from_one_that_hears_answers_hears_the_same(
    first: Classifier, start: Path, data: Path, tmp_path: Path
) -> None:
    again = taught(tmp_path / "first", data, tmp_path / "again", **NOISY)
    assert_hears(again, start)
    for name, value in first.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=0, atol=0)


def test_fine_tuning_trains_all_but_the_answers(first: Classifier, start: Path, data: Path, tmp_path: Path) -> None:
    auricle.train_classifier(
        data=data, init_from=tmp_path / "first", output=tmp_path / "tuned", training={"epochs": 1}, quiet=True
    )
    tuned = opened(tmp_path / "tuned")
    assert_hears(tuned, start)
    assert isinstance(tuned.heads, AnswersHead)
    assert isinstance(first.heads, AnswersHead)
    assert not torch.equal(tuned.heads.linear.weight, first.heads.linear.weight)
    auricle.train_classifier(
        data=data, init_from=tmp_path / "first", output=tmp_path / "mlp", head="mlp", training={"epochs": 1}, quiet=True
    )
    assert isinstance(opened(tmp_path / "mlp").heads, MLPHead)
    options: dict[str, Any] = DISTILLED | {"training": {"epochs": 1, "batch_size": 8}}
    auricle.train_classifier(
        data=data, init_from=tmp_path / "first", output=tmp_path / "without", answers=False, quiet=True, **options
    )
    assert isinstance(opened(tmp_path / "without").heads, torch.nn.Linear)


def test_after_distillation_a_head_is_that_of_teach_on_the_trained_network(
    start: Path, data: Path, tmp_path: Path
) -> None:
    """A head that is kept hears no answers, but the model has them for others."""
    splits = {"validation_share": 0.2, "test_share": 0.0}
    options: dict[str, Any] = {"data": data, "init_from": start, "splits": splits, "quiet": True} | DISTILLED
    kept_head = {"refit_head": False}
    model, kept, plain, heard = (
        opened(auricle.train_classifier(output=tmp_path / name, **options | changed))
        for name, changed in (
            ("run", {}),
            ("kept", kept_head),
            ("plain", {"answers": False}),
            ("heard", kept_head | {"answers": True}),
        )
    )
    assert_hears(model, start)
    assert_hears(kept, start)
    assert isinstance(kept.heads, AnswersHead)
    assert (kept.heads.linear.weight[:, kept.backbone.embedding_dim :] == 0).all()
    for name, value in taught(tmp_path / "kept", data, tmp_path / "taught", **NOISY).state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=0, atol=0)
    for name, value in plain.backbone.state_dict().items():
        torch.testing.assert_close(model.backbone.state_dict()[name], value, rtol=0, atol=0)
    for name, said in (("run", True), ("kept", False), ("plain", False), ("heard", True)):
        assert ("about its own 7 labels" in (tmp_path / name / "README.md").read_text()) == said
    assert isinstance(heard.heads, AnswersHead)
    assert (heard.heads.linear.weight[:, heard.backbone.embedding_dim :] != 0).any()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"head": "linear"}, "answers: the model has no head with a hidden layer"),
        ({"head": "mlp", "n_answers": 3}, "n_answers=3: it is for the head 'linear', not 'mlp'"),
    ],
)
def test_what_has_no_answers_is_said(data: Path, tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(AuricleError, match=said):
        taught(start_run(tmp_path / "start", **changed), data, tmp_path / "run", answers=True)
    with pytest.raises(AuricleError, match="answers: it is for distill"):
        auricle.train_classifier(data=data, output=tmp_path / "run", answers=True, quiet=True)
    assert not (tmp_path / "run").exists()
