"""A query-based separator as a system: what is saved to a folder and brought back from it."""

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
from auricle.systems.separator.encoder import Fusion, MaskedEncoder, Update
from auricle.systems.separator.resunet import ResUNet30, ResUNetSize
from auricle.systems.system import SYSTEMS, System, evaluating

QueryType = Literal["embedding", "probabilities"]

#: What each preset changes of the published network.
PRESETS: dict[str, dict[str, Any]] = {
    "resunet30": {},
    "resunet30-small": {"n_fft": 1024, "hop_length": 512, "channels": (8, 16, 32, 64, 96, 96), "momentum": 0.03},
}


@SYSTEMS.register("separator")
class Separator(System):
    """The source that a query embedding tells of, out of a mixture, by ResUNet30 (Kong et al., 2023).

    A query embedding is what `tagger`, a frozen classifier, makes of a recording of the wanted sound: `query` says
    whether its embedding or its labels' probabilities. With an `audiomae` its features of the mixture stand beside the
    spectrum (Zhao et al., 2024), `encoder` says whether it learns and `fusion` how its frames meet the spectrum's.

    `config` holds `sample_rate` (Hz), `size`, `query`, `tagger` and `audiomae` (each a config, or none), `encoder`,
    `fusion`, `optimization`, `encoder_learning_rate`, `queries` (the classes whose average query embedding is kept),
    `seed`.
    """

    name: ClassVar[str] = "separator"
    averages: Tensor
    query_mean: Tensor
    query_deviation: Tensor

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.sample_rate = int(config["sample_rate"])
        self.size = ResUNetSize(**config.get("size", {}))
        self.seed = int(config.get("seed", 0))
        self.query = config.get("query", "embedding")
        if self.query not in get_args(QueryType):
            raise AuricleError(unknown_name("query", self.query, get_args(QueryType)))
        self.optimization = Optimization(**config.get("optimization", {}))
        audiomae = config.get("audiomae")
        self.network = ResUNet30(self.size, audiomae["size"]["width"] if audiomae else 0)
        self.encoder: MaskedEncoder | None = None
        if audiomae:
            self.encoder = MaskedEncoder(
                audiomae,
                sample_rate=self.sample_rate,
                hop_length=self.size.hop_length,
                frame_multiple=self.network.base.frame_multiple,
                update=config["encoder"],
                fusion=config["fusion"],
            )
        self.tagger: Classifier | None = None
        if config.get("tagger"):
            self.tagger = Classifier(config["tagger"]).requires_grad_(False).eval()
        names = config.get("queries", [])
        self.register_buffer("averages", torch.zeros(len(names), self.size.query_size))
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
        optimization: Optimization = Optimization(learning_rate=1e-3),
        encoder_learning_rate: float = 1e-4,
        sample_rate: int = 32000,
        seed: int = 0,
    ) -> Separator:
        """A preset with changes of its own; weights drawn from `seed`. With a `tagger` queries have its size."""
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
            "optimization": asdict(optimization),
            "encoder_learning_rate": encoder_learning_rate,
            "queries": [],
            "seed": seed,
        }
        model = cls.drawn(config)
        if audiomae is not None and model.encoder is not None:
            own = model.encoder.network
            own.load_state_dict({name: audiomae.network.state_dict()[name] for name in own.state_dict()})
        if tagger is not None:
            model.set_tagger(tagger)
        return model

    def labels(self) -> dict[str, Any]:
        return {"queries": self.config.get("queries", [])}

    def forward(self, mixtures: Tensor, queries: Tensor) -> Tensor:
        """`(batch, time)` at `sample_rate` and `(batch, query_size)` to `(batch, time)`."""
        self.network.check_input(mixtures, queries)
        queries = self.standardised(queries)
        if self.encoder is None:
            return self.network(mixtures, queries)
        n_frames = mixtures.shape[-1] // self.size.hop_length + 1
        return self.network(mixtures, queries, self.encoder(mixtures, n_frames))

    def standardised(self, queries: Tensor) -> Tensor:
        """As the network sees them, `(batch, query_size)`."""
        return (queries - self.query_mean) / self.query_deviation

    # Queries

    def set_tagger(self, tagger: Classifier) -> None:
        """Take a copy of `tagger` to make queries of the kind `query`, or of the other kind if that one fits."""
        kinds = dict.fromkeys([self.query, *get_args(QueryType)])
        sizes = {kind: query_size(tagger, kind) for kind in kinds}
        fitting = [kind for kind, size in sizes.items() if size == self.size.query_size]
        if not fitting:
            raise AuricleError(
                f"queries have {self.size.query_size} entries, and of the tagger the {self.query} "
                f"{sizes.pop(self.query)} and the {next(iter(sizes))} {sizes.popitem()[1]}"
            )
        self.query = self.config["query"] = fitting[0]
        self.tagger = Classifier(tagger.config).requires_grad_(False).eval()
        self.tagger.load_state_dict(tagger.state_dict())
        self.config["tagger"] = tagger.config

    @torch.no_grad()
    def embed_query(self, waveforms: Tensor) -> Tensor:
        """Query embeddings `(batch, query_size)` that tell of recordings `(batch, time)` at `sample_rate`."""
        if self.tagger is None:
            raise AuricleError("this separator has no tagger to make a query embedding of a recording")
        tagger = self.tagger
        heard = resample(waveforms, self.sample_rate, tagger.sample_rate)
        with evaluating(tagger):
            if self.query == "embedding":
                return tagger.embed(heard)
            logits = tagger(heard)
        shares = [probabilities(logits[:, tagger.columns(task)], task.multi_label) for task in tagger.tasks]
        return torch.cat(shares, dim=1)

    @property
    def queries(self) -> dict[str, Tensor]:
        """Query embeddings `(query_size,)` by the name of the class that each is the average of."""
        return dict(zip(self.config.get("queries", []), self.averages, strict=True))

    def set_queries(self, queries: Mapping[str, Tensor]) -> None:
        """Keep queries `(query_size,)` by the names of classes, in the place of all that were kept."""
        for name, value in queries.items():
            if tuple(value.shape) != (self.size.query_size,) or not value.isfinite().all():
                raise AuricleError(f"the query {name!r} is not {self.size.query_size} finite numbers")
        rows = [value.detach().to(self.averages) for value in queries.values()]
        self.averages = torch.stack(rows) if rows else self.averages[:0]
        self.config["queries"] = list(queries)

    # Training

    def standardise(self, queries: Tensor) -> None:
        """Let the network see queries minus the mean of `queries` `(n, query_size)`, over their deviation.

        The deviation is one for all entries, so that an entry which hardly varies here cannot dominate elsewhere.
        """
        self.query_mean.copy_(queries.mean(0))
        deviation = queries.var(0, unbiased=False).mean().sqrt()
        self.query_deviation.copy_(deviation if deviation > 0 else torch.ones_like(deviation))

    def separation(self, batch: dict[str, Tensor]) -> Tensor:
        """Mean |ŝ − s| over the batch's `target`s s, each of which is its own query; `mixture` and s: (batch, time)."""
        separated = self(batch["mixture"], self.embed_query(batch["target"]))
        return F.l1_loss(separated, batch["target"])

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        loss = self.separation(batch)
        self.check_finite(loss)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch["target"]))
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        self.log("val_loss", self.separation(batch), batch_size=len(batch["target"]), sync_dist=True)

    def configure_optimizers(self) -> Any:
        options = self.optimization
        groups: list[dict[str, Any]] = [{"params": list(self.network.parameters()), "lr": options.learning_rate}]
        if self.encoder is not None and self.encoder.weights is not None:
            blocks = list(self.encoder.network.blocks.parameters())
            groups += [
                {"params": [self.encoder.weights], "lr": options.learning_rate},
                {"params": blocks, "lr": self.config["encoder_learning_rate"]},
            ]
        return adam(groups, options, self.trainer)

    def train(self, mode: bool = True) -> Separator:
        """Training mode, except for the tagger."""
        super().train(mode)
        if self.tagger is not None:
            self.tagger.eval()
        return self


def query_size(tagger: Classifier, query: QueryType) -> int:
    """Entries of a query embedding that is the tagger's embedding or its labels' probabilities."""
    return tagger.backbone.embedding_dim if query == "embedding" else sum(len(task.labels) for task in tagger.tasks)
