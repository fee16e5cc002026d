"""The classifier as a system: a front-end, a backbone, and a head with the labels of all tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auricle import audio
from auricle.backbones import create_backbone
from auricle.config import Augmentation, ClassifierOptimization
from auricle.data.tasks import Task, columns
from auricle.data.windows import MAX_WINDOW, SHORT, whole_windows, windows_at_once
from auricle.errors import AuricleError
from auricle.frontends import create_frontend
from auricle.layers import as_array, freeze
from auricle.registry import unknown_name
from auricle.systems.classifier.augmentation import mixup, noise_in_range, spec_augment
from auricle.systems.classifier.distillation import Teacher
from auricle.systems.classifier.heads import AnswersHead, SegmentHead, create_head, decide, detect
from auricle.systems.classifier.level import Amplifier
from auricle.systems.optimizers import adam
from auricle.systems.system import SYSTEMS, System, evaluating

ENERGY_CACHE_BYTES = 2**29
"""Upper limit of the front-end energies of validation clips that training keeps in memory."""


@SYSTEMS.register("classifier")
class Classifier(System):
    """Classifies clips, for one or several tasks.

    `config` holds `sample_rate` (Hz), `window_s` (length of a window in seconds), `short` (how clips shorter than a
    window are lengthened, "pad" or "repeat"), `frontend` and `backbone` (each a `name` and its options), `head`
    ("linear", or for a detector, which classifies segments of time, "max" or "attention"), `n_answers` (how many labels
    of a pretrained head a linear head hears the logits of, by default 0), `tasks`, `frozen` (names of parts that are
    not trained), `augmentation`, `met_before` (names of the corruptions under which the model was trained that it
    started from), `optimization` and `seed`.

    A task with one label per clip is trained with cross-entropy, a task with several labels per clip with binary
    cross-entropy. With several tasks, each clip of a batch contributes the loss of its own task (equation 7 of the LEAF
    paper).
    """

    name: ClassVar[str] = "classifier"

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.sample_rate = int(config["sample_rate"])
        self.window = round(config["window_s"] * self.sample_rate)
        self.short = config.get("short", "pad")
        if self.short not in SHORT:
            raise AuricleError(unknown_name("way to lengthen short clips", self.short, SHORT))
        if self.sample_rate < 1:
            raise AuricleError(f"sample_rate={self.sample_rate}: above 0")
        if self.window > MAX_WINDOW:
            raise AuricleError(f"window_s={config['window_s']:g}: more than {MAX_WINDOW} samples")
        if self.window < 1:
            raise AuricleError(f"window_s={config['window_s']}: at least one sample")
        self.tasks = tuple(Task.from_dict(task) for task in config["tasks"])
        self.augmentation = Augmentation(**config.get("augmentation", {}))
        self.met_before = tuple(str(name) for name in config.get("met_before", ()))
        self.optimization = ClassifierOptimization(**config.get("optimization", {}))
        self.seed = int(config.get("seed", 0))
        self.frontend = create_frontend(**{"sample_rate": self.sample_rate} | config["frontend"])
        least = config.get("min_level_db")
        self.amplifier = nn.Identity() if least is None else Amplifier(self.frontend, least)
        self.backbone = create_backbone(**config["backbone"], n_bands=self.frontend.n_filters)
        n_labels = sum(len(task.labels) for task in self.tasks)
        self.heads = create_head(config.get("head", "linear"), self.backbone, n_labels, config.get("n_answers", 0))
        self.teacher: Teacher | None = None
        self._cached_energies: dict[int, Tensor] = {}  # of validation batches, by index
        self._cached_wanted: dict[int, Tensor] = {}  # what the teacher makes of them
        freeze(self, config.get("frozen", ()))

    @classmethod
    def build(cls, **config: Any) -> Classifier:
        """A new classifier with `config`, completed by its defaults, and random weights from `seed`."""
        config["tasks"] = [task.to_dict() if isinstance(task, Task) else task for task in config["tasks"]]
        for key, kind in (("augmentation", Augmentation), ("optimization", ClassifierOptimization)):
            value = config.get(key) or kind()
            config[key] = value if isinstance(value, dict) else asdict(value)
        config = {"short": "pad", "head": "linear", "frozen": [], "seed": 0} | config
        return cls.initialised(config)

    def labels(self) -> dict[str, Any]:
        return {"tasks": [task.to_dict() for task in self.tasks]}

    def task(self, name: str | None = None) -> Task:
        """The task called `name`, or without a name the only task; an `AuricleError` if there is no such task."""
        if name is None:
            if len(self.tasks) > 1:
                raise AuricleError(f"this model has several tasks, choose one: {', '.join(t.name for t in self.tasks)}")
            return next(iter(self.tasks))
        for task in self.tasks:
            if task.name == name:
                return task
        raise AuricleError(unknown_name("task", name, [task.name for task in self.tasks]))

    def columns(self, task: Task) -> slice:
        """The columns of the logits that belong to `task`."""
        return columns(self.tasks, task)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Logits `(batch, labels of all tasks)` of waveforms `(batch, time)` at `sample_rate`, each as one window."""
        return self.classify(self.frontend(waveforms))

    def classify(self, spectrograms: Tensor) -> Tensor:
        """Logits `(batch, labels of all tasks)` of spectrograms `(batch, bands, frames)` of the front-end."""
        return decide(self.backbone, self.heads, self.amplifier(spectrograms))

    @property
    def detects(self) -> bool:
        """Whether the head classifies segments of time, so that `detect` can locate labels in time."""
        return isinstance(self.heads, SegmentHead)

    def detect(self, waveforms: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `(batch, labels)` of clips `(batch, time)` at `sample_rate`, and `(batch, frames, labels)` of frames.

        Frame k is that of the front-end, centred at sample k·hop_length. Raises an `AuricleError` unless `detects`.
        """
        if not isinstance(self.heads, SegmentHead):
            raise AuricleError(
                f"the head {self.config.get('head', 'linear')!r} decides on clips as a whole; "
                "detection needs the head 'max' or 'attention'"
            )
        return detect(self.backbone, self.heads, self.amplifier(self.frontend(waveforms)))

    def embed(self, waveforms: Tensor) -> Tensor:
        """The backbone's embeddings `(batch, embedding_dim)` of waveforms `(batch, time)` at `sample_rate`."""
        return self._embedded(self.frontend(waveforms))

    def heard(self, waveforms: Tensor) -> Tensor:
        """What a linear head hears of waveforms `(batch, time)` at `sample_rate`: `(batch, sum of heard_parts)`."""
        embeddings = self.embed(waveforms)
        return self.heads.heard(embeddings) if isinstance(self.heads, AnswersHead) else embeddings

    @property
    def heard_parts(self) -> tuple[int, ...]:
        """The sizes of the parts of what a linear head hears: those of the embedding, and the answers if it has any."""
        parts = self.backbone.embedding_parts
        return (*parts, self.heads.answers.out_features) if isinstance(self.heads, AnswersHead) else parts

    def _embedded(self, spectrograms: Tensor) -> Tensor:
        return self.backbone(self.amplifier(spectrograms)[:, None])

    def window_logits(self, waveform: Tensor, continuous: bool = False) -> Tensor:
        """Logits `(windows, labels)` of the consecutive windows of `(time,)`, a multiple of `self.window` samples.

        By default the front-end processes each window independently, as in the papers. With `continuous` it processes
        the whole clip, and its frames are divided among the windows; this needs windows of whole hops and one frame for
        every hop. Raises an `AuricleError` where this is not so, and for a clip that is not of whole windows.
        """
        if waveform.ndim != 1 or not len(waveform) or len(waveform) % self.window:
            raise AuricleError(
                f"a clip of whole windows is of shape (time,), with a multiple of {self.window} samples, "
                f"not {tuple(waveform.shape)}"
            )
        if not continuous:
            return self(waveform.unflatten(0, (-1, self.window)))
        n_windows, hop = len(waveform) // self.window, self.frontend.hop_length
        if self.window % hop:
            raise AuricleError(
                f"continuous=True needs a window of whole hops, but {self.window} samples are not a multiple of {hop}"
            )
        frames = self.frontend(waveform[None])[0]
        if frames.shape[1] * hop != len(waveform):
            raise AuricleError(
                f"continuous=True needs one frame for every hop, but the front-end gives {frames.shape[1]} frames for "
                f"{len(waveform) // hop} hops: use variant='paper'"
            )
        return self.classify(frames.unflatten(1, (n_windows, self.window // hop)).transpose(0, 1))

    @torch.no_grad()
    def predict(self, waveform: np.ndarray | Tensor, sample_rate: int, task: str | None = None) -> dict[str, float]:
        """The probability of each label in a clip `(time,)` or `(channels, time)` at `sample_rate` Hz.

        The clip is averaged over its channels and resampled; logits are averaged over its windows. `task` names one of
        several tasks. Raises an `AuricleError` unless the clip is finite floats of one of these shapes.
        """
        waveform = as_array(waveform)
        if waveform.ndim not in (1, 2) or waveform.size == 0 or not np.issubdtype(waveform.dtype, np.floating):
            raise AuricleError(
                f"a clip is floats of shape (time,) or (channels, time), not {waveform.dtype} of shape {waveform.shape}"
                + audio.how_to_scale(waveform.dtype)
            )
        if not (np.abs(waveform) <= audio.LARGEST_SAMPLE).all():
            raise AuricleError(f"the clip holds samples that are NaN or beyond ±{audio.LARGEST_SAMPLE:g}")
        if waveform.ndim == 2 and len(waveform) > max(32, waveform.shape[1]):
            raise AuricleError(
                f"a clip of shape {waveform.shape} would have {len(waveform)} channels: give (channels, time)"
            )
        audio.check_rate(sample_rate, needed=True)
        mono = waveform if waveform.ndim == 1 else waveform.mean(axis=0)
        mono = audio.resample(mono.astype(np.float32), sample_rate, self.sample_rate)
        chosen = self.task(task)
        with evaluating(self):
            windows = torch.from_numpy(whole_windows(mono, self.window, self.short)).to(self.device)
            logits = self.window_logits(windows)[:, self.columns(chosen)].mean(0, keepdim=True)
        if not logits.isfinite().all():
            raise AuricleError("the model's output for this clip is not finite")
        return dict(zip(chosen.labels, probabilities(logits, chosen.multi_label)[0].tolist(), strict=True))

    def loss(self, logits: Tensor, targets: Tensor, tasks: Tensor) -> Tensor:
        """The mean over the batch of each clip's loss in its own task.

        `logits` and `targets` are `(batch, labels of all tasks)`; `tasks` `(batch,)` holds indices of tasks.
        """
        losses = torch.zeros(len(logits), device=logits.device)
        for index, task in enumerate(self.tasks):
            own, target = logits[:, self.columns(task)].float(), targets[:, self.columns(task)]
            if task.multi_label:
                each = F.binary_cross_entropy_with_logits(own, target, reduction="none").mean(-1)
            else:
                each = -(target * F.log_softmax(own, dim=-1)).sum(-1)
            losses = losses + torch.where(tasks == index, each, torch.zeros_like(each))
        return losses.mean()

    def follow(self, teacher: Teacher | None) -> None:
        """Train to make of windows under a condition what `teacher` makes of them as they are, with the head as it is.

        The statistics of batch norm, which are the start's, and the head stay as they are.
        """
        self.teacher = teacher
        self._cached_wanted.clear()
        self.heads.requires_grad_(teacher is None)
        self.train(self.training)

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        waveforms, targets, tasks = batch["waveform"], batch["target"], batch["task"]
        options = self.augmentation
        generator = torch.Generator().manual_seed(hash((self.seed, self.loop.global_step, 1)) % 2**63)
        if options.mixup > 0:
            waveforms, targets = mixup(waveforms, targets, tasks, options.mixup, generator)
        if options.noise_snr_db:
            low, high = options.noise_snr_db
            waveforms = noise_in_range(waveforms, (low, high), options.noise_share, generator)
        spectrograms = self.frontend(waveforms)
        if options.spec_masks:
            spectrograms = spec_augment(
                spectrograms[:, None], options.spec_masks, options.spec_band_width, options.spec_frame_width, generator
            )[:, 0]
        if self.teacher is None:
            loss = self.loss(self.classify(spectrograms), targets, tasks)
            if self.optimization.batch_loss == "sum":
                loss = loss * len(waveforms)
        else:
            loss = self.teacher.loss(self._embedded(spectrograms), self.teacher.embed(batch["clean"]))
        self.check_finite(loss)
        self.loop.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(waveforms), sync_dist=True)
        return loss

    def clip_logits(self, batch: dict[str, Tensor], continuous: bool = False) -> Tensor:
        """Logits `(clips, labels)` of a batch of whole clips, averaged over each clip's windows.

        `batch` holds the `windows` `(windows, time)` of all clips one after another, and their `counts` `(clips,)`;
        `continuous` is that of `window_logits`.
        """
        if continuous:
            clips = batch["windows"].split(batch["counts"].tolist())
            return torch.stack([self.window_logits(clip.flatten(), continuous=True).mean(0) for clip in clips])
        return self._clip_means(self, batch)

    def clips_heard(self, batch: dict[str, Tensor]) -> Tensor:
        """`heard` of a batch as for `clip_logits`, averaged over each clip's windows: a row for each clip."""
        return self._clip_means(self.heard, batch)

    def _clip_means(self, function: Callable[[Tensor], Tensor], batch: dict[str, Tensor]) -> Tensor:
        """The mean over each clip's windows of what `function` makes of windows `(n, window)`, some at a time."""
        chunks = batch["windows"].split(windows_at_once(self.window))
        return means_over_windows(torch.cat([function(chunk) for chunk in chunks]), batch["counts"])

    def on_fit_end(self) -> None:
        self._cached_energies.clear()

    def _validation_spectrograms(self, batch: dict[str, Tensor], batch_index: int) -> Iterator[Tensor]:
        """The spectrograms of all windows, some at a time.

        Front-end energies that training does not change are computed in the first epoch only.
        """
        at_once = windows_at_once(self.window)
        chunks = batch["windows"].split(at_once)
        if self.frontend.energies_learn:
            yield from map(self.frontend, chunks)
            return
        energies = self._cached_energies.get(batch_index)
        if energies is None:
            energies = torch.cat([self.frontend.energies(chunk) for chunk in chunks])
            cached_bytes = sum(values.nbytes for values in self._cached_energies.values())
            if cached_bytes + energies.nbytes <= ENERGY_CACHE_BYTES:
                self._cached_energies[batch_index] = energies
        yield from map(self.frontend.finish, energies.split(at_once))

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """Log the validation clips' loss, and their accuracy and that of test clips among them."""
        spectrograms = self._validation_spectrograms(batch, batch_index)
        targets, tasks = batch["target"], batch["task"]
        valid = ~batch["test"]
        if self.teacher is None:
            logits = means_over_windows(torch.cat([self.classify(some) for some in spectrograms]), batch["counts"])
            loss = self.loss(logits[valid], targets[valid], tasks[valid])
        else:
            embeddings = torch.cat([self._embedded(some) for some in spectrograms])
            logits = means_over_windows(self.heads(embeddings), batch["counts"])
            if batch_index not in self._cached_wanted:
                self._cached_wanted[batch_index] = self.teacher.embed(batch["clean"])
            loss = self.teacher.loss(embeddings, self._cached_wanted[batch_index])
        if valid.any():
            self.loop.log("val_loss", loss, batch_size=int(valid.sum()), sync_dist=True)
        for kind, part in (("val", valid), ("test", ~valid)):
            for index, task in enumerate(self.tasks):
                own = part & (tasks == index)
                if task.multi_label or not own.any():
                    continue
                columns = self.columns(task)
                right = logits[own, columns].argmax(-1) == targets[own, columns].argmax(-1)
                name = f"{kind}_accuracy" if len(self.tasks) == 1 else f"{kind}_accuracy_{task.name}"
                self.loop.log(name, right.float().mean(), batch_size=int(own.sum()), sync_dist=True)

    def train(self, mode: bool = True) -> Classifier:
        """Set training or evaluation mode; modules whose parameters are all frozen stay in evaluation mode.

        With a teacher all modules do: batch norm keeps the statistics of the start.
        """
        super().train(mode and self.teacher is None)
        for module in self.modules():
            parameters = list(module.parameters())
            if mode and parameters and not any(p.requires_grad for p in parameters):
                module.eval()
        return self

    def configure_optimizers(self) -> Any:
        options = self.optimization
        frontend_rate = options.frontend_learning_rate or options.learning_rate
        groups = [
            {"params": [p for p in self.frontend.parameters() if p.requires_grad], "lr": frontend_rate},
            {
                "params": [p for part in (self.backbone, self.heads) for p in part.parameters() if p.requires_grad],
                "lr": options.learning_rate,
            },
        ]
        groups = [group for group in groups if group["params"]]
        if not groups:
            raise AuricleError("frozen names every part: there is nothing to train")
        return adam(groups, options, self.loop.trainer)


def means_over_windows(logits: Tensor, counts: Tensor) -> Tensor:
    """Means `(clips, labels)` over the windows of each clip, for `(windows, labels)` and their `counts` `(clips,)`."""
    return torch.stack([rows.mean(0) for rows in logits.split(counts.tolist())])


def probabilities(logits: Tensor, multi_label: bool) -> Tensor:
    """Probabilities of `(…, labels)`: a softmax over the labels, or for `multi_label` a sigmoid of each."""
    return torch.sigmoid(logits) if multi_label else torch.softmax(logits, dim=-1)
