from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from auricle import audio
from auricle.config import Augmentation, Optimization, Training
from auricle.data.clip_store import ClipStore
from auricle.data.loading import TrainingWindows
from auricle.data.manifest import read_manifest
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.runs.fit import fit
from auricle.systems import load
from auricle.systems.classifier.augmentation import mixup, noise_in_range, spec_augment
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.conditions import training_conditions

ANIMALS = Task("animals", ("cat", "dog", "owl"))
TAGS = Task("tags", ("near", "far"), multi_label=True)


def build(*tasks, frontend="leaf", **config):
    defaults = {"sample_rate": 8000, "window_s": 0.25, "frontend": {"name": frontend, "n_filters": 8}}
    return Classifier.build(
        **{**defaults, "backbone": {"name": "cnn-small"}, "tasks": list(tasks or [ANIMALS]), **config}
    )


def modes_in_training(model, folder):
    """Of each call of the backbone in three epochs of a batch: whether with gradients, and whether in training mode."""
    waveforms, targets = 0.1 * torch.randn(4, model.window), torch.eye(3)[[0, 1, 2, 0]]
    shared = {"target": targets, "task": torch.zeros(4, dtype=torch.long)}
    whole = {
        "counts": torch.ones(4, dtype=torch.long),
        "index": torch.arange(4),
        "test": torch.zeros(4, dtype=torch.bool),
    }
    train = DataLoader([{"waveform": waveforms, **shared}], batch_size=None)
    valid = DataLoader([{"windows": waveforms, **shared, **whole}], batch_size=None)
    modes = []
    handle = model.backbone.register_forward_hook(
        lambda module, *_: modes.append((torch.is_grad_enabled(), module.training))
    )
    fit(model, train, valid, folder, Training(epochs=3, accelerator="cpu"), progress=False)
    handle.remove()
    return modes


class TestLoss:
    def test_single_label_is_cross_entropy(self):
        model = build()
        logits, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 1, 0])
        targets = torch.nn.functional.one_hot(labels, 3).float()
        expected = torch.nn.functional.cross_entropy(logits, labels)
        torch.testing.assert_close(model.loss(logits, targets, torch.zeros(6)), expected)

    def test_multi_label_is_binary_cross_entropy(self):
        model = build(TAGS)
        logits, targets = torch.randn(6, 2), (torch.rand(6, 2) > 0.5).float()
        expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)
        torch.testing.assert_close(model.loss(logits, targets, torch.zeros(6)), expected)

    def test_every_clip_contributes_to_its_own_task_alone(self):
        model = build(ANIMALS, TAGS)
        logits = torch.randn(4, 5, requires_grad=True)
        targets = torch.tensor([[1.0, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 0, 1]])
        tasks = torch.tensor([0, 0, 1, 1])
        singles = [
            torch.nn.functional.cross_entropy(logits[i : i + 1, :3], targets[i : i + 1, :3].argmax(1)) for i in (0, 1)
        ]
        several = [torch.nn.functional.binary_cross_entropy_with_logits(logits[i, 3:], targets[i, 3:]) for i in (2, 3)]
        loss = model.loss(logits, targets, tasks)
        torch.testing.assert_close(loss, torch.stack([*singles, *several]).mean())
        loss.backward()
        assert not logits.grad[:2, 3:].any()
        assert not logits.grad[2:, :3].any()


class TestWindows:
    def test_a_clip_is_the_mean_of_its_windows(self):
        model = build().eval()
        windows = torch.randn(5, model.window)
        batch = {"windows": windows, "counts": torch.tensor([1, 3, 1])}
        logits = model.clip_logits(batch)
        each = torch.stack([model(window[None])[0] for window in windows])
        expected = torch.stack([each[0], each[1:4].mean(0), each[4]])
        torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)

    def test_continuous_runs_the_front_end_once(self):
        model = build().eval()
        clip = torch.randn(3 * model.window)
        apart, through = model.window_logits(clip), model.window_logits(clip, continuous=True)
        frames = model.frontend(clip[None])
        expected = torch.cat([model.classify(frames[..., i : i + 25]) for i in (0, 25, 50)])
        torch.testing.assert_close(through, expected)
        assert not torch.allclose(apart[1:], through[1:], atol=1e-4)

    @pytest.mark.parametrize("continuous", [False, True])
    @pytest.mark.parametrize("shape", [(2001,), (2080,), (0,), (1, 2000)])
    def test_only_clips_of_whole_windows(self, continuous, shape):
        model = build().eval()
        assert model.window == 2000
        with pytest.raises(AuricleError, match="a multiple of 2000 samples, not"):
            model.window_logits(torch.zeros(shape), continuous=continuous)

    def test_continuous_needs_whole_hops(self):
        model = build(window_s=0.2503).eval()
        with pytest.raises(AuricleError, match="not a multiple of 80"):
            model.window_logits(torch.randn(2 * model.window), continuous=True)


class TestPredict:
    def test_probabilities_of_any_rate_and_channels(self):
        model = build()
        tone = np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000).astype(np.float32)
        one = model.predict(tone, 48_000)
        two = model.predict(np.stack([tone, tone]), 48_000)
        assert list(one) == ["cat", "dog", "owl"]
        assert sum(one.values()) == pytest.approx(1.0)
        assert two == pytest.approx(one)
        assert model.training

    @pytest.mark.parametrize(
        "clip",
        [
            np.zeros(0, np.float32),
            np.zeros((2, 3, 4), np.float32),
            np.zeros(9, int),
            np.full(9, np.nan),
            np.full(9, 1e39),
            torch.zeros(9, dtype=torch.int16),
            [[0.0, 1.0], [2.0]],
            ["a"],
            torch.zeros(9, device="meta"),
            torch.zeros(9).to_sparse(),
        ],
    )
    def test_nonsense_is_refused(self, clip):
        with pytest.raises(AuricleError):
            build().predict(clip, 8000)

    @pytest.mark.parametrize("clip", [np.zeros(9, np.int16), torch.zeros(9, dtype=torch.int16)])
    def test_integers_are_refused_with_their_full_scale(self, clip):
        with pytest.raises(AuricleError, match=r"not int16 of shape \(9,\); divide by 32768 for a full scale of 1"):
            build().predict(clip, 8000)

    @pytest.mark.parametrize("rate", [None, 0, -8000, 8000.0, "8000", True, 10**12])
    def test_a_rate_that_is_none_is_refused(self, rate):
        with pytest.raises(AuricleError, match="whole number of Hz"):
            build().predict(np.zeros(4000, np.float32), rate)

    def test_tensors_and_lists_are_clips_too(self):
        model = build()
        clip = torch.sin(torch.arange(8000.0)).bfloat16()
        expected = model.predict(clip.float().numpy(), 8000)
        for same in (clip, clip.float().requires_grad_(), clip.double(), clip.tolist()):
            assert model.predict(same, np.int64(8000)) == pytest.approx(expected)

    def test_several_tasks_have_to_be_named(self):
        model = build(ANIMALS, TAGS)
        with pytest.raises(AuricleError, match="animals, tags"):
            model.predict(np.zeros(4000, np.float32), 8000)
        assert list(model.predict(np.zeros(4000, np.float32), 8000, task="tags")) == ["near", "far"]


class TestSaving:
    @pytest.mark.parametrize("frontend", ["leaf", "mel", "sincnet", "wavegram"])
    def test_a_saved_model_is_the_same_model(self, tmp_path, frontend):
        model = build(ANIMALS, TAGS, frontend=frontend).train()
        model(torch.randn(8, model.window))
        model.save(tmp_path)
        again = load(tmp_path)
        clips = torch.randn(2, model.window)
        torch.testing.assert_close(again(clips), model.eval()(clips), rtol=0, atol=0)
        assert not again.training
        assert json.loads((tmp_path / "labels.json").read_text())["tasks"][0]["labels"] == ["cat", "dog", "owl"]

    def test_the_seed_decides_the_initial_weights(self):
        same, other = build(seed=1), build(seed=2)
        torch.testing.assert_close(build(seed=1).heads.weight, same.heads.weight, rtol=0, atol=0)
        assert not torch.equal(same.heads.weight, other.heads.weight)

    def test_what_is_no_model_folder_is_said_to_be_none(self, tmp_path):
        with pytest.raises(AuricleError, match="no such folder"):
            load(tmp_path / "nowhere")
        with pytest.raises(AuricleError, match="not a model folder"):
            load(tmp_path)
        build().save(tmp_path)
        (tmp_path / "config.json").write_text("{}")
        with pytest.raises(AuricleError, match="should be an entry 'system'"):
            load(tmp_path)
        build().save(tmp_path)
        (tmp_path / "model.safetensors").write_bytes(b"nonsense")
        with pytest.raises(AuricleError, match="do not fit"):
            load(tmp_path)


class TestFreezing:
    def test_frozen_parts_stay_as_they_are_in_a_training(self, tmp_path):
        """Also statistics and dropout, without a call of `train`."""
        backbone = {"name": "cnn14", "channels": [4] * 6, "dropout": 0.5}
        model = build(frontend="wavegram", backbone=backbone, frozen=["frontend", "backbone"])
        before = {name: value.clone() for name, value in model.state_dict().items()}
        assert modes_in_training(model, tmp_path) == [(True, False), (False, False)] * 3
        changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
        assert changed == {name for name in before if name.startswith("heads.")}

    def test_a_training_is_in_training_mode(self, tmp_path):
        assert modes_in_training(build(frontend="mel").eval(), tmp_path) == [(True, True), (False, False)] * 3

    def test_augmentation_and_the_networks_own_draws_are_independent(self, tmp_path, monkeypatch):
        """On a CPU stochastic depth takes the first numbers of torch's generator, augmentation those of its own."""
        model = build(frontend="mel", augmentation=Augmentation(noise_snr_db=[0.0, 20.0]))
        drawn = []

        def noticed(waveforms, snr_db, share, generator):
            drawn.append((torch.rand(8, generator=generator), torch.rand(8)))
            return waveforms

        monkeypatch.setattr("auricle.systems.classifier.system.noise_in_range", noticed)
        modes_in_training(model, tmp_path)
        assert len(drawn) == 3
        assert all(not torch.equal(own, network) for own, network in drawn)

    def test_frozen_parts_have_no_gradient_and_keep_their_statistics(self):
        model = build(frozen=["frontend.filterbank", "backbone"]).train()
        before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
        clips, targets = torch.randn(4, model.window), torch.eye(3)[[0, 1, 2, 0]]
        model.loss(model(clips), targets, torch.zeros(4)).backward()
        learning = {name for name, p in model.named_parameters() if p.grad is not None}
        assert learning == {
            "frontend.pooling.widths",
            *(f"frontend.compression.{name}" for name in ("alpha", "delta", "root", "smooth")),
            "heads.weight",
            "heads.bias",
        }
        for name, value in model.backbone.state_dict().items():
            torch.testing.assert_close(value, before[name], rtol=0, atol=0)

    def test_an_unknown_part_is_named(self):
        with pytest.raises(AuricleError, match=r"did you mean 'frontend\.filterbank'"):
            build(frozen=["frontend.filterbnk"])


class TestAugmentation:
    def test_mixup_mixes_clips_and_targets_alike_and_only_within_a_task(self):
        waveforms, targets = torch.eye(8).repeat_interleave(4, 1), torch.eye(8)
        tasks = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
        mixed, wanted = mixup(waveforms, targets, tasks, 0.5, torch.Generator().manual_seed(0))
        torch.testing.assert_close(mixed[:, ::4], wanted)
        torch.testing.assert_close(wanted.sum(1), torch.ones(8))
        assert (wanted.diagonal() >= 0.5).all()
        assert not wanted[:4, 4:].any()
        assert not wanted[4:, :4].any()
        assert (wanted.diagonal() < 1).any()

    def test_noise_has_the_power_asked_for_and_padding_does_not_count(self):
        generator = torch.Generator().manual_seed(0)
        clips = torch.zeros(4, 40_000)
        clips[:, :10_000] = torch.randn(4, 10_000) * torch.tensor([[0.01], [0.1], [1.0], [0.0]])
        noisy = noise_in_range(clips, (10.0, 10.0), 1.0, generator)
        noise = noisy - clips
        ratio = 10 * torch.log10((clips[:3, :10_000] ** 2).mean(1) / (noise[:3] ** 2).mean(1))
        torch.testing.assert_close(ratio, torch.full((3,), 10.0), atol=0.1, rtol=0)
        assert not noise[3].any()
        assert torch.equal(noise_in_range(clips, (0.0, 5.0), 0.0, generator), clips)

    def test_spec_augment_blanks_whole_bands_and_frames_with_the_mean(self):
        spectrograms = torch.randn(64, 1, 20, 50)
        masked = spec_augment(spectrograms, 1, 0.3, 0.2, torch.Generator().manual_seed(0))
        changed = (masked != spectrograms)[:, 0]
        mean = spectrograms.mean((-2, -1), keepdim=True).expand_as(spectrograms)[:, 0]
        torch.testing.assert_close(masked[:, 0][changed], mean[changed])
        bands, frames = changed.all(2).sum(1), changed.all(1).sum(1)
        assert bands.max() <= 6
        assert frames.max() <= 10
        assert bands.max() >= 4
        assert frames.max() >= 7
        expected = changed.all(2)[:, :, None] | changed.all(1)[:, None, :]
        assert torch.equal(changed, expected)


def test_options_are_checked():
    with pytest.raises(AuricleError, match="'cosin'; did you mean 'cosine'"):
        Optimization(schedule="cosin")
    with pytest.raises(AuricleError, match="lowest and the highest"):
        Augmentation(noise_snr_db=[5.0])
    with pytest.raises(AuricleError, match="'loop'"):
        build(short="loop")


class TestTrainingConditions:
    def test_a_window_and_its_seed_decide(self):
        augment = training_conditions(Augmentation(conditions="complex"), 8000, seed=3)
        window = np.sin(np.arange(4000) * 0.2).astype(np.float32)
        seeds = range(12)
        once = [augment(window, seed, 0) for seed in seeds]
        again = [augment(window, seed, 0) for seed in reversed(seeds)][::-1]
        assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))
        assert all(len(changed) == len(window) for changed in once)
        unchanged = sum(np.array_equal(changed, window) for changed in once)
        assert 0 < unchanged < len(once), "clean is one of the four conditions"

    def test_what_is_heard_does_not_depend_on_where_in_the_clip(self, tmp_path):
        audio.write(tmp_path / "ramp" / "ramp.wav", np.linspace(0.1, 0.9, 20_000), 8000, subtype="FLOAT")
        manifest = read_manifest(tmp_path)
        task = Task("ramps", ("ramp", "other"))
        augment = training_conditions(Augmentation(conditions="complex"), 8000, seed=3)
        data = [(task, manifest, ClipStore(manifest.clips, 8000))]
        windows = TrainingWindows(data, augment=augment, keep_clean=True)
        seeds = np.random.default_rng(0).integers(2**62, size=300).tolist()
        items = [windows[0, seed, 2000] for seed in seeds]
        clean = [torch.equal(item["waveform"], item["clean"]) for item in items]
        latter = [bool(item["clean"].mean() > 0.5) for item in items]
        table = np.histogram2d(clean, latter, bins=2)[0]
        expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
        assert ((table - expected) ** 2 / expected).sum() < 10.8, "independent, at 1 in 1000 by chi squared"

    def test_a_share_of_none_and_no_suite(self):
        window = np.sin(np.arange(4000) * 0.2).astype(np.float32)
        augment = training_conditions(Augmentation(conditions="complex", conditions_share=0.0), 8000, seed=3)
        assert all(augment(window, seed, 0) is window for seed in range(8))
        assert training_conditions(Augmentation(), 8000, seed=3) is None
