"""Options of the verbs that evaluate, compare and inspect trained models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from auricle.config.groups import Augmentation, ClassifierOptimization, ClassifierTraining, DataOptions, SplitOptions
from auricle.config.options import Options, require


@dataclass(frozen=True, kw_only=True)
class Evaluate(DataOptions):
    """Evaluate a trained classifier, enhancer or separator on clips that were not used in its training.

    Results are written to the run's folder evaluation/. For a classifier: results.json, results.csv, predictions.csv,
    scores.npz and plots. For an enhancer: PESQ, STOI, CSIG, CBAK, COVL, segmental SNR and SI-SDR of the noisy clips, of
    spectral gating and of the enhancer, as results.json, results.csv, clips.csv and table.md. For a separator: SDR and
    SI-SDR of mixtures of two clips, with the target itself as the query and with average queries, as these files and
    report.html. Options that do not apply to the model are refused.

    Args:
        run: folder written by auricle train, teach or convert, published model (auricle list models), or enhancer:
            spectral-gating or identity.
        data: manifest CSV or folder of class folders; for an enhancer, of clean speech.
        split: split to measure on, of the data or else of the run; by default test, else valid, else the clips that
            training put aside.
        fold: fold to measure on.
        task: name of the task, for a classifier with several.
        noise: noise to add: for a classifier gaussian; for an enhancer manifests or folders of noise, whose test split
            is used.
        snr: signal-to-noise ratios in dB; a classifier is always measured on clean clips too; for an enhancer by
            default 0, 5, 10 and 15.
        continuous: run a classifier's front-end through the whole clip instead of restarting it in each window.
        by_group: compute intervals over groups (speakers, sources) instead of clips.
        background: recordings without the classifier's sounds, of any length, as a folder or manifest: its false alarms
            per hour of them are measured, beside its recall of the clips.
        threshold: probability from which a classifier reports a label, in false alarms and for several labels; by
            default the one of each label that was tuned when the run was calibrated, else 0.5.
        raw: measure a classifier without its calibration and its thresholds.
        mixtures: mixtures per class for a separator; by default 10.
        detector: classifier with --head max or attention that finds the class in a clip, for a separator; by default
            the loudest segment of the clip is mixed.
        seed: seed of the noise, the mixtures and the bootstrap.
        device: cpu, cuda, or auto for a GPU if there is one.
        output: folder for the results; by default below the run's folder.
        quiet: show no progress.
    """

    model_options = ("run",)
    basic_options = (
        "run", "data", "snr", "noise", "split", "fold", "background", "by_group", "output", "label_column", "device",
    )  # fmt: skip

    run: str = field(kw_only=False)
    data: str
    split: str | None = None
    fold: str | None = None
    task: str | None = None
    noise: list[str] | None = None
    snr: list[float] | None = None
    continuous: bool = False
    by_group: bool = False
    background: str | None = None
    threshold: float | None = None
    raw: bool = False
    mixtures: int | None = None
    detector: str | None = None
    seed: int = 0
    device: str = "auto"
    output: str | None = None
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class Calibrate(DataOptions):
    """Calibrate a classifier's probabilities on validation clips, and set its thresholds and when it answers "unknown".

    calibration.json in the run folder is written; auricle predict, evaluate, stress, listen and export use it. Training
    does the same with its own validation clips, auricle teach by cross-validation. With one label per clip the
    probabilities are fitted by temperature scaling, with several labels by Platt scaling of each. Clips used for
    training or testing are refused.

    Args:
        run: folder of a classifier, written by auricle train, teach or convert.
        data: manifest CSV or folder of class folders.
        split: split to use; by default the run's validation clips, else the split valid, else all clips that the run
            does not list.
        fold: fold to use.
        task: name of the task, for a classifier with several; the others keep their calibration.
        precision: precision that the threshold of each label has to reach; by default thresholds maximise F1.
        kept: share of the right answers that "unknown" may not replace.
        device: cpu, cuda, or auto for a GPU if there is one.
        quiet: show no progress.
    """

    run: str = field(kw_only=False)
    data: str
    split: str | None = None
    fold: str | None = None
    task: str | None = None
    precision: float | None = None
    kept: float = 0.95
    device: str = "auto"
    quiet: bool = False

    def __post_init__(self) -> None:
        require(
            self.precision is None or 0 < self.precision <= 1, f"precision={self.precision}: a share above 0, at most 1"
        )
        require(0 < self.kept <= 1, f"kept={self.kept:g}: a share above 0, at most 1")


@dataclass(frozen=True, kw_only=True)
class Compare(DataOptions):
    """Compare evaluated runs; or train front-ends on the same data, test them under suites, and compare them.

    With runs, all of one task: a page with every metric of their results and the paired differences between all models,
    for each data set and on average. Runs that differ in their seed only are averaged. Runs of auricle train trnet
    include their evaluation. Output folders of comparisons with data, given as runs, are compared over their data sets.

    With data: every front-end is trained with every seed (and without each fold in turn) and tested under every suite;
    table-*.md in the output folder has the means with intervals and a comparison of the best two, and each suite has a
    report. After an interruption, the same command resumes; finished runs and cells are kept.

    Args:
        runs: run folders that auricle evaluate has measured.
        output: Markdown file for the page; with data, the output folder.
        baseline: model that comes first and that others are compared with, by its name in the tables, its front-end's
            name, or a run's folder; by default that of the first run.
        title: title of the page.
        preface: Markdown file with the text at the top of the page.
        data: manifest CSV or folder of class folders to train and test front-ends on.
        frontends: front-ends to train, as separate names or separated by commas; with options as in
            degram:order=8:merge=mean.
        vary: options of all front-ends to vary, with their values, as in order=2,4,8; several are combined.
        train_condition: clean, or a suite (auricle list suites) whose conditions are applied to training windows.
        test_suite: suites to test under; by default complex.
        seeds: seeds of the trainings; by default 0.
        folds: folds to leave out for testing in turn; by default the test split of the data is used.
        budget: hours for all trainings together; the number of epochs is reduced, equally for all, to fit.
        material: recordings to mix in, as for auricle stress; training and tests use splits that share no source.
        backbone: a backbone (auricle list backbones); by default cnn-small.
        backbone_options: options of the backbone.
        sample_rate: sample rate in Hz; by default the most common rate of the recordings, at most 16000.
        window_s: length of a window in seconds; by default 1.
        short: how clips shorter than a window are lengthened; by default pad, with zeros.
        splits: which clips are used for training, validation and testing.
        training: length of the training and hardware; the same for all trainings.
        optimization: optimisation of the weights.
        augmentation: augmentation of training batches; its conditions are set by --train-condition.
        quiet: show neither progress nor notes.
    """

    basic_options = (
        "runs", "output", "baseline", "title", "data", "frontends", "vary", "train_condition", "test_suite", "seeds",
        "budget", "backbone", "training.epochs",
    )  # fmt: skip

    runs: list[str] | None = field(kw_only=False, default=None)
    output: str
    baseline: str | None = None
    title: str = "Results"
    preface: str | None = None
    data: str | None = None
    frontends: list[str] | None = None
    vary: list[str] | None = None
    train_condition: str = "clean"
    test_suite: list[str] | None = None
    seeds: list[int] | None = None
    folds: list[str] | None = None
    budget: float | None = None
    material: list[str] | None = None
    backbone: str | None = None
    backbone_options: dict[str, Any] | None = None
    sample_rate: int | None = None
    window_s: float | None = None
    short: Literal["pad", "repeat"] | None = None
    splits: SplitOptions = SplitOptions()
    training: ClassifierTraining = ClassifierTraining()
    optimization: ClassifierOptimization = ClassifierOptimization()
    augmentation: Augmentation = Augmentation()
    quiet: bool = False

    def refuse_unused(self) -> None:
        """The augmentation is completed by the condition of a training, which may leave an option without an effect."""
        self.optimization.refuse_unused()


@dataclass(frozen=True, kw_only=True)
class Stress(DataOptions):
    """Evaluate models under every condition of a suite, and write statistics with intervals and a report.

    report.html is self-contained; cells.csv has every prediction of every model, figures.csv every figure. After an
    interruption, the same command resumes; finished cells are not measured again, except those of Python functions.

    Args:
        runs: folders written by auricle train, teach or convert, published models (auricle list models), ONNX files, or
            Python functions as module:function, which take a waveform and its sample rate and return the probability
            of each label; all of the same labels. Runs of one front-end that differ in their seed only are averaged.
        data: manifest CSV or folder of class folders; clips that a run was trained on are refused.
        suite: a suite (auricle list suites), or a suite.json of auricle corrupt.
        baseline: model that the others are compared with: their errors are divided by its own; by default mel, else the
            first.
        split: split to measure on, of the data or else of the run; by default test, else valid, else the clips that
            training put aside.
        fold: fold to measure on.
        material: recordings to mix in: a folder with the sub-folders noise, music, speech, room, or kind=PATH, as in
            noise=esc-50/audio; kinds that are not given are synthetic.
        material_split: split of the material to use, test or train, which share no source; or all.
        background: recordings without the runs' sounds, as a folder or manifest, in which false alarms per hour are
            counted under every condition; with clips of the data that have no label.
        threshold: probability from which a label is a false alarm there, or wrong for a clip without labels; by
            default the one of each label that was tuned when the run was calibrated, else 0.5.
        seed: seed of the conditions and the bootstrap.
        output: folder for the report; by default stress/DATA-SPLIT-SUITE.
        device: cpu, cuda, or auto for a GPU if there is one.
        quiet: show no progress.
    """

    model_options = ("runs",)
    function_options = ("runs",)
    basic_options = (
        "runs", "data", "suite", "baseline", "material", "background", "split", "fold", "output", "label_column",
        "device",
    )  # fmt: skip

    runs: list[str | Callable[..., Any]] = field(kw_only=False)
    data: str
    suite: str = "full"
    baseline: str | None = None
    split: str | None = None
    fold: str | None = None
    material: list[str] | None = None
    material_split: Literal["test", "train", "all"] = "test"
    background: str | None = None
    threshold: float | None = None
    seed: int = 0
    output: str | None = None
    device: str = "auto"
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class Inspect(Options):
    """Plot what runs have learnt, and the outputs of their front-ends for sounds, as PNG files and as one page.

    Args:
        runs: folders written by auricle train, teach or convert, or published models (auricle list models).
        files: sound files; the first ten seconds of each are shown.
        output: folder for index.html and plots.
    """

    model_options = ("runs",)

    runs: list[str] = field(kw_only=False)
    files: list[str] | None = None
    output: str = "inspect"


@dataclass(frozen=True, kw_only=True)
class Bench(Options):
    """Count the parameters and multiply-adds of classifiers, and time them on clips of several lengths.

    For runs, with the accuracy that auricle evaluate measured; or for every front-end with every backbone, untrained.

    Args:
        runs: folders written by auricle train, teach or convert, or published models (auricle list models).
        frontends: front-ends (auricle list frontends), with options as in degram:order=8.
        backbones: backbones (auricle list backbones).
        lengths_s: lengths of the clips in seconds.
        repeats: timed repetitions, of which the median is reported.
        sample_rate: sample rate of untrained models in Hz.
        threads: number of CPU threads; by default torch's.
        device: cpu, cuda, or auto for a GPU if there is one.
        output: Markdown file to write, beside it the plot of accuracies if they are known (NAME-accuracy.png); by
            default the tables are printed.
        title: title of the page.
        preface: Markdown file with the text at the top of the page.
        quiet: show no progress.
    """

    model_options = ("runs",)

    runs: list[str] | None = field(kw_only=False, default=None)
    frontends: list[str] | None = None
    backbones: list[str] | None = None
    lengths_s: list[float] = field(default_factory=lambda: [1.0, 3.0, 5.0, 10.0])
    repeats: int = 15
    sample_rate: int = 16000
    threads: int | None = None
    device: str = "cpu"
    output: str | None = None
    title: str = "What models cost"
    preface: str | None = None
    quiet: bool = False
