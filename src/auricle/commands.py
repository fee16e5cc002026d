"""The verbs of the command line, each one typed function that Python code can call as well.

A function only arranges: what it needs is imported when it runs, so that `auricle --help` is quick.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from auricle.errors import AuricleError
from auricle.options import (
    Augmentation,
    Choice,
    Data,
    EmotionLosses,
    EnhancerOptimization,
    Optimization,
    Training,
    plain_settings,
)


def train_classifier(
    *,
    data: list[str],
    output: str,
    frontend: str = "",
    frontend_options: dict[str, Any] | None = None,
    backbone: str = "",
    backbone_options: dict[str, Any] | None = None,
    label_column: str = "label",
    group_column: str = "",
    skip_bad: bool = False,
    sample_rate: int = 0,
    window_s: float = 0.0,
    short: str = "",
    seed: int = 0,
    init_from: str = "",
    freeze: list[str] | None = None,
    select: Choice = Choice(),
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
        label_column: column of the manifest that holds the labels.
        group_column: column of what must stay on one side of a split; by default group, speaker, source or session;
            "none" for no groups.
        skip_bad: leave out files that cannot be used instead of stopping.
        sample_rate: in Hz; by default the recordings' most common rate, at most 16000.
        window_s: seconds that are classified at once; by default 1.
        short: how clips shorter than a window are lengthened, pad (the default) or repeat.
        seed: of everything random.
        init_from: run to fine-tune; front-end, backbone, rate and window are its own.
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
    from auricle import classification

    folder = classification.train_classifier(
        data,
        output,
        frontend={"name": frontend or "leaf", **(frontend_options or {})} if frontend or frontend_options else None,
        backbone={"name": backbone or "cnn-small", **(backbone_options or {})}
        if backbone or backbone_options
        else None,
        data_options=Data(label_column, group_column, skip_bad),
        choice=select,
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
    select: Choice = Choice(),
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
    from auricle.enhancement import train

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
        choice=select,
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
    from auricle.emotion import train
    from auricle.emotion.noisy import SNRS_DB

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


def convert_cmgan(checkpoint: str, output: str) -> int:
    """Turn a published CMGAN checkpoint (PyTorch) into a model folder; no code of it is run.

    Args:
        checkpoint: file with the generator's state dict.
        output: folder for config.json and model.safetensors.
    """
    from auricle.systems.cmgan.published import from_published

    if Path(output).exists() and (not Path(output).is_dir() or any(Path(output).iterdir())):
        raise AuricleError(f"{output} is there already: give a new folder")
    from_published(checkpoint).save(output)
    print(f"the model is in {output}: auricle enhance {output} noisy.wav --output enhanced")
    return 0


def enhance(run: str, files: list[str], *, output: str, device: str = "auto", overwrite: bool = False) -> int:
    """Take the noise out of recordings of speech, of any length, rate and number of channels.

    What comes out has the rate, the channels, the length and the kind of samples of what came in; what lies above half
    of the enhancer's own rate (8 kHz) is lost. A file that cannot be read is named at the end and stops nobody else;
    then the exit code is 2. Given again after an interruption, files that are there are left out.

    Args:
        run: folder that auricle train enhancer or auricle convert wrote, or spectral-gating, or identity.
        files: sound files, or folders of them.
        output: folder for the enhanced files.
        device: cpu, cuda, or auto for a GPU if there is one.
        overwrite: write files anew that are there.
    """
    from auricle.enhancement.files import enhance_files
    from auricle.enhancement.open import digest, open_enhancer

    enhancer = open_enhancer(run, device)
    print(f"{run}: {enhancer.latency}")
    results = enhance_files(enhancer, digest(run), files, Path(output), overwrite=overwrite)
    failed = [result for result in results if result.error]
    before = sum(result.done_before for result in results)
    done = f"{len(results) - len(failed)} of {len(results)} files enhanced"
    print(f"{done}{f' ({before} of them before)' if before else ''}, in {output}")
    if failed:
        listed = "; ".join(result.error for result in failed)
        raise AuricleError(f"{len(failed)} of {len(results)} files could not be enhanced: {listed}")
    return 0


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
    seed: int = 0,
    device: str = "auto",
    output: str = "",
) -> int:
    """Measure a trained classifier or enhancer on clips that it has not heard, in noise.

    Of a classifier: results.json, results.csv, predictions.csv, scores.npz and plots, below the run's folder
    evaluation/. Of an enhancer: PESQ, STOI, CSIG, CBAK, COVL, segmental SNR and SI-SDR of the noisy clips, of spectral
    gating and of the enhancer, as results.json, results.csv, clips.csv and table.md.

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
        seed: of the noise and of the bootstrap.
        device: cpu, cuda, or auto for a GPU if there is one.
        output: folder for the results instead of the run's own.
    """
    from auricle.enhancement.open import enhances

    if enhances(run):
        from auricle.enhancement.evaluate import SNRS_DB, evaluate_enhancer

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
    from auricle.evaluation.protocol import evaluate_run

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


def predict(
    run: str,
    files: list[str],
    *,
    output: str = "predictions",
    format: str = "csv",
    hop_s: float = 0.0,
    top_k: int = 0,
    threshold: float = -1.0,
    device: str = "auto",
    overwrite: bool = False,
) -> int:
    """Label recordings of any length, window by window, and write a table for each.

    A file that cannot be read is named at the end and stops nobody else; then the exit code is 2. Given again after an
    interruption, files whose tables are there are left out.

    Args:
        run: folder that auricle train wrote, or an .onnx file of auricle export.
        files: sound files, or folders of them.
        output: folder for the tables.
        format: csv, audacity (label track) or raven (selection table).
        hop_s: seconds from one window to the next; by default windows do not overlap.
        top_k: labels reported per window; by default the likeliest, or all where several may hold.
        threshold: probability below which a label is not reported; by default 0, or 0.5 where several may hold.
        device: cpu, cuda, or auto for a GPU if there is one.
        overwrite: write tables anew that are there.
    """
    from auricle.inference.labellers import open_labeller
    from auricle.inference.predict import Selection, predict_files

    model = open_labeller(run, device)
    results = predict_files(
        model,
        files,
        Path(output),
        table_format=format,
        hop_s=hop_s or None,
        selection=Selection.usual(model, top_k or None, threshold if threshold >= 0 else None),
        overwrite=overwrite,
    )
    failed = [result for result in results if result.error]
    before = sum(result.done_before for result in results)
    for result in results:
        if result.label:
            print(f"{result.file}: {result.label} ({result.probability:.2f})")
    done = len(results) - len(failed)
    print(
        f"{done} of {len(results)} files labelled{f' ({before} of them before)' if before else ''}, tables in {output}"
    )
    if failed:
        listed = "; ".join(result.error for result in failed)
        raise AuricleError(f"{len(failed)} of {len(results)} files could not be read: {listed}")
    return 0


def check(data: str, *, label_column: str = "label", group_column: str = "", output: str = "") -> int:
    """Report what is wrong or odd in labelled recordings, before anybody trains on them.

    Duplicates, a source or speaker on both sides of a split, silence, clipping, odd rates, class counts. The exit code
    is 2 where files cannot be used.

    Args:
        data: manifest CSV or folder of class folders.
        label_column: column of the manifest that holds the labels.
        group_column: column that names the groups.
        output: file for the report as JSON.
    """
    from auricle.data.check import check_data

    named = group_column if group_column != "none" else ""
    report = check_data(data, label_column=label_column, group_column=named or None, progress=True)
    print("\n".join(report.lines()))
    if output:
        report.to_json(output)
    return 0 if report.ok else 2


def manifest(corpus: str, root: str, *, output: str, options: dict[str, Any] | None = None) -> int:
    """Turn the published layout of a corpus into a manifest with its official splits.

    Args:
        corpus: a corpus (auricle list corpora).
        root: folder that the corpus was unpacked to.
        output: the manifest to write, a CSV file.
        options: the adapter's options, as --options.labels=pitch.
    """
    from auricle.data.corpora import build_manifest

    print(build_manifest(corpus, root, output, **(options or {})))
    return 0


def corrupt(
    suite: str,
    data: str,
    output: str,
    *,
    seed: int = 0,
    material: list[str] | None = None,
    part: str = "test",
    rate: int = 0,
    label_column: str = "label",
    skip_bad: bool = False,
) -> int:
    """Write recordings under the conditions of a suite: noise, reverberation, codecs, … as files with a manifest.

    Given again after an interruption, files that are there are left out. The same suite, seed and material give the
    same samples.

    Args:
        suite: a suite (auricle list suites), or the suite.json that this command wrote, whose seed and part hold.
        data: folder of sound files, with class folders or without, or manifest CSV.
        output: folder for the files, manifest.csv and suite.json.
        seed: of everything random.
        material: what is mixed in: a folder with the sub-folders noise, music, speech, room, or kind=PATH, as
            noise=esc-50/audio; kinds that are not given are synthetic.
        part: the half of the material that is used, test or train, which share no source; or all.
        rate: sample rate of the files in Hz; by default each recording's own.
        label_column: column of the manifest that holds the labels.
        skip_bad: leave out files that cannot be used instead of stopping.
    """
    from auricle.data.corrupt import corrupt_data

    done = corrupt_data(
        suite,
        data,
        output,
        seed=seed,
        material=material or [],
        part=part,
        sample_rate=rate or None,
        label_column=label_column,
        skip_bad=skip_bad,
    )
    before = f" ({done.n_before} of them before)" if done.n_before else ""
    drawn = done.suite.material.synthetic_kinds
    print(f"{done.n_files} files{before} and their manifest are in {done.folder}")
    print(f"suite {done.suite.name}, seed {done.suite.seed}, SHA-256 {done.suite.digest}")
    if drawn:
        print(f"synthetic, where they are mixed in: {', '.join(drawn)}")
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
    select: Choice = Choice(),
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
        from auricle.stress.grid import Grid, plan_epochs, stress_grid, train_grid, variations

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
            choice=select,
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
    from auricle.emotion.results import is_emotion_run, read_emotion_runs, write_emotion_page

    if any(is_emotion_run(run) for run in runs):
        write_emotion_page(Path(output), read_emotion_runs(runs), baseline, title, opening)
        print(f"written to {output}")
        return 0
    from auricle.evaluation.compare import read_evaluations, write_comparison

    write_comparison(Path(output), read_evaluations(runs), baseline, title, opening)
    print(f"written to {output}")
    return 0


REGISTRIES = {
    "frontends": ("auricle.frontends", "FRONTENDS"),
    "backbones": ("auricle.backbones", "BACKBONES"),
    "corpora": ("auricle.data.corpora", "CORPORA"),
    "conditions": ("auricle.conditions", "CONDITIONS"),
    "suites": ("auricle.conditions", "SUITES"),
    "enhancers": ("auricle.enhancement.open", "ENHANCERS"),
}


def list_names(what: str) -> int:
    """List what there is by name: front-ends, backbones, corpora, conditions, suites, enhancers.

    Args:
        what: frontends, backbones, corpora, conditions, suites or enhancers.
    """
    from importlib import import_module

    from auricle.registry import unknown_name

    if what not in REGISTRIES:
        raise AuricleError(unknown_name("kind", what, REGISTRIES))
    module, registry = REGISTRIES[what]
    known = getattr(import_module(module), registry)
    rows = [(name, known.description(name)) for name in known]
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        print(f"{name:{width}}  {text}")
    return 0


def demo(*, output: str = "demo", seed: int = 0) -> int:
    """Train and measure two small classifiers on synthetic sounds, and show what came out. Needs no download.

    Args:
        output: folder for data, runs, tables, plots and index.html.
        seed: of the data and the training.
    """
    from auricle.demo import run_demo

    run_demo(Path(output), seed=seed)
    return 0


def export(
    run: str,
    *,
    output: str,
    format: str = "",
    part: str = "",
    int8: str = "",
    data: str = "",
    data_options: Data = Data(),
) -> int:
    """Write a trained classifier, or a front-end alone, for other runtimes, and check what was written.

    The file takes any batch and any length, holds its labels and sample rate, and is run and compared with the model
    before it appears. auricle predict takes an .onnx file in place of a run.

    Args:
        run: folder that auricle train wrote; or the name of a front-end (auricle list frontends), as it starts.
        output: the file, .onnx or .pt2.
        format: onnx or torch (a torch.export program); by default as the file is called.
        part: classifier or frontend; by default the whole classifier.
        int8: file for a second version (.onnx) with the backbone in int8; needs data.
        data: manifest or folder by whose training clips int8's ranges are set, and on whose test clips its accuracy is
            measured.
        data_options: how data are read.
    """
    from auricle.export.export_run import export_int8, export_model

    model, lines = export_model(run, Path(output), format, part)
    print("\n".join(lines))
    if int8:
        print("\n".join(export_int8(model, Path(run), Path(output), Path(int8), data, data_options)))
    elif data:
        raise AuricleError("data are for --int8 alone: name the file it is to be written to")
    return 0


def listen(
    run: str,
    *,
    input_rate: int = 0,
    sample_format: str = "s16le",
    channels: int = 1,
    hop_s: float = 0.0,
    top_k: int = 0,
    threshold: float = -1.0,
    microphone: bool = False,
    output: str = "",
) -> int:
    """Label sound as it comes: raw PCM on standard input, or a sound card. Ends with the input or with Ctrl-C.

    A line for each label: start and end in seconds, label, probability, and the milliseconds from the arrival of the
    samples that completed the window to the line. What the front-end needs to hear after the window comes on top, and
    is said at the start.

    Args:
        run: folder that auricle train wrote.
        input_rate: of the samples in Hz; by default the model's.
        sample_format: s16le, s32le or f32le.
        channels: interleaved; they are averaged.
        hop_s: seconds from one window to the next, whole frames; by default windows do not overlap.
        top_k: labels reported per window; by default the likeliest, or all where several may hold.
        threshold: probability below which a label is not reported; by default 0, or 0.5 where several may hold.
        microphone: listen to the sound card; needs the package sounddevice.
        output: CSV file for the lines too.
    """
    from auricle.inference.listen import listen_to

    listen_to(
        run,
        input_rate=input_rate,
        sample_format=sample_format,
        channels=channels,
        hop_s=hop_s,
        top_k=top_k or None,
        threshold=threshold if threshold >= 0 else None,
        microphone=microphone,
        output=Path(output) if output else None,
    )
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
    part: str = "test",
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
        part: the half of the material that is used, test or train, which share no source; or all.
        seed: of the conditions and of the intervals.
        data_options: how data are read.
        output: folder for the report; by default stress/DATA-PART-SUITE.
        device: cpu, cuda, or auto for a GPU if there is one.
    """
    from auricle.data.corrupt import open_suite
    from auricle.data.material import read_material
    from auricle.stress.stress_runs import show, stress_runs

    opened = open_suite(suite, seed, read_material(material or [], progress=True), part)
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
    from auricle.stress.inspect_runs import inspect_runs

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
    from auricle.evaluation.costs import bench_models

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


VERBS: dict[str, Any] = {
    "demo": demo,
    "check": check,
    "train": {"classifier": train_classifier, "enhancer": train_enhancer, "trnet": train_trnet},
    "evaluate": evaluate,
    "predict": predict,
    "enhance": enhance,
    "convert": {"cmgan": convert_cmgan},
    "listen": listen,
    "export": export,
    "compare": compare,
    "corrupt": corrupt,
    "stress": stress,
    "inspect": inspect,
    "bench": bench,
    "manifest": manifest,
    "list": list_names,
}
