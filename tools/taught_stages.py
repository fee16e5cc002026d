"""Compare heads that hear more or less of EfficientAT's MobileNet, in cross-validation on clips for teaching.

    python tools/taught_stages.py mn04 results/taught/stages.json "ESC-10=esc10.csv" "RAVDESS=ravdess.csv:2"

MODEL is a run folder, and a manifest may be followed by the fold that is put aside. Heads are fitted to the means of
the last features, with those by which the last 2, 3 (`--pooling stage`), 5 or all 8 blocks that weigh their channels
do so: these and the last features count alike. Four parts of the clips, by group, are tested in turn by heads fitted to
the others, as they are and in Gaussian noise at 0 dB. An entry is added to the file for each: the shares of right
answers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from auricle.backbones.inverted import InvertedResidualNet, SqueezeExcitation
from auricle.config import Teach
from auricle.config.training import TaughtSplitOptions
from auricle.files import write_json
from auricle.systems.classifier.augmentation import noise_in_range
from auricle.systems.classifier.system import Classifier
from auricle.tasks.classification.linear_heads import fit_head, fit_like
from auricle.tasks.classification.teach import TeachingTask
from auricle.tasks.classification.training_task import all_heard

BLOCKS = (0, 2, 3, 5, 8)
PARTS = 4
Sounds = dict[str, Tensor]


class AllBlocks(TeachingTask):
    """Teaching with the means of all blocks in the embedding, those of the last features first."""

    def build(self) -> Classifier:
        system = super().build()
        assert isinstance(system.backbone, InvertedResidualNet)
        system.backbone.last_stage = 0
        return system

    def listen(self) -> tuple[Sounds, Tensor, list[int]]:
        """Embeddings as they are and in noise, targets, and the number of channels that each block weighs."""
        system, (splits,) = self.build(), self.splits
        stored = self._stored(system, [all_heard(splits).train])
        clean, targets = self._heard(system, stored, "")
        noise = torch.Generator().manual_seed(0)
        system.frontend.register_forward_pre_hook(lambda _, inputs: noise_in_range(*inputs, (0.0, 0.0), 1.0, noise))
        noisy, _ = self._heard(system, stored, "in noise")
        weighed = [module.fc1.in_features for module in system.modules() if isinstance(module, SqueezeExcitation)]
        return {"clean": clean, "Gaussian": noisy}, targets, weighed


def shares(sounds: Sounds, targets: Tensor, folds: Tensor, parts: tuple[int, ...]) -> dict[str, float]:
    """The shares of right answers, each part by a head fitted to the others as they are.

    The penalty is chosen on one part, with the others to fit to.
    """
    right: dict[str, list[Tensor]] = {name: [] for name in sounds}
    clean = sounds["clean"]
    for fold in range(PARTS):
        own, held_out = folds == fold, folds == (fold + 1) % PARTS
        rest = ~own & ~held_out
        chosen_by = clean[held_out], targets[held_out]
        head = fit_head((clean[rest], targets[rest]), chosen_by, multi_label=False, parts=parts)
        head = fit_like(head, clean[~own], targets[~own], multi_label=False, parts=parts)
        for name, embeddings in sounds.items():
            right[name].append(head.logits(embeddings[own]).argmax(1) == targets[own].argmax(1))
    return {name: float(torch.cat(values).float().mean()) for name, values in right.items()}


def main(model: str, output: str, *data: str) -> None:
    path = Path(output)
    entries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    for named in data:
        name, _, place = named.partition("=")
        manifest, _, fold = place.partition(":")
        splits = TaughtSplitOptions(test_fold=fold) if fold else TaughtSplitOptions()
        task = AllBlocks(Teach(model=model, data=manifest, output="", pooling="stage", quiet=True, splits=splits))
        sounds, targets, weighed = task.listen()
        folds = torch.tensor(all_heard(task.splits[0]).train.cross_folds(PARTS, seed=0))
        last = sounds["clean"].shape[1] - sum(weighed)
        starts = last + np.cumsum([0, *weighed])
        for blocks in BLOCKS:
            kept = torch.cat([torch.arange(last), torch.arange(starts[-1 - blocks], starts[-1])])
            own = {condition: embeddings[:, kept] for condition, embeddings in sounds.items()}
            entry = {"data": name, "clips": len(targets), "blocks": blocks, "size": len(kept)}
            sizes = (last, len(kept) - last) if blocks else (last,)
            entries.append(entry | shares(own, targets, folds, sizes))
            print(entries[-1], flush=True)
        write_json(path, entries)


if __name__ == "__main__":
    main(*sys.argv[1:])
