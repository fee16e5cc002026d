"""What sound files begin with."""

from __future__ import annotations

from auricle.audio.mpeg_frames import Header

_MARKS = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b".snd", b"caff", b"NIST", b"fLaC", b"OggS", b"ID3")
_FRAMES = 3


def is_sound_file(beginning: bytes) -> bool:
    """Whether the bytes begin a sound file: by the mark of its format, or by frames of MP3 that follow each other."""
    if beginning.startswith(_MARKS):
        return True
    for _ in range(_FRAMES):
        header = Header.of(beginning)
        if header is None:
            return False
        beginning = beginning[header.length :]
    return True
