"""Systems: networks with their losses, and saving to and loading from a folder."""

from auricle.systems.system import SYSTEMS, System, load

__all__ = ["SYSTEMS", "System", "load"]
