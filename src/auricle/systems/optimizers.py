"""Adam with the learning-rate schedules of `Optimization`, in the form that Lightning expects."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from auricle.config import Optimization


def adam(groups: list[dict[str, Any]], options: Optimization, trainer: Any) -> Any:
    """The return value of `configure_optimizers` for parameter `groups`, each with its own `lr`.

    "plateau" divides the rates by 10 after `patience` epochs without a lower validation loss. Otherwise the rate at
    step s of n is lr · min(1, (s + 1) / warmup_steps), times (1 + cos(π s / n)) / 2 if the schedule is "cosine".
    """
    optimizer = torch.optim.Adam(groups, weight_decay=options.weight_decay)
    n_steps = int(trainer.estimated_stepping_batches)
    if options.schedule == "plateau":
        # Stepped with the epoch's last batch, because Lightning steps at the end of an epoch only after it has saved
        # the epoch's checkpoint, which would then lack the step.
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=options.patience)
        last_batch = {"interval": "step", "frequency": int(trainer.num_training_batches)}
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss", **last_batch}}

    def factor(step: int) -> float:
        rise = min(1.0, (step + 1) / options.warmup_steps) if options.warmup_steps else 1.0
        fall = 0.5 * (1.0 + np.cos(np.pi * min(1.0, step / n_steps))) if options.schedule == "cosine" else 1.0
        return float(rise * fall)

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
