"""Front-ends: from a waveform to a time-frequency picture.

A front-end is a `Frontend(filterbank, pooling, compression)`; `create_frontend` makes one by name.
This package needs torch and numpy alone.
"""

from auricle.frontends.frontend import Frontend
from auricle.frontends.presets import FRONTENDS, create_frontend, list_frontends, register_frontend

__all__ = ["FRONTENDS", "Frontend", "create_frontend", "list_frontends", "register_frontend"]
