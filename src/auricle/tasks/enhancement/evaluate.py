"""How much better an enhancer makes noisy speech, per signal-to-noise ratio."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from auricle.conditions import Material, active_power, add_noise, stable_seed
from auricle.config import Data
from auricle.data.clips import Clip
from auricle.data.loading import ClipStore
from auricle.data.manifest import Manifest
from auricle.data.material import read_material
from auricle.data.reading import data_name
from auricle.errors import AuricleError
from auricle.files import write_json
from auricle.metrics.intervals import Interval
from auricle.metrics.signals import mean_interval, measure_speech
from auricle.metrics.workers import Workers
from auricle.progress import track
from auricle.reports.page import to_markdown
from auricle.runs.clips import HeardClips, choose_clips, refuse_heard
from auricle.runs.provenance import provenance
from auricle.systems.enhancer import Enhances
from auricle.tasks.classification.evaluate import keep_others
from auricle.tasks.enhancement.data import TASK, noisy_versions, read_speech
from auricle.tasks.enhancement.open import ENHANCERS, open_enhancer
from auricle.tasks.enhancement.train import heard_noises

SAMPLE_RATE = 16000  # wide-band PESQ's
SNRS_DB = (0.0, 5.0, 10.0, 15.0)
NOISY, GATING = "noisy", "spectral-gating"
ALL = "all"

#: Heads and decimals of the tables' columns.
METRICS = {
    "pesq": ("PESQ", 2),
    "stoi": ("STOI", 3),
    "csig": ("CSIG", 2),
    "cbak": ("CBAK", 2),
    "covl": ("COVL", 2),
    "segmental_snr": ("SSNR, dB", 1),
    "si_sdr": ("SI-SDR, dB", 1),
}


@dataclass
class EnhancerEvaluation:
    """What `evaluate_enhancer` found; `folder` holds it as results.json, results.csv, clips.csv and table.md.

    `clips` has a row for each clip, SNR and enhancer, with a column for each metric.
    """

    folder: Path
    part: str
    clips: pd.DataFrame
    by_group: bool = False
    seed: int = 0

    def table(self) -> pd.DataFrame:
        """Long form: snr, enhancer, metric, value, low, high, gain, gain_low, gain_high, n_clips.

        The gain is the mean difference from the noisy clips, paired; intervals are 95 %, by bootstrap.
        """
        rows = []
        for snr, cell in [*self.clips.groupby("snr", sort=False), (ALL, self.clips)]:
            if snr == ALL and self.clips["snr"].nunique() == 1:
                continue
            noisy = cell[cell["enhancer"] == NOISY]
            for name in cell["enhancer"].unique():
                own = cell[cell["enhancer"] == name]
                for metric in METRICS:
                    value = self._mean(own[metric].to_numpy(), own)
                    gain = self._mean(own[metric].to_numpy() - noisy[metric].to_numpy(), own)
                    gains = {"gain": gain.value, "gain_low": gain.low, "gain_high": gain.high}
                    rows.append(
                        {"snr": snr, "enhancer": name, "metric": metric}
                        | asdict(value)
                        | gains
                        | {"n_clips": own["clip"].nunique()}
                    )
        return pd.DataFrame(rows)

    def _mean(self, values: np.ndarray, rows: pd.DataFrame) -> Interval:
        units = rows["group"].where(rows["group"] != "", rows["clip"]) if self.by_group else rows["clip"]
        codes = pd.factorize(units)[0]
        return mean_interval(values, groups=codes if codes.max() + 1 < len(codes) else None, seed=self.seed)

    def markdown(self) -> str:
        """Two tables: every metric with its interval per SNR and enhancer, and the gains over the noisy clips."""
        table = self.table()
        means = _wide(table, ["value", "low", "high"], signed=False)
        gains = _wide(table[table["enhancer"] != NOISY], ["gain", "gain_low", "gain_high"], signed=True)
        units = "groups" if self.by_group else "clips"
        n_clips = self.clips["clip"].nunique()
        return "\n".join(
            [
                f"{n_clips} clips ({self.part}); means with 95 % intervals by bootstrap over {units}.",
                "",
                to_markdown(means),
                "Gain over the noisy clips, paired:",
                "",
                to_markdown(gains),
            ]
        )


def _wide(table: pd.DataFrame, columns: list[str], signed: bool) -> pd.DataFrame:
    rows = []
    for (snr, name), cell in table.groupby(["snr", "enhancer"], sort=False):
        by_metric = cell.set_index("metric")[columns]
        shown = {"SNR, dB": snr if isinstance(snr, str) else f"{snr:g}", "enhancer": name}
        for metric, (head, decimals) in METRICS.items():
            value, low, high = by_metric.loc[metric].astype(float)
            form = f"{'+' if signed else ''}.{decimals}f"
            shown[head] = f"{value:{form}} ({low:{form}} … {high:{form}})"
        rows.append(shown)
    return pd.DataFrame(rows)


def evaluate_enhancer(
    run: str,
    data: str,
    *,
    noise: Sequence[str] = (),
    snr: Sequence[float] = SNRS_DB,
    data_options: Data = Data(),
    split: str = "",
    fold: str = "",
    by_group: bool = False,
    seed: int = 0,
    device: str = "auto",
    output: str | Path | None = None,
    progress: bool = True,
) -> EnhancerEvaluation:
    """Measure the enhancer `run` on clean speech mixed with the testing half of `noise` at each of `snr` dB.

    A manifest with a column `noisy` is measured on those pairs when no `noise` is given. The noisy clips and spectral
    gating are measured beside it. Clips and sources of noise that the run was trained with are refused.
    """
    enhancer = open_enhancer(run, device)
    folder = Path(run) if Path(run).is_dir() else None
    manifest = read_speech(data, data_options, progress=progress)
    chosen, part = choose_clips(manifest, split, fold, HeardClips(folder), TASK.name)
    if folder:
        refuse_heard(folder, chosen)
    pairs = None if noise else noisy_versions(chosen)
    if not noise and pairs is None:
        raise AuricleError(f"{data} has no column 'noisy': give noise to mix in, as --noise NOISES")
    material = _unheard(noise, folder, progress) if noise else None
    if not output:
        unusual = ["by-group"] * by_group + [f"seed{seed}"] * (seed != 0)
        output = (folder or Path(run)) / "evaluation" / "-".join([data_name(data)[0], part, *unusual])
    keep_others(Path(output), data)

    enhancers: dict[str, Enhances] = {NOISY: ENHANCERS["identity"](), GATING: ENHANCERS["spectral-gating"]()}
    if run not in ("identity", GATING):
        enhancers[folder.name if folder else run] = enhancer
    mixtures = _mixed(chosen, material, list(snr), seed) if material else _recorded(chosen, pairs or [])
    n_mixtures = len(chosen) * (len(snr) if material else 1)
    pending: list[tuple[dict[str, Any], Future[dict[str, float]]]] = []
    with Workers() as workers:
        for level, clip, clean, noisy in track(mixtures, "Enhancing", total=n_mixtures, show=progress):
            for name, each in enhancers.items():
                done = each.enhance(noisy, SAMPLE_RATE)
                row = {"snr": level, "clip": clip.name, "group": clip.group or "", "enhancer": name}
                pending.append((row, workers.submit(measure_speech, done, clean, SAMPLE_RATE)))
        measured = track(pending, "Measuring", total=len(pending), show=progress)
        clips = pd.DataFrame([row | future.result() for row, future in measured])
    evaluation = EnhancerEvaluation(Path(output), part, clips, by_group, seed)
    details = {
        "run": run,
        "data": data,
        "noise": list(noise),
        "snr": list(snr) if noise else [],
        "part": part,
        "by_group": by_group,
        "seed": seed,
        "n_clips": len(chosen),
        "material": material.describe() if material else None,
        "provenance": provenance(),
    }
    write(evaluation, details)
    return evaluation


def write(evaluation: EnhancerEvaluation, details: dict[str, Any]) -> None:
    """Write results.json, results.csv, clips.csv and table.md to the evaluation's folder."""
    folder = evaluation.folder
    write_json(folder / "results.json", details)
    evaluation.table().to_csv(folder / "results.csv", index=False)
    evaluation.clips.to_csv(folder / "clips.csv", index=False, float_format="%.6g", na_rep="nan")
    (folder / "table.md").write_text(evaluation.markdown(), encoding="utf-8")


def _unheard(noise: Sequence[str], run: Path | None, progress: bool) -> Material:
    """The testing split of the noise, with none of which the run was trained."""
    material = read_material([f"noise={source}" for source in noise], progress=progress).of_split("test")
    noises = [recording for recording in material.recordings if recording.kind == "noise"]
    heard = heard_noises(run, noises)
    if heard:
        raise AuricleError(
            f"{run} was trained with {len(heard)} of these {len(noises)} recordings of noise, first {heard[0].name}"
        )
    return material


def _mixed(
    manifest: Manifest, material: Material, snrs_db: list[float], seed: int
) -> Iterator[tuple[float | str, Clip, np.ndarray, np.ndarray]]:
    """(SNR, clip, clean, noisy): each clip with a piece of noise of its own, the same at every SNR."""
    store = ClipStore(manifest.clips, SAMPLE_RATE)
    for level in snrs_db:
        for index, clip in enumerate(manifest):
            clean = store.read(index)
            rng = np.random.default_rng(stable_seed(seed, clip.name))
            noise = material.draw("noise", 1, len(clean), SAMPLE_RATE, rng)[0]
            yield level, clip, clean, add_noise(clean, noise, level, active_power(clean, SAMPLE_RATE))


def _recorded(manifest: Manifest, pairs: Sequence[Clip]) -> Iterator[tuple[float | str, Clip, np.ndarray, np.ndarray]]:
    clean, noisy = ClipStore(manifest.clips, SAMPLE_RATE), ClipStore(pairs, SAMPLE_RATE)
    for index, clip in enumerate(manifest):
        n_samples = int(min(clean.lengths[index], noisy.lengths[index]))
        yield "recorded", clip, clean.read(index, 0, n_samples), noisy.read(index, 0, n_samples)
