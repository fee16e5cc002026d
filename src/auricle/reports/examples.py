"""Sounds beside the spectrograms that they belong to, and the best, the median and the worst of many examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from auricle.identity import file_names
from auricle.reports import plots
from auricle.reports.page import CaptionedFigure, SoundPlayer

PLACES = ("best", "median", "worst")


def best_median_worst(values: Sequence[float]) -> dict[str, int]:
    """The index of the highest value, of the (lower) median and of the lowest, each of its own; unknown ones are last.

    There are fewer entries if there are fewer than three values.
    """
    order = sorted(range(len(values)), key=lambda index: (np.isnan(values[index]), -values[index]))
    known = [index for index in order if not np.isnan(values[index])]
    places = {"best": 0, "worst": len(known) - 1}
    if len(known) > 2:
        places["median"] = len(known) // 2
    found = {place: known[places[place]] for place in PLACES if place in places and known}
    return dict(list(found.items())[:1]) if len(known) == 1 else found


def sound_cards(
    waveforms: Mapping[str, np.ndarray],
    sample_rate: int,
    folder: Path | None = None,
    prefix: str = "",
    captions: Mapping[str, str] | None = None,
) -> list[CaptionedFigure]:
    """A spectrogram with its player for each of `waveforms` `(time,)`, titled by its name, all in the same colours.

    With a `folder`, each is saved there too, as `PREFIX` and its name. `captions` stand below, where there are any.
    """
    if not waveforms:
        return []
    highest_db = plots.highest_level_db(waveforms.values())
    names = file_names(waveforms)
    cards = []
    for name, waveform in waveforms.items():
        figure = plots.spectrogram(waveform, sample_rate, name, highest_db)
        if folder is not None:
            plots.save(figure, folder / f"{prefix}{names[name]}.png")
        caption = (captions or {}).get(name, "")
        alt = f"Spectrogram: {name}{f' – {caption}' if caption else ''}"
        cards.append(CaptionedFigure(figure, caption, alt, SoundPlayer(name, waveform, sample_rate)))
    return cards
