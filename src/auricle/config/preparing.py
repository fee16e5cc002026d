"""The options of the verbs that look at recordings, prepare them, convert published weights, list and demonstrate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from auricle.config.options import Options


@dataclass(frozen=True, kw_only=True)
class Check(Options):
    """Report what is wrong or odd in labelled recordings, before anybody trains on them.

    Duplicates, a source or speaker in several splits, silence, clipping, odd rates, class counts. The exit code is 2
    where files cannot be used.

    Args:
        data: manifest CSV or folder of class folders.
        label_column: column of the manifest that holds the labels.
        group_column: column that names the groups; by default group, speaker, source or session.
        output: file for the report as JSON.
        quiet: show no progress.
    """

    data: str = field(kw_only=False)
    label_column: str = "label"
    group_column: str | None = None
    output: str | None = None
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class BuildManifest(Options):
    """Turn the published layout of a corpus into a manifest with its official splits.

    Args:
        corpus: a corpus (auricle list corpora).
        root: folder that the corpus was unpacked to.
        output: the manifest to write, a CSV file.
        options: the adapter's options, as --options.labels=pitch.
    """

    corpus: str = field(kw_only=False)
    root: str = field(kw_only=False)
    output: str
    options: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Corrupt(Options):
    """Write recordings under the conditions of a suite: noise, reverberation, codecs, … as files with a manifest.

    Given again after an interruption, files that are there are left out. The same suite, seed and material give the
    same samples.

    Args:
        suite: a suite (auricle list suites), or the suite.json that this command wrote, whose seed and material split
            hold.
        data: folder of sound files, with class folders or without, or manifest CSV.
        output: folder for the files, manifest.csv and suite.json.
        seed: of everything random.
        material: what is mixed in: a folder with the sub-folders noise, music, speech, room, or kind=PATH, as
            noise=esc-50/audio; kinds that are not given are synthetic.
        material_split: the split of the material that is used, test or train, which share no source; or all.
        rate: sample rate of the files in Hz; by default each recording's own.
        label_column: column of the manifest that holds the labels.
        skip_bad: leave out files that cannot be used instead of stopping.
        quiet: show no progress.
    """

    suite: str = field(kw_only=False)
    data: str = field(kw_only=False)
    output: str = field(kw_only=False)
    seed: int = 0
    material: list[str] | None = None
    material_split: Literal["test", "train", "all"] = "test"
    rate: int | None = None
    label_column: str = "label"
    skip_bad: bool = False
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class ListNames(Options):
    """List what there is by name: front-ends, backbones, corpora, conditions, suites, enhancers.

    Args:
        what: frontends, backbones, corpora, conditions, suites or enhancers.
    """

    what: str = field(kw_only=False)


@dataclass(frozen=True, kw_only=True)
class Demo(Options):
    """Train and measure two small classifiers on synthetic sounds, and show the results. Needs no download.

    Args:
        output: folder for data, runs, tables, plots and index.html.
        seed: of the data and the training.
        epochs: of both trainings.
        n_clips: of all classes together.
        quiet: show no progress.
    """

    output: str = "demo"
    seed: int = 0
    epochs: int = 16
    n_clips: int = 540
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class ConvertAudioMAE(Options):
    """Turn a published checkpoint of AudioMAE's pre-training into a model folder; no code of it is run.

    Args:
        checkpoint: file with the state dict of encoder and decoder.
        output: folder for config.json and model.safetensors.
    """

    checkpoint: str = field(kw_only=False)
    output: str = field(kw_only=False)


@dataclass(frozen=True, kw_only=True)
class ConvertCMGAN(Options):
    """Turn a published CMGAN checkpoint (PyTorch) into a model folder; no code of it is run.

    Args:
        checkpoint: file with the generator's state dict.
        output: folder for config.json and model.safetensors.
    """

    checkpoint: str = field(kw_only=False)
    output: str = field(kw_only=False)


@dataclass(frozen=True, kw_only=True)
class ConvertPANNs(Options):
    """Turn a published PANNs checkpoint (Cnn14, Cnn14_DecisionLevelMax or Cnn14_DecisionLevelAtt) into a model folder.

    No code of the checkpoint is run. auricle predict labels recordings with the folder; with a detector
    (DecisionLevel…) it finds when each sound begins and ends.

    Args:
        checkpoint: file with the state dict, as Cnn14_mAP=0.431.pth.
        output: folder for config.json and model.safetensors.
        labels: AudioSet's class_labels_indices.csv; without it labels are class-0, class-1, …
        head: linear, max or attention; by default what the checkpoint's entries tell, and between Cnn14 and
            DecisionLevelMax, whose entries are the same, its file name.
        window_s: seconds that are classified at once.
    """

    checkpoint: str = field(kw_only=False)
    output: str = field(kw_only=False)
    labels: str | None = None
    head: str | None = None
    window_s: float = 10.0


@dataclass(frozen=True, kw_only=True)
class ConvertUSS(Options):
    """Turn a published checkpoint of ResUNet30 with FiLM (query-based separation) into a model folder.

    No code of the checkpoint is run. Of a checkpoint of a whole training the separator's weights alone are kept.

    Args:
        checkpoint: file with the state dict.
        output: folder for config.json and model.safetensors.
        hop_length: samples from one spectrum to the next, which the checkpoint does not tell.
        tagger: folder of the classifier whose embeddings or probabilities the separator was trained with, as auricle
            convert panns wrote it; it is kept in the same folder.
        queries: manifest CSV or folder of class folders of clean clips; the average query of each class is kept.
        segment_s: seconds of each clip that are used, the loudest.
    """

    checkpoint: str = field(kw_only=False)
    output: str = field(kw_only=False)
    hop_length: int = 320
    tagger: str | None = None
    queries: str | None = None
    segment_s: float = 2.0
