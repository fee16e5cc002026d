"""`auricle push`: a run as a model hub expects it, in a folder or in a repository."""

from __future__ import annotations

import math
import os
import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from auricle.config import Push, require, verb
from auricle.errors import AuricleError, shown_path
from auricle.files import naming, partial_folder, put_in_place, remove_partials, write_text
from auricle.published.hub import MODEL_FILES, PLOTS, SOURCE, is_among, repository_of, upload
from auricle.readers import read_json, read_text
from auricle.registry import unknown_name
from auricle.runs.card import usage
from auricle.runs.provenance import run_digest
from auricle.runs.results import METRICS, validation_metrics
from auricle.systems.classifier.system import Classifier
from auricle.systems.system import load
from auricle.tasks.classification.calibration import read_calibration

LICENCES = (
    "apache-2.0", "bsd-3-clause", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-sa-4.0", "cc0-1.0", "gpl-3.0",
    "mit", "other",
)  # fmt: skip
PIPELINES = {
    "classifier": "audio-classification",
    "trnet": "audio-classification",
    "cmgan": "audio-to-audio",
    "separator": "audio-to-audio",
    "audiomae": "feature-extraction",
}
CARD = Path("README.md")
LIBRARY = "library_name: auricle"
"""The first line of a pushed card's metadata."""
INSTALL = "```\npip install 'auricle[hub]'\n```\n"
_FRONT_MATTER = re.compile(r"\A---\n.*?^---\n", re.MULTILINE | re.DOTALL)
_OWN_USE = re.compile(r"^## Use\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


@verb
def push(options: Push) -> str:
    """Write the folder, and upload it if a repository is given; returns where they are, as text."""
    run, output = Path(options.run), Path(options.output)
    given = options.licence or _published_licence(run)
    licence = licence_id(given) if given else None
    repository = repository_of(options.repository) if options.repository else None
    system = load(run)
    text = card(run, system.name, repository or f"USER/{run.name}", licence)
    if isinstance(system, Classifier):
        read_calibration(run, run_digest(run), system.tasks)
    within = Path(os.path.realpath(output)).is_relative_to(os.path.realpath(run))
    require(not within, f"{shown_path(output)} is the run or in its folder: give another folder")
    if os.path.lexists(output) and not _is_replaceable(output):
        raise AuricleError(f"{output} exists already, and not from an earlier push: give a new folder")
    output.parent.mkdir(parents=True, exist_ok=True)
    remove_partials(output.parent)
    with partial_folder(output.parent) as partial, naming(output):
        made = partial / "model"
        for pattern in (*MODEL_FILES, PLOTS):
            for path in sorted(run.glob(pattern)):
                target = made / path.relative_to(run)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
        write_text(made / CARD, text)
        put_in_place(made, output)
    said = f"the model is in {output}; read its README.md before you publish it"
    if repository is not None:
        said = f"{said}\npushed to {upload(output, repository, private=options.private)}"
    return said


def _published_licence(run: Path) -> str:
    """The licence of weights that `auricle download` fetched; empty for others."""
    return read_json(run / SOURCE, {"*": object}).get("licence", "") if (run / SOURCE).is_file() else ""


def _is_replaceable(folder: Path) -> bool:
    """Whether this is a folder with nothing in it but what a push writes, or with nothing at all."""
    if not folder.is_dir():
        return False
    files = [path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir()]
    if not files:
        return True
    if CARD not in files or any(path.is_symlink() for path in (folder, *folder.rglob("*"))):
        return False
    pushed = read_text(folder / CARD).startswith(f"---\n{LIBRARY}\n")
    return pushed and all(is_among(file, (str(CARD), *MODEL_FILES, PLOTS)) for file in files)


def card(run: Path, system: str, repository: str, licence: str | None) -> str:
    """The model card: metadata, how to use the model, and what the run's own card says of it."""
    metadata: dict[str, Any] = {"pipeline_tag": PIPELINES[system]}
    if licence is not None:
        metadata["license"] = licence
    metadata["tags"] = ["audio", "auricle", system]
    metadata |= _results(run, repository)
    own = read_text(run / CARD) if (run / CARD).is_file() else f"# {shown_path(run.name)}\n"
    title, _, rest = _FRONT_MATTER.sub("", own).partition("\n")
    lines = [
        "---",
        LIBRARY,
        yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True).rstrip(),
        "---",
        title,
        "",
        INSTALL,
        *usage(system, f"hub:{repository}", download=True),
        _OWN_USE.sub("", rest).replace(INSTALL, "").lstrip("\n"),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _results(run: Path, repository: str) -> dict[str, Any]:
    """The validation metrics of the run, as the Hub reads them; empty if there are none.

    Raises `AuricleError` if they were measured with other weights.
    """
    if not (run / METRICS).is_file():
        return {}
    results = [
        {
            "task": {"type": "audio-classification"},
            "dataset": {"name": task, "type": task, "split": "validation"},
            "metrics": [
                {"type": name, "value": own.value} for name, own in values.items() if not math.isnan(own.value)
            ],
        }
        for task, values in validation_metrics(run).items()
    ]
    return {"model-index": [{"name": repository.partition("/")[2], "results": results}]}


def licence_id(text: str) -> str:
    """A licence's identifier as the Hub writes it; raises `AuricleError` for one that it does not know."""
    name = text.strip().lower().replace(" ", "-")
    if name not in LICENCES:
        raise AuricleError(unknown_name("licence", text, LICENCES))
    return name
