"""AudioMAE, a masked autoencoder of spectrograms that is pre-trained without labels (Huang et al., 2022)."""

from auricle.systems.audiomae.system import PRESETS, AudioMAE

__all__ = ["PRESETS", "AudioMAE"]
