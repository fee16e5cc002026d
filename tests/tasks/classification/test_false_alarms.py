"""False alarms against a slow count, and what always or never fires."""

from __future__ import annotations

import re

import numpy as np
import pytest
import soundfile as sf

from auricle.config import DataOptions
from auricle.data.clips import Clip
from auricle.data.manifest import Manifest
from auricle.data.reading import clip_of, read_unlabelled
from auricle.data.splits import Splits
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.runs.clips import clip_table
from auricle.tasks.classification import background as background_module
from auricle.tasks.classification.background import outputs, read_background
from auricle.tasks.classification.evaluation_tables import alarm_table, printed
from auricle.tasks.classification.events import EventRule
from auricle.tasks.classification.false_alarms import (
    EVERY,
    AlarmCounter,
    FalseAlarms,
    Heard,
    listen,
    peaks,
    threshold_levels,
)
from auricle.tasks.classification.selection import Selection
from auricle.tasks.classification.window_classifiers import WholeWindows

RATE = 1000
TASK = Task("tags", ("loud", "quiet"), multi_label=True)


class Loudness(WholeWindows):
    """A window classifier of half a second: the logit of "loud" is the level of the window, "quiet" its negative."""

    sample_rate, window, short, tasks, digest, extras = RATE, RATE // 2, "pad", (TASK,), "", ()

    def logits(self, windows):
        level = 10 * (np.abs(windows).mean(axis=1) - 0.25)
        return np.stack([level, -level], axis=1)


class LoudFrames(Loudness):
    """The same for frames of 0.1 s."""

    frame_s = 0.1

    def detect(self, windows):
        frames = super().logits(windows.reshape(-1, 100)).reshape(len(windows), 5, 2)
        return frames.max(axis=1), frames


def recording(path, levels, step_s=0.5, labels=()) -> Clip:
    """A square wave of one level after another."""
    signs = np.where(np.arange(round(step_s * RATE)) % 2, 1.0, -1.0)
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, np.concatenate([level * signs for level in levels]), RATE, subtype="FLOAT")
    clip = clip_of(path, path.name, "")
    return Clip(**{**clip.__dict__, "labels": labels})


def slow_counts(recordings, thresholds, low_share=0.5):
    """Events of recordings of probabilities `(n, labels)`, counted one by one."""
    counts = np.zeros(thresholds.shape, int)
    for values in recordings:
        for level, row in enumerate(thresholds):
            for label, threshold in enumerate(row):
                on = False
                for value in values[:, label]:
                    begins = value >= threshold
                    counts[level, label] += begins and not on
                    on = begins or (on and value >= low_share * threshold)
    return counts


def test_events_are_counted_as_one_by_one(monkeypatch):
    rng = np.random.default_rng(0)
    recordings = [rng.random((int(rng.integers(1, 40)), 3)) for _ in range(8)]
    thresholds = rng.random((7, 3))
    for at_once in (1, 100, 10**6):
        monkeypatch.setattr("auricle.tasks.classification.false_alarms._AT_ONCE", at_once)
        counter = AlarmCounter(thresholds, EventRule())
        for values in recordings:
            counter.next_recording()
            for first in range(0, len(values), 5):
                counter.add(values[first : first + 5])
        assert (counter.counts == slow_counts(recordings, thresholds)).all()


@pytest.mark.parametrize("model", [Loudness(), LoudFrames()])
@pytest.mark.parametrize("stretch_s", [0.5, 2.0, 60.0])
def test_recordings_of_any_length_are_heard_whole(model, stretch_s, tmp_path, monkeypatch):
    monkeypatch.setattr(background_module, "STRETCH_S", stretch_s)
    levels = np.random.default_rng(0).random(41).round(2)
    clip = recording(tmp_path / "a.wav", levels)
    made = list(outputs(model, clip, TASK))
    windows = np.concatenate([one.windows for one in made])
    expected = 10 * (levels - 0.25)
    np.testing.assert_allclose(windows[:, 0], expected, atol=1e-4)
    steps = np.concatenate([one.steps for one in made])
    repeated = np.repeat(expected, 5) if model.frame_s else expected
    np.testing.assert_allclose(steps[:, 0], repeated, atol=1e-4)


def test_a_remainder_is_used_as_by_predict(tmp_path):
    for n_samples, n_windows, n_frames in ((100, 1, 1), (749, 1, 8), (750, 2, 8), (1000, 2, 10), (1249, 2, 13)):
        sf.write(tmp_path / "a.wav", np.zeros(n_samples), RATE)
        clip = clip_of(tmp_path / "a.wav", "a.wav", "")
        assert sum(len(one.windows) for one in outputs(Loudness(), clip, TASK)) == n_windows
        assert sum(len(one.steps) for one in outputs(LoudFrames(), clip, TASK)) == n_frames


@pytest.mark.parametrize(("n_samples", "filled"), [(300, 0.6), (800, 0.0)])
@pytest.mark.parametrize("stretch_s", [0.5, 60.0])
def test_only_a_recording_shorter_than_a_window_is_repeated(n_samples, filled, stretch_s, tmp_path, monkeypatch):
    """The last window of a longer one is filled with zeros, as in training."""
    monkeypatch.setattr(background_module, "STRETCH_S", stretch_s)
    heard = []

    class Repeating(LoudFrames):
        short = "repeat"

        def detect(self, windows):
            heard.extend(windows)
            return super().detect(windows)

    sf.write(tmp_path / "a.wav", np.full(n_samples, 0.6), RATE, subtype="FLOAT")
    list(outputs(Repeating(), clip_of(tmp_path / "a.wav", "a.wav", ""), TASK))
    expected = np.full(-(-n_samples // 500) * 500, filled, dtype=np.float32)
    expected[:n_samples] = 0.6
    np.testing.assert_array_equal(np.concatenate(heard), expected)


def test_rates_and_recall_by_hand(tmp_path):
    selection = Selection(2, 0.5, events=EventRule())
    quiet, loud = [0.1] * 4, [0.9] * 4
    background = [
        recording(tmp_path / "one.wav", quiet + loud + quiet + loud + quiet),  # loud twice, quiet three times
        recording(tmp_path / "two.wav", loud * 10),  # one event of 20 s
    ]
    levels = threshold_levels(TASK, selection)
    heard = listen(Loudness(), background, TASK, selection, levels)
    assert heard.hours == pytest.approx(30 / 3600)
    assert heard.counts[0].tolist() == [3, 3]
    assert heard.n_windows.tolist() == [20, 40]
    assert heard.rate(0, 0).value == pytest.approx(3 * 120)
    assert heard.rate(0).value == pytest.approx(6 * 120)
    clips = [
        recording(tmp_path / "c0.wav", [0.1, 0.9], labels=("loud",)),
        recording(tmp_path / "c1.wav", [0.1, 0.1], labels=("loud",)),
        recording(tmp_path / "c2.wav", [0.1], labels=("quiet",)),
        recording(tmp_path / "c3.wav", [0.9, 0.1], labels=("loud", "quiet")),
    ]
    targets = np.array([[1, 0], [1, 0], [0, 1], [1, 1]])
    alarms = FalseAlarms(TASK, levels, heard, peaks(Loudness(), clips, TASK, selection), targets)
    assert (alarms.recall(0, 0), alarms.recall(0, 1), alarms.recall(0)) == (2 / 3, 1.0, 4 / 5)
    table = alarms.table()
    in_use = table[table["in_use"]].set_index("label")
    assert in_use.loc["loud", "events"] == 3
    assert in_use.loc[EVERY, "n_clips"] == 5
    record = alarms.record()
    assert record["labels"]["loud"]["per_hour"]["value"] == pytest.approx(360)
    assert record["labels"]["loud"]["recall"]["value"] == pytest.approx(2 / 3)
    curve = record["labels"][EVERY]["curve"]
    assert len(curve["recall"]) == len(record["levels"]) == len(levels) - 1
    assert curve["recall"][0] == 1.0  # the lowest threshold
    assert curve["recall"] == sorted(curve["recall"], reverse=True)
    assert "false alarms in 30 s of background" in printed([alarm_table(alarms, 0)])
    alarms.figure()


def test_what_always_fires_gives_one_event_in_each_recording_and_what_never_fires_none(tmp_path):
    background = [recording(tmp_path / f"{k}.wav", [0.9] * (k + 1)) for k in range(3)]
    heard = listen(Loudness(), background, TASK, Selection(2, 0.5, events=EventRule()), np.full((1, 2), 0.5))
    assert heard.counts.tolist() == [[3, 0]]
    rate = heard.rate(0, 1)
    assert (rate.value, rate.low) == (0.0, 0.0)
    assert rate.high == pytest.approx(3.688879 / (3 / 3600))


def test_outputs_that_are_not_finite_name_the_recording(tmp_path):
    class Broken(Loudness):
        def logits(self, windows):
            return np.full((len(windows), 2), np.nan)

    clip = recording(tmp_path / "bad.wav", [0.1] * 3)
    with pytest.raises(AuricleError, match=r"bad\.wav: .*not finite"):
        list(outputs(Broken(), clip, TASK))


def test_of_no_clips_there_are_peaks_of_every_label():
    assert peaks(Loudness(), (), TASK, Selection(2, 0.5, events=EventRule())).shape == (0, 2)


def test_a_manifest_of_background_needs_neither_a_column_path_nor_the_groups_of_the_data(tmp_path):
    recording(tmp_path / "wind.wav", [0.1, 0.2])
    (tmp_path / "noise.csv").write_text("filename\nwind.wav\n")
    options = DataOptions(group_column="speaker")
    (clip,) = read_background(str(tmp_path / "noise.csv"), TASK, tmp_path, options)
    assert (clip.path.name, clip.labels) == ("wind.wav", ())


def test_background_is_without_the_sounds(tmp_path):
    recording(tmp_path / "wind" / "a.wav", [0.1] * 4)
    recording(tmp_path / "wind" / "deep" / "b.wav", [0.1] * 4)
    negative = recording(tmp_path / "c.wav", [0.1])
    found = read_background(str(tmp_path / "wind"), TASK, tmp_path, DataOptions(), [negative])
    assert [clip.labels for clip in found] == [()] * 3
    assert found[-1] == negative
    assert read_background(None, TASK, tmp_path, DataOptions()) == ()
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,label,start,end\nwind/a.wav,wind,0.5,1.5\n")
    (clip,) = read_background(str(manifest), TASK, tmp_path, DataOptions())
    assert (clip.start_s, clip.end_s, clip.labels) == (0.5, 1.5, ())
    manifest.write_text("path,label\nwind/a.wav,wind;loud\n")
    with pytest.raises(AuricleError, match="recordings of loud"):
        read_background(str(manifest), TASK, tmp_path, DataOptions())
    recording(tmp_path / "classes" / "quiet" / "a.wav", [0.1])
    with pytest.raises(AuricleError, match="recordings of quiet"):
        read_background(str(tmp_path / "classes"), TASK, tmp_path, DataOptions())


def test_memory_does_not_grow_with_the_recording(tmp_path):
    """What is kept are counts: the state of 100 hours is that of a minute."""
    counter = AlarmCounter(np.full((2, 2), 0.5), EventRule())
    for _ in range(100):
        counter.add(np.zeros((1000, 2)))
    sizes = [value.size for value in vars(counter).values() if isinstance(value, np.ndarray)]
    assert max(sizes) == 4
    assert Heard(counter.counts, 1.0, np.array([False]), np.array([0]), np.array([1])).count(0) == 0


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_background_with_a_label_of_the_model_is_refused(tmp_path, separator):
    source = tmp_path / "m.csv"
    source.write_text(f"path{separator}label\na.wav{separator}wind\nb.wav{separator}owl\n", encoding="utf-8")
    task = Task("birds", ("owl", "wren"))
    with pytest.raises(AuricleError, match="recordings of owl: the background is without"):
        read_background(str(source), task, tmp_path, DataOptions(), ())


def test_a_background_that_the_run_was_trained_on_is_refused_by_its_name(tmp_path):
    run, wind = tmp_path / "run", tmp_path / "wind"
    run.mkdir()
    recording(wind / "a.wav", [0.1] * 4)
    recording(wind / "b.wav", [0.3] * 4)
    (run / "clips.csv").write_text(clip_table([Splits(TASK, read_unlabelled(str(wind), "x"), Manifest("", ()), None)]))
    recording(wind / "c.wav", [0.2] * 4)
    with pytest.raises(AuricleError) as refused:
        read_background(str(wind), TASK, run, DataOptions())
    assert re.fullmatch(
        rf"--background {wind}: {run} was trained on 2 of its 3 recordings, first .*a\.wav; "
        "give recordings that it was not trained on",
        str(refused.value),
    )
