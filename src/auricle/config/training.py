"""The options of the verbs that train."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from auricle.config.groups import (
    Augmentation,
    BalancedTraining,
    ClassifierOptimization,
    ClassifierTraining,
    DataOptions,
    EmotionLosses,
    EnhancerOptimization,
    Optimization,
    PretrainingSplitOptions,
    SplitOptions,
    Training,
)
from auricle.config.options import Options


@dataclass(frozen=True, kw_only=True)
class RunOptions(Options):
    """The options of every training.

    Args:
        output: folder for the run.
        training: how long and on what.
        seed: of everything random.
        overwrite: remove a run that is in the output folder.
        quiet: show neither progress nor notes.
    """

    output: str
    training: Training = Training()
    seed: int = 0
    overwrite: bool = False
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class TrainClassifier(RunOptions, DataOptions):
    """Train a sound classifier on labelled recordings, and keep it in a run folder.

    Given again after an interruption, the same command goes on from the last finished epoch.

    Args:
        data: manifest CSV or folder of class folders; several, as name=PATH, share one model with a head each.
        frontend: a front-end (auricle list frontends); by default leaf.
        frontend_options: its options, as --frontend-options.n_filters=64.
        backbone: a backbone (auricle list backbones); by default cnn-small.
        backbone_options: its options.
        head: linear (the default), or max or attention for a detector of when a sound is there (with cnn14).
        sample_rate: in Hz; by default the recordings' most common rate, at most 16000.
        window_s: seconds that are classified at once; by default 1.
        short: how clips shorter than a window are lengthened, pad (the default) or repeat.
        init_from: run to fine-tune, or folder of auricle convert; front-end, backbone, head, rate and window are its
            own.
        freeze: modules that do not learn, as frontend or frontend.filterbank or backbone.
        splits: which clips are for training, validation and testing.
        optimization: how weights are learnt.
        augmentation: what is done to training batches.
    """

    path_options = ("data", "init_from", "augmentation.material", "training.cache_dir")

    data: list[str]
    frontend: str | None = None
    frontend_options: dict[str, Any] | None = None
    backbone: str | None = None
    backbone_options: dict[str, Any] | None = None
    head: str | None = None
    sample_rate: int | None = None
    window_s: float | None = None
    short: str | None = None
    init_from: str | None = None
    freeze: list[str] = field(default_factory=list)
    splits: SplitOptions = SplitOptions()
    training: ClassifierTraining = ClassifierTraining()
    optimization: ClassifierOptimization = ClassifierOptimization()
    augmentation: Augmentation = Augmentation()


@dataclass(frozen=True, kw_only=True)
class TrainEnhancer(RunOptions):
    """Train a speech enhancer on clean speech that is mixed with noise, and keep it in a run folder.

    Given again after an interruption, the same command goes on from the last finished epoch.

    Args:
        speech: manifest CSV or folder of clean speech; a manifest's column noisy names noisy versions to learn from
            instead of mixtures.
        noise: manifests or folders of noise; the training split of their sources is used, the other is for testing.
        preset: cmgan (as published, the default) or cmgan-small (a sixteenth of it, without a discriminator, for a
            CPU).
        size: changes of the preset's network, as --size.channels=32.
        losses: changes of the preset's weights of losses, as --losses.adversarial=0.05.
        snr: lowest and highest signal-to-noise ratio of the mixtures in dB.
        crop_s: seconds of speech that are learnt from at once.
        group_column: column of what must stay in one split; by default group, speaker, source or session; "none" treats
            every file as its own group.
        skip_bad: leave out files that cannot be used instead of stopping.
        init_from: run to start from, or folder of auricle convert; preset and size are its own.
        splits: which clips are for training, validation and testing.
        optimization: how weights are learnt.
    """

    path_options = ("speech", "noise", "init_from", "training.cache_dir")

    speech: str
    noise: list[str] | None = None
    preset: str | None = None
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
class TrainTRNet(RunOptions, DataOptions):
    """Train emotion recognition that works in noise, leaving out one speaker after another, and test each on its own.

    Every fold trains a teacher on clean speech and then TRNet, or one of its baselines and ablations (--kind), and
    tests it clean, in noise of the kind that it was trained in and in other noise. Given again after an interruption,
    the same command goes on; finished folds are kept. auricle compare sets such runs side by side.

    Args:
        data: manifest CSV with a column speaker, and session where two speakers share one.
        noise: manifests or folders of noise, whose sources are shared out to the speakers: to train and test in.
        unmatched_noise: manifests or folders of noise that is only tested in.
        enhancer: spectral-gating, identity, or a run of auricle train enhancer.
        kind: trnet, baseline-c (trained on clean speech), baseline-n (in noise too), baseline-e (on enhanced speech),
            no-low or no-high (trnet without a loss).
        variant: paper or published.
        size: changes of the variant's network, as --size.channels=[8,16,32,64].
        window_s: seconds of a clip that are used.
        snr: signal-to-noise ratios in dB.
        pairs: speakers who validate for each other, as 03-08; by default those of a session.
        speakers: who is left out in turn; by default everybody.
        teacher: finished run of --kind baseline-c whose networks are the teachers; by default they are trained.
        cache: folder that keeps noisy and enhanced speech; by default noisy-speech beside the run.
        group_column: column that holds the speakers; by default speaker.
        seed: of weights and training; the noisy speech does not depend on it.
        losses: weights of the losses beside the cross-entropy.
        optimization: how weights are learnt.
    """

    path_options = ("data", "noise", "unmatched_noise", "enhancer", "teacher", "cache", "training.cache_dir")

    data: str
    noise: list[str]
    unmatched_noise: list[str] | None = None
    enhancer: str = "spectral-gating"
    kind: str = "trnet"
    variant: str = "paper"
    size: dict[str, Any] | None = None
    window_s: float = 5.0
    snr: list[float] = field(default_factory=lambda: [20.0, 15.0, 10.0, 5.0, 0.0])
    pairs: list[str] | None = None
    speakers: list[str] | None = None
    teacher: str | None = None
    cache: str | None = None
    losses: EmotionLosses = EmotionLosses()
    training: Training = Training(epochs=80)
    optimization: Optimization = Optimization(learning_rate=1e-3)


@dataclass(frozen=True, kw_only=True)
class TrainAudioMAE(RunOptions):
    """Pre-train an audio masked autoencoder on recordings without labels, and keep it in a run folder.

    Given again after an interruption, the same command goes on from the last finished epoch. plots/ shows how the
    autoencoder reconstructs masked patches.

    Args:
        data: folders of sound files and manifests, whose labels do not matter; name=PATH where names would be the same.
        preset: audiomae (as published), audiomae-paper (a decoder of 8 plain blocks) or audiomae-small (2.56 s, for a
            CPU).
        size: changes of the preset's network, as --size.depth=6.
        mask_ratio: share of the patches that is masked.
        skip_bad: leave out files that cannot be used instead of stopping.
        splits: which recordings are for training; a fold is left out of the sources that have folds, splits are those
            of the sources that have them.
        optimization: how weights are learnt.
    """

    path_options = ("data", "training.cache_dir")

    data: list[str]
    preset: str = "audiomae"
    size: dict[str, Any] | None = None
    mask_ratio: float = 0.8
    skip_bad: bool = False
    splits: PretrainingSplitOptions = PretrainingSplitOptions(validation_share=0.05)
    training: Training = Training(epochs=100)
    optimization: Optimization = Optimization(learning_rate=1e-3, schedule="cosine")


@dataclass(frozen=True, kw_only=True)
class TrainSeparator(RunOptions, DataOptions):
    """Train a separator that extracts the sound that a query describes from a mixture, and keep it in a run folder.

    Clips of two different classes are mixed on the fly, of each the segment where it is heard best; the query is the
    tagger's embedding of the target itself. The tagger and the average query of every class are kept in the run. Given
    again after an interruption, the same command goes on from the last finished epoch.

    Args:
        data: manifest CSV or folder of class folders.
        tagger: run of auricle train classifier, or folder of auricle convert panns, that makes queries of recordings;
            needed unless the run to start from has one.
        query: which of the tagger's outputs is the query, its embedding or its labels' probabilities.
        audiomae: run of auricle train audiomae, or folder of auricle convert audiomae, whose features of the mixture
            are an additional input (MAE-ResUNet); by default none.
        encoder: frozen (its last block), or updated (a weighted sum of its blocks, which learn).
        fusion: time_aligned (features at the times of the spectrum's frames) or repeat (as in the paper).
        detector: classifier with --head max or attention that finds where a label is in a clip; by default the loudest
            segment is taken, which suits clips of one sound.
        preset: resunet30 (as published, the default) or resunet30-small (for a CPU).
        size: changes of the preset's network, as --size.n_fft=1024.
        init_from: run to start from, or folder of auricle convert uss; network, rate and query type are its own.
        sample_rate: in Hz; by default 32000.
        segment_s: seconds of a clip that stand for its label.
        crop_s: seconds of a segment that are learnt from at once; by default all of it.
        normalization: joint (the mixture's maximum divides the target too) or separate (each its own, equation 2 of the
            paper).
        splits: which clips are for training, validation and testing.
        optimization: how weights are learnt.
        encoder_learning_rate: step size of the blocks of an updated encoder.
    """

    path_options = ("data", "tagger", "audiomae", "detector", "init_from", "training.cache_dir")

    data: str
    tagger: str | None = None
    query: Literal["embedding", "probabilities"] = "embedding"
    audiomae: str | None = None
    encoder: Literal["frozen", "updated"] = "frozen"
    fusion: Literal["time_aligned", "repeat"] = "time_aligned"
    detector: str | None = None
    preset: str | None = None
    size: dict[str, Any] | None = None
    init_from: str | None = None
    sample_rate: int | None = None
    segment_s: float = 2.0
    crop_s: float | None = None
    normalization: Literal["joint", "separate"] = "joint"
    splits: SplitOptions = SplitOptions()
    training: BalancedTraining = BalancedTraining(epochs=60, batch_size=16)
    optimization: Optimization = Optimization(learning_rate=1e-3)
    encoder_learning_rate: float = 1e-4
