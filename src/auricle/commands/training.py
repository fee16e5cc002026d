"""Verbs that train."""

from __future__ import annotations

from typing import Any, Literal

from auricle.config import (
    Augmentation,
    Data,
    EmotionLosses,
    EnhancerOptimization,
    Optimization,
    SplitOptions,
    Training,
    plain_settings,
)
from auricle.errors import AuricleError


def train_classifier(
    *,
    data: list[str],
    output: str,
    frontend: str = "",
    frontend_options: dict[str, Any] | None = None,
    backbone: str = "",
    backbone_options: dict[str, Any] | None = None,
    head: str = "",
    label_column: str = "label",
    group_column: str = "",
    skip_bad: bool = False,
    sample_rate: int = 0,
    window_s: float = 0.0,
    short: str = "",
    seed: int = 0,
    init_from: str = "",
    freeze: list[str] | None = None,
    select: SplitOptions = SplitOptions(),
    training: Training = Training(),
    optimization: Optimization = Optimization(),
    augmentation: Augmentation = Augmentation(),
    overwrite: bool = False,
) -> int:
    """Train a sound classifier on labelled recordings, and keep it in a run folder.

    Given again after an interruption, the same command goes on from the last finished epoch.

    Args:
        data: manifest CSV or folder of class folders; several, as name=PATH, share one model with a head each.
        output: folder for the run.
        frontend: a front-end (auricle list frontends); by default leaf.
        frontend_options: its options, as --frontend-options.n_filters=64.
        backbone: a backbone (auricle list backbones); by default cnn-small.
        backbone_options: its options.
        head: linear (the default), or max or attention for a detector that tells when a sound is there (with cnn14).
        label_column: column of the manifest that holds the labels.
        group_column: column of what must stay on one side of a split; by default group, speaker, source or session;
            "none" for no groups.
        skip_bad: leave out files that cannot be used instead of stopping.
        sample_rate: in Hz; by default the recordings' most common rate, at most 16000.
        window_s: seconds that are classified at once; by default 1.
        short: how clips shorter than a window are lengthened, pad (the default) or repeat.
        seed: of everything random.
        init_from: run to fine-tune, or folder of auricle convert; front-end, backbone, head, rate and window are its
            own.
        freeze: parts that do not learn, as frontend or frontend.filterbank or backbone.
        select: which clips are trained on.
        training: how long and on what.
        optimization: how weights are learnt.
        augmentation: what is done to training batches.
        overwrite: remove a run that is in the output folder.
    """
    settings = plain_settings(locals())
    named_frontend = {"name": frontend or "leaf", **(frontend_options or {})}
    named_backbone = {"name": backbone or "cnn-small", **(backbone_options or {})}
    from auricle.tasks.classification import train as classification

    folder = classification.train_classifier(
        data,
        output,
        frontend={"name": frontend or "leaf", **(frontend_options or {})} if frontend or frontend_options else None,
        backbone={"name": backbone or "cnn-small", **(backbone_options or {})}
        if backbone or backbone_options
        else None,
        head=head or None,
        data_options=Data(label_column, group_column, skip_bad),
        split_options=select,
        training=training,
        optimization=optimization,
        augmentation=augmentation,
        sample_rate=sample_rate or None,
        window_s=window_s or None,
        short=short or None,
        seed=seed,
        init_from=init_from or None,
        frozen=freeze or [],
        overwrite=overwrite,
        settings=settings,
    )
    print(f"the model is in {folder}, described in {folder / 'README.md'}")
    return 0


def train_enhancer(
    *,
    speech: str,
    output: str,
    noise: list[str] | None = None,
    preset: str = "",
    size: dict[str, Any] | None = None,
    losses: dict[str, Any] | None = None,
    snr: list[float] | None = None,
    crop_s: float = 2.0,
    group_column: str = "",
    skip_bad: bool = False,
    seed: int = 0,
    init_from: str = "",
    select: SplitOptions = SplitOptions(),
    training: Training = Training(epochs=120, batch_size=4),
    optimization: EnhancerOptimization = EnhancerOptimization(),
    overwrite: bool = False,
) -> int:
    """Train a speech enhancer on clean speech that is mixed with noise, and keep it in a run folder.

    Given again after an interruption, the same command goes on from the last finished epoch.

    Args:
        speech: manifest CSV or folder of clean speech; a manifest's column noisy names noisy versions to learn from
            instead of mixtures.
        output: folder for the run.
        noise: manifests or folders of noise; half of their sources is for training, the others are for testing.
        preset: cmgan (as published, the default) or cmgan-small (a sixteenth of it, without a discriminator, for a
            CPU).
        size: changes of the preset's network, as --size.channels=32.
        losses: changes of the preset's weights of losses, as --losses.adversarial=0.05.
        snr: lowest and highest signal-to-noise ratio of the mixtures in dB; by default 0 and 15.
        crop_s: seconds of speech that are learnt from at once.
        group_column: column of what must stay on one side of a split; by default group, speaker, source or session.
        skip_bad: leave out files that cannot be used instead of stopping.
        seed: of everything random.
        init_from: run to start from, or folder of auricle convert; preset and size are its own.
        select: which clips are trained on.
        training: how long and on what.
        optimization: how weights are learnt.
        overwrite: remove a run that is in the output folder.
    """
    settings = plain_settings(locals())
    if snr is not None and len(snr) != 2:
        raise AuricleError(f"--snr {' '.join(map(str, snr))}: give the lowest and the highest in dB")
    from auricle.tasks.enhancement import train

    folder = train.train_enhancer(
        speech,
        output,
        noise=noise,
        preset=preset,
        size=size,
        losses=losses,
        snr_db=(snr[0], snr[1]) if snr else (0.0, 15.0),
        crop_s=crop_s,
        seed=seed,
        data_options=Data(group_column=group_column, skip_bad=skip_bad),
        split_options=select,
        training=training,
        optimization=optimization,
        init_from=init_from or None,
        overwrite=overwrite,
        settings=settings,
    )
    print(f"the enhancer is in {folder}, described in {folder / 'README.md'}")
    return 0


def train_trnet(
    *,
    data: str,
    noise: list[str],
    output: str,
    unmatched_noise: list[str] | None = None,
    enhancer: str = "spectral-gating",
    kind: str = "trnet",
    variant: str = "paper",
    size: dict[str, Any] | None = None,
    window_s: float = 5.0,
    snr: list[float] | None = None,
    pairs: list[str] | None = None,
    speakers: list[str] | None = None,
    teacher: str = "",
    cache: str = "",
    label_column: str = "label",
    group_column: str = "",
    skip_bad: bool = False,
    seed: int = 0,
    losses: EmotionLosses = EmotionLosses(),
    training: Training = Training(epochs=80),
    optimization: Optimization = Optimization(learning_rate=1e-3),
    overwrite: bool = False,
) -> int:
    """Train emotion recognition that works in noise, leaving out one speaker after another, and test each on its own.

    Every fold trains a teacher on clean speech and then TRNet, or one of its baselines and ablations (--kind), and
    tests it clean, in noise of the kind that it was trained in and in other noise. Given again after an interruption,
    the same command goes on; finished folds are kept. auricle compare sets such runs side by side.

    Args:
        data: manifest CSV with a column speaker, and session where two speakers share one.
        noise: manifests or folders of noise, whose sources are shared out to the speakers: to train and test in.
        output: folder for the run.
        unmatched_noise: manifests or folders of noise that is only tested in.
        enhancer: spectral-gating, identity, or a run of auricle train enhancer.
        kind: trnet, baseline-c (trained on clean speech), baseline-n (in noise too), baseline-e (on enhanced speech),
            no-low or no-high (trnet without a loss).
        variant: paper or published.
        size: changes of the variant's network, as --size.channels=[8,16,32,64].
        window_s: seconds of a clip that are heard.
        snr: signal-to-noise ratios in dB; by default 20, 15, 10, 5 and 0.
        pairs: speakers who validate for each other, as 03-08; by default those of a session.
        speakers: who is left out in turn; by default everybody.
        teacher: finished run of --kind baseline-c whose networks are the teachers; by default they are trained.
        cache: folder that keeps noisy and enhanced speech; by default noisy-speech beside the run.
        label_column: column of the manifest that holds the emotions.
        group_column: column that holds the speakers; by default speaker.
        skip_bad: leave out files that cannot be used instead of stopping.
        seed: of weights and training; the noisy speech does not depend on it.
        losses: weights of what is learnt beside the emotions.
        training: how long and on what.
        optimization: how weights are learnt.
        overwrite: remove a run that is in the output folder.
    """
    settings = plain_settings(locals())
    from auricle.tasks.emotion import train
    from auricle.tasks.emotion.data import SNRS_DB

    folder = train.train_trnet(
        data,
        output,
        noise=noise,
        unmatched_noise=unmatched_noise,
        enhancer=enhancer,
        kind=kind,
        variant=variant,
        size=size,
        window_s=window_s,
        snrs_db=snr or SNRS_DB,
        pairs=pairs or (),
        speakers=speakers or (),
        teacher=teacher or None,
        cache=cache or None,
        seed=seed,
        data_options=Data(label_column, group_column, skip_bad),
        losses=losses,
        training=training,
        optimization=optimization,
        overwrite=overwrite,
        settings=settings,
    )
    print(f"all folds are in {folder}, their answers in {folder / 'predictions.csv'}")
    return 0


def train_audiomae(
    *,
    data: list[str],
    output: str,
    preset: str = "audiomae",
    size: dict[str, Any] | None = None,
    mask_ratio: float = 0.8,
    skip_bad: bool = False,
    seed: int = 0,
    select: SplitOptions = SplitOptions(validation_share=0.05),
    training: Training = Training(epochs=100),
    optimization: Optimization = Optimization(learning_rate=1e-3, schedule="cosine"),
    overwrite: bool = False,
) -> int:
    """Pre-train an audio masked autoencoder on recordings without labels, and keep it in a run folder.

    Given again after an interruption, the same command goes on from the last finished epoch. plots/ shows what the
    autoencoder makes of hidden patches.

    Args:
        data: folders of sound files and manifests, whose labels do not matter; name=PATH where names would be the same.
        output: folder for the run.
        preset: audiomae (as published), audiomae-paper (a decoder of 8 plain blocks) or audiomae-small (2.56 s, for a
            CPU).
        size: changes of the preset's network, as --size.depth=6.
        mask_ratio: share of the patches that is hidden.
        skip_bad: leave out files that cannot be used instead of stopping.
        seed: of everything random.
        select: which clips are trained on; a fold is left out of the sources that have folds, splits are those of the
            sources that have them, and test_share does not count.
        training: how long and on what.
        optimization: how weights are learnt.
        overwrite: remove a run that is in the output folder.
    """
    settings = plain_settings(locals())
    from auricle.tasks.pretraining.train import pretrain_audiomae

    folder = pretrain_audiomae(
        data,
        output,
        preset=preset,
        size=size,
        mask_ratio=mask_ratio,
        seed=seed,
        data_options=Data(skip_bad=skip_bad),
        split_options=select,
        training=training,
        optimization=optimization,
        overwrite=overwrite,
        settings=settings,
    )
    print(f"the autoencoder is in {folder}, described in {folder / 'README.md'}")
    return 0


def train_separator(
    *,
    data: str,
    output: str,
    tagger: str = "",
    query: Literal["embedding", "probabilities"] = "embedding",
    audiomae: str = "",
    encoder: Literal["frozen", "updated"] = "frozen",
    fusion: Literal["time_aligned", "repeat"] = "time_aligned",
    detector: str = "",
    preset: str = "",
    size: dict[str, Any] | None = None,
    init_from: str = "",
    sample_rate: int = 32000,
    segment_s: float = 2.0,
    crop_s: float = 0.0,
    normalization: Literal["joint", "separate"] = "joint",
    label_column: str = "label",
    group_column: str = "",
    skip_bad: bool = False,
    seed: int = 0,
    select: SplitOptions = SplitOptions(),
    training: Training = Training(epochs=60, batch_size=16),
    optimization: Optimization = Optimization(learning_rate=1e-3),
    encoder_learning_rate: float = 1e-4,
    overwrite: bool = False,
) -> int:
    """Train a separator that takes out of a mixture the sound that a query tells of, and keep it in a run folder.

    Clips of two different classes are mixed on the fly, of each the segment where it is heard best; the query is what
    the tagger makes of the target itself. The tagger and the average query of every class are kept in the run. Given
    again after an interruption, the same command goes on from the last finished epoch.

    Args:
        data: manifest CSV or folder of class folders.
        output: folder for the run.
        tagger: run of auricle train classifier, or folder of auricle convert panns, that makes queries of recordings;
            needed unless the run to start from has one.
        query: what of the tagger a query is, its embedding or its labels' probabilities.
        audiomae: run of auricle train audiomae, or folder of auricle convert audiomae, whose features of the mixture
            stand beside the spectrum (MAE-ResUNet); by default none.
        encoder: frozen (its last block), or updated (a weighted sum of its blocks, which learn).
        fusion: time_aligned (features at the times of the spectrum's frames) or repeat (as in the paper).
        detector: classifier with --head max or attention that finds where a label is in a clip; by default the loudest
            segment is taken, which suits clips of one sound.
        preset: resunet30 (as published, the default) or resunet30-small (for a CPU).
        size: changes of the preset's network, as --size.n_fft=1024.
        init_from: run to start from, or folder of auricle convert uss; network, rate and kind of query are its own.
        sample_rate: in Hz.
        segment_s: seconds of a clip that stand for its label.
        crop_s: seconds of a segment that are learnt from at once; 0 is all.
        normalization: joint (the mixture's maximum divides the target too) or separate (each its own, equation 2 of the
            paper).
        label_column: column of the manifest that holds the labels.
        group_column: column of what must stay on one side of a split; by default group, speaker, source or session.
        skip_bad: leave out files that cannot be used instead of stopping.
        seed: of everything random.
        select: which clips are trained on.
        training: how long and on what.
        optimization: how weights are learnt.
        encoder_learning_rate: step size of the blocks of an updated encoder.
        overwrite: remove a run that is in the output folder.
    """
    settings = plain_settings(locals())
    from auricle.tasks.separation import train

    folder = train.train_separator(
        data,
        output,
        tagger=tagger or None,
        query=query,
        audiomae=audiomae or None,
        encoder=encoder,
        fusion=fusion,
        detector=detector or None,
        preset=preset,
        size=size,
        init_from=init_from or None,
        sample_rate=sample_rate,
        segment_s=segment_s,
        crop_s=crop_s,
        normalization=normalization,
        seed=seed,
        data_options=Data(label_column, group_column, skip_bad),
        split_options=select,
        training=training,
        optimization=optimization,
        encoder_learning_rate=encoder_learning_rate,
        overwrite=overwrite,
        settings=settings,
    )
    print(f"the separator is in {folder}, described in {folder / 'README.md'}")
    return 0
