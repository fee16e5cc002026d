"""TRNet: noisy and enhanced speech weighed against each other, and a representation calibrated towards clean speech."""

from auricle.systems.trnet.system import KINDS, TRNet

__all__ = ["KINDS", "TRNet"]
