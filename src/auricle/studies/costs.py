"""`auricle bench`: parameters, multiply-adds and latency of classifiers (DEGramNet paper, Table 8 and Fig. 6)."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from auricle.config import Bench, verb
from auricle.data.tasks import Task
from auricle.errors import AuricleError, counted, note
from auricle.files import refuse_special, write_text
from auricle.frontends.spec import frontend_name, names_in, read_frontend
from auricle.identity import display_names
from auricle.progress import track
from auricle.readers import read_text
from auricle.reports import plots
from auricle.reports.tables import plain_rows, to_markdown
from auricle.runs.loading import load_classifier, usable_device
from auricle.runs.provenance import provenance, run_digest
from auricle.runs.results import result_of_run
from auricle.systems.classifier.system import Classifier


@dataclass
class Cost:
    """One classifier's costs; times in seconds by the length of the clip in seconds."""

    frontend: str
    backbone: str
    model: Classifier
    parameters: int
    multiply_adds: int
    """Per second of sound."""
    accuracy: float | None = None
    times: dict[float, list[float]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.frontend}, {self.backbone}"


def multiply_adds(module: nn.Module, waveform: Tensor) -> int:
    """Multiply-adds of `module(waveform)`: convolutions, matrix products and Fourier transforms.

    A transform of N points, from or to real numbers, counts as ⁵⁄₄·N·log2 N, one of complex numbers as twice that.
    Element-wise operations are not counted, nor what is computed once and kept as long as the weights are the same.
    """
    fft = torch.ops.aten
    mapping = {fft._fft_r2c: _from_real, fft._fft_c2r: _to_real, fft._fft_c2c: _complex}
    counter = FlopCounterMode(display=False, custom_mapping=mapping)
    with torch.no_grad():
        module(waveform)
        with counter:
            module(waveform)
    return counter.get_total_flops() // 2


def _from_real(shape: Sequence[int], dim: Sequence[int], *args: Any, **kwargs: Any) -> int:
    n_points = math.prod(shape[index] for index in dim)
    return round(2.5 * math.prod(shape) * math.log2(max(2, n_points)))


def _complex(shape: Sequence[int], dim: Sequence[int], *args: Any, **kwargs: Any) -> int:
    return 2 * _from_real(shape, dim)


def _to_real(
    shape: Sequence[int], dim: Sequence[int], normalization: int, n_points: int, *args: Any, **kwargs: Any
) -> int:
    """`shape` is that of half the spectrum, `n_points` the length of the result."""
    whole = list(shape)
    whole[dim[-1]] = n_points
    return _from_real(whole, dim)


def cost(model: Classifier, backbone: str, accuracy: float | None = None) -> Cost:
    """Count the parameters of `model` and its multiply-adds per second of sound."""
    model = model.eval()
    second = torch.zeros(1, model.sample_rate, device=model.device)
    return Cost(
        frontend_name(model.config["frontend"]),
        backbone,
        model,
        sum(parameter.numel() for parameter in model.parameters()),
        multiply_adds(model, second),
        accuracy,
    )


def arrangements(
    frontends: Sequence[dict[str, Any]], backbones: Sequence[str], sample_rate: int, device: str
) -> list[Cost]:
    """Costs of every front-end with every backbone, untrained, for ten labels."""
    task = Task("", tuple("0123456789"))
    return [
        cost(
            Classifier.build(
                tasks=[task],
                sample_rate=sample_rate,
                window_s=1.0,
                frontend=frontend,
                backbone={"name": backbone},
            ).to(device),
            backbone,
        )
        for backbone in backbones
        for frontend in frontends
    ]


def trained(folders: Sequence[str], device: str) -> list[Cost]:
    """Costs of runs, with the accuracy on clean clips if `auricle evaluate` has measured it.

    Names of runs with the same front-end and backbone are made unique by their folders.
    """
    found = []
    for folder in folders:
        model = load_classifier(folder, device)
        found.append(cost(model, model.config["backbone"]["name"], _accuracy(Path(folder))))
    titles = [f"{one.backbone}: {one.frontend}" for one in found]
    for one, name in zip(found, display_names(titles, folders), strict=True):
        one.frontend = name.removeprefix(f"{one.backbone}: ")
    return found


def _accuracy(folder: Path) -> float | None:
    """The measured accuracy of the present weights; None, with a note, where no single evaluation tells it."""
    try:
        result = result_of_run(folder)
    except AuricleError as error:
        note(f"no accuracy is shown: {error}")
        return None
    current = result is not None and result.run["digest"] == run_digest(folder)
    accuracy = result.interval("accuracy") if result and current else None
    return accuracy.value if accuracy else None


def measure(costs: Sequence[Cost], lengths_s: Sequence[float], repeats: int, *, progress: bool = True) -> None:
    """Time every model on one clip of each length, alternating between models, after one warm-up round."""
    for one in costs:
        if round(min(lengths_s) * one.model.sample_rate) < 1:
            raise AuricleError(f"--lengths-s {min(lengths_s):g}: not one sample at {one.model.sample_rate} Hz")
    rounds = [(length, turn, one) for length in lengths_s for turn in range(repeats + 1) for one in costs]
    for length, turn, one in track(rounds, "Measuring", total=len(rounds), show=progress):
        clip = 0.1 * torch.randn(1, round(length * one.model.sample_rate), device=one.model.device)
        with torch.inference_mode():
            _finished(clip)
            start = time.perf_counter()
            one.model(clip)
            _finished(clip)
            seconds = time.perf_counter() - start
        if turn:
            one.times.setdefault(length, []).append(seconds)


def _finished(clip: Tensor) -> None:
    if clip.is_cuda:
        torch.cuda.synchronize(clip.device)
    elif clip.device.type == "mps":
        torch.mps.synchronize()


def table(costs: Sequence[Cost]) -> pd.DataFrame:
    """A row for each model: parameters, multiply-adds per second, accuracy, and the median time for each length."""
    rows = []
    for one in costs:
        row: dict[str, Any] = {
            "front-end": one.frontend,
            "backbone": one.backbone,
            "parameters, M": round(one.parameters / 1e6, 3),
            "multiply-adds a second, M": round(one.multiply_adds / 1e6, 1),
        }
        if any(other.accuracy is not None for other in costs):
            row["accuracy, %"] = None if one.accuracy is None else round(100.0 * one.accuracy, 1)
        row |= {f"{length:g} s, ms": round(1e3 * statistics.median(times), 1) for length, times in one.times.items()}
        rows.append(row)
    return pd.DataFrame(rows)


def ratios(costs: Sequence[Cost]) -> pd.DataFrame:
    """Median ratio (with range) of each model's time to that of the first front-end with the same backbone."""
    rows = []
    for one in costs:
        first = next(other for other in costs if other.backbone == one.backbone)
        if first is not one:
            row = {"front-end": one.frontend, "backbone": one.backbone, "against": first.frontend}
            for length, times in one.times.items():
                quotients = np.array(times) / np.array(first.times[length])
                row[f"{length:g} s"] = f"{np.median(quotients):.2f} ({quotients.min():.2f}–{quotients.max():.2f})"
            rows.append(row)
    return pd.DataFrame(rows)


def figure(costs: Sequence[Cost]) -> Figure:
    """Plot of accuracy in % against multiply-adds per second, for models whose accuracy is known (Fig. 6)."""
    known = [one for one in costs if one.accuracy is not None]
    groups: dict[str, list[tuple[str, float, float]]] = {}
    for one in known:
        point = one.backbone, one.multiply_adds / 1e6, 100.0 * float(one.accuracy or 0.0)
        groups.setdefault(one.frontend, []).append(point)
    return plots.accuracy_against_cost(groups)


def page(path: Path | None, costs: Sequence[Cost], repeats: int, title: str, opening: str) -> str:
    """Markdown page with both tables, the plot (saved beside `path`) if accuracies are known, and provenance."""
    made = provenance()
    device = costs[0].model.device
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else made["machine"]["processor"]
    threads = "" if device.type == "cuda" else f", {counted(torch.get_num_threads(), 'thread')}"
    paragraphs = [f"# {title}", *([opening] if opening else []), to_markdown(table(costs)).rstrip()]
    paragraphs.append(
        f"Times are medians of {counted(repeats, 'repeat')} with one clip, alternating between models in one process, "
        f"on {where}{threads}. Multiply-adds are those of convolutions, matrix products and Fourier transforms."
    )
    compared = ratios(costs)
    if len(compared):
        paragraphs.append("Time relative to the first front-end, median of the repeats' ratios (smallest–largest):")
        paragraphs.append(to_markdown(compared).rstrip())
    if path is not None and any(one.accuracy is not None for one in costs):
        image = path.with_name(f"{path.stem}-accuracy.png")
        plots.save(figure(costs), image)
        paragraphs.append(f"![Accuracy against multiply-adds]({quote(image.name)})")
    paragraphs.append(f"Written by `{made['command']}`, {made['date'][:10]}, torch {made['versions']['torch']}.")
    return "\n\n".join(paragraphs) + "\n"


class CostReport(NamedTuple):
    """Result of `bench`: the costs, and as text the page, or where it was written."""

    costs: list[Cost]
    text: str

    def record(self) -> list[dict[str, Any]]:
        """The table as plain values."""
        return plain_rows(table(self.costs))

    def __str__(self) -> str:
        return self.text


@verb
def bench(options: Bench) -> CostReport:
    """Measure costs of classifiers; returns them, with the page."""
    runs, frontends, backbones = options.runs or [], options.frontends or [], names_in(options.backbones or [])
    if (runs and (frontends or backbones)) or (not runs and not (frontends and backbones)):
        raise AuricleError("give runs, or --frontends and --backbones")
    for name, least in (("repeats", options.repeats), ("lengths-s", min(options.lengths_s, default=0))):
        if least <= 0:
            raise AuricleError(f"--{name} is {least:g}: it must be above 0")
    output = Path(options.output) if options.output else None
    if output is not None:
        refuse_special(output)
    opening = read_text(options.preface).strip() if options.preface else ""
    if options.threads:
        torch.set_num_threads(options.threads)
    if runs:
        costs = trained(runs, options.device)
    else:
        named = [read_frontend(name) for name in names_in(frontends)]
        costs = arrangements(named, backbones, options.sample_rate, usable_device(options.device))
    measure(costs, options.lengths_s, options.repeats, progress=not options.quiet)
    text = page(output, costs, options.repeats, options.title, opening)
    if output is None:
        return CostReport(costs, text)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_text(output, text)
    return CostReport(costs, f"written to {output}")
