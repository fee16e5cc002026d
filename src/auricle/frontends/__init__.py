"""Front-ends: from a waveform to a time-frequency spectrogram.

A front-end is a `Frontend(filterbank, pooling, compression, attention)`; `create_frontend` makes one by name.
This package needs only torch and numpy.
"""

from auricle.frontends import degram, presets
from auricle.frontends.factory import FRONTENDS, create_frontend, list_frontends, register_frontend
from auricle.frontends.frontend import Frontend

__all__ = [
    "FRONTENDS",
    "Frontend",
    "create_frontend",
    "degram",
    "list_frontends",
    "presets",
    "register_frontend",
]
