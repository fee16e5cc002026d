"""SimpPCEN and adaptive PCEN against the published code's outputs and against the paper's equations, read plainly."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from auricle.errors import AuricleError
from auricle.frontends import Frontend, create_frontend
from auricle.frontends.adaptive import AdaptivePCEN, Controller, SimpPCEN, simp_pcen
from auricle.frontends.windowwise import WindowwisePCEN, from_published, to_published
from auricle.studies.dynamic_range import dynamic_range, dynamic_range_db
from published import PublishedFigures, voice
from reference import reference_state_dict, shapes_of

Array = np.ndarray
properties = settings(deadline=None, max_examples=30, database=None, derandomize=True)
CONTROLLERS: list[dict[str, Any]] = [
    {},
    {"block": 3},
    {"block": 4, "context": 2},
    {"bidirectional": True},
    {"bidirectional": True, "block": 2, "context": 2},
    {"carried": True},
    {"carried": True, "block": 3},
    {"min_gamma": 0.1, "max_gamma": 0.6, "smooth": 0.3, "floor": 1e-2},
]
STREAMED = [options for options in CONTROLLERS if options.get("context", 1) == 1]


def adaptive(seed: int = 0, scale: float = 3.0, **options: Any) -> AdaptivePCEN:
    """The loop, with weights so large that alpha and gamma depend on the input."""
    options.setdefault("method", "loop")
    torch.manual_seed(seed)
    compression = AdaptivePCEN(**options)
    with torch.no_grad():
        for weight in compression.parameters():
            weight.mul_(scale)
    return compression.eval()


def energies(*shape: int, seed: int = 0) -> Tensor:
    """Random energies over six orders of magnitude, some below the floor."""
    return 10.0 ** (6.0 * torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 5.5)


def sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


def gru_twin(inputs: list[float], hidden: Array, weights: dict[str, Array], suffix: str = "") -> Array:
    """PyTorch's gated recurrent unit, one number at a time."""
    size = len(hidden)
    w_i, w_h, b_i, b_h = (weights[f"gru.{n}_l0{suffix}"] for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    for x in inputs:
        given, recalled = w_i[:, 0] * x + b_i, w_h @ hidden + b_h
        r = sigmoid(given[:size] + recalled[:size])
        z = sigmoid(given[size : 2 * size] + recalled[size : 2 * size])
        n = np.tanh(given[2 * size :] + r * recalled[2 * size :])
        hidden = (1.0 - z) * n + z * hidden
    return hidden


def controller_twin(context: list[float], hidden: Array, weights: dict[str, Array]) -> tuple[float, float, Array]:
    state = gru_twin(context, hidden, weights)
    read = [state]
    if "gru.weight_ih_l0_reverse" in weights:
        read.append(gru_twin(context[::-1], np.zeros_like(hidden), weights, "_reverse"))
    features = np.maximum(weights["head.0.weight"] @ np.concatenate(read) + weights["head.0.bias"], 0.0)
    alpha, gamma = sigmoid(weights["head.2.weight"] @ features + weights["head.2.bias"])
    return alpha, gamma, state


def adaptive_twin(energies: Array, compression: AdaptivePCEN) -> tuple[Array, Array, Array]:
    """Sections 2.2 and 2.3 for one band `(frames,)`: X, alpha and gamma."""
    c = compression
    weights = {name: value.double().numpy() for name, value in c.controller.state_dict().items()}
    E = np.maximum(energies, c.floor)
    hidden, M = np.zeros(c.controller.gru.hidden_size), E[0]
    X, alphas, gammas = [], [], []
    for t in range(len(E)):
        M = c.smooth * E[t] + (1.0 - c.smooth) * M
        if t % c.block == 0:
            before = list(X[t - c.context : t]) if t else list(E[: c.context])
            alpha, gamma, state = controller_twin(before + list(E[t : t + c.context]), hidden, weights)
            gamma = c.min_gamma + (c.max_gamma - c.min_gamma) * gamma
            hidden = state if c.carried else np.zeros_like(hidden)
        X.append(E[t] ** gamma / (M + c.eps) ** alpha)
        alphas.append(alpha)
        gammas.append(gamma)
    return np.array(X), np.array(alphas), np.array(gammas)


def published(name: str = "leaf-apcen") -> Frontend:
    return create_frontend(name, variant="published")


def reference_weights(frontend: Frontend) -> None:
    controller = frontend.compression.controller
    controller.load_state_dict(reference_state_dict(shapes_of(controller)))


class TestPublished:
    def test_windows_energies_output_and_parameters(self, shared: Path) -> None:
        recorded = np.load(shared / "golden" / "apcen_published.npz")
        frontend = published()
        reference_weights(frontend)
        waveform = torch.from_numpy(recorded["waveform"])[None]
        with torch.no_grad():
            pooled, output = frontend.energies(waveform), frontend(waveform)
            trace = frontend.compression.trace(pooled)
        actual = {"energies": pooled, "output": output, "alpha": trace.alpha[..., ::3], "gamma": trace.gamma[..., ::3]}
        for key, value in actual.items():
            assert value[0].shape == recorded[key].shape
            np.testing.assert_allclose(value[0].numpy(), recorded[key], rtol=0, atol=1e-5, err_msg=key)
        np.testing.assert_array_equal(trace.output, output)

    def test_controller_has_the_published_names_and_shapes(self, shared: Path) -> None:
        keys = json.loads((shared / "golden" / "apcen_controller.keys.json").read_text())
        assert shapes_of(Controller()) == {name: tuple(shape) for name, shape in keys.items()}

    @pytest.mark.parametrize(("name", "key"), [("leaf-fixed", "pcen"), ("leaf-simppcen", "simp_pcen")])
    @pytest.mark.parametrize(("variant", "tolerance"), [("published", 1e-5), ("paper", 1e-3)])
    def test_static_compressions(self, shared: Path, name: str, key: str, variant: str, tolerance: float) -> None:
        recorded = np.load(shared / "golden" / "leaf.npz")
        with torch.no_grad():
            output = create_frontend(name, variant=variant)(torch.from_numpy(recorded["waveform"])[None])[0]
        np.testing.assert_allclose(output.numpy(), recorded[key], rtol=0, atol=tolerance)

    def test_figures_of_a_voice(self, figures: PublishedFigures) -> None:
        frontend = published()
        reference_weights(frontend)
        waveform = torch.from_numpy(voice(16000))[None]
        with torch.no_grad():
            pooled, output = frontend.energies(waveform), frontend(waveform)
            trace = frontend.compression.trace(pooled)
        actual = {"energies": pooled, "output": output, "alpha": trace.alpha[..., ::3], "gamma": trace.gamma[..., ::3]}
        for key, value in actual.items():
            figures(f"apcen_published/{key} of voice", value[0], atol=1e-5)
        figures.names_and_shapes("apcen_controller.keys", shapes_of(Controller()))

    @pytest.mark.parametrize(("name", "key"), [("leaf-fixed", "pcen"), ("leaf-simppcen", "simp_pcen")])
    @pytest.mark.parametrize(("variant", "tolerance"), [("published", 1e-5), ("paper", 1e-3)])
    def test_figures_of_static_compressions(
        self, name: str, key: str, variant: str, tolerance: float, figures: PublishedFigures
    ) -> None:
        with torch.no_grad():
            output = create_frontend(name, variant=variant)(torch.from_numpy(voice(16000))[None])[0]
        figures(f"leaf/{key} of voice", output, atol=tolerance)

    def test_a_window_is_a_clip_of_its_own(self) -> None:
        frontend = published()
        waveform = 0.1 * torch.randn(2, 16000, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            whole = frontend.energies(waveform)
            assert whole.shape == (2, 40, 294)
            for window in (0, 41, 97):
                cut = waveform[:, 160 * window : 160 * window + 400]
                alone = create_frontend("leaf", method="direct").energies(cut)
                torch.testing.assert_close(whole[..., 3 * window : 3 * window + 3], alone)

    def test_the_average_is_never_updated_after_the_first_window(self) -> None:
        spectrogram = energies(1, 2, 9)
        expected = 0.96 * spectrogram[..., :3].repeat(1, 1, 3) + 0.04 * spectrogram.clamp(min=1e-5)
        torch.testing.assert_close(WindowwisePCEN(3).average(spectrogram), expected)

    def test_short_clips_are_refused(self) -> None:
        assert published().n_frames(399) == 0
        assert published().n_frames(400) == 3
        with pytest.raises(AuricleError, match="399 samples are fewer than the window's 400"):
            published()(torch.zeros(1, 399))

    def test_windows_do_not_stream(self) -> None:
        with pytest.raises(AuricleError, match="3 energies ahead"):
            published().compression.step(energies(1, 40, 6))

    @pytest.mark.parametrize("options", [{"block": 2}, {"bidirectional": True}, {"carried": True}])
    def test_options_are_the_papers(self, options: dict[str, Any]) -> None:
        with pytest.raises(AuricleError, match="variant='paper'"):
            create_frontend("leaf-apcen", variant="published", **options)

    @pytest.mark.parametrize("name", ["leaf-pcen", "leaf-simppcen", "leaf-apcen"])
    @pytest.mark.parametrize("variant", ["paper", "published"])
    def test_checkpoints_round_trip(self, name: str, variant: str) -> None:
        source, target = create_frontend(name, variant="published"), create_frontend(name, variant=variant)
        source.load_state_dict(reference_state_dict(shapes_of(source)))
        theirs = to_published(source.state_dict())
        classifier = {f"_frontend.{key}": value for key, value in theirs.items()} | {"_head.weight": torch.zeros(2)}
        for state in (theirs, classifier):
            target.load_state_dict(from_published(state))
            assert all(torch.equal(target.state_dict()[key], value) for key, value in source.state_dict().items())

    def test_published_names_of_the_adaptive_model(self) -> None:
        assert set(to_published(published().state_dict())) == {
            "filterbank.center_freqs",
            "filterbank.bandwidths",
            "filterbank.pooling_widths",
            *(f"ppn.{key}" for key in shapes_of(Controller())),
        }

    def test_an_unknown_checkpoint_is_refused(self) -> None:
        with pytest.raises(AuricleError, match=r"'ppn\.gru\.weight_ih_l1' is none of the names"):
            from_published({"ppn.gru.weight_ih_l1": torch.zeros(1)})


class TestTwins:
    @pytest.mark.parametrize("options", CONTROLLERS, ids=str)
    def test_adaptive_pcen_is_the_papers_loop(self, options: dict[str, Any]) -> None:
        compression = adaptive(**options).double()
        spectrogram = energies(2, 3, 24).double()
        with torch.no_grad():
            trace = compression.trace(spectrogram)
            torch.testing.assert_close(compression(spectrogram), trace.output, rtol=0, atol=0)
        for row, band in np.ndindex(2, 3):
            twins = adaptive_twin(spectrogram[row, band].numpy(), compression)
            for actual, expected in zip((trace.output, trace.alpha, trace.gamma), twins, strict=True):
                np.testing.assert_allclose(actual[row, band].numpy(), expected, rtol=1e-9)
        assert trace.alpha.std() > 0.01
        assert trace.gamma.std() > 0.01

    @pytest.mark.parametrize("options", [{}, {"carried": True}])
    def test_single_precision_over_a_second(self, options: dict[str, Any]) -> None:
        compression = adaptive(**options)
        spectrogram = energies(1, 2, 100)
        actual = compression(spectrogram)[0].detach().numpy()
        for band in range(2):
            expected, *_ = adaptive_twin(spectrogram[0, band].double().numpy(), compression)
            np.testing.assert_allclose(actual[band], expected, rtol=1e-4)

    @pytest.mark.parametrize("bidirectional", [False, True])
    def test_controller_is_pytorchs_gru_and_head(self, bidirectional: bool) -> None:
        torch.manual_seed(0)
        controller = Controller(bidirectional=bidirectional)
        context, start = torch.randn(4, 7), torch.randn(32, 7)
        alpha, gamma, state = controller(list(context), start)
        initial = torch.stack([start.T, torch.zeros(7, 32)][: 1 + bidirectional])
        _, last = controller.gru(context[..., None], initial)
        expected = torch.sigmoid(controller.head(last.transpose(0, 1).flatten(1)))
        torch.testing.assert_close(torch.stack([alpha, gamma], dim=-1), expected)
        torch.testing.assert_close(state.T, last[0])

    def test_simp_pcen_is_equation_3(self) -> None:
        spectrogram = energies(2, 3, 300).double()
        compression = SimpPCEN(3).double()
        with torch.no_grad():
            compression.alpha.copy_(torch.tensor([0.2, 0.48, 0.9]))
            compression.root.copy_(torch.tensor([1.0, 2.0, 3.0]))
            actual = compression(spectrogram).numpy()
        for row, band in np.ndindex(2, 3):
            E = np.maximum(spectrogram[row, band].numpy(), 1e-5)
            M = [E[0]]
            for energy in E[1:]:
                M.append(0.04 * energy + 0.96 * M[-1])
            alpha, gamma = (0.2, 0.48, 0.9)[band], 1.0 / (1.0, 2.0, 3.0)[band]
            np.testing.assert_allclose(actual[row, band], E**gamma / (np.array(M) + 1e-12) ** alpha, rtol=1e-6)

    def test_equal_exponents_are_a_gain_control(self) -> None:
        """With alpha = gamma the output is a power of E / M, which a gain leaves alone."""
        spectrogram = energies(1, 2, 50) + 1e-2
        half = torch.tensor(0.5)
        quiet, loud = (
            simp_pcen(x, x.mean(dim=-1, keepdim=True), half, half) for x in (spectrogram, 100.0 * spectrogram)
        )
        torch.testing.assert_close(quiet, loud)

    def test_silence(self) -> None:
        for variant in ("paper", "published"):
            silence = create_frontend("leaf-simppcen", variant=variant)(torch.zeros(1, 4000))
            np.testing.assert_allclose(silence.detach().numpy(), 0.794328, atol=1e-6)


class TestLoop:
    @pytest.mark.parametrize("options", CONTROLLERS, ids=str)
    def test_parameters_stay_in_bounds(self, options: dict[str, Any]) -> None:
        compression = adaptive(scale=10.0, **options)
        trace = compression.trace(energies(4, 3, 60))
        assert 0.0 <= trace.alpha.min() < trace.alpha.max() <= 1.0
        assert compression.min_gamma - 1e-6 <= trace.gamma.min() <= trace.gamma.max() <= compression.max_gamma + 1e-6

    def test_gain_is_output_over_energy(self) -> None:
        spectrogram = energies(1, 3, 40)
        trace = adaptive().trace(spectrogram)
        assert trace.output.shape == trace.gain.shape == trace.alpha.shape == trace.gamma.shape == (1, 3, 40)
        torch.testing.assert_close(trace.gain * spectrogram.clamp(min=1e-5), trace.output)

    def test_parameters_are_constant_within_a_block(self) -> None:
        trace = adaptive(block=4).trace(energies(1, 3, 42))
        for values in (trace.alpha, trace.gamma):
            changes = values.diff(dim=-1) != 0
            assert changes[..., 3::4].any()
            assert not changes.unflatten(1, (1, 3))[..., [t for t in range(41) if t % 4 != 3]].any()

    def test_outputs_are_fed_back(self) -> None:
        """Another first energy changes later parameters although the later energies and averages are the same."""
        compression = adaptive(smooth=1.0)
        spectrogram = energies(1, 1, 10)
        other = spectrogram.clone()
        other[..., 0] = 10.0
        alpha, changed = compression.trace(spectrogram).alpha, compression.trace(other).alpha
        assert (alpha[..., 1] - changed[..., 1]).abs() > 1e-4

    def test_a_carried_state_remembers(self) -> None:
        spectrogram = energies(1, 1, 10)
        assert not torch.allclose(adaptive()(spectrogram), adaptive(carried=True)(spectrogram), rtol=1e-3)

    def test_bands_share_the_controller(self) -> None:
        spectrogram = energies(1, 5, 20)
        order = torch.tensor([3, 1, 4, 0, 2])
        torch.testing.assert_close(adaptive()(spectrogram[:, order]), adaptive()(spectrogram)[:, order])

    @pytest.mark.slow
    def test_ten_minutes_in_one_call(self) -> None:
        with torch.no_grad():
            output = adaptive()(energies(1, 2, 60_000))
        assert output.shape == (1, 2, 60_000)
        assert output.isfinite().all()

    @pytest.mark.parametrize("options", [{}, {"block": 2}, {"bidirectional": True}, {"carried": True}], ids=str)
    def test_gradients_of_every_weight_and_energy(self, options: dict[str, Any]) -> None:
        """Against finite differences, in float64."""
        compression = adaptive(hidden_size=3, **options).double()
        names = [name for name, _ in compression.named_parameters()]
        weights = [p.detach().clone().requires_grad_() for p in compression.parameters()]
        spectrogram = (energies(1, 2, 5).double() + 0.05).requires_grad_()

        def output(spectrogram: Tensor, *weights: Tensor) -> Tensor:
            return torch.func.functional_call(compression, dict(zip(names, weights, strict=True)), (spectrogram,))

        assert torch.autograd.gradcheck(output, (spectrogram, *weights))

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"block": 0}, "context=1 does not fit a block of 0"),
            ({"block": 2, "context": 3}, "context=3 does not fit a block of 2"),
            ({"bidirectional": True, "carried": True}, "cannot be carried"),
            ({"min_gamma": 0.9, "max_gamma": 0.5}, "min_gamma=0.9 and max_gamma=0.5"),
        ],
    )
    def test_bad_options(self, options: dict[str, Any], words: str) -> None:
        with pytest.raises(AuricleError, match=words):
            AdaptivePCEN(**options)


def stepped(compression: nn.Module, spectrogram: Tensor, ends: list[int]) -> Tensor:
    state, pieces = None, []
    for start, end in zip([0, *ends], [*ends, spectrogram.shape[-1]], strict=True):
        piece, state = compression.step(spectrogram[..., start:end], state)
        pieces.append(piece)
    return torch.cat(pieces, dim=-1)


class TestSteps:
    @properties
    @given(
        st.sampled_from(STREAMED),
        st.lists(st.integers(0, 30), max_size=8).map(sorted),
        st.integers(0, 2**16),
    )
    @example({"block": 3}, [1, 1, 4, 5, 30], 0)
    def test_pieces_give_the_whole(self, options: dict[str, Any], ends: list[int], seed: int) -> None:
        compression = adaptive(seed, **options)
        spectrogram = energies(2, 3, 30, seed=seed)
        with torch.no_grad():
            torch.testing.assert_close(
                stepped(compression, spectrogram, ends), compression(spectrogram), rtol=1e-5, atol=1e-5
            )

    @properties
    @given(st.lists(st.integers(0, 300), max_size=8).map(sorted))
    def test_pieces_of_simp_pcen(self, ends: list[int]) -> None:
        compression, spectrogram = SimpPCEN(3), energies(2, 3, 300)
        with torch.no_grad():
            torch.testing.assert_close(
                stepped(compression, spectrogram, ends), compression(spectrogram), rtol=1e-5, atol=1e-5
            )

    @pytest.mark.parametrize("options", STREAMED, ids=str)
    def test_state_has_a_row_per_clip(self, options: dict[str, Any]) -> None:
        """Clips that are at different places of a block go on together."""
        compression = adaptive(**options)
        spectrogram = energies(2, 3, 20)
        with torch.no_grad():
            whole = compression(spectrogram)
            early, late = compression.step(spectrogram[:1, :, :4])[1], compression.step(spectrogram[1:, :, :9])[1]
            assert all(value.shape[0] == 1 for value in early.values())
            both = {name: torch.cat([early[name], late[name]]) for name in early}
            output, _ = compression.step(torch.stack([spectrogram[0, :, 4:12], spectrogram[1, :, 9:17]]), both)
        expected = torch.stack([whole[0, :, 4:12], whole[1, :, 9:17]])
        torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("options", STREAMED, ids=str)
    def test_a_step_is_traced_with_its_state(self, options: dict[str, Any]) -> None:
        compression, spectrogram = adaptive(**options), energies(1, 2, 9)
        step = Step(compression)
        _, state = compression.step(spectrogram[..., :3])
        exported = torch.export.export(step, (spectrogram[..., 3:5], state)).module()
        output, after = exported(spectrogram[..., 3:5], state)
        expected, expected_after = compression.step(spectrogram[..., 3:5], state)
        torch.testing.assert_close(output, expected)
        torch.testing.assert_close(after, expected_after)
        output, _ = exported(spectrogram[..., 5:7], after)
        torch.testing.assert_close(output, compression(spectrogram)[..., 5:7])

    @pytest.mark.slow
    def test_a_step_in_onnx(self, tmp_path: Path) -> None:
        """Two frames at a time, state in and out."""
        pytest.importorskip("onnxscript")
        runtime = pytest.importorskip("onnxruntime")
        compression, spectrogram = adaptive(block=3), energies(1, 2, 12)
        with torch.no_grad():
            expected = compression(spectrogram).numpy()
            first, state = compression.step(spectrogram[..., :2])
            state = {key: state[key] for key in sorted(state)}
            step, piece = Step(compression).eval(), spectrogram[..., 2:4]
            torch.onnx.export(step, (piece,), tmp_path / "step.onnx", kwargs={"state": state}, verbose=False)
        session = runtime.InferenceSession(tmp_path / "step.onnx")
        pieces, values = [first.numpy()], [value.numpy() for value in state.values()]
        for start in range(2, 12, 2):
            inputs = [spectrogram[..., start : start + 2].numpy(), *values]
            names = [value.name for value in session.get_inputs()]
            piece, *values = session.run(None, dict(zip(names, inputs, strict=True)))
            pieces.append(piece)
        np.testing.assert_allclose(np.concatenate(pieces, axis=-1), expected, rtol=1e-5, atol=1e-6)


class Step(nn.Module):
    """`step` as a `forward`, with the state as arguments in the order of their names."""

    def __init__(self, compression: AdaptivePCEN) -> None:
        super().__init__()
        self.compression = compression

    def forward(self, spectrogram: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        output, after = self.compression.step(spectrogram, state)
        return output, {key: after[key] for key in sorted(after)}


class TestLearning:
    @pytest.mark.parametrize("variant", ["paper", "published"])
    @pytest.mark.parametrize(
        ("name", "learnt"),
        [
            ("leaf-fixed", {}),
            ("leaf-pcen", {"alpha": 40, "delta": 40, "root": 40, "smooth": 40}),
            ("leaf-simppcen", {"alpha": 40, "root": 40}),
        ],
    )
    def test_parameters_per_band(self, name: str, learnt: dict[str, int], variant: str) -> None:
        parameters = create_frontend(name, variant=variant).named_parameters()
        sizes = {key: p.numel() for key, p in parameters if p.requires_grad}
        assert sizes == {f"compression.{key}": size for key, size in learnt.items()}

    @pytest.mark.parametrize(
        ("options", "count"),
        [({}, 4482), ({"variant": "published"}, 4482), ({"bidirectional": True}, 8866), ({"block": 5}, 4482)],
    )
    def test_only_the_controller_learns(self, options: dict[str, Any], count: int) -> None:
        frontend = create_frontend("leaf-apcen", **options)
        learnt = {name: p.numel() for name, p in frontend.named_parameters() if p.requires_grad}
        assert all(name.startswith("compression.controller.") for name in learnt)
        assert sum(learnt.values()) == count

    def test_exponents_of_simp_pcen_are_bounded(self) -> None:
        compression = SimpPCEN(3)
        with torch.no_grad():
            compression.alpha.copy_(torch.tensor([-1.0, 0.5, 2.0]))
            compression.root.copy_(torch.tensor([-1.0, 0.5, 4.0]))
        assert compression.parameters_in_bounds()["alpha"].tolist() == [0.0, 0.5, 1.0]
        assert compression.parameters_in_bounds()["gamma"].tolist() == [1.0, 1.0, 0.25]

    def test_a_frozen_bank_is_planned_once(self) -> None:
        """Also if the plan was made in inference mode and the waveform needs a gradient afterwards."""
        frontend = create_frontend("leaf-apcen", n_filters=8)
        waveform = (0.1 * torch.randn(1, 1600, generator=torch.Generator().manual_seed(0))).requires_grad_()
        with torch.inference_mode():
            expected = frontend(waveform.detach())
        cached = frontend.method.plan(frontend.filterbank, frontend.pooling)
        output = frontend(waveform)
        output.sum().backward()
        assert frontend.method.plan(frontend.filterbank, frontend.pooling) is cached
        torch.testing.assert_close(output, expected)
        assert waveform.grad is not None
        assert waveform.grad.abs().max() > 0

    def test_by_name_on_any_bank(self) -> None:
        assert isinstance(create_frontend("mel", compression="simppcen").compression, SimpPCEN)
        assert isinstance(create_frontend("mel", compression="apcen").compression, AdaptivePCEN)


class TestDynamicRange:
    def test_known_spectrograms(self) -> None:
        spectrogram = torch.tensor([[[1.0, 10.0], [100.0, 1000.0]], [[2.0, 2.0], [2.0, 2.0]]])
        np.testing.assert_allclose(dynamic_range_db(spectrogram).numpy(), [30.0, 0.0], atol=1e-5)
        assert dynamic_range_db(torch.tensor([[0.0, 1.0]])).item() == pytest.approx(120.0)

    def test_a_logarithm_has_none(self) -> None:
        with pytest.raises(AuricleError, match="-5 has no level"):
            dynamic_range_db(torch.tensor([[-5.0, 1.0]]))
        with pytest.raises(AuricleError, match="no clips"):
            dynamic_range(create_frontend("leaf-fixed"), [])

    def test_an_exponent_divides_the_range(self) -> None:
        """Without an average, E^(1/root) has 1/root of the energies' range."""
        clips = [0.3 * torch.randn(n, generator=torch.Generator().manual_seed(n)) for n in (4000, 8000, 8001)]
        frontend = create_frontend("leaf-simppcen", n_filters=8)
        nn.init.zeros_(frontend.compression.alpha)
        nn.init.constant_(frontend.compression.root, 4.0)
        measured = dynamic_range(frontend, clips)
        assert measured.before_db > 5.0
        assert measured.after_db == pytest.approx(measured.before_db / 4.0, rel=1e-4)

    def test_figures_of_the_papers_utterance(self, shared: Path) -> None:
        """Section 4.2: about 56 dB before, 30 after PCEN, 18 after a SimpPCEN that was trained."""
        path = shared / "data" / "field" / "apcen" / "1001_IWW_SAD_XX_babble_1.51.flac"
        clip = torch.from_numpy(soundfile.read(path, dtype="float32")[0][:16000])
        with torch.no_grad():
            windows = published().energies(clip[None]).unflatten(-1, (-1, 3)).mean(dim=-1)
        assert dynamic_range_db(windows).item() == pytest.approx(56.4, abs=0.1)
        pcen, simplified = (dynamic_range(create_frontend(name), [clip]) for name in ("leaf-fixed", "leaf-simppcen"))
        assert pcen.before_db == pytest.approx(59.0, abs=0.1)
        assert pcen.after_db == pytest.approx(30.2, abs=0.1)
        assert simplified.after_db == pytest.approx(16.5, abs=0.1)


class TestSafety:
    @pytest.mark.parametrize("scale", [1.0, 1e3, -1e3])
    @pytest.mark.parametrize("options", CONTROLLERS, ids=str)
    def test_extreme_weights_and_energies(self, options: dict[str, Any], scale: float) -> None:
        compression = adaptive(scale=scale, **options)
        for level in (0.0, 1e-30, 1.0, 1e9):
            spectrogram = (level * torch.rand(1, 2, 20)).requires_grad_()
            output = compression(spectrogram)
            assert output.isfinite().all()
            output.sum().backward()
            assert spectrogram.grad is not None
            assert spectrogram.grad.isfinite().all()
            assert all(p.grad is not None and p.grad.isfinite().all() for p in compression.parameters())

    def test_largest_output(self) -> None:
        """M holds at least s·E, so that X ≤ E^gamma / (s·E)^alpha."""
        trace = adaptive(scale=5.0).trace(energies(2, 3, 200))
        bound = energies(2, 3, 200).clamp(min=1e-5) ** (trace.gamma - trace.alpha) * 0.04 ** (-trace.alpha)
        assert (trace.output <= bound * (1.0 + 1e-4)).all()
        assert math.isfinite(float(trace.gain.detach().max()))
