from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from auricle.errors import AuricleError
from auricle.frontends import create_frontend
from auricle.frontends.spec import names_in, read_frontend
from auricle.runs.provenance import run_digest
from auricle.studies.costs import Cost, arrangements, bench, measure, multiply_adds, ratios, table
from auricle.systems.classifier.system import Classifier


def test_multiply_adds_of_a_convolution_and_a_matrix_product() -> None:
    convolution = nn.Conv2d(3, 8, (3, 5), stride=2, bias=False)
    rows, columns = (20 - 3) // 2 + 1, (33 - 5) // 2 + 1
    assert multiply_adds(convolution, torch.zeros(2, 3, 20, 33)) == 2 * rows * columns * 8 * 3 * 3 * 5
    assert multiply_adds(nn.Linear(7, 9), torch.zeros(5, 7)) == 5 * 7 * 9


def test_multiply_adds_of_sincgram_are_its_transforms_and_its_matrix() -> None:
    frames = 100
    transforms = frames * 1.25 * 512 * math.log2(512)
    spectrogram = multiply_adds(create_frontend("spectrogram"), torch.zeros(1, 16000))
    assert spectrogram == pytest.approx(transforms, rel=1e-3)
    sincgram = multiply_adds(create_frontend("sincgram"), torch.zeros(1, 16000))
    assert sincgram - spectrogram == frames * 257 * 64


def test_transforms_back_are_counted_as_those_forth_and_complex_ones_twice() -> None:
    class Transforms(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            back = torch.fft.irfft(torch.fft.rfft(x))
            return torch.fft.ifft(torch.fft.fft(torch.complex(back, x)))

    one = 3 * 1.25 * 1024 * 10
    assert multiply_adds(Transforms(), torch.zeros(3, 1024)) == pytest.approx(one + one + 2 * one + 2 * one, rel=1e-2)


def test_what_is_computed_once_and_kept_is_no_cost_of_the_sound() -> None:
    frontend = create_frontend("leaf-apcen", n_filters=8).eval()
    fresh, again = (multiply_adds(frontend, torch.zeros(1, 16000)) for _ in range(2))
    assert fresh == again


def test_runs_and_front_ends_are_not_mixed() -> None:
    for options in ({"frontends": ["leaf"]}, {"backbones": ["cnn-small"]}):
        with pytest.raises(AuricleError, match="give runs, or --frontends and --backbones"):
            bench(runs=["runs/a"], **options)


def test_a_clip_has_a_sample_at_least() -> None:
    with pytest.raises(AuricleError, match="--lengths-s 1e-05: not one sample at 16000 Hz"):
        bench(frontends=["mel"], backbones=["cnn-small"], lengths_s=[1.0, 1e-5], repeats=1)


def test_resnet_18_is_dominated_by_its_spectrogram() -> None:
    """A spectrogram with a quarter of the bands costs a quarter, but for rounding of odd sizes."""
    whole, bands = arrangements([{"name": "spectrogram"}, {"name": "sincgram"}], ["resnet-18"], 16000, "cpu")
    assert bands.parameters == whole.parameters + 128
    assert bands.multiply_adds == pytest.approx(whole.multiply_adds * 64 / 257, rel=0.06)
    assert whole.name == "spectrogram, resnet-18"


@pytest.mark.filterwarnings("ignore")
def test_all_models_take_turns_and_are_compared_with_the_first() -> None:
    frontends = [{"name": "mel", "n_filters": 8}, {"name": "mel", "n_filters": 16}]
    costs = arrangements(frontends, ["cnn-small"], 8000, "cpu")
    measure(costs, [0.2, 0.5], 3, progress=False)
    assert all(len(one.times[length]) == 3 for one in costs for length in (0.2, 0.5))
    assert list(table(costs).columns)[-2:] == ["0.2 s, ms", "0.5 s, ms"]
    (row,) = ratios(costs).to_dict("records")
    assert row["against"] == "mel (n_filters=8)"


def test_ratios_are_medians_of_the_turns() -> None:
    def timed(name: str, times: list[float]) -> Cost:
        return Cost(name, "net", None, 1, 1, times={1.0: times})  # type: ignore[arg-type]

    (row,) = ratios([timed("a", [1.0, 2.0, 4.0]), timed("b", [0.5, 0.5, 4.0])]).to_dict("records")
    assert row["1 s"] == "0.50 (0.25–1.00)"


def test_evaluated_runs_have_an_accuracy_and_a_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = Classifier.build(
        tasks=[{"name": "", "labels": ["a", "b"], "multi_label": False}],
        sample_rate=8000,
        window_s=0.5,
        frontend={"name": "mel", "n_filters": 8},
        backbone={"name": "cnn-small"},
    )
    model.save(tmp_path / "run")
    (tmp_path / "run/evaluation/test").mkdir(parents=True)
    accuracy = {"accuracy": {"value": 0.8125, "low": 0.7, "high": 0.9}}
    measured = [{"condition": "clean", "metrics": accuracy}]
    record = {
        "schema": 2,
        "task": "classification",
        "run": {"name": "run", "path": None, "digest": run_digest(tmp_path / "run")},
        "data": {"name": "data", "path": "data", "split": "test", "n_clips": 16, "digest": "0"},
        "settings": {},
        "model": {"config": {}, "training": {}, "training_seed": 0},
        "measured": measured,
    }
    (tmp_path / "run/evaluation/test/results.json").write_text(json.dumps(record))
    options: dict[str, Any] = {"lengths_s": [0.2], "repeats": 1, "title": "Costs"}
    page = tmp_path / "my (page).md"
    assert str(page) in str(bench([tmp_path / "run"], output=page, **options))
    assert "81.2" in page.read_text(encoding="utf-8")
    assert "![Accuracy against multiply-adds](my%20%28page%29-accuracy.png)" in page.read_text(encoding="utf-8")
    assert (tmp_path / "my (page)-accuracy.png").stat().st_size > 10_000
    shutil.copytree(tmp_path / "run/evaluation/test", tmp_path / "run/evaluation/again")
    capsys.readouterr()
    bench([tmp_path / "run"], output=page, **options)
    assert "81.2" not in page.read_text(encoding="utf-8")
    assert "note: no accuracy is shown: " in (told := capsys.readouterr().err)
    assert "has 2 evaluations" in told
    shutil.rmtree(tmp_path / "run/evaluation/again")
    with torch.no_grad():
        next(model.parameters()).mul_(1.01)
    model.save(tmp_path / "run")
    bench([tmp_path / "run"], output=page, **options)
    assert "81.2" not in page.read_text(encoding="utf-8"), "the accuracy of other weights"
    with pytest.raises(AuricleError, match="give runs, or"):
        bench(frontends=["mel"], **options)
    with pytest.raises(AuricleError, match="--repeats is 0"):
        bench(frontends=["mel"], backbones=["cnn-small"], **options | {"repeats": 0})


def test_a_list_among_a_front_ends_options_is_one_value() -> None:
    names = names_in(["mel,leaf:frozen=[filterbank,pooling]:n_filters=8,", "leaf:frozen=[pooling,compression],mel-db"])
    assert names == [
        "mel",
        "leaf:frozen=[filterbank,pooling]:n_filters=8",
        "leaf:frozen=[pooling,compression]",
        "mel-db",
    ]
    assert read_frontend(names[1]) == {"name": "leaf", "frozen": ["filterbank", "pooling"], "n_filters": 8}


def test_a_front_ends_options_are_read() -> None:
    expected = {"name": "degram", "order": 8, "merge": "mean", "ratio": 0.25}
    assert read_frontend("degram:order=8:merge=mean:ratio=0.25") == expected
    for wrong in ("degram:order", "degram:order=2:order=4"):
        with pytest.raises(AuricleError, match="name:option=value"):
            read_frontend(wrong)
