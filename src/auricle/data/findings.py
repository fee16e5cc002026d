"""The findings of a data check, and their report as text and JSON."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from auricle.files import write_json

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One finding: its severity, a stable code, a message of one line, and the names of the clips concerned."""

    severity: Severity
    code: str
    message: str
    clips: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """The findings, worst first, the number of clips per class and split (`table`), and totals (`summary`)."""

    source: Path
    findings: tuple[Finding, ...]
    table: pd.DataFrame
    summary: dict[str, Any]

    @property
    def ok(self) -> bool:
        """Whether there is no error among the findings."""
        return all(finding.severity != "error" for finding in self.findings)

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the report to a JSON file, creating its folder."""
        content = {
            "source": str(self.source),
            "ok": self.ok,
            "summary": self.summary,
            "findings": [
                {"severity": f.severity, "code": f.code, "message": f.message, "clips": list(f.clips)}
                for f in self.findings
            ],
            "table": {str(label): {str(k): int(v) for k, v in row.items()} for label, row in self.table.iterrows()},
        }
        write_json(path, content)

    @property
    def complaint(self) -> str:
        """Message if there are errors; empty if there are none."""
        return "" if self.ok else f"{self.source}: correct the errors before training"

    @property
    def exit_code(self) -> int:
        """The exit code of `auricle check`: 2 if there are errors."""
        return 0 if self.ok else 2

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """The report as lines of text."""
        rates = ", ".join(f"{rate} Hz" for rate in self.summary["rates"])
        channels = ", ".join(channels_in_words(int(n)) for n in self.summary["channels"])
        numbers = [counted(self.summary["clips"], "clip"), f"{self.summary['hours']:.2f} h", rates, channels]
        lines = [f"{self.source}: {', '.join(filter(None, numbers))}", ""]
        lines += self.table.to_string().splitlines() if len(self.table) else []
        lines.append("")
        for finding in self.findings:
            lines.append(f"{finding.severity}: {finding.message} [{finding.code}]")
            if finding.clips:
                lines.append(f"    {some_of(finding.clips, 3)}")
        lines.append("ok: there are no errors" if self.ok else "not ok: correct the errors before training")
        return lines


def channels_in_words(n: int) -> str:
    """'mono', 'stereo', '3 channels', …"""
    return {1: "mono", 2: "stereo"}.get(n, f"{n} channels")


def counted(count: int, thing: str) -> str:
    """A number with its noun: '1 clip', '2 clips', '2 classes'."""
    return f"{count} {thing if count == 1 else thing + ('es' if thing.endswith('s') else 's')}"


def some_of(names: tuple[str, ...], limit: int) -> str:
    """The first `limit` names, and the number of the others: 'a, b and 3 more'."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
