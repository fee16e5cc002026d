"""What torch offers for every module, asked of a front-end: the checks, and the front-ends that they are asked of.

A check takes a front-end and returns the entry of the contract's table. `AuricleError` within it is an entry too: what
cannot be is refused in one line that names the way that works.
"""

from __future__ import annotations

import copy
import pickle
import warnings
from bisect import bisect_left
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import torch
import torch._dynamo
from torch import Tensor, nn
from torch._dynamo.utils import counters

from auricle.errors import AuricleError
from auricle.frontends import Frontend, create_frontend, list_frontends

Check = Callable[[Frontend], str]

CHECKS: dict[str, Check] = {}
YES = "yes"


def _cases() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in list_frontends():
        yield name, {}
        try:
            create_frontend(name, variant="published")
        except AuricleError:
            continue
        yield name, {"variant": "published"}
    yield "leaf", {"method": "direct"}
    yield "leaf", {"sort": True}
    yield "leaf", {"preemphasis": True}
    yield "leaf", {"hop_length": 97, "kernel_size": 201}
    yield "leaf-apcen", {"method": "loop"}
    yield "leaf-apcen", {"bidirectional": True}
    yield "leaf-apcen", {"block": 4}
    yield "leaf-apcen", {"carried": True}
    yield "degram", {"merge": "mean"}
    yield "degram", {"context_s": 0.5}
    yield "mel-db", {"compression": "log-z-score"}
    yield "mel-db", {"compression": "log-z-score-frames"}
    yield "mel", {"compression": "simppcen"}
    yield "mel", {"compression": "apcen"}
    yield "mel", {"compression": "band-norm"}
    yield "mel", {"compression": "none"}


CASES = list(_cases())


def create(name: str, options: dict[str, Any], seed: int = 0) -> Frontend:
    """A small front-end in evaluation mode."""
    torch.manual_seed(seed)
    sizes = {"n_filters": 5} if name not in ("spectrogram", "despectrogram") else {"n_filters": 17}
    return create_frontend(name, **sizes, **options).eval()


def noise(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def check(title: str) -> Callable[[Check], Check]:
    """Decorator: the function is a check, `title` its column."""

    def add(function: Check) -> Check:
        CHECKS[title] = function
        return function

    return add


def learnt(frontend: nn.Module) -> list[nn.Parameter]:
    return [p for p in frontend.parameters() if p.requires_grad]


def gradients(frontend: nn.Module, waveform: Tensor) -> list[Tensor]:
    """Of a weighted sum of the outputs, for the waveform and every parameter that learns.

    The backward pass is outside autocast, as torch asks.
    """
    waveform = waveform.detach().requires_grad_()
    outputs = frontend(waveform)
    weights = torch.linspace(-1.0, 1.0, outputs.numel(), dtype=outputs.dtype).view_as(outputs)
    with torch.autocast("cpu", enabled=False):
        return list(torch.autograd.grad((weights * outputs).sum(), [waveform, *learnt(frontend)]))


def assert_equal(frontend: nn.Module, other: nn.Module, *shape: int) -> None:
    """Bit for bit, outputs and gradients."""
    waveform = noise(*(shape or (2, 3000)))
    with torch.no_grad():
        torch.testing.assert_close(other(waveform), frontend(waveform), rtol=0, atol=0)
    for found, expected in zip(gradients(other, waveform), gradients(frontend, waveform), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


def directional(frontend: Frontend, waveform: Tensor, step: float) -> tuple[float, float]:
    """Along one direction of the waveform: the derivative of a weighted sum of the outputs, and what autograd says."""
    direction = noise(*waveform.shape, seed=2, dtype=waveform.dtype)

    def summed(x: Tensor) -> Tensor:
        outputs = frontend(x)
        return (torch.linspace(-1.0, 1.0, outputs.numel(), dtype=outputs.dtype).view_as(outputs) * outputs).sum()

    with torch.no_grad():
        numeric = (summed(waveform + step * direction) - summed(waveform - step * direction)) / (2.0 * step)
    waveform = waveform.requires_grad_()
    (gradient,) = torch.autograd.grad(summed(waveform), waveform)
    return float(numeric), float((gradient * direction).sum())


class Network(nn.Module):
    """A front-end and something after it that the compiler takes."""

    def __init__(self, frontend: Frontend) -> None:
        super().__init__()
        self.frontend = frontend
        self.scale = nn.Parameter(torch.tensor(0.7))

    def forward(self, waveform: Tensor) -> Tensor:
        return torch.sin(self.scale * self.frontend(waveform)).mean(-1)


@contextmanager
def fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    counters.clear()
    try:
        yield
    finally:
        torch._dynamo.reset()


@check("compile")
def compile_within_a_network(frontend: Frontend) -> str:
    """Within a network: equal outputs and gradients; once lengths are known to vary, further ones compile nothing anew.

    The front-end's energies, and adaptive PCEN, run as they are; the graph is broken nowhere else.
    """
    network = Network(frontend)
    with fresh_compiler(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = torch.compile(network, backend="eager", dynamic=True)
        for length in (8000, 12345, 9999):
            graphs, waveform = counters["stats"]["unique_graphs"], noise(2, length).requires_grad_()
            torch.testing.assert_close(compiled(waveform), network(waveform))
            for found, expected in zip(gradients(compiled, waveform), gradients(network, waveform), strict=True):
                torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
        assert counters["stats"]["unique_graphs"] == graphs, "a third length compiles anew"
        assert all("disable`" in reason for reason in counters["graph_break"]), counters["graph_break"]
    return YES


def shortest_with_frames(frontend: Frontend, n_frames: int) -> int:
    """The least number of samples of which `frontend` makes `n_frames` frames."""

    def frames(n_samples: int) -> int:
        with suppress(AuricleError):
            return frontend(torch.zeros(1, n_samples)).shape[-1]
        return 0

    n_samples = bisect_left(range(10 * frontend.hop_length), n_frames, key=frames)
    assert frames(n_samples) >= n_frames, f"there are never {n_frames} frames"
    return n_samples


@check("export")
def export_with_open_sizes(frontend: Frontend) -> str:
    """`torch.export` on the module itself: one program for any number of clips and any length.

    From the first length with two frames on, which `Dim("time", min=...)` gives: torch proves it for all of them.
    The program is run without gradients (`torch.no_grad()`): that of adaptive PCEN has none.
    """
    dim, longest = torch.export.Dim, 10**7
    ranges = {0: dim("batch", max=1000), 1: dim("time", min=shortest_with_frames(frontend, 2), max=longest)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(frontend, (torch.zeros(3, 1607),), dynamic_shapes=(ranges,)).module()
    with torch.no_grad():
        for shape in ((2, 1234), (5, 4001), (1, 800)):
            torch.testing.assert_close(program(noise(*shape)), frontend(noise(*shape)), rtol=1e-3, atol=1e-3)
    return YES


@check("jit.trace")
def trace(frontend: Frontend) -> str:
    """`torch.jit.trace`, the older way to export, which `torch.export` replaces."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(frontend, noise(1, 1600))
    return YES


@check("deepcopy")
def deepcopy(frontend: Frontend) -> str:
    """A copy computes the same, and is its own: what changes in it does not change the original."""
    other = copy.deepcopy(frontend)
    assert_equal(frontend, other)
    before = [p.clone() for p in frontend.parameters()]
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.1)
    assert all(map(torch.equal, before, frontend.parameters()))
    return YES


@check("pickle")
def pickled(frontend: Frontend) -> str:
    """A copy that went through `pickle` computes the same."""
    frontend(noise(1, 800))
    assert_equal(frontend, pickle.loads(pickle.dumps(frontend)))
    return YES


@check("DataParallel")
def data_parallel(frontend: Frontend) -> str:
    """On a machine without GPUs the module itself runs; replicas differ in their parameters' storage alone."""
    assert_equal(frontend, nn.DataParallel(frontend))
    return YES


@check("meta and back")
def meta(frontend: Frontend) -> str:
    """Weights come back with the state dict; what no state dict holds is made anew."""
    other = copy.deepcopy(frontend).to("meta").to_empty(device="cpu")
    other.load_state_dict(frontend.state_dict())
    assert_equal(frontend, other)
    return YES


@check("float64")
def double(frontend: Frontend) -> str:
    """The same up to the precision of float32, which a sum over thousands of samples uses up in part."""
    precise = copy.deepcopy(frontend).double()
    waveform = noise(2, 3000)
    with torch.no_grad():
        outputs = precise(waveform.double())
        assert outputs.dtype == torch.float64
        torch.testing.assert_close(outputs.float(), frontend(waveform), rtol=2e-3, atol=2e-3)
    assert all(g.dtype == torch.float64 for g in gradients(precise, waveform.double()))
    return YES


@check("autocast")
def autocast(frontend: Frontend) -> str:
    """Under autocast to bfloat16 or float16, outputs and gradients equal those without autocast."""
    waveform = noise(2, 3000)
    expected, expected_gradients = frontend(waveform), gradients(frontend, waveform)
    finished = frontend.finish(frontend.energies(waveform))
    for dtype in (torch.bfloat16, torch.float16):
        with torch.autocast("cpu", dtype=dtype):
            torch.testing.assert_close(frontend(waveform), expected, rtol=0, atol=0)
            torch.testing.assert_close(frontend.finish(frontend.energies(waveform)), finished, rtol=0, atol=0)
            for found, wanted in zip(gradients(frontend, waveform), expected_gradients, strict=True):
                torch.testing.assert_close(found, wanted, rtol=0, atol=0)
    return YES


@check("channels")
def channels(frontend: Frontend) -> str:
    """`(batch, channels, time)`: every channel as a clip of its own."""
    waveform = noise(2, 3, 2000)
    with torch.no_grad():
        one_by_one = torch.stack([frontend(channel) for channel in waveform.unbind(1)], dim=1)
        torch.testing.assert_close(frontend(waveform), one_by_one, rtol=1e-4, atol=1e-4)
    return YES


@check("empty batch")
def empty_batch(frontend: Frontend) -> str:
    """No clips give no spectrograms, with gradients of zero."""
    waveform = torch.zeros(0, 2000, requires_grad=True)
    outputs = frontend(waveform)
    assert outputs.shape == (0, *frontend(noise(1, 2000)).shape[1:])
    assert frontend(torch.zeros(0, 2, 2000)).shape == (0, 2, *outputs.shape[1:])
    assert frontend(torch.zeros(3, 0, 2000)).shape == (3, 0, *outputs.shape[1:])
    outputs.sum().backward()
    assert waveform.grad is not None
    assert waveform.grad.shape == (0, 2000)
    assert all(p.grad is None or not p.grad.any() for p in frontend.parameters())
    return YES


@check("inference_mode")
def inference_mode(frontend: Frontend) -> str:
    """The same outputs; and what is cached in inference mode does not prevent training afterwards."""
    waveform = noise(2, 3000)
    with torch.inference_mode():
        inside = frontend(waveform)
    with torch.no_grad():
        torch.testing.assert_close(frontend(waveform), inside, rtol=0, atol=0)
    assert all(bool(g.isfinite().all()) for g in gradients(frontend, waveform))
    return YES


@check("gradient")
def gradient(frontend: Frontend) -> str:
    """To the waveform, against finite differences in float64."""
    numeric, exact = directional(copy.deepcopy(frontend).double(), noise(1, 2500, dtype=torch.float64), 1e-5)
    assert abs(numeric - exact) <= 2e-3 * max(abs(exact), 1e-3), (numeric, exact)
    return YES


@check("second derivatives")
def second_derivatives(frontend: Frontend) -> str:
    """Of a gradient's squared norm, against finite differences in float64."""
    precise = copy.deepcopy(frontend).double()
    waveform = noise(1, 900, dtype=torch.float64)
    direction = noise(1, 900, seed=2, dtype=torch.float64)

    def squared_norm(x: Tensor, create_graph: bool) -> Tensor:
        outputs = precise(x)
        weights = torch.linspace(-1.0, 1.0, outputs.numel(), dtype=outputs.dtype).view_as(outputs)
        (found,) = torch.autograd.grad((weights * outputs).sum(), x, create_graph=create_graph)
        return found.square().sum()

    start = waveform.clone().requires_grad_()
    (second,) = torch.autograd.grad(squared_norm(start, True), start)
    step = 1e-5
    ends = [(waveform + sign * step * direction).requires_grad_() for sign in (1, -1)]
    numeric = float(squared_norm(ends[0], False) - squared_norm(ends[1], False)) / (2.0 * step)
    exact = float((second * direction).sum())
    assert abs(numeric - exact) <= 1e-2 * max(abs(exact), 1e-3), (numeric, exact)
    return YES


@check("determinism")
def determinism(frontend: Frontend) -> str:
    """Bit for bit the same, twice, and with deterministic algorithms asked for."""
    assert_equal(frontend, frontend)
    torch.use_deterministic_algorithms(True)
    try:
        assert_equal(frontend, frontend)
    finally:
        torch.use_deterministic_algorithms(False)
    return YES


@check("threads")
def threads(frontend: Frontend) -> str:
    """One module in four threads, with clips of several lengths: each gets its own clip's output."""
    waveforms = [noise(1, 1000 + 173 * k, seed=k) for k in range(12)]
    fresh = copy.deepcopy(frontend)
    with torch.no_grad():
        expected = [frontend(waveform) for waveform in waveforms]

    def run(waveform: Tensor) -> Tensor:
        with torch.no_grad():
            return fresh(waveform)

    cores = torch.get_num_threads()  # this thread's own setting, on which the order of sums depends
    with ThreadPoolExecutor(4, initializer=torch.set_num_threads, initargs=(cores,)) as pool:
        for found, wanted in zip(pool.map(run, waveforms), expected, strict=True):
            torch.testing.assert_close(found, wanted, rtol=0, atol=0)
    return YES
