"""The rows of the TRNet paper's Table 1: TRNet, its baselines and its ablations."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TRNetKind:
    """How a baseline or ablation differs from TRNet.

    `input` is the speech that the network is given: "noisy", "enhanced" or "both". `trained_in_noise` says whether the
    training set has noisy speech besides clean speech. `omitted_loss` names a loss that is not counted, "low" or
    "high".
    """

    input: str
    trained_in_noise: bool = True
    omitted_loss: str = ""

    @property
    def has_refinement(self) -> bool:
        """Whether it has TRNet's two-level refinement: the coefficient, the bridge, and a teacher in training."""
        return self.input == "both"

    @property
    def needs_enhanced(self) -> bool:
        """Whether enhanced speech is part of its input."""
        return self.input != "noisy"


KINDS = {
    "baseline-c": TRNetKind("noisy", trained_in_noise=False),
    "baseline-n": TRNetKind("noisy"),
    "baseline-e": TRNetKind("enhanced"),
    "trnet": TRNetKind("both"),
    "no-low": TRNetKind("both", omitted_loss="low"),
    "no-high": TRNetKind("both", omitted_loss="high"),
}
