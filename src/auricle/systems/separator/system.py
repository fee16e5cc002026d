"""The query-based separator as a system: its queries, its optional AudioMAE features, and its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from auricle.config import Optimization, complete, require
from auricle.errors import AuricleError
from auricle.registry import unknown_name
from auricle.systems.audiomae import AudioMAE
from auricle.systems.classifier.system import Classifier, probabilities
from auricle.systems.optimizers import adam
from auricle.systems.resampling import resample
from auricle.systems.separator.encoder import AudioMAEFeatures, Fusion, Update
from auricle.systems.separator.resunet import ResUNet30, ResUNetSize
from auricle.systems.system import SYSTEMS, System, evaluating

QueryType = Literal["embedding", "probabilities"]
LossType = Literal["l1", "sdr"]

#: For each preset the sizes that differ from those of the published network.
PRESETS: dict[str, dict[str, Any]] = {
    "resunet30": {},
    "resunet30-small": {"n_fft": 1024, "hop_length": 512, "channels": (8, 16, 32, 64, 96, 96), "momentum": 0.03},
}


@SYSTEMS.register("separator")
class Separator(System):
    """Separates the source that a query embedding describes from a mixture, by ResUNet30 (Kong et al., 2023).

    A query embedding is computed by `tagger`, a frozen classifier, from a recording of the wanted sound; it is either
    the tagger's embedding or the probabilities of its labels. Optionally an AudioMAE encoder adds features of the
    mixture to the input of the network (Zhao et al., 2024).

    `config` holds `sample_rate` (Hz), `size`, `query` ("embedding" or "probabilities"), `tagger` and `audiomae` (the
    configs of both, or none), `encoder` ("frozen" or "updated"), `fusion` ("time_aligned" or "repeat") and `layer_norm`
    (see `AudioMAEFeatures`), `loss` ("l1" or "sdr"), `optimization`, `encoder_learning_rate`, `queries` (the names of
    classes whose average query embedding is stored), and `seed`.
    """

    name: ClassVar[str] = "separator"
    has_unused_parameters = True
    average_queries: Tensor
    query_mean: Tensor
    query_deviation: Tensor

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.sample_rate = int(config["sample_rate"])
        self.size = ResUNetSize(**config.get("size", {}))
        self.seed = int(config.get("seed", 0))
        self.query: QueryType = config.get("query", "embedding")
        if self.query not in get_args(QueryType):
            raise AuricleError(unknown_name("query", self.query, get_args(QueryType)))
        self.loss_type: LossType = config.get("loss", "l1")
        if self.loss_type not in get_args(LossType):
            raise AuricleError(unknown_name("loss", self.loss_type, get_args(LossType)))
        self.optimization = Optimization(**config.get("optimization", {}))
        audiomae = config.get("audiomae")
        self.network = ResUNet30(self.size, audiomae["size"]["width"] if audiomae else 0)
        self.encoder: AudioMAEFeatures | None = None
        if audiomae:
            self.encoder = AudioMAEFeatures(
                audiomae,
                sample_rate=self.sample_rate,
                hop_length=self.size.hop_length,
                frame_multiple=self.network.base.frame_multiple,
                update=config["encoder"],
                fusion=config["fusion"],
                layer_norm=config.get("layer_norm", False),
            )
        self.tagger: Classifier | None = None
        if config.get("tagger"):
            self.tagger = Classifier(config["tagger"]).requires_grad_(False).eval()
        names = config.get("queries", [])
        self.register_buffer("average_queries", torch.zeros(len(names), self.size.query_size))
        self.register_buffer("query_mean", torch.zeros(self.size.query_size))
        self.register_buffer("query_deviation", torch.ones(()))

    @classmethod
    def build(
        cls,
        preset: str = "resunet30",
        *,
        size: dict[str, Any] | None = None,
        tagger: Classifier | None = None,
        query: QueryType = "embedding",
        audiomae: AudioMAE | None = None,
        encoder: Update = "frozen",
        fusion: Fusion = "time_aligned",
        layer_norm: bool = False,
        loss: LossType = "l1",
        optimization: Optimization = Optimization(learning_rate=1e-3),
        encoder_learning_rate: float = 1e-4,
        sample_rate: int = 32000,
        seed: int = 0,
    ) -> Separator:
        """A new system: a preset, where `size` replaces some of its sizes, with random weights from `seed`.

        A `tagger` is attached by `set_tagger` and determines `query_size`; the encoder starts with the weights of
        `audiomae`.
        """
        require(encoder_learning_rate > 0, f"encoder_learning_rate={encoder_learning_rate:g}: above 0")
        if preset not in PRESETS:
            raise AuricleError(unknown_name("preset", preset, PRESETS))
        changes = dict(size or {})
        if tagger is not None:
            changes.setdefault("query_size", query_size(tagger, query))
        complete_size = complete(ResUNetSize, PRESETS[preset] | changes, "size")
        complete_size["channels"] = list(complete_size["channels"])
        config = {
            "sample_rate": sample_rate,
            "size": complete_size,
            "query": query,
            "tagger": None,
            "audiomae": audiomae and {"sample_rate": audiomae.sample_rate, "size": audiomae.config["size"]},
            "encoder": encoder,
            "fusion": fusion,
            "layer_norm": layer_norm,
            "loss": loss,
            "optimization": asdict(optimization),
            "encoder_learning_rate": encoder_learning_rate,
            "queries": [],
            "seed": seed,
        }
        model = cls.initialised(config)
        if audiomae is not None and model.encoder is not None:
            own = model.encoder.network
            own.load_state_dict({name: audiomae.network.state_dict()[name] for name in own.state_dict()})
        if tagger is not None:
            model.set_tagger(tagger)
        return model

    def labels(self) -> dict[str, Any]:
        return {"queries": self.config.get("queries", [])}

    def forward(self, mixtures: Tensor, queries: Tensor) -> Tensor:
        """The sources `(batch, time)` that `queries` `(batch, query_size)` describe in `mixtures` `(batch, time)`.

        Waveforms are at `sample_rate`.
        """
        self.network.check_input(mixtures, queries)
        queries = self.scaled_queries(queries)
        if self.encoder is None:
            return self.network(mixtures, queries)
        n_frames = mixtures.shape[-1] // self.size.hop_length + 1
        return self.network(mixtures, queries, self.encoder(mixtures, n_frames))

    @property
    def scales_queries(self) -> bool:
        """Whether `scaled_queries` changes queries."""
        return bool(self.query_mean.any() or self.query_deviation != 1)

    def scaled_queries(self, queries: Tensor) -> Tensor:
        """(q − `query_mean`) / `query_deviation`, the network's actual input, for `queries` `(batch, query_size)`."""
        return (queries - self.query_mean) / self.query_deviation

    # Queries

    def set_tagger(self, tagger: Classifier) -> None:
        """Attach a frozen copy of `tagger`; use the query type whose size fits.

        If both fit, the one that `config` names is used. Raises an `AuricleError` if neither the tagger's embedding nor
        the probabilities of its labels have `query_size` entries.
        """
        types: list[QueryType] = [self.query, *(kind for kind in get_args(QueryType) if kind != self.query)]
        sizes = {kind: query_size(tagger, kind) for kind in types}
        fitting = [kind for kind in types if sizes[kind] == self.size.query_size]
        if not fitting:
            raise AuricleError(
                f"queries of this separator have {self.size.query_size} entries, but of the tagger the embedding has "
                f"{sizes['embedding']} and the probabilities have {sizes['probabilities']}"
            )
        self.query = self.config["query"] = fitting[0]  # pyright: ignore[reportAttributeAccessIssue]
        self.tagger = Classifier(tagger.config).requires_grad_(False).eval()
        self.tagger.load_state_dict(tagger.state_dict())
        self.config["tagger"] = tagger.config

    @torch.no_grad()
    def embed_query(self, waveforms: Tensor) -> Tensor:
        """Query embeddings `(batch, query_size)` of recordings `(batch, time)` at `sample_rate`.

        Raises an `AuricleError` if the separator has no tagger.
        """
        if self.tagger is None:
            raise AuricleError("this separator has no tagger to compute query embeddings: call set_tagger first")
        tagger = self.tagger
        resampled = resample(waveforms, self.sample_rate, tagger.sample_rate)
        with evaluating(tagger):
            if self.query == "embedding":
                return tagger.embed(resampled)
            logits = tagger(resampled)
        values = [probabilities(logits[:, tagger.columns(task)], task.multi_label) for task in tagger.tasks]
        return torch.cat(values, dim=1)

    @property
    def queries(self) -> dict[str, Tensor]:
        """The stored query embeddings `(query_size,)` by class name; each is the average over a class."""
        return dict(zip(self.config.get("queries", []), self.average_queries, strict=True))

    def set_queries(self, queries: Mapping[str, Tensor]) -> None:
        """Store query embeddings `(query_size,)` by class name, replacing all stored ones.

        Raises an `AuricleError` if one has another shape or is not finite.
        """
        for name, value in queries.items():
            if tuple(value.shape) != (self.size.query_size,) or not value.isfinite().all():
                raise AuricleError(f"the query {name!r}: {self.size.query_size} finite numbers are needed")
        rows = [value.detach().to(self.average_queries) for value in queries.values()]
        self.average_queries = torch.stack(rows) if rows else self.average_queries[:0]
        self.config["queries"] = list(queries)

    # Training

    def fit_query_scaling(self, queries: Tensor) -> None:
        """Set `query_mean` and `query_deviation` from example `queries` `(n, query_size)`; `scaled_queries` uses them.

        All entries share one standard deviation, so that an entry that hardly varies in the examples cannot dominate
        other queries.
        """
        self.query_mean.copy_(queries.mean(0))
        deviation = queries.var(0, unbiased=False).mean().sqrt()
        self.query_deviation.copy_(deviation if deviation > 0 else torch.ones_like(deviation))

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """The loss, mean |ŝ − s| or `negative_sdr`; the query of each target s is computed from s itself.

        `batch` holds `mixture` and `target`, both `(batch, time)` at `sample_rate`.
        """
        separated = self(batch["mixture"], self.embed_query(batch["target"]))
        distance = F.l1_loss if self.loss_type == "l1" else negative_sdr
        return distance(separated, batch["target"])

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        loss = self.loss(batch)
        self.check_finite(loss)
        self.loop.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch["target"]), sync_dist=True)
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        self.loop.log("val_loss", self.loss(batch), batch_size=len(batch["target"]), sync_dist=True)

    def configure_optimizers(self) -> Any:
        options = self.optimization
        groups: list[dict[str, Any]] = [{"params": list(self.network.parameters()), "lr": options.learning_rate}]
        if self.encoder is not None and self.encoder.weights is not None:
            blocks = list(self.encoder.network.blocks.parameters())
            groups += [
                {"params": [self.encoder.weights], "lr": options.learning_rate},
                {"params": blocks, "lr": self.config["encoder_learning_rate"]},
            ]
        return adam(groups, options, self.loop.trainer)

    def train(self, mode: bool = True) -> Separator:
        """Set training or evaluation mode; the tagger stays in evaluation mode."""
        super().train(mode)
        if self.tagger is not None:
            self.tagger.eval()
        return self


def negative_sdr(estimates: Tensor, targets: Tensor) -> Tensor:
    """The mean of 10 log10(‖ŝ − s‖² / ‖s‖² + 0.01) in dB over estimates ŝ and targets s, both `(batch, time)`.

    The negative SDR, limited to −20 dB, so that an example that is separated well enough has no more influence
    (Wisdom et al., 2020). The power of a target is at least 1e-10, as in `metrics.signals.sdr`.
    """
    estimates, targets = estimates.float(), targets.float()
    power = targets.square().mean(-1).clamp(min=1e-10)
    return 10 * torch.log10((estimates - targets).square().mean(-1) / power + 0.01).mean()


def query_size(tagger: Classifier, query: QueryType) -> int:
    """The length of query embeddings of that type: the tagger's `embedding_dim` or its number of labels."""
    return tagger.backbone.embedding_dim if query == "embedding" else sum(len(task.labels) for task in tagger.tasks)
