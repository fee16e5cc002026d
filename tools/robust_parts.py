"""Compare what a head for noise hears of a network, in cross-validation on clips for teaching.

    python tools/robust_parts.py "ESC-50=manifest.csv:1:kept-1-0" "ESC-50=manifest.csv:1:mn04" \
        --material data/background/audio/running_tap.flac ... --output results/robust/parts.json

Each entry names a data set, its manifest, the fold that is put aside and a model: a run that keeps the pretrained
model's head, or that model. Heads like that of `auricle teach --recipe robust` hear the last features, with the last
stage, with the model's answers about its own labels, or all of these. Ten parts of the clips, by group, are tested in
turn by heads fitted to the others (of more than 500 clips, the first two parts), as they are and under two draws of
the training's conditions each. The shares of right answers of each model are added to the file, with those of heads
that discount nothing.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from auricle.config import ConditionOptions, Teach
from auricle.config.training import TaughtSplitOptions
from auricle.files import write_json
from auricle.tasks.classification.conditions import validation_conditions
from auricle.tasks.classification.linear_heads import fit_head, fit_like
from auricle.tasks.classification.teach import TeachingTask
from auricle.tasks.classification.training_task import all_heard

PARTS, MANY, SOME = 10, 500, 2
DRAWS = 2
HEARD = {"last": (0,), "stage": (0, 1), "answers": (0, 2), "all": (0, 1, 2)}


class Heard(TeachingTask):
    """What a model makes of the clips for teaching: as they are, and under conditions."""

    def listen(self) -> None:
        system, (splits,) = self.build(), self.splits
        assert len(system.heard_parts) == len(HEARD["all"]), "the model has no answers"
        self.parts = system.heard_parts
        clips = all_heard(splits).train
        stored = self._stored(system, [clips])
        self.clean, self.targets = self._heard(system, stored, "")
        self.moved = self._moved(system, self._stored(system, [splits.train]))
        draws = [
            validation_conditions(self.augmentation, system.sample_rate, 0, [clips], draw=draw) for draw in range(DRAWS)
        ]
        self.noisy = [self._heard(system, stored, "", condition)[0] for condition in draws]
        self.folds = torch.tensor(clips.cross_folds(PARTS, seed=0))

    def shares(self, parts: tuple[int, ...], discounting: bool = True) -> dict[str, float]:
        """The shares of right answers of heads that hear `parts`."""
        starts = [sum(self.parts[:part]) for part in parts]
        kept = torch.cat([torch.arange(self.parts[part]) + start for part, start in zip(parts, starts, strict=True)])
        sizes, (splits,) = tuple(self.parts[part] for part in parts), self.splits
        clean, noisy, targets = self.clean[:, kept], [draw[:, kept] for draw in self.noisy], self.targets
        moved = self.moved[:, kept] if discounting and self.moved is not None else None
        n_train = len(splits.train)
        train, valid = (clean[:n_train], targets[:n_train]), (clean[n_train:], targets[n_train:])
        like = fit_head(train, valid, False, moved, sizes)
        right: dict[str, list[Tensor]] = {"clean": [], "noisy": []}
        for fold in self.folds.unique()[: SOME if len(targets) > MANY else None]:
            own = self.folds == fold
            known = (targets[~own] > 0).any(0)
            head = fit_like(like, clean[~own], targets[~own][:, known], False, moved, sizes)
            judged = (targets[own][:, known] > 0).any(1)
            wanted = targets[own][:, known].argmax(1)
            for name, heard in (("clean", [clean]), ("noisy", noisy)):
                right[name] += [(head.logits(draw[own]).argmax(1) == wanted)[judged] for draw in heard]
        return {name: float(torch.cat(values).float().mean()) for name, values in right.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--material", nargs="+", required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    entries = json.loads(options.output.read_text(encoding="utf-8")) if options.output.exists() else []
    conditions = ConditionOptions(conditions="training", material=[f"noise={path}" for path in options.material])
    for named in options.data:
        name, _, place = named.partition("=")
        manifest, fold, model = place.split(":")
        task = Heard(
            Teach(
                model=model,
                data=manifest,
                output="",
                quiet=True,
                pooling="stage",
                answers=True,
                min_level_db=0.0,
                splits=TaughtSplitOptions(test_fold=fold),
                augmentation=conditions,
            )
        )
        task.listen()
        found: dict[str, Any] = {what: task.shares(parts) for what, parts in HEARD.items()}
        found["undiscounted"] = {what: task.shares(HEARD[what], discounting=False) for what in ("stage", "all")}
        entries.append({"data": name, "fold": fold, "model": Path(model).name, "clips": len(task.targets)} | found)
        print(entries[-1], flush=True)
        write_json(options.output, entries)


if __name__ == "__main__":
    main()
