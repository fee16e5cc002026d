"""What is measured: the clips, the front-ends and the yardstick that they are divided by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from auricle.frontends import create_frontend, list_frontends
from auricle.frontends.spectral import MelFilterbank

SAMPLE_RATE = 16000
N_FILTERS = 40
YARDSTICK, LEAF, DIRECT = "torch.stft log-mel", "leaf", "leaf, method=direct"
MAIN_ROWS = (YARDSTICK, LEAF, DIRECT)
FORWARD, TRAINING = "forward", "forward + backward"
COMPILED = ", compiled"


@dataclass(frozen=True)
class Workload:
    """A batch of noise clips."""

    batch: int
    seconds: int

    @property
    def audio_seconds(self) -> int:
        return self.batch * self.seconds

    @property
    def title(self) -> str:
        return f"{self.batch} clips of {self.seconds} s" if self.batch > 1 else f"one clip of {self.seconds} s"

    def waveform(self, device: str = "cpu") -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return 0.1 * torch.randn(self.batch, self.seconds * SAMPLE_RATE, generator=generator).to(device)


WORKLOADS = (Workload(16, 1), Workload(1, 60))


class LogMel(nn.Module):
    """log(E + 1e-5) of the mel triangles' energies E, by `torch.stft`: `(batch, time)` → `(batch, bands, frames)`."""

    window: Tensor
    triangles: Tensor

    def __init__(self, n_fft: int = 512, window_length: int = 400, hop_length: int = 160) -> None:
        super().__init__()
        bank = MelFilterbank(
            N_FILTERS, window_length, hop_length, SAMPLE_RATE, 60.0, 0.975 * SAMPLE_RATE / 2, n_fft=n_fft
        )
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.register_buffer("window", bank.window)
        self.register_buffer("triangles", bank.triangles)

    def forward(self, waveform: Tensor) -> Tensor:
        spectrum = torch.stft(
            waveform, self.n_fft, self.hop_length, len(self.window), self.window, return_complex=True
        ).transpose(1, 2)
        power = spectrum.real.square() + spectrum.imag.square()
        return torch.log(power @ self.triangles + 1e-5).transpose(1, 2)


def row_names() -> list[str]:
    """Every front-end, the yardstick first."""
    return [YARDSTICK, *sorted({*list_frontends(), DIRECT})]


def create(name: str) -> nn.Module:
    """The front-end of that row."""
    torch.manual_seed(0)
    if name == YARDSTICK:
        return LogMel()
    frontend, _, method = name.partition(", method=")
    options = {"method": method} if method else {}
    return create_frontend(frontend, sample_rate=SAMPLE_RATE, n_filters=N_FILTERS, **options)


def learns(module: nn.Module) -> bool:
    return any(p.requires_grad for p in module.parameters())


def do_pass(module: nn.Module, waveform: Tensor, kind: str) -> None:
    """A forward pass, or one with the gradients of all parameters."""
    with torch.set_grad_enabled(kind == TRAINING):
        spectrogram = module(waveform)
        if kind == TRAINING:
            spectrogram.mean().backward()


@dataclass
class Case:
    """One front-end doing one kind of pass; `times` are seconds per pass, one of each round."""

    name: str
    kind: str
    n_parameters: int
    repeats: int = 1
    times: list[float] = field(default_factory=list)
    failure: str = ""


def make_cases(names: Iterable[str], device: str, compiled: bool) -> list[tuple[Case, nn.Module]]:
    """The forward pass of each, and its training pass where it learns; where `compiled`, all this twice."""
    cases = []
    for name in names:
        for suffix in ("", COMPILED) if compiled else ("",):
            module = create(name).to(device)
            n_parameters = sum(p.numel() for p in module.parameters())
            kinds = (FORWARD, TRAINING) if learns(module) else (FORWARD,)
            called = torch.compile(module) if suffix else module
            cases += [(Case(name + suffix, kind, n_parameters), called) for kind in kinds]
    return cases
