"""Write docs/reliability.md from the saved counts of attacks, kills and full disks.

    python tools/pages/reliability.py results/reliability --output docs/reliability.md

Every file NAME.json of the folder is one experiment, written by tools/fuzz: `command`, `machine`, `version`, and `rows`
of `what`, `tried` and `held`. texts/reliability.md opens the page, texts/reliability/NAME.md an experiment's section.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from auricle.reports.tables import markdown_table
from common import TEXTS, read_text, write_page

#: The order of the page; experiments that are not listed follow by name.
ORDER = ("fuzz", "sounds", "kills", "training-kills", "full-disk", "torchrun", "ray")


def section(path: Path) -> str:
    """An experiment: its text, what was tried, how often, what held, and the command that shows it."""
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    rows = [[row["what"], f"{row['tried']:,}", f"{row['held']:,}"] for row in record["rows"]]
    if len(rows) > 1:
        totals = (sum(row[key] for row in record["rows"]) for key in ("tried", "held"))
        rows.append(["**together**", *(f"**{total:,}**" for total in totals)])
    table = markdown_table(["what was tried", "how often", "held"], rows, [False, True, True])
    origin = f"By auricle {record['version']} on {record['machine']}:"
    text = read_text(TEXTS / path.parent.name / f"{path.stem}.md")
    return "\n\n".join([text, table, origin, f"```bash\n{record['command']}\n```"])


def page(folder: Path, command: str) -> str:
    names = {path.stem: path for path in sorted(folder.glob("*.json"))}
    order = [name for name in ORDER if name in names] + [name for name in names if name not in ORDER]
    opening, closing = read_text(TEXTS / f"{folder.name}.md"), read_text(TEXTS / folder.name / "closing.md")
    return "\n\n".join([opening, *(section(names[name]) for name in order), closing, f"Written by `{command}`."]) + "\n"


if __name__ == "__main__":
    write_page(page, __doc__)
