"""Simplified and adaptive per-channel energy normalisation (Meng et al., LEAF-APCEN).

SimpPCEN divides a power of the energies by a power of their moving average (equation 3). In adaptive PCEN the two
exponents are not parameters: at every frame a small recurrent network, shared by all bands, computes them from the
band's last output and its present energy (section 2.3).
"""

from auricle.frontends.adaptive.controller import Controller
from auricle.frontends.adaptive.pcen import AdaptivePCEN, Trace
from auricle.frontends.adaptive.simplified import SimpPCEN, simp_pcen

__all__ = ["AdaptivePCEN", "Controller", "SimpPCEN", "Trace", "simp_pcen"]
