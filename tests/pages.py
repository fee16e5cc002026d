"""Reading the tables of Markdown pages that commands write."""

from __future__ import annotations

from pathlib import Path

import pandas as pd


def table_of(page: Path, heading: str, place: int = 0) -> pd.DataFrame:
    """The table number `place` below a heading; its first column is the index."""
    text = page.read_text(encoding="utf-8").partition(f"# {heading}\n")[2].partition("\n#")[0]
    blocks = [block.splitlines() for block in text.strip().split("\n\n") if block.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in blocks[place]]
    return pd.DataFrame(rows[2:], columns=rows[0]).set_index(rows[0][0])


def number(cell: str) -> float:
    """The value of a cell that may have an interval and may be bold."""
    return float(cell.strip("*").partition(" ")[0].replace("−", "-"))
