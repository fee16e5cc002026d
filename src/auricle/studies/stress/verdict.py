"""The verdict of a stress test: a sentence whose every claim rests on an interval that excludes zero.

For each claim the condition is chosen by the measured values, and its interval does not account for the choice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from auricle.conditions.levels import SNR, cell_texts, corruption_text, level, signed
from auricle.conditions.noises import NOISES
from auricle.conditions.suites import CLEAN, Suite
from auricle.metrics.intervals import Interval
from auricle.reports.plots.style import rate_text
from auricle.reports.tables import MISSING
from auricle.studies.stress.statistics import Draws, StressTest, excludes_zero, interval
from auricle.tasks.classification.false_alarms import EVERY

USUAL_SNR_DB = 10.0
"""Where models are compared, if the suite has noise of this level; else at the nearest one."""
FEWEST = 10
"""With fewer clips in a condition nothing is claimed of it: one clip more or less would change the verdict."""
_HALF = (0.4, 0.6)


@dataclass(frozen=True)
class Claim:
    """A phrase of the verdict, and the figure that it rests on: what it is, its value and its interval.

    `n_clips` is the number of clips in each of its conditions, or in all together where each clip is in one; None where
    it rests on background.
    """

    text: str
    what: str
    figure: Interval
    n_clips: int | None
    unit: str = "points"


@dataclass(frozen=True)
class Verdict:
    """The claims of a stress test about its best model and, if there are several, about the difference of models."""

    claims: tuple[Claim, ...]
    otherwise: str
    """What is said where there is no claim."""

    def table(self) -> pd.DataFrame:
        """What the claims rest on: a row for each."""
        rows = [
            {
                "figure": claim.what,
                "value": claim.figure,
                "unit": claim.unit,
                "clips": MISSING if claim.n_clips is None else claim.n_clips,
            }
            for claim in self.claims
        ]
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        text = "; ".join([*(claim.text for claim in self.claims), *([self.otherwise] if self.otherwise else [])])
        return f"{text[:1].upper()}{text[1:]}."


def verdict(
    test: StressTest,
    suite: Suite,
    baseline: str,
    met: Mapping[str, set[str] | None],
    chance: float = float("nan"),
    alarms: pd.DataFrame | None = None,
) -> Verdict:
    """What the figures show about the best model, in comparison with `baseline` and by itself.

    `met` are the corruptions that were used in training each model, None where they are not known; `chance` is the
    accuracy of guessing, `alarms` the table of `measure_alarms`.
    """
    ranked = sorted(test.models, key=lambda model: -float(test.overall(model)[0]))
    best = ranked[0]
    rival = baseline if baseline != best else next(iter(ranked[1:]), "")
    claims, otherwise = [], []
    if rival:
        found = _difference(test, suite, best, rival, met)
        if found:
            claims.append(found)
        else:
            otherwise.append(f"`{best}` and `{rival}` are not told apart")
    own = _costs(test, suite, best, chance, compared=bool(rival), still=bool(claims))
    claims += own
    if not own:
        guessing = interval(test.clean(best)).low <= chance
        otherwise.append(
            f"even on clean clips `{best}` is not shown to be better than guessing ({100 * chance:.0f} %)"
            if guessing
            else f"no condition is shown to cost `{best}` accuracy"
        )
    enough = [claim for claim in claims if claim.n_clips is not None and claim.n_clips >= FEWEST]
    if not enough and _fewest(test, test.cells["cell"].unique()) < FEWEST:
        otherwise = ["too few clips for a verdict"]
    if alarms is not None:
        enough += _alarms(alarms, suite, best)
    return Verdict(tuple(enough), "; ".join(otherwise))


def _difference(
    test: StressTest, suite: Suite, best: str, rival: str, met: Mapping[str, set[str] | None]
) -> Claim | None:
    """By how much `best` is ahead of `rival`, if it is shown to be."""
    where, cells = _compared_at(suite, test)
    losses = {model: _lost(test, model, cells) for model in (best, rival)}
    n_clips = test.cells["clip"].nunique() if test.shares else _fewest(test, cells)
    saved = interval(losses[rival] - losses[best], 100)
    mine, other = (100 * float(losses[model][0]) for model in (best, rival))
    trained = met.get(best) or set()
    name = f"`{best}`"
    if trained and met.get(rival) == set():
        name = f"`{best}`, trained {'in noise' if trained.intersection(NOISES) else 'under such conditions'},"
    if saved.low > 0 and other > 0:
        halved = _HALF[0] <= mine / other <= _HALF[1]
        how = f"halves the loss of `{rival}`" if halved else f"cuts the loss of `{rival}`"
        points = f"from {other:.0f} to {_points(mine)}"
        what = f"loss of {rival} less that of {best} {where}"
        return Claim(f"{name} {how} {where}, {points}", what, saved, n_clips)
    ahead = interval(test.difference(test.overall, best, rival), 100)
    if ahead.low > 0:
        text = f"{name} is {_points(ahead.value)} more accurate than `{rival}` under the suite"
        return Claim(text, f"accuracy of {best} less that of {rival} under the suite", ahead, n_clips)
    return None


def _compared_at(suite: Suite, test: StressTest) -> tuple[str, list[str]]:
    """Where losses are compared, in words, and the cells: noise at the level nearest to 10 dB, or everything."""
    measured = set(test.cells["cell"]) - {CLEAN}
    levels = {cell.name: level(cell) for cell in suite.cells if cell.name in measured}
    snrs = {name: own.value for name, own in levels.items() if own.quantity == SNR and own.value is not None}
    if not snrs or test.shares:
        return "under the suite", sorted(measured)
    nearest = min(snrs.values(), key=lambda snr: (abs(snr - USUAL_SNR_DB), snr))
    return f"at {signed(nearest)} dB SNR", [name for name, snr in snrs.items() if snr == nearest]


def _fewest(test: StressTest, cells: Collection[str]) -> int:
    """The number of clips in that of the conditions which has fewest."""
    heard = test.cells[test.cells["cell"].isin(list(cells))]
    return int(heard.groupby("cell")["clip"].nunique().min())


def _lost(test: StressTest, model: str, cells: list[str]) -> Draws:
    """Accuracy on clean clips less the mean accuracy in `cells`."""
    return test.clean(model) - np.mean([test.accuracy(model, name) for name in cells], axis=0)


def _costs(test: StressTest, suite: Suite, best: str, chance: float, *, compared: bool, still: bool) -> list[Claim]:
    """Which corruption costs the model most accuracy, and in which condition it is worst, as far as they are shown."""
    claims = []
    whom = f" `{best}`" if compared and not still else ""
    texts = cell_texts(suite.cells)
    measured = set(test.cells["cell"]) - {CLEAN}
    worst = min((name for name in texts if name in measured), key=lambda name: float(test.accuracy(best, name)[0]))
    several = [name for name in test.corruptions if len(test.severities(name)) > 1]
    if several:
        losses = {name: test.clean(best) - test.corrupted(best, name) for name in several}
        costly = max(losses, key=lambda name: float(losses[name][0]))
        lost = interval(losses[costly], 100)
        if lost.low > 0:
            name = corruption_text(costly)
            text = f"{name} {'still ' if still else ''}costs{whom} {_points(lost.value)} on average"
            n_clips = _fewest(test, test.cells.loc[test.cells["corruption"] == costly, "cell"].unique())
            claims.append(Claim(text, f"accuracy of {best} lost in {name}, all levels together", lost, n_clips))
    lost = interval(_lost(test, best, [worst]), 100)
    if lost.low > 0:
        there = interval(test.accuracy(best, worst))
        text = f"worst{f' for{whom}' if whom and not claims else ''}: {texts[worst]}, {100 * there.value:.0f} % right"
        if there.low <= chance:
            text += f", where it is not shown to be better than guessing ({100 * chance:.0f} %)"
        claims.append(Claim(text, f"accuracy of {best} lost in {texts[worst]}", lost, _fewest(test, [worst])))
    return claims


def _alarms(alarms: pd.DataFrame, suite: Suite, best: str) -> list[Claim]:
    """In which condition false alarms become more, if their interval lies above that of clean background."""
    own = alarms[(alarms["model"] == best) & (alarms["label"] == EVERY)]
    values = own[["per_hour", "low", "high"]].to_numpy(dtype=float).tolist()
    rates = dict(zip(own["cell"].astype(str), values, strict=True))
    base, low, high = rates.pop(CLEAN)
    if not rates:
        return []
    name = max(rates, key=lambda cell: rates[cell][0])
    most, most_low, most_high = rates[name]
    more = Interval(most - base, most_low - high, most_high - low)  # wider than the interval of the difference
    if not (excludes_zero(more) and more.value > 0):
        return []
    where = cell_texts(suite.cells)[name]
    text = f"false alarms rise from {rate_text(base)} to {rate_text(most)} an hour in {where}"
    return [Claim(text, f"false alarms of {best} in {where} less those without it", more, None, "an hour")]


def _points(value: float) -> str:
    shown = f"{abs(value):.0f}" if abs(value) >= 0.95 else f"{abs(value):.1f}"
    return f"{signed(value, '.0f') if value < 0 else shown} point{'' if shown == '1' else 's'}"
