"""Verbs that turn published checkpoints into model folders; no code of a checkpoint is run."""

from __future__ import annotations

from pathlib import Path

from auricle.errors import AuricleError


def convert_audiomae(checkpoint: str, output: str) -> int:
    """Turn a published checkpoint of AudioMAE's pre-training into a model folder; no code of it is run.

    Args:
        checkpoint: file with the state dict of encoder and decoder.
        output: folder for config.json and model.safetensors.
    """
    from auricle.systems.audiomae.published import from_published

    _check_new(output)
    model = from_published(checkpoint)
    model.save(output)
    print(f"the model, with {model.size.depth} blocks and a decoder of the kind {model.size.decoder!r}, is in {output}")
    return 0


def convert_cmgan(checkpoint: str, output: str) -> int:
    """Turn a published CMGAN checkpoint (PyTorch) into a model folder; no code of it is run.

    Args:
        checkpoint: file with the generator's state dict.
        output: folder for config.json and model.safetensors.
    """
    from auricle.systems.cmgan.published import from_published

    _check_new(output)
    from_published(checkpoint).save(output)
    print(f"the model is in {output}: auricle enhance {output} noisy.wav --output enhanced")
    return 0


def convert_panns(checkpoint: str, output: str, *, labels: str = "", head: str = "", window_s: float = 10.0) -> int:
    """Turn a published PANNs checkpoint (Cnn14, Cnn14_DecisionLevelMax or Cnn14_DecisionLevelAtt) into a model folder.

    No code of the checkpoint is run. auricle predict labels recordings with the folder; with a detector
    (DecisionLevel…) it tells when each sound begins and ends.

    Args:
        checkpoint: file with the state dict, as Cnn14_mAP=0.431.pth.
        output: folder for config.json and model.safetensors.
        labels: AudioSet's class_labels_indices.csv; without it labels are class-0, class-1, …
        head: linear, max or attention; by default what the checkpoint's entries tell, and between Cnn14 and
            DecisionLevelMax, whose entries are the same, its file name.
        window_s: seconds that are classified at once.
    """
    from auricle.systems.classifier.published import from_published

    _check_new(output)
    model = from_published(checkpoint, head=head, labels=labels or None, window_s=window_s)
    model.save(output)
    print(f"the model with the head {model.config['head']!r} is in {output}: auricle predict {output} recording.wav")
    return 0


def convert_uss(
    checkpoint: str, output: str, *, hop_length: int = 320, tagger: str = "", queries: str = "", segment_s: float = 2.0
) -> int:
    """Turn a published checkpoint of ResUNet30 with FiLM (query-based separation) into a model folder.

    No code of the checkpoint is run. Of a checkpoint of a whole training the separator's weights alone are kept.

    Args:
        checkpoint: file with the state dict.
        output: folder for config.json and model.safetensors.
        hop_length: samples from one spectrum to the next, which the checkpoint does not tell.
        tagger: folder of the classifier whose embeddings or probabilities the separator was trained with, as auricle
            convert panns wrote it; it is kept in the same folder.
        queries: manifest CSV or folder of class folders of clean clips; the average query of each class is kept.
        segment_s: seconds of each clip that are heard, the loudest.
    """
    from auricle.config import Data
    from auricle.data.reading import read_data
    from auricle.systems.classifier.system import Classifier
    from auricle.systems.separator.published import from_published
    from auricle.systems.system import load_as
    from auricle.tasks.separation.average import queries_of

    _check_new(output)
    if queries and not tagger:
        raise AuricleError("--queries needs the tagger that makes them: --tagger FOLDER")
    model = from_published(checkpoint, hop_length=hop_length)
    if tagger:
        model.set_tagger(load_as(Classifier, tagger))
    if queries:
        model.set_queries(queries_of(model, read_data(queries, Data(), progress=True), segment_s, progress=True))
    model.save(output)
    kept = f", of which those of {len(model.queries)} classes are kept" if queries else ""
    print(f"the model is in {output}; its queries have {model.size.query_size} entries{kept}")
    return 0


def _check_new(folder: str) -> None:
    if Path(folder).exists() and (not Path(folder).is_dir() or any(Path(folder).iterdir())):
        raise AuricleError(f"{folder} is there already: give a new folder")
