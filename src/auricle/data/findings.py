"""The findings of a data check, and their report as text and JSON."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from auricle.data.labels import visible
from auricle.errors import counted, duration_text, shortened, shown_path, some_of
from auricle.files import write_json

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
INCOMPLETE = ("damaged", "left-out")  # codes of findings about files that are used in part or not at all


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
        write_json(path, self.record())

    def record(self) -> dict[str, Any]:
        """The report as plain values."""
        return {
            "source": shown_path(self.source),
            "ok": self.ok,
            "summary": self.summary,
            "findings": [
                {"severity": f.severity, "code": f.code, "message": f.message, "clips": list(f.clips)}
                for f in self.findings
            ],
            "table": {str(label): {str(k): int(v) for k, v in row.items()} for label, row in self.table.iterrows()},
        }

    @property
    def complaint(self) -> str:
        """Message if there are errors, or files that are damaged or left out; empty if there are none."""
        if not self.ok:
            return f"{shown_path(self.source)}: correct the errors before training"
        return f"{shown_path(self.source)}: some files are damaged or left out" if self.exit_code else ""

    @property
    def exit_code(self) -> int:
        """2 if there are errors, 3 if no more than that files are damaged or left out, else 0."""
        if not self.ok:
            return 2
        return 3 if any(finding.code in INCOMPLETE for finding in self.findings) else 0

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """The report as lines of text; characters that cannot be seen are shown as escapes."""
        rates = ", ".join(f"{rate} Hz" for rate in self.summary["rates"])
        channels = ", ".join(channels_in_words(int(n)) for n in self.summary["channels"])
        numbers = [counted(self.summary["clips"], "clip"), duration_text(3600 * self.summary["hours"]), rates, channels]
        lines = [f"{shown_path(self.source)}: {', '.join(filter(None, numbers))}", ""]
        if len(self.table):
            named = self.table.rename(index=lambda label: visible(shortened(label)))
            lines += [*named.to_string().splitlines(), ""]
        for finding in self.findings:
            lines.append(visible(f"{finding.severity}: {finding.message} [{finding.code}]"))
            if finding.clips:
                lines.append(visible(f"    {some_of(finding.clips, 3)}"))
        lines.append("ok: there are no errors" if self.ok else "not ok: correct the errors before training")
        return lines


def channels_in_words(n: int) -> str:
    """'mono', 'stereo', '3 channels', …"""
    return {1: "mono", 2: "stereo"}.get(n, f"{n} channels")
