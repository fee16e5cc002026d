"""A system in training: the module that Lightning trains, which passes on what Lightning asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import lightning

from auricle.systems.system import System


class TrainingModule(lightning.LightningModule):
    """Wraps a `System`; its state is the system's, under the same names."""

    def __init__(self, system: System) -> None:
        super().__init__()
        self.system = system
        self.automatic_optimization = system.automatic_optimization

    def configure_model(self) -> None:
        self.system.configure_model()

    def configure_optimizers(self) -> Any:
        return self.system.configure_optimizers()

    def training_step(self, batch: Any, batch_index: int) -> Any:
        return self.system.training_step(batch, batch_index)

    def validation_step(self, batch: Any, batch_index: int) -> None:
        self.system.validation_step(batch, batch_index)

    def on_train_epoch_start(self) -> None:
        self.system.on_train_epoch_start()

    def on_train_epoch_end(self) -> None:
        self.system.on_train_epoch_end()

    def on_fit_end(self) -> None:
        self.system.on_fit_end()

    def state_dict(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        return self.system.state_dict(*arguments, **options)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        return self.system.load_state_dict(state_dict, strict=strict, assign=assign)


@contextmanager
def training(system: System) -> Iterator[TrainingModule]:
    """The module that trains `system`; within the context it is the system's `loop`."""
    module = TrainingModule(system)
    vars(system)["loop"] = module  # not a submodule, which `system.loop = module` would make of it
    try:
        yield module
    finally:
        del vars(system)["loop"]
