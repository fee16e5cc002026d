"""Options of the verbs that check and prepare recordings, convert published weights, list names and run the demo."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from auricle.config.options import Options


@dataclass(frozen=True, kw_only=True)
class Check(Options):
    """Report errors and anomalies in labelled recordings before training on them.

    Checks for damaged and unreadable files, duplicates, labels that look alike, a source or speaker in several splits,
    silence, channels that cancel, clipping, unusual sample rates and class counts. The exit code is 2 if there are
    errors, and 3 if files are damaged or not read but there is no error.

    Args:
        data: manifest CSV or folder of class folders.
        label_column: column of the manifest that holds the labels.
        group_column: column that names the groups; by default group, speaker, source or session.
        multi_label: clips may have any number of labels, none included, even if no clip has several.
        negative_label: label, or class folder, of clips that have none of the sounds; implies --multi-label.
        output: file for the report as JSON.
        quiet: show no progress.
    """

    data: str = field(kw_only=False)
    label_column: str = "label"
    group_column: str | None = None
    multi_label: bool = False
    negative_label: str | None = None
    output: str | None = None
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class BuildManifest(Options):
    """Write a manifest, with the official splits, for a corpus in its published layout.

    Args:
        corpus: a corpus (auricle list corpora).
        root: folder that the corpus was unpacked to.
        output: manifest to write, a CSV file.
        options: options of the corpus, as in --options.labels=pitch.
    """

    corpus: str = field(kw_only=False)
    root: str = field(kw_only=False)
    output: str
    options: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Corrupt(Options):
    """Apply the conditions of a suite (noise, reverberation, codecs, …) to recordings and write files and a manifest.

    After an interruption, the same command resumes; finished files are kept. The same suite, seed and material give
    the same samples.

    Args:
        data: folder of sound files, with or without class folders, or manifest CSV.
        suite: a suite (auricle list suites), or a suite.json written by this command, whose seed and material split are
            then used.
        output: folder for the files, manifest.csv and suite.json.
        seed: seed of all random choices.
        material: recordings to mix in: a folder with the sub-folders noise, music, speech, room, or kind=PATH, as in
            noise=esc-50/audio; kinds that are not given are synthetic.
        material_split: split of the material to use, test or train, which share no source; or all.
        rate: sample rate of the files in Hz; by default that of each recording.
        label_column: column of the manifest that holds the labels.
        skip_bad: leave out files that cannot be used instead of stopping.
        shard: i/n, to do the i-th of n shares of the clips, as in 1/4; all shards may write to one folder.
        engine: local (this machine), or ray (the workers of a Ray cluster, all of which see the same paths).
        workers: number of Ray's workers; by default one for each GPU or core of the cluster.
        quiet: show no progress.
    """

    data: str = field(kw_only=False)
    suite: str = "full"
    output: str
    seed: int = 0
    material: list[str] | None = None
    material_split: Literal["test", "train", "all"] = "test"
    rate: int | None = None
    label_column: str = "label"
    skip_bad: bool = False
    shard: str | None = None
    engine: Literal["local", "ray"] = "local"
    workers: int | None = None
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class ListNames(Options):
    """List the available front-ends, backbones, corpora, conditions, suites, enhancers or published models.

    Args:
        kind: what to list.
    """

    kind: Literal["frontends", "backbones", "corpora", "conditions", "suites", "enhancers", "models"] = field(
        kw_only=False
    )


@dataclass(frozen=True, kw_only=True)
class Doctor(Options):
    """Show versions, devices, extras and write access, and try sound files and a short training, for a bug report.

    Takes a few seconds. The exit code is 2 if something does not work.
    """


@dataclass(frozen=True, kw_only=True)
class Completion(Options):
    """Print a script that lets your shell complete verbs, options, choices and files.

    For bash: auricle completion bash > ~/.local/share/bash-completion/completions/auricle. For zsh: into a file
    _auricle in a folder of $fpath.

    Args:
        shell: the shell.
    """

    shell: Literal["bash", "zsh", "tcsh"] = field(kw_only=False)


@dataclass(frozen=True, kw_only=True)
class Demo(Options):
    """Train and evaluate three small classifiers on synthetic sounds, and show the results. Needs no download.

    Args:
        output: folder for data, runs, tables, plots and index.html.
        seed: seed of the data and the trainings.
        epochs: epochs of the trainings on clean clips; training with the recipe robust has half as many again.
        n_clips: number of clips, all classes together.
        quiet: show no progress.
    """

    output: str = "demo"
    seed: int = 0
    epochs: int = 16
    n_clips: int = 540
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class ConvertAudioMAE(Options):
    """Convert a published checkpoint of AudioMAE's pre-training to a model folder, without running code from it.

    Args:
        checkpoint: file with the state dict of encoder and decoder.
        output: folder for config.json and model.safetensors.
    """

    checkpoint: str = field(kw_only=False)
    output: str


@dataclass(frozen=True, kw_only=True)
class ConvertCMGAN(Options):
    """Convert a published CMGAN checkpoint (PyTorch) to a model folder, without running code from it.

    Args:
        checkpoint: file with the generator's state dict.
        output: folder for config.json and model.safetensors.
    """

    checkpoint: str = field(kw_only=False)
    output: str


@dataclass(frozen=True, kw_only=True)
class ConvertEfficientAT(Options):
    """Convert a published EfficientAT checkpoint (a MobileNet that knows AudioSet's sounds) to a model folder.

    No code from the checkpoint is run. auricle predict labels recordings with the folder, and --init-from starts a
    training from it.

    Args:
        checkpoint: file with the state dict, such as mn04_as_mAP_432.pt.
        output: folder for config.json and model.safetensors.
        labels: AudioSet's class_labels_indices.csv; without it labels are class-0, class-1, …
        window_s: length of a window in seconds.
        n_filters: number of mel bands, which the checkpoint does not contain: other than 128 in mn10_as_mels_40 and its
            like.
        hop_length: hop length in samples at 32 kHz, which the checkpoint does not contain: 160 for mn10_as_hop_5, 480
            for mn10_as_hop_15.
    """

    checkpoint: str = field(kw_only=False)
    output: str
    labels: str | None = None
    window_s: float = 10.0
    n_filters: int = 128
    hop_length: int = 320


@dataclass(frozen=True, kw_only=True)
class ConvertLEAFAPCEN(Options):
    """Convert a published LEAF-APCEN classifier (LEAF, SimpPCEN or adaptive PCEN, EfficientNet-B0) to a model folder.

    No code from the checkpoint is run. auricle predict labels recordings with the folder, and --init-from starts a
    training from it.

    Args:
        checkpoint: file with the state dict of front-end, encoder and head, such as epoch_129.pth.
        output: folder for config.json and model.safetensors.
        labels: labels in the order of the outputs, as text with one a line, or as JSON with a list or the number of
            each; without it labels are class-0, class-1, …
        window_s: length of a window in seconds.
        lead: zeros before each window, used for adaptive PCEN only: 149 in the training with ESC-50, CREMA-D and FMA, 0
            in that with VoxCeleb1.
    """

    checkpoint: str = field(kw_only=False)
    output: str
    labels: str | None = None
    window_s: float = 1.0
    lead: int = 149


@dataclass(frozen=True, kw_only=True)
class ConvertLeafPytorch(Options):
    """Convert a classifier of leaf-pytorch (LEAF with an EfficientNet or a ResNet) to a model folder.

    No code from the checkpoint is run. auricle predict labels recordings with the folder, and --init-from starts a
    training from it.

    Args:
        checkpoint: file that leaf-pytorch's training writes to the folder ckpts.
        output: folder for config.json and model.safetensors.
        cfg: the training's configuration, a .cfg of leaf-pytorch; without it that of the published checkpoints,
            16 kHz and one label a clip.
        labels: labels in the order of the outputs, as leaf-pytorch's lbl_map.json, or as text with one a line; without
            it labels are class-0, class-1, …
        window_s: length of a window in seconds; by default the val_clip_size of the cfg, else 1.
    """

    checkpoint: str = field(kw_only=False)
    output: str
    cfg: str | None = None
    labels: str | None = None
    window_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class ConvertPANNs(Options):
    """Convert a published PANNs checkpoint (Cnn14, Cnn14_DecisionLevelMax or Cnn14_DecisionLevelAtt) to a model folder.

    No code from the checkpoint is run. auricle predict labels recordings with the folder; with a detector
    (DecisionLevel…) it finds when each sound begins and ends.

    Args:
        checkpoint: file with the state dict, such as Cnn14_mAP=0.431.pth.
        output: folder for config.json and model.safetensors.
        labels: AudioSet's class_labels_indices.csv; without it labels are class-0, class-1, …
        head: by default inferred from the checkpoint's entries, and for Cnn14 and
            DecisionLevelMax, whose entries are the same, from its file name.
        window_s: length of a window in seconds.
    """

    checkpoint: str = field(kw_only=False)
    output: str
    labels: str | None = None
    head: Literal["linear", "max", "attention"] | None = None
    window_s: float = 10.0


@dataclass(frozen=True, kw_only=True)
class ConvertUSS(Options):
    """Convert a published checkpoint of ResUNet30 with FiLM (query-based separation) to a model folder.

    No code from the checkpoint is run. From a checkpoint of a whole training only the separator's weights are used.

    Args:
        checkpoint: file with the state dict.
        output: folder for config.json and model.safetensors.
        hop_length: hop length of the spectrum in samples, which the checkpoint does not contain.
        tagger: folder of the classifier whose embeddings or probabilities the separator was trained with, from auricle
            convert panns; it is saved in the same folder.
        queries: manifest CSV or folder of class folders of clean clips, from which the average query of each class is
            computed.
        segment_s: length in seconds of the segment used from each clip, the loudest.
    """

    model_options = ("tagger",)

    checkpoint: str = field(kw_only=False)
    output: str
    hop_length: int = 320
    tagger: str | None = None
    queries: str | None = None
    segment_s: float = 2.0


@dataclass(frozen=True, kw_only=True)
class Download(Options):
    """Fetch published models, and convert them without running code from them; they are then known by their names.

    Size and licence are printed first. An interrupted download continues where it stopped, and a file is used only if
    its checksum is that of the published one. Models are kept in $AURICLE_HOME, by default the user's folder for data;
    $AURICLE_MIRROR is a mirror that has the files under the same names, and with $AURICLE_OFFLINE=1 nothing is fetched.
    A model of the Hugging Face Hub is fetched anew if it has changed there.

    Args:
        names: published models (auricle list models), or hub:USER/NAME for repositories of the Hugging Face Hub.
        from_file: the checkpoint as a file of this computer (also --from), instead of its address.
        overwrite: fetch a model again even if it is already there.
    """

    names: list[str] = field(kw_only=False)
    from_file: str | None = None
    overwrite: bool = False
