"""Conditions: what turns a clean clip into one from the real world.

Every condition is a pure function of the clip, its parameters and a seed.
"""

from auricle.conditions.mixing import add_noise, gaussian_noise, mean_power

__all__ = ["add_noise", "gaussian_noise", "mean_power"]
