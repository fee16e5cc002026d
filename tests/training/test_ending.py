"""How trainings end: by a signal, by another trainer in the folder, by numbers that are no numbers."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

import pytest
import torch

import auricle.tasks.classification.train  # noqa: F401  (imported before forking)
from auricle.__main__ import main
from auricle.config import Training
from auricle.data.clip_store import ClipStore
from auricle.data.loading import TrainingWindows, WholeClips, clip_loader, training_loader
from auricle.data.manifest import read_manifest
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.runs import callbacks
from auricle.runs.fit import fit
from auricle.runs.folder_lock import folder_lock
from auricle.systems.classifier.system import Classifier
from killing import forked, left_in
from sounds import RATE, tone_folder

pytestmark = pytest.mark.figures("undrawn")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tone_folder(tmp_path_factory.mktemp("tones"), 4, duration_s=0.2)


def command(data, folder, *options):
    return ["train", "classifier", f"--data={data}", f"--output={folder}", "--frontend=mel", "--window-s=0.2", *options]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_with_one_line_and_its_workers(data, tmp_path, number, code):
    """The signal goes to all processes of the group, as that of a terminal or of a batch system does."""
    folder, said = tmp_path / "run", tmp_path / "said"
    workers = ["--training.num-workers=1", "--training.batch-size=4", "--training.epochs=10000"]
    child = os.fork()
    if child == 0:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT), 2)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        status = 1
        try:
            main(command(data, folder, *workers))
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            for process in multiprocessing.active_children():
                if process._parent_pid == os.getpid():  # type: ignore[attr-defined]
                    process.terminate()  # as Python does at its end
                    process.join()
            os._exit(status)
    deadline = time.time() + 60
    while not (folder / "checkpoints" / "last.ckpt").exists() and time.time() < deadline:
        time.sleep(0.02)
    os.killpg(child, number)
    ended, deadline = (0, 0), time.time() + 60
    while not ended[0] and time.time() < deadline:
        ended = os.waitpid(child, os.WNOHANG)
        time.sleep(0.02)
    if not ended[0]:
        os.killpg(child, signal.SIGKILL)
        ended = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(ended[1]) == code, said.read_text()
    assert said.read_text() == "auricle: interrupted; run the same command again to resume\n"
    assert all_ended(child), "a worker lives on"
    assert not [name for name in left_in(folder) if "lock" in name or "part" in name]
    assert (folder / "checkpoints" / "last.ckpt").exists()


def all_ended(group: int, timeout_s: float = 30.0) -> bool:
    """Whether the processes of a group are gone in time: their last breath may come after their parent's."""
    deadline = time.time() + timeout_s
    while time.time() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


VERBS = {
    "classifier": ["--data={}"],
    "audiomae": ["--data={}", "--preset=audiomae-small"],
    "enhancer": ["--speech={}", "--noise={}", "--preset=cmgan-small"],
    "separator": ["--data={}", "--tagger={}/tagger", "--splits.validation-share=0.5", "--preset=resunet30-small"],
    "trnet": ["--data={}/emotions.csv", "--noise={}", "--kind=baseline-c"],
}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("verb", VERBS)
def test_a_second_trainer_is_refused(data, tagger, emotions, tmp_path, capfd, verb, overwrite):
    options = [option.format(data, data) for option in VERBS[verb]]
    again = ["train", verb, *options, f"--output={tmp_path / 'run'}", *(["--overwrite"] if overwrite else [])]
    with folder_lock(tmp_path / "run", "training"):
        before = left_in(tmp_path)
        with pytest.raises(SystemExit) as end:
            main(again)
        assert left_in(tmp_path) == before
    assert end.value.code == 2
    line = capfd.readouterr().err
    assert line == f"auricle: {tmp_path / 'run'} is in use by process {os.getpid()} on {os.uname().nodename}: " + (
        "wait for its end, or give another --output\n"
    )


@pytest.fixture(scope="module")
def tagger(data):
    folder = data.parent / "tagger"
    assert forked(command(data, folder, "--training.epochs=1", "--training.batch-size=4"), folder)[0] == 0
    (data / "tagger").symlink_to(folder)
    return folder


@pytest.fixture(scope="module")
def emotions(data):
    rows = ["path,label,speaker"]
    for path in sorted(data.glob("*/*.wav")):
        rows.append(f"{path.relative_to(data)},{path.parent.name},s{path.stem[-1]}")
    (data / "emotions.csv").write_text("\n".join(rows))
    return data / "emotions.csv"


class Broken(Classifier):
    """A classifier in which something becomes NaN or infinite in the third step, or in the second validation."""

    where = ""

    def training_step(self, batch, batch_index):
        loss = super().training_step(batch, batch_index)
        if self.where == "gradient" and self.loop.global_step == 2:
            weight = self.heads.weight
            loss = loss + torch.where(weight > 1e9, torch.sqrt(weight - weight), torch.zeros(())).sum()
        return loss

    def validation_step(self, batch, batch_index):
        super().validation_step(batch, batch_index)
        if self.where == "validation" and self.loop.current_epoch == 1:
            self.loop.log("val_loss", torch.tensor(float("nan")), batch_size=1)


@pytest.fixture(scope="module")
def parts(data):
    manifest = read_manifest(data)
    return [(Task("tones", manifest.label_names), manifest, ClipStore(manifest.clips, RATE))]


def trained(parts, folder: Path, where: str = ""):
    model = Broken.build(
        tasks=[parts[0][0]], sample_rate=RATE, window_s=0.1, frontend={"name": "mel", "n_filters": 8},
        backbone={"name": "cnn-small"},
    )  # fmt: skip
    model.where = where
    batches = training_loader(TrainingWindows(parts), window=(model.window,) * 2, batch_size=4, seed=0)
    fit(model, batches, clip_loader(WholeClips(parts, model.window)), folder, Training(epochs=2), progress=False)
    return model


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("gradient", r"the gradient of heads.*weight became infinite or NaN in epoch 1, step 3: try a smaller"),
        ("validation", r"the validation loss became nan in epoch 2, step"),
    ],
)
def test_what_is_no_number_is_said_at_once(parts, tmp_path, where, said):
    with pytest.raises(AuricleError, match=said):
        trained(parts, tmp_path, where)


def test_looking_changes_no_number(parts, tmp_path, monkeypatch):
    looked = trained(parts, tmp_path / "looked")
    monkeypatch.setattr(callbacks.Finite, "on_before_optimizer_step", lambda *arguments: None)
    monkeypatch.setattr(callbacks.Finite, "on_validation_end", lambda *arguments: None)
    not_looked = trained(parts, tmp_path / "not")
    for name, value in looked.state_dict().items():
        assert torch.equal(value, not_looked.state_dict()[name]), name
