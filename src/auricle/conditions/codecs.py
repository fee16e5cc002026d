"""Conditions of lossy coding: encoded and decoded in memory, by what libsndfile has."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import soundfile as sf

from auricle import audio
from auricle.conditions.condition import CONDITIONS, Condition, Random
from auricle.conditions.material import Material
from auricle.errors import AuricleError
from auricle.registry import unknown_name

#: libsndfile's format and subtype of each codec.
CODECS = {
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "vorbis": ("OGG", "VORBIS"),
    "mu-law": ("WAV", "ULAW"),
    "a-law": ("WAV", "ALAW"),
    "gsm": ("WAV", "GSM610"),
}
#: (lowest, highest) kbit/s that a codec has at each rate in Hz; libsndfile's compression level goes from one to the
#: other in a straight line.
_KBPS = {
    "opus": dict.fromkeys((8000, 12000, 16000, 24000, 48000), (6.0, 256.0)),
    "mp3": dict.fromkeys((8000, 11025, 12000), (8.0, 64.0))
    | dict.fromkeys((16000, 22050, 24000), (8.0, 160.0))
    | dict.fromkeys((32000, 44100, 48000), (32.0, 320.0)),
}
_TELEPHONE_HZ = 8000
_LOWEST_MP3 = 0.9999  # libsndfile refuses 1
_MP3_DELAY = 1105  # samples: LAME's encoder 576, a decoder 529


@CONDITIONS.register("codec")
@dataclass(frozen=True)
class Codec(Condition):
    """Encoded and decoded: opus, mp3 (`kbps`), vorbis (`quality` from 0 to 1), mu-law, a-law or gsm (at 8 kHz).

    MP3 has a constant bit rate; Opus, whose rate libsndfile lets vary, comes near it over a second or more. Where the
    codec lacks the clip's rate, or that bit rate at it, the clip is resampled to the next rate above that has it (else
    to the highest) and back. A clip that goes beyond full scale is coded at full scale and gets its level back.
    """

    codec: str = "opus"
    kbps: float | None = None
    quality: float | None = None

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            raise AuricleError(unknown_name("codec", self.codec, CODECS))
        if not sf.check_format(*CODECS[self.codec]):
            raise AuricleError(f"the codec {self.codec!r} is missing from this build of libsndfile")
        if (self.kbps is None) == (self.codec in _KBPS):
            raise AuricleError(f"kbps={self.kbps!r}: a bit rate is for {' and '.join(_KBPS)}, and they need one")
        if (self.quality is None) == (self.codec == "vorbis"):
            raise AuricleError(f"quality={self.quality!r}: a quality is for vorbis, which needs one")
        if self.quality is not None and not 0 <= self.quality <= 1:
            raise AuricleError(f"quality={self.quality!r}: from 0 to 1")
        if self.kbps is not None and not self._rates():
            pairs = _KBPS[self.codec].values()
            least, most = min(low for low, _ in pairs), max(high for _, high in pairs)
            raise AuricleError(f"kbps={self.kbps!r}: {self.codec} has {least:g} to {most:g}")

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        peak = max(1.0, float(np.abs(clip).max()))
        rate = self._rate(sample_rate)
        sent = audio.resample(clip / peak, sample_rate, rate)
        received = peak * self._through(sent, rate)
        return audio.resample(received, rate, sample_rate)[: clip.size]

    def _rates(self) -> list[int]:
        """The rates in Hz at which the codec has this bit rate, in order."""
        kbps = float(self.kbps or 0.0)
        return sorted(rate for rate, (low, high) in _KBPS[self.codec].items() if low <= kbps <= high)

    def _rate(self, sample_rate: int) -> int:
        if self.codec == "vorbis":
            return sample_rate
        if self.codec not in _KBPS:
            return _TELEPHONE_HZ
        rates = self._rates()
        return next((rate for rate in rates if rate >= sample_rate), rates[-1])

    def _options(self, rate: int) -> dict[str, object]:
        """What soundfile is told beside format and subtype."""
        if self.quality is not None:
            return {"compression_level": 1.0 - self.quality}
        if self.kbps is None:
            return {}
        low, high = _KBPS[self.codec][rate]
        level = (high - self.kbps) / (high - low)
        if self.codec == "mp3":
            return {"compression_level": min(_LOWEST_MP3, level), "bitrate_mode": "CONSTANT"}
        return {"compression_level": level}

    def _through(self, waveform: np.ndarray, rate: int) -> np.ndarray:
        """Encoded and decoded, the same length."""
        file_format, subtype = CODECS[self.codec]
        coded = io.BytesIO()
        try:
            sf.write(coded, waveform, rate, format=file_format, subtype=subtype, **self._options(rate))
            coded.seek(0)
            decoded, _ = sf.read(coded, dtype="float64")
        except sf.SoundFileError as error:
            raise AuricleError(f"{self.codec} at {rate} Hz: {error}") from None
        if self.codec == "mp3" and decoded.size > waveform.size:
            decoded = decoded[_MP3_DELAY:]
        return np.pad(decoded[: waveform.size], (0, max(0, waveform.size - decoded.size)))
