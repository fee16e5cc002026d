"""Formats by their file suffix, and what a file's header says."""

from __future__ import annotations

import os
from dataclasses import dataclass

from auricle.errors import AuricleError, shown_path

PathLike = str | os.PathLike[str]

#: Suffixes of the files that can be written, with libsndfile's format and the default subtype.
FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".wave": ("WAV", "PCM_16"),
    ".bwf": ("WAV", "PCM_16"),
    ".rf64": ("RF64", "PCM_16"),
    ".w64": ("W64", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".oga": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".aif": ("AIFF", "PCM_16"),
    ".aiff": ("AIFF", "PCM_16"),
    ".aifc": ("AIFF", "PCM_16"),
    ".au": ("AU", "PCM_16"),
    ".snd": ("AU", "PCM_16"),
    ".caf": ("CAF", "PCM_16"),
}
AUDIO_SUFFIXES = tuple(FORMATS)

#: Suffixes of the files that `find_audio` finds.
READABLE_SUFFIXES = (
    *AUDIO_SUFFIXES,
    ".sph",
    ".nist",
    ".voc",
    ".8svx",
    ".svx",
    ".ircam",
    ".paf",
    ".pvf",
    ".avr",
    ".wve",
    ".mp2",
)

#: Suffixes of sound that libsndfile cannot decode, or that has no header.
UNDECODABLE_SUFFIXES = frozenset(
    (
        *(".m4a", ".m4b", ".aac", ".alac", ".wma", ".amr", ".awb", ".webm", ".weba", ".mka", ".ac3", ".eac3", ".dts"),
        *(".ape", ".wv", ".tta", ".mpc", ".ra", ".rm", ".dsf", ".dff", ".3gp", ".3g2", ".mp4", ".mov", ".mkv", ".m4r"),
        *(".spx", ".shn", ".adts", ".gsm", ".vox", ".pcm", ".raw"),
    )
)


@dataclass(frozen=True)
class AudioInfo:
    """A sound file: sample rate in Hz, channels, samples per channel, libsndfile's format and subtype.

    `n_samples` counts the samples that can be read, which are fewer or more than the header states in a damaged file.
    """

    sample_rate: int
    channels: int
    n_samples: int
    format: str
    subtype: str

    @property
    def duration_s(self) -> float:
        return self.n_samples / self.sample_rate


def file_error(path: PathLike, reason: str) -> AuricleError:
    """An `AuricleError` about the file `path`."""
    return AuricleError(f"{shown_path(path)}: {reason}")
