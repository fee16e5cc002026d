"""Front-ends and classifiers as torch.export programs with dynamic batch size and length."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from auricle.errors import AuricleError, first_line
from auricle.files import replacing
from auricle.frontends.adaptive.pcen import AdaptivePCEN
from auricle.frontends.fourier import by_products
from auricle.frontends.frontend import Frontend
from auricle.systems.classifier.heads import SegmentHead, decide, detect
from auricle.systems.classifier.system import Classifier

LENGTHS_S = (0.2, 0.37, 1.0, 3.003, 20.0)
TOLERANCE = 1e-4


class ClassifierGraph(nn.Module):
    """The inference part of a classifier: `(batch, time)`, each clip one window, to logits `(batch, labels)`."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.frontend = classifier.frontend
        self.amplifier = classifier.amplifier
        self.backbone = classifier.backbone
        self.heads = classifier.heads

    def forward(self, waveform: Tensor) -> Tensor:
        return decide(self.backbone, self.heads, self.amplifier(self.frontend(waveform)))


class DetectorGraph(ClassifierGraph):
    """The same of a detector: to logits `(batch, labels)` and those of frames, `(batch, frames, labels)`."""

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        assert isinstance(self.heads, SegmentHead)
        return detect(self.backbone, self.heads, self.amplifier(self.frontend(waveform)))


def graph_module(module: Frontend | Classifier) -> nn.Module:
    """A copy of `module` for export: on the CPU, in evaluation mode, without control flow that depends on values.

    Raises `AuricleError` for other modules and for front-ends of the variant "published".
    """
    if not isinstance(module, Frontend | Classifier):
        raise AuricleError(f"a {type(module).__name__} cannot be exported: it should be a front-end or a classifier")
    module = copy.deepcopy(module).cpu().eval().requires_grad_(False)
    for part in module.modules():
        if isinstance(part, Frontend):
            if part.pooling is not None and part.pooling.padding != "centered":
                raise AuricleError(
                    "only variant='paper' can be exported: frame positions of 'published' depend on the clip's length"
                )
            if part.pooling is not None:
                part.method = part.method.fixed(part.filterbank, part.pooling)
    if not isinstance(module, Classifier):
        return module
    return DetectorGraph(module) if module.detects else ClassifierGraph(module)


def export_program(module: Frontend | Classifier) -> torch.export.ExportedProgram:
    """The `torch.export` program of `module`: `(batch, time)`, both dynamic, to spectrograms or logits.

    A detector's program returns the logits of frames as well.
    """
    graph = graph_module(module)
    hop = next(part.hop_length for part in graph.modules() if isinstance(part, Frontend))
    with torch.no_grad(), by_products(), without_messages(), errors_in_one_line(), quick_tracing():
        program = torch.export.export(
            graph,
            (torch.zeros(3, 100 * hop + 7),),
            dynamic_shapes={"waveform": {0: torch.export.Dim.AUTO, 1: torch.export.Dim.AUTO}},
            strict=False,
            prefer_deferred_runtime_asserts_over_guards=True,
        )
    return without_asserts(program)


@contextmanager
def quick_tracing() -> Iterator[None]:
    """Context in which a program of open sizes is traced in half the time: without torch's cache of fake tensors.

    Each of its entries holds sizes as expressions, which take longer to store and to look up than to derive again.
    """
    with torch._dynamo.config.patch(fake_tensor_cache_enabled=False):
        yield


def without_asserts(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """Remove the assertions and lower limits on sizes that tracing adds, such as that a dynamic axis is not 1.

    The operations do not need them; exported files are run on many sizes instead. Changes `program` and returns it.
    """
    graph = program.graph_module.graph
    for node in list(graph.nodes):
        if node.target is torch.ops.aten._assert_scalar.default:
            graph.erase_node(node)
    graph.eliminate_dead_code()
    program.graph_module.recompile()
    limits = program.range_constraints
    limits.update({size: type(limit)(0, limit.upper) for size, limit in limits.items()})
    return program


def save_program(module: Frontend | Classifier, path: Path, metadata: dict[str, str]) -> float:
    """Write the program of `module` with its metadata to `path` (.pt2), and load it again.

    Returns the largest difference of the loaded program from `module`. Raises `AuricleError` and keeps no file where it
    exceeds 1e-4.
    """
    with replacing(path) as partial:
        with without_messages(), errors_in_one_line():
            torch.export.save(export_program(module), partial, extra_files=dict(metadata))
            loaded = torch.export.load(partial).module()
        largest = largest_difference(module, loaded)
        if not largest <= TOLERANCE:
            raise AuricleError(f"{path}: the program differs from the model by {largest:.1e}, more than {TOLERANCE:g}")
    return largest


def largest_difference(
    module: Frontend | Classifier, other: Callable[[Tensor], Any], lengths_s: tuple[float, ...] = LENGTHS_S
) -> float:
    """The largest of |other(x) − module(x)| / max(1, |module(x)|), for noise x of each length in seconds.

    The batches `(batch, time)` have one and two clips in turn. Of two clips it is also computed with the first falling
    silent and the second silent, relative to the largest |module(x)| of a clip, since what a network makes of silence
    may be large and cancel. For a detector the logits of frames are compared too. Adaptive PCEN is compared as its loop
    computes it, which its table approximates. Raises `AuricleError` where the shapes differ.
    """
    generator = torch.Generator().manual_seed(0)
    module = copy.deepcopy(module).cpu().eval()
    for part in module.modules():
        if isinstance(part, AdaptivePCEN):
            part.method = "loop"
    run = module.detect if isinstance(module, Classifier) and module.detects else module
    differences = []
    for batch, length_s in enumerate(lengths_s):
        noise = 0.1 * torch.randn(1 + batch % 2, round(length_s * module.sample_rate), generator=generator)
        differences += [
            (given - wanted).abs() / wanted.abs().clamp(min=1) for wanted, given in _pairs(run, other, noise)
        ]
        if batch % 2:
            noise[0, noise.shape[1] // 2 :] = 0.0
            noise[1] = 0.0
            for wanted, given in _pairs(run, other, noise):
                largest = wanted.abs().flatten(1).amax(1).clamp(min=1)
                differences.append((given - wanted).abs().flatten(1) / largest[:, None])
    return float(torch.stack([difference.max() for difference in differences]).max())


def _pairs(
    run: Callable[[Tensor], Any], other: Callable[[Tensor], Any], waveform: Tensor
) -> list[tuple[Tensor, Tensor]]:
    """Each output of `run` for a waveform, with that of `other`, whose shape must be the same."""
    with torch.no_grad():
        wanted = _outputs(run(waveform))
        with errors_in_one_line(f" for a clip of {waveform.shape[1]} samples"):
            given = _outputs(other(waveform))
    if [value.shape for value in given] != [value.shape for value in wanted]:
        shapes = [", ".join(str(tuple(value.shape)) for value in values) for values in (given, wanted)]
        raise AuricleError(
            f"the exported model gives {shapes[0]} for a clip of {waveform.shape[1]} samples, the model {shapes[1]}"
        )
    return list(zip(wanted, given, strict=True))


def _outputs(output: Any) -> list[Tensor]:
    """The one output of a model, or its several."""
    return [torch.as_tensor(value) for value in (output if isinstance(output, (tuple, list)) else [output])]


@contextmanager
def errors_in_one_line(where: str = "") -> Iterator[None]:
    """Context in which what PyTorch's exporters and runtimes raise becomes an `AuricleError` of one line."""
    try:
        yield
    except (AuricleError, OSError):
        raise
    except Exception as error:  # their classes are many, and most of them private
        raise AuricleError(f"the export failed{where}: {first_line(error) or type(error).__name__}") from error


@contextmanager
def without_messages() -> Iterator[None]:
    """Context in which the exporters' warnings and log messages, which do not concern users, are suppressed."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
