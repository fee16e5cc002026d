"""The plan of a TRNet run, shared by its folds: options, speakers, noises, noisy speech and system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from auricle.conditions import Material
from auricle.config import TrainTRNet, require
from auricle.data.manifest import Manifest
from auricle.data.material import read_material
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.identity import Store, file_digest
from auricle.progress import track
from auricle.readers import read_json
from auricle.runs.clips import clips_digest, clips_trained_on
from auricle.runs.folder import FINISHED
from auricle.systems.trnet import KINDS, TRNet
from auricle.tasks.emotion.data import MATCHED, UNMATCHED, NoiseLevel, NoisySpeech, NoisyVersions, assign_noises, levels
from auricle.tasks.emotion.folds import Fold, plan_folds, read_speakers, speakers_of
from auricle.tasks.enhancement.open import enhancer_digest, open_enhancer
from auricle.tasks.enhancement.train import noises_trained_on

TASK = "emotion"


@dataclass(frozen=True)
class RunPlan:
    """Data and options that all folds of a run share."""

    options: TrainTRNet
    manifest: Manifest
    task: Task
    folds: list[Fold]
    speech: NoisySpeech
    inputs: dict[str, str]

    @property
    def tested(self) -> dict[str, Any]:
        """The noise of the test, as in the settings of results.json."""
        options, speech = self.options, self.speech
        return {
            "noise": options.noise,
            "unmatched_noise": options.unmatched_noise or [],
            "snr": list(options.snr),
            "material": {speaker: own.describe() for speaker, own in speech.matched.items()},
            "unmatched_material": speech.unmatched.describe() if speech.unmatched else None,
        }

    def arrangement(self, kind: str = "") -> dict[str, Any]:
        """All that a model of `kind`, by default the run's, depends on except the seeds: its own and its teacher's.

        Runs with equal arrangements may be averaged.
        """
        kind, options = kind or self.options.kind, self.options
        config = self.system(kind).config
        kept = ("kind", "variant", "size", "losses", "window_s", "cosines", "clamp", "dither", "optimization")
        return {name: config[name] for name in kept} | {
            "every_level": options.every_level,
            "training": asdict(options.training),
            "clips": clips_digest(self.manifest.clips),
            "enhancer": self.inputs["enhancer"] if KINDS[kind].needs_enhanced else None,
            "teacher": self._teacher() if KINDS[kind].has_refinement else None,
        }

    def _teacher(self) -> dict[str, Any]:
        """The arrangement of the teacher: of the run that is given, or of the one that each fold trains."""
        if not self.options.teacher:
            return self.arrangement("baseline-c")
        record = read_json(Path(self.options.teacher) / FINISHED, {"arrangement?": dict})
        return {**record.get("arrangement", {})}

    def described(self, system: TRNet) -> dict[str, Any]:
        """The `model` of results.json; only saved parameters are counted."""
        config = self.arrangement()
        training = {name: config.pop(name) for name in ("training", "clips", "enhancer", "teacher")}
        saved = system.inference_weights()
        return {
            "config": config,
            "parameters": {"all": sum(p.numel() for name, p in system.named_parameters() if name in saved)},
            "training_seed": system.seed,
            "training": training,
        }

    def system(self, kind: str) -> TRNet:
        options = self.options
        return TRNet.build(
            self.task,
            kind=kind,
            variant=options.variant,
            size=options.size,
            losses=options.losses,
            window_s=options.window_s,
            cosines=options.cosines,
            clamp=options.clamp,
            dither=options.dither,
            optimization=options.optimization,
            seed=options.seed,
        )

    def versions(self, fold: Fold, split: str, wanted: Sequence[NoiseLevel], kind: str) -> NoisyVersions:
        """Compute the clips of a split at all the noise levels `wanted`."""
        chosen = {clip.key for clip in fold.clips(self.manifest, split)}
        indices = [index for index, clip in enumerate(self.speech.clips) if clip.key in chosen]
        short = "repeat" if self.options.variant == "published" else "pad"
        versions = NoisyVersions(
            self.speech, indices, wanted, self.task, short=short, enhance=KINDS[kind].needs_enhanced
        )
        title = f"Noisy speech, {split} of {fold.test}"
        for place in track(range(len(versions)), title, total=len(versions), show=not self.options.quiet):
            versions[place]
        return versions

    def training_levels(self, kind: str) -> list[NoiseLevel]:
        """Clean speech, and matched noise at every SNR unless `kind` is trained on clean speech only."""
        return [NoiseLevel()] + (levels(MATCHED, self.options.snr) if KINDS[kind].trained_in_noise else [])

    def test_levels(self) -> list[NoiseLevel]:
        unmatched = levels(UNMATCHED, self.options.snr) if self.speech.unmatched else []
        return [NoiseLevel(), *levels(MATCHED, self.options.snr), *unmatched]


def plan_run(options: TrainTRNet) -> RunPlan:
    """Read speech and noise and plan the folds; noises that the enhancer was trained with are left out."""
    snrs_db = options.snr
    require(options.seed >= 0, f"seed={options.seed}: 0 or more")
    require(len(snrs_db) > 0 and len(set(snrs_db)) == len(snrs_db), f"snr={list(snrs_db)}: different ratios in dB")
    require(bool(options.noise), "noise: give manifests or folders of noise, as --noise NOISES")
    progress = not options.quiet
    manifest = read_speakers(options.data, options, progress=progress)
    folds = plan_folds(manifest, options.pairs or (), options.speakers or ())
    task = Task(TASK, manifest.label_names)
    kind = TRNet.build(task, kind=options.kind, variant=options.variant, size=options.size).kind
    if kind.needs_enhanced:
        _refuse_enhancer_trained_on(options.enhancer, manifest, folds)
    matched, unmatched = _noises(options.noise, options.unmatched_noise or [], options.enhancer, progress)
    assigned = assign_noises(matched, speakers_of(manifest))
    enhancer = enhancer_digest(options.enhancer) if kind.needs_enhanced else ""
    device = "cpu" if options.training.accelerator == "cpu" else "auto"
    speech = NoisySpeech(
        manifest.clips,
        assigned,
        unmatched,
        open_enhancer(options.enhancer, device) if kind.needs_enhanced else None,
        enhancer,
        Store(options.cache or Path(options.output).parent / "noisy-speech", ".npy"),
        window_s=options.window_s,
        cache_dir=options.training.cache_dir,
        progress=progress,
    )
    inputs = {"noise": matched.describe()["digest"], "enhancer": enhancer}
    if unmatched:
        inputs["unmatched_noise"] = unmatched.describe()["digest"]
    if options.teacher:
        inputs["teacher"] = file_digest(Path(options.teacher) / FINISHED)
    return RunPlan(options, manifest, task, folds, speech, inputs)


def _refuse_enhancer_trained_on(enhancer: str, manifest: Manifest, folds: Sequence[Fold]) -> None:
    """Raise `AuricleError` if the enhancer was trained with clips of a fold's test speaker."""
    for fold in folds:
        used = clips_trained_on(enhancer, fold.clips(manifest, "test"))
        if used:
            raise AuricleError(
                f"{enhancer} was trained with {len(used)} clips of the speaker {fold.test}: leave that fold out "
                "(--speakers), or train an enhancer without that speaker"
            )


def _noises(noise: list[str], unmatched: list[str], enhancer: str, progress: bool) -> tuple[Material, Material | None]:
    """The matched and the unmatched noise, without recordings that the enhancer was trained with."""
    found: list[Material] = []
    for sources in (noise, unmatched):
        material = read_material([f"noise={source}" for source in sources], progress=progress)
        noises = [r for r in material.recordings if r.kind == "noise" and r.path]
        used = noises_trained_on(Path(enhancer), noises)
        own = tuple(r for r in noises if r not in used)
        if sources and not own:
            raise AuricleError(f"{' '.join(sources)}: no noise that {enhancer} was not trained with")
        found.append(Material(own))
    unmatched_files = {r.content for r in found[1].recordings}
    both = sorted({r.source for r in found[0].recordings if r.content in unmatched_files})
    if both:
        raise AuricleError(f"{len(both)} sources are in the noise and in the unmatched noise, first {both[0]!r}")
    return found[0], found[1] if unmatched else None
