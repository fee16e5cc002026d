"""The verdict says what intervals show, and nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle.metrics import hourly_rate
from auricle.studies.stress.alarms import counted_together
from auricle.studies.stress.statistics import StressTest, excludes_zero
from auricle.studies.stress.verdict import verdict
from made_up_cells import CLEAN_ONLY, N_CLIPS, SUITE, made_up

FALLING = CLEAN_ONLY | {"white-1": 0.8, "white-2": 0.5, "white-3": 0.25, "codec-2": 0.7}
BETTER = CLEAN_ONLY | {"white-1": 0.88, "white-2": 0.7, "white-3": 0.5, "codec-2": 0.7}
NO_MET: dict[str, set[str] | None] = {"mel": set(), "leaf": set(), "robust": {"white"}}


def said(shares, met=NO_MET, n_clips: int = N_CLIPS, **options):
    test = StressTest(made_up(shares, n_clips))
    return verdict(test, SUITE, "mel", met, **options)


def test_every_claim_rests_on_an_interval_without_zero():
    for shares in ({"mel": FALLING}, {"mel": FALLING, "robust": BETTER}, {"mel": CLEAN_ONLY, "leaf": CLEAN_ONLY}):
        found = said(shares, chance=0.25)
        assert all(excludes_zero(claim.figure) for claim in found.claims)
        assert str(found).endswith(".")


def test_the_sentence_of_the_issue():
    text = str(said({"mel": FALLING, "robust": BETTER}, chance=0.25))
    assert text == (
        "`robust`, trained in noise, halves the loss of `mel` at 10 dB SNR, from 40 to 20 points; white noise still "
        "costs 21 points on average; worst: white noise, 0 dB, 50 % right."
    )


def test_training_is_named_only_where_it_is_known():
    shares = {"mel": FALLING, "robust": BETTER}
    assert "trained" not in str(said(shares, {"mel": None, "robust": {"white"}}))
    assert "trained" not in str(said(shares, {"mel": {"white"}, "robust": {"white"}}))
    assert "trained under such conditions" in str(said(shares, {"mel": set(), "robust": {"codec"}}))


def test_few_clips_show_nothing():
    """The same shares of few clips: intervals are wide, and the claims are gone."""
    few = said({"mel": FALLING, "leaf": FALLING | {"white-2": 0.6}}, n_clips=12)
    assert "not told apart" in str(few)
    assert not any("at 10 dB" in claim.text for claim in few.claims)


@pytest.mark.parametrize("n_clips", [9, 10])
def test_of_a_handful_of_clips_no_verdict_is_made(n_clips):
    """Nine of nine clips wrong exclude zero, but one clip more or less would say something else."""
    lost = dict.fromkeys(CLEAN_ONLY, 1.0) | {"white-3": 0.0}
    found = said({"mel": lost}, n_clips=n_clips)
    assert (str(found) == "Too few clips for a verdict.") == (n_clips < 10)
    assert [claim.n_clips for claim in found.claims] == [10] * (2 if n_clips == 10 else 0)


def test_a_condition_of_a_few_clips_is_not_called_the_worst():
    """Where each clip is in one condition, all of them together may be many."""
    cells = made_up({"mel": CLEAN_ONLY | {"white-2": 0.5, "white-3": 0.0}})
    few = cells[(cells["cell"] != "white-3") | (cells["clip"].astype(int) < 5)]
    assert "worst: white noise, 0 dB" in str(verdict(StressTest(cells), SUITE, "mel", NO_MET))
    assert "0 dB" not in str(verdict(StressTest(few), SUITE, "mel", NO_MET))


def test_false_alarms_do_not_rest_on_clips():
    rates = [("clean", hourly_rate(5, 2.0)), ("white-3", hourly_rate(60, 2.0))]
    rows = [{"model": "mel", "cell": cell, "label": "all labels", "per_hour": rate.value, "low": rate.low,
             "high": rate.high} for cell, rate in rates]  # fmt: skip
    found = said({"mel": CLEAN_ONLY}, n_clips=5, alarms=pd.DataFrame(rows))
    assert found.table()["clips"].tolist() == ["–"]
    assert said({"mel": FALLING}).table()["clips"].tolist() == [N_CLIPS, N_CLIPS]


def test_models_that_agree_are_not_told_apart():
    found = said({"mel": FALLING, "leaf": FALLING})
    assert "`mel` and `leaf` are not told apart" in str(found) or "`leaf` and `mel` are not told apart" in str(found)


def test_nothing_lost_is_nothing_claimed():
    found = said({"mel": CLEAN_ONLY})
    assert found.claims == ()
    assert str(found) == "No condition is shown to cost `mel` accuracy."


def test_a_model_that_guesses_is_not_called_robust():
    shares = dict.fromkeys(CLEAN_ONLY, 0.25)
    assert str(said({"mel": shares}, chance=0.25)) == (
        "Even on clean clips `mel` is not shown to be better than guessing (25 %)."
    )


def test_one_model_is_not_compared_and_guessing_is_said():
    text = str(said({"mel": FALLING}, chance=0.25))
    assert text == (
        "White noise costs 38 points on average; worst: white noise, 0 dB, 25 % right, where it is not shown to be "
        "better than guessing (25 %)."
    )
    assert "guessing" not in str(said({"mel": FALLING}))


@settings(max_examples=30)
@given(counts=st.lists(st.integers(0, 30), min_size=1, max_size=4), hours=st.floats(0.01, 10))
def test_runs_that_heard_the_same_hours_do_not_narrow_the_interval(counts, hours):
    """The interval is that of a run with the runs' usual count, and holds their mean rate."""
    found = counted_together(sum(counts), len(counts), hours)
    usual = hourly_rate(round(np.mean(counts)), hours)
    assert (found["low"], found["high"]) == (usual.low, usual.high)
    assert found["per_hour"] == pytest.approx(np.mean(counts) / hours)
    assert found["low"] <= found["per_hour"] <= found["high"]


@pytest.mark.parametrize(("in_noise", "shown"), [(60, True), (9, False)])
def test_false_alarms_rise_only_where_the_rates_do_not_overlap(in_noise, shown):
    rows = []
    for cell, events in (("clean", 5), ("white-3", in_noise), ("codec-2", 6)):
        rate = hourly_rate(events, 2.0)
        rows.append({"model": "mel", "cell": cell, "label": "all labels", "per_hour": rate.value, "low": rate.low,
                     "high": rate.high})  # fmt: skip
    text = str(said({"mel": FALLING}, alarms=pd.DataFrame(rows)))
    assert ("false alarms rise from 2.5 to 30 an hour in white noise, 0 dB" in text) is shown
    assert ("false alarms" in text) is shown
