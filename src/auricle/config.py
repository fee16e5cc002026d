"""Groups of options that several verbs share; a group's fields are `--group.field` on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any

from auricle.errors import AuricleError
from auricle.registry import unknown_name

SCHEDULES = ("constant", "cosine", "plateau")
ENHANCER_SCHEDULES = ("halving", "cosine")


def complete(kind: type[Any], options: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The dataclass `kind` with `options`, as a dictionary; an `AuricleError` for an option of `name` it has not."""
    known = asdict(kind())
    for option in options:
        if option not in known:
            raise AuricleError(unknown_name(f"option of {name}", option, known))
    return asdict(kind(**options))


def require(holds: bool, otherwise: str) -> None:
    """An `AuricleError` that says `otherwise`, unless it `holds`."""
    if not holds:
        raise AuricleError(otherwise)


@dataclass(frozen=True)
class Data:
    """How a data set is read.

    Args:
        label_column: column of the manifest that holds the labels.
        group_column: column that says what must stay on one side of a split (by default group, speaker, source or
            session); "none" to treat every file as its own group.
        skip_bad: leave out files that cannot be used instead of stopping.
    """

    label_column: str = "label"
    group_column: str = ""
    skip_bad: bool = False


@dataclass(frozen=True)
class SplitOptions:
    """Which clips are for training, validation and testing.

    Args:
        split: the split to train on, where the data have splits.
        test_fold: the fold to leave out, where the data have folds.
        test_share: share of the clips put aside for testing, by group, where the data have neither.
        validation_share: share of the training clips that chooses the best epoch, by group; ignored where the data have
            splits called train, valid and test.
        seed: of these cuts, so that trainings that differ in their own seed are tested on the same clips.
    """

    split: str = "train"
    test_fold: str = ""
    test_share: float = 0.2
    validation_share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("test_share", "validation_share"):
            if not 0 <= getattr(self, name) < 1:
                raise AuricleError(f"{name}={getattr(self, name):g} is not a share: 0 or more and below 1")
        require(self.validation_share > 0, "validation_share=0 leaves nothing to choose the best epoch by")


@dataclass(frozen=True)
class Training:
    """How long and on what a system is trained.

    Args:
        epochs: times through the training clips.
        batch_size: windows in a batch.
        steps_per_epoch: batches that count as an epoch; 0 means once through the clips.
        balance: classes balanced by under-sampling anew each epoch: every class has as many clips as the rarest.
        window_range_s: shortest and longest training window in seconds; every batch is cut to one random length between
            them, while validation and testing keep windows of window_s. Windows of window_s if empty.
        early_stop: epochs without a lower validation loss after which training ends; 0 is never.
        num_workers: processes that read clips; 0 reads in the main one, best while the clips fit into memory.
        accelerator: "auto", "cpu" or "gpu", as Lightning takes it.
        devices: how many, or "auto".
        precision: "32-true", "bf16-mixed", …, as Lightning takes it.
        cache_dir: folder that keeps resampled audio between runs; empty for memory only.
    """

    epochs: int = 30
    batch_size: int = 32
    steps_per_epoch: int = 0
    balance: bool = False
    window_range_s: list[float] = field(default_factory=list)
    early_stop: int = 0
    num_workers: int = 0
    accelerator: str = "auto"
    devices: str = "auto"
    precision: str = "32-true"
    cache_dir: str = ""

    def __post_init__(self) -> None:
        for name, least in (
            ("epochs", 1),
            ("batch_size", 1),
            ("steps_per_epoch", 0),
            ("early_stop", 0),
            ("num_workers", 0),
        ):
            value = getattr(self, name)
            require(value >= least, f"{name}={value}: {least} or more")
        span = self.window_range_s
        require(
            len(span) in (0, 2) and span == sorted(span) and all(0 < seconds < float("inf") for seconds in span),
            f"window_range_s={span}: give the shortest and the longest window in seconds, or nothing",
        )


@dataclass(frozen=True)
class Augmentation:
    """What is done to training batches; by default nothing.

    Args:
        mixup: alpha of the Beta distribution that clips are mixed with; 0 is off.
        spec_masks: runs of bands and runs of frames that SpecAugment blanks; 0 is off.
        spec_band_width: longest blanked run of bands, as a share of the bands.
        spec_frame_width: longest blanked run of frames, as a share of the frames.
        noise_snr_db: lowest and highest SNR of added Gaussian noise, in dB; none if empty.
        noise_share: share of the clips that get noise.
        conditions: suite (auricle list suites) of which every window goes through a condition drawn at random; none if
            empty. Its material is the half for training, which shares no source with the half for testing.
        conditions_share: share of the windows that go through one.
        material: what is mixed in: a folder with the sub-folders noise, music, speech, room, or kind=PATH; kinds that
            are not given are synthetic.
    """

    mixup: float = 0.0
    spec_masks: int = 0
    spec_band_width: float = 0.2
    spec_frame_width: float = 0.2
    noise_snr_db: list[float] = field(default_factory=list)
    noise_share: float = 1.0
    conditions: str = ""
    conditions_share: float = 1.0
    material: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        require(self.mixup >= 0, f"mixup={self.mixup:g}: 0 or more")
        require(self.spec_masks >= 0, f"spec_masks={self.spec_masks}: 0 or more")
        for name in ("spec_band_width", "spec_frame_width", "noise_share", "conditions_share"):
            require(0 <= getattr(self, name) <= 1, f"{name}={getattr(self, name):g} is not a share from 0 to 1")
        require(
            self.noise_snr_db == sorted(self.noise_snr_db), f"noise_snr_db={self.noise_snr_db}: the lowest comes first"
        )
        if len(self.noise_snr_db) not in (0, 2):
            raise AuricleError(
                f"noise_snr_db={self.noise_snr_db}: give the lowest and the highest SNR in dB, or nothing"
            )


@dataclass(frozen=True)
class Optimization:
    """How the weights are learnt: Adam.

    Args:
        learning_rate: step size.
        frontend_learning_rate: the front-end's own; 0 means the same.
        weight_decay: L2 penalty.
        schedule: "constant", "cosine" (to zero over the whole training) or "plateau" (÷ 10 when the validation loss has
            not fallen for more than `patience` epochs).
        warmup_steps: batches over which the step size rises linearly from zero.
        patience: epochs without progress, for "plateau".
    """

    learning_rate: float = 1e-4
    frontend_learning_rate: float = 0.0
    weight_decay: float = 0.0
    schedule: str = "constant"
    warmup_steps: int = 0
    patience: int = 7

    def __post_init__(self) -> None:
        require(self.learning_rate > 0, f"learning_rate={self.learning_rate:g}: above 0")
        for name in ("frontend_learning_rate", "weight_decay", "warmup_steps", "patience"):
            require(getattr(self, name) >= 0, f"{name}={getattr(self, name):g}: 0 or more")
        if self.schedule not in SCHEDULES:
            raise AuricleError(unknown_name("schedule", self.schedule, SCHEDULES))


@dataclass(frozen=True)
class EnhancerLosses:
    """What an enhancer's training weighs against each other; by default as published for CMGAN.

    Args:
        complex: squared error of the compressed spectrum's real and imaginary part.
        magnitude: squared error of its magnitude.
        time: absolute error of the waveform.
        adversarial: what a discriminator that learns to guess PESQ misses from perfect; 0 trains without one.
    """

    complex: float = 0.1
    magnitude: float = 0.9
    time: float = 0.2
    adversarial: float = 0.05

    def __post_init__(self) -> None:
        for name in ("complex", "magnitude", "time", "adversarial"):
            require(getattr(self, name) >= 0, f"{name}={getattr(self, name):g}: 0 or more")


@dataclass(frozen=True)
class EnhancerOptimization:
    """How an enhancer's weights are learnt: AdamW; by default as published for CMGAN.

    Args:
        learning_rate: step size.
        discriminator_factor: the discriminator's step size over the generator's.
        weight_decay: decoupled decay of the weights.
        schedule: "halving" (every `halve_every` epochs) or "cosine" (to zero over the whole training).
        halve_every: epochs.
    """

    learning_rate: float = 5e-4
    discriminator_factor: float = 2.0
    weight_decay: float = 0.01
    schedule: str = "halving"
    halve_every: int = 30

    def __post_init__(self) -> None:
        require(self.learning_rate > 0, f"learning_rate={self.learning_rate:g}: above 0")
        require(self.discriminator_factor > 0, f"discriminator_factor={self.discriminator_factor:g}: above 0")
        require(self.weight_decay >= 0, f"weight_decay={self.weight_decay:g}: 0 or more")
        require(self.halve_every >= 1, f"halve_every={self.halve_every}: 1 or more")
        if self.schedule not in ENHANCER_SCHEDULES:
            raise AuricleError(unknown_name("schedule", self.schedule, ENHANCER_SCHEDULES))


@dataclass(frozen=True)
class EmotionLosses:
    """What the training of TRNet weighs against the cross-entropy; by default as in the paper.

    Args:
        low: squared error of the compensated log-mel from that of the clean speech.
        high: squared error of the calibrated representation from the teacher's of the clean speech.
    """

    low: float = 0.5
    high: float = 0.5

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            require(getattr(self, name) >= 0, f"{name}={getattr(self, name):g}: 0 or more")


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Measure a trained classifier, enhancer or separator on clips that it has not heard.

    Writes results.json, results.csv and a file of single clips, below the run's folder evaluation/ unless --output is
    given. Of a classifier: accuracy, mAP, AUC and d′, clean and in noise, with predictions.csv, scores.npz and plots.
    Of an enhancer: PESQ, STOI, CSIG, CBAK, COVL, segmental SNR and SI-SDR of the noisy clips, of spectral gating and of
    the enhancer, with clips.csv and table.md. Of a separator: SDR and SI-SDR of mixtures of two clips, with the target
    itself as the query and with average queries, with clips.csv, table.md and report.html. An option that the kind of
    run has no use for is refused.

    Args:
        run: folder that auricle train wrote; or an enhancer's name, spectral-gating or identity.
        data: manifest CSV or folder of class folders; of clean speech for an enhancer.
        split: the split to measure on; by default test, else valid, else what training put aside. Clips that the run
            was trained with are refused.
        fold: the fold to measure on.
        task: the task, where a classifier has several.
        noise: what is added, for a classifier gaussian; for an enhancer manifests or folders of noise, of whose sources
            the half for testing is used.
        snr: signal-to-noise ratios in dB; a classifier is always measured on clean clips too, an enhancer by default
            at 0, 5, 10 and 15.
        continuous: the front-end of a classifier runs through the whole clip instead of starting afresh in each window.
        label_column: column of the manifest that holds the labels; by default label.
        group_column: column that names the groups; by default group, speaker, source or session.
        skip_bad: leave out files that cannot be used instead of stopping.
        by_group: intervals over groups (speakers, sources) instead of clips.
        mixtures: how many mixtures a separator is given of each class; by default 10.
        detector: classifier with segment-wise decisions that finds the class in a clip, for a separator; without one
            the loudest segment of the clip is mixed.
        seed: of the noise, of the mixtures and of the bootstrap.
        device: cpu, cuda, or auto for a GPU if there is one.
        output: folder for the results instead of the run's own.
    """

    run: str = field(kw_only=False)
    data: str
    split: str | None = None
    fold: str | None = None
    task: str | None = None
    noise: list[str] | None = None
    snr: list[float] | None = None
    continuous: bool | None = None
    label_column: str | None = None
    group_column: str | None = None
    skip_bad: bool = False
    by_group: bool = False
    mixtures: int | None = None
    detector: str | None = None
    seed: int = 0
    device: str = "auto"
    output: str | None = None

    @property
    def data_options(self) -> Data:
        """How the data are read."""
        return Data(self.label_column or "label", self.group_column or "", self.skip_bad)


def plain_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with groups of options as dictionaries, to be written as YAML and given again with --config."""
    return {
        name: asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        for name, value in values.items()
    }
