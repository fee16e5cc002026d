"""Where published models are kept on this computer: `$AURICLE_HOME`, by default the user's folder for data."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

import platformdirs

from auricle.errors import AuricleError
from auricle.published.hub import PREFIX, fetch_from_hub, hub_folder
from auricle.published.table import MODELS


def home() -> Path:
    """The folder of auricle's own data."""
    own = os.environ.get("AURICLE_HOME")
    return Path(os.path.abspath(os.path.expanduser(own))) if own else Path(platformdirs.user_data_path("auricle"))


def model_folder(name: str) -> Path:
    """Where the published model `name` is kept once it is fetched."""
    return home() / "models" / name


def is_here(name: str) -> bool:
    """Whether the published model `name` is on this computer."""
    return (model_folder(name) / "config.json").is_file()


def located(model: str, download: bool = False) -> str:
    """The folder of a published model that is given by its name; anything else is returned as it is.

    A name is one of `MODELS`, or hub:USER/NAME for a repository of the Hugging Face Hub. A file or folder of that name
    comes first. Raises `AuricleError` if the model is not on this computer, unless `download`: then it is fetched, and
    one of the Hub is fetched anew if it has changed there.
    """
    if model.startswith(PREFIX) and not os.path.lexists(model):
        folder = hub_folder(home(), model)
        if not (folder.is_dir() or download):
            raise AuricleError(f"{model} is not on this computer: auricle download {model}, or add --download")
        return str(fetch_from_hub(home(), model) if download else folder)
    if model not in MODELS or os.path.lexists(model):
        return model
    if not is_here(model):
        if not download:
            raise AuricleError(
                f"{model} is not on this computer ({MODELS[model].facts}): auricle download {model}, or add --download"
            )
        import_module("auricle.tasks.download").fetch_model(model)
    return str(model_folder(model))
