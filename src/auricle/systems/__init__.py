"""Systems: what is learnt on top of a front-end."""

from auricle.systems.system import SYSTEMS, System, load

__all__ = ["SYSTEMS", "System", "load"]
