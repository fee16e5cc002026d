"""What the page does with models is what the commands do; cards show it, and nothing in them is run."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import replace
from html import unescape
from urllib.parse import unquote

import numpy as np
import pytest

import auricle
from auricle import audio
from auricle.errors import AuricleError
from auricle.progress import told_to, track
from auricle.readers import read_rows
from auricle.reports.detections import Detection
from auricle.reports.detections.reading import read_detections
from auricle.studies.studio import cards
from auricle.studies.studio.bench import CONDITION, STRETCH, WHOLE, Bench
from auricle.studies.studio.cards import Lane, clock, lanes_of, sound_card
from auricle.studies.studio.pictures import Picture
from auricle.studies.studio.results import by_label, enhance, label, separate
from auricle.studies.studio.situation import Situation
from auricle.studies.studio.sounds import Sound

STRANGE = "<script>document.title='run'</script> ${1+1} \"quoted\""
PICTURE = Picture(np.random.default_rng(0).random((8, 20)), ((0.1, "100"), (0.9, "3k")), 30.0, 60.0)


@pytest.mark.parametrize(("model", "hop_s", "threshold"), [("one", None, None), ("deeper/several", 0.25, 0.4)])
def test_events_are_those_of_auricle_predict(bench: Bench, runs, scene, tmp_path, model, hop_s, threshold) -> None:
    opened = bench.models.classifier(model)
    found = label(opened, Sound(scene, "title"), bench.shelf, threshold=threshold, hop_s=hop_s)
    auricle.predict(
        runs / model, scene, output=tmp_path / "out", events=True, hop_s=hop_s, threshold=threshold, quiet=True
    )
    expected = read_detections(tmp_path / "out")
    shown = [(e.start_s, e.end_s, e.label, round(e.probability, 6)) for e in found.events]
    assert shown == [(e.start_s, e.end_s, e.label, e.probability) for e in expected]
    assert {row["file"] for row in read_rows(found.table, ("file", "label"))} <= {"title"}
    assert len(expected) > 0


@pytest.mark.parametrize("model", ["spectral-gating", "enhancer"])
def test_enhanced_sounds_are_those_of_auricle_enhance(bench: Bench, runs, scene, tmp_path, model) -> None:
    place = model if model == "spectral-gating" else runs / model
    made = enhance(bench.models.enhancer(model), Sound(scene, "scene"), bench.shelf, model)
    auricle.enhance(place, scene, output=tmp_path / "out", quiet=True)
    (expected,) = (tmp_path / "out").rglob("*.wav")
    np.testing.assert_array_equal(audio.read(made.path, mono=False)[0], audio.read(expected, mono=False)[0])


@pytest.mark.parametrize("classes", [["low", "high"], []])
def test_sources_are_those_of_auricle_separate(bench: Bench, runs, scene, tmp_path, classes) -> None:
    made = separate(bench.models.separator("separator"), Sound(scene, "scene"), bench.shelf, classes)
    chosen = {"query": classes} if classes else {"all": True}
    auricle.separate(runs / "separator", scene, output=tmp_path / "out", quiet=True, **chosen)
    (table,) = (tmp_path / "out").glob("*.csv")
    rows = read_rows(table, ("class", "file"))
    assert list(made.sources) == list(dict.fromkeys(row["class"] for row in rows))
    for row in rows:
        source = made.sources[row["class"]]
        np.testing.assert_array_equal(audio.read(source.path)[0], audio.read(table.parent / row["file"])[0])
    assert len(made.found) == sum(row["probability"] != "" for row in rows)


def test_a_separator_whose_tagger_knows_none_of_its_queries_asks_for_classes(bench: Bench, scene) -> None:
    model = deepcopy(bench.models.separator("separator"))
    model.set_queries({"dog": model.average_queries[0]})
    with pytest.raises(AuricleError, match="choose some"):
        separate(model, Sound(scene, "scene"), bench.shelf)


def test_long_work_tells_how_far_it_is_and_can_be_stopped(bench: Bench, scene) -> None:
    told: list[tuple[str, int, int]] = []
    with told_to(lambda *step: told.append(step)):
        label(bench.models.classifier("one"), Sound(scene, "x"), bench.shelf, hop_s=0.05)
        enhance(bench.models.enhancer("spectral-gating"), Sound(scene, "x"), bench.shelf, "x")
        separate(bench.models.separator("separator"), Sound(scene, "x"), bench.shelf, ["low"])
        bench.take(scene)
    assert {what for what, _, _ in told} == {"Labelling", "Enhancing", "a scene.wav: low", "Reading", "Drawing"}
    assert all(0 <= done <= total for _, done, total in told)

    def stop(what: str, done: int, total: int) -> None:
        raise AuricleError("stopped")

    with told_to(stop), pytest.raises(AuricleError, match="stopped"):
        bench.take(scene)
    assert list(track([1, 2], "x", total=2)) == [1, 2]


def test_a_session_goes_from_a_sound_to_a_stretch_in_a_condition(bench: Bench, scene) -> None:
    session = bench.take(scene)
    assert "a scene.wav" in bench.whole(session)
    with pytest.raises(AuricleError, match="there is no stretch yet: press Show first"):
        bench.label(session, STRETCH, "one")
    situation = Situation("white", 10.0)
    session, shown = bench.look(session, 1.0, 1.0, "mel:n_filters=24:sample_rate=8000", situation)
    assert session.marked == (1.0, 2.0)
    assert re.findall("<figcaption>(.*?)</figcaption>", shown) == [
        "Clean, mel:n_filters=24:sample_rate=8000",
        "White noise at 10 dB, mel:n_filters=24:sample_rate=8000",
    ]
    for which, sound in ((WHOLE, session.whole), (STRETCH, session.stretch), (CONDITION, session.condition)):
        card = bench.label(session, which, "one", 0.1)
        expected = label(bench.models.classifier("one"), sound, bench.shelf, threshold=0.1)
        assert card.count("data-seek") == len(expected.events) > 0
    for address in re.findall('src="(/sound/[^"]*)"', shown):
        assert bench.shelf.find(unquote(unescape(address)).removeprefix("/sound/")) is not None


def test_two_models_of_a_kind_are_compared(bench: Bench, scene) -> None:
    session = bench.take(scene)
    both = bench.compare(session, WHOLE, "one", "deeper/several", 0.1)
    assert both.count("whose-0") > 0
    assert both.count("whose-1") > 0
    assert "seconds, one" in both
    assert "seconds, deeper/several" in both
    assert bench.compare(session, WHOLE, "enhancer", "spectral-gating").count("<figure") == 3
    with pytest.raises(AuricleError, match="one labels sounds and enhancer reduces noise: choose two that do the same"):
        bench.compare(session, WHOLE, "one", "enhancer")
    with pytest.raises(AuricleError, match="one is given twice"):
        bench.compare(session, WHOLE, "one", "one")
    with pytest.raises(AuricleError, match="drop or record a sound first"):
        bench.compare(None, WHOLE, "one", "deeper/several")


def test_names_are_shown_as_text(bench: Bench, scene) -> None:
    event = Detection("x", "", 0.0, 1.0, STRANGE, 0.5)
    shown = sound_card(STRANGE, "/sound/x", PICTURE, lanes=lanes_of([event]))
    shown += cards.table_card(by_label([event]), STRANGE) + cards.note(STRANGE)
    assert "<script" not in shown
    assert '"quoted"' not in shown
    session = bench.take(scene)
    strange = replace(session, whole=replace(session.whole, title=STRANGE))
    assert "<script" not in bench.whole(strange) + bench.enhance(strange, WHOLE, "spectral-gating")


def test_an_event_is_where_it_is_heard() -> None:
    event = Detection("x", "", 15.0, 30.0, "bark", 0.75)
    shown = sound_card("x", "/sound/x", PICTURE, lanes=lanes_of([event]), marked=(45.0, 60.0))
    assert 'data-seek="15.0"' in shown
    assert "left:25.000%;width:25.000%;--p:0.750" in shown
    assert 'class="marked" style="left:25.000%;width:25.000%"' in shown
    assert "Play bark, 45 s to 1:00, 0.75" in shown
    assert re.findall(r'left:([\d.]+)%">([^<]*)<', shown) == [
        ("0.00", "30 s"), ("16.67", "40 s"), ("33.33", "50 s"), ("50.00", "1:00"),
        ("66.67", "1:10"), ("83.33", "1:20"), ("100.00", "1:30"),
    ]  # fmt: skip


def test_of_many_events_the_most_probable_are_shown_and_that_is_said(monkeypatch) -> None:
    monkeypatch.setattr(cards, "MOST_EVENTS", 2)
    monkeypatch.setattr(cards, "MOST_LANES", 1)
    events = [Detection("x", "", float(k), k + 1.0, "bark", 0.1 * k) for k in range(1, 6)]
    shown = sound_card("x", "/", PICTURE, lanes=[Lane("bark", events), Lane("howl", events[:1])])
    assert re.findall('data-seek="(.*?)"', shown) == ["4.0", "5.0"]
    assert re.findall('tabindex="(.*?)"', shown) == ["0", "-1"]
    assert "3 less probable events are in the table only" in shown
    assert "1 more labels are in the table only" in shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (2.5, "2.5 s"), (59.99, "59.99 s"), (60, "1:00"), (62.46, "1:02.5"), (3600, "60:00")],
)
def test_times_as_text(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_labels_are_summed_up() -> None:
    times = [("bark", 0, 2, 0.5), ("howl", 0, 9, 0.6), ("bark", 4, 5, 0.75)]
    table = by_label([Detection("x", "", start, end, name, p) for name, start, end, p in times])
    assert table.to_numpy().tolist() == [["howl", 1, 9, 0.6], ["bark", 2, 3, 0.75]]
    assert by_label([]).empty
