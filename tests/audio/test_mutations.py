"""Files damaged at random: each is read, with damage said, or refused with one line; nothing else happens."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import soundfile as sf

from auricle import audio
from auricle.errors import AuricleError
from mutations import KINDS, mutations, sound_files


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    files = sound_files(tmp_path_factory.mktemp("good"), np.random.default_rng(0), duration_s=0.5)
    return {path.name: path.read_bytes() for path in files}


@pytest.mark.parametrize("duration_s", [0.1, 0.77, 3.0])
def test_undamaged_files_of_every_kind_have_no_damage(tmp_path, duration_s):
    for path in sound_files(tmp_path, np.random.default_rng(1), duration_s):
        with audio.noticing() as damage:
            whole, rate = audio.read(path, mono=False)
        assert not damage, path.name
        if path.suffix not in (".mp3", ".opus") and "ADPCM" not in audio.info(path).subtype:
            assert whole.shape[-1] == round(duration_s * rate), path.name


@pytest.mark.parametrize("name", KINDS)
def test_mutated_files(good, name, tmp_path):
    rng = np.random.default_rng(len(name))
    for k in range(12):
        path = tmp_path / f"{k}-{name}"
        path.write_bytes(mutations(good[name], rng))
        try:
            with audio.noticing() as damage:
                info = audio.info(path)
                whole, _ = audio.read(path, mono=False)
                joined = np.concatenate([block for _, block in audio.blocks(path, block_s=0.1, mono=False)], axis=-1)
        except AuricleError as error:
            refusal = str(error)
        else:
            refusal = ""
        if refusal:
            assert refusal.startswith(f"{path}: ")
            assert "\n" not in refusal
            continue
        assert whole.shape == (info.channels, info.n_samples)
        assert np.abs(whole).max() <= audio.LARGEST_SAMPLE
        np.testing.assert_array_equal(joined, whole)
        assert all(count == 1 for count in Counter((d.path, d.kind) for d in damage).values())


def test_mutated_files_cost_an_isolated_reader_nothing_else(good, tmp_path):
    rng = np.random.default_rng(1)
    outcomes = []
    for isolation in (audio.isolated, audio.noticing):
        with audio.noticing(), isolation():
            results = []
            for name in sorted(KINDS):
                path = tmp_path / name
                if isolation is audio.isolated:
                    path.write_bytes(mutations(good[name], rng))
                try:
                    results.append(audio.read(path)[0].tobytes())
                except AuricleError as error:
                    results.append(str(error))
        outcomes.append(results)
    assert outcomes[0] == outcomes[1]


MEMORY = """
import re, sys
from auricle import audio
from auricle.errors import AuricleError
for path in sys.argv[1:]:
    try:
        with audio.noticing():
            audio.read(path, sample_rate=48_000)
            for _ in audio.blocks(path, block_s=1.0, sample_rate=48_000, mono=False):
                pass
    except AuricleError:
        pass
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])  # without that of the process before exec
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_for_a_small_file_is_bounded(tmp_path):
    """Many channels, a low rate, hours of silence, each in less than a megabyte."""
    sf.write(tmp_path / "channels.wav", np.zeros((450, 1024), np.int16), 8000)
    sf.write(tmp_path / "channels.flac", np.zeros((48_000 * 100, 8), np.int16), 48_000)
    sf.write(tmp_path / "slow.wav", np.zeros(400_000, np.int16), 50)
    sf.write(tmp_path / "wide.wav", np.zeros((900, 512), np.int16), 50)
    sf.write(tmp_path / "fast.wav", np.zeros(400_000, np.int16), 10_000_000)
    paths = sorted(tmp_path.iterdir())
    assert all(os.path.getsize(path) < 2**20 for path in paths)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", MEMORY, *map(str, paths)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert int(result.stdout) < 2**20, "kilobytes"
