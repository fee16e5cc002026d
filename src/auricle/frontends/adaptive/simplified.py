"""SimpPCEN: a power of the energies over a power of their moving average (Meng et al., LEAF-APCEN, equation 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from auricle.frontends.compression import moving_average, positive_floor
from auricle.frontends.parts import State
from auricle.layers import bounded, shown_options


def simp_pcen(energies: Tensor, average: Tensor, alpha: Tensor, gamma: Tensor, eps: float = 1e-12) -> Tensor:
    """E^gamma / (M + eps)^alpha: equation 3. Energies are positive; the tensors are broadcast."""
    return power_ratio(torch.log(energies), torch.log(average + eps), alpha, gamma)


def power_ratio(log_energies: Tensor, log_average: Tensor, alpha: Tensor, gamma: Tensor) -> Tensor:
    """Equation 3 from logarithms, so that neither a power nor its gradient overflows."""
    return torch.exp(log_power_ratio(log_energies, log_average, alpha, gamma))


def log_power_ratio(log_energies: Tensor, log_average: Tensor, alpha: Tensor, gamma: Tensor) -> Tensor:
    """The logarithm of equation 3."""
    return gamma * log_energies - alpha * log_average


class SimpPCEN(nn.Module):
    """Simplified PCEN: two learnt parameters per band, `alpha` in [`min_alpha`, 1], `root` = 1/gamma in [1, ∞).

    As in LEAF's PCEN, the parameter is the inverse of the exponent. s is fixed; energies are floored at `floor`.
    Silence gives 0.794328 at the initial values.
    """

    extra_repr = shown_options

    def __init__(
        self,
        n_filters: int,
        *,
        alpha: float = 0.48,
        root: float = 2.0,
        smooth: float = 0.04,
        floor: float = 1e-5,
        eps: float = 1e-12,
        min_alpha: float = 0.0,
    ) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full((n_filters,), alpha))
        self.root = nn.Parameter(torch.full((n_filters,), root))
        self.smooth = smooth
        self.floor = positive_floor(floor)
        self.eps = eps
        self.min_alpha = min_alpha

    def parameters_in_bounds(self) -> dict[str, Tensor]:
        """alpha and gamma `(n_filters,)` as the compression uses them."""
        return {"alpha": bounded(self.alpha, self.min_alpha, 1.0), "gamma": 1.0 / bounded(self.root, 1.0)}

    def forward(self, energies: Tensor) -> Tensor:
        energies = energies.clamp(min=self.floor)
        return self._compress(energies, moving_average(energies, self.smooth))

    def step(self, energies: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """The output for the next frames of a stream, and the state after them; None at the start of a clip.

        State: "average" M `(batch, n_filters)`.
        """
        if energies.shape[-1] == 0:
            return energies, state
        energies = energies.clamp(min=self.floor)
        average = moving_average(energies, self.smooth, None if state is None else state["average"])
        return self._compress(energies, average), {"average": average[..., -1]}

    def _compress(self, energies: Tensor, average: Tensor) -> Tensor:
        parameters = {name: value[:, None] for name, value in self.parameters_in_bounds().items()}
        return simp_pcen(energies, average, **parameters, eps=self.eps)
