"""Separation of the source that a query tells of."""

from auricle.systems.separator.system import PRESETS, Separator

__all__ = ["PRESETS", "Separator"]
