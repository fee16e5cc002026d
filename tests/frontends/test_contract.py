"""Torch's own tools on every front-end: the checks of `contract`, and docs/contract.md, which holds what they found."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from auricle.errors import AuricleError
from auricle.frontends import Frontend
from frontends.contract import CASES, CHECKS, create, learnt, noise

PAGE = Path(__file__).parents[2] / "docs" / "contract.md"
FOUND: dict[tuple[int, str], str] = {}


def shown(name: str, options: dict[str, Any]) -> str:
    return " ".join([name, *(f"{option}={value}" for option, value in options.items())])


def with_all_parts() -> set[int]:
    """Few front-ends in which every part of any occurs: at each step the one with most parts still missing."""
    parts = [{type(part) for part in create(name, options).modules()} for name, options in CASES]
    chosen, missing = set[int](), set[type[nn.Module]]().union(*parts)
    while missing:
        best = max(range(len(parts)), key=lambda case: len(parts[case] & missing))
        chosen.add(best)
        missing -= parts[best]
    return chosen


def asked() -> Iterator[pytest.ParameterSet]:
    """Every check of every front-end; tracing is slow, and the quick tests trace a few in which every part occurs."""
    quickly_traced = with_all_parts()
    for case, (name, options) in enumerate(CASES):
        for title in CHECKS:
            marks = [pytest.mark.slow] if title in ("compile", "export") and case not in quickly_traced else []
            yield pytest.param(case, title, id=f"{shown(name, options)}-{title}", marks=marks)


@pytest.mark.parametrize(("case", "title"), asked())
def test_it_holds_or_is_refused_in_one_line_that_names_the_way(case: int, title: str) -> None:
    find(case, title)


def find(case: int, title: str) -> None:
    try:
        FOUND[case, title] = CHECKS[title](create(*CASES[case]))
    except AuricleError as error:
        message = str(error)
        assert "\n" not in message
        assert ": use " in message or ": give " in message, message
        FOUND[case, title] = message


class TestTheChecksCanFail:
    """Each check that compares is shown a front-end that breaks what it asks."""

    @pytest.mark.parametrize("title", ["compile", "export", "channels", "determinism", "threads"])
    def test_outputs_that_change_from_call_to_call(self, title: str) -> None:
        frontend = create("mel", {})
        frontend.compression = Wandering()
        with pytest.raises((AssertionError, RuntimeError)):
            CHECKS[title](frontend)

    @pytest.mark.parametrize("title", ["gradient", "second derivatives"])
    def test_gradients_that_are_wrong(self, title: str) -> None:
        frontend = create("mel", {})
        frontend.compression = HalfGradient()
        with pytest.raises(AssertionError):
            CHECKS[title](frontend)

    def test_a_buffer_that_no_state_dict_holds(self) -> None:
        frontend = create("mel", {})
        frontend.compression = Unsaved()
        with pytest.raises(AssertionError):
            CHECKS["meta and back"](frontend)

    def test_a_dtype_that_is_not_the_modules(self) -> None:
        frontend = create("mel", {})
        frontend.compression = Single()
        with pytest.raises(AssertionError):
            CHECKS["float64"](frontend)

    def test_autocast_that_reaches_the_front_end(self) -> None:
        frontend = create("leaf", {})
        frontend.register_forward_hook(lambda module, inputs, output: torch.ones(1, 5) @ output)
        with pytest.raises(AssertionError):
            CHECKS["autocast"](frontend)


class Wandering(nn.Module):
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values + torch.rand_like(values)


class HalfGradient(nn.Module):
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        logs = torch.log(values + 1e-5)
        return (0.5 * logs + 0.5 * logs.detach()).square()


class Unsaved(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("offset", torch.tensor(1.5), persistent=False)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values + self.offset


class Single(nn.Module):
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values.float()


def second_derivative_of_centres(frontend: Frontend) -> tuple[float, float]:
    """Of the mean output along one direction of the centre frequencies: by autograd, and by finite differences."""
    centers, step = frontend.filterbank.center_freqs, 1e-4
    direction = torch.linspace(1.0, 2.0, len(centers), dtype=centers.dtype)

    def slope(create_graph: bool) -> torch.Tensor:
        mean = frontend(noise(1, 1600, dtype=torch.float64)).mean()
        (gradient,) = torch.autograd.grad(mean, centers, create_graph=create_graph)
        return gradient @ direction

    (second,) = torch.autograd.grad(slope(create_graph=True), centers)
    slopes = []
    for sign in (1, -2):
        with torch.no_grad():
            centers += sign * step * direction
        slopes.append(slope(create_graph=False))
    return float(second @ direction), float(slopes[0] - slopes[1]) / (2.0 * step)


def test_second_derivatives_of_leaf_in_its_parameters() -> None:
    exact, numeric = second_derivative_of_centres(create("leaf", {"method": "direct"}).double())
    assert abs(exact - numeric) < 1e-3 * abs(exact)
    with pytest.raises(AuricleError, match="method='fast': use method='direct'"):
        second_derivative_of_centres(create("leaf", {}).double())


def test_the_state_dict_is_the_parameters_alone() -> None:
    for name, options in CASES:
        frontend = create(name, options)
        saved = set(frontend.state_dict()) - {key for key in frontend.state_dict() if "norm" in key or "running" in key}
        parameters = {key for key, _ in frontend.named_parameters()}
        batch_norms = {key for key in saved if key.rsplit(".", 1)[-1] in ("num_batches_tracked",)}
        assert saved - batch_norms <= parameters


def test_repr_shows_every_part() -> None:
    for name, options in CASES:
        frontend = create(name, options)
        parts = [frontend.filterbank, frontend.pooling, frontend.compression, frontend.attention]
        for part in parts:
            if part is not None:
                assert type(part).__name__ in repr(frontend)
                assert f"<td>{type(part).__name__}</td>" in frontend._repr_html_()
                learning = sum(p.numel() for p in learnt(part))
                assert not learning or f"<td>{learning:,} of " in frontend._repr_html_()


@pytest.mark.slow
def test_the_page_says_what_was_found(request: pytest.FixtureRequest) -> None:
    for entry in product(range(len(CASES)), CHECKS):
        if entry not in FOUND:
            find(*entry)
    if request.config.getoption("--write-contract"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make contract`"


def page() -> str:
    """docs/contract.md: what holds for all front-ends, and a table of the checks in which they differ."""
    refusals = sorted({entry for entry in FOUND.values() if len(entry) > 20})

    def shown_entry(case: int, title: str) -> str:
        entry = FOUND[case, title]
        return f"refused ({refusals.index(entry) + 1})" if entry in refusals else entry

    entries = {title: [shown_entry(case, title) for case in range(len(CASES))] for title in CHECKS}
    lines = [INTRODUCTION]
    for entry in dict.fromkeys(own[0] for own in entries.values() if len(set(own)) == 1):
        titles = [title for title, own in entries.items() if set(own) == {entry}]
        lines += [f"The same for all {len(CASES)} front-ends: **{entry}** for {', '.join(titles)}.", ""]
    differing = {title: own for title, own in entries.items() if len(set(own)) > 1}
    lines += ["| front-end | " + " | ".join(differing) + " |", "| --- |" + " --- |" * len(differing)]
    for case, (name, options) in enumerate(CASES):
        lines.append(f"| {shown(name, options)} | " + " | ".join(own[case] for own in differing.values()) + " |")
    lines += ["", "Refused with these words:", ""]
    lines += [f"{number}. {message}" for number, message in enumerate(refusals, 1)]
    lines += ["", "What each check asks:", ""]
    lines += [f"- **{title}**: {' '.join((function.__doc__ or '').split())}" for title, function in CHECKS.items()]
    return "\n".join(lines) + "\n"


INTRODUCTION = """# Front-ends as torch modules

How every front-end behaves under torch's general tools, with default and other options. “yes” means that it works,
“refused” that it stops with one line that says what works instead.

Within `torch.compile` the energies of a front-end, and adaptive PCEN, run as they are: the compiler would call the same
convolutions and transforms. Compression and attention are compiled together with the network that follows. [What that
gains](benchmarks/compiled.md) is measured.

`torch.export` takes a front-end with a batch and a length that are open, from two frames on:

```python
batch, time = torch.export.Dim("batch"), torch.export.Dim("time", min=frontend.hop_length + 1)
program = torch.export.export(frontend, (torch.zeros(2, 16000),), dynamic_shapes=({0: batch, 1: time},))
```

Of LEAF it writes the convolution at every sample, with weights that can still be loaded; `auricle export` writes its
fast method, for the present weights.

This page is written by the test run: `make contract`.
"""
