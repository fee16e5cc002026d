"""TRNet's equations against slow twins, its limits, its teacher, and what is saved of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auricle.config import EmotionLosses
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.systems.system import load
from auricle.systems.trnet import KINDS, TRNet
from auricle.systems.trnet.network import (
    AttentionPooling,
    Bridge,
    Coefficient,
    LogMel,
    band_cosines,
    compensate,
    deltas,
)

TASK = Task("emotion", ("angry", "happy", "neutral", "sad"))
SIZE = {"channels": [8, 32]}
WITH_REFINEMENT = [name for name, kind in KINDS.items() if kind.has_refinement]


def build(kind: str = "trnet", variant: str = "paper", **options) -> TRNet:
    return TRNet.build(TASK, kind=kind, variant=variant, size=SIZE, window_s=0.5, **options)


def batch(n: int = 3, seed: int = 0, n_samples: int = 8000) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    clean = 0.1 * torch.randn(n, n_samples, generator=generator)
    noise = 0.05 * torch.randn(n, n_samples, generator=generator)
    return {
        "clean": clean,
        "noisy": clean + noise,
        "enhanced": clean + 0.3 * noise,
        "n_samples": torch.full((n,), n_samples),
        "target": torch.arange(n) % 4,
    }


def with_teacher(system: TRNet, seed: int = 5) -> TRNet:
    system.set_teacher(build("baseline-c", system.config["variant"], seed=seed))
    return system


# Each equation


def log_mel_twin(waveform: np.ndarray) -> np.ndarray:
    """Kaldi's, band by band and frame by frame."""
    samples = waveform.astype(np.float64) * 32768
    window = [(0.5 - 0.5 * np.cos(2 * np.pi * n / 399)) ** 0.85 for n in range(400)]
    mel = lambda hz: 1127 * np.log(1 + hz / 700)  # noqa: E731
    edges = np.linspace(mel(20.0), mel(8000.0), 82)
    frames = []
    for start in range(0, len(samples) - 399, 160):
        frame = samples[start : start + 400]
        frame = frame - frame.mean()
        emphasised = [frame[n] - 0.97 * frame[max(0, n - 1)] for n in range(400)]
        power = np.abs(np.fft.rfft(np.array(emphasised) * window, 512)) ** 2
        bands = []
        for band in range(80):
            energy = 0.0
            for k in range(257):
                at = mel(k * 16000 / 512)
                rise = (at - edges[band]) / (edges[band + 1] - edges[band])
                fall = (edges[band + 2] - at) / (edges[band + 2] - edges[band + 1])
                energy += max(0.0, min(rise, fall)) * power[k]
            bands.append(np.log(max(energy, 1.1920929e-07)))
        frames.append(bands)
    return np.array(frames).T


def test_the_log_mel_is_kaldis():
    waveform = 0.1 * np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    own = LogMel()(torch.from_numpy(waveform)[None], torch.tensor([1000]))[0].numpy()
    twin = log_mel_twin(waveform)
    assert own.shape == twin.shape == (80, 4)
    np.testing.assert_allclose(own, twin, atol=2e-3)


def test_the_log_mel_of_silence_and_of_less_than_a_frame_is_finite():
    for n_samples in (1, 399, 400, 401):
        spectrogram = LogMel()(torch.zeros(1, n_samples), torch.tensor([n_samples]))
        assert spectrogram.shape == (1, 80, 1)
        assert torch.allclose(spectrogram, torch.tensor(1.1920929e-07).log())


def test_silence_lies_where_kaldis_dither_puts_it():
    """The mean over many frames of noise of one 16-bit step, each computed by itself."""
    noise = np.random.default_rng(2).standard_normal(400 + 160 * 4000).astype(np.float32) / 32768
    drawn = LogMel()(torch.from_numpy(noise)[None], torch.tensor([noise.size]))[0].exp().mean(-1)
    silent = LogMel(dither=1.0)(torch.zeros(1, 400), torch.tensor([400]))[0, :, 0]
    torch.testing.assert_close(silent, drawn.log(), atol=0.1, rtol=0)


def test_speech_does_not_notice_the_dither():
    waveform = torch.from_numpy(0.1 * np.random.default_rng(0).standard_normal((1, 1000)).astype(np.float32))
    with_dither, without = (LogMel(dither=dither)(waveform, torch.tensor([1000])) for dither in (1.0, 0.0))
    torch.testing.assert_close(with_dither, without, atol=1e-4, rtol=0)


def test_band_cosines_equation_1():
    rng = np.random.default_rng(1)
    noisy, enhanced = rng.standard_normal((2, 3, 80, 7))
    own = band_cosines(torch.from_numpy(noisy), torch.from_numpy(enhanced)).numpy()
    for clip in range(3):
        for band in range(80):
            x, y = noisy[clip, band], enhanced[clip, band]
            wanted = sum(a * b for a, b in zip(x, y, strict=True)) / (sum(x * x) ** 0.5 * sum(y * y) ** 0.5)
            assert own[clip, band] == pytest.approx(wanted)


def test_band_cosines_of_the_same_are_one_and_of_nothing_finite():
    spectrogram = torch.randn(2, 80, 9)
    assert torch.allclose(band_cosines(spectrogram, spectrogram), torch.ones(2, 80))
    assert band_cosines(torch.zeros(1, 80, 4), torch.zeros(1, 80, 4)).eq(0).all()


@pytest.mark.parametrize("standardised", [False, True])
def test_the_coefficient_equations_2_and_3(standardised):
    module = Coefficient(standardised=standardised)
    torch.manual_seed(0)
    torch.nn.init.normal_(module.fc.weight, std=0.3)
    torch.nn.init.constant_(module.fc.bias, 0.4)
    cosines = 0.99 + 0.003 * torch.randn(200, 80) if standardised else torch.randn(200, 80)
    weight, bias = module.fc.weight[0].tolist(), module.fc.bias.item()
    own = module(cosines)[:, 0].tolist()
    rows = cosines.double().numpy()
    if standardised:
        rows = (rows - rows.mean(0)) / np.sqrt(rows.var(0) + 1e-8)
    wanted = [min(max(0.0, sum(w * d for w, d in zip(weight, row, strict=True)) + bias), 1.0) for row in rows]
    assert own == pytest.approx(wanted, abs=1e-3 if standardised else 1e-5)
    assert {0.0, 1.0} <= set(own)


@pytest.mark.parametrize(("bias", "wanted", "learns"), [(3.0, 0.0, True), (3.0, 9.0, False), (-3.0, 1.0, True)])
def test_beyond_a_limit_the_coefficient_learns_the_way_back(bias, wanted, learns):
    module = Coefficient()
    torch.nn.init.constant_(module.fc.bias, bias)
    (module(torch.ones(4, 80)) - wanted).square().sum().backward()
    assert (module.fc.bias.grad.abs().item() > 0) == learns
    if learns:
        assert np.sign(module.fc.bias.grad.item()) == np.sign(bias)


def test_a_standardised_coefficient_is_an_affine_function_of_the_cosines():
    """One clip too, in training as well; and the running statistics of training hold in evaluation."""
    module = Coefficient()
    torch.nn.init.normal_(module.fc.weight, std=0.003)
    cosines = 0.99 + 0.003 * torch.randn(64, 80)
    assert module(cosines[:1]).shape == (1, 1)
    for _ in range(200):
        module(cosines)
    in_training = module(cosines)
    assert 0 < in_training.min() < in_training.max() < 1
    module.eval()
    torch.testing.assert_close(module(cosines), in_training, atol=0.02, rtol=0)
    first, second = cosines[:1], cosines[1:2]
    torch.testing.assert_close(module((first + second) / 2), (module(first) + module(second)) / 2)


def test_an_enhancer_that_changes_nothing_gives_the_coefficient_of_ones():
    system = build(variant="published").eval()
    with torch.no_grad():
        system.coefficient.fc.bias.fill_(-0.25)
    clips = batch()
    output = system(clips["noisy"], clips["noisy"], clips["n_samples"])
    wanted = system.coefficient.fc.weight.sum() - 0.25
    assert torch.allclose(output.coefficient, wanted.expand(3, 1), atol=1e-5)
    assert torch.allclose(output.log_mel, system.log_mel(clips["noisy"], clips["n_samples"]), atol=1e-5)


def test_compensation_equation_4():
    noisy, enhanced = torch.randn(2, 80, 5), torch.randn(2, 80, 5)
    own = compensate(torch.tensor([[0.25], [1.0]]), noisy, enhanced)
    assert torch.allclose(own[0], 0.25 * noisy[0] + 0.75 * enhanced[0])
    assert torch.equal(own[1], noisy[1])


def test_the_bridge_equation_6():
    bridge = Bridge(5)
    h, c = torch.randn(3, 5), torch.rand(3, 1)
    assert torch.equal(bridge(h, c), h)
    for parameter in bridge.parameters():
        torch.nn.init.normal_(parameter)
    own = bridge(h, c)
    for clip in range(3):
        for i in range(5):
            scale = bridge.scale.weight[i, 0] * c[clip, 0] + bridge.scale.bias[i]
            shift = bridge.shift.weight[i, 0] * c[clip, 0] + bridge.shift.bias[i]
            assert own[clip, i].item() == pytest.approx((scale * h[clip, i] + shift).item(), abs=1e-6)


@pytest.mark.parametrize("per_channel", [False, True])
def test_attention_pooling(per_channel):
    pooling = AttentionPooling(4, per_channel)
    sequence, counts = torch.randn(2, 4, 6), torch.tensor([6, 3])
    own = pooling(sequence, counts).detach().numpy()
    weights = pooling.score.weight.detach().numpy()
    for clip, count in enumerate(counts.tolist()):
        y = sequence[clip].numpy()[:, :count]
        for channel in range(4):
            scores = np.array([weights[channel if per_channel else 0] @ y[:, t] for t in range(count)])
            alpha = np.exp(scores) / np.exp(scores).sum()
            assert own[clip, channel] == pytest.approx(float(alpha @ y[channel]), abs=1e-5)


def test_deltas():
    x = np.random.default_rng(2).standard_normal((1, 3, 6))
    own = deltas(torch.from_numpy(x)).numpy()
    for band in range(3):
        for t in range(6):
            at = lambda n, band=band: x[0, band, min(max(n, 0), 5)]  # noqa: E731
            wanted = sum(n * (at(t + n) - at(t - n)) for n in (1, 2)) / 10
            assert own[0, band, t] == pytest.approx(wanted)


def test_the_losses_equations_5_7_and_8():
    system = with_teacher(build(losses=EmotionLosses(low=0.3, high=2.0))).eval()
    clips = batch()
    terms, logits = system.terms(clips)
    output = system(clips["noisy"], clips["enhanced"], clips["n_samples"])
    clean = system.log_mel(clips["clean"], clips["n_samples"])
    wanted = system.teacher.represent(clean, system.log_mel.n_frames(clips["n_samples"]))
    probabilities = logits.softmax(-1)[torch.arange(3), clips["target"]]
    by_hand = {
        "task": -probabilities.log().mean(),
        "low": np.mean((clean - output.log_mel).detach().numpy() ** 2),
        "high": np.mean((wanted - output.representation).detach().numpy() ** 2),
    }
    for name, value in by_hand.items():
        assert terms[name].item() == pytest.approx(float(value.item()), rel=1e-4)
    total = by_hand["task"] + 0.3 * by_hand["low"] + 2.0 * by_hand["high"]
    assert system.weighted(terms).item() == pytest.approx(float(total.item()), rel=1e-4)


@pytest.mark.parametrize(("kind", "without"), [("no-low", "low"), ("no-high", "high")])
def test_an_ablation_does_not_count_its_loss(kind, without):
    system = build(kind)
    terms = {name: torch.tensor(value) for name, value in (("task", 1.0), ("low", 4.0), ("high", 16.0))}
    assert system.weighted(terms).item() == pytest.approx(11.0 - 0.5 * terms[without].item())


# The network


def test_padding_changes_nothing_in_the_papers_network():
    torch.manual_seed(0)
    system = build().eval()
    for module in system.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.bias)
            torch.nn.init.normal_(module.running_mean)
    clips = batch(2)
    for n_samples in (400, 3000, 7777):
        counts = torch.tensor([n_samples, 8000])
        inside = torch.arange(8000) < counts[:, None]
        padded = system(clips["noisy"] * inside, clips["enhanced"] * inside, counts)
        alone = system(clips["noisy"][:1, :n_samples], clips["enhanced"][:1, :n_samples], counts[:1])
        assert torch.allclose(padded.logits[0], alone.logits[0], atol=1e-4)
        assert torch.allclose(padded.coefficient[0], alone.coefficient[0], atol=1e-5)


@pytest.mark.parametrize("variant", ["paper", "published"])
@pytest.mark.parametrize("kind", KINDS)
def test_one_frame_and_silence_are_finite(kind, variant):
    system = build(kind, variant).eval()
    for waveform in (torch.zeros(1, 400), torch.zeros(1, 8000), 0.1 * torch.randn(1, 400)):
        output = system(waveform, waveform, torch.tensor([waveform.shape[1]]))
        assert output.logits.shape == (1, 4)
        assert output.logits.isfinite().all()
        assert output.coefficient.isfinite().all() == system.kind.has_refinement


def test_sizes_are_those_of_the_papers_table():
    paper, published = (TRNet.build(TASK, variant=variant) for variant in ("paper", "published"))
    assert [block.conv.out_channels for block in paper.network.blocks] == [32, 64, 128, 256]
    assert {(b.conv.kernel_size, b.conv.stride) for b in paper.network.blocks} == {((5, 5), (2, 2))}
    assert isinstance(paper.network.classifier, torch.nn.Linear)
    assert paper.network.dim == 256
    assert [block.conv.out_channels for block in published.network.blocks] == [64, 128, 256, 512]
    assert published.network.dim == 256
    assert [m.out_features for m in published.network.classifier if isinstance(m, torch.nn.Linear)] == [128, 4]
    assert {b.dropout.p for b in published.network.blocks} == {0.2}
    assert all(b.shortcut is None for b in published.network.blocks)


def test_a_baseline_ignores_the_input_that_it_does_not_take():
    clips = batch()
    for kind, unused in (("baseline-n", "enhanced"), ("baseline-c", "enhanced"), ("baseline-e", "noisy")):
        system = build(kind).eval()
        first = system(clips["noisy"], clips["enhanced"], clips["n_samples"]).logits
        clips = clips | {unused: torch.randn(3, 8000)}
        second = system(clips["noisy"], clips["enhanced"], clips["n_samples"]).logits
        assert torch.equal(first, second)


# Training


@pytest.mark.parametrize("kind", WITH_REFINEMENT)
@pytest.mark.parametrize("variant", ["paper", "published"])
def test_gradients_reach_all_but_the_teacher_which_never_changes(kind, variant):
    system = with_teacher(build(kind, variant)).train()
    with torch.no_grad():  # inside the hard limits, where a gradient is
        if variant == "published":
            system.coefficient.fc.bias.fill_(-0.4)
        for parameter in system.bridge.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    before = {name: value.clone() for name, value in system.teacher.state_dict().items()}
    optimizer = torch.optim.Adam(system.trainable_parameters(), lr=1e-2)
    assert not any(module.training for module in system.teacher.modules())
    system.weighted(system.terms(batch())[0]).backward()
    for name, parameter in system.named_parameters():
        if name.startswith("teacher."):
            assert parameter.grad is None
        else:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name
    optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in system.teacher.state_dict().items())


def test_a_teacher_saved_without_its_dither_has_the_usual_one():
    older = build("baseline-c").config
    del older["dither"]
    build().set_teacher(TRNet(older))
    with pytest.raises(AuricleError, match=r"dither=1\.0"):
        build(dither=0.0).set_teacher(TRNet(older))


def test_a_teacher_of_another_shape_is_refused():
    with pytest.raises(AuricleError, match="variant=published"):
        build().set_teacher(build("baseline-c", "published"))
    with pytest.raises(AuricleError, match=r"the teacher has dither=0\.5, but its student has 1\.0"):
        build().set_teacher(build("baseline-c", dither=0.5))
    with pytest.raises(AuricleError, match="set_teacher"):
        build().terms(batch())


@pytest.mark.parametrize("variant", ["paper", "published"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_system_says_the_same_and_holds_no_teacher(kind, variant, tmp_path):
    system = build(kind, variant)
    if system.kind.has_refinement:
        with_teacher(system)
    system.save(tmp_path)
    again = load(tmp_path)
    assert again.teacher is None
    clips = batch()
    signals = clips["noisy"], clips["enhanced"], clips["n_samples"]
    assert torch.equal(system.eval()(*signals).logits, again(*signals).logits)
    assert again.labels() == {"tasks": [TASK.to_dict()]}


def test_strange_configurations_are_refused():
    for options, said in (
        ({"kind": "baseline-x"}, "baseline-x"),
        ({"variant": "later"}, "later"),
        ({"size": {"depth": 3}}, "depth"),
        ({"size": {"channels": []}}, "channels"),
        ({"size": {"channels": "a,b"}}, "size.channels='a,b': expected a whole number"),
        ({"size": {"dropout": "much"}}, "size.dropout='much': expected a number"),
        ({"size": {"kernel_size": 4}}, "kernel_size=4"),
        ({"window_s": 0.01}, "window_s=0.01"),
    ):
        with pytest.raises(AuricleError, match=said):
            TRNet.build(TASK, **options)
