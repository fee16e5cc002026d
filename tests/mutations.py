"""Small sound files in every format, and ways to damage files of any kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile as sf

#: File name and libsndfile's options of each kind of sound file.
KINDS = {
    "pcm16.wav": {"subtype": "PCM_16"},
    "pcm24.wav": {"subtype": "PCM_24"},
    "unsigned.wav": {"subtype": "PCM_U8"},
    "float.wav": {"subtype": "FLOAT"},
    "ulaw.wav": {"subtype": "ULAW"},
    "ima.wav": {"subtype": "IMA_ADPCM"},
    "ms.wav": {"subtype": "MS_ADPCM"},
    "extensible.wav": {"format": "WAVEX", "subtype": "PCM_16"},
    "rf64.wav": {"format": "RF64", "subtype": "PCM_16"},
    "wave64.w64": {},
    "pcm16.aiff": {"subtype": "PCM_16"},
    "float.aiff": {"subtype": "FLOAT"},
    "pcm16.au": {"subtype": "PCM_16"},
    "pcm16.caf": {"subtype": "PCM_16"},
    "alac.caf": {"subtype": "ALAC_16"},
    "pcm16.flac": {"subtype": "PCM_16"},
    "pcm24.flac": {"subtype": "PCM_24"},
    "vorbis.ogg": {},
    "opus.opus": {"format": "OGG", "subtype": "OPUS"},
    "constant.mp3": {"bitrate_mode": "CONSTANT"},
    "variable.mp3": {"bitrate_mode": "VARIABLE", "compression_level": 0.5},
}


def sound_files(folder: Path, rng: np.random.Generator, duration_s: float = 1.0) -> list[Path]:
    """Write noise of `duration_s` seconds, at 16 or 24 kHz with one or two channels, as each of `KINDS`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, options in KINDS.items():
        rate, channels = int(rng.choice([16_000, 24_000])), int(rng.integers(1, 3))
        path = folder / name
        sf.write(path, noise(round(duration_s * rate), channels, rng), rate, **options)
        paths.append(path)
    return paths


def noise(n_samples: int, channels: int, rng: np.random.Generator) -> np.ndarray:
    """Noise `(time, channels)` that rises and falls, without a sample that is 0."""
    level = 0.05 + 0.2 * np.sin(np.linspace(0, 9, n_samples)) ** 2
    values = rng.standard_normal((n_samples, channels)) * level[:, None]
    return np.where(np.abs(values) < 1e-3, 1e-3, values).clip(-0.9, 0.9).astype(np.float32)


def mutations(data: bytes, rng: np.random.Generator) -> bytes:
    """`data` damaged in one to three random ways: cut, flipped, overwritten, repeated, left out, with wild numbers."""
    for _ in range(int(rng.integers(1, 4))):
        data = _WAYS[rng.integers(len(_WAYS))](data, rng)
    return data


def _place(data: bytes, rng: np.random.Generator) -> int:
    """A place in `data`, half of the time in the first 128 bytes, where headers are."""
    end = min(len(data), 128) if rng.random() < 0.5 else len(data)
    return int(rng.integers(max(1, end)))


def _cut(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: _place(data, rng)]


def _flip(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 9)) if changed else 0):
        changed[_place(data, rng)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _overwrite(data: bytes, rng: np.random.Generator) -> bytes:
    place, length = _place(data, rng), int(rng.integers(1, 400))
    filling = rng.bytes(length) if rng.random() < 0.5 else bytes([int(rng.choice([0, 255]))]) * length
    return data[:place] + filling + data[place + length :]


def _wild_number(data: bytes, rng: np.random.Generator) -> bytes:
    size = int(rng.choice([1, 2, 4, 8]))
    values = (0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1)
    value = values[rng.integers(len(values))]
    place = _place(data, rng)
    order = "little" if rng.random() < 0.5 else "big"
    return data[:place] + value.to_bytes(size, order) + data[place + size :]


def _repeat(data: bytes, rng: np.random.Generator) -> bytes:
    start, place = _place(data, rng), _place(data, rng)
    return data[:place] + data[start : start + int(rng.integers(1, 4000))] + data[place:]


def _leave_out(data: bytes, rng: np.random.Generator) -> bytes:
    place = _place(data, rng)
    return data[:place] + data[place + int(rng.integers(1, 2000)) :]


def _join(data: bytes, rng: np.random.Generator) -> bytes:
    return data + data[_place(data, rng) if rng.random() < 0.5 else 0 :]


_WAYS = (_cut, _flip, _overwrite, _wild_number, _repeat, _leave_out, _join)
