"""TRNet: emotion recognition in noise with refinement of low-level features and of the representation."""

from auricle.systems.trnet.kinds import KINDS
from auricle.systems.trnet.system import TRNet, TRNetOutput

__all__ = ["KINDS", "TRNet", "TRNetOutput"]
