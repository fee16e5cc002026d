"""`auricle predict`: label recordings with any window classifier."""

from __future__ import annotations

from pathlib import Path

from auricle.config import Predict, verb
from auricle.runs.journal import Batch
from auricle.tasks.classification.predict import predict_files
from auricle.tasks.classification.selection import Selection
from auricle.tasks.open import open_window_classifier


@verb
def predict(options: Predict) -> Batch[tuple[str, float]]:
    """Label files; returns the outcome of each, with its most probable label and that label's probability."""
    model = open_window_classifier(options.run, options.device)
    outcomes = predict_files(
        model,
        options.files,
        Path(options.output),
        table_format=options.format,
        hop_s=options.hop_s,
        selection=Selection.for_model(model, options.top_k, options.threshold),
        overwrite=options.overwrite,
        progress=not options.quiet,
    )
    lines = [f"{o.file}: {o.result[0]} ({o.result[1]:.2f})" for o in outcomes if o.result and o.result[0]]
    return Batch(outcomes, "labelled", f"tables in {options.output}", lines)
