"""Published weights: what there is, where it is kept on this computer, and how it is fetched."""

from auricle.published.home import located, model_folder
from auricle.published.table import MODELS, PublishedFile, PublishedModel

__all__ = ["MODELS", "PublishedFile", "PublishedModel", "located", "model_folder"]
