"""A front-end or a classifier as a graph of tensor operations with open batch and length."""

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

from auricle.errors import AuricleError
from auricle.frontends.frontend import Frontend
from auricle.systems.classifier.heads import decide
from auricle.systems.classifier.system import Classifier

MOST_SAMPLES = 2**27
LENGTHS_S = (0.2, 0.37, 1.0, 3.003, 20.0)
TOLERANCE = 1e-4


class ClassifierGraph(nn.Module):
    """A classifier without what training needs: logits `(batch, labels)` of `(batch, time)`, each clip one window."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.frontend = classifier.frontend
        self.backbone = classifier.backbone
        self.heads = classifier.heads

    def forward(self, waveform: Tensor) -> Tensor:
        return decide(self.backbone, self.heads, self.frontend(waveform))


def graph_module(module: Frontend | Classifier) -> nn.Module:
    """A copy of `module` in evaluation mode on the CPU, in which nothing depends on a tensor's values."""
    if not isinstance(module, Frontend | Classifier):
        raise AuricleError(f"a {type(module).__name__} cannot be exported: a front-end or a classifier can")
    module = copy.deepcopy(module).cpu().eval().requires_grad_(False)
    for part in module.modules():
        if isinstance(part, Frontend):
            if part.pooling is not None and part.pooling.padding != "centered":
                raise AuricleError("only variant='paper' is exported: published frames move with the clip's length")
            if part.pooling is not None:
                part.method = part.method.fixed(part.filterbank, part.pooling)
    return ClassifierGraph(module) if isinstance(module, Classifier) else module


def export_program(module: Frontend | Classifier) -> torch.export.ExportedProgram:
    """The `torch.export` program of `module`: `(batch, time)` at its rate, both open, to spectrograms or logits."""
    graph = graph_module(module)
    hop = next(part.hop_length for part in graph.modules() if isinstance(part, Frontend))
    with torch.no_grad(), quiet():
        program = torch.export.export(
            graph,
            (torch.zeros(3, 100 * hop + 7),),
            dynamic_shapes={"waveform": {0: torch.export.Dim.AUTO, 1: torch.export.Dim.AUTO}},
            strict=False,
            prefer_deferred_runtime_asserts_over_guards=True,
        )
    return without_asserts(program)


def without_asserts(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """`program` without what it supposes of sizes, such as that no axis it leaves open is ever one.

    The suppositions come from the tracing, not from the operations; what is written is run on many sizes instead.
    """
    graph = program.graph_module.graph
    for node in list(graph.nodes):
        if node.target is torch.ops.aten._assert_scalar.default:
            graph.erase_node(node)
    graph.eliminate_dead_code()
    program.graph_module.recompile()
    return program


def save_program(module: Frontend | Classifier, path: Path, metadata: dict[str, str]) -> float:
    """Write the program to `path` (.pt2) with its metadata.

    Returns the largest difference from `module` after reading it back; one of more than 1e-4 is an `AuricleError`, and
    the file is not kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.stem + ".partial.pt2")
    with quiet():
        torch.export.save(export_program(module), partial, extra_files=dict(metadata))
        again = torch.export.load(partial).module()
    worst = largest_difference(module, again)
    if not worst <= TOLERANCE:
        partial.unlink()
        raise AuricleError(f"{path}: the program differs from the model by {worst:.1e}, more than {TOLERANCE:g}")
    partial.replace(path)
    return worst


def largest_difference(
    module: Frontend | Classifier, other: Callable[[Tensor], Any], lengths_s: tuple[float, ...] = LENGTHS_S
) -> float:
    """The largest |difference| of `other(waveform)` from `module(waveform)`, noise of `lengths_s`, one and two clips.

    Relative to the output where that is larger than one.
    """
    generator = torch.Generator().manual_seed(0)
    module = copy.deepcopy(module).cpu().eval()
    worst = 0.0
    for batch, length_s in enumerate(lengths_s):
        n_samples = round(length_s * module.sample_rate)
        waveform = 0.1 * torch.randn(1 + batch % 2, n_samples, generator=generator)
        with torch.no_grad():
            expected, actual = module(waveform), torch.as_tensor(other(waveform))
        if actual.shape != expected.shape:
            raise AuricleError(
                f"the exported model gives {tuple(actual.shape)} for {length_s:g} s, the model {tuple(expected.shape)}"
            )
        difference = ((actual - expected).abs() / expected.abs().clamp(min=1.0)).max()
        worst = max(worst, float(difference))
    return worst


@contextmanager
def quiet() -> Iterator[None]:
    """Without the exporters' warnings, which are not for the user."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
