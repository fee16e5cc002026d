"""Manifests of published corpora, from their folder layout and with their official splits.

    from auricle.data.corpora import build_manifest

    print(build_manifest("speech-commands", root="speech_commands_v0.02", output="manifests/speech-commands.csv"))

Each adapter lists the clips of its corpus. `build_manifest` writes those whose files exist to a CSV file and compares
their number with the published one. Nothing is downloaded.
"""

from __future__ import annotations

from auricle.data.corpora import audioset, emotion, environment, freesound, music, speech
from auricle.data.corpora.build import Summary, build_manifest, write_manifest
from auricle.data.corpora.layout import CORPORA, CorpusRow, Published, corpus_of, published_counts

__all__ = [
    "CORPORA",
    "CorpusRow",
    "Published",
    "Summary",
    "audioset",
    "build_manifest",
    "corpus_of",
    "emotion",
    "environment",
    "freesound",
    "music",
    "published_counts",
    "speech",
    "write_manifest",
]
