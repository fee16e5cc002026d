"""Models of the Hugging Face Hub, by the names of their repositories: hub:USER/NAME."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from auricle.errors import AuricleError, first_line, note
from auricle.extras import optional
from auricle.files import partial_folder, put_in_place, remove_partials, write_json
from auricle.published.table import megabytes

PREFIX = "hub:"
MODEL_FILES = ("config.json", "labels.json", "model.safetensors", "calibration.json", "enhancer/*")
"""What a run folder needs to be used."""
PLOTS = "plots/*.png"
SOURCE = "source.json"
"""Where a fetched model comes from."""
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def repository_of(name: str) -> str:
    """USER/NAME of hub:USER/NAME; raises `AuricleError` for another form."""
    repository = name.removeprefix(PREFIX)
    if not _REPOSITORY.fullmatch(repository) or ".." in repository or "--" in repository:
        raise AuricleError(f"{name}: a repository has the form hub:USER/NAME")
    return repository


def hub_folder(home: Path, name: str) -> Path:
    """Where the model of hub:USER/NAME is kept on this computer."""
    return home / "hub" / repository_of(name).replace("/", "--")


def is_among(file: Path, patterns: Iterable[str]) -> bool:
    """Whether a relative path has one of the `patterns`, where * stands for the name of a file."""
    return any(len(file.parts) == len(Path(own).parts) and file.match(own) for own in patterns)


def fetch_from_hub(home: Path, name: str, *, overwrite: bool = False) -> Path:
    """Fetch the model hub:USER/NAME, unless its present revision is here, and return its folder.

    Fetched is only what is needed to use it, which runs no code. A model that is here already is used as it is offline,
    and where the Hub cannot be reached, which a note says. `overwrite` fetches it in any case.
    """
    from auricle.published.fetching import offline, one_at_a_time  # not above: most names need no network
    from auricle.readers import read_json

    repository, folder = repository_of(name), hub_folder(home, name)
    if offline():
        if folder.is_dir() and not overwrite:
            return folder
        raise AuricleError(f"{name} cannot be fetched offline (AURICLE_OFFLINE is set)")
    hub = optional("huggingface_hub", f"{name}")
    with one_at_a_time(folder.parent, folder.name):
        remove_partials(folder.parent)
        try:
            info = hub.HfApi().model_info(repository, files_metadata=True)
        except Exception as error:  # which errors a connection or a name raises depends on the library behind it
            if folder.is_dir() and not overwrite:
                note(f"{name} is used as it is here, since the Hub cannot be asked: {first_line(error)}")
                return folder
            raise AuricleError(f"{name} cannot be fetched: {first_line(error)}") from None
        here = folder / SOURCE
        if here.is_file() and not overwrite and read_json(here, {"revision": str})["revision"] == info.sha:
            return folder
        note(f"{name}: {_facts(info)}, from the Hugging Face Hub")
        with partial_folder(folder.parent) as partial:
            made = partial / "model"
            try:
                hub.snapshot_download(repository, revision=info.sha, local_dir=made, allow_patterns=list(MODEL_FILES))
            except Exception as error:
                raise AuricleError(f"{name} cannot be fetched: {first_line(error)}") from None
            shutil.rmtree(made / ".cache", ignore_errors=True)
            if not (made / "config.json").is_file():
                raise AuricleError(f"{name}: there is no model of auricle in it (no config.json)")
            write_json(made / SOURCE, {"name": name, "revision": info.sha})
            put_in_place(made, folder)
    return folder


def _facts(info: Any) -> str:
    """The size of a repository's model and its licence, as it says them."""
    wanted = [file for file in info.siblings or () if is_among(Path(file.rfilename), MODEL_FILES)]
    licence = getattr(info.card_data, "license", None) if info.card_data is not None else None
    return f"{megabytes(sum(file.size or 0 for file in wanted))}, {licence or 'no licence given'}"


def upload(folder: Path, repository: str, *, private: bool) -> str:
    """Upload the files of `folder` to a repository, which is created if there is none; returns its address.

    What an earlier push has left there and is not in `folder` is removed; other files of the repository stay.
    """
    hub: Any = optional("huggingface_hub", "auricle push --repository")
    name = repository_of(repository)
    api = hub.HfApi()
    try:
        address = api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(repo_id=name, folder_path=folder, delete_patterns=[*MODEL_FILES, PLOTS])
    except Exception as error:  # which errors a connection or a name raises depends on the library behind it
        raise AuricleError(f"{name} cannot be pushed to: {first_line(error)}") from None
    return str(address)
