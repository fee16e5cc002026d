from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle import audio
from auricle.audio import isolation, process
from auricle.errors import AuricleError

FORMATS = {"wav": {}, "flac": {}, "ogg": {}, "opus": {"format": "OGG", "subtype": "OPUS"}, "mp3": {}, "aiff": {}}


@pytest.fixture
def noise(tmp_path):
    path = tmp_path / "noise.wav"
    sf.write(path, 0.1 * np.random.default_rng(0).standard_normal(80_000), 8000)
    return path


def decoders():
    """The decoding processes of the surrounding `isolated()`."""
    current = isolation.current()
    assert current is not None
    return [decoder._process for decoder in current._all]


@pytest.fixture(scope="module")
def kept():
    """`isolated()` whose process outlives the context."""
    lasting = isolation.Decoders(20.0)

    @contextmanager
    def within():
        token = isolation._decoders.set(lasting)
        try:
            yield
        finally:
            isolation._decoders.reset(token)

    yield within
    lasting.close()


@settings(max_examples=60)
@given(
    suffix=st.sampled_from(sorted(FORMATS)),
    rate=st.sampled_from([8000, 16000, 24000, 48000]),
    channels=st.integers(1, 3),
    n_samples=st.integers(1, 30_000),
    target=st.sampled_from([None, 8000, 11025]),
    span=st.tuples(st.floats(-0.1, 4), st.floats(-0.1, 4)).map(sorted) | st.just((0.0, None)),
    mono=st.booleans(),
    bad=st.booleans(),
)
def test_what_is_read_is_the_same(tmp_path_factory, kept, suffix, rate, channels, n_samples, target, span, mono, bad):
    path = tmp_path_factory.getbasetemp() / f"same.{suffix}"
    channels = 2 if suffix == "mp3" and channels == 3 else channels
    options = {"subtype": "FLOAT"} if bad and suffix == "wav" else FORMATS[suffix]
    waveform = 0.1 * np.random.default_rng(n_samples).standard_normal((n_samples, channels))
    if bad and suffix == "wav":
        waveform[n_samples // 2] = np.nan
    sf.write(path, waveform, rate, **options)
    span = {"start_s": span[0], "end_s": span[1], "sample_rate": target, "mono": mono}

    def everything():
        results = []
        with audio.noticing() as damage:
            for call in (
                lambda: audio.info(path),
                lambda: audio.read(path, **span),
                lambda: list(audio.blocks(path, block_s=0.3, hop_s=0.2, **span)),
            ):
                try:
                    results.append(call())
                except AuricleError as error:
                    results.append(str(error))
        return results, damage

    (info, read, blocks), damage = everything()
    with kept():
        (other_info, other_read, other_blocks), other_damage = everything()
    assert other_info == info
    assert other_damage == damage
    if isinstance(read, str):
        assert (other_read, other_blocks) == (read, blocks)
        return
    np.testing.assert_array_equal(other_read[0], read[0])
    assert (other_read[0].dtype, other_read[1]) == (np.float32, read[1])
    assert [start for start, _ in other_blocks] == [start for start, _ in blocks]
    for (_, other), (_, block) in zip(other_blocks, blocks, strict=True):
        np.testing.assert_array_equal(other, block)
        assert other.flags.writeable


def test_a_decoder_that_dies_costs_one_file(noise):
    with audio.isolated():
        reader = audio.blocks(noise, block_s=0.001)
        next(reader)
        (child,) = decoders()
        child.kill()
        with pytest.raises(AuricleError, match=r"noise\.wav: cannot be decoded: the decoder died \(signal 9\)"):
            list(reader)
        assert len(audio.read(noise)[0]) == 80_000
        (second,) = decoders()
        assert second.pid != child.pid
        second.kill()
        second.wait()
        assert len(audio.read(noise)[0]) == 80_000
    assert second.poll() is not None


def test_a_decoder_that_hangs_costs_one_file(noise):
    with audio.isolated(patience_s=2.0):
        audio.info(noise)
        (child,) = decoders()
        os.kill(child.pid, signal.SIGSTOP)
        with pytest.raises(AuricleError, match=r"noise\.wav: cannot be decoded: .* no progress for 2 s"):
            audio.info(noise)
        assert child.poll() is not None
        assert audio.info(noise).n_samples == 80_000


def test_processes_end_with_the_context(noise):
    with audio.isolated():
        with audio.isolated():
            readers = [audio.blocks(noise, block_s=0.5) for _ in range(3)]
            for blocks in zip(*readers, strict=True):
                assert len({block[1].tobytes() for block in blocks}) == 1
            assert len(decoders()) == 3
        processes = decoders()
        assert len(audio.read(noise)[0]) == 80_000
        assert decoders() == processes, "an idle process is used again"
    assert all(process.poll() is not None for process in processes)


def test_blocks_are_decoded_ahead_up_to_a_limit(noise, monkeypatch):
    monkeypatch.setattr(process, "AHEAD_BYTES", 40_000)
    with audio.isolated():
        reader = audio.blocks(noise, block_s=0.25)
        next(reader)
        current = isolation.current()
        assert current is not None
        (decoder,) = current._all
        deadline = time.monotonic() + 10
        while decoder._bytes < 40_000 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        assert 40_000 <= decoder._bytes <= 48_000
        assert len(list(reader)) == 39


def test_what_a_decoder_prints_disturbs_nobody(tmp_path):
    """libsndfile prints a message about a damaged table of packets to standard output."""
    path = tmp_path / "a.caf"
    sf.write(path, 0.1 * np.random.default_rng(0).standard_normal(24_000), 24_000, subtype="ALAC_16")
    data = bytearray(path.read_bytes())
    place = data.index(b"pakt") + 12
    size = int.from_bytes(data[place - 8 : place], "big")
    data[place : place + size] = b"\xff" * size
    path.write_bytes(data)
    with audio.isolated(patience_s=5.0):
        for _ in range(50):
            with pytest.raises(AuricleError, match="0 samples"):
                audio.info(path)


SCRIPT = """
import os, sys
from auricle import audio
from auricle.audio import isolation
path, close = sys.argv[1], sys.argv[2] == "close"
if close:
    os.close(0), os.close(1)
with audio.isolated():
    n_samples = len(audio.read(path)[0])
    assert n_samples == 80_000, n_samples
    reader = audio.blocks(path, block_s=0.001)
    next(reader)
    (decoder,) = isolation.current()._all
    print(decoder._process.pid, file=sys.stderr, flush=True)
    if close:
        assert sum(len(block) for _, block in reader) == 79_992
    else:
        sys.stdin.read()
"""


def start(noise, how):
    command = [sys.executable, "-c", SCRIPT, str(noise), how]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, env=environment, start_new_session=True, **pipes)


def gone(pid):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no /proc")
def test_nothing_is_left_over_of_a_killed_parent(noise):
    with start(noise, "wait") as parent:
        pid = int(parent.stderr.readline())
        parent.kill()
    assert gone(pid)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no /proc")
def test_an_interrupt_reaches_the_parent_alone(noise):
    with start(noise, "wait") as parent:
        pid = int(parent.stderr.readline())
        os.killpg(parent.pid, signal.SIGINT)
        parent.wait(10)
        assert b"KeyboardInterrupt" in parent.stderr.read()
    assert gone(pid)


def test_closed_standard_streams(noise):
    with start(noise, "close") as parent:
        _, errors = parent.communicate(timeout=30)
    assert parent.returncode == 0, errors
