"""What the page does: from a session and what is set on the page to the session after it and to HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

import numpy as np

from auricle import audio
from auricle.conditions import SYNTHETIC, Material
from auricle.errors import AuricleError
from auricle.frontends import list_frontends
from auricle.studies.studio.cards import Lane, lanes_of, note, side_by_side, sound_card, table_card
from auricle.studies.studio.models import ENHANCES, LABELS, OF_A_RUN, Models
from auricle.studies.studio.pictures import Picture, overview, seen
from auricle.studies.studio.reports import Reports
from auricle.studies.studio.results import Labelled, by_label, enhance, label, separate
from auricle.studies.studio.situation import Situation, under
from auricle.studies.studio.sounds import Shelf, Sound, cut, take_in

WHOLE, STRETCH, CONDITION = "whole recording", "stretch", "stretch in the condition"
SOUNDS = (WHOLE, STRETCH, CONDITION)


@dataclass(frozen=True)
class Session:
    """A recording with its picture, the stretch of it that is looked at, and that stretch in a condition.

    `damage` says what is wrong with the file.
    """

    shelf: Shelf
    whole: Sound
    picture: Picture
    damage: tuple[str, ...] = ()
    stretch: Sound | None = None
    condition: Sound | None = None

    @property
    def marked(self) -> tuple[float, float] | None:
        """Start and end of the stretch in seconds."""
        if self.stretch is None:
            return None
        return self.stretch.start_s, self.stretch.start_s + audio.info(self.stretch.path).duration_s

    def sound(self, which: str) -> Sound:
        """One of `SOUNDS`; raises `AuricleError` if it has not been made."""
        found = {WHOLE: self.whole, STRETCH: self.stretch, CONDITION: self.condition}.get(which)
        if found is None:
            raise AuricleError(f"there is no {which} yet: press Show first")
        return found


@dataclass(frozen=True)
class Bench:
    """Everything that sessions share: the shelf, the models, the reports, and the material of conditions."""

    shelf: Shelf
    models: Models
    reports: Reports
    material: Material = SYNTHETIC

    def frontends(self) -> list[str]:
        """Front-ends by name, then those of the runs."""
        runs = [name for name in self.models.names(LABELS) if not name.endswith(".onnx")]
        return [*list_frontends(), *(f"{OF_A_RUN}{name}" for name in runs)]

    def take(self, path: str | Path) -> Session:
        """A new session with the sound file `path`."""
        shelf = self.shelf.section()
        try:
            whole, damage = take_in(path, shelf)
        except AuricleError as error:
            shelf.clear()
            raise AuricleError(str(error).replace(str(path), Path(path).name)) from None
        return Session(shelf, whole, overview(whole), tuple(damage))

    def whole(self, session: Session) -> str:
        """The recording, where the stretch is marked, and what is wrong with it."""
        address = self._address(session.whole)
        card = sound_card(session.whole.title, address, session.picture, marked=session.marked)
        return "".join(note(f"{session.whole.title}: {line}") for line in session.damage) + card

    def look(
        self, session: Session | None, start_s: float, length_s: float, frontend: str | None, situation: Situation
    ) -> tuple[Session, str]:
        """A stretch, clean and in a situation, as a front-end sees it, on one scale of colours."""
        session = _begun(session)
        made = self.models.frontend(frontend or "")
        stretch = cut(session.whole, start_s, length_s, session.shelf)
        condition = under(stretch, situation, session.shelf, self.material)
        pictures = [seen(sound, made) for sound in (stretch, condition)]
        colors = np.concatenate([picture.values.ravel() for picture in pictures])
        titles = (f"Clean, {frontend}", f"{str(situation)[0].upper()}{str(situation)[1:]}, {frontend}")
        cards = [
            sound_card(title, self._address(sound), picture, color_range=colors)
            for title, sound, picture in zip(titles, (stretch, condition), pictures, strict=True)
        ]
        return replace(session, stretch=stretch, condition=condition), side_by_side(cards)

    def label(
        self, session: Session | None, which: str, model: str | None, threshold: float = 0.0, hop_s: float = 0.0
    ) -> str:
        """The labels of a sound, with events on its time axis.

        A `threshold` of 0 is the run's own, and a `hop_s` of 0 the length of a window.
        """
        session = _begun(session)
        sound = session.sound(which)
        found = self._labelled(session, sound, model, threshold, hop_s)
        card = self._card(session, sound, lanes_of(found.events))
        return _overall(model, found) + card + self._table(found)

    def enhance(self, session: Session | None, which: str, model: str | None) -> str:
        """A sound beside its enhanced version."""
        session = _begun(session)
        sound = session.sound(which)
        opened = self.models.enhancer(model)
        versions = [sound, enhance(opened, sound, session.shelf, str(model))]
        return side_by_side(self._card(session, version) for version in versions) + note(f"{model}: {opened.latency}.")

    def separate(
        self,
        session: Session | None,
        which: str,
        model: str | None,
        classes: Sequence[str] = (),
        threshold: float = 0.2,
    ) -> str:
        """A sound, with the times at which its sources were found, and each source, on one scale of colours."""
        session = _begun(session)
        sound = session.sound(which)
        result = separate(self.models.separator(model), sound, session.shelf, classes, threshold)
        mixture = self._picture(session, sound)
        cards = [
            sound_card(name, self._address(source), overview(source), color_range=mixture.values)
            for name, source in result.sources.items()
        ]
        return self._card(session, sound, lanes_of(result.found)) + side_by_side(cards)

    def compare(
        self,
        session: Session | None,
        which: str,
        first: str | None,
        second: str | None,
        threshold: float = 0.0,
        hop_s: float = 0.0,
    ) -> str:
        """Two models of one kind on the same sound; `threshold` and `hop_s` are as for `label`."""
        session = _begun(session)
        kind = self.models.kind(first)
        if kind != self.models.kind(second):
            raise AuricleError(f"{first} {kind} and {second} {self.models.kind(second)}: choose two that do the same")
        if first == second:
            raise AuricleError(f"{first} is given twice: choose two models")
        names = (str(first), str(second))
        if kind == LABELS:
            return self._labels_compared(session, session.sound(which), names, threshold, hop_s)
        if kind == ENHANCES:
            sound = session.sound(which)
            versions = [enhance(self.models.enhancer(name), sound, session.shelf, name) for name in names]
            return side_by_side(self._card(session, version) for version in (sound, *versions))
        separated = {name: self.separate(session, which, name) for name in names}
        return side_by_side(f"<div><h3>{escape(name)}</h3>{card}</div>" for name, card in separated.items())

    def _labels_compared(
        self, session: Session, sound: Sound, names: tuple[str, str], threshold: float, hop_s: float
    ) -> str:
        found = [self._labelled(session, sound, name, threshold, hop_s) for name in names]
        lanes: dict[str, list[Lane]] = {}
        for whose, (name, result) in enumerate(zip(names, found, strict=True)):
            for lane in lanes_of(result.events, whose):
                lanes.setdefault(lane.title, []).append(replace(lane, title=f"{lane.title}, {name}"))
        tables = [by_label(result.events) for result in found]
        table = tables[0].merge(tables[1], on="label", how="outer", suffixes=(f", {names[0]}", f", {names[1]}"))
        return (
            "".join(_overall(name, result) for name, result in zip(names, found, strict=True))
            + self._card(session, sound, [lane for own in lanes.values() for lane in own])
            + table_card(table, "Labels that each model finds")
        )

    def _labelled(self, session: Session, sound: Sound, model: str | None, threshold: float, hop_s: float) -> Labelled:
        opened = self.models.classifier(model)
        return label(opened, sound, session.shelf, threshold=threshold or None, hop_s=hop_s or None)

    def _card(self, session: Session, sound: Sound, lanes: Sequence[Lane] = ()) -> str:
        return sound_card(sound.title, self._address(sound), self._picture(session, sound), lanes=lanes)

    def _picture(self, session: Session, sound: Sound) -> Picture:
        return session.picture if sound is session.whole else overview(sound)

    def _table(self, found: Labelled) -> str:
        if not found.events:
            return note("No label reaches its threshold at any time: a lower threshold shows what comes close.")
        return table_card(by_label(found.events), "Labels that are found", self._address(found.table))

    def _address(self, file: Sound | Path) -> str:
        return self.shelf.address(file.path if isinstance(file, Sound) else file)


def _begun(session: Session | None) -> Session:
    if session is None:
        raise AuricleError("drop or record a sound first")
    return session


def _overall(model: str | None, found: Labelled) -> str:
    return note(f"{model}: {found.label} ({found.probability:.2f}) for the sound as a whole.")
