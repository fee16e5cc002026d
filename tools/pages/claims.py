"""What the papers claim of two models, and where each claim is looked for among the saved results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from auricle.conditions import stable_seed
from auricle.conditions.suites import CLEAN
from auricle.metrics import Comparison, Sample, bootstrap_weights
from auricle.runs.results import find_results
from auricle.tasks.emotion.compare import ComparedEmotions
from common import VARIATIONS, folders
from separation import evaluation, read_models
from stress import RESAMPLES, read_tests

NORMALISED = " (compression=log-z-score)"
"""What follows the name of a front-end with the authors' normalisation of DEGramNet."""


@dataclass(frozen=True)
class Found:
    """A difference on one data set: the measured value first, then the resamples; and the number of seeds."""

    data: str
    draws: np.ndarray
    n_seeds: int


@dataclass(frozen=True)
class Claim:
    """What a paper says of two models, its difference as text, and where it is looked for."""

    name: str
    text: str
    theirs: str
    found: Callable[[Path], Iterator[Found]]
    unit: str = "points"


grid = cache(read_tests)
mixtures = cache(read_models)


def accuracy(paper: str, model: str, other: str, test: str) -> Callable[[Path], Iterator[Found]]:
    """`model` − `other` in points on every data set of results/`paper` that has both; `test` is as clean → complex."""
    trained, suite = test.split(" → ")

    def differences(results: Path) -> Iterator[Found]:
        for data in folders(results / paper):
            tests = [own for key, own in grid(data).items() if key[0] == trained and suite in (key[1], CLEAN)]
            if data.name in VARIATIONS or not tests:
                continue
            tested = tests[0]
            names = {name.removesuffix(NORMALISED): name for name in tested.models}
            if {model, other} <= set(names):
                figure = tested.clean if suite == CLEAN else tested.overall
                draws = 100 * tested.difference(figure, names[model], names[other])
                yield Found(data.name, draws, tested.n_seeds[names[model]])

    return differences


def recall(model: str, other: str, noise: str) -> Callable[[Path], Iterator[Found]]:
    """`model` − `other` in points of UAR in a noise, on every data set of results/emotion."""

    def differences(results: Path) -> Iterator[Found]:
        for data in folders(results / "emotion"):
            samples = emotions(data)
            if {model, other} <= set(samples):
                pair = {name: samples[name] for name in (model, other)}
                compared = Comparison(pair, resamples=RESAMPLES, seed=stable_seed(data.name))
                draws = compared.draws(model, noise, "uar") - compared.draws(other, noise, "uar")
                yield Found(data.name, 100 * draws, len(samples[model]))

    return differences


@cache
def emotions(data: Path) -> dict[str, list[Sample]]:
    """The samples of a data set's runs of TRNet and its baselines, one for each seed."""
    task, samples = ComparedEmotions(), {}
    for result in find_results(folders(data)):
        samples.setdefault(task.display_name(result), []).append(task.sample(result))
    return samples


def separated(model: str, other: str, query: str) -> Callable[[Path], Iterator[Found]]:
    """`model` − `other` in dB of SDR improvement, the mean of the classes' medians."""

    def differences(results: Path) -> Iterator[Found]:
        for data in folders(results / "separation"):
            models = mixtures(data)
            if not {model, other} <= set(models):
                continue
            first, second = (evaluation(models[name]).by_class("sdri")[query] for name in (model, other))
            by_class = (first - second).to_numpy()
            weights = np.concatenate([np.ones((1, len(by_class))), bootstrap_weights(len(by_class), RESAMPLES)])
            yield Found(data.name, weights @ by_class / len(by_class), 1)

    return differences


CLAIMS = {
    "leaf": [
        Claim(
            "leaf-mel",
            "LEAF is ahead of log-mel, clean (Table 1)",
            "+3.0",
            accuracy("leaf", "leaf", "mel", "clean → clean"),
        ),
        Claim(
            "leaf-mel-noise",
            "LEAF is ahead of log-mel in noise (Fig. A.6)",
            "ahead",
            accuracy("leaf", "leaf", "mel", "clean → snr-ladder"),
        ),
        Claim(
            "leaf-spcen",
            "LEAF is ahead of mel with sPCEN, clean (Table 2)",
            "+0.9",
            accuracy("leaf", "leaf", "mel-spcen", "clean → clean"),
        ),
        Claim(
            "spcen-mel",
            "sPCEN puts mel ahead of log-mel, clean (Table 2)",
            "+2.1",
            accuracy("leaf", "mel-spcen", "mel", "clean → clean"),
        ),
        Claim(
            "leaf-sincnet",
            "LEAF is ahead of SincNet, clean (Table 1)",
            "+3.8",
            accuracy("leaf", "leaf", "sincnet", "clean → clean"),
        ),
        Claim(
            "leaf-td",
            "LEAF is ahead of TD-filterbanks, clean (Table 1)",
            "+4.0",
            accuracy("leaf", "leaf", "td-filterbanks", "clean → clean"),
        ),
    ],
    "apcen": [
        Claim(
            "apcen-fixed-clean",
            "LEAF-APCEN is ahead of fixed LEAF, clean (Table 2)",
            "+5.8",
            accuracy("apcen", "leaf-apcen", "leaf-fixed", "clean → clean"),
        ),
        Claim(
            "apcen-simppcen-clean",
            "LEAF-APCEN is ahead of LEAF-SimpPCEN, clean (Table 2)",
            "+6.0",
            accuracy("apcen", "leaf-apcen", "leaf-simppcen", "clean → clean"),
        ),
        Claim(
            "apcen-pcen",
            "LEAF-APCEN is ahead of LEAF-PCEN, complex (Table 3)",
            "+10.0",
            accuracy("apcen", "leaf-apcen", "leaf-pcen", "complex → complex"),
        ),
        Claim(
            "apcen-simppcen",
            "LEAF-APCEN is ahead of LEAF-SimpPCEN, complex (Table 3)",
            "+10.3",
            accuracy("apcen", "leaf-apcen", "leaf-simppcen", "complex → complex"),
        ),
    ],
    "degram": [
        Claim(
            "degram-spectrogram",
            "DEGram is ahead of a spectrogram (Tables 6, 7)",
            "+1.9 and +3.6",
            accuracy("degram", "degram", "spectrogram", "clean → clean"),
        ),
        Claim(
            "sincgram-spectrogram",
            "SincGram is ahead of a spectrogram (Tables 6, 7)",
            "+0.8 and +3.1",
            accuracy("degram", "sincgram", "spectrogram", "clean → clean"),
        ),
        Claim(
            "degram-sincgram",
            "DEGram is ahead of SincGram (Tables 6, 7)",
            "+1.1 and +0.5",
            accuracy("degram", "degram", "sincgram", "clean → clean"),
        ),
    ],
    "trnet": [
        Claim(
            "trnet-n-matched",
            "TRNet is ahead of Baseline-n, matched noise",
            "+1.0",
            recall("trnet", "baseline-n", "matched"),
        ),
        Claim(
            "trnet-n-unmatched",
            "TRNet is ahead of Baseline-n, unmatched noise",
            "+2.2",
            recall("trnet", "baseline-n", "unmatched"),
        ),
        Claim(
            "trnet-e-matched",
            "TRNet is ahead of Baseline-e, matched noise",
            "+1.8",
            recall("trnet", "baseline-e", "matched"),
        ),
        Claim(
            "trnet-e-unmatched",
            "TRNet is ahead of Baseline-e, unmatched noise",
            "+2.0",
            recall("trnet", "baseline-e", "unmatched"),
        ),
        Claim("trnet-c", "TRNet is ahead of Baseline-c, clean", "+0.7", recall("trnet", "baseline-c", "clean")),
    ],
    "separation": [
        Claim(
            "mae-frozen-oracle",
            "Frozen features put ResUNet ahead, oracle queries",
            "+0.55",
            separated("mae-frozen", "resunet", "oracle"),
            "dB",
        ),
        Claim(
            "mae-frozen-average",
            "Frozen features put ResUNet ahead, average queries",
            "+0.44",
            separated("mae-frozen", "resunet", "average"),
            "dB",
        ),
        Claim(
            "mae-updated-average",
            "Features trained further put ResUNet ahead, average queries",
            "+0.46",
            separated("mae-updated", "resunet", "average"),
            "dB",
        ),
    ],
}
