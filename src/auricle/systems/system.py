"""The base class of all systems, and loading: a system is made from a plain config and saved to a folder."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

import torch
from safetensors.torch import load as weights_of
from safetensors.torch import load_file
from safetensors.torch import save as as_bytes
from torch import Tensor, nn

from auricle.errors import AuricleError, first_line, note
from auricle.files import write_bytes, write_text
from auricle.identity import file_digest
from auricle.layers import first_tensor
from auricle.published import MODELS, located
from auricle.readers import blaming, read_json
from auricle.readers.text import open_file
from auricle.registry import Registry, did_you_mean
from auricle.sizes import bounded_size
from auricle.version import __version__

if TYPE_CHECKING:
    from typing_extensions import Self

SYSTEMS: Registry[System] = Registry("system")
_MODULES = (
    "auricle.systems.audiomae",
    "auricle.systems.classifier.system",
    "auricle.systems.cmgan",
    "auricle.systems.separator",
    "auricle.systems.trnet",
)

_UNSAVED = 2**24  # parameters that serve training alone, besides as many as are saved
CONFIG, WEIGHTS, LABELS = "config.json", "model.safetensors", "labels.json"


class Loop:
    """What a system asks of the loop that trains it, by default of none: what it logs is dropped.

    Training sets a `runs.training_module.TrainingModule` in its place, which offers the same.
    """

    trainer: Any = None
    current_epoch: int = 0
    global_step: int = 0

    def log(self, name: str, value: Any, **options: Any) -> None:
        """Add a figure, averaged over the epoch, to the history of the training."""

    def optimizers(self) -> Any:
        """What `configure_optimizers` made; one optimizer, or a list of several."""
        raise AuricleError("this system is not in a training: its optimizers are those of configure_optimizers")

    lr_schedulers = optimizers

    def manual_backward(self, loss: Tensor) -> None:
        """`loss.backward()` in the precision of the training."""
        loss.backward()


class System(nn.Module):
    """A module that is fully described by `config`, a dictionary of plain values, and its weights.

    Subclasses register themselves in `SYSTEMS` under their `name`, and take `config` as their only argument. The hooks
    `training_step`, `validation_step`, `configure_optimizers` and so on are those of Lightning, which training wraps
    around a system; use needs none of it.
    """

    name: ClassVar[str]
    automatic_optimization: ClassVar[bool] = True  # False: `training_step` itself takes the steps of its optimizers
    has_unused_parameters: ClassVar[bool] = False  # that no loss depends on
    seed: int = 0
    optimization: Any  # a dataclass of training options; every one has `learning_rate`
    loop: Any = Loop()

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = config

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return first_tensor(self).device

    def configure_model(self) -> None:
        """Create what serves training alone, before the weights of an unfinished training are loaded."""

    def configure_optimizers(self) -> Any:
        """The optimizers and their schedules, as Lightning takes them."""
        raise NotImplementedError

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor | None:
        """The loss of a batch."""
        raise NotImplementedError

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """Log the `val_loss` of a batch."""
        raise NotImplementedError

    def on_train_epoch_start(self) -> None:
        """Called before every epoch of a training."""

    def on_train_epoch_end(self) -> None:
        """Called after every epoch of a training."""

    def on_fit_end(self) -> None:
        """Called at the end of a training."""

    @classmethod
    def initialised(cls, config: dict[str, Any]) -> Self:
        """A system with random weights from `config["seed"]`, whatever PyTorch has drawn before."""
        with torch.random.fork_rng():
            torch.manual_seed(config["seed"])
            with bounded_size(config):
                return cls(config)

    def with_config(self, **changes: Any) -> Self:
        """A copy with the same weights, where `changes` replace entries of the config."""
        system = type(self)(self.config | changes)
        system.load_state_dict(self.state_dict())
        return system

    def labels(self) -> dict[str, Any]:
        """What `labels.json` holds: the names of the outputs."""
        raise NotImplementedError

    def inference_weights(self) -> dict[str, torch.Tensor]:
        """The weights that `save` writes: all that inference needs, without what serves training alone."""
        return self.state_dict()

    def check_finite(self, loss: torch.Tensor) -> None:
        """Raise an `AuricleError` if a training loss is infinite or NaN."""
        if not torch.isfinite(loss):
            self.refuse_value(f"the loss became {loss.item()}")

    def refuse_value(self, what: str) -> NoReturn:
        """Raise an `AuricleError` that says what is not a number any more, and in which epoch and step of training."""
        raise AuricleError(
            f"{what} in epoch {self.loop.current_epoch + 1}, step {self.loop.global_step + 1}: try a smaller "
            f"--optimization.learning-rate than {self.optimization.learning_rate:g}"
        )

    @property
    def alone(self) -> str:
        """Why the system is trained in one process only; empty if several processes can train it."""
        return ""

    def save(self, folder: str | Path) -> None:
        """Write config.json, model.safetensors and labels.json to `folder`, none of them a pickle."""
        folder = Path(folder)
        weights = {name: value.detach().cpu().contiguous() for name, value in self.inference_weights().items()}
        content = as_bytes(weights, metadata={"format": "pt"})
        write_bytes(folder / WEIGHTS, content)
        description = {
            "system": self.name,
            "auricle_version": __version__,
            "weights_sha256": hashlib.sha256(content).hexdigest(),
            "config": self.config,
        }
        for file, value in ((CONFIG, description), (LABELS, self.labels())):
            write_text(folder / file, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


S = TypeVar("S", bound=System)


def system_class(name: str) -> Any:
    """The subclass of `System` with that name."""
    for module in _MODULES:
        importlib.import_module(module)
    return SYSTEMS[name]


def _read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, which safetensors itself opens only where its name is UTF-8.

    It calls every file that it cannot open missing, so this says first why one cannot be read.
    """
    open_file(path).close()
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return weights_of(path.read_bytes())
    return load_file(path)


def load(folder: str | Path, device: str | torch.device = "cpu", *, download: bool = False) -> System:
    """The system that `System.save` wrote to `folder`, in evaluation mode on `device`.

    `folder` may be the name of a published model (`auricle list models`); with `download` it is fetched if it is not on
    this computer. Needs no training data and runs no code from the folder. Raises an `AuricleError` if the folder is
    missing or incomplete, or if its labels or weights do not fit its config or the weights are not finite. Weights that
    are not those that were saved with the config are taken, with a note on standard error.
    """
    if not isinstance(folder, (str, os.PathLike)):
        raise AuricleError(f"{folder!r}: give a model's folder, or the name of a published one")
    folder = Path(located(os.fspath(folder), download))
    if os.path.isfile(folder):
        raise AuricleError(f"{folder}: a file; give the folder that `auricle train` wrote")
    if not os.path.isdir(folder):
        is_name = folder.name == os.fspath(folder)
        published = ", or the name of a published model (auricle list models)" if is_name else ""
        advice = f"; give the folder that `auricle train` wrote{published}"
        raise AuricleError(f"{folder}: no such folder{did_you_mean(os.fspath(folder), MODELS) or advice}")
    missing = [file for file in (CONFIG, WEIGHTS) if not (folder / file).is_file()]
    if missing:
        unfinished = (folder / "checkpoints" / "last.ckpt").is_file()
        hint = (
            "training has not finished there: give its command again to go on" if unfinished else "not a model folder"
        )
        raise AuricleError(f"{folder}: {hint} (no {' and no '.join(missing)})")
    description = read_json(folder / CONFIG, {"system": str, "config": dict, "weights_sha256?": str})
    name, config = description["system"], description["config"]
    saved = (folder / WEIGHTS).stat().st_size // 4
    try:
        with blaming(folder / CONFIG, "a model's configuration"), bounded_size(config, 2 * saved + _UNSAVED):
            if not config.get("tasks", True):
                raise AuricleError(f"tasks={config['tasks']}: at least one")
            system = system_class(name)(config)
    except AuricleError as error:
        raise AuricleError(str(error) if str(folder) in str(error) else f"{folder / CONFIG}: {error}") from None
    if (folder / LABELS).exists() and read_json(folder / LABELS) != system.labels():
        raise AuricleError(f"{folder / LABELS}: these labels are not those of {CONFIG}")
    try:
        weights = _read_weights(folder / WEIGHTS)
        for key, value in system.state_dict().items():
            if value.is_floating_point() and key in weights and not weights[key].is_floating_point():
                raise TypeError(f"{key} is of {weights[key].dtype}, not of {value.dtype}")
        system.load_state_dict(weights)
    except AuricleError:
        raise
    except Exception as error:
        raise AuricleError(f"{folder / WEIGHTS}: these weights do not fit config.json ({first_line(error)})") from None
    broken = [key for key, value in system.state_dict().items() if not value.isfinite().all()]
    if broken:
        raise AuricleError(f"{folder / WEIGHTS}: {broken[0]} holds NaN or infinite values: the training failed")
    if description.get("weights_sha256") not in (None, file_digest(folder / WEIGHTS)):
        note(
            f"{folder / WEIGHTS} is not the file that was saved with {CONFIG}: what {folder} holds of its training and "
            "its figures may be of other weights"
        )
    return system.eval().to(device)


def load_as(kind: type[S], folder: str | Path, device: str | torch.device = "cpu") -> S:
    """`load`, with an `AuricleError` unless the system is an instance of `kind`."""
    system = load(folder, device)
    if not isinstance(system, kind):
        raise AuricleError(f"{folder}: a system of the kind {system.name!r}, but {kind.name!r} is needed")
    return system


@contextmanager
def evaluating(system: torch.nn.Module) -> Iterator[None]:
    """Set evaluation mode within the context, and restore the mode of every part afterwards."""
    training = [part for part in system.modules() if part.training]
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True
