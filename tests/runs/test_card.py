"""Model cards: what users name is text in them."""

from __future__ import annotations

from pathlib import Path

from auricle.runs.card import Card, write_card

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
