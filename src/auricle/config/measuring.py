"""The options of the verbs that measure what was trained, and show what it has learnt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from auricle.config.groups import Augmentation, ClassifierOptimization, ClassifierTraining, DataOptions, SplitOptions
from auricle.config.options import Options


@dataclass(frozen=True, kw_only=True)
class Evaluate(DataOptions):
    """Measure a trained classifier, enhancer or separator on clips that it has not heard.

    Of a classifier: results.json, results.csv, predictions.csv, scores.npz and plots, below the run's folder
    evaluation/. Of an enhancer: PESQ, STOI, CSIG, CBAK, COVL, segmental SNR and SI-SDR of the noisy clips, of spectral
    gating and of the enhancer, as results.json, results.csv, clips.csv and table.md. Of a separator: SDR and SI-SDR of
    mixtures of two clips, with the target itself as the query and with average queries, as those files and report.html.
    An option that the model has no use for is refused.

    Args:
        run: folder that auricle train wrote; or an enhancer's name, spectral-gating or identity.
        data: manifest CSV or folder of class folders; of clean speech for an enhancer.
        split: the split to measure on; by default test, else valid, else the clips that training put aside.
        fold: the fold to measure on.
        task: the task, where a classifier has several.
        noise: the noise that is added: for a classifier gaussian; for an enhancer manifests or folders of noise, of
            whose sources the test split is used.
        snr: signal-to-noise ratios in dB; a classifier is always measured on clean clips too, an enhancer by default
            at 0, 5, 10 and 15.
        continuous: a classifier's front-end runs through the whole clip instead of starting afresh in each window.
        by_group: intervals over groups (speakers, sources) instead of clips.
        mixtures: how many mixtures of each class a separator is given; by default 10.
        detector: classifier with --head max or attention that finds the class in a clip, for a separator; by default
            the loudest segment of the clip is mixed.
        seed: of the noise, of the mixtures and of the bootstrap.
        device: cpu, cuda, or auto for a GPU if there is one.
        output: folder for the results; by default below the run's own.
        quiet: show no progress.
    """

    run: str = field(kw_only=False)
    data: str
    split: str | None = None
    fold: str | None = None
    task: str | None = None
    noise: list[str] | None = None
    snr: list[float] | None = None
    continuous: bool = False
    by_group: bool = False
    mixtures: int | None = None
    detector: str | None = None
    seed: int = 0
    device: str = "auto"
    output: str | None = None
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class Compare(DataOptions):
    """Compare evaluated runs; or train front-ends on the same data, test them under suites, and compare those.

    Of runs, which may be of any one task: a page with every metric that their results hold, each model against each
    other one with paired differences, per data set and on average. Runs that differ in their seed alone are averaged.
    Runs of auricle train trnet have measured themselves.

    Of data: every front-end with every seed (and every fold in turn) is trained and tested under every suite;
    table-*.md in the output folder has the means with intervals and the best two compared, and each suite its report.
    Given again after an interruption it goes on; finished runs and cells are kept.

    Args:
        runs: run folders that auricle evaluate has measured.
        output: the page, a Markdown file; of data, a folder.
        baseline: the model that comes first in the tables; by default mel, or trnet, if it is there.
        title: the page's title.
        preface: a Markdown file whose text opens the page.
        data: manifest CSV or folder of class folders to train and test front-ends on.
        frontends: the front-ends to train, names after one another or with commas; with options as
            degram:order=8:merge=mean.
        vary: options of every front-end that is trained and their values, as order=2,4,8; several are combined.
        train_condition: clean, or a suite (auricle list suites) whose conditions training windows go through.
        test_suite: suites to test under; by default complex.
        seeds: of the trainings; by default 0.
        folds: folds to leave out for testing, each in turn; by default the data's own test split is used.
        budget: hours that all trainings may take; epochs are cut, equally in all, to fit.
        material: what is mixed in, as for auricle stress; training and tests take splits that share no source.
        backbone: a backbone (auricle list backbones); by default cnn-small.
        backbone_options: its options.
        sample_rate: in Hz; by default the recordings' most common rate, at most 16000.
        window_s: seconds that are classified at once; by default 1.
        short: how clips shorter than a window are lengthened, pad (the default) or repeat.
        splits: which clips are for training, validation and testing.
        training: how long and on what; the same in every cell.
        optimization: how weights are learnt.
        augmentation: what is done to training batches; its conditions are --train-condition.
        quiet: show neither progress nor notes.
    """

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
    short: str | None = None
    splits: SplitOptions = SplitOptions()
    training: ClassifierTraining = ClassifierTraining()
    optimization: ClassifierOptimization = ClassifierOptimization()
    augmentation: Augmentation = Augmentation()
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class Stress(DataOptions):
    """Measure runs under every condition of a suite, and write figures with intervals and a report to read.

    report.html opens without a network; cells.csv has every answer of every run, summary.csv and corruptions.csv the
    figures made from them. Given again after an interruption, finished cells are not measured again.

    Args:
        runs: folders that auricle train wrote, for the same labels; runs of one front-end that differ in their seed
            are averaged.
        data: manifest CSV or folder of class folders; clips that a run was trained on are refused.
        suite: a suite (auricle list suites), or a suite.json of auricle corrupt.
        baseline: run or model by whose errors the others' are divided; by default mel, else the first.
        split: split to measure on; by default test, else valid, else the clips that training put aside.
        fold: fold to measure on.
        material: what is mixed in: a folder with the sub-folders noise, music, speech, room, or kind=PATH, as
            noise=esc-50/audio; kinds that are not given are synthetic.
        material_split: the split of the material that is used, test or train, which share no source; or all.
        seed: of the conditions and of the intervals.
        output: folder for the report; by default stress/DATA-SPLIT-SUITE.
        device: cpu, cuda, or auto for a GPU if there is one.
        quiet: show no progress.
    """

    runs: list[str] = field(kw_only=False)
    data: str
    suite: str = "full"
    baseline: str | None = None
    split: str | None = None
    fold: str | None = None
    material: list[str] | None = None
    material_split: Literal["test", "train", "all"] = "test"
    seed: int = 0
    output: str | None = None
    device: str = "auto"
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class Inspect(Options):
    """Draw what runs have learnt, and what their front-ends make of sounds, as PNG and as one page.

    Args:
        runs: folders that auricle train wrote.
        files: sound files; the first ten seconds of each are drawn.
        output: folder for index.html and plots.
    """

    runs: list[str] = field(kw_only=False)
    files: list[str] | None = None
    output: str = "inspect"


@dataclass(frozen=True, kw_only=True)
class Bench(Options):
    """Count parameters and multiply-adds of classifiers, and time them on clips of several lengths.

    Of runs, with the accuracy that auricle evaluate measured; or of every front-end with every backbone, untrained.

    Args:
        runs: folders that auricle train wrote.
        frontends: front-ends (auricle list frontends), with options as degram:order=8.
        backbones: backbones (auricle list backbones).
        lengths_s: of the clips in seconds.
        repeats: rounds that are timed; the median counts.
        sample_rate: of untrained models in Hz.
        threads: of the processor; by default as many as torch takes.
        device: cpu, cuda, or auto for a GPU if there is one.
        output: Markdown file to write; by default the tables are printed.
        title: the page's title.
        preface: a Markdown file whose text opens the page.
        quiet: show no progress.
    """

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
