"""`auricle download` and models by name: fetched once, converted, and used wherever a run is asked for."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import auricle
from auricle.__main__ import main
from auricle.backbones import create_backbone
from auricle.errors import AuricleError
from auricle.published import MODELS, PublishedFile, fetching, model_folder, table
from auricle.systems.classifier.system import Classifier
from auricle.tasks.download import SOURCE
from loopback import Site, serving
from sounds import tone_folder, write_tone

NAME = "efficientat-mn04"
LABELS = "index,mid,display_name\n" + "".join(f'{k},/m/{k},"sound {k}"\n' for k in range(4))
PROGRAM = """
import sys
from auricle.__main__ import main
from auricle.published import table
table.MODELS["efficientat-mn04"] = eval(sys.argv[1], vars(table))
main(sys.argv[2:])
"""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small network under the names of the published checkpoints."""
    torch.manual_seed(0)
    backbone = create_backbone("mobilenet", n_bands=128, width=0.1)
    weights = {f"features.{name.removeprefix('layers.')}": value for name, value in backbone.state_dict().items()}
    head = Classifier.build(
        sample_rate=32000,
        window_s=1.0,
        frontend={"name": "mel-efficientat", "variant": "published"},
        backbone={"name": "mobilenet", "width": 0.1},
        head="mlp",
        tasks=[{"name": "x", "labels": ["a", "b", "c", "d"], "multi_label": True}],
    ).heads.state_dict()
    numbers = {"0": "2", "3": "5"}
    weights |= {f"classifier.{numbers[n.partition('.')[0]]}.{n.partition('.')[2]}": v for n, v in head.items()}
    path = tmp_path_factory.mktemp("checkpoint") / "mn.pt"
    torch.save(weights, path)
    return path.read_bytes()


@pytest.fixture
def site(checkpoint: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The published model on the loopback address, and an empty home."""
    monkeypatch.setenv("AURICLE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("AURICLE_MIRROR", "AURICLE_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(fetching, "_PAUSE_S", 0.001)
    with serving(Site({"/mn.pt": checkpoint, "/labels.csv": LABELS.encode()})) as site:
        monkeypatch.setitem(MODELS, NAME, served(site, checkpoint))
        yield site


def served(site: Site, checkpoint: bytes) -> table.PublishedModel:
    sha256 = hashlib.sha256(checkpoint).hexdigest()
    labels = PublishedFile(
        "labels.csv", f"{site.address}/labels.csv", len(LABELS), hashlib.sha256(LABELS.encode()).hexdigest()
    )
    file = PublishedFile("mn.pt", f"{site.address}/mn.pt", len(checkpoint), sha256)
    return replace(MODELS[NAME], checkpoint=file, labels=labels)


def test_a_model_is_fetched_once_and_known_by_its_name(site: Site, tmp_path: Path, capsys):
    auricle.download(NAME)
    said = capsys.readouterr().out.splitlines()[0]
    assert said.startswith(f"{NAME}: ")
    assert "MB, MIT, by EfficientAT" in said
    folder = model_folder(NAME)
    files = {path.name for path in folder.iterdir()}
    assert files == {"README.md", "config.json", "labels.json", "model.safetensors", SOURCE}
    source = json.loads((folder / SOURCE).read_text())
    assert source["origin"] == f"{site.address}/mn.pt"
    assert source["licence"] == "MIT"
    assert not list((tmp_path / "home" / "downloads").rglob("*.part"))
    n_asked = len(site.asked)
    assert f"{NAME} was in" in auricle.download([NAME])
    model = auricle.load(NAME)
    assert isinstance(model, Classifier)
    assert model.task().labels == ("sound 0", "sound 1", "sound 2", "sound 3")
    assert len(site.asked) == n_asked == 2


def test_nothing_is_fetched_unasked(site: Site, tmp_path: Path):
    sound = tmp_path / "a.wav"
    write_tone(sound, 440.0, 0.5, 0)
    for call in (
        lambda: auricle.load(NAME),
        lambda: auricle.predict(NAME, sound, output=tmp_path / "out"),
        lambda: auricle.teach(model=NAME, data=tmp_path, output=tmp_path / "run"),
        lambda: auricle.train_classifier(init_from=NAME, data=tmp_path, output=tmp_path / "run"),
        lambda: auricle.push(NAME, output=tmp_path / "pushed"),
    ):
        with pytest.raises(AuricleError, match=rf"{NAME} is not on this computer \(.*MIT\): auricle download {NAME}"):
            call()
    assert not site.asked
    assert not (tmp_path / "home").exists()
    auricle.predict(NAME, sound, output=tmp_path / "out", download=True, quiet=True)
    assert len(site.asked) == 2
    assert auricle.load(NAME, download=True)
    auricle.push(NAME, output=tmp_path / "pushed")
    assert (tmp_path / "pushed" / "model.safetensors").is_file()
    assert len(site.asked) == 2


def test_a_folder_of_that_name_comes_first(site: Site, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / NAME).mkdir()
    with pytest.raises(AuricleError, match="not a model folder"):
        auricle.load(NAME, download=True)
    assert not site.asked


def test_a_run_that_starts_from_it_knows_where_it_came_from(site: Site, tmp_path: Path):
    data = tone_folder(tmp_path / "tones", 6)
    auricle.teach(model=NAME, data=data, output=tmp_path / "run", download=True, quiet=True)
    assert "download" not in (tmp_path / "run" / "settings.yaml").read_text()
    assert f"model: {model_folder(NAME)}" in (tmp_path / "run" / "settings.yaml").read_text()


def test_a_file_of_this_computer_is_taken_instead(site: Site, checkpoint: bytes, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setenv("AURICLE_OFFLINE", "1")
    (tmp_path / "own.pt").write_bytes(checkpoint)
    with pytest.raises(SystemExit) as ended:
        main(["download", NAME, "--from", str(tmp_path / "own.pt")])
    assert ended.value.code == 0
    assert "labels are class-0" in capsys.readouterr().out
    (tmp_path / "labels.csv").write_text(LABELS)
    auricle.download(NAME, from_file=tmp_path / "own.pt", overwrite=True)
    model = auricle.load(NAME)
    assert isinstance(model, Classifier)
    assert model.task().labels[0] == "sound 0"
    (tmp_path / "own.pt").write_bytes(checkpoint[:-1])
    with pytest.raises(AuricleError, match=r"is not the published mn\.pt"):
        auricle.download(NAME, from_file=tmp_path / "own.pt", overwrite=True)
    assert auricle.load(NAME)
    assert not site.asked


def test_a_checksum_that_is_unknown_is_recorded_and_compared(site: Site, checkpoint: bytes, monkeypatch, capsys):
    unknown = replace(MODELS[NAME].checkpoint, sha256="", size=None)
    monkeypatch.setitem(MODELS, NAME, replace(MODELS[NAME], checkpoint=unknown))
    auricle.download(NAME)
    said = capsys.readouterr().out
    assert "size unknown, MIT" in said
    assert f"no checksum of mn.pt is known; its SHA-256 is recorded: {hashlib.sha256(checkpoint).hexdigest()}" in said
    site.files["/mn.pt"] = checkpoint + b"x"
    site.tag = '"2"'
    with pytest.raises(AuricleError, match=r"is not the published mn\.pt: its SHA-256"):
        auricle.download(NAME, overwrite=True)
    assert auricle.load(NAME)


def test_no_pickle_runs(site: Site, tmp_path: Path, monkeypatch):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'run'}",)

    content = pickle.dumps({"features.0.0.weight": Evil()})
    site.files["/mn.pt"] = content
    unknown = replace(MODELS[NAME].checkpoint, sha256="", size=None)
    monkeypatch.setitem(MODELS, NAME, replace(MODELS[NAME], checkpoint=unknown))
    with pytest.raises(AuricleError):
        auricle.download(NAME)
    assert not (tmp_path / "run").exists()
    assert not model_folder(NAME).exists()
    assert not list((tmp_path / "home" / "downloads").rglob("*.part"))
    assert not (tmp_path / "home" / "checksums.json").exists()


@pytest.mark.slow
def test_two_at_once_fetch_it_once(site: Site):
    site.pause_s = 0.002
    done: list[str] = []
    command = [sys.executable, "-c", PROGRAM, repr(MODELS[NAME]), "download", NAME]

    def run() -> None:
        done.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path for path, _ in site.asked) == ["/labels.csv", "/mn.pt"]
    assert sum("another process is fetching it" in said for said in done) == 1
    assert auricle.load(NAME)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_an_interrupted_download_goes_on(site: Site, checkpoint: bytes, tmp_path: Path, number: int, code: int):
    site.pause_s = 0.02
    command = [sys.executable, "-c", PROGRAM, repr(MODELS[NAME]), "download", NAME]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        parts = list((tmp_path / "home" / "downloads").rglob("*.part"))
        if parts and parts[0].stat().st_size > len(checkpoint) // 4:
            break
        time.sleep(0.01)
    else:
        raise AssertionError("nothing arrived")
    process.send_signal(number)
    assert process.wait() == code
    assert not model_folder(NAME).exists()
    site.pause_s = 0.0
    site.asked.clear()
    auricle.download(NAME)
    assert site.asked[0][1].startswith("bytes=")
    assert auricle.load(NAME)


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_room_is_enough_to_go_on(site: Site, tmp_path: Path):
    disk = tmp_path / "home"
    disk.mkdir()
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=200k", "auricle", disk], capture_output=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("a small disk cannot be mounted here")
    if mounted.returncode:
        pytest.skip("a small disk can only be mounted by root")
    command = [sys.executable, "-c", PROGRAM, repr(MODELS[NAME]), "download", NAME]
    try:
        full = subprocess.run(command, capture_output=True, text=True, check=False)
        assert full.returncode == 2
        assert "No space left on device" in full.stderr
        assert len(full.stderr.splitlines()) == 1
        assert not model_folder(NAME).exists()
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
        assert auricle.load(NAME)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_the_list_says_what_is_here(site: Site):
    def line() -> str:
        lines = str(auricle.list_names("models")).splitlines()
        assert lines[0].split() == ["name", "on", "this", "computer", "size,", "licence", "use"]
        return next(line for line in lines if line.startswith(NAME + " "))

    assert " no " in line()
    auricle.download(NAME)
    assert " yes " in line()


def test_bad_options_are_one_line(site: Site, tmp_path: Path):
    with pytest.raises(AuricleError, match="unknown published model 'efficientat-mn4'"):
        auricle.download("efficientat-mn4")
    with pytest.raises(AuricleError, match="it is a file of one model"):
        auricle.download([NAME, "cmgan"], from_file=tmp_path / "x")
    with pytest.raises(AuricleError, match="no such file"):
        auricle.download(NAME, from_file=tmp_path / "x")
    with pytest.raises(AuricleError, match=r"get it from https://drive\.google\.com"):
        auricle.download("audiomae-vitb")


def test_every_published_model_can_be_converted_by_a_verb():
    from auricle.tasks.download import CONVERSIONS
    from auricle.tasks.push import licence_id

    for name, model in MODELS.items():
        assert model.name == name
        assert model.convert in CONVERSIONS
        assert all(file.address.startswith("https://") or file.page for file in model.files)
        assert set(model.options) <= {"head"}
        assert licence_id(model.licence)


@pytest.mark.usefixtures("shared")
def test_the_published_checkpoint_has_the_checksums_of_the_table(shared: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("AURICLE_HOME", str(tmp_path))
    auricle.download(NAME, from_file=shared / "models" / "mn04_as_mAP_432.pt")
    model = auricle.load(NAME)
    assert isinstance(model, Classifier)
    assert model.task().labels[0] == "Speech"
    assert np.isclose(model.config["backbone"]["width"], 0.4)


@pytest.mark.usefixtures("shared")
def test_the_card_says_whose_weights_they_are_and_a_push_keeps_their_licence(shared: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("AURICLE_HOME", str(tmp_path / "home"))
    auricle.download(NAME, from_file=shared / "models" / "mn04_as_mAP_432.pt")
    auricle.push(NAME, output=tmp_path / "pushed")
    auricle.push(NAME, output=tmp_path / "other", licence="other")
    card, other = ((tmp_path / name / "README.md").read_text() for name in ("pushed", "other"))
    _, metadata, text = card.split("---\n", 2)
    assert "license: mit\n" in metadata
    assert "license: other\n" in other
    assert text.startswith(f"# {NAME}: EfficientAT, Schmid et al., ICASSP 2023\n")
    assert "- Licence of the weights: MIT." in text
    assert "`mn04_as_mAP_432.pt`, SHA-256 `899a8c62" in text
    assert str(shared) not in text
    assert text.count("## Use") == 1
