"""`Sound`: a waveform with its sample rate, which notebooks show as a player and a spectrogram."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np
import torch
from numpy.typing import ArrayLike

from auricle.audio import check_rate
from auricle.audio.embedded import PNG, WAV, data_uri, heat_png, wav_bytes
from auricle.errors import AuricleError
from auricle.frontends import create_frontend
from auricle.frontends.scales import hz_to_mel
from auricle.layers import as_array

LONGEST_S = 60.0
"""Seconds of a recording that a notebook holds, at most."""
LOWEST_RATE = 2000
"""Sample rate in Hz from which on a spectrogram is drawn."""
BANDS, HOP_S, RANGE_DB = 64, 0.01, 70.0
_COLUMNS = 1000
_TICKS_HZ = (500, 1000, 2000, 4000, 8000, 16000)
_WIDTH, _HEIGHT, _LEFT, _BELOW = 640, 160, 52, 22


@dataclass(frozen=True, eq=False)
class Sound:
    """A waveform, `(time,)` or `(channels, time)`, at `sample_rate` Hz, which notebooks show with a player.

    The player and the log-mel spectrogram (of the mean of the channels, the upper 70 dB) have the first minute at most.
    Raises `AuricleError` for a waveform of another shape, an empty one, or one that is not finite.

    >>> Sound([0.0] * 8000, 16000, "half a second of silence")
    Sound('half a second of silence', 0.5 s at 16000 Hz)
    """

    waveform: ArrayLike
    sample_rate: int
    title: str = ""

    def __post_init__(self) -> None:
        samples = as_array(self.waveform)
        if samples.dtype.kind not in "biuf":
            raise AuricleError(f"a waveform of {samples.dtype} is no sound: it should be numbers")
        samples = samples.astype(np.float32)
        if samples.ndim not in (1, 2) or samples.size == 0 or not np.isfinite(samples).all():
            raise AuricleError(
                f"a waveform of shape {samples.shape} is no sound: it should be (time,) or (channels, time), "
                "not empty, and finite"
            )
        check_rate(self.sample_rate, needed=True)
        object.__setattr__(self, "waveform", samples)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return np.shape(self.waveform)[-1] / self.sample_rate

    def spectrogram(self) -> np.ndarray:
        """The log-mel spectrogram `(64, frames)` in dB relative to its maximum, a frame every 10 ms."""
        mono = np.atleast_2d(np.asarray(self.waveform)).mean(axis=0)
        frontend = create_frontend(
            "mel",
            sample_rate=self.sample_rate,
            n_filters=BANDS,
            hop_length=round(HOP_S * self.sample_rate),
            min_freq_hz=0.0,
            max_freq_hz=self.sample_rate / 2,
        )
        with torch.inference_mode():
            energies = frontend.energies(torch.tensor(mono)[None])[0].numpy()
        decibels = 10.0 * np.log10(np.maximum(energies, 1e-12))
        return decibels - decibels.max()

    def __repr__(self) -> str:
        named = f"{self.title!r}, " if self.title else ""
        return f"Sound({named}{self.duration_s:.4g} s at {self.sample_rate} Hz)"

    def _repr_html_(self) -> str:
        """A title, a picture and a player."""
        samples = np.asarray(self.waveform)[..., : round(LONGEST_S * self.sample_rate)]
        shown = Sound(samples, self.sample_rate, self.title)
        said = self.title + (f" (the first {LONGEST_S:.0f} s)" if shown.duration_s < self.duration_s else "")
        picture = _picture(shown) if self.sample_rate >= LOWEST_RATE else ""
        caption = f"<figcaption>{escape(said)}</figcaption>" if said else ""
        sound = data_uri(wav_bytes(samples, self.sample_rate), WAV)
        player = f'<audio controls preload="metadata" aria-label="{escape(said or "sound")}" src="{sound}"></audio>'
        return f'<figure class="sound">{caption}{picture}{player}</figure>'


def _picture(sound: Sound) -> str:
    """The spectrogram as an SVG, whose text has the colour of the text around it."""
    values = sound.spectrogram()
    columns = np.array_split(values, min(_COLUMNS, values.shape[1]), axis=1)
    loudest = np.stack([column.max(axis=1) for column in columns], axis=1)
    picture = heat_png(loudest, -RANGE_DB, 0.0)
    top = float(hz_to_mel(sound.sample_rate / 2))
    heights = {hz: _HEIGHT * (1 - float(hz_to_mel(hz)) / top) for hz in _TICKS_HZ if hz < sound.sample_rate / 2}
    texts = [
        f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{hz / 1000:g} kHz</text>' for hz, y in heights.items()
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        anchor = {0.0: "start", 1.0: "end"}.get(share, "middle")
        unit = " s" if share == 1.0 else ""
        texts.append(
            f'<text x="{_LEFT + share * (_WIDTH - _LEFT):.0f}" y="{_HEIGHT + 16}" text-anchor="{anchor}">'
            f"{share * sound.duration_s:.3g}{unit}</text>"
        )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + _BELOW}" width="{_WIDTH}" '
        'style="max-width:100%;height:auto;display:block" '
        'role="img" aria-label="Spectrogram: time to the right, frequency in Hz upwards">'
        f'<image x="{_LEFT}" y="0" width="{_WIDTH - _LEFT}" height="{_HEIGHT}" preserveAspectRatio="none" '
        f'href="{data_uri(picture, PNG)}"/>'
        f'<g font-size="11" fill="currentColor">{"".join(texts)}</g></svg>'
    )
