"""`auricle download`: published models by name, fetched, verified, and converted without running code from them."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from auricle.config import Download, require, verb
from auricle.errors import AuricleError
from auricle.files import partial_folder, put_in_place, remove_partials, write_json
from auricle.identity import file_digest
from auricle.published import MODELS, PublishedFile, PublishedModel, model_folder
from auricle.published.fetching import address_of, discard, fetch, one_at_a_time, verify
from auricle.published.home import home, is_here
from auricle.published.hub import PREFIX, SOURCE, fetch_from_hub, hub_folder
from auricle.readers import read_json
from auricle.registry import unknown_name
from auricle.runs.card import write_published_card
from auricle.tasks import convert

CONVERSIONS: dict[str, Callable[..., str]] = {
    "audiomae": convert.convert_audiomae,
    "cmgan": convert.convert_cmgan,
    "efficientat": convert.convert_efficientat,
    "panns": convert.convert_panns,
    "uss": convert.convert_uss,
}


@verb
def download(options: Download) -> str:
    """Fetch and convert published models; returns a line for each, which says where it is."""
    require(bool(options.names), "names: give a name of auricle list models")
    require(options.from_file is None or len(options.names) == 1, "from: it is a file of one model")
    for name in options.names:
        if name.startswith(PREFIX):
            hub_folder(home(), name)
            require(options.from_file is None, "from: it is for a file of a name that auricle list models has")
        elif name not in MODELS:
            raise AuricleError(unknown_name("published model", name, MODELS))
    lines = []
    for name in options.names:
        if name.startswith(PREFIX):
            before = False
            folder = fetch_from_hub(home(), name, overwrite=options.overwrite)
        else:
            before = is_here(name) and not options.overwrite
            folder = fetch_model(name, options.from_file, overwrite=options.overwrite)
        lines.append(f"{name} {'was' if before else 'is'} in {folder}: give its name where a run is asked for")
    return "\n".join(lines)


def fetch_model(name: str, from_file: str | None = None, *, overwrite: bool = False) -> Path:
    """Fetch the published model `name`, or take its checkpoint from a file, and convert it; returns its folder.

    If it is there already, nothing is done unless `overwrite`. Two processes do not fetch the same at once.
    """
    model, folder = MODELS[name], model_folder(name)
    downloads = home() / "downloads" / name
    with one_at_a_time(home() / "downloads", name):
        if is_here(name) and not overwrite:
            return folder
        if from_file is None:
            print(f"{name}: {model.facts}, by {model.source}; from {address_of(model.checkpoint)}", flush=True)
            files = [fetch(_with_recorded(file), downloads) for file in model.files]
            origin = address_of(model.checkpoint)
        else:
            files, origin = _given(model, Path(from_file)), os.path.abspath(from_file)
        try:
            _convert(model, files, folder, origin)
        except AuricleError:
            discard(downloads)
            raise
        if from_file is None:
            _record(model, files)
            discard(downloads)
    return folder


def _given(model: PublishedModel, checkpoint: Path) -> list[Path]:
    """The checkpoint, verified, and the labels that lie beside it, if they do."""
    if not checkpoint.is_file():
        raise AuricleError(f"{checkpoint}: no such file")
    verify(_with_recorded(model.checkpoint), checkpoint, str(checkpoint))
    files = [checkpoint]
    if model.labels is not None and (checkpoint.parent / model.labels.name).is_file():
        verify(model.labels, checkpoint.parent / model.labels.name, str(checkpoint.parent / model.labels.name))
        files.append(checkpoint.parent / model.labels.name)
    elif model.labels is not None:
        print(f"note: {model.labels.name} is not beside {checkpoint}: labels are class-0, class-1, …", flush=True)
    return files


def _convert(model: PublishedModel, files: list[Path], folder: Path, origin: str) -> None:
    """Convert to a new folder that takes its name when it is complete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_partials(folder.parent)
    options: dict[str, Any] = dict(model.options)
    if len(files) > 1:
        options["labels"] = files[1]
    with partial_folder(folder.parent) as partial:
        made = partial / model.name
        CONVERSIONS[model.convert](checkpoint=files[0], output=made, **options)
        source = {
            "name": model.name,
            "origin": origin,
            "sha256": file_digest(files[0]),
            "licence": model.licence,
            "source": model.source,
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        }
        write_json(made / SOURCE, source)
        write_published_card(made, model.source, files[0].name, source["sha256"], model.licence)
        put_in_place(made, folder)


def _recorded() -> dict[str, str]:
    path = home() / "checksums.json"
    return read_json(path, {"*": str}) if path.is_file() else {}


def _with_recorded(file: PublishedFile) -> PublishedFile:
    """`file` with the SHA-256 of its first download, where none was known."""
    if file.sha256 or file.md5 or file.git_blob:
        return file
    return replace(file, sha256=_recorded().get(file.name, ""))


def _record(model: PublishedModel, files: list[Path]) -> None:
    """Keep the SHA-256 of a file of which no checksum was known."""
    file = model.checkpoint
    if not (file.sha256 or file.md5 or file.git_blob):
        digest = file_digest(files[0])
        if file.name not in _recorded():
            print(f"note: no checksum of {file.name} is known; its SHA-256 is recorded: {digest}", flush=True)
        write_json(home() / "checksums.json", _recorded() | {file.name: digest})
