"""Models and reports are found by what they are, and the right ones are opened."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from auricle.errors import AuricleError
from auricle.frontends import create_frontend
from auricle.studies.studio.bench import Bench
from auricle.studies.studio.models import ENHANCES, LABELS, SEPARATES, Models
from auricle.studies.studio.reports import Reports
from auricle.systems.classifier.system import Classifier
from auricle.systems.system import load
from untrained import LABELS as TONES
from untrained import start_run

FOUND = {
    "deeper/several": LABELS,
    "enhancer": ENHANCES,
    "one": LABELS,
    "separator": SEPARATES,
    "spectral-gating": ENHANCES,
}


def test_runs_are_found_at_any_place_by_what_they_hold(runs: Path) -> None:
    assert {name: model.kind for name, model in Models(runs).found.items()} == FOUND
    assert Models(runs / "one").names(LABELS) == ["one"]
    assert list(Models(None).found) == ["spectral-gating"]


def test_a_model_with_the_name_of_an_enhancer_hides_none(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "enhancer", tmp_path / "spectral-gating")
    whole = str((tmp_path / "spectral-gating").resolve())
    assert Models(tmp_path).names(ENHANCES) == [whole, "spectral-gating"]
    assert Models(tmp_path).found["spectral-gating"].place == "spectral-gating"


def test_what_is_within_a_model_and_what_is_unfinished_is_no_model(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "one", tmp_path / "run")
    shutil.copytree(runs / "one", tmp_path / "run" / "teacher")
    shutil.copytree(runs / "one", tmp_path / ".hidden")
    shutil.copytree(runs / "one", tmp_path / "damaged")
    (tmp_path / "damaged" / "config.json").write_text("{")
    shutil.copytree(runs / "one", tmp_path / "unfinished")
    (tmp_path / "unfinished" / "model.safetensors").unlink()
    (tmp_path / "x.onnx").write_bytes(b"")
    assert Models(tmp_path).names(LABELS) == ["run", "x.onnx"]


def test_errors_say_what_to_choose(runs: Path) -> None:
    models = Models(runs, "cpu")
    with pytest.raises(AuricleError, match="no such folder"):
        Models(runs / "nowhere")
    with pytest.raises(AuricleError, match="choose a model first"):
        models.classifier(None)
    with pytest.raises(AuricleError, match="unknown model 'tow'"):
        models.classifier("tow")
    with pytest.raises(AuricleError, match="enhancer reduces noise: choose a model that labels sounds"):
        models.classifier("enhancer")
    with pytest.raises(AuricleError, match="unknown front-end 'mle'"):
        models.frontend("mle")


def test_a_model_stays_open_until_it_changes(tmp_path: Path) -> None:
    start_run(tmp_path / "run")
    models = Models(tmp_path, "cpu")
    first = models.classifier("run")
    assert models.classifier("run") is first
    (tmp_path / "run" / "calibration.json").write_text("{}")
    with pytest.raises(AuricleError, match="calibration"):
        models.classifier("run")
    (tmp_path / "run" / "calibration.json").unlink()
    start_run(tmp_path / "run", seed=5)
    assert models.classifier("run").digest != first.digest


def test_a_front_end_is_made_by_name_with_options_or_that_of_a_run(bench: Bench, runs: Path) -> None:
    waveform = torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))
    made = bench.models.frontend("mel:n_filters=12:sample_rate=8000")
    torch.testing.assert_close(made(waveform), create_frontend("mel", n_filters=12, sample_rate=8000)(waveform))
    assert "front-end of deeper/several" in bench.frontends()
    run = load(runs / "deeper" / "several")
    assert isinstance(run, Classifier)
    with torch.no_grad():
        torch.testing.assert_close(
            bench.models.frontend("front-end of deeper/several")(waveform), run.frontend(waveform)
        )


def test_classes_are_those_of_a_separator(bench: Bench) -> None:
    assert bench.models.classes("separator") == list(TONES)
    assert bench.models.classes("one") == bench.models.classes(None) == []


def test_reports_are_pages_and_cards(bench: Bench, runs: Path) -> None:
    assert list(bench.reports.found) == ["card of one", "report/index.html"]
    card = bench.reports.card("card of one")
    assert "![training](/report/0/plots/training.png)" in card
    assert "![elsewhere](https://example.org/x.png)" in card
    number = bench.reports.address("report/index.html").split("/")[2]
    assert bench.reports.find(int(number), "index.html") == (runs / "report" / "index.html").resolve()
    assert bench.reports.find(0, "plots/training.png") is not None


@pytest.mark.parametrize(
    "path",
    [
        "secret.txt",
        "../one/README.md",
        "../one/plots/training.png",
        "/etc/hosts",
        "",
        "x.html",
        "\0.png",
        f"{'a' * 5000}.png",
    ],
)
def test_nothing_else_of_a_report_s_folder_is_given(bench: Bench, path: str) -> None:
    number = int(bench.reports.address("report/index.html").split("/")[2])
    assert bench.reports.find(number, path) is None
    assert bench.reports.find(99, "index.html") is None
    assert bench.reports.find(-1, "index.html") is None


def test_more_folders_of_reports_can_be_given(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "stress").mkdir()
    (tmp_path / "stress" / "index.html").write_text("x")
    reports = Reports(Models(None), [str(tmp_path / "stress")])
    assert list(reports.found) == ["stress/index.html"]
    with pytest.raises(AuricleError, match="no such folder"):
        Reports(Models(None), [str(tmp_path / "nowhere")])


def test_reports_of_folders_with_the_same_name_are_told_apart(tmp_path: Path) -> None:
    for above in ("a", "b"):
        (tmp_path / above / "stress").mkdir(parents=True)
        (tmp_path / above / "stress" / "index.html").write_text(above)
    reports = Reports(Models(None), [str(tmp_path / above / "stress") for above in ("a", "b")])
    assert list(reports.found) == ["stress/index.html, a/stress", "stress/index.html, b/stress"]
    assert [report.file.read_text() for report in reports.found.values()] == ["a", "b"]
