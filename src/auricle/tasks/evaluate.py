from __future__ import annotations

from typing import Any

from auricle.config import DataOptions, Evaluate, verb
from auricle.errors import AuricleError


@verb
def evaluate(options: Evaluate) -> Any:
    """What was measured."""
    from auricle.tasks.classification.evaluate import evaluate_run
    from auricle.tasks.enhancement.evaluate import SNRS_DB, evaluate_enhancer
    from auricle.tasks.enhancement.open import enhances
    from auricle.tasks.separation.evaluate import evaluate_separator
    from auricle.tasks.separation.open import separates

    o = options
    shared: dict[str, Any] = {
        "split": o.split or "",
        "fold": o.fold or "",
        "seed": o.seed,
        "device": o.device,
        "output": o.output,
    }
    if separates(o.run):
        r: Any = evaluate_separator(
            o.run, o.data, mixtures_of_a_class=o.mixtures or 10, detector=o.detector or "", data_options=o, **shared
        )
        return r
    if enhances(o.run):
        d = DataOptions(group_column=o.group_column, skip_bad=o.skip_bad)
        return evaluate_enhancer(
            o.run, o.data, noise=o.noise or [], snr=o.snr or SNRS_DB, data_options=d, by_group=o.by_group, **shared
        )
    if o.noise is not None and len(o.noise) != 1:
        raise AuricleError(f"--noise {' '.join(o.noise)}: a classifier is measured in one kind of noise, gaussian")
    return evaluate_run(
        o.run,
        o.data,
        data_options=o,
        task=o.task or "",
        noise=o.noise[0] if o.noise else "gaussian",
        snr=o.snr,
        continuous=o.continuous,
        by_group=o.by_group,
        **shared,
    )
