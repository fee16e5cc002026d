"""Open enhancers by name or from a run folder."""

from __future__ import annotations

from pathlib import Path

from auricle.errors import AuricleError
from auricle.identity import key_of
from auricle.registry import Registry
from auricle.runs.loading import usable_device
from auricle.runs.provenance import run_digest, system_name
from auricle.systems.enhancer import Identity, PiecewiseEnhancer
from auricle.systems.spectral_gating import SpectralGating
from auricle.systems.system import CONFIG, load, system_class

ENHANCERS: Registry[PiecewiseEnhancer] = Registry("enhancer")
ENHANCERS.register("identity")(Identity)
ENHANCERS.register("spectral-gating")(SpectralGating)


def open_enhancer(run: str | Path, device: str = "auto") -> PiecewiseEnhancer:
    """The enhancer of that name, or of a run folder; device "auto" is the first GPU if there is one."""
    device = usable_device(device)
    if is_enhancer_name(run):
        return ENHANCERS[str(run)]()
    if not Path(run).exists():
        raise AuricleError(f"{run}: no such run, and no enhancer of that name: {', '.join(ENHANCERS)}")
    system = load(run, device)
    if not isinstance(system, PiecewiseEnhancer):
        raise AuricleError(f"{run} does not enhance: it is a {system.name}")
    return system


def enhances(run: str | Path) -> bool:
    """Whether `run` is the name or the run folder of an enhancer."""
    name = system_name(run)
    if not name:
        return is_enhancer_name(run)
    try:
        return issubclass(system_class(name), PiecewiseEnhancer)
    except AuricleError as error:
        raise AuricleError(f"{Path(run) / CONFIG}: {error}") from None


def enhancer_digest(run: str | Path) -> str:
    """Identifies the enhancer of that name or run folder, as `run_digest` does."""
    return key_of("name", str(run)) if is_enhancer_name(run) else run_digest(run)


def is_enhancer_name(run: str | Path) -> bool:
    """Whether `run` is an enhancer's name; a model folder of the same name comes first, any other file does not."""
    return str(run) in ENHANCERS and not (Path(run) / CONFIG).is_file()
