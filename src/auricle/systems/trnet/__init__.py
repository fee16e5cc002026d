"""TRNet: emotion recognition in noise with refinement of low-level features and of the representation."""

from auricle.systems.trnet.system import KINDS, TRNet, TRNetOutput

__all__ = ["KINDS", "TRNet", "TRNetOutput"]
