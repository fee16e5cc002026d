"""A run's model card, README.md."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from auricle.data.splits import Splits
from auricle.errors import counted, duration_text, lines_without_controls
from auricle.files import write_text
from auricle.published.hub import SOURCE
from auricle.readers import read_json
from auricle.reports.tables import escape_markdown
from auricle.runs.provenance import system_name
from auricle.version import __version__

USE = {
    "classifier": [
        "waveform, sample_rate = audio.read('recording.wav')",
        "model.predict(waveform, sample_rate)  # the model's own probability of each label; auricle.predict calibrates",
    ],
    "trnet": ["auricle.predict({name!r}, 'recordings', output='predictions')"],
    "cmgan": ["auricle.enhance({name!r}, 'noisy', output='enhanced')"],
    "separator": ["auricle.separate({name!r}, 'mixtures', output='sources', reference=['example.wav'])"],
    "audiomae": ["auricle.embed({name!r}, 'recordings', output='embeddings.parquet')"],
}
"""Lines of Python that use a system of each kind."""


@dataclass(frozen=True)
class Card:
    """Content of a model card: `facts` one per line, `sections` as Markdown, and next steps in `closing`.

    Of `title`, `description` and `facts` only code between backticks is taken as Markdown.
    """

    title: str
    description: str
    facts: Sequence[str]
    closing: str
    sections: Sequence[str] = field(default_factory=list)


def write_card(folder: Path, card: Card, record: dict[str, Any], splits: Sequence[Splits]) -> None:
    """Write `folder`/README.md; `record` is the content of run.json."""
    system = system_name(folder)
    use = usage(system, folder.name) if system else []
    lines = [
        escape_markdown(f"# {folder.name}: {card.title}"),
        "",
        escape_markdown(f"{card.description}, made with auricle {record['versions']['auricle']}."),
        "",
        *(f"- {escape_markdown(fact)}" for fact in card.facts),
        *(f"- {_counts(split)}" for split in splits),
        f"- {_training(record)}",
        f"- Seed {record['seed']}; {record['date']}; {record['machine']['processor']}, "
        f"{record['machine']['cores']} cores.",
        f"- Versions: {', '.join(f'{name} {version}' for name, version in record['versions'].items())}; "
        f"Python {record['python']}.",
        "",
        card.closing,
        "",
        *use,
        *card.sections,
        "## Command",
        "",
        "```",
        record["command"],
        "```",
        "",
    ]
    write_text(folder / "README.md", lines_without_controls("\n".join(lines)))


def write_published_card(folder: Path, network: str, checkpoint: str, sha256: str, licence: str = "") -> None:
    """Write `folder`/README.md of a converted model.

    `network` is what was published, with its authors; `checkpoint` and `sha256` are the name and digest of the file.
    """
    system = system_name(folder)
    lines = [
        escape_markdown(f"# {folder.name}: {network}"),
        "",
        f"Published weights, converted by auricle {__version__}.",
        "",
        escape_markdown(f"- The checkpoint is `{checkpoint}`, SHA-256 `{sha256}`."),
        *([escape_markdown(f"- Licence of the weights: {licence}.")] if licence else []),
        "",
        *(usage(system, folder.name) if system else []),
    ]
    write_text(folder / "README.md", lines_without_controls("\n".join(lines)))


def usage(system: str, name: str, *, download: bool = False) -> list[str]:
    """A section of Markdown: how the model `name`, a folder or a repository, is loaded and used from Python."""
    fetched = ", download=True" if download else ""
    imports = ["import auricle"] + (["from auricle import audio"] if system == "classifier" else [])
    load = f"model = auricle.load({name!r}{fetched})" + ("" if download else "  # the path of this folder")
    return ["## Use", "", "```python", *imports, "", load, *(line.format(name=name) for line in USE[system]), "```", ""]


def model_name(model: str | Path) -> str:
    """What a card calls a model: its published name, or that of its folder, wherever on this computer it lies."""
    source = Path(model) / SOURCE
    published = read_json(source, {"name?": str}).get("name") if source.is_file() else None
    return str(published or Path(os.path.abspath(model)).name)


def _training(record: dict[str, Any]) -> str:
    duration = duration_text(3600 * record["training_hours"])
    if not record["epochs"]:
        return f"Fitted in {duration}."
    time = f"Trained for {counted(record['epochs'], 'epoch')} in {duration}"
    if record["best_epoch"] is None:
        return f"{time}; the mean of the folds' lowest validation losses is {record['best_val_loss']:.4g}."
    return (
        f"{time}; the lowest validation loss, {record['best_val_loss']:.4g}, was that of epoch {record['best_epoch']}."
    )


def _counts(splits: Splits) -> str:
    counts = (
        f"{len(splits.train)} clips for training, {len(splits.valid)} for validation, "
        f"{len(splits.test or ())} put aside for testing"
    )
    parts = [part for part in (splits.train, splits.valid, splits.test) if part]
    n_negatives = sum(len(part.negatives) for part in parts)
    without = f"; {n_negatives} of them have no label" if n_negatives else ""
    return f"{escape_markdown(splits.task.name)}: {counts}{without}; `clips.csv` lists them."
