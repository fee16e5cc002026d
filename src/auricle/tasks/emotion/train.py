"""The fold plan: for every speaker left out a teacher, a system and its answers in all noises, in one run folder.

folds/SPEAKER/           a model folder (`auricle predict` takes it) with clips.csv, history.csv, run.json
folds/SPEAKER/teacher/   the network that was trained on clean speech, where the system has one
folds/SPEAKER/*          predictions.csv: every answer; representations.npz: h̃ at some levels; enhancer/: a trained one
predictions.csv          all folds' answers
noises.csv               which source of noise is whose
run.json                 written when all folds are done
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from auricle.conditions import Material
from auricle.config import Data, EmotionLosses, Optimization, Training, plain_settings, require
from auricle.data.loading import training_loader
from auricle.data.manifest import Manifest
from auricle.data.material import read_material
from auricle.data.splits import Splits
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.files import write_json, write_text
from auricle.identity import Store
from auricle.progress import track
from auricle.runs.card import model_card
from auricle.runs.clips import SPLITS, HeardClips, clip_table, heard_clips, remember_clips
from auricle.runs.fit import discard_checkpoints, fit
from auricle.runs.folder import FINISHED, open_run
from auricle.runs.provenance import OWN_ENHANCER, provenance, run_digest
from auricle.systems.system import System, evaluating, load
from auricle.systems.trnet import KINDS, TRNet
from auricle.tasks.emotion.data import (
    MATCHED,
    SNRS_DB,
    UNMATCHED,
    DrawnVersions,
    NoiseLevel,
    NoisySpeech,
    Versions,
    deal,
    levels,
    version_loader,
)
from auricle.tasks.emotion.folds import Fold, plan_folds, read_speakers, speakers_of
from auricle.tasks.enhancement.open import open_enhancer
from auricle.tasks.enhancement.train import heard_noises

FOLDS, TEACHER = "folds", "teacher"
PREDICTIONS, REPRESENTATIONS, NOISES = "predictions.csv", "representations.npz", "noises.csv"
TASK = "emotion"
#: Where representations are kept, for a spectrogram of them (Fig. 3).
KEPT_LEVELS = (NoiseLevel(), *levels(MATCHED, (20.0, 10.0, 0.0)))


@dataclass
class Plan:
    """What all folds of a run share."""

    manifest: Manifest
    task: Task
    speech: NoisySpeech
    snrs_db: Sequence[float]
    kind: str
    build: dict[str, Any]
    training: Training
    enhancer: str
    teachers: Path | None
    progress: bool

    def system(self, kind: str) -> TRNet:
        return TRNet.build(self.task, kind=kind, **self.build)

    def versions(self, fold: Fold, part: str, wanted: Sequence[NoiseLevel], kind: str) -> Versions:
        """The clips of a part at all of `wanted`, all of them made."""
        chosen = {clip.key for clip in fold.part(self.manifest, part)}
        indices = [index for index, clip in enumerate(self.speech.clips) if clip.key in chosen]
        short = "repeat" if self.build["variant"] == "published" else "pad"
        versions = Versions(self.speech, indices, wanted, self.task, short=short, enhance=KINDS[kind].enhances)
        title = f"Noisy speech, {part} of {fold.test}"
        for place in track(range(len(versions)), title, total=len(versions), show=self.progress):
            versions[place]
        return versions

    def learnt_levels(self, kind: str) -> list[NoiseLevel]:
        """Clean speech, and the matched noise at every ratio unless `kind` is trained on clean speech alone."""
        return [NoiseLevel()] + (levels(MATCHED, self.snrs_db) if KINDS[kind].in_noise else [])

    def tested_levels(self) -> list[NoiseLevel]:
        unmatched = levels(UNMATCHED, self.snrs_db) if self.speech.unmatched else []
        return [NoiseLevel(), *levels(MATCHED, self.snrs_db), *unmatched]


def train_trnet(
    data: str,
    output: str | Path,
    *,
    noise: list[str],
    unmatched_noise: list[str] | None = None,
    enhancer: str = "spectral-gating",
    kind: str = "trnet",
    variant: str = "paper",
    size: dict[str, Any] | None = None,
    window_s: float = 5.0,
    snrs_db: Sequence[float] = SNRS_DB,
    pairs: Sequence[str] = (),
    speakers: Sequence[str] = (),
    teacher: str | None = None,
    cache: str | None = None,
    seed: int = 0,
    data_options: Data = Data(),
    losses: EmotionLosses = EmotionLosses(),
    training: Training = Training(epochs=80),
    optimization: Optimization = Optimization(learning_rate=1e-3),
    overwrite: bool = False,
    settings: dict[str, Any] | None = None,
    progress: bool = True,
) -> Path:
    """Train and test the configuration `kind` with each speaker left out in turn, and return the run folder.

    `noise` is learnt from and tested in (matched), `unmatched_noise` only tested in; an `enhancer`'s own training
    noises are left out of both. `teacher` is a finished run of baseline-c whose networks are the teachers. Called again
    after an interruption it goes on; finished folds are kept.
    """
    require(seed >= 0, f"seed={seed}: 0 or more")
    require(len(snrs_db) > 0 and len(set(snrs_db)) == len(snrs_db), f"snr={list(snrs_db)}: different ratios in dB")
    require(bool(noise), "noise: give manifests or folders of noise, as --noise NOISES")
    manifest = read_speakers(data, data_options, progress=progress)
    folds = plan_folds(manifest, pairs, speakers)
    task = Task(TASK, manifest.label_names)
    build: dict[str, Any] = {
        "variant": variant,
        "size": size,
        "losses": losses,
        "window_s": window_s,
        "optimization": optimization,
        "seed": seed,
    }
    config = TRNet.build(task, kind=kind, **build).config
    needs_enhancer = KINDS[kind].enhances
    if needs_enhancer:
        _never_heard(enhancer, manifest, folds)
    matched, unmatched = _noises(noise, unmatched_noise or [], enhancer, progress)
    given: dict[str, Any] = {"data": data, "noise": noise, "unmatched_noise": unmatched_noise, "snr": list(snrs_db)}
    options = {"data_options": data_options, "training": training, "pairs": list(pairs), "speakers": list(speakers)}
    settings = settings or plain_settings(given | {"enhancer": enhancer, "model": config} | options)
    folder = open_run(output, settings, overwrite, begun=FOLDS)
    (folder / FOLDS).mkdir(exist_ok=True)
    dealt = deal(matched, speakers_of(manifest))
    _write_noises(folder / NOISES, dealt, unmatched)
    speech = NoisySpeech(
        manifest.clips,
        dealt,
        unmatched,
        open_enhancer(enhancer) if needs_enhancer else None,
        run_digest(enhancer) if needs_enhancer else "",
        Store(cache or folder.parent / "noisy-speech", ".npy"),
        window_s=window_s,
        progress=progress,
    )
    started = time.time()
    teachers = Path(teacher) if teacher else None
    plan = Plan(manifest, task, speech, snrs_db, kind, build, training, enhancer, teachers, progress)
    for number, fold in enumerate(folds, start=1):
        own = folder / FOLDS / fold.test
        if progress:
            state = "is there" if (own / FINISHED).exists() else f"validated by {fold.valid}"
            print(f"fold {number}/{len(folds)}: {fold.test} left out, {state}", flush=True)
        if not (own / FINISHED).exists():
            _run_fold(plan, fold, own)
    tables = [read_predictions(folder / FOLDS / fold.test) for fold in folds]
    pd.concat(tables, ignore_index=True).to_csv(folder / PREDICTIONS, index=False)
    kept = ("kind", "variant", "size", "losses", "window_s", "optimization")
    record = provenance() | {
        "system": "trnet",
        "seed": seed,
        "arrangement": {key: config[key] for key in kept} | {"training": asdict(training), "enhancer": enhancer},
        "data": data,
        "noise": noise,
        "unmatched_noise": unmatched_noise or [],
        "folds": [asdict(fold) for fold in folds],
        "seconds_of_last_session": round(time.time() - started, 1),
    }
    (folder / "README.md").write_text(_card(folder, record), encoding="utf-8")
    write_json(folder / FINISHED, record)
    return folder


def read_predictions(folder: Path) -> pd.DataFrame:
    """The answers of a fold or of a run.

    Columns are fold, clip, speaker, noise, snr (dB), label, predicted, probability and coefficient.
    """
    texts = dict.fromkeys(("fold", "clip", "speaker", "noise", "label", "predicted"), str)
    return pd.read_csv(folder / PREDICTIONS, dtype=texts, keep_default_na=False, na_values={"coefficient": [""]})


def _never_heard(enhancer: str, manifest: Manifest, folds: Sequence[Fold]) -> None:
    """An `AuricleError` for a trained enhancer that has heard a fold's test speaker."""
    for fold in folds:
        heard = heard_clips(enhancer, fold.part(manifest, "test"))
        if heard:
            raise AuricleError(
                f"{enhancer} was trained with {len(heard)} clips of the speaker {fold.test}: leave that fold out "
                "(--speakers), or train an enhancer without that speaker"
            )


def _noises(noise: list[str], unmatched: list[str], enhancer: str, progress: bool) -> tuple[Material, Material | None]:
    """The matched and the unmatched noises without those that the enhancer was trained with."""
    found: list[Material] = []
    for sources in (noise, unmatched):
        material = read_material([f"noise={source}" for source in sources], progress=progress)
        noises = [r for r in material.recordings if r.kind == "noise" and r.path]
        heard = heard_noises(Path(enhancer), noises)
        own = tuple(r for r in noises if r not in heard)
        if sources and not own:
            raise AuricleError(f"{' '.join(sources)}: no noise that {enhancer} was not trained with")
        found.append(Material(own))
    unmatched_files = {r.content for r in found[1].recordings}
    both = sorted({r.source for r in found[0].recordings if r.content in unmatched_files})
    if both:
        raise AuricleError(f"{len(both)} sources are in the noise and in the unmatched noise, first {both[0]!r}")
    return found[0], found[1] if unmatched else None


def _write_noises(path: Path, matched: dict[str, Material], unmatched: Material | None) -> None:
    rows = [(r.source, MATCHED, speaker, r.name, r.content) for speaker, own in matched.items() for r in own.recordings]
    rows += [(r.source, UNMATCHED, "", r.name, r.content) for r in (unmatched.recordings if unmatched else ())]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("source", "noise", "speaker", "name", "sha256"), *rows])
    write_text(path, text.getvalue())


def _run_fold(plan: Plan, fold: Fold, folder: Path) -> None:
    system = plan.system(plan.kind)
    if system.kind.refines:
        system.teach(_teacher(plan, fold, folder))
    if system.kind.enhances:
        system.config["enhancer"] = _keep_enhancer(plan, folder)
    record = _fit(plan, fold, system, plan.kind, folder)
    _test(plan, fold, system, folder)
    write_json(folder / FINISHED, record)
    discard_checkpoints(folder)


def _teacher(plan: Plan, fold: Fold, folder: Path) -> TRNet:
    """The fold's network for clean speech, trained if it is not there."""
    own = plan.teachers / FOLDS / fold.test if plan.teachers else folder / TEACHER
    if plan.teachers is None and not (own / FINISHED).exists():
        record = _fit(plan, fold, plan.system("baseline-c"), "baseline-c", own)
        write_json(own / FINISHED, record)
        discard_checkpoints(own)
    system = load(own)
    if not isinstance(system, TRNet) or system.config["kind"] != "baseline-c":
        raise AuricleError(f"{own} is no teacher: a run of --kind baseline-c is")
    known = HeardClips(own)
    for split in SPLITS:
        clips = fold.part(plan.manifest, split)
        for clip, was in zip(clips, known.splits_of(clips, TASK), strict=True):
            if was != split:
                raise AuricleError(f"{own} was trained in another fold: {clip.name} was in another split")
    return system


def _keep_enhancer(plan: Plan, folder: Path) -> str:
    """The name of the enhancer; one that was trained is saved with the fold, so that it can be used alone."""
    if isinstance(plan.speech.enhancer, System):
        plan.speech.enhancer.save(folder / OWN_ENHANCER)
        return OWN_ENHANCER
    return plan.enhancer


def _fit(plan: Plan, fold: Fold, system: TRNet, kind: str, folder: Path) -> dict[str, Any]:
    """Train `system` and save it; what is to be written to run.json when the fold is done."""
    folder.mkdir(parents=True, exist_ok=True)
    train, validation, test = (Manifest(plan.manifest.source, fold.part(plan.manifest, split)) for split in SPLITS)
    remember_clips(folder, clip_table([Splits(plan.task, train, validation, test)]))
    wanted = plan.learnt_levels(kind)
    learnt, measured = (plan.versions(fold, split, wanted, kind) for split in ("train", "valid"))
    training = plan.training
    course = fit(
        system,
        training_loader(
            DrawnVersions(learnt),
            window=(system.window, system.window),
            batch_size=training.batch_size,
            seed=system.seed,
            n_items=training.steps_per_epoch * training.batch_size or None,
            num_workers=training.num_workers,
        ),
        version_loader(measured, num_workers=training.num_workers),
        folder,
        training,
        progress=plan.progress,
    )
    system.save(folder)
    return provenance() | {"seed": system.seed, "fold": asdict(fold), **asdict(course)}


@torch.no_grad()
def _test(plan: Plan, fold: Fold, system: TRNet, folder: Path) -> None:
    """Write every answer for the test speaker, and the representations at some levels."""
    versions = plan.versions(fold, "test", plan.tested_levels(), plan.kind)
    rows: list[dict[str, Any]] = []
    kept: list[tuple[int, int, np.ndarray]] = []
    with evaluating(system):
        for batch in version_loader(versions, num_workers=plan.training.num_workers):
            signals = (batch[name].to(system.device) for name in ("noisy", "enhanced", "n_samples"))
            heard = system(*signals)
            probability, best = heard.logits.softmax(-1).cpu().max(-1)
            for k, (index, place) in enumerate(zip(batch["index"].tolist(), batch["level"].tolist(), strict=True)):
                clip, level = plan.speech.clips[index], versions.wanted[place]
                rows.append(
                    {
                        "fold": fold.test,
                        "clip": clip.name,
                        "speaker": clip.group,
                        "noise": level.noise,
                        "snr": level.snr_db,
                        "label": clip.labels[0],
                        "predicted": plan.task.labels[int(best[k])],
                        "probability": round(float(probability[k]), 6),
                        "coefficient": round(float(heard.coefficient[k, 0]), 6),
                    }
                )
                if level in KEPT_LEVELS:
                    kept.append((index, KEPT_LEVELS.index(level), heard.representation[k].cpu().numpy()))
    pd.DataFrame(rows).to_csv(folder / PREDICTIONS, index=False)
    np.savez_compressed(
        folder / REPRESENTATIONS,
        representation=np.stack([vector for _, _, vector in kept]),
        level=np.array([str(KEPT_LEVELS[place]) for _, place, _ in kept]),
        label=np.array([plan.speech.clips[index].labels[0] for index, _, _ in kept]),
        clip=np.array([plan.speech.clips[index].name for index, _, _ in kept]),
    )


def _card(folder: Path, record: dict[str, Any]) -> str:
    arrangement = record["arrangement"]
    facts = [
        f"Emotion recognition in noise, made with auricle {record['versions']['auricle']}.",
        "",
        f"- {len(record['folds'])} folds of {record['data']}: one speaker tests, the partner chooses the epoch, the "
        "others are learnt from. `predictions.csv` has every answer, `noises.csv` whose each source of noise is.",
        f"- Noise: {', '.join(record['noise'])} (matched); "
        f"{', '.join(record['unmatched_noise']) or 'none'} (unmatched).",
        f"- Variant {arrangement['variant']}, channels {arrangement['size']['channels']}; enhancer "
        f"{arrangement['enhancer'] if KINDS[arrangement['kind']].enhances else 'none'}.",
    ]
    closing = (
        f"`auricle predict {folder.name}/{FOLDS}/{record['folds'][0]['test']} FILE` labels files; `auricle compare` "
        "sets runs side by side."
    )
    return model_card(f"{folder.name}: {arrangement['kind']}", facts, closing, record)
