"""Reading, writing and resampling of sound files; no other module opens sound files.

Every format of libsndfile can be read (WAV, FLAC, OGG, MP3, …), at any sample rate and with any number of channels.
Arrays are float32 in [-1, 1], `(time,)` or `(channels, time)`; resampling uses soxr. An error about a file is an
`AuricleError` whose message starts with the file's path. A damaged file is used as far as it can be decoded, and its
`Damage` is noticed.
"""

from auricle.audio.damage import LARGEST_SAMPLE, Damage, how_to_scale, notice, noticing, without_bad_samples
from auricle.audio.finding import find_audio, left_out
from auricle.audio.formats import AUDIO_SUFFIXES, AudioInfo, PathLike
from auricle.audio.isolation import isolated
from auricle.audio.reading import blocks, info, read
from auricle.audio.resampling import check_rate, resample
from auricle.audio.writing import kept_subtype, write, write_blocks

__all__ = [
    "AUDIO_SUFFIXES",
    "LARGEST_SAMPLE",
    "AudioInfo",
    "Damage",
    "PathLike",
    "blocks",
    "check_rate",
    "find_audio",
    "how_to_scale",
    "info",
    "isolated",
    "kept_subtype",
    "left_out",
    "notice",
    "noticing",
    "read",
    "resample",
    "without_bad_samples",
    "write",
    "write_blocks",
]
