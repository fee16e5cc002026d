"""Conformer-based metric-GAN for speech enhancement."""

from auricle.systems.cmgan.system import CMGAN, PRESETS

__all__ = ["CMGAN", "PRESETS"]
