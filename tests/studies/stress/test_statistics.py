"""The figures of a stress test against the formulas written out with loops, and limit cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from auricle.studies.stress.statistics import StressTest, excludes_zero, interval

CORRUPTIONS = {"noise": (1, 2, 3), "codec": (1, 2), "gain-steps": (0,)}


def cells(accuracies: dict[str, float], n_clips: int = 60, seeds: int = 2, seed: int = 0) -> pd.DataFrame:
    """Random answers whose expected accuracy on clean clips is `accuracies[model]`, falling with severity."""
    rng = np.random.default_rng(seed)
    rows = []
    for model, clean in accuracies.items():
        for run_seed in range(seeds):
            for corruption, severities in {"clean": (0,), **CORRUPTIONS}.items():
                for severity in severities:
                    expected = clean - 0.15 * (severity or 1) * (corruption != "clean")
                    for clip in range(n_clips):
                        name = f"{corruption}-{severity}" if severity else corruption
                        rows.append([model, run_seed, corruption, severity, name, f"clip-{clip}", f"group-{clip // 3}",
                                     int(rng.random() < expected), 1])  # fmt: skip
    columns = ["model", "seed", "corruption", "severity", "cell", "clip", "group", "right", "own"]
    return pd.DataFrame(rows, columns=columns)


def errors(table: pd.DataFrame, model: str, cell: str) -> float:
    """Share of wrong answers of a model in a cell, by counting."""
    wrong, count = 0, 0
    for row in table.itertuples():
        if row.model == model and row.cell == cell:
            wrong += 1 - row.right
            count += 1
    return wrong / count


def written_out(table: pd.DataFrame, model: str, baseline: str) -> dict[str, float]:
    ces, relative, accuracies = [], [], []
    for corruption, severities in CORRUPTIONS.items():
        own, other = 0.0, 0.0
        for severity in severities:
            name = f"{corruption}-{severity}" if severity else corruption
            own += errors(table, model, name)
            other += errors(table, baseline, name)
        lost = own - len(severities) * errors(table, model, "clean")
        lost_by_other = other - len(severities) * errors(table, baseline, "clean")
        ces.append(100 * own / other)
        relative.append(100 * lost / lost_by_other)
        accuracies.append(1 - own / len(severities))
    corrupted = sum(accuracies) / len(accuracies)
    return {
        "mce": sum(ces) / len(ces),
        "relative_mce": sum(relative) / len(relative),
        "corrupted": corrupted,
        "retained": corrupted / (1 - errors(table, model, "clean")),
        "worst": min(accuracies),
    }


def test_figures_are_the_formulas():
    table = cells({"mel": 0.8, "leaf": 0.9})
    test, expected = StressTest(table), written_out(table, "leaf", "mel")
    assert test.mce("leaf", "mel")[0] == pytest.approx(expected["mce"])
    assert test.relative_mce("leaf", "mel")[0] == pytest.approx(expected["relative_mce"])
    assert test.mean_corrupted("leaf")[0] == pytest.approx(expected["corrupted"])
    assert test.retained("leaf")[0] == pytest.approx(expected["retained"])
    assert test.worst("leaf")[1][0] == pytest.approx(expected["worst"])
    assert test.n_seeds == {"mel": 2, "leaf": 2}


def test_clips_are_shared_out_if_not_all_are_heard_in_all_conditions():
    table = cells({"mel": 0.9})
    assert not StressTest(table).shares
    assert not StressTest(table.assign(own=(table["corruption"] != "clean").astype(int))).shares, "no clean cell"
    number = table["clip"].str.removeprefix("clip-").astype(int) % 4
    places = {"clean": -1} | {name: place for place, name in enumerate(sorted(set(table["cell"]) - {"clean"}))}
    shared = table[(table["corruption"] == "clean") | (number == table["cell"].map(places) % 4)]
    assert StressTest(shared).shares


def test_the_baseline_against_itself_is_a_hundred_without_width():
    test = StressTest(cells({"mel": 0.8}))
    assert interval(test.mce("mel", "mel")) == interval(np.full(5, 100.0))
    assert not excludes_zero(interval(test.difference(test.overall, "mel", "mel")))


def test_every_corruption_counts_once_whatever_its_severities():
    """mCE is over corruptions: a corruption with three severities weighs as much as one with a single severity."""
    table = cells({"mel": 0.8, "leaf": 0.9})
    test = StressTest(table)
    each = [test.corruption_error("leaf", "mel", name)[0] for name in CORRUPTIONS]
    assert test.mce("leaf", "mel")[0] == pytest.approx(np.mean(each))


def test_the_interval_of_a_difference_is_paired():
    """Two models that agree on every clip but a few differ by an interval narrower than either's own."""
    table = cells({"mel": 0.6}, seeds=1)
    other = table.assign(model="leaf")
    change = (other["clip"].str.endswith("7")) & (other["corruption"] == "noise")
    other.loc[change, "right"] = 1
    test = StressTest(pd.concat([table, other]))
    own, difference = interval(test.overall("leaf")), interval(test.difference(test.overall, "leaf", "mel"))
    assert difference.high - difference.low < 0.5 * (own.high - own.low)


def test_one_group_tells_nothing_of_others():
    table = cells({"mel": 0.5, "leaf": 0.9}, n_clips=20).assign(group="one speaker")
    test = StressTest(table)
    difference = interval(test.difference(test.overall, "leaf", "mel"))
    assert difference.value == pytest.approx(np.diff(table.groupby("model", sort=False)["right"].mean())[0], abs=0.1)
    assert np.isnan([difference.low, difference.high]).all()
    assert not excludes_zero(difference)


def test_a_baseline_that_may_make_no_error_has_no_upper_bound():
    """One error of the baseline in 100 clips: a third of the resamples do not draw it."""
    table = cells({"mel": 1.0, "leaf": 1.0}, n_clips=100, seeds=1).query("corruption in ('clean', 'codec')")
    number = table["clip"].str.removeprefix("clip-").astype(int)
    errors = np.where(table["model"] == "mel", number < 1, number < 3)
    test = StressTest(table.assign(right=1 - errors, group=table["clip"]))
    found = interval(test.mce("leaf", "mel"))
    assert found.value == pytest.approx(300)
    assert 50 < found.low < 300
    assert found.high == np.inf


def test_accuracies_that_are_equal_but_for_rounding_are_equal(monkeypatch):
    test = StressTest(cells({"mel": 0.8, "leaf": 0.9}))
    corrupted = test.corrupted

    def nearly(model, corruption):
        return np.nextafter(test.clean(model), 0.0) if model == "mel" else corrupted(model, corruption)

    monkeypatch.setattr(test, "corrupted", nearly)
    assert np.isnan(test.relative_corruption_error("leaf", "mel", "codec")).all()
    losing = test.clean("mel").copy()
    losing[0] -= 0.1
    monkeypatch.setattr(test, "corrupted", lambda model, name: np.minimum(nearly(model, name), losing))
    found = test.relative_corruption_error("leaf", "mel", "codec")
    assert np.isfinite(found[0])
    assert not np.isfinite(found[1:]).any()


def test_a_corruption_under_which_the_baseline_loses_nothing_has_no_relative_error():
    table = cells({"mel": 0.8, "leaf": 0.9})
    clean = table[table["cell"] == "clean"].set_index(["model", "seed", "clip"])["right"]
    harmless = table["corruption"].eq("codec") & table["model"].eq("mel")
    keys = pd.MultiIndex.from_frame(table.loc[harmless, ["model", "seed", "clip"]])
    table.loc[harmless, "right"] = clean.loc[keys].to_numpy()
    test = StressTest(table)
    assert np.isnan(test.relative_corruption_error("leaf", "mel", "codec")).all()
    others = [test.relative_corruption_error("leaf", "mel", name) for name in CORRUPTIONS if name != "codec"]
    np.testing.assert_array_equal(test.relative_mce("leaf", "mel"), np.mean(others, axis=0))
    assert interval(test.relative_mce("mel", "mel")) == interval(np.full(5, 100.0))
    without = StressTest(table[table["corruption"].isin(["clean", "codec"])])
    assert np.isnan(without.relative_mce("leaf", "mel")).all()


def test_groups_are_drawn_whole():
    """Clips of a group that always agree: the interval over groups is wider than that over clips."""
    table = cells({"mel": 0.5}, n_clips=90, seeds=1)
    same = table.groupby(["cell", "group"])["right"].transform("first")
    grouped = interval(StressTest(table.assign(right=same)).overall("mel"))
    apart = interval(StressTest(table.assign(right=same, group=table["clip"])).overall("mel"))
    assert grouped.value == apart.value
    assert grouped.high - grouped.low > 1.3 * (apart.high - apart.low)


def test_coverage_of_the_interval():
    """Over many tests of known accuracy the interval covers it about as often as it says."""
    expected = np.mean([np.mean([0.7 - 0.15 * (s or 1) for s in severities]) for severities in CORRUPTIONS.values()])
    covered = 0
    for seed in range(60):
        found = interval(
            StressTest(cells({"mel": 0.7}, seeds=1, seed=seed).assign(group=lambda t: t["clip"])).overall("mel")
        )
        covered += found.low <= expected <= found.high
    assert covered >= 50


def test_a_suite_of_shares_is_read_by_each_clips_own_cell():
    table = cells({"mel": 0.8}, seeds=1)
    names = list(dict.fromkeys(table["cell"]))
    number = table["clip"].str.removeprefix("clip-").astype(int)
    own = table["cell"].map(names.index) == number % len(names)
    shared = table[own | (table["cell"] == "clean")].assign(own=own.astype(int))
    test = StressTest(shared)
    assert test.shares
    kept = shared[shared["own"] == 1]
    assert len(kept) == 60
    assert test.overall("mel")[0] == pytest.approx(kept["right"].mean())
    assert test.clean("mel")[0] == pytest.approx(shared[shared["cell"] == "clean"]["right"].mean())


def test_a_perfect_baseline_leaves_nothing_to_divide_by():
    table = cells({"mel": 0.8, "leaf": 0.9})
    table.loc[table["model"] == "mel", "right"] = 1
    assert not np.isfinite(StressTest(table).mce("leaf", "mel")[0])
