"""Lossy codecs: clips are encoded and decoded in memory by libsndfile."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

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
#: (lowest, highest) bit rate in kbit/s of a codec at each sample rate in Hz; libsndfile's compression level is linear
#: between the highest (0) and the lowest (1).
_KBPS = {
    "opus": dict.fromkeys((8000, 12000, 16000, 24000, 48000), (6.0, 256.0)),
    "mp3": dict.fromkeys((8000, 11025, 12000), (8.0, 64.0))
    | dict.fromkeys((16000, 22050, 24000), (8.0, 160.0))
    | dict.fromkeys((32000, 44100, 48000), (32.0, 320.0)),
}
_TELEPHONE_RATE = 8000
_MAX_MP3_LEVEL = 0.9999  # compression level; libsndfile rejects 1
_MP3_DELAY = 1105  # samples: 576 of the LAME encoder, 529 of the decoder


@CONDITIONS.register("codec")
@dataclass(frozen=True)
class Codec(Condition):
    """Encode and decode by a codec: opus or mp3 (`kbps`), vorbis (`quality` from 0 to 1), mu-law, a-law or gsm (8 kHz).

    MP3 has a constant bit rate; Opus has a variable one, which approaches `kbps` over a second or more. If the codec
    does not support the clip's sample rate, or not with this bit rate, the clip is resampled to the next higher rate
    that is supported (else to the highest) and back. A clip beyond full scale is coded with a peak of 1, and its level
    is restored.
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
            raise AuricleError(f"kbps={self.kbps!r}: {' and '.join(_KBPS)} need a bit rate, other codecs take none")
        if (self.quality is None) == (self.codec == "vorbis"):
            raise AuricleError(f"quality={self.quality!r}: vorbis needs a quality, other codecs take none")
        if self.quality is not None and not 0 <= self.quality <= 1:
            raise AuricleError(f"quality={self.quality!r}: it should be from 0 to 1")
        if self.kbps is not None and not self._rates():
            pairs = _KBPS[self.codec].values()
            lowest, highest = min(low for low, _ in pairs), max(high for _, high in pairs)
            raise AuricleError(f"kbps={self.kbps!r}: {self.codec} supports {lowest:g} to {highest:g}")

    def _apply(self, clip: np.ndarray, sample_rate: int, rng: Random, material: Material) -> np.ndarray:
        peak = max(1.0, float(np.abs(clip).max()))
        rate = self._rate(sample_rate)
        decoded = peak * self._encode_and_decode(audio.resample(clip / peak, sample_rate, rate), rate)
        return audio.resample(decoded, rate, sample_rate)[: clip.size]

    def _rates(self) -> list[int]:
        """The sample rates in Hz at which the codec supports this bit rate, in ascending order."""
        kbps = float(self.kbps or 0.0)
        return sorted(rate for rate, (low, high) in _KBPS[self.codec].items() if low <= kbps <= high)

    def _rate(self, sample_rate: int) -> int:
        """The rate in Hz at which a clip of `sample_rate` is coded."""
        if self.codec == "vorbis":
            return sample_rate
        if self.codec not in _KBPS:
            return _TELEPHONE_RATE
        rates = self._rates()
        return next((rate for rate in rates if rate >= sample_rate), rates[-1])

    def _options(self, rate: int) -> dict[str, Any]:
        """soundfile's options for this bit rate or quality."""
        if self.quality is not None:
            return {"compression_level": 1.0 - self.quality}
        if self.kbps is None:
            return {}
        low, high = _KBPS[self.codec][rate]
        level = (high - self.kbps) / (high - low)
        if self.codec == "mp3":
            return {"compression_level": min(_MAX_MP3_LEVEL, level), "bitrate_mode": "CONSTANT"}
        return {"compression_level": level}

    def _encode_and_decode(self, waveform: np.ndarray, rate: int) -> np.ndarray:
        """Encode and decode `(time,)` within [-1, 1]; the result is aligned and has the same length."""
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
