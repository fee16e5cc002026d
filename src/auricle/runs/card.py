"""A run's model card, README.md."""

from __future__ import annotations

from typing import Any


def model_card(title: str, facts: list[str], closing: str, record: dict[str, Any]) -> str:
    """A run's README.md: `facts` of the model, one a line, and what `record` (`provenance` and the seed) says."""
    lines = [
        f"# {title}",
        "",
        *facts,
        f"- Seed {record['seed']}; {record['date']}; {record['machine']['processor']}, "
        f"{record['machine']['cores']} cores.",
        f"- Versions: {', '.join(f'{name} {version}' for name, version in record['versions'].items())}; "
        f"Python {record['python']}.",
        "",
        closing,
        "",
        "## Command",
        "",
        "```",
        record["command"],
        "```",
        "",
    ]
    return "\n".join(lines)
