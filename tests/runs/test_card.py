"""Model cards: what users name is text in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from auricle.errors import duration_text
from auricle.files import write_json
from auricle.runs.card import Card, model_name, write_card

RECORD = {
    "versions": {"auricle": "1"},
    "python": "3",
    "seed": 0,
    "date": "today",
    "machine": {"processor": "one", "cores": 1},
    "epochs": 1,
    "training_hours": 1.0,
    "best_epoch": 1,
    "best_val_loss": 0.5,
    "command": "auricle train",
}


def test_names_are_text(tmp_path: Path) -> None:
    labels = "owl\n\n# Owls, <script>alert(1)</script>, <b>bold</b>"
    write_card(
        tmp_path, Card("mel", f"For {labels}", [f"Labels: {labels}.", "`clips.csv` lists them."], "Next."), RECORD, []
    )
    lines = (tmp_path / "README.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("#")] == [f"# {tmp_path.name}: mel", "## Command"]
    assert sum("Owls" in line for line in lines) == 2
    assert not any("<" in line for line in lines)
    assert "- `clips.csv` lists them." in lines


def test_labels_make_no_links(tmp_path: Path) -> None:
    labels = (
        "https://one.example/?a=1&b=2, www.two.example, [three](page.html), me@four.example, `https://five.example`"
    )
    write_card(tmp_path, Card("mel", "A classifier", [f"Labels: {labels}."], "Next."), RECORD, [])
    assert (
        "- Labels: `https://one.example/?a=1`&amp;b=2, `www.two.example`, [three]&#40;page.html), `me@four.example`, "
        "`https://five.example`."
    ) in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_a_model_is_called_by_its_published_name_or_its_folders(tmp_path: Path) -> None:
    model = tmp_path / "user--net"
    assert model_name(model) == "user--net"
    write_json(model / "source.json", {"name": "hub:user/net"})
    assert model_name(model) == "hub:user/net"
    assert model_name("spectral-gating") == "spectral-gating"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (3.52, "3.5 s"),
        (99.7, "100 s"),
        (119.0, "119 s"),
        (121.0, "2 min"),
        (3600.0, "60 min"),
        (5975.0, "100 min"),
        (8000.0, "2.2 h"),
        (4e5, "111 h"),
    ],
)
def test_durations_have_the_unit_that_suits_them(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
