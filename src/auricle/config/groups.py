"""Groups of options shared by several verbs; a group's fields are `--group.field` on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

from auricle import extras
from auricle.config.options import Options, require
from auricle.errors import AuricleError
from auricle.registry import unknown_name

Schedule = Literal["constant", "cosine", "plateau"]
EnhancerSchedule = Literal["halving", "cosine"]
Logger = Literal["none", "tensorboard", "wandb", "mlflow"]
BatchLoss = Literal["mean", "sum"]
Unit = Literal["window", "clip"]
Reduction = Literal["mean", "valid", "sum"]


@dataclass(frozen=True, kw_only=True)
class DataOptions(Options):
    """How a data set is read.

    Args:
        label_column: column of the manifest that holds the labels.
        group_column: column of the groups, which are kept in one split; by default group, speaker, source or session;
            "none" treats every file as its own group.
        multi_label: clips may have any number of labels, none included, even if no clip has several.
        negative_label: label, or class folder, of clips that have none of the sounds; implies --multi-label.
        skip_bad: leave out files that cannot be used instead of stopping.
    """

    label_column: str = "label"
    group_column: str | None = None
    multi_label: bool = False
    negative_label: str | None = None
    skip_bad: bool = False


@dataclass(frozen=True, kw_only=True)
class ModelOptions(Options):
    """Options of verbs that may begin with a published model.

    Args:
        download: fetch a published model (auricle list models) that is given by its name and is not on this computer.
    """

    download: bool = False


@dataclass(frozen=True, kw_only=True)
class PretrainingSplitOptions(Options):
    """Which recordings are used for training and for validation.

    Args:
        train_split: split to train on, if the data have splits.
        test_fold: fold to leave out, if the data have folds.
        validation_share: share of the training clips used for validation, which selects the best epoch, by group.
        seed: seed of the splits; independent of the seed of the training, so that trainings with different seeds are
            tested on the same clips.
    """

    train_split: str = "train"
    test_fold: str | None = None
    validation_share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        require(
            0 < self.validation_share < 1,
            f"validation_share={self.validation_share:g}: must be above 0, as validation clips select the best epoch, "
            "and below 1",
        )


@dataclass(frozen=True, kw_only=True)
class SplitOptions(PretrainingSplitOptions):
    """Which clips are used for training, validation and testing.

    Args:
        validation_share: share of the training clips used for validation, which selects the best epoch, by group;
            ignored if the data have splits named train, valid and test.
        test_share: share of the clips put aside for testing, by group, if the data have no splits and no fold is left
            out.
    """

    test_share: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.test_share < 1, f"test_share={self.test_share:g} is not a share: 0 or more and below 1")


@dataclass(frozen=True, kw_only=True)
class Training(Options):
    """Length of the training and hardware to train on.

    Args:
        epochs: passes through the training clips.
        batch_size: windows per batch.
        steps_per_epoch: batches per epoch; by default one pass through the clips, without an incomplete
            last batch.
        max_steps: largest number of batches in all: as many whole epochs as fit, or a single one cut short to this
            length.
        early_stop: epochs without a lower validation loss after which training stops; 0 never stops early.
        num_workers: processes that read clips; 0 reads in the main process, the best choice if the clips fit into
            memory.
        accelerator: what to compute on.
        devices: number of devices, or "auto".
        precision: precision for Lightning, such as "32-true" or "bf16-mixed", which is slow on processors without
            AVX-512.
        cache_dir: folder that caches resampled audio between runs; by default audio is cached in memory only.
        logger: where the losses go besides history.csv.
    """

    epochs: int = 30
    batch_size: int = 32
    steps_per_epoch: int | None = None
    max_steps: int | None = None
    early_stop: int = 0
    num_workers: int = 0
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    devices: str = "auto"
    precision: str = "32-true"
    cache_dir: str | None = None
    logger: Logger = "none"

    def __post_init__(self) -> None:
        require(self.logger in get_args(Logger), unknown_name("logger", self.logger, get_args(Logger)))
        if self.logger != "none":
            extras.require(self.logger, f"--training.logger {self.logger}")
        least = {
            "epochs": 1, "batch_size": 1, "steps_per_epoch": 1, "max_steps": 1, "early_stop": 0, "num_workers": 0,
        }  # fmt: skip
        for name, lowest in least.items():
            value = getattr(self, name)
            require(value is None or value >= lowest, f"{name}={value}: {lowest} or more")

    def length(self, n_steps: int) -> tuple[int, int]:
        """The number of epochs and the batches in each, where an epoch without `max_steps` has `n_steps` batches."""
        if self.max_steps is None:
            return self.epochs, n_steps
        n_steps = min(n_steps, self.max_steps)
        return min(self.epochs, self.max_steps // n_steps), n_steps


@dataclass(frozen=True, kw_only=True)
class BalancedTraining(Training):
    """Length of the training, hardware to train on, and class balancing.

    Args:
        balance: balance classes by random under-sampling in each epoch: every class has as many clips as the rarest.
    """

    balance: bool = False


@dataclass(frozen=True, kw_only=True)
class ClassifierTraining(BalancedTraining):
    """Length of a classifier's training, hardware to train on, class balancing, and window lengths.

    Args:
        window_range_s: shortest and longest training window in seconds; each batch has a random length between them,
            while validation and testing use windows of window_s. By default training windows last window_s too.
        test_each_epoch: write the accuracy on the clips put aside for testing to history.csv too, after each epoch;
            nothing is chosen by it.
    """

    window_range_s: list[float] | None = None
    test_each_epoch: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        span = self.window_range_s
        require(
            span is None or (len(span) == 2 and 0 < span[0] <= span[1] < float("inf")),
            f"window_range_s={span}: give the shortest and the longest window in seconds",
        )


@dataclass(frozen=True, kw_only=True)
class ConditionOptions(Options):
    """Conditions to withstand; by default none.

    Args:
        conditions: suite (auricle list suites) from which a random condition is applied to each window. The training
            split of the material is used, which shares no source with the test split.
        without: corruptions of the suite that are left out, such as white, so that the model can be tested on
            corruptions that it was not trained on.
        material: recordings to mix in: a folder with the sub-folders noise, music, speech, room, or kind=PATH; kinds
            that are not given are synthetic, and the word synthetic adds synthetic ones of every kind.
    """

    conditions: str | None = None
    without: list[str] = field(default_factory=list)
    material: list[str] = field(default_factory=list)

    uses: ClassVar[Mapping[str, tuple[str, ...]]] = {"conditions": ("without", "material")}
    """What has no effect unless the option is given that uses it."""

    def refuse_unused(self) -> None:
        for name, own in self.uses.items():
            for option in own if not getattr(self, name) else ():
                require(not self.given([option]), f"augmentation.{option}: it is for {name}; give that too")


@dataclass(frozen=True, kw_only=True)
class Augmentation(ConditionOptions):
    """Augmentation of training batches; by default none.

    Args:
        mixup: alpha of mixup's Beta distribution; 0 is off.
        spec_masks: number of SpecAugment masks, both over bands and over frames; 0 is off.
        spec_band_width: maximum width of a band mask, as a share of the bands.
        spec_frame_width: maximum width of a frame mask, as a share of the frames.
        noise_snr_db: lowest and highest SNR of added Gaussian noise, in dB; by default no noise is added.
        noise_share: share of the clips to which noise is added.
        conditions_share: share of the windows to which a condition is applied.
        conditions_by: "window", for a condition drawn anew for each window, or "clip", for one that a clip keeps: each
            class has equally many clips of each condition.
        clean_validation: validate on clips as they are, even if noise or conditions are applied to training clips.
    """

    mixup: float = 0.0
    spec_masks: int = 0
    spec_band_width: float = 0.2
    spec_frame_width: float = 0.2
    noise_snr_db: list[float] | None = None
    noise_share: float = 1.0
    conditions_share: float = 1.0
    conditions_by: Unit = "window"
    clean_validation: bool = False

    uses: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "noise_snr_db": ("noise_share",),
        "spec_masks": ("spec_band_width", "spec_frame_width"),
        "conditions": ("conditions_share", "conditions_by", "without", "material"),
    }

    def __post_init__(self) -> None:
        require(self.mixup >= 0, f"mixup={self.mixup:g}: 0 or more")
        require(self.spec_masks >= 0, f"spec_masks={self.spec_masks}: 0 or more")
        for name in ("spec_band_width", "spec_frame_width", "noise_share", "conditions_share"):
            require(0 <= getattr(self, name) <= 1, f"{name}={getattr(self, name):g} is not a share from 0 to 1")
        require(self.conditions_by in get_args(Unit), unknown_name("conditions_by", self.conditions_by, get_args(Unit)))
        span = self.noise_snr_db
        require(
            span is None or (len(span) == 2 and span[0] <= span[1]),
            f"noise_snr_db={span}: give the lowest and the highest SNR in dB",
        )


@dataclass(frozen=True, kw_only=True)
class Optimization(Options):
    """Optimisation with Adam.

    Args:
        learning_rate: learning rate.
        weight_decay: weight of the L2 penalty.
        schedule: how the learning rate changes: cosine falls to zero over the whole training, plateau divides by 10
            when the validation loss has not fallen for more than `patience` epochs.
        warmup_steps: batches over which the learning rate rises linearly from zero.
        patience: epochs without improvement, for "plateau".
    """

    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    schedule: Schedule = "constant"
    warmup_steps: int = 0
    patience: int = 7

    def __post_init__(self) -> None:
        require(self.learning_rate > 0, f"learning_rate={self.learning_rate:g}: above 0")
        for name in ("weight_decay", "warmup_steps", "patience"):
            require(getattr(self, name) >= 0, f"{name}={getattr(self, name):g}: 0 or more")
        if self.schedule not in get_args(Schedule):
            raise AuricleError(unknown_name("schedule", self.schedule, get_args(Schedule)))

    def refuse_unused(self) -> None:
        unused = self.schedule != "plateau" and self.given(["patience"])
        require(not unused, f"patience={self.patience}: it is for the schedule plateau, not {self.schedule}")


@dataclass(frozen=True, kw_only=True)
class ClassifierOptimization(Optimization):
    """Optimisation of a classifier with Adam.

    Args:
        frontend_learning_rate: learning rate of the front-end; by default learning_rate.
        batch_loss: "mean" of the losses of a batch's clips, or their "sum", as in equation 7 of the LEAF paper.
    """

    learning_rate: float = 1e-3
    schedule: Schedule = "cosine"
    frontend_learning_rate: float | None = None
    batch_loss: BatchLoss = "mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        own = self.frontend_learning_rate
        require(own is None or own > 0, f"frontend_learning_rate={own}: above 0")
        require(
            self.batch_loss in get_args(BatchLoss), unknown_name("batch_loss", self.batch_loss, get_args(BatchLoss))
        )


@dataclass(frozen=True, kw_only=True)
class EnhancerLosses(Options):
    """Weights of an enhancer's losses; by default as published for CMGAN.

    Args:
        complex: weight of the squared error of the compressed spectrum's real and imaginary parts.
        magnitude: weight of the squared error of its magnitude.
        time: weight of the absolute error of the waveform.
        adversarial: weight of the squared distance of the discriminator's PESQ estimate from the maximum; 0 trains
            without a discriminator.
    """

    complex: float = 0.1
    magnitude: float = 0.9
    time: float = 0.2
    adversarial: float = 0.05

    def __post_init__(self) -> None:
        for name in ("complex", "magnitude", "time", "adversarial"):
            require(getattr(self, name) >= 0, f"{name}={getattr(self, name):g}: 0 or more")


@dataclass(frozen=True, kw_only=True)
class EnhancerOptimization(Options):
    """Optimisation of an enhancer with AdamW; by default as published for CMGAN.

    Args:
        learning_rate: learning rate.
        discriminator_factor: ratio of the discriminator's learning rate to the generator's.
        weight_decay: decoupled weight decay.
        schedule: how the learning rate changes: halving every `halve_every` epochs, or cosine, which falls to zero over
            the whole training.
        halve_every: epochs after which the learning rate is halved.
    """

    learning_rate: float = 5e-4
    discriminator_factor: float = 2.0
    weight_decay: float = 0.01
    schedule: EnhancerSchedule = "halving"
    halve_every: int = 30

    def __post_init__(self) -> None:
        require(self.learning_rate > 0, f"learning_rate={self.learning_rate:g}: above 0")
        require(self.discriminator_factor > 0, f"discriminator_factor={self.discriminator_factor:g}: above 0")
        require(self.weight_decay >= 0, f"weight_decay={self.weight_decay:g}: 0 or more")
        require(self.halve_every >= 1, f"halve_every={self.halve_every}: 1 or more")
        if self.schedule not in get_args(EnhancerSchedule):
            raise AuricleError(unknown_name("schedule", self.schedule, get_args(EnhancerSchedule)))

    def refuse_unused(self) -> None:
        unused = self.schedule != "halving" and self.given(["halve_every"])
        require(not unused, f"halve_every={self.halve_every}: it is for the schedule halving, not {self.schedule}")


@dataclass(frozen=True, kw_only=True)
class EmotionLosses(Options):
    """TRNet's losses besides the cross-entropy; the weights are by default as in the paper.

    Args:
        low: weight of the squared error between the compensated log-mel and that of clean speech.
        high: weight of the squared error between the calibrated representation and the teacher's for clean speech.
        reduction: "mean" of the squares over the whole window, padding included; "valid", their mean over each clip's
            own frames; or "sum" of them over these, as in the paper's equations.
    """

    low: float = 0.5
    high: float = 0.5
    reduction: Reduction = "mean"

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            require(getattr(self, name) >= 0, f"{name}={getattr(self, name):g}: 0 or more")
        require(self.reduction in get_args(Reduction), unknown_name("reduction", self.reduction, get_args(Reduction)))
