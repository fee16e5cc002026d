"""CMGAN, a conformer-based metric GAN for speech enhancement (Abdulatif et al., 2024)."""

from auricle.systems.cmgan.system import CMGAN, PRESETS

__all__ = ["CMGAN", "PRESETS"]
