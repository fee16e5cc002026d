"""The two ways of measuring and calibrating a classifier after training on clips that it did not learn from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MeasuredOn:
    """One of these ways, in words.

    Args:
        split: its name in metrics.json.
        clip: what one of the clips is called.
        remedy: what to do where they are too few for a calibration.
        heading: of the section of the model card that has the metrics.
        caution: what that section says of them.
    """

    split: str
    clip: str
    remedy: str
    heading: str
    caution: str


VALIDATION = MeasuredOn(
    "valid",
    "validation clip",
    "`auricle calibrate` with other clips, or a larger --splits.validation-share",
    "On the validation clips",
    "The model was chosen on these clips, so these values are optimistic; `auricle evaluate` measures on clips that "
    "training never saw.",
)
CROSS_VALIDATION = MeasuredOn(
    "cross-validation",
    "cross-validated clip",
    "more recordings of each label, or `auricle calibrate` with other clips",
    "In cross-validation",
    "Each clip was judged by a head that was fitted without the clip's group; `auricle evaluate` measures the final "
    "head on clips put aside.",
)
