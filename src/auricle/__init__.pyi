from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Literal, TypeAlias
from auricle.commands.names import Names
from auricle.config.groups import Augmentation
from auricle.config.groups import BalancedTraining
from auricle.config.groups import ClassifierOptimization
from auricle.config.groups import ClassifierTraining
from auricle.config.groups import ConditionOptions
from auricle.config.groups import EmotionLosses
from auricle.config.groups import EnhancerOptimization
from auricle.config.groups import Optimization
from auricle.config.groups import PretrainingSplitOptions
from auricle.config.groups import SplitOptions
from auricle.config.groups import Training
from auricle.config.training import TaughtSplitOptions
from auricle.data.corpora.build import Summary
from auricle.data.findings import Report
from auricle.runs.evaluation import Evaluation
from auricle.runs.outcomes import Batch
from auricle.studies.corrupt import Corrupted
from auricle.studies.costs import CostReport
from auricle.studies.doctor import Diagnosis
from auricle.studies.stress.stress import StressReport
from auricle.tasks.classification.calibrate import Calibrated
from auricle.tasks.embedding.search import Matches
from collections.abc import Callable
from pathlib import Path
from auricle.errors import AuricleError as AuricleError
from auricle.errors import AuricleWarning as AuricleWarning
from auricle.frontends import Frontend as Frontend
from auricle.data.sound import Sound as Sound
from auricle.systems.streaming import Stream as Stream
from auricle.backbones import create_backbone as create_backbone
from auricle.frontends import create_frontend as create_frontend
from auricle.backbones import list_backbones as list_backbones
from auricle.frontends import list_frontends as list_frontends
from auricle.systems import load as load
from auricle.backbones import register_backbone as register_backbone
from auricle.frontends import register_frontend as register_frontend

StrPath: TypeAlias = str | PathLike[str]
__version__: str

def bench(
    runs: StrPath | Sequence[StrPath] | None = None,
    *,
    frontends: StrPath | Sequence[StrPath] | None = None,
    backbones: StrPath | Sequence[StrPath] | None = None,
    lengths_s: float | Sequence[float] = ...,
    repeats: int = 15,
    sample_rate: int = 16000,
    threads: int | None = None,
    device: StrPath = 'cpu',
    output: StrPath | None = None,
    title: StrPath = 'What models cost',
    preface: StrPath | None = None,
    quiet: bool = False,
) -> CostReport: ...

def build_manifest(
    corpus: StrPath,
    root: StrPath,
    *,
    output: StrPath,
    options: dict[str, Any] | None = None,
) -> Summary: ...

def calibrate(
    run: StrPath,
    *,
    label_column: StrPath = 'label',
    group_column: StrPath | None = None,
    multi_label: bool = False,
    negative_label: StrPath | None = None,
    skip_bad: bool = False,
    data: StrPath,
    split: StrPath | None = None,
    fold: StrPath | None = None,
    task: StrPath | None = None,
    precision: float | None = None,
    kept: float = 0.95,
    device: StrPath = 'auto',
    quiet: bool = False,
) -> Calibrated: ...

def check(
    data: StrPath,
    *,
    label_column: StrPath = 'label',
    group_column: StrPath | None = None,
    multi_label: bool = False,
    negative_label: StrPath | None = None,
    output: StrPath | None = None,
    quiet: bool = False,
) -> Report: ...

def compare(
    runs: StrPath | Sequence[StrPath] | None = None,
    *,
    label_column: StrPath = 'label',
    group_column: StrPath | None = None,
    multi_label: bool = False,
    negative_label: StrPath | None = None,
    skip_bad: bool = False,
    output: StrPath,
    baseline: StrPath | None = None,
    title: StrPath = 'Results',
    preface: StrPath | None = None,
    data: StrPath | None = None,
    frontends: StrPath | Sequence[StrPath] | None = None,
    vary: StrPath | Sequence[StrPath] | None = None,
    train_condition: StrPath = 'clean',
    test_suite: StrPath | Sequence[StrPath] | None = None,
    seeds: int | Sequence[int] | None = None,
    folds: StrPath | Sequence[StrPath] | None = None,
    budget: float | None = None,
    material: StrPath | Sequence[StrPath] | None = None,
    backbone: StrPath | None = None,
    backbone_options: dict[str, Any] | None = None,
    sample_rate: int | None = None,
    window_s: float | None = None,
    short: Literal['pad', 'repeat'] | None = None,
    splits: SplitOptions | Mapping[str, Any] = ...,
    training: ClassifierTraining | Mapping[str, Any] = ...,
    optimization: ClassifierOptimization | Mapping[str, Any] = ...,
    augmentation: Augmentation | Mapping[str, Any] = ...,
    quiet: bool = False,
) -> Path: ...

def completion(
    shell: Literal['bash', 'zsh', 'tcsh'],
) -> str: ...

def convert_audiomae(
    checkpoint: StrPath,
    *,
    output: StrPath,
) -> str: ...

def convert_cmgan(
    checkpoint: StrPath,
    *,
    output: StrPath,
) -> str: ...

def convert_efficientat(
    checkpoint: StrPath,
    *,
    output: StrPath,
    labels: StrPath | None = None,
    window_s: float = 10.0,
    n_filters: int = 128,
    hop_length: int = 320,
) -> str: ...

def convert_leaf_apcen(
    checkpoint: StrPath,
    *,
    output: StrPath,
    labels: StrPath | None = None,
    window_s: float = 1.0,
    lead: int = 149,
) -> str: ...

def convert_leaf_pytorch(
    checkpoint: StrPath,
    *,
    output: StrPath,
    cfg: StrPath | None = None,
    labels: StrPath | None = None,
    window_s: float | None = None,
) -> str: ...

def convert_panns(
    checkpoint: StrPath,
    *,
    output: StrPath,
    labels: StrPath | None = None,
    head: Literal['linear', 'max', 'attention'] | None = None,
    window_s: float = 10.0,
) -> str: ...

def convert_uss(
    checkpoint: StrPath,
    *,
    output: StrPath,
    hop_length: int = 320,
    tagger: StrPath | None = None,
    queries: StrPath | None = None,
    segment_s: float = 2.0,
) -> str: ...

def corrupt(
    data: StrPath,
    *,
    suite: StrPath = 'full',
    output: StrPath,
    seed: int = 0,
    material: StrPath | Sequence[StrPath] | None = None,
    material_split: Literal['test', 'train', 'all'] = 'test',
    rate: int | None = None,
    label_column: StrPath = 'label',
    skip_bad: bool = False,
    shard: StrPath | None = None,
    engine: Literal['local', 'ray'] = 'local',
    workers: int | None = None,
    quiet: bool = False,
) -> Corrupted: ...

def demo(
    *,
    output: StrPath = 'demo',
    seed: int = 0,
    epochs: int = 16,
    n_clips: int = 540,
    quiet: bool = False,
) -> Path: ...

def doctor(
) -> Diagnosis: ...

def download(
    names: StrPath | Sequence[StrPath],
    *,
    from_file: StrPath | None = None,
    overwrite: bool = False,
) -> str: ...

def embed(
    run: StrPath,
    files: StrPath | Sequence[StrPath],
    *,
    download: bool = False,
    device: StrPath = 'auto',
    shard: StrPath | None = None,
    engine: Literal['local', 'ray'] = 'local',
    workers: int | None = None,
    overwrite: bool = False,
    quiet: bool = False,
    output: StrPath = 'embeddings.parquet',
    window_s: float | None = None,
    hop_s: float | None = None,
    frontend_options: dict[str, Any] | None = None,
) -> Batch[int]: ...

def enhance(
    run: StrPath,
    files: StrPath | Sequence[StrPath],
    *,
    download: bool = False,
    device: StrPath = 'auto',
    shard: StrPath | None = None,
    engine: Literal['local', 'ray'] = 'local',
    workers: int | None = None,
    overwrite: bool = False,
    quiet: bool = False,
    output: StrPath,
) -> Batch[None]: ...

def evaluate(
    run: StrPath,
    *,
    label_column: StrPath = 'label',
    group_column: StrPath | None = None,
    multi_label: bool = False,
    negative_label: StrPath | None = None,
    skip_bad: bool = False,
    data: StrPath,
    split: StrPath | None = None,
    fold: StrPath | None = None,
    task: StrPath | None = None,
    noise: StrPath | Sequence[StrPath] | None = None,
    snr: float | Sequence[float] | None = None,
    continuous: bool = False,
    by_group: bool = False,
    background: StrPath | None = None,
    threshold: float | None = None,
    raw: bool = False,
    mixtures: int | None = None,
    detector: StrPath | None = None,
    seed: int = 0,
    device: StrPath = 'auto',
    output: StrPath | None = None,
    quiet: bool = False,
) -> Evaluation: ...

def export(
    run: StrPath,
    *,
    label_column: StrPath = 'label',
    group_column: StrPath | None = None,
    multi_label: bool = False,
    negative_label: StrPath | None = None,
    skip_bad: bool = False,
    download: bool = False,
    output: StrPath,
    format: Literal['onnx', 'torch'] | None = None,
    component: Literal['classifier', 'frontend'] | None = None,
    int8: StrPath | None = None,
    data: StrPath | None = None,
    quiet: bool = False,
) -> str: ...

def inspect(
    runs: StrPath | Sequence[StrPath],
    *,
    files: StrPath | Sequence[StrPath] | None = None,
    output: StrPath = 'inspect',
) -> Path: ...

def list_names(
    kind: Literal['frontends', 'backbones', 'corpora', 'conditions', 'suites', 'enhancers', 'models'],
) -> Names: ...

def listen(
    run: StrPath,
    *,
    download: bool = False,
    input_rate: int | None = None,
    sample_format: Literal['s16le', 's32le', 'f32le'] = 's16le',
    channels: int = 1,
    hop_s: float | None = None,
    top_k: int | None = None,
    threshold: float | None = None,
    microphone: bool = False,
    output: StrPath | None = None,
) -> None: ...

def predict(
    run: StrPath,
    files: StrPath | Sequence[StrPath],
    *,
    download: bool = False,
    device: StrPath = 'auto',
    shard: StrPath | None = None,
    engine: Literal['local', 'ray'] = 'local',
    workers: int | None = None,
    overwrite: bool = False,
    quiet: bool = False,
    output: StrPath = 'predictions',
    format: Literal['csv', 'jsonl', 'parquet', 'audacity', 'raven'] = 'csv',
    hop_s: float | None = None,
    top_k: int | None = None,
    threshold: float | None = None,
    raw: bool = False,
    unknown: bool = False,
    events: bool = False,
    event_low: float | None = None,
    event_gap_s: float | None = None,
    event_min_s: float | None = None,
) -> Batch[tuple[str, float]]: ...

def push(
    run: StrPath,
    *,
    output: StrPath,
    repository: StrPath | None = None,
    private: bool = False,
    licence: StrPath | None = None,
) -> str: ...

def review(
    predictions: StrPath,
    *,
    output: StrPath = 'review.html',
    per_class: int = 10,
    task: StrPath | None = None,
    quiet: bool = False,
) -> Path: ...

def search(
    embeddings: StrPath,
    *,
    like: StrPath | Sequence[StrPath],
    top: int = 20,
    per_file: bool = False,
    run: StrPath | None = None,
    output: StrPath | None = None,
    device: StrPath = 'auto',
) -> Matches: ...

def separate(
    run: StrPath,
    files: StrPath | Sequence[StrPath],
    *,
    download: bool = False,
    device: StrPath = 'auto',
    shard: StrPath | None = None,
    engine: Literal['local', 'ray'] = 'local',
    workers: int | None = None,
    overwrite: bool = False,
    quiet: bool = False,
    output: StrPath,
    query: StrPath | Sequence[StrPath] | None = None,
    reference: StrPath | Sequence[StrPath] | None = None,
    all: bool = False,
    threshold: float = 0.2,
) -> Batch[list[str]]: ...

def stress(
    runs: StrPath | Callable[..., Any] | Sequence[StrPath | Callable[..., Any]],
    *,
    label_column: StrPath = 'label',
    group_column: StrPath | None = None,
    multi_label: bool = False,
    negative_label: StrPath | None = None,
    skip_bad: bool = False,
    data: StrPath,
    suite: StrPath = 'full',
    baseline: StrPath | None = None,
    split: StrPath | None = None,
    fold: StrPath | None = None,
    material: StrPath | Sequence[StrPath] | None = None,
    material_split: Literal['test', 'train', 'all'] = 'test',
    background: StrPath | None = None,
    threshold: float | None = None,
    seed: int = 0,
    output: StrPath | None = None,
    device: StrPath = 'auto',
    quiet: bool = False,
) -> StressReport: ...

def studio(
    models: StrPath | None = None,
    *,
    port: int | None = None,
    no_browser: bool = False,
    reports: StrPath | Sequence[StrPath] | None = None,
    material: StrPath | Sequence[StrPath] | None = None,
    device: StrPath = 'auto',
) -> None: ...

def teach(
    *,
    label_column: StrPath = 'label',
    group_column: StrPath | None = None,
    multi_label: bool = False,
    negative_label: StrPath | None = None,
    skip_bad: bool = False,
    download: bool = False,
    output: StrPath,
    seed: int = 0,
    overwrite: bool = False,
    quiet: bool = False,
    model: StrPath,
    data: StrPath,
    recipe: Literal['robust'] | None = None,
    window_s: float | None = None,
    min_level_db: float | None = None,
    reviewed: StrPath | None = None,
    device: StrPath = 'cpu',
    splits: TaughtSplitOptions | Mapping[str, Any] = ...,
    augmentation: ConditionOptions | Mapping[str, Any] = ...,
) -> Path: ...

def train_audiomae(
    *,
    output: StrPath,
    seed: int = 0,
    overwrite: bool = False,
    quiet: bool = False,
    training: Training | Mapping[str, Any] = ...,
    data: StrPath | Sequence[StrPath],
    preset: Literal['audiomae', 'audiomae-paper', 'audiomae-small'] = 'audiomae',
    size: dict[str, Any] | None = None,
    mask_ratio: float = 0.8,
    skip_bad: bool = False,
    splits: PretrainingSplitOptions | Mapping[str, Any] = ...,
    optimization: Optimization | Mapping[str, Any] = ...,
) -> Path: ...

def train_classifier(
    *,
    label_column: StrPath = 'label',
    group_column: StrPath | None = None,
    multi_label: bool = False,
    negative_label: StrPath | None = None,
    skip_bad: bool = False,
    download: bool = False,
    output: StrPath,
    seed: int = 0,
    overwrite: bool = False,
    quiet: bool = False,
    training: ClassifierTraining | Mapping[str, Any] = ...,
    data: StrPath | Sequence[StrPath],
    recipe: Literal['robust'] | None = None,
    frontend: StrPath | None = None,
    frontend_options: dict[str, Any] | None = None,
    backbone: StrPath | None = None,
    backbone_options: dict[str, Any] | None = None,
    head: Literal['linear', 'mlp', 'max', 'attention'] | None = None,
    sample_rate: int | None = None,
    window_s: float | None = None,
    short: Literal['pad', 'repeat'] | None = None,
    min_level_db: float | None = None,
    init_from: StrPath | None = None,
    distill: bool = False,
    freeze: StrPath | Sequence[StrPath] = ...,
    splits: SplitOptions | Mapping[str, Any] = ...,
    optimization: ClassifierOptimization | Mapping[str, Any] = ...,
    augmentation: Augmentation | Mapping[str, Any] = ...,
) -> Path: ...

def train_enhancer(
    *,
    download: bool = False,
    output: StrPath,
    seed: int = 0,
    overwrite: bool = False,
    quiet: bool = False,
    training: Training | Mapping[str, Any] = ...,
    speech: StrPath,
    noise: StrPath | Sequence[StrPath] | None = None,
    preset: Literal['cmgan', 'cmgan-small'] | None = None,
    size: dict[str, Any] | None = None,
    losses: dict[str, Any] | None = None,
    snr: float | Sequence[float] = ...,
    crop_s: float = 2.0,
    group_column: StrPath | None = None,
    skip_bad: bool = False,
    init_from: StrPath | None = None,
    splits: SplitOptions | Mapping[str, Any] = ...,
    optimization: EnhancerOptimization | Mapping[str, Any] = ...,
) -> Path: ...

def train_separator(
    *,
    label_column: StrPath = 'label',
    group_column: StrPath | None = None,
    multi_label: bool = False,
    negative_label: StrPath | None = None,
    skip_bad: bool = False,
    download: bool = False,
    output: StrPath,
    seed: int = 0,
    overwrite: bool = False,
    quiet: bool = False,
    training: BalancedTraining | Mapping[str, Any] = ...,
    data: StrPath,
    tagger: StrPath | None = None,
    query: Literal['embedding', 'probabilities'] = 'embedding',
    audiomae: StrPath | None = None,
    encoder: Literal['frozen', 'updated'] = 'frozen',
    layer_norm: bool = False,
    fusion: Literal['time_aligned', 'repeat'] = 'time_aligned',
    raw_queries: bool = False,
    detector: StrPath | None = None,
    preset: Literal['resunet30', 'resunet30-small'] | None = None,
    size: dict[str, Any] | None = None,
    init_from: StrPath | None = None,
    sample_rate: int | None = None,
    segment_s: float = 2.0,
    crop_s: float | None = None,
    normalization: Literal['joint', 'separate'] = 'joint',
    speed_perturbation: float = 1.0,
    loss: Literal['l1', 'sdr'] = 'l1',
    splits: SplitOptions | Mapping[str, Any] = ...,
    optimization: Optimization | Mapping[str, Any] = ...,
    encoder_learning_rate: float = 0.0001,
) -> Path: ...

def train_trnet(
    *,
    label_column: StrPath = 'label',
    group_column: StrPath | None = None,
    multi_label: bool = False,
    negative_label: StrPath | None = None,
    skip_bad: bool = False,
    output: StrPath,
    seed: int = 0,
    overwrite: bool = False,
    quiet: bool = False,
    training: Training | Mapping[str, Any] = ...,
    data: StrPath,
    noise: StrPath | Sequence[StrPath],
    unmatched_noise: StrPath | Sequence[StrPath] | None = None,
    enhancer: StrPath = 'spectral-gating',
    kind: Literal['trnet', 'baseline-c', 'baseline-n', 'baseline-e', 'no-low', 'no-high'] = 'trnet',
    variant: Literal['paper', 'published'] = 'paper',
    size: dict[str, Any] | None = None,
    cosines: Literal['raw', 'standardised'] | None = None,
    clamp: Literal['two-way', 'plain'] | None = None,
    dither: float | None = None,
    window_s: float = 5.0,
    snr: float | Sequence[float] = ...,
    every_level: bool = False,
    pairs: StrPath | Sequence[StrPath] | None = None,
    speakers: StrPath | Sequence[StrPath] | None = None,
    teacher: StrPath | None = None,
    cache: StrPath | None = None,
    losses: EmotionLosses | Mapping[str, Any] = ...,
    optimization: Optimization | Mapping[str, Any] = ...,
) -> Path: ...
