"""A training in many sessions is the training in one."""

from __future__ import annotations

import time

import pytest
import torch

from auricle.config import ClassifierOptimization, Training
from auricle.data.clip_store import ClipStore
from auricle.data.loading import TrainingWindows, WholeClips, class_of_each, clip_loader, training_loader
from auricle.data.manifest import Manifest, read_manifest
from auricle.data.tasks import Task
from auricle.frontends import Frontend
from auricle.runs.fit import fit
from auricle.runs.history import HISTORY, read_history
from auricle.systems.classifier.system import Classifier
from sounds import RATE, tone_folder

VALIDATION_LOSSES = [3.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.4]
EPOCH_S = 0.05
ALL = 1000


class Killed(Exception):
    pass


class Scripted(Classifier):
    """A classifier whose validation losses are given, and that is killed when it has trained `session` epochs.

    It remembers the learning rate of every epoch, and the size and the mean of every batch.
    """

    session = ALL

    def __init__(self, config):
        super().__init__(config)
        self.rates, self.batches = [], []

    def on_train_epoch_start(self):
        if len(self.rates) == self.session:
            raise Killed
        self.rates.append(self.loop.optimizers().param_groups[0]["lr"])
        time.sleep(EPOCH_S)

    def training_step(self, batch, batch_index):
        self.batches.append((tuple(batch["waveform"].shape), float(batch["waveform"].mean())))
        return super().training_step(batch, batch_index)

    def validation_step(self, batch, batch_index):
        loss = torch.tensor(VALIDATION_LOSSES[self.loop.current_epoch], dtype=batch["windows"].dtype)
        self.loop.log("val_loss", loss, batch_size=1)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Eight tones: three, three and two of a class."""
    manifest = read_manifest(tone_folder(tmp_path_factory.mktemp("tones"), 3, duration_s=0.2))
    manifest = Manifest(manifest.source, manifest.clips[:-1])
    return [(Task("tones", manifest.label_names), manifest, ClipStore(manifest.clips, RATE))]


def train(parts, folder, session=ALL, epochs=12, workers=0, precision="32-true", progress=False):
    """One session: the model, and what `fit` says of it, or None if it was killed."""
    task, manifest, _ = parts[0]
    model = Scripted.build(
        tasks=[task], sample_rate=RATE, window_s=0.1, frontend={"name": "mel", "n_filters": 8},
        backbone={"name": "cnn-small"},
        optimization=ClassifierOptimization(learning_rate=1e-3, schedule="plateau", patience=1),
    )  # fmt: skip
    model.session = session
    batches = training_loader(
        TrainingWindows(parts), window=(RATE // 20, RATE // 5), batch_size=2, seed=0,
        classes=[class_of_each(task, manifest)], num_workers=workers,
    )  # fmt: skip
    whole = clip_loader(WholeClips(parts, model.window))
    folder.mkdir(exist_ok=True)
    try:
        options = Training(epochs=epochs, early_stop=4, precision=precision)
        return model, fit(model, batches, whole, folder, options, progress=progress)
    except Killed:
        return model, None


class TestSessions:
    @pytest.fixture(scope="class")
    def whole(self, parts, tmp_path_factory):
        folder = tmp_path_factory.mktemp("whole")
        return folder, *train(parts, folder)

    def test_the_schedule_and_the_early_stop_act(self, whole):
        _, model, course = whole
        assert model.rates == pytest.approx([1e-3] * 4 + [1e-4] * 4 + [1e-5] * 2)
        assert (course.epochs, course.best_epoch, course.best_val_loss) == (10, 6, 1.0)
        shapes = [shape for shape, _ in model.batches]
        assert len(shapes) == 10 * 3, "six of eight clips are left when classes are balanced"
        assert len({length for _, length in shapes}) > 20

    @pytest.mark.parametrize(("precision", "step"), [("32-true", 3e-8), ("64-true", 1e-12)])
    def test_the_epoch_that_is_named_is_the_one_that_is_kept(self, parts, tmp_path, monkeypatch, precision, step):
        """Also where losses differ in digits that the history does not show."""
        losses = [0.5, 0.12345 + 2 * step, 0.12345 + step, 0.12345, 0.2]
        monkeypatch.setitem(globals(), "VALIDATION_LOSSES", losses)
        model, course = train(parts, tmp_path / "whole", epochs=5, precision=precision)
        _, shorter = train(parts, tmp_path / "shorter", epochs=4, precision=precision)
        assert (course.best_epoch, shorter.best_epoch) == (4, 4)
        fourth = torch.load(tmp_path / "shorter" / "checkpoints" / "last.ckpt")["state_dict"]
        assert all(torch.equal(value, fourth[name]) for name, value in model.state_dict().items())

    def test_they_go_on_where_they_were(self, parts, whole, tmp_path):
        rates, batches, sessions, course = [], [], 0, None
        while course is None:
            model, course = train(parts, tmp_path, session=1)
            rates, batches, sessions = rates + model.rates, batches + model.batches, sessions + 1
        assert sessions == 10
        assert rates == pytest.approx(whole[1].rates)
        assert batches == whole[1].batches
        for name, value in whole[1].state_dict().items():
            torch.testing.assert_close(model.state_dict()[name], value, rtol=0, atol=0)
        assert (course.epochs, course.best_epoch, course.best_val_loss) == (10, 6, 1.0)
        assert course.training_hours * 3600 > 10 * EPOCH_S, "the hours are those of the last session alone"

    @pytest.mark.parametrize("lost", ["all", "one epoch"])
    def test_the_summary_is_that_of_the_training_without_its_history(self, parts, tmp_path, lost):
        assert train(parts, tmp_path, session=7)[1] is None
        history = tmp_path / HISTORY
        lines = history.read_text().splitlines(keepends=True)
        history.write_text("".join(lines[:1] + lines[2:])) if lost == "one epoch" else history.unlink()
        _, course = train(parts, tmp_path)
        assert (course.epochs, course.best_epoch, course.best_val_loss) == (10, 6, 1.0)

    def test_workers_do_not_draw_before_they_know_the_epoch(self, parts, whole, tmp_path):
        first, _ = train(parts, tmp_path, session=1, workers=1)
        second, _ = train(parts, tmp_path, epochs=3, workers=1)
        assert first.batches + second.batches == whole[1].batches[:9]

    def test_nothing_is_trained_after_the_end(self, parts, whole):
        folder, _, course = whole
        before = read_history(folder / HISTORY)
        model, again = train(parts, folder)
        assert model.rates == []
        assert read_history(folder / HISTORY) == before
        assert again.epochs == course.epochs
        assert again.training_hours == pytest.approx(course.training_hours, abs=1 / 3600)


class TestKeptEnergies:
    """Energies of validation clips that training cannot change are computed once, which changes no number."""

    @staticmethod
    def losses(monkeypatch, parts, folder, frontend, kept_bytes):
        monkeypatch.setattr("auricle.systems.classifier.system.ENERGY_CACHE_BYTES", kept_bytes)
        computed = []
        energies = Frontend.energies

        def counted(self, waveform):
            computed.append(len(waveform))
            return energies(self, waveform)

        monkeypatch.setattr(Frontend, "energies", counted)
        model = Classifier.build(
            tasks=[parts[0][0]], sample_rate=RATE, window_s=0.1, frontend={"name": frontend, "n_filters": 8},
            backbone={"name": "cnn-small"}, optimization=ClassifierOptimization(learning_rate=1e-3),
        )  # fmt: skip
        batches = training_loader(TrainingWindows(parts), window=(model.window,) * 2, batch_size=4, seed=0)
        folder.mkdir()
        fit(model, batches, clip_loader(WholeClips(parts, model.window)), folder, Training(epochs=3), progress=False)
        monkeypatch.undo()
        return [row["val_loss"] for row in read_history(folder / HISTORY)], sum(computed)

    @pytest.mark.parametrize(("frontend", "times"), [("mel", 3), ("leaf-pcen", 3), ("degram", 0)])
    def test_no_number_changes(self, monkeypatch, parts, tmp_path, frontend, times):
        kept, n_kept = self.losses(monkeypatch, parts, tmp_path / "kept", frontend, 2**29)
        anew, n_anew = self.losses(monkeypatch, parts, tmp_path / "anew", frontend, 0)
        assert kept == anew
        assert len(set(kept)) == 3, "training goes on, and the loss with it"
        assert n_kept == (16 if times else 0)
        assert n_anew == times * n_kept


@pytest.mark.parametrize(
    ("precision", "machine", "instructions", "said"),
    [
        ("bf16-mixed", "x86_64", "AVX2", True),
        ("bf16-mixed", "AMD64", "DEFAULT", True),
        ("bf16-mixed", "x86_64", "AVX512", False),
        ("bf16-mixed", "aarch64", "DEFAULT", False),
        ("32-true", "x86_64", "AVX2", False),
    ],
)
def test_bfloat16_on_a_processor_without_its_instructions_is_said(
    precision, machine, instructions, said, parts, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: instructions)
    train(parts, tmp_path, epochs=1, precision=precision, progress=True)
    assert (f"note: precision {precision} takes" in capsys.readouterr().err) == said
