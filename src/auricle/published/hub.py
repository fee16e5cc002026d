"""Models of the Hugging Face Hub, by the names of their repositories: hub:USER/NAME."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from auricle.errors import AuricleError, first_line
from auricle.extras import optional

PREFIX = "hub:"
MODEL_FILES = ("config.json", "labels.json", "model.safetensors", "calibration.json", "enhancer/*")
"""What a run folder needs to be used."""
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def repository_of(name: str) -> str:
    """USER/NAME of hub:USER/NAME; raises `AuricleError` for another form."""
    repository = name.removeprefix(PREFIX)
    if not _REPOSITORY.fullmatch(repository) or ".." in repository:
        raise AuricleError(f"{name}: a repository has the form hub:USER/NAME")
    return repository


def hub_folder(home: Path, name: str) -> Path:
    """Where the model of hub:USER/NAME is kept on this computer."""
    return home / "hub" / repository_of(name).replace("/", "--")


def fetch_from_hub(home: Path, name: str) -> Path:
    """Fetch the model hub:USER/NAME and return its folder; only what is needed to use it, which runs no code."""
    from auricle.files import partial_folder, remove_partials  # imports NumPy, which names of models do not need

    repository, folder = repository_of(name), hub_folder(home, name)
    hub = optional("huggingface_hub", f"{name}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_partials(folder.parent)
    with partial_folder(folder.parent) as partial:
        made = partial / "model"
        try:
            hub.snapshot_download(repository, local_dir=made, allow_patterns=list(MODEL_FILES))
        except Exception as error:  # which errors a connection or a name raises depends on the library behind it
            raise AuricleError(f"{name} cannot be fetched: {first_line(error)}") from None
        if not (made / "config.json").is_file():
            raise AuricleError(f"{name}: there is no model of auricle in it (no config.json)")
        if not folder.exists():
            os.replace(made, folder)
    return folder


def upload(folder: Path, repository: str, *, private: bool) -> str:
    """Upload the files of `folder` to a repository, which is created if there is none; returns its address."""
    hub: Any = optional("huggingface_hub", "auricle push --repository")
    name = repository_of(repository)
    api = hub.HfApi()
    try:
        address = api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(repo_id=name, folder_path=folder)
    except Exception as error:  # which errors a connection or a name raises depends on the library behind it
        raise AuricleError(f"{name} cannot be pushed to: {first_line(error)}") from None
    return str(address)
