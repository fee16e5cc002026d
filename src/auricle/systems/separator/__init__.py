"""Query-based source separation: the source in a mixture that a query embedding describes."""

from auricle.systems.separator.system import PRESETS, Separator

__all__ = ["PRESETS", "Separator"]
