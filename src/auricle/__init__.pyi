from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from auricle.backbones import create_backbone as create_backbone
from auricle.backbones import list_backbones as list_backbones
from auricle.backbones import register_backbone as register_backbone
from auricle.config.groups import (
    Augmentation,
    BalancedTraining,
    ClassifierOptimization,
    ClassifierTraining,
    EmotionLosses,
    EnhancerOptimization,
    Optimization,
    PretrainingSplitOptions,
    SplitOptions,
    Training,
)
from auricle.data.corpora.build import Summary
from auricle.data.findings import Report
from auricle.errors import AuricleError as AuricleError
from auricle.frontends import Frontend as Frontend
from auricle.frontends import create_frontend as create_frontend
from auricle.frontends import list_frontends as list_frontends
from auricle.frontends import register_frontend as register_frontend
from auricle.runs.evaluation import Evaluation
from auricle.runs.outcomes import Batch
from auricle.studies.corrupt import Corrupted
from auricle.studies.stress.stress import StressReport
from auricle.systems import load as load
from auricle.systems.streaming import Stream as Stream

__version__: str

def bench(
    runs: list[str] | None = None,
    *,
    frontends: list[str] | None = None,
    backbones: list[str] | None = None,
    lengths_s: list[float] = ...,
    repeats: int = 15,
    sample_rate: int = 16000,
    threads: int | None = None,
    device: str = "cpu",
    output: str | None = None,
    title: str = "What models cost",
    preface: str | None = None,
    quiet: bool = False,
) -> str: ...
def build_manifest(
    corpus: str,
    root: str,
    *,
    output: str,
    options: dict[str, Any] | None = None,
) -> Summary: ...
def check(
    data: str,
    *,
    label_column: str = "label",
    group_column: str | None = None,
    output: str | None = None,
    quiet: bool = False,
) -> Report: ...
def compare(
    runs: list[str] | None = None,
    *,
    label_column: str = "label",
    group_column: str | None = None,
    skip_bad: bool = False,
    output: str,
    baseline: str | None = None,
    title: str = "Results",
    preface: str | None = None,
    data: str | None = None,
    frontends: list[str] | None = None,
    vary: list[str] | None = None,
    train_condition: str = "clean",
    test_suite: list[str] | None = None,
    seeds: list[int] | None = None,
    folds: list[str] | None = None,
    budget: float | None = None,
    material: list[str] | None = None,
    backbone: str | None = None,
    backbone_options: dict[str, Any] | None = None,
    sample_rate: int | None = None,
    window_s: float | None = None,
    short: str | None = None,
    splits: SplitOptions | Mapping[str, Any] = ...,
    training: ClassifierTraining | Mapping[str, Any] = ...,
    optimization: ClassifierOptimization | Mapping[str, Any] = ...,
    augmentation: Augmentation | Mapping[str, Any] = ...,
    quiet: bool = False,
) -> Path: ...
def convert_audiomae(
    checkpoint: str,
    output: str,
) -> str: ...
def convert_cmgan(
    checkpoint: str,
    output: str,
) -> str: ...
def convert_panns(
    checkpoint: str,
    output: str,
    *,
    labels: str | None = None,
    head: str | None = None,
    window_s: float = 10.0,
) -> str: ...
def convert_uss(
    checkpoint: str,
    output: str,
    *,
    hop_length: int = 320,
    tagger: str | None = None,
    queries: str | None = None,
    segment_s: float = 2.0,
) -> str: ...
def corrupt(
    suite: str,
    data: str,
    output: str,
    *,
    seed: int = 0,
    material: list[str] | None = None,
    material_split: Literal["test", "train", "all"] = "test",
    rate: int | None = None,
    label_column: str = "label",
    skip_bad: bool = False,
    shard: str | None = None,
    quiet: bool = False,
) -> Corrupted: ...
def demo(
    *,
    output: str = "demo",
    seed: int = 0,
    epochs: int = 16,
    n_clips: int = 540,
    quiet: bool = False,
) -> Path: ...
def enhance(
    run: str,
    files: list[str],
    *,
    output: str,
    device: str = "auto",
    shard: str | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> Batch[None]: ...
def evaluate(
    run: str,
    *,
    label_column: str = "label",
    group_column: str | None = None,
    skip_bad: bool = False,
    data: str,
    split: str | None = None,
    fold: str | None = None,
    task: str | None = None,
    noise: list[str] | None = None,
    snr: list[float] | None = None,
    continuous: bool = False,
    by_group: bool = False,
    mixtures: int | None = None,
    detector: str | None = None,
    seed: int = 0,
    device: str = "auto",
    output: str | None = None,
    quiet: bool = False,
) -> Evaluation: ...
def export(
    run: str,
    *,
    label_column: str = "label",
    group_column: str | None = None,
    skip_bad: bool = False,
    output: str,
    format: Literal["onnx", "torch"] | None = None,
    component: Literal["classifier", "frontend"] | None = None,
    int8: str | None = None,
    data: str | None = None,
    quiet: bool = False,
) -> str: ...
def inspect(
    runs: list[str],
    *,
    files: list[str] | None = None,
    output: str = "inspect",
) -> Path: ...
def list_names(
    what: str,
) -> str: ...
def listen(
    run: str,
    *,
    input_rate: int | None = None,
    sample_format: Literal["s16le", "s32le", "f32le"] = "s16le",
    channels: int = 1,
    hop_s: float | None = None,
    top_k: int | None = None,
    threshold: float | None = None,
    microphone: bool = False,
    output: str | None = None,
) -> None: ...
def predict(
    run: str,
    files: list[str],
    *,
    output: str = "predictions",
    format: Literal["csv", "audacity", "raven"] = "csv",
    hop_s: float | None = None,
    top_k: int | None = None,
    threshold: float | None = None,
    device: str = "auto",
    shard: str | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> Batch[tuple[str, float]]: ...
def separate(
    run: str,
    files: list[str],
    *,
    output: str,
    query: list[str] | None = None,
    reference: list[str] | None = None,
    all: bool = False,
    threshold: float = 0.2,
    device: str = "auto",
    shard: str | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> Batch[list[str]]: ...
def stress(
    runs: list[str],
    *,
    label_column: str = "label",
    group_column: str | None = None,
    skip_bad: bool = False,
    data: str,
    suite: str = "full",
    baseline: str | None = None,
    split: str | None = None,
    fold: str | None = None,
    material: list[str] | None = None,
    material_split: Literal["test", "train", "all"] = "test",
    seed: int = 0,
    output: str | None = None,
    device: str = "auto",
    quiet: bool = False,
) -> StressReport: ...
def train_audiomae(
    *,
    output: str,
    training: Training | Mapping[str, Any] = ...,
    seed: int = 0,
    overwrite: bool = False,
    quiet: bool = False,
    data: list[str],
    preset: str = "audiomae",
    size: dict[str, Any] | None = None,
    mask_ratio: float = 0.8,
    skip_bad: bool = False,
    splits: PretrainingSplitOptions | Mapping[str, Any] = ...,
    optimization: Optimization | Mapping[str, Any] = ...,
) -> Path: ...
def train_classifier(
    *,
    label_column: str = "label",
    group_column: str | None = None,
    skip_bad: bool = False,
    output: str,
    training: ClassifierTraining | Mapping[str, Any] = ...,
    seed: int = 0,
    overwrite: bool = False,
    quiet: bool = False,
    data: list[str],
    frontend: str | None = None,
    frontend_options: dict[str, Any] | None = None,
    backbone: str | None = None,
    backbone_options: dict[str, Any] | None = None,
    head: str | None = None,
    sample_rate: int | None = None,
    window_s: float | None = None,
    short: str | None = None,
    init_from: str | None = None,
    freeze: list[str] = ...,
    splits: SplitOptions | Mapping[str, Any] = ...,
    optimization: ClassifierOptimization | Mapping[str, Any] = ...,
    augmentation: Augmentation | Mapping[str, Any] = ...,
) -> Path: ...
def train_enhancer(
    *,
    output: str,
    training: Training | Mapping[str, Any] = ...,
    seed: int = 0,
    overwrite: bool = False,
    quiet: bool = False,
    speech: str,
    noise: list[str] | None = None,
    preset: str | None = None,
    size: dict[str, Any] | None = None,
    losses: dict[str, Any] | None = None,
    snr: list[float] = ...,
    crop_s: float = 2.0,
    group_column: str | None = None,
    skip_bad: bool = False,
    init_from: str | None = None,
    splits: SplitOptions | Mapping[str, Any] = ...,
    optimization: EnhancerOptimization | Mapping[str, Any] = ...,
) -> Path: ...
def train_separator(
    *,
    label_column: str = "label",
    group_column: str | None = None,
    skip_bad: bool = False,
    output: str,
    training: BalancedTraining | Mapping[str, Any] = ...,
    seed: int = 0,
    overwrite: bool = False,
    quiet: bool = False,
    data: str,
    tagger: str | None = None,
    query: Literal["embedding", "probabilities"] = "embedding",
    audiomae: str | None = None,
    encoder: Literal["frozen", "updated"] = "frozen",
    fusion: Literal["time_aligned", "repeat"] = "time_aligned",
    detector: str | None = None,
    preset: str | None = None,
    size: dict[str, Any] | None = None,
    init_from: str | None = None,
    sample_rate: int | None = None,
    segment_s: float = 2.0,
    crop_s: float | None = None,
    normalization: Literal["joint", "separate"] = "joint",
    splits: SplitOptions | Mapping[str, Any] = ...,
    optimization: Optimization | Mapping[str, Any] = ...,
    encoder_learning_rate: float = 0.0001,
) -> Path: ...
def train_trnet(
    *,
    label_column: str = "label",
    group_column: str | None = None,
    skip_bad: bool = False,
    output: str,
    training: Training | Mapping[str, Any] = ...,
    seed: int = 0,
    overwrite: bool = False,
    quiet: bool = False,
    data: str,
    noise: list[str],
    unmatched_noise: list[str] | None = None,
    enhancer: str = "spectral-gating",
    kind: str = "trnet",
    variant: str = "paper",
    size: dict[str, Any] | None = None,
    window_s: float = 5.0,
    snr: list[float] = ...,
    pairs: list[str] | None = None,
    speakers: list[str] | None = None,
    teacher: str | None = None,
    cache: str | None = None,
    losses: EmotionLosses | Mapping[str, Any] = ...,
    optimization: Optimization | Mapping[str, Any] = ...,
) -> Path: ...
