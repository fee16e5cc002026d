"""The audio masked autoencoder, which learns from sound without labels."""

from auricle.systems.audiomae.system import PRESETS, AudioMAE

__all__ = ["PRESETS", "AudioMAE"]
