"""`auricle predict`: label recordings with any window classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from auricle.config import Predict, verb
from auricle.errors import AuricleError
from auricle.runs.cluster import on_ray
from auricle.runs.outcomes import Batch, Outcome
from auricle.tasks.classification.events import EventRule
from auricle.tasks.classification.predict import Labelled, predict_files
from auricle.tasks.classification.selection import Selection
from auricle.tasks.classification.window_classifiers import WindowClassifier
from auricle.tasks.open import open_window_classifier


@verb
def predict(options: Predict) -> Batch[tuple[str, float]]:
    """Label files; returns the outcome of each, with its most probable label and that label's probability."""
    if options.engine == "ray":
        return on_ray(predict, options)
    model = open_window_classifier(options.run, options.device, calibrated=not options.raw)
    outcomes = predict_files(
        model,
        options.files,
        Path(options.output),
        table_format=options.format,
        hop_s=options.hop_s,
        selection=selection_of(options, model),
        shard=options.shard,
        overwrite=options.overwrite,
        progress=not options.quiet,
    )
    lines = [f"{o.file}: {o.result.line}" for o in outcomes if o.result]
    plain = [_plain(outcome) for outcome in outcomes]
    return Batch(plain, "labelled", f"tables in {options.output}", options.output, lines)


def _plain(outcome: Outcome[Labelled]) -> Outcome[tuple[str, float]]:
    """The outcome with the label and its probability alone."""
    found, done_before, by_another = outcome.result, outcome.done_before, outcome.by_another
    result = None if found is None else (found.label, found.probability)
    return Outcome(outcome.file, outcome.output, result, outcome.error, outcome.damage, done_before, by_another)


def selection_of(options: Predict, model: WindowClassifier) -> Selection:
    """Which labels of `model` the options ask for; raises `AuricleError` for options that do not go together."""
    named: dict[str, Any] = {"low": options.event_low, "gap_s": options.event_gap_s, "min_s": options.event_min_s}
    given = {name: value for name, value in named.items() if value is not None}
    if given and not options.events:
        raise AuricleError(f"--event-{next(iter(given)).replace('_', '-')} is for events: add --events")
    events = EventRule(**given) if options.events else None
    return Selection.for_model(model, options.top_k, options.threshold, unknown=options.unknown, events=events)
