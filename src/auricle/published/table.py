"""The published models that auricle can fetch and convert: addresses, sizes, checksums, licences, and uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class PublishedFile:
    """A file on the network; a checksum or size that is not known is empty or None.

    Args:
        name: the file's name.
        address: where it is; empty where it has no plain address, and `page` says where people find it.
        size: in bytes.
        sha256: SHA-256, hexadecimal.
        md5: MD5, hexadecimal.
        git_blob: the SHA-1 by which Git knows the content.
        page: a page that offers the file.
    """

    name: str
    address: str = ""
    size: int | None = None
    sha256: str = ""
    md5: str = ""
    git_blob: str = ""
    page: str = ""


@dataclass(frozen=True)
class PublishedModel:
    """A published model.

    Args:
        name: the name by which auricle knows it.
        use: what it is good for, in a line.
        licence: of the weights.
        source: whose it is.
        checkpoint: the file with its weights.
        convert: the verb that converts it, as in auricle convert VERB.
        labels: the file with the names of its outputs, if it needs one.
        options: further options of the conversion.
    """

    name: str
    use: str
    licence: str
    source: str
    checkpoint: PublishedFile
    convert: str
    labels: PublishedFile | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def files(self) -> tuple[PublishedFile, ...]:
        """The files that are fetched, the checkpoint first."""
        return (self.checkpoint,) if self.labels is None else (self.checkpoint, self.labels)

    @property
    def facts(self) -> str:
        """Size and licence, as in "4.1 MB, MIT"."""
        return f"{megabytes(self.checkpoint.size)}, {self.licence}"


def megabytes(size: int | None) -> str:
    """A size in bytes as people read it; None is one that is not known."""
    return "size unknown" if size is None else f"{size / 1e6:.1f} MB"


AUDIOSET_LABELS = PublishedFile(
    "class_labels_indices.csv",
    "https://storage.googleapis.com/us_audioset/youtube_corpus/v1/csv/class_labels_indices.csv",
    14675,
    sha256="cdd1049833c4b86127c2773ac0d14a2754b6a6d0d1798002ed5c66e699708429",
)
_EFFICIENTAT = "https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1/"
_PANNS = "https://zenodo.org/records/3987831/files/"


def _efficientat(width: str, file: str, use: str, size: int | None = None, sha256: str = "") -> PublishedModel:
    return PublishedModel(
        f"efficientat-{width}",
        use,
        "MIT",
        "EfficientAT, Schmid et al., ICASSP 2023",
        PublishedFile(file, _EFFICIENTAT + file, size, sha256),
        "efficientat",
        AUDIOSET_LABELS,
    )


def _panns(name: str, file: str, use: str, size: int | None, sha256: str, md5: str, **options: Any) -> PublishedModel:
    address = f"{_PANNS}{file.replace('=', '%3D')}?download=1"
    return PublishedModel(
        f"panns-{name}",
        use,
        "CC BY 4.0",
        "PANNs, Kong et al., 2020",
        PublishedFile(file, address, size, sha256, md5),
        "panns",
        AUDIOSET_LABELS,
        options,
    )


_ALL = (
    _efficientat(
        "mn04",
        "mn04_as_mAP_432.pt",
        "AudioSet's 527 sounds in a million parameters: the usual start for a few examples, and for training in noise",
        4066513,
        "899a8c6217063f6941793102a2780b3dd788ab11fce468d9cf5f0577c453321c",
    ),
    _efficientat("mn01", "mn01_as_mAP_298.pt", "the same network, a quarter as wide"),
    _efficientat("mn02", "mn02_as_mAP_378.pt", "the same network, half as wide"),
    _efficientat("mn05", "mn05_as_mAP_443.pt", "the same network, a little wider"),
    _efficientat("mn10", "mn10_as_mAP_471.pt", "the same network, two and a half times as wide, about 18 MB"),
    _efficientat("mn20", "mn20_as_mAP_478.pt", "the same network, five times as wide"),
    _efficientat("mn40", "mn40_as_mAP_484.pt", "the same network, ten times as wide"),
    _panns(
        "cnn14",
        "Cnn14_mAP=0.431.pth",
        "AudioSet's 527 sounds in 80 million parameters: an embedding that many have used",
        327428481,
        "0dc499e40e9761ef5ea061ffc77697697f277f6a960894903df3ada000e34b31",
        "541141fa2ee191a88f24a3219fff024e",
        head="linear",
    ),
    _panns(
        "cnn14-16k",
        "Cnn14_16k_mAP=0.438.pth",
        "the same network for recordings at 16 kHz",
        None,
        "e2ee543a27919542c2ea03eabaa70b24dcd4e6c8e05621de6b67a94e4c5058e6",
        "362fc5ff18f1d6ad2f6d464b45893f2c",
        head="linear",
    ),
    _panns(
        "decision-level-max",
        "Cnn14_DecisionLevelMax_mAP=0.385.pth",
        "a sound event detector: when each of AudioSet's sounds begins and ends",
        327428481,
        "dd3b4043a87d4ec13df8082c0fcfee3fb5084151808e47e060987a95eabdd142",
        "70539c43c18b6a289b3199c503a82c5a",
        head="max",
    ),
    _panns(
        "decision-level-att",
        "Cnn14_DecisionLevelAtt_mAP=0.425.pth",
        "a sound event detector with attention",
        None,
        "",
        "c8281ca2b9967244b91d557aa941e8ca",
        head="attention",
    ),
    PublishedModel(
        "uss-resunet30",
        "separates any sound by a query",
        "Apache-2.0",
        "Universal source separation, Kong et al., 2023",
        PublishedFile(
            "ss_model=resunet30,querynet=at_soft,data=full,devices=8,step=1000000.ckpt",
            "https://huggingface.co/RSNuts/Universal_Source_Separation/resolve/main/uss_material/"
            "ss_model%3Dresunet30%2Cquerynet%3Dat_soft%2Cdata%3Dfull%2Cdevices%3D8%2Cstep%3D1000000.ckpt",
            1121024828,
            "d8ef6b4fddd3c06f7b01693a503a3ca786290b24d48337e649e2163ba43f0ae5",
        ),
        "uss",
    ),
    PublishedModel(
        "cmgan",
        "reduces the noise in speech",
        "MIT",
        "CMGAN, Cao et al., 2022",
        PublishedFile(
            "ckpt",
            "https://raw.githubusercontent.com/ruizhecao96/CMGAN/39946005d9b66fa1e824edf4bb6bc9a06088e443/"
            "src/best_ckpt/ckpt",
            git_blob="cbafab9a5fe739f3662c65cfe7be009dc475e0d1",
        ),
        "cmgan",
    ),
    PublishedModel(
        "audiomae-vitb",
        "an encoder of spectrograms, for MAE-ResUNet and as an embedding",
        "CC BY-NC 4.0",
        "AudioMAE, Huang et al., 2022",
        PublishedFile(
            "pretrained.pth",
            page="https://drive.google.com/file/d/1ni_DV4dRf7GxM8k-Eirx71WP9Gg89wwu/view",
        ),
        "audiomae",
    ),
)

MODELS = {model.name: model for model in _ALL}
"""The published models by name."""
