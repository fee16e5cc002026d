"""`auricle push` and models of the Hugging Face Hub, whose library a module of a test stands for."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

import auricle
from auricle.errors import AuricleError
from auricle.published.hub import hub_folder
from auricle.runs.card import usage
from auricle.runs.provenance import run_digest
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.calibration import Calibration
from sounds import tone_folder, tone_manifest, write_tone
from untrained import classifier_run, separator_run

LIBRARY = """
import fnmatch, hashlib, os, shutil
from pathlib import Path
from types import SimpleNamespace
HUB = Path(os.environ["TEST_HUB"])

def files_of(repo_id):
    source = HUB / repo_id
    if not source.is_dir():
        raise OSError("404: no such repository")
    return [path for path in sorted(source.rglob("*")) if path.is_file()]

def snapshot_download(repo_id, *, revision, local_dir, allow_patterns):
    source = HUB / repo_id
    assert revision == HfApi().model_info(repo_id, files_metadata=True).sha
    (Path(local_dir) / ".cache" / "huggingface").mkdir(parents=True)
    for pattern in allow_patterns:
        for path in source.glob(pattern):
            target = Path(local_dir) / path.relative_to(source)
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, target)

class HfApi:
    def create_repo(self, repo_id, *, private, exist_ok):
        if repo_id.startswith("nobody/"):
            raise OSError("401: not logged in\\nmore")
        (HUB / repo_id).mkdir(parents=True, exist_ok=exist_ok)
        (HUB / repo_id / "private").write_text(str(private))
        return f"hub/{repo_id}"

    def upload_folder(self, *, repo_id, folder_path, delete_patterns):
        for path in files_of(repo_id):
            if any(fnmatch.fnmatch(str(path.relative_to(HUB / repo_id)), pattern) for pattern in delete_patterns):
                path.unlink()
        shutil.copytree(folder_path, HUB / repo_id, dirs_exist_ok=True)

    def model_info(self, repo_id, *, files_metadata):
        found = files_of(repo_id)
        names = [SimpleNamespace(rfilename=str(p.relative_to(HUB / repo_id)), size=p.stat().st_size) for p in found]
        sha = hashlib.sha1(b"".join(path.read_bytes() for path in found)).hexdigest()
        return SimpleNamespace(sha=sha, siblings=names, card_data=SimpleNamespace(license="mit"))
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that stands for the hub."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "huggingface_hub.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "huggingface_hub", raising=False)
    monkeypatch.setenv("TEST_HUB", str(tmp_path / "hub"))
    monkeypatch.setenv("AURICLE_HOME", str(tmp_path / "home"))
    yield tmp_path / "hub"
    sys.modules.pop("huggingface_hub", None)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return classifier_run(tmp_path / "run", tone_manifest(tmp_path / "tones", 4))


def metadata(card: str) -> dict:
    assert card.startswith("---\n")
    return yaml.safe_load(card.split("---\n")[1])


def test_the_folder_has_what_a_hub_expects_and_no_clips(run: Path, tmp_path: Path):
    said = auricle.push(run, output=tmp_path / "pushed", licence="CC BY 4.0")
    assert "read its README.md before you publish it" in said
    names = {path.name for path in (tmp_path / "pushed").iterdir()}
    assert names == {"README.md", "config.json", "labels.json", "model.safetensors"}
    card = (tmp_path / "pushed" / "README.md").read_text()
    told = metadata(card)
    assert told["library_name"] == "auricle"
    assert told["pipeline_tag"] == "audio-classification"
    assert told["license"] == "cc-by-4.0"
    assert "auricle.load('hub:USER/run', download=True)" in card
    ours, theirs = auricle.load(run), auricle.load(tmp_path / "pushed")
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(theirs.state_dict()[name], value, rtol=0, atol=0)


def test_a_trained_run_says_what_it_is_worth_and_stays_calibrated(tmp_path: Path):
    data = tone_folder(tmp_path / "tones", 14)
    auricle.teach(
        model=classifier_run(tmp_path / "start", tone_manifest(tmp_path / "more", 4)),
        data=data,
        output=tmp_path / "run",
        quiet=True,
    )
    auricle.push(tmp_path / "run", output=tmp_path / "pushed")
    card = (tmp_path / "pushed" / "README.md").read_text()
    (result,) = metadata(card)["model-index"][0]["results"]
    assert {"accuracy"} <= {metric["type"] for metric in result["metrics"]}
    assert "## Calibration" in card
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", card)
    assert pictures
    assert all((tmp_path / "pushed" / picture).is_file() for picture in pictures)
    own = (tmp_path / "run" / "README.md").read_text()
    assert own.count("## Use") == card.count("## Use") == 1
    assert "auricle.load('run')" in own
    assert "auricle.load('hub:USER/run', download=True)" in card


def test_figures_of_other_weights_are_not_published(tmp_path: Path):
    start = classifier_run(tmp_path / "start", tone_manifest(tmp_path / "more", 4))
    run = auricle.teach(model=start, data=tone_folder(tmp_path / "tones", 4), output=tmp_path / "run", quiet=True)
    weights = {name: value.clone() for name, value in load_file(run / "model.safetensors").items()}
    weights["heads.weight"] += 1
    save_file(weights, run / "model.safetensors")
    with pytest.raises(AuricleError, match=r"metrics\.json: .*run had other weights when it was measured"):
        auricle.push(run, output=tmp_path / "pushed")
    assert not (tmp_path / "pushed").exists()


def test_a_calibration_that_cannot_be_used_is_not_pushed(run: Path, tmp_path: Path):
    for content, said in (("{", "not JSON"), ('{"schema": 0}', "not a calibration"), ("[]", "not a calibration")):
        (run / "calibration.json").write_text(content)
        with pytest.raises(AuricleError, match=rf"calibration\.json: {said}"):
            auricle.push(run, output=tmp_path / "pushed")
        assert not (tmp_path / "pushed").exists()


def test_the_snippet_of_a_card_runs(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write_tone(tmp_path / "recording.wav", 440.0, 1.0, 0)
    (snippet,) = re.findall(r"```python\n(.*?)```", "\n".join(usage("classifier", "run")), re.DOTALL)
    found: dict = {}
    *before, last = snippet.strip().splitlines()
    exec("\n".join(before), found)
    assert set(eval(last, found)) == set(auricle.load(run).tasks[0].labels)
    if (tmp_path / "run" / "calibration.json").exists():
        assert (tmp_path / "pushed" / "calibration.json").exists()


def test_what_is_pushed_is_loaded_by_its_repository(run: Path, hub: Path, tmp_path: Path):
    said = auricle.push(run, output=tmp_path / "pushed", repository="me/tones", private=True)
    assert said.splitlines()[1] == "pushed to hub/me/tones"
    assert (hub / "me" / "tones" / "private").read_text() == "True"
    (hub / "me" / "tones" / "evil.py").write_text("raise SystemExit")
    with pytest.raises(AuricleError, match="hub:me/tones is not on this computer: auricle download hub:me/tones, or"):
        auricle.load("hub:me/tones")
    model = auricle.load("hub:me/tones", download=True)
    assert isinstance(model, Classifier)
    folder = hub_folder(tmp_path / "home", "hub:me/tones")
    assert {path.name for path in folder.iterdir()} == {
        "config.json", "labels.json", "model.safetensors", "source.json",
    }  # fmt: skip
    shutil.rmtree(hub)
    write_tone(tmp_path / "a.wav", 440.0, 1.0, 0)
    batch = auricle.predict("hub:me/tones", tmp_path / "a.wav", output=tmp_path / "out", quiet=True)
    assert not batch.failed
    expected = auricle.load(run).predict(np.zeros(8000, np.float32) + 0.1, 8000)
    assert model.predict(np.zeros(8000, np.float32) + 0.1, 8000) == expected


def test_a_model_that_has_changed_on_the_hub_is_fetched_anew(run: Path, hub: Path, tmp_path: Path, capsys, monkeypatch):
    auricle.push(run, output=tmp_path / "pushed", repository="me/tones")
    (said,) = auricle.download("hub:me/tones").splitlines()
    folder = hub_folder(tmp_path / "home", "hub:me/tones")
    assert said == f"hub:me/tones is in {folder}: give its name where a run is asked for"
    size = sum((folder / name).stat().st_size for name in ("config.json", "labels.json", "model.safetensors"))
    fetched = f"note: hub:me/tones: {size / 1e6:.1f} MB, mit, from the Hugging Face Hub\n"
    assert capsys.readouterr().err == fetched
    auricle.load("hub:me/tones", download=True)
    assert capsys.readouterr().err == ""

    other = tmp_path / "other"
    model = auricle.load(run)
    with torch.no_grad():
        model.heads.weight.add_(1.0)
    model.save(other)
    auricle.push(other, output=tmp_path / "pushed", repository="me/tones")
    kept = auricle.load("hub:me/tones")
    assert torch.equal(kept.heads.weight, auricle.load(run).heads.weight)
    assert torch.equal(auricle.load("hub:me/tones", download=True).heads.weight, model.heads.weight)
    assert capsys.readouterr().err == fetched

    shutil.rmtree(hub)
    assert torch.equal(auricle.load("hub:me/tones", download=True).heads.weight, model.heads.weight)
    assert "is used as it is here, since the Hub cannot be asked: 404" in capsys.readouterr().err
    monkeypatch.setenv("AURICLE_OFFLINE", "1")
    assert torch.equal(auricle.load("hub:me/tones", download=True).heads.weight, model.heads.weight)
    assert capsys.readouterr().err == ""
    with pytest.raises(AuricleError, match="hub:me/tones cannot be fetched offline"):
        auricle.download("hub:me/tones", overwrite=True)
    with pytest.raises(AuricleError, match="hub:me/new cannot be fetched offline"):
        auricle.load("hub:me/new", download=True)


def test_a_push_replaces_what_an_earlier_one_left(run: Path, hub: Path, tmp_path: Path):
    Calibration(run_digest(run), {}).write(run, auricle.load(run).tasks)
    (run / "plots").mkdir()
    (run / "plots" / "curve.png").touch()
    auricle.push(run, output=tmp_path / "pushed", repository="me/tones")
    there = hub / "me" / "tones"
    (there / "notes.txt").write_text("the owner's")
    for name in ("calibration.json", "plots/curve.png"):
        assert (there / name).is_file()
        (run / name).unlink()
    auricle.push(run, output=tmp_path / "pushed", repository="me/tones")
    for root in (there, tmp_path / "pushed"):
        assert not (root / "calibration.json").exists()
        assert not (root / "plots" / "curve.png").exists()
    assert (there / "notes.txt").is_file()
    again = (tmp_path / "pushed" / "README.md").read_text()
    auricle.push(tmp_path / "pushed", output=tmp_path / "twice", repository="me/tones")
    assert (tmp_path / "twice" / "README.md").read_text() == again


def test_a_push_replaces_no_other_folder(run: Path, tmp_path: Path):
    auricle.push(run, output=tmp_path / "pushed")
    with pytest.raises(AuricleError, match="is the run"):
        auricle.push(tmp_path / "pushed", output=tmp_path / "pushed")
    for within in ("enhancer", "sub/model"):
        with pytest.raises(AuricleError, match=f"{within} is the run or in its folder"):
            auricle.push(tmp_path / "pushed", output=tmp_path / "pushed" / within)
    assert not (tmp_path / "pushed" / "sub").exists()
    model = shutil.copytree(run, tmp_path / "model")
    (tmp_path / "pushed" / "sub").mkdir()
    (tmp_path / "pushed" / "sub" / "config.json").touch()
    for folder in (model, tmp_path / "pushed"):
        before = sorted(folder.rglob("*"))
        with pytest.raises(AuricleError, match="not from an earlier push"):
            auricle.push(run, output=folder)
        assert sorted(folder.rglob("*")) == before
    link = tmp_path / "link"
    link.symlink_to("nowhere")
    with pytest.raises(AuricleError, match="link exists already, and not from an earlier push"):
        auricle.push(run, output=link)
    assert link.is_symlink()


def test_a_separator_too(tmp_path: Path):
    run = separator_run(tmp_path / "run", tone_manifest(tmp_path / "tones", 4))
    auricle.push(run, output=tmp_path / "pushed")
    assert "auricle.separate('hub:USER/run'" in (tmp_path / "pushed" / "README.md").read_text()


@pytest.mark.usefixtures("hub")
def test_what_cannot_be_done_is_one_line(run: Path, tmp_path: Path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    for options, said in (
        ({"output": tmp_path / "there"}, "exists already"),
        ({"licence": "mine"}, "unknown licence 'mine'"),
        ({"repository": "tones"}, "has the form hub:USER/NAME"),
        ({"repository": "nobody/x"}, "nobody/x cannot be pushed to: 401: not logged in$"),
    ):
        with pytest.raises(AuricleError, match=said):
            auricle.push(run, **{"output": tmp_path / f"new-{len(said)}"} | options)
    with pytest.raises(AuricleError, match="hub:me/my--model: a repository has the form"):
        auricle.load("hub:me/my--model", download=True)
    with pytest.raises(AuricleError, match="hub:me/none cannot be fetched: 404"):
        auricle.load("hub:me/none", download=True)
    with pytest.raises(AuricleError, match="has the form"):
        auricle.load("hub:../../x", download=True)
    assert not [path for path in (tmp_path / "home" / "hub").iterdir() if path.is_dir()]


def test_without_the_library_one_line_says_how_to_get_it(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("AURICLE_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(AuricleError, match=r"needs the package huggingface_hub: pip install 'auricle\[hub\]'"):
        auricle.load("hub:me/tones", download=True)
