"""Batches on Ray: the results are those of one machine, also if a worker is killed; without Ray one line says so."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

import auricle
from auricle.config import Predict
from auricle.errors import AuricleError
from auricle.runs.cluster import merged, shares
from auricle.runs.outcomes import Batch, Outcome
from sounds import tone_manifest, write_tone
from untrained import classifier_run

N_FILES = 24


def test_without_ray_one_line_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(AuricleError, match=r"^--engine ray needs the package ray: pip install 'auricle\[ray\]'$"):
        auricle.enhance("identity", [str(tmp_path)], output=tmp_path / "out", engine="ray")


def test_shares():
    options = Predict(run="run", files=["a"], overwrite=False)
    assert [(s.shard, s.quiet) for s in shares(options, 2)] == [(None, True)] * 2
    again = Predict(run="run", files=["a"], overwrite=True)
    assert [s.shard for s in shares(again, 3)] == ["1/3", "2/3", "3/3"]


def test_results_are_those_of_the_worker_that_found_them():
    def batch(*outcomes, lines=()):
        return Batch(list(outcomes), "labelled", "in x", "x", list(lines))

    a, b = Path("a"), Path("b")
    first = batch(Outcome("a", a, result=1), Outcome("b", b, by_another=True), lines=["a: 1"])
    second = batch(Outcome("b", b, result=2, damage="cut"), Outcome("c", error="broken"), lines=["b: 2"])
    last = batch(Outcome("a", a, done_before=True), Outcome("b", b, done_before=True), Outcome("c", error="broken"))
    result = merged(last, [first, second])
    assert [(o.result, o.done_before, o.error) for o in result.outcomes] == [
        (1, False, ""), (2, False, ""), (None, False, "broken"),
    ]  # fmt: skip
    assert result.lines == ["a: 1", "b: 2"]
    assert result.exit_code == 3


def contents(folder: Path) -> dict[str, bytes]:
    """All outputs; the journal lists them in another order."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "files.jsonl"
    }


@pytest.fixture(scope="module")
def ray():
    """Ray on this machine, with two workers."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray = pytest.importorskip("ray", reason="the extra [ray] is not installed")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield ray
    ray.shutdown()


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    for number in range(N_FILES):
        write_tone(folder / f"{number}.wav", 300.0 + 50 * number, 10.0, number)
    (folder / "broken.wav").write_bytes(b"RIFF but no sound")
    return folder


def workers() -> list[int]:
    """The process numbers of Ray's workers that are at work on a batch."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                command = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if command.startswith(b"ray::work_of_batch"):
                found.append(int(process.name))
    return found


@pytest.mark.slow
def test_a_worker_that_is_killed_changes_nothing(ray, sounds, tmp_path):
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    auricle.enhance("spectral-gating", [str(sounds)], output=alone, quiet=True)
    killed: list[int] = []

    def kill() -> None:
        deadline = time.time() + 60
        while not killed and time.time() < deadline:
            if len(list(shared.glob("*.wav"))) >= 3 and len(own := workers()) == 2:
                os.kill(own[0], signal.SIGKILL)
                killed.append(own[0])
            time.sleep(0.01)

    killer = threading.Thread(target=kill)
    killer.start()
    batch = auricle.enhance("spectral-gating", [str(sounds)], output=shared, quiet=True, engine="ray", workers=2)
    killer.join()
    assert killed, "the batch was over before a worker could be killed"
    assert contents(shared) == contents(alone)
    assert len(batch.outcomes) == N_FILES + 1
    assert [Path(outcome.file).name for outcome in batch.failed] == ["broken.wav"]
    done = [line for line in (shared / "files.jsonl").read_text().splitlines() if '"done"' in line]
    assert N_FILES <= len(done) <= N_FILES + 1, "files were done twice"


@pytest.mark.slow
def test_every_verb_gives_what_one_machine_gives(ray, tmp_path):
    data = tone_manifest(tmp_path / "tones", 4)
    tones, model = data.parent / "low", classifier_run(tmp_path / "model", data)
    for name, call in {
        "predict": lambda out, **more: auricle.predict(model, [str(tones)], output=out, quiet=True, **more),
        "corrupt": lambda out, **more: auricle.corrupt(tones, suite="snr-ladder", output=out, quiet=True, **more),
    }.items():
        one, two = call(tmp_path / name / "one"), call(tmp_path / name / "two", engine="ray", workers=2)
        assert contents(tmp_path / name / "one") == contents(tmp_path / name / "two"), name
        results = [[(Path(o.file).name, o.result, o.error) for o in r.outcomes] for r in (one, two)]
        assert results[0] == results[1]
    again = auricle.predict(model, [str(tones)], output=tmp_path / "predict" / "two", engine="ray", overwrite=True)
    assert not any(outcome.done_before for outcome in again.outcomes)
    assert contents(tmp_path / "predict" / "one") == contents(tmp_path / "predict" / "two")
    with pytest.raises(AuricleError, match="no such folder"):
        auricle.predict(tmp_path / "missing", [str(tones)], output=tmp_path / "x", engine="ray")
