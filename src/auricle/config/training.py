"""Options of the verbs that train."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from auricle.config.groups import (
    Augmentation,
    BalancedTraining,
    ClassifierOptimization,
    ClassifierTraining,
    ConditionOptions,
    DataOptions,
    EmotionLosses,
    EnhancerOptimization,
    ModelOptions,
    Optimization,
    PretrainingSplitOptions,
    SplitOptions,
    Training,
)
from auricle.config.options import Options


@dataclass(frozen=True, kw_only=True)
class RunOptions(Options):
    """Options of every verb that makes a run folder.

    Args:
        output: folder for the run.
        seed: seed of all random choices.
        overwrite: replace a run in the output folder.
        quiet: show neither progress nor notes.
    """

    output: str
    seed: int = 0
    overwrite: bool = False
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class TrainOptions(RunOptions):
    """Options of every training.

    Args:
        training: length of the training and hardware to train on.
    """

    training: Training = Training()


@dataclass(frozen=True, kw_only=True)
class TaughtSplitOptions(SplitOptions):
    """Which clips are used for teaching, validation and testing: by default none are put aside for testing."""

    validation_share: float = 0.2
    test_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Teach(RunOptions, ModelOptions, DataOptions):
    """Teach a pretrained model new labels from a few examples, in seconds, and save it in a run folder.

    The model's front-end and backbone stay as they are; a linear head is fitted to their embeddings: by logistic
    regression, whose penalty is chosen on validation clips, or, with up to four examples of each label, by prototypes.
    The head is measured and calibrated by cross-validation over groups. With conditions, the head gives less weight to
    the directions in which they shift the embeddings, and hears what the model answers about its own labels too.

    Args:
        model: run, folder of auricle convert or published model (auricle list models) whose embedding is used, such as
            efficientat-mn04.
        data: manifest CSV or folder of class folders.
        recipe: recommended options, for those that are not given; robust is for models that have to work in noise.
        window_s: length of a window in seconds; by default that of a typical clip, but no longer than the model's
            window.
        pooling: how the backbone's features become the embedding: mean, max or stage, which adds to the mean what the
            blocks of the last stage weigh their channels by. By default stage for MobileNet and EfficientNet.
        answers: whether the head hears the model's answers about its own labels too. By default with
            augmentation.conditions, if the model has a head with a hidden layer (mlp) and more labels than are taught;
            --no-answers leaves them out.
        min_level_db: mean energy of a window in dB to which quieter windows are amplified, by up to 40 dB; by default
            as in the model. For front-ends with a logarithm.
        reviewed: table that a page of auricle review saved, whose accepted and corrected windows are taught too.
        device: device to compute embeddings on, such as cpu or cuda.
        splits: which clips are used for teaching, validation and testing.
        augmentation: conditions that the head is to withstand.
    """

    path_options = ("data", "model", "reviewed", "augmentation.material")
    model_options = ("model",)
    basic_options = (
        "model", "data", "output", "recipe", "reviewed", "download", "augmentation.conditions", "splits.test_share",
        "label_column", "group_column", "window_s", "seed", "overwrite",
    )  # fmt: skip

    model: str
    data: str
    recipe: Literal["robust"] | None = None
    window_s: float | None = None
    pooling: Literal["mean", "max", "stage"] | None = None
    answers: bool | None = None
    min_level_db: float | None = None
    reviewed: str | None = None
    device: str = "cpu"
    splits: TaughtSplitOptions = TaughtSplitOptions()
    augmentation: ConditionOptions = ConditionOptions()


@dataclass(frozen=True, kw_only=True)
class TrainClassifier(TrainOptions, ModelOptions, DataOptions):
    """Train a sound classifier on labelled recordings, and save it in a run folder.

    After an interruption, the same command resumes after the last finished epoch.

    Args:
        data: manifest CSV or folder of class folders; several, as name=PATH, share one model with a head for each.
        recipe: recommended options, for those that are not given; robust is for models that have to work in noise.
        frontend: a front-end (auricle list frontends); by default leaf.
        frontend_options: options of the front-end, as in --frontend-options.n_filters=64.
        backbone: a backbone (auricle list backbones); by default cnn-small.
        backbone_options: options of the backbone.
        head: by default linear; max and attention make a sound event detector (with cnn14).
        sample_rate: sample rate in Hz; by default the most common rate of the recordings, at most 16000.
        window_s: length of a window in seconds; by default 1.
        short: how clips shorter than a window are lengthened; by default pad, with zeros.
        min_level_db: mean energy of a window in dB to which quieter windows are amplified, by up to 40 dB; by default
            none are. For front-ends with a logarithm.
        init_from: run to fine-tune, folder of auricle convert, or published model (auricle list models), which sets
            front-end, backbone and rate, and head and window unless they are given.
        pooling: with init_from, how the backbone's features become the embedding: mean, max or stage (see auricle
            teach); by default as in the initial model, but with refit_head as auricle teach has it.
        answers: with distill, whether the head hears the initial model's answers about its own labels too; by default
            with refit_head, as auricle teach has it with augmentation.conditions. --no-answers also leaves them out of
            the model, so that no head can hear them later.
        distill: fit a linear head to the initial model's embeddings of the clips, as auricle teach does, and train the
            rest to give the same embeddings under conditions; needs init_from and augmentation.conditions.
        refit_head: after distillation, fit the head anew, to what the trained network makes of the clips, as auricle
            teach with augmentation.conditions does. Then only the mean of the last features has to stay the same.
        freeze: modules to freeze, such as frontend, frontend.filterbank or backbone.
        splits: which clips are used for training, validation and testing.
        optimization: optimisation of the weights.
        augmentation: augmentation of training batches.
    """

    path_options = ("data", "init_from", "augmentation.material", "training.cache_dir")
    model_options = ("init_from",)
    basic_options = (
        "data", "output", "recipe", "init_from", "download", "frontend", "backbone", "sample_rate", "window_s",
        "training.epochs", "training.batch_size", "optimization.learning_rate", "augmentation.conditions",
        "label_column", "group_column", "seed", "overwrite",
    )  # fmt: skip

    data: list[str]
    recipe: Literal["robust"] | None = None
    frontend: str | None = None
    frontend_options: dict[str, Any] | None = None
    backbone: str | None = None
    backbone_options: dict[str, Any] | None = None
    head: Literal["linear", "mlp", "max", "attention"] | None = None
    sample_rate: int | None = None
    window_s: float | None = None
    short: Literal["pad", "repeat"] | None = None
    min_level_db: float | None = None
    init_from: str | None = None
    pooling: Literal["mean", "max", "stage"] | None = None
    answers: bool | None = None
    distill: bool = False
    refit_head: bool = False
    freeze: list[str] = field(default_factory=list)
    splits: SplitOptions = SplitOptions()
    training: ClassifierTraining = ClassifierTraining()
    optimization: ClassifierOptimization = ClassifierOptimization()
    augmentation: Augmentation = Augmentation()


@dataclass(frozen=True, kw_only=True)
class TrainEnhancer(TrainOptions, ModelOptions):
    """Train a speech enhancer on mixtures of clean speech and noise, and save it in a run folder.

    After an interruption, the same command resumes after the last finished epoch.

    Args:
        speech: manifest CSV or folder of clean speech; the manifest's column noisy names recorded noisy versions to
            train on instead of mixtures.
        noise: manifests or folders of noise; the training split of their sources is used, the test split is put aside.
        preset: by default cmgan, as published; cmgan-small has a sixteenth of its size and no discriminator, for a CPU.
        size: changes to the preset's network, as in --size.channels=32.
        losses: changes to the preset's loss weights, as in --losses.adversarial=0.05.
        snr: lowest and highest signal-to-noise ratio of the mixtures in dB.
        crop_s: length of a training crop in seconds.
        group_column: column of the groups, which are kept in one split; by default group, speaker, source or session;
            "none" treats every file as its own group.
        skip_bad: leave out files that cannot be used instead of stopping.
        init_from: run to start from, or folder of auricle convert, which sets preset and size.
        splits: which clips are used for training, validation and testing.
        optimization: optimisation of the weights.
    """

    path_options = ("speech", "noise", "init_from", "training.cache_dir")
    model_options = ("init_from",)
    basic_options = (
        "speech", "noise", "output", "preset", "init_from", "snr", "crop_s", "training.epochs", "training.batch_size",
        "optimization.learning_rate", "seed", "overwrite",
    )  # fmt: skip

    speech: str
    noise: list[str] | None = None
    preset: Literal["cmgan", "cmgan-small"] | None = None
    size: dict[str, Any] | None = None
    losses: dict[str, Any] | None = None
    snr: list[float] = field(default_factory=lambda: [0.0, 15.0])
    crop_s: float = 2.0
    group_column: str | None = None
    skip_bad: bool = False
    init_from: str | None = None
    splits: SplitOptions = SplitOptions()
    training: Training = Training(epochs=120, batch_size=4)
    optimization: EnhancerOptimization = EnhancerOptimization()


@dataclass(frozen=True, kw_only=True)
class TrainTRNet(TrainOptions, DataOptions):
    """Train noise-robust emotion recognition, leaving out each speaker in turn for testing.

    Every fold trains a teacher on clean speech and then TRNet, or one of its baselines and ablations (--kind), and
    tests it on clean speech, in matched noise and in unmatched noise. After an interruption, the same command resumes;
    finished folds are kept. auricle compare compares such runs.

    Args:
        data: manifest CSV with a column speaker, and optionally a column session shared by two speakers.
        noise: manifests or folders of noise for training and testing, whose sources are distributed among the speakers.
        unmatched_noise: manifests or folders of noise for testing only.
        enhancer: spectral-gating, identity, or a run of auricle train enhancer.
        kind: trnet, baseline-c (trained on clean speech), baseline-n (in noise too), baseline-e (on enhanced speech),
            no-low or no-high (trnet without a loss).
        variant: network and training as the paper describes them, or as in the published code.
        size: changes to the variant's network, as in --size.channels 8 16 32 64.
        cosines: what the coefficient is computed from: raw cosines, as in the paper, or standardised; by default
            standardised for the variant paper.
        clamp: of the coefficient: two-way, whose gradient leads back from beyond a limit (the default), or plain.
        dither: standard deviation of the noise whose energy is added to the log-mel, in steps of 16 bits; by default 1
            for the variant paper and 0 for published.
        window_s: length in seconds of the part of a clip that is used, from its beginning.
        snr: signal-to-noise ratios in dB.
        every_level: train on every clip clean and at every ratio in each epoch, instead of at one drawn level.
        pairs: pairs of speakers who are each other's validation speaker, as in 03-08; by default those of a session.
        speakers: speakers to leave out in turn; by default all.
        teacher: finished run of --kind baseline-c whose networks are the teachers; by default they are trained.
        cache: folder that caches noisy and enhanced speech; by default noisy-speech beside the run.
        group_column: column that holds the speakers; by default speaker.
        seed: seed of weights and training; the noisy speech does not depend on it.
        losses: the losses besides the cross-entropy.
        optimization: optimisation of the weights.
    """

    path_options = ("data", "noise", "unmatched_noise", "enhancer", "teacher", "cache", "training.cache_dir")
    basic_options = (
        "data", "noise", "unmatched_noise", "output", "enhancer", "kind", "snr", "speakers", "training.epochs",
        "training.batch_size", "optimization.learning_rate", "seed", "overwrite",
    )  # fmt: skip

    data: str
    noise: list[str]
    unmatched_noise: list[str] | None = None
    enhancer: str = "spectral-gating"
    kind: Literal["trnet", "baseline-c", "baseline-n", "baseline-e", "no-low", "no-high"] = "trnet"
    variant: Literal["paper", "published"] = "paper"
    size: dict[str, Any] | None = None
    cosines: Literal["raw", "standardised"] | None = None
    clamp: Literal["two-way", "plain"] | None = None
    dither: float | None = None
    window_s: float = 5.0
    snr: list[float] = field(default_factory=lambda: [20.0, 15.0, 10.0, 5.0, 0.0])
    every_level: bool = False
    pairs: list[str] | None = None
    speakers: list[str] | None = None
    teacher: str | None = None
    cache: str | None = None
    losses: EmotionLosses = EmotionLosses()
    training: Training = Training(epochs=80)
    optimization: Optimization = Optimization(learning_rate=1e-3)


@dataclass(frozen=True, kw_only=True)
class TrainAudioMAE(TrainOptions):
    """Pre-train an audio masked autoencoder on unlabelled recordings, and save it in a run folder.

    After an interruption, the same command resumes after the last finished epoch. plots/ shows reconstructions of
    masked patches.

    Args:
        data: folders of sound files and manifests, whose labels are ignored; name=PATH if names would be equal.
        preset: audiomae is as published, audiomae-paper has a decoder of 8 plain blocks, audiomae-small takes 2.56 s
            and is for a CPU.
        size: changes to the preset's network, as in --size.depth=6.
        mask_ratio: share of the patches that is masked.
        skip_bad: leave out files that cannot be used instead of stopping.
        splits: which recordings are used for training; the fold and the splits apply to the sources that have them.
        optimization: optimisation of the weights.
    """

    path_options = ("data", "training.cache_dir")
    basic_options = (
        "data", "output", "preset", "mask_ratio", "training.epochs", "training.batch_size",
        "optimization.learning_rate", "seed", "overwrite",
    )  # fmt: skip

    data: list[str]
    preset: Literal["audiomae", "audiomae-paper", "audiomae-small"] = "audiomae"
    size: dict[str, Any] | None = None
    mask_ratio: float = 0.8
    skip_bad: bool = False
    splits: PretrainingSplitOptions = PretrainingSplitOptions(validation_share=0.05)
    training: Training = Training(epochs=100)
    optimization: Optimization = Optimization(learning_rate=1e-3, schedule="cosine")


@dataclass(frozen=True, kw_only=True)
class TrainSeparator(TrainOptions, ModelOptions, DataOptions):
    """Train a separator that extracts the sound described by a query from a mixture, and save it in a run folder.

    Segments of clips of two different classes are mixed on the fly; the query is the tagger's embedding of the target
    itself. The tagger and the average query of every class are saved in the run. After an interruption, the same
    command resumes after the last finished epoch.

    Args:
        data: manifest CSV or folder of class folders.
        tagger: run of auricle train classifier, or folder of auricle convert panns, that computes queries from
            recordings; needed unless the run to start from has one.
        query: output of the tagger that is the query, its embedding or its labels' probabilities.
        audiomae: run of auricle train audiomae, or folder of auricle convert audiomae, whose features of the mixture
            are an additional input (MAE-ResUNet); by default none.
        encoder: frozen (its last block), or updated (a weighted sum of its blocks, which are trained).
        layer_norm: use a frozen encoder's features after its last layer normalisation, as AudioMAE's authors do.
        fusion: time_aligned (features at the times of the spectrum's frames) or repeat (as in the paper).
        raw_queries: give queries to the network as the tagger computes them, as published; by default they are
            standardised by their mean and deviation over training segments.
        detector: classifier with --head max or attention that finds the segment of a clip with its label; by default
            the loudest segment is used, which suits clips of one sound.
        preset: by default resunet30, as published; resunet30-small is for a CPU.
        size: changes to the preset's network, as in --size.n_fft=1024.
        init_from: run to start from, or folder of auricle convert uss, which sets network, rate and query type.
        sample_rate: sample rate in Hz; by default 32000.
        segment_s: length in seconds of the segment of a clip that represents its label.
        crop_s: length of a training crop of a segment in seconds; by default the whole segment.
        normalization: joint (mixture and target are divided by the mixture's maximum) or separate (each by its own,
            equation 2 of the paper).
        speed_perturbation: in training each sound of a mixture is played up to this many times faster or slower, which
            changes its pitch too; 1 leaves it as it is.
        loss: l1 (mean absolute difference from the target, as published) or sdr (the SDR in dB, negative, up to 20 dB).
        splits: which clips are used for training, validation and testing.
        optimization: optimisation of the weights.
        encoder_learning_rate: learning rate of the blocks of an updated encoder.
    """

    path_options = ("data", "tagger", "audiomae", "detector", "init_from", "training.cache_dir")
    model_options = ("tagger", "audiomae", "detector", "init_from")
    basic_options = (
        "data", "tagger", "output", "preset", "init_from", "audiomae", "training.epochs", "training.batch_size",
        "optimization.learning_rate", "seed", "overwrite",
    )  # fmt: skip

    data: str
    tagger: str | None = None
    query: Literal["embedding", "probabilities"] = "embedding"
    audiomae: str | None = None
    encoder: Literal["frozen", "updated"] = "frozen"
    layer_norm: bool = False
    fusion: Literal["time_aligned", "repeat"] = "time_aligned"
    raw_queries: bool = False
    detector: str | None = None
    preset: Literal["resunet30", "resunet30-small"] | None = None
    size: dict[str, Any] | None = None
    init_from: str | None = None
    sample_rate: int | None = None
    segment_s: float = 2.0
    crop_s: float | None = None
    normalization: Literal["joint", "separate"] = "joint"
    speed_perturbation: float = 1.0
    loss: Literal["l1", "sdr"] = "l1"
    splits: SplitOptions = SplitOptions()
    training: BalancedTraining = BalancedTraining(epochs=60, batch_size=16)
    optimization: Optimization = Optimization(learning_rate=1e-3)
    encoder_learning_rate: float = 1e-4
