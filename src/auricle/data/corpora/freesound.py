"""Corpora of sounds from Freesound: FSD50K and FUSS."""

from __future__ import annotations

from pathlib import Path

from auricle.data.corpora.layout import LARGEST_TABLE, CorpusRow, Published, audio_files, corpus, read_table, require
from auricle.errors import AuricleError
from auricle.readers import read_json

_GROUND_TRUTH = "FSD50K.ground_truth"
_SUBSETS = ("dev", "eval")
_FSD50K_SPLITS = {"train": "train", "val": "valid"}
_FUSS_SPLITS = {"train": "train", "validation": "valid", "eval": "test"}


@corpus(
    "fsd50k",
    Published(
        {"train": 36_796, "valid": 4_170, "test": 10_231},
        200,
        "Fonseca et al. 2022, arXiv:2010.00475, and zenodo.org/record/4060432",
        note="labels are propagated to the root of the ontology: a clip of a guitar also has the label music",
    ),
    known_by="FSD50K.ground_truth/dev.csv",
)
def fsd50k(root: Path) -> list[CorpusRow]:
    """FSD50K: clips of 0.3 to 30 s with one or more of 200 labels, official split, grouped by uploader.

    Layout: `FSD50K.dev_audio/<id>.wav`, `FSD50K.eval_audio/<id>.wav`, `FSD50K.ground_truth/dev.csv`
    (fname,labels,mids,split) and `eval.csv` (fname,labels,mids), with labels joined by commas. The uploaders are read
    from `FSD50K.metadata/dev_clips_info_FSD50K.json` and `eval_clips_info_FSD50K.json`; without these there are no
    groups.
    """
    require(root, "FSD50K", *(f"{_GROUND_TRUTH}/{subset}.csv" for subset in _SUBSETS))
    rows = []
    for subset in _SUBSETS:
        information = root / "FSD50K.metadata" / f"{subset}_clips_info_FSD50K.json"
        known = read_json(information, {"*": {"uploader?": str}}, LARGEST_TABLE) if information.is_file() else {}
        for item in _ground_truth(root, subset):
            split = _FSD50K_SPLITS.get(item["split"]) if subset == "dev" else "test"
            if split is None:
                raise AuricleError(
                    f"{_GROUND_TRUTH}/dev.csv: {item['fname']} is in {item['split']!r}, not in train or val"
                )
            name = item["fname"]
            path, label = f"FSD50K.{subset}_audio/{name}.wav", item["labels"].replace(",", ";")
            rows.append(CorpusRow(path, label, split=split, group=known.get(name, {}).get("uploader")))
    return rows


@corpus(
    "fuss",
    Published(
        {"train": 7_237, "valid": 2_883, "test": 2_257},
        None,
        "Wisdom et al. 2021, arXiv:2011.00803 (sources; of 357 classes that are not published)",
        note="labels are those of FSD50K, of which FUSS is a subset from before its publication",
    ),
)
def fuss(root: Path, fsd50k: str = "") -> list[CorpusRow]:
    """FUSS (Free Universal Sound Separation): its sources, files of one sound each, official split.

    Layout: `train/sound/<Freesound id>.wav`, and likewise in `validation` and `eval`, of FUSS_fsd_data; `root` may be
    `fsd_data` or the folder above it. The label is "sound", which is enough for training without labels.

    Args:
        root: the folder with the sources.
        fsd50k: the folder of FSD50K, to use its labels; sources that it does not hold are left out.
    """
    folder = "fsd_data/" if (root / "fsd_data").is_dir() else ""
    require(root, "FUSS", *(f"{folder}{name}" for name in _FUSS_SPLITS))
    labels: dict[str, str] = {}
    if fsd50k:
        require(Path(fsd50k), "FSD50K", *(f"{_GROUND_TRUTH}/{subset}.csv" for subset in _SUBSETS))
        truth = (item for subset in _SUBSETS for item in _ground_truth(Path(fsd50k), subset))
        labels = {item["fname"]: item["labels"].replace(",", ";") for item in truth}
    return [
        CorpusRow(path, labels.get(Path(path).stem, "sound"), split=split)
        for name, split in _FUSS_SPLITS.items()
        for path in audio_files(root, f"{folder}{name}")
        if not fsd50k or Path(path).stem in labels
    ]


def _ground_truth(root: Path, subset: str) -> list[dict[str, str]]:
    """The ground-truth table of FSD50K's "dev" or "eval"."""
    columns = ("fname", "labels", "split") if subset == "dev" else ("fname", "labels")
    return read_table(root / _GROUND_TRUTH / f"{subset}.csv", columns)
