"""A query-based separator as a system: what is saved to a folder and brought back from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor

from auricle.errors import AuricleError
from auricle.frontends.resampling import resample
from auricle.registry import unknown_name
from auricle.systems.classifier import Classifier, probabilities
from auricle.systems.separator.resunet import ResUNet30, Size
from auricle.systems.system import SYSTEMS, System, evaluating

Query = Literal["embedding", "probabilities"]

#: What each preset changes of the published network.
PRESETS: dict[str, dict[str, Any]] = {
    "resunet30": {},
    "resunet30-small": {"n_fft": 1024, "channels": (8, 16, 24, 32, 48, 48)},
}


@SYSTEMS.register("separator")
class Separator(System):
    """The source that a condition tells of, out of a mixture, by ResUNet30 (Kong et al., 2023).

    A condition is what `tagger`, a frozen classifier, makes of a recording of the wanted sound: `query` says whether
    its embedding or its labels' probabilities. `config` holds `sample_rate` (Hz), `size`, `query`, `tagger` (its
    config, or none), `queries` (the classes whose average condition is kept) and `seed`.
    """

    name: ClassVar[str] = "separator"
    averages: Tensor

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.sample_rate = int(config["sample_rate"])
        self.size = Size(**config.get("size", {}))
        self.seed = int(config.get("seed", 0))
        self.query = config.get("query", "embedding")
        if self.query not in get_args(Query):
            raise AuricleError(unknown_name("query", self.query, get_args(Query)))
        self.network = ResUNet30(self.size)
        self.tagger: Classifier | None = None
        if config.get("tagger"):
            self.tagger = Classifier(config["tagger"]).requires_grad_(False).eval()
        names = config.get("queries", [])
        self.register_buffer("averages", torch.zeros(len(names), self.size.condition_size))

    @classmethod
    def build(
        cls,
        preset: str = "resunet30",
        *,
        size: dict[str, Any] | None = None,
        tagger: Classifier | None = None,
        query: Query = "embedding",
        sample_rate: int = 32000,
        seed: int = 0,
    ) -> Separator:
        """A preset with changes of its own; weights drawn from `seed`. With a `tagger` conditions have its size."""
        if preset not in PRESETS:
            raise AuricleError(unknown_name("preset", preset, PRESETS))
        own = dict(size or {})
        if tagger is not None:
            own.setdefault("condition_size", condition_size(tagger, query))
        try:
            complete = asdict(Size(**PRESETS[preset] | own))
        except TypeError:
            known = asdict(Size())
            odd = next(key for key in own if key not in known)
            raise AuricleError(unknown_name("option of size", odd, known)) from None
        complete["channels"] = list(complete["channels"])
        config = {
            "sample_rate": sample_rate,
            "size": complete,
            "query": query,
            "tagger": None,
            "queries": [],
            "seed": seed,
        }
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = cls(config)
        if tagger is not None:
            model.ask(tagger)
        return model

    def labels(self) -> dict[str, Any]:
        return {"queries": self.config.get("queries", [])}

    def forward(self, mixtures: Tensor, conditions: Tensor) -> Tensor:
        """`(batch, time)` at `sample_rate` and `(batch, condition_size)` to `(batch, time)`."""
        return self.network(mixtures, conditions)

    # Queries

    def ask(self, tagger: Classifier) -> None:
        """Take a copy of `tagger` to make conditions of the kind `query`, or of the other kind if that one fits."""
        kinds = dict.fromkeys([self.query, *get_args(Query)])
        sizes = {kind: condition_size(tagger, kind) for kind in kinds}
        fitting = [kind for kind, size in sizes.items() if size == self.size.condition_size]
        if not fitting:
            raise AuricleError(
                f"conditions have {self.size.condition_size} entries, and of the tagger the {self.query} "
                f"{sizes.pop(self.query)} and the {next(iter(sizes))} {sizes.popitem()[1]}"
            )
        self.query = self.config["query"] = fitting[0]
        self.tagger = Classifier(tagger.config).requires_grad_(False).eval()
        self.tagger.load_state_dict(tagger.state_dict())
        self.config["tagger"] = tagger.config

    @torch.no_grad()
    def condition(self, waveforms: Tensor) -> Tensor:
        """Conditions `(batch, condition_size)` that tell of recordings `(batch, time)` at `sample_rate`."""
        if self.tagger is None:
            raise AuricleError("this separator has no tagger to make a condition of a recording")
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
        """Conditions `(condition_size,)` by the name of the class that each is the average of."""
        return dict(zip(self.config.get("queries", []), self.averages, strict=True))

    def keep_queries(self, queries: Mapping[str, Tensor]) -> None:
        """Keep conditions `(condition_size,)` by the names of classes, in the place of all that were kept."""
        for name, value in queries.items():
            if tuple(value.shape) != (self.size.condition_size,) or not value.isfinite().all():
                raise AuricleError(f"the query {name!r} is not {self.size.condition_size} finite numbers")
        rows = [value.detach().to(self.averages) for value in queries.values()]
        self.averages = torch.stack(rows) if rows else self.averages[:0]
        self.config["queries"] = list(queries)

    def train(self, mode: bool = True) -> Separator:
        """Training mode, except for the tagger."""
        super().train(mode)
        if self.tagger is not None:
            self.tagger.eval()
        return self


def condition_size(tagger: Classifier, query: Query) -> int:
    """Entries of a condition that is the tagger's embedding or its labels' probabilities."""
    return tagger.backbone.embedding_dim if query == "embedding" else sum(len(task.labels) for task in tagger.tasks)
