"""Corpora of environmental sound: acoustic scenes, sound events, bird song and background noise."""

from __future__ import annotations

import csv
from pathlib import Path

from auricle.audio import info
from auricle.data.corpora.layout import (
    CorpusRow,
    Published,
    audio_files,
    corpus,
    fixed_split,
    one_of,
    open_text,
    read_lines,
    read_table,
    require,
    row_in_fold,
)
from auricle.errors import AuricleError
from auricle.readers import blaming

BIRD_DATASETS = ("ff1010bird", "warblrb10k", "BirdVox-DCASE-20k")
BIRD_COLUMNS = ("itemid", "datasetid", "hasbird")
_MUSAN_FILES = {"noise": 930, "music": 660, "speech": 426}
_MUSAN_SOURCE = "Snyder et al. 2015, arXiv:1510.08484, and openslr.org/17 (2,016 files)"


@corpus(
    "tut-urban-2018",
    Published(
        {"all": 8_640},
        10,
        "TUT Urban Acoustic Scenes 2018 development, zenodo.org/record/1228142 (864 segments of each scene)",
        note="LEAF, Table A.1, has 7,829 train and 810 test segments, which is not the official fold 1",
    ),
    known_by="evaluation_setup/fold1_train.txt",
)
def tut_urban_2018(root: Path) -> list[CorpusRow]:
    """TUT Urban Acoustic Scenes 2018, development: ten scenes, official fold 1, grouped by location.

    Layout: `audio/*.wav`, the tab-separated `meta.csv` (filename, scene_label, identifier, source_label; the
    identifier is the location, such as barcelona-0) and, without a header, `evaluation_setup/fold1_train.txt`
    and `fold1_evaluate.txt`, whose first column is the file name. The evaluation files are the split "test".
    """
    setup = {"train": "evaluation_setup/fold1_train.txt", "test": "evaluation_setup/fold1_evaluate.txt"}
    require(root, "TUT Urban Acoustic Scenes 2018", "meta.csv", *setup.values())
    splits = {line.split("\t")[0]: split for split, name in setup.items() for line in read_lines(root / name)}
    table = read_table(root / "meta.csv", ("filename", "scene_label", "identifier"), delimiter="\t")
    return [
        CorpusRow(item["filename"], item["scene_label"], split=splits.get(item["filename"]), group=item["identifier"])
        for item in table
    ]


@corpus(
    "dcase2018-birds",
    Published(
        {"all": 35_690},
        2,
        "Stowell et al. 2018, arXiv:1807.05812 (7,690 + 8,000 + 20,000 clips); LEAF, Table A.1 (32,129 + 3,561)",
        note="LEAF's split into 32,129 and 3,561 clips is not published",
    ),
    known_by="ff1010bird_metadata_2018.csv",
)
def dcase2018_birds(root: Path, split: str = "fixed") -> list[CorpusRow]:
    """DCASE 2018 Bird Audio Detection, development: whether a bird can be heard ("yes" or "no").

    Layout: the three label tables (itemid,datasetid,hasbird; published as `ff1010bird_metadata_2018.csv`,
    `warblrb10k_public_metadata_2018.csv` and `BirdVoxDCASE20k_csvpublic.csv`) and, in one folder `wav` per
    data set, `<itemid>.wav`; these may lie anywhere below `root`. No train and test split is published.

    Args:
        root: the folder that holds the tables and the sounds.
        split: "fixed" is `fixed_split` of the itemid, 10 % test and 10 % valid; "by-dataset" makes each
            data set a fold (1 ff1010bird, 2 warblrb10k, 3 BirdVox-DCASE-20k), to test on an unseen one.
    """
    one_of("dcase2018-birds split", split, ["fixed", "by-dataset"])
    tables = [path for path in sorted(root.rglob("*.csv")) if _header(path) == BIRD_COLUMNS]
    if not tables:
        raise AuricleError(
            f"{str(root)!r} does not hold DCASE 2018 birds: no CSV with the header {','.join(BIRD_COLUMNS)} "
            "was found, such as ff1010bird_metadata_2018.csv"
        )
    sounds = {Path(path).stem: path for path in audio_files(root, suffixes=(".wav", ".flac"))}
    rows = []
    for table in tables:
        for item in read_table(table, BIRD_COLUMNS):
            name, dataset = item["itemid"], item["datasetid"]
            path = sounds.get(name, f"{dataset}/wav/{name}.wav")
            label = {"0": "no", "1": "yes"}[one_of(f"hasbird of {name}", item["hasbird"], ["0", "1"])]
            if split == "fixed":
                rows.append(CorpusRow(path, label, split=fixed_split(name, valid_percent=10, test_percent=10)))
            else:
                fold = BIRD_DATASETS.index(one_of("bird data set", dataset, BIRD_DATASETS)) + 1
                rows.append(CorpusRow(path, label, fold=fold, group=dataset))
    return rows


@corpus(
    "esc-50",
    Published({"all": 2_000}, 50, "Piczak 2015 and github.com/karolpiczak/ESC-50", when={"subset": "esc-50"}),
    Published({"all": 400}, 10, "Piczak 2015 and github.com/karolpiczak/ESC-50", when={"subset": "esc-10"}),
    known_by="meta/esc50.csv",
)
def esc_50(root: Path, subset: str = "esc-50") -> list[CorpusRow]:
    """ESC-50: fifty classes of environmental sound in five official folds, grouped by source recording.

    Layout: `audio/*.wav` and `meta/esc50.csv` (filename,fold,target,category,esc10,src_file,take).
    The folds keep the clips of one recording together.

    Args:
        root: the unpacked repository.
        subset: "esc-50", or "esc-10" for the ten classes marked in the table's column esc10.
    """
    one_of("esc-50 subset", subset, ["esc-50", "esc-10"])
    require(root, "ESC-50", "meta/esc50.csv", "audio")
    table = read_table(root / "meta" / "esc50.csv", ("filename", "fold", "category", "esc10", "src_file"))
    return [
        row_in_fold(f"audio/{item['filename']}", item, label="category", group="src_file")
        for item in table
        if subset == "esc-50" or item["esc10"] == "True"
    ]


@corpus(
    "musan",
    Published(
        {"all": 3_860},
        1,
        "TRNet (Chen and Zhang, 2024), section 4.1: about 6 hours of noise in pieces of 5 s",
        note="how remainders shorter than 5 s are treated is not published: here they are left out",
        when={"part": "noise", "piece_s": 5.0},
    ),
    *(
        Published({"all": n_files}, 1, _MUSAN_SOURCE, when={"part": part, "piece_s": 0})
        for part, n_files in _MUSAN_FILES.items()
    ),
)
def musan(root: Path, part: str = "noise", piece_s: float = 5.0) -> list[CorpusRow]:
    """MUSAN: noise, music or speech to mix in, cut into segments, grouped by file.

    Layout: `noise/free-sound/*.wav`, `noise/sound-bible/*.wav`, and likewise in `music` and `speech`. The label is
    `part`, as `--noise` and `--material` expect it. A file shorter than a segment is one segment; a remainder at the
    end of a file is left out.

    Args:
        root: the folder `musan`.
        part: "noise", "music" or "speech".
        piece_s: length of a segment in seconds; 0 keeps files whole.
    """
    one_of("musan part", part, _MUSAN_FILES)
    if piece_s < 0:
        raise AuricleError(f"piece_s={piece_s:g}: it should be 0 or more seconds")
    require(root, "MUSAN", part)
    rows = []
    for path in audio_files(root, part):
        n_segments = int(info(root / path).duration_s / piece_s + 1e-9) if piece_s else 0
        name = Path(path).stem
        if n_segments < 1:
            rows.append(CorpusRow(path, part, group=name))
        rows += [CorpusRow(path, part, group=name, start=k * piece_s, end=(k + 1) * piece_s) for k in range(n_segments)]
    return rows


@corpus(
    "urbansound8k",
    Published({"all": 8_732}, 10, "Salamon, Jacoby and Bello 2014 and urbansounddataset.weebly.com/urbansound8k.html"),
    known_by="metadata/UrbanSound8K.csv",
)
def urbansound8k(root: Path) -> list[CorpusRow]:
    """UrbanSound8K: ten classes of city sound in ten official folds, grouped by source recording.

    Layout: `audio/fold1/*.wav` to `audio/fold10/*.wav` and `metadata/UrbanSound8K.csv` (slice_file_name,fsID,start,end,
    salience,fold,classID,class). The folds keep the slices of one recording together.
    """
    require(root, "UrbanSound8K", "metadata/UrbanSound8K.csv", "audio")
    table = read_table(root / "metadata" / "UrbanSound8K.csv", ("slice_file_name", "fsID", "fold", "class"))
    return [
        row_in_fold(f"audio/fold{item['fold']}/{item['slice_file_name']}", item, label="class", group="fsID")
        for item in table
    ]


@corpus(
    "vggsound",
    Published(
        {"train": 183_971, "test": 15_496},
        309,
        "Chen et al. 2020, arXiv:2004.14368 (309 classes, about 200,000 clips); rows of vggsound.csv as counted in "
        "github.com/hche11/VGGSound/issues/19",
        note="the authors' train.csv and test.csv list 183,730 and 15,446; videos vanish, so most copies are partial",
    ),
    known_by="vggsound.csv",
)
def vggsound(root: Path) -> list[CorpusRow]:
    """VGGSound: ten-second clips of online videos with one of 309 labels, official split, grouped by video.

    Layout: `vggsound.csv`, without a header, whose lines are `<YouTube ID>,<start second>,<label>,<train or test>`. The
    sounds may lie anywhere below `root`, named `<YouTube ID>_<start>.wav` with a start of six digits
    (`---g-f_I2yQ_000001.wav`), or with any other audio suffix.
    """
    require(root, "VGGSound", "vggsound.csv")
    sounds = {Path(path).stem: path for path in audio_files(root)}
    rows = []
    text = open_text(root / "vggsound.csv")
    with blaming("vggsound.csv", "the table of VGGSound"):
        for fields in filter(None, csv.reader(text, skipinitialspace=True)):
            if len(fields) != 4 or not fields[1].isdecimal() or fields[3] not in ("train", "test"):
                raise AuricleError(
                    f"vggsound.csv has the line {','.join(fields)!r}; expected '---g-f_I2yQ,1,people marching,test'"
                )
            video, start, label, split = fields
            name = f"{video}_{start:0>6}"
            rows.append(CorpusRow(sounds.get(name, f"{name}.wav"), label, split=split, group=video))
    return rows


def _header(path: Path) -> tuple[str, ...]:
    """The cells of a CSV file's first line."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return tuple(file.readline().strip().split(","))
