"""TRNet (Chen and Zhang, 2024): the readings of its equations that are options.

Equations 1 to 8 as they are by default have their twins in systems/trnet/test_trnet.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from auricle.config import EmotionLosses
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.systems.system import load
from auricle.systems.trnet import TRNet
from auricle.tasks.emotion.compare import some_clips
from auricle.tasks.emotion.data import DrawnVersions

TASK = Task("emotion", ("angry", "happy", "neutral", "sad"))
LITERAL: dict[str, Any] = {"cosines": "raw", "clamp": "plain", "dither": 0.0}
LENGTHS = [8000, 2500, 400]


def build(**options: Any) -> TRNet:
    return TRNet.build(TASK, size={"channels": [8, 16]}, window_s=0.5, **options)


def batch() -> dict[str, torch.Tensor]:
    """Clips of different lengths, zero-padded to the window."""
    rng = np.random.default_rng(0)
    inside = np.arange(8000) < np.array(LENGTHS)[:, None]
    clean, noise = (0.1 * rng.standard_normal((3, 8000)) * inside for _ in range(2))
    signals = {"clean": clean, "noisy": clean + noise, "enhanced": clean + 0.3 * noise}
    return {name: torch.from_numpy(signal).float() for name, signal in signals.items()} | {
        "n_samples": torch.tensor(LENGTHS),
        "target": torch.tensor([0, 3, 1]),
    }


def with_teacher(system: TRNet) -> TRNet:
    system.set_teacher(build(kind="baseline-c", seed=5))
    return system


def refined_twin(x: np.ndarray, x_e: np.ndarray, weight: np.ndarray, bias: float) -> tuple[np.ndarray, float]:
    """Equations 1 to 4 for one clip's log-mel spectrograms `(bands, frames)`: X̃ and c."""
    d = np.array([a @ b / (np.sqrt(a @ a) * np.sqrt(b @ b)) for a, b in zip(x, x_e, strict=True)])
    c = min(max(0.0, float(weight @ d) + bias), 1.0)
    return c * x + (1 - c) * x_e, c


def test_equations_1_to_4_to_the_letter() -> None:
    """Raw cosines before FC, and a log-mel without dither."""
    system = build(**LITERAL).eval()
    rng = np.random.default_rng(1)
    weight, bias = rng.normal(0, 0.3, 80), 0.4
    assert system.coefficient is not None
    with torch.no_grad():
        system.coefficient.fc.weight.copy_(torch.from_numpy(weight)[None])
        system.coefficient.fc.bias.fill_(bias)
        clips = batch()
        output = system(clips["noisy"], clips["enhanced"], clips["n_samples"])
        frames = [1 + (n - 400) // 160 for n in LENGTHS]
        for clip, count in enumerate(frames):
            own = (system.log_mel(clips[name], clips["n_samples"])[clip, :, :count] for name in ("noisy", "enhanced"))
            wanted, c = refined_twin(*(spectrogram.double().numpy() for spectrogram in own), weight, bias)
            assert float(output.coefficient[clip, 0]) == pytest.approx(c, abs=1e-4)
            np.testing.assert_allclose(output.log_mel[clip, :, :count], wanted, atol=1e-3)
            assert not output.log_mel[clip, :, count:].any()


@pytest.mark.parametrize(("reduction", "summed"), [("sum", True), ("valid", False)])
def test_equations_5_and_7_over_each_clips_own_frames(reduction: str, summed: bool) -> None:
    """L_low = ‖X_s − X̃‖², L_high = ‖h_s − h̃‖², per clip, averaged over the batch; "valid" are means of the squares."""
    system = with_teacher(build(losses=EmotionLosses(reduction=reduction))).eval()
    clips = batch()
    with torch.no_grad():
        terms, _ = system.terms(clips)
        output = system(clips["noisy"], clips["enhanced"], clips["n_samples"])
        clean = system.log_mel(clips["clean"], clips["n_samples"])
        assert system.teacher is not None
        target = system.teacher.represent(clean, system.log_mel.n_frames(clips["n_samples"]))
    low, high = [], []
    for clip, n_samples in enumerate(LENGTHS):
        count = 1 + (n_samples - 400) // 160
        squares = (clean[clip] - output.log_mel[clip]).double().numpy()[:, :count] ** 2
        apart = (target[clip] - output.representation[clip]).double().numpy() ** 2
        low.append(squares.sum() if summed else squares.sum() / (80 * count))
        high.append(apart.sum() if summed else apart.mean())
    assert float(terms["low"]) == pytest.approx(np.mean(low), rel=1e-4)
    assert float(terms["high"]) == pytest.approx(np.mean(high), rel=1e-4)
    diluted, _ = with_teacher(build()).eval().terms(clips)
    if not summed:
        assert float(terms["low"]) > 1.5 * float(diluted["low"].detach())


@pytest.mark.parametrize(("clamp", "learns"), [("plain", False), ("two-way", True)])
@pytest.mark.parametrize("bias", [-3.0, 3.0])
def test_the_derivative_of_equation_3_beyond_the_limits(clamp: str, learns: bool, bias: float) -> None:
    system = build(cosines="raw", clamp=clamp)
    assert system.coefficient is not None
    fc = system.coefficient.fc
    with torch.no_grad():
        fc.weight.zero_()
        fc.bias.fill_(bias)
    (system.coefficient(torch.ones(4, 80)) - 0.5).square().sum().backward()
    assert fc.bias.grad is not None
    assert (fc.bias.grad.abs().item() > 0) == learns


def test_without_dither_silence_lies_at_the_logarithms_floor() -> None:
    silence, length = torch.zeros(1, 8000), torch.tensor([8000])
    floor = float(build(dither=0.0).log_mel(silence, length).max())
    assert floor == pytest.approx(np.log(np.finfo(np.float32).eps))
    assert float(build().log_mel(silence, length).min()) > floor + 10


def test_readings_are_the_variants_unless_given_and_are_kept(tmp_path: Any) -> None:
    def readings(system: TRNet) -> dict[str, Any]:
        return {name: system.config[name] for name in LITERAL}

    assert readings(build()) == {"cosines": "standardised", "clamp": "two-way", "dither": 1.0}
    assert readings(build(variant="published")) == {"cosines": "raw", "clamp": "two-way", "dither": 0.0}
    build(**LITERAL).save(tmp_path)
    again = load(tmp_path)
    assert isinstance(again, TRNet)
    assert readings(again) == LITERAL
    assert again.coefficient is not None
    assert not again.coefficient.standardised
    older = dict(build().config)
    for name in LITERAL:
        del older[name]
    assert TRNet(older).state_dict().keys() == build().state_dict().keys()


@pytest.mark.parametrize(
    ("options", "words"),
    [({"cosines": "rough"}, "cosines 'rough'"), ({"clamp": "hard"}, "clamp 'hard'"), ({"dither": -1.0}, "dither=-1")],
)
def test_strange_readings_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(AuricleError, match=words):
        build(**options)
    with pytest.raises(AuricleError, match="reduction 'all'"):
        EmotionLosses(reduction="all")


class Versions:
    """Stands in for `NoisyVersions`: two clips at three levels."""

    indices, wanted = (4, 7), ("clean", "10 dB", "0 dB")

    def __len__(self) -> int:
        return 6

    def __getitem__(self, place: int) -> tuple[int, int]:
        return divmod(place, 3)

    def version(self, place: int, level: int) -> tuple[int, int]:
        return place, level


def test_every_ratio_in_every_epoch_or_one_drawn_for_each_clip() -> None:
    versions: Any = Versions()
    every = DrawnVersions(versions, every_level=True)
    assert every.sizes == [len(every)] == [6]
    assert {every[place, seed, 0] for seed, place in enumerate(range(6))} == {(c, n) for c in (0, 1) for n in range(3)}
    drawn = DrawnVersions(versions)
    assert drawn.sizes == [2]
    assert {drawn[1, seed, 0] for seed in range(40)} == {(1, 0), (1, 1), (1, 2)}


def test_figure_3_has_at_most_500_random_utterances_at_all_their_levels() -> None:
    clips = np.repeat([f"{n}.wav" for n in range(700)], 4)
    arrays = {"clip": clips, "level": np.tile([0, 1, 2, 3], 700), "representation": np.arange(2800)[:, None]}
    some = some_clips(arrays)
    assert len(np.unique(some["clip"])) == 500
    assert len(some["representation"]) == 2000
    assert some["level"].tolist() == [0, 1, 2, 3] * 500
    assert not np.isin([f"{n}.wav" for n in range(500)], some["clip"]).all()
    few = {name: values[:40] for name, values in arrays.items()}
    assert (some_clips(few)["representation"] == few["representation"]).all()
