"""Front-end registry, and the options that all presets share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from torch import nn

from auricle.errors import AuricleError
from auricle.frontends.compression import create_compression
from auricle.frontends.energies import EnergyMethod
from auricle.frontends.frontend import Frontend
from auricle.frontends.parts import Filterbank, FramedFilterbank
from auricle.frontends.pooling import Pooling
from auricle.frontends.scales import MAX_BANK
from auricle.registry import Registry

FRONTENDS: Registry[Frontend] = Registry("front-end")
register_frontend = FRONTENDS.register


def create_frontend(name: str, **options: Any) -> Frontend:
    """Make a front-end by name; `list_frontends()` gives the names.

    Every preset takes `variant` ("paper" or "published"), `sample_rate` (Hz, 16000), `n_filters` (40),
    `kernel_size` (samples, odd; 25 ms), `hop_length` (samples, 10 ms), `min_freq_hz` (60), `max_freq_hz`
    (0.975 · sample_rate / 2), `compression` ("log", "log-z-score", "log-z-score-frames", "decibels", "pcen", "spcen",
    "offset-spcen", "simppcen", "apcen", "band-norm", "none" or a module) and `frozen` (names of parts that do not
    learn, such as "filterbank" or "compression.smooth"). Some presets take further options. A bad option is an
    `AuricleError`.

    >>> import torch
    >>> leaf = create_frontend("leaf", n_filters=64)
    >>> leaf(torch.randn(2, 16000)).shape
    torch.Size([2, 64, 100])
    """
    return FRONTENDS.create(name, **options)


def list_frontends(pattern: str = "*") -> list[str]:
    """The names that `create_frontend` knows, those like `pattern`: `*` stands for any letters.

    >>> list_frontends("leaf*")
    ['leaf', 'leaf-apcen', 'leaf-fixed', 'leaf-pcen', 'leaf-simppcen']
    """
    return FRONTENDS.names(pattern)


@dataclass(frozen=True)
class FrontendOptions:
    """The options that all presets share; `kernel_size` and `hop_length` in samples. See `create_frontend`."""

    variant: str = "paper"
    sample_rate: int = 16000
    n_filters: int = 40
    kernel_size: int = None  # type: ignore[assignment]
    hop_length: int = None  # type: ignore[assignment]
    min_freq_hz: float = 60.0
    max_freq_hz: float = None  # type: ignore[assignment]
    compression: str | nn.Module = ""
    frozen: str | Iterable[str] = ()

    def __post_init__(self) -> None:
        if self.variant not in ("paper", "published"):
            raise AuricleError(f"unknown variant {self.variant!r}: 'paper' or 'published'")
        if not isinstance(self.sample_rate, int):
            raise AuricleError(f"sample_rate={self.sample_rate!r} is not a whole number of Hz")
        defaults: dict[str, float] = {
            "kernel_size": 2 * round(0.0125 * self.sample_rate) + 1,
            "hop_length": round(0.01 * self.sample_rate),
            "max_freq_hz": 0.975 * self.sample_rate / 2,
        }
        for field, value in defaults.items():
            if getattr(self, field) is None:
                object.__setattr__(self, field, value)
        for field in ("n_filters", "kernel_size", "hop_length"):
            if not isinstance(getattr(self, field), int):
                raise AuricleError(f"{field}={getattr(self, field)!r} is not a whole number")
        if self.n_filters < 1 or self.hop_length < 1 or self.sample_rate < 1:
            raise AuricleError(
                f"n_filters={self.n_filters}, hop_length={self.hop_length} and sample_rate={self.sample_rate} "
                "must all be positive"
            )
        if self.n_filters * self.kernel_size > MAX_BANK:
            raise AuricleError(
                f"n_filters={self.n_filters}, kernel_size={self.kernel_size}: together more than {MAX_BANK} values"
            )
        if self.kernel_size < 3 or self.kernel_size % 2 == 0:
            raise AuricleError(f"kernel_size={self.kernel_size}: filters need a centre, use an odd length of 3 or more")
        if not 0 <= self.min_freq_hz < self.max_freq_hz <= self.sample_rate / 2:
            raise AuricleError(
                f"bands from {self.min_freq_hz:g} to {self.max_freq_hz:g} Hz do not fit below half the sample rate "
                f"of {self.sample_rate} Hz"
            )

    @property
    def published(self) -> bool:
        return self.variant == "published"

    @property
    def padding(self) -> str:
        return "same" if self.published else "centered"

    @property
    def bank(self) -> dict[str, Any]:
        """The arguments that all convolutional filterbanks take."""
        return {
            "n_filters": self.n_filters,
            "kernel_size": self.kernel_size,
            "sample_rate": self.sample_rate,
            "min_freq_hz": self.min_freq_hz,
            "max_freq_hz": self.max_freq_hz,
        }

    @property
    def window(self) -> tuple[int, int, str]:
        """The arguments that all poolings take."""
        return self.kernel_size, self.hop_length, self.padding

    def assemble(
        self,
        filterbank: Filterbank | FramedFilterbank,
        pooling: Pooling | None,
        default: nn.Module,
        method: EnergyMethod[Any, Any] | None = None,
        attention: nn.Module | None = None,
    ) -> Frontend:
        """Make the front-end from its parts; `default` is its compression unless the options name another."""
        compression = create_compression(self.compression, self.n_filters) if self.compression else default
        return Frontend(
            filterbank,
            pooling,
            compression,
            sample_rate=self.sample_rate,
            n_filters=self.n_filters,
            hop_length=self.hop_length,
            attention=attention,
            frozen=self.frozen,
            method=method,
        )


FRONTENDS.shared = tuple(field.name for field in fields(FrontendOptions))
