"""A query-based separator as a system: what is saved to a folder and brought back from it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

import torch
from torch import Tensor

from auricle.errors import AuricleError
from auricle.registry import unknown_name
from auricle.systems.separator.resunet import ResUNet30, Size
from auricle.systems.system import SYSTEMS, System

#: What each preset changes of the published network.
PRESETS: dict[str, dict[str, Any]] = {
    "resunet30": {},
    "resunet30-small": {"n_fft": 1024, "channels": (8, 16, 24, 32, 48, 48)},
}


@SYSTEMS.register("separator")
class Separator(System):
    """The source that a condition tells of, out of a mixture, by ResUNet30 (Kong et al., 2023).

    `config` holds `sample_rate` (Hz), `size` and `seed`.
    """

    name: ClassVar[str] = "separator"

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.sample_rate = int(config["sample_rate"])
        self.size = Size(**config.get("size", {}))
        self.seed = int(config.get("seed", 0))
        self.network = ResUNet30(self.size)

    @classmethod
    def build(
        cls, preset: str = "resunet30", *, size: dict[str, Any] | None = None, sample_rate: int = 32000, seed: int = 0
    ) -> Separator:
        """A preset with changes of its own; weights drawn from `seed`."""
        if preset not in PRESETS:
            raise AuricleError(unknown_name("preset", preset, PRESETS))
        try:
            complete = asdict(Size(**PRESETS[preset] | (size or {})))
        except TypeError:
            known = asdict(Size())
            odd = next(key for key in size or {} if key not in known)
            raise AuricleError(unknown_name("option of size", odd, known)) from None
        complete["channels"] = list(complete["channels"])
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return cls({"sample_rate": sample_rate, "size": complete, "seed": seed})

    def labels(self) -> dict[str, Any]:
        return {}

    def forward(self, mixtures: Tensor, conditions: Tensor) -> Tensor:
        """`(batch, time)` at `sample_rate` and `(batch, condition_size)` to `(batch, time)`."""
        return self.network(mixtures, conditions)
