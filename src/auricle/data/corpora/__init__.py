"""Published corpora as manifests: the layout their authors chose, with the split their authors chose.

    from auricle.data.corpora import build_manifest

    print(build_manifest("speech-commands", root="speech_commands_v0.02", output="manifests/speech-commands.csv"))

Each adapter lists what its corpus says it holds; `build_manifest` keeps the files that are there, writes
the CSV, and compares its counts with the published ones. Nothing is downloaded and no sound is read.
"""

from __future__ import annotations

from auricle.data.corpora import audioset, environment, freesound, music, speech
from auricle.data.corpora.build import Summary, build_manifest, write_manifest
from auricle.data.corpora.layout import CORPORA, CorpusRow, Published, published_counts

__all__ = [
    "CORPORA",
    "CorpusRow",
    "Published",
    "Summary",
    "audioset",
    "build_manifest",
    "environment",
    "freesound",
    "music",
    "published_counts",
    "speech",
    "write_manifest",
]
