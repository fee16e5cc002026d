"""Conditions: degradations of clean clips that simulate recording and transmission in the real world.

A condition is a pure function of the clip, its parameters, a seed and the material, the recordings to mix in.
"""

from auricle.conditions import codecs, distortions, noises
from auricle.conditions.condition import (
    CONDITIONS,
    Condition,
    create_condition,
    list_conditions,
    register_condition,
    stable_seed,
)
from auricle.conditions.levels import Level, cell_text, cell_texts, level
from auricle.conditions.material import KINDS, SYNTHETIC, Material, Recording
from auricle.conditions.mixing import active_power, add_noise, gaussian_noise, mean_power
from auricle.conditions.suites import (
    SUITES,
    Cell,
    Suite,
    create_suite,
    list_suites,
    register_suite,
    suite_from_spec,
)

__all__ = [
    "CONDITIONS",
    "KINDS",
    "SUITES",
    "SYNTHETIC",
    "Cell",
    "Condition",
    "Level",
    "Material",
    "Recording",
    "Suite",
    "active_power",
    "add_noise",
    "cell_text",
    "cell_texts",
    "codecs",
    "create_condition",
    "create_suite",
    "distortions",
    "gaussian_noise",
    "level",
    "list_conditions",
    "list_suites",
    "mean_power",
    "noises",
    "register_condition",
    "register_suite",
    "stable_seed",
    "suite_from_spec",
]
