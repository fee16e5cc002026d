"""Verbs that measure what was trained, and show what it has learnt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from auricle.config import Augmentation, Data, Optimization, SplitOptions, Training
from auricle.errors import AuricleError


def evaluate(
    run: str,
    *,
    data: str,
    split: str = "",
    fold: str = "",
    task: str = "",
    noise: list[str] | None = None,
    snr: list[float] | None = None,
    continuous: bool = False,
    label_column: str = "label",
    group_column: str = "",
    skip_bad: bool = False,
    by_group: bool = False,
    mixtures: int = 10,
    detector: str = "",
    seed: int = 0,
    device: str = "auto",
    output: str = "",
) -> int:
    """Measure a trained classifier, enhancer or separator on clips that it has not heard.

    Of a classifier: results.json, results.csv, predictions.csv, scores.npz and plots, below the run's folder
    evaluation/. Of an enhancer: PESQ, STOI, CSIG, CBAK, COVL, segmental SNR and SI-SDR of the noisy clips, of spectral
    gating and of the enhancer, as results.json, results.csv, clips.csv and table.md. Of a separator: SDR and SI-SDR of
    mixtures of two clips, with the target itself as the query and with average queries, as those files and report.html.

    Args:
        run: folder that auricle train wrote; or an enhancer's name, spectral-gating or identity.
        data: manifest CSV or folder of class folders; of clean speech for an enhancer.
        split: the split to measure on; by default test, else valid, else what training put aside.
        fold: the fold to measure on.
        task: the task, where the model has several.
        noise: what is added, gaussian; for an enhancer manifests or folders of noise, of whose sources the half for
            testing is used.
        snr: signal-to-noise ratios in dB; a classifier is always measured on clean clips too, an enhancer by default
            at 0, 5, 10 and 15.
        continuous: the front-end runs through the whole clip instead of starting afresh in each window.
        label_column: column of the manifest that holds the labels.
        group_column: column that names the groups.
        skip_bad: leave out files that cannot be used instead of stopping.
        by_group: intervals over groups (speakers, sources) instead of clips.
        mixtures: how many a separator is given of each class.
        detector: classifier with segment-wise decisions that finds the class in a clip, for a separator; without one
            the loudest part of the clip is mixed.
        seed: of the noise, of the mixtures and of the bootstrap.
        device: cpu, cuda, or auto for a GPU if there is one.
        output: folder for the results instead of the run's own.
    """
    from auricle.tasks.enhancement.open import enhances
    from auricle.tasks.separation.open import separates

    if separates(run):
        from auricle.tasks.separation.evaluate import evaluate_separator

        separated = evaluate_separator(
            run,
            data,
            mixtures_of_a_class=mixtures,
            detector=detector,
            data_options=Data(label_column=label_column, group_column=group_column, skip_bad=skip_bad),
            split=split,
            fold=fold,
            seed=seed,
            device=device,
            output=output or None,
        )
        print(separated.markdown())
        print(f"written to {separated.folder}")
        return 0
    if enhances(run):
        from auricle.tasks.enhancement.evaluate import SNRS_DB, evaluate_enhancer

        measured = evaluate_enhancer(
            run,
            data,
            noise=noise or [],
            snr=snr or SNRS_DB,
            data_options=Data(group_column=group_column, skip_bad=skip_bad),
            split=split,
            fold=fold,
            by_group=by_group,
            seed=seed,
            device=device,
            output=output or None,
        )
        print(measured.markdown())
        print(f"written to {measured.folder}")
        return 0
    if noise is not None and len(noise) != 1:
        raise AuricleError(f"--noise {' '.join(noise)}: a classifier is measured in one kind of noise, gaussian")
    from auricle.tasks.classification.evaluate import evaluate_run

    evaluation = evaluate_run(
        run,
        data,
        data_options=Data(label_column=label_column, group_column=group_column, skip_bad=skip_bad),
        split=split,
        fold=fold,
        task=task,
        noise=noise[0] if noise else "gaussian",
        snr=snr,
        continuous=continuous,
        by_group=by_group,
        seed=seed,
        device=device,
        output=output or None,
    )
    evaluation.show()
    return 0


def compare(
    runs: list[str] | None = None,
    *,
    output: str,
    baseline: str = "",
    title: str = "Results",
    preface: str = "",
    data: str = "",
    frontends: list[str] | None = None,
    vary: list[str] | None = None,
    train_condition: str = "clean",
    test_suite: list[str] | None = None,
    seeds: list[int] | None = None,
    folds: list[str] | None = None,
    budget: float = 0.0,
    material: list[str] | None = None,
    backbone: str = "cnn-small",
    backbone_options: dict[str, Any] | None = None,
    sample_rate: int = 0,
    window_s: float = 0.0,
    short: str = "",
    data_options: Data = Data(),
    select: SplitOptions = SplitOptions(),
    training: Training = Training(),
    optimization: Optimization = Optimization(),
    augmentation: Augmentation = Augmentation(),
) -> int:
    """Set evaluated runs side by side; or train front-ends on the same data, test them under suites, and compare those.

    Of runs: a page with tables, paired differences and plots. Runs of one front-end that differ in their seed are
    averaged. Where the runs cover several data sets, the bootstrap over data sets of the LEAF paper is added. Runs of
    auricle train trnet, which have measured themselves, are set side by side as in the TRNet paper's Table 1.

    Of data: every front-end with every seed (and every fold in turn) is trained and tested under every suite;
    table-*.md in the output folder has the means with intervals and the best two compared, and each suite its report.
    Given again after an interruption it goes on; finished runs and cells are kept.

    Args:
        runs: run folders that auricle evaluate has measured.
        output: the page, a Markdown file; of data, a folder.
        baseline: the front-end that differences are taken from, by default mel, if it is there; of emotion runs the
            model that is compared with each other, by default trnet.
        title: the page's title.
        preface: a Markdown file whose text opens the page.
        data: manifest CSV or folder of class folders to train and test front-ends on.
        frontends: the front-ends to train, names after one another or with commas; with options as
            degram:order=8:merge=mean.
        vary: options of every front-end that is trained and their values, as order=2,4,8; several are combined.
        train_condition: clean, or a suite (auricle list suites) whose conditions training windows go through.
        test_suite: suites to test under; by default complex.
        seeds: of the trainings; by default 0.
        folds: folds to leave out for testing, each in turn; by default the data's own test part is used.
        budget: hours that all trainings may take; epochs are cut, equally in all, to fit.
        material: what is mixed in, as for auricle stress; training and tests take halves that share no source.
        backbone: a backbone (auricle list backbones).
        backbone_options: its options.
        sample_rate: in Hz; by default the recordings' most common rate, at most 16000.
        window_s: seconds that are classified at once; by default 1.
        short: how clips shorter than a window are lengthened, pad (the default) or repeat.
        data_options: how data are read.
        select: which clips are trained on.
        training: how long and on what; the same in every cell.
        optimization: how weights are learnt.
        augmentation: what is done to training batches; its conditions are --train-condition.
    """
    if frontends:
        if not data or runs:
            raise AuricleError("--frontends are trained on --data, and runs are not given then")
        from auricle.studies.grid.grid import Grid, plan_epochs, stress_grid, train_grid, variations

        grid = Grid(
            data=data,
            frontends=variations([name for text in frontends for name in text.split(",") if name], vary or []),
            seeds=seeds or [0],
            folder=Path(output),
            folds=folds or [],
            train_condition=train_condition,
            material=material or [],
            backbone=backbone,
            backbone_options=backbone_options or {},
            sample_rate=sample_rate or None,
            window_s=window_s or None,
            short=short or None,
            data_options=data_options,
            split_options=select,
            training=training,
            optimization=optimization,
            augmentation=augmentation,
        )
        if budget:
            grid.training = replace(training, epochs=plan_epochs(grid, budget))
            print(f"{grid.training.epochs} epochs in each of {len(grid.cells())} trainings fit into {budget:g} h")
        train_grid(grid)
        stress_grid(grid, test_suite or ["complex"])
        print(f"the table is {Path(output) / f'table-{train_condition}.md'}")
        return 0
    if not runs:
        raise AuricleError("give runs to compare, or --data and --frontends to train and compare")

    opening = Path(preface).read_text(encoding="utf-8").strip() if preface else ""
    from auricle.tasks.emotion.table import is_emotion_run, read_emotion_runs, write_emotion_page

    if any(is_emotion_run(run) for run in runs):
        write_emotion_page(Path(output), read_emotion_runs(runs), baseline, title, opening)
        print(f"written to {output}")
        return 0
    from auricle.studies.compare import read_evaluations, write_comparison

    write_comparison(Path(output), read_evaluations(runs), baseline, title, opening)
    print(f"written to {output}")
    return 0


def stress(
    runs: list[str],
    *,
    data: str,
    suite: str = "full",
    baseline: str = "",
    split: str = "",
    fold: str = "",
    material: list[str] | None = None,
    material_split: str = "test",
    seed: int = 0,
    data_options: Data = Data(),
    output: str = "",
    device: str = "auto",
) -> int:
    """Measure runs under every condition of a suite, and write figures with intervals and a report to read.

    report.html opens without a network; cells.csv has every answer of every run, summary.csv and corruptions.csv what
    they come to. Given again after an interruption, finished cells are not measured again.

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
        data_options: how data are read.
        output: folder for the report; by default stress/DATA-PART-SUITE.
        device: cpu, cuda, or auto for a GPU if there is one.
    """
    from auricle.data.material import read_material
    from auricle.studies.corrupt import open_suite
    from auricle.studies.stress.stress import show, stress_runs

    opened = open_suite(suite, seed, read_material(material or [], progress=True), material_split)
    test, chosen, page = stress_runs(
        runs,
        data,
        opened,
        data_options=data_options,
        split=split,
        fold=fold,
        baseline=baseline,
        output=output,
        seed=seed,
        device=device,
    )
    print(show(test, chosen))
    print(f"the report is {page}")
    return 0


def inspect(runs: list[str], *, files: list[str] | None = None, output: str = "inspect") -> int:
    """Draw what runs have learnt, and what their front-ends make of sounds, as PNG and as one page.

    Args:
        runs: folders that auricle train wrote.
        files: sound files; the first ten seconds of each are drawn.
        output: folder for index.html and plots.
    """
    from auricle.studies.inspect import inspect_runs

    print(f"written to {inspect_runs(runs, files or [], Path(output))}")
    return 0


def bench(
    runs: list[str] | None = None,
    *,
    frontends: list[str] | None = None,
    backbones: list[str] | None = None,
    lengths_s: list[float] | None = None,
    repeats: int = 15,
    sample_rate: int = 16000,
    threads: int = 0,
    device: str = "cpu",
    output: str = "",
    title: str = "What models cost",
    preface: str = "",
) -> int:
    """Count parameters and multiply-adds of classifiers, and time them on clips of several lengths.

    Of runs, with the accuracy that auricle evaluate measured; or of every front-end with every backbone, untrained.

    Args:
        runs: folders that auricle train wrote.
        frontends: front-ends (auricle list frontends), with options as degram:order=8.
        backbones: backbones (auricle list backbones).
        lengths_s: of the clips in seconds; by default 1, 3, 5 and 10.
        repeats: turns that are timed; the median counts.
        sample_rate: of untrained models in Hz.
        threads: of the processor; by default as many as torch takes.
        device: cpu, cuda, or auto for a GPU if there is one.
        output: Markdown file to write; by default the tables are shown.
        title: the page's title.
        preface: a Markdown file whose text opens the page.
    """
    from auricle.studies.costs import bench_models

    print(
        bench_models(
            runs or [],
            frontends or [],
            [name for text in backbones or [] for name in text.split(",") if name],
            lengths_s=lengths_s or [1.0, 3.0, 5.0, 10.0],
            repeats=repeats,
            sample_rate=sample_rate,
            threads=threads,
            device=device,
            output=Path(output) if output else None,
            title=title,
            opening=Path(preface).read_text(encoding="utf-8").strip() if preface else "",
        )
    )
    return 0
