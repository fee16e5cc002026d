"""Quiet windows: a model with a least level makes of them what it makes of the same sound at that level."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.exporting.program import graph_module, largest_difference
from auricle.frontends import create_frontend, list_frontends
from auricle.systems.classifier.level import Amplifier
from auricle.systems.classifier.system import Classifier
from auricle.systems.streaming import Stream

RATE = 16_000
LOGARITHMIC = ("mel", "mel-efficientat", "mel-db")


def noise(n_samples: int = RATE) -> Tensor:
    """Two clips `(2, n_samples)` of different spectra."""
    white = torch.randn(1, n_samples, generator=torch.Generator().manual_seed(0))
    return torch.cat([white, white.cumsum(-1) * 0.05])


def classifier(**config: object) -> Classifier:
    chosen = {"frontend": {"name": "mel"}, "backbone": {"name": "cnn-small", "channels": [4, 8]}} | config
    return Classifier.build(tasks=[Task("kinds", ("a", "b"), False)], sample_rate=RATE, window_s=0.5, **chosen).eval()


@pytest.mark.parametrize("name", LOGARITHMIC)
def test_a_quiet_window_is_given_as_that_of_the_amplified_waveform(name: str) -> None:
    frontend = create_frontend(name, sample_rate=RATE)
    clips = noise()
    level = 10 * torch.log10(frontend.energies(clips).mean((-2, -1)))
    quiet = clips * 10 ** ((-30.0 - level) / 20)[:, None]  # both at -30 dB
    given = Amplifier(frontend, min_level_db=0.0)(frontend(quiet))
    torch.testing.assert_close(given, frontend(quiet * 10 ** (30.0 / 20)), atol=0.02, rtol=0)
    assert (frontend(quiet) - given).abs().min() > 0.1


@pytest.mark.parametrize("name", LOGARITHMIC)
def test_what_is_loud_stays_to_the_bit_and_silence_stays_silence(name: str) -> None:
    frontend = create_frontend(name, sample_rate=RATE)
    amplifier = Amplifier(frontend, min_level_db=0.0)
    level = 10 * torch.log10(frontend.energies(noise()).mean((-2, -1)))
    loud = frontend(noise() * 10 ** ((1.0 - level) / 20)[:, None])
    assert torch.equal(amplifier(loud), loud)
    silence = frontend(torch.zeros(1, RATE))
    torch.testing.assert_close(amplifier(silence), silence, atol=2e-6, rtol=0)


@pytest.mark.parametrize("name", LOGARITHMIC)
def test_rounding_in_silence_is_not_amplified(name: str) -> None:
    """Another library may give silence one unit in the last place up or down."""
    frontend = create_frontend(name, sample_rate=RATE)
    amplifier = Amplifier(frontend, min_level_db=0.0)
    silence = frontend(torch.zeros(1, RATE))
    above, below = (torch.nextafter(silence, torch.full_like(silence, end)) for end in (torch.inf, -torch.inf))
    for rounded in (above, below):
        torch.testing.assert_close(amplifier(rounded), silence, atol=1e-4, rtol=0)


def test_no_window_is_amplified_by_more_than_40_db() -> None:
    frontend = create_frontend("mel", sample_rate=RATE)
    clips = noise() * 1e-3
    level = float(10 * torch.log10(frontend.energies(clips).mean()))
    given = Amplifier(frontend, min_level_db=level + 70.0)(frontend(clips))
    torch.testing.assert_close(given, frontend(clips * 100.0), atol=1e-2, rtol=0)


def test_each_window_of_a_file_and_of_a_stream_has_its_own_gain() -> None:
    level = float(10 * torch.log10(create_frontend("mel", sample_rate=RATE).energies(noise()[:1]).mean()))
    model = classifier(min_level_db=level - 10.0)
    clip = torch.cat([noise()[0, : RATE // 2] * gain for gain in (1e-3, 1.0, 3e-3)])
    whole = model.window_logits(clip, continuous=True)
    stream = Stream(model)
    pieces = [stream.push(piece) for piece in clip.split(700)]
    torch.testing.assert_close(torch.cat([*pieces, stream.flush()]), whole, atol=1e-4, rtol=0)
    alone = model.with_config(min_level_db=None).eval().window_logits(clip, continuous=True)
    torch.testing.assert_close(alone[1], whole[1])
    assert (alone[[0, 2]] - whole[[0, 2]]).abs().min() > 1e-4


def test_the_level_is_exported_and_reaches_the_embedding() -> None:
    model = classifier(min_level_db=0.0)
    assert largest_difference(model, graph_module(model)) < 1e-5
    quiet = noise(RATE // 2) * 1e-3
    torch.testing.assert_close(graph_module(model)(quiet), model(quiet))
    torch.testing.assert_close(model.heads(model.embed(quiet)), model(quiet))
    assert (model(quiet) - model.with_config(min_level_db=None).eval()(quiet)).abs().max() > 1e-4


def test_gradients_are_finite_at_every_level() -> None:
    model = classifier(min_level_db=0.0)
    clips = (noise(RATE // 2) * torch.tensor([[1e-6], [1.0]])).requires_grad_()
    model(clips).sum().backward()
    assert clips.grad is not None
    assert clips.grad.isfinite().all()


@pytest.mark.parametrize("name", list_frontends())
def test_a_level_is_set_where_twice_the_amplitude_is_four_times_the_energy(name: str) -> None:
    frontend = create_frontend(name, compression="decibels").eval()
    with torch.no_grad():
        once, twice = frontend.energies(noise()), frontend.energies(2.0 * noise())
    if torch.allclose(twice, 4.0 * once, rtol=1e-3):
        Amplifier(frontend, -20.0)
    else:
        bank = type(frontend.filterbank).__name__
        with pytest.raises(AuricleError, match=f"level_db=-20: .* logarithm of energies, .* not for one with {bank}$"):
            Amplifier(frontend, -20.0)


def test_nor_has_one_with_attention() -> None:
    frontend = create_frontend("mel")
    frontend.attention = torch.nn.Identity()
    with pytest.raises(AuricleError, match="not for one with Identity"):
        Amplifier(frontend, -20.0)


def test_a_compression_without_logarithm_has_no_level_to_set() -> None:
    with pytest.raises(AuricleError, match="min_level_db=0: a level can be set for a front-end with a logarithm"):
        classifier(frontend={"name": "mel-pcen"}, min_level_db=0.0)


@pytest.mark.parametrize("level_db", [1000.0, -301.0, float("nan"), float("inf")])
def test_a_level_that_single_precision_cannot_hold_is_refused(level_db: float) -> None:
    with pytest.raises(AuricleError, match="a number from -300 to 300 is needed"):
        Amplifier(create_frontend("mel", sample_rate=RATE), min_level_db=level_db)


@pytest.mark.parametrize("level_db", [-300.0, 300.0])
def test_at_the_largest_levels_outputs_are_finite(level_db: float) -> None:
    frontend = create_frontend("mel", sample_rate=RATE)
    assert Amplifier(frontend, min_level_db=level_db)(frontend(1e-3 * noise())).isfinite().all()
