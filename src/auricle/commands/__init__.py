"""The verbs of the command line: their options, functions and printed results.

A verb's function is imported only when it is run, so that `auricle --help` is fast.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from auricle import config
from auricle.commands.following import next_command
from auricle.errors import AuricleError, without_controls
from auricle.files import json_text
from auricle.progress import first_process


@dataclass(frozen=True)
class Verb:
    """A verb: the class of its options, its function as "module:name", and `report`, which formats the result.

    With `record`, the result has a method of that name that gives it as plain values, for --json.
    """

    options: type[config.Options]
    target: str
    report: Callable[[Any], str] = str
    record: bool = False

    @property
    def module(self) -> str:
        return self.target.partition(":")[0]

    @property
    def name(self) -> str:
        """The function's name, which is also its name in the package `auricle`."""
        return self.target.partition(":")[2]

    def function(self) -> Callable[..., Any]:
        """Import and return the function."""
        return getattr(import_module(self.module), self.name)

    def run(self, options: config.Options, *, as_json: bool = False) -> int:
        """Run the verb and print its result, then on standard error what to do next; returns the exit code.

        A result may have an `exit_code` other than 0, and a `complaint`, a line that is printed on standard error, such
        as the number of files that failed.
        """
        _refuse_lost_folder()
        with redirect_stdout(sys.stderr) if as_json else nullcontext():  # where JSON stands alone
            result = self.function().with_options(options)  # type: ignore[attr-defined]
        text = json_text(result.record()).rstrip() if as_json else self.report(result)
        if text:
            print(text)
        complaint, code = getattr(result, "complaint", ""), getattr(result, "exit_code", 0)
        if complaint:
            print(without_controls(f"auricle: {complaint}"), file=sys.stderr)
        if not (code or as_json or getattr(options, "quiet", False)) and first_process():
            following = next_command(self.name, options, result)
            if following:
                print(f"next: {following}", file=sys.stderr)
        return code


def _refuse_lost_folder() -> None:
    """Raise `AuricleError` if the working folder was removed: the libraries below torch need one to be loaded."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise AuricleError("the working folder does not exist any more: change to another one") from None


def _nothing(result: Any) -> str:
    return ""


def _trained(text: str) -> Callable[[Any], str]:
    """What the first process of a training says of its folder; the others say nothing."""
    return lambda folder: text.format(folder) if first_process() else ""


TRAIN = {
    "audiomae": Verb(
        config.TrainAudioMAE,
        "auricle.tasks.pretraining.train:train_audiomae",
        _trained("the autoencoder is in {0}, described in {0}/README.md"),
    ),
    "classifier": Verb(
        config.TrainClassifier,
        "auricle.tasks.classification.train:train_classifier",
        _trained("the model is in {0}, described in {0}/README.md"),
    ),
    "enhancer": Verb(
        config.TrainEnhancer,
        "auricle.tasks.enhancement.train:train_enhancer",
        _trained("the enhancer is in {0}, described in {0}/README.md"),
    ),
    "separator": Verb(
        config.TrainSeparator,
        "auricle.tasks.separation.train:train_separator",
        _trained("the separator is in {0}, described in {0}/README.md"),
    ),
    "trnet": Verb(
        config.TrainTRNet,
        "auricle.tasks.emotion.train:train_trnet",
        _trained("all folds are in {0}, their predictions in {0}/predictions.csv"),
    ),
}
CONVERT = {
    "audiomae": Verb(config.ConvertAudioMAE, "auricle.tasks.convert:convert_audiomae"),
    "cmgan": Verb(config.ConvertCMGAN, "auricle.tasks.convert:convert_cmgan"),
    "efficientat": Verb(config.ConvertEfficientAT, "auricle.tasks.convert:convert_efficientat"),
    "leaf-apcen": Verb(config.ConvertLEAFAPCEN, "auricle.tasks.convert:convert_leaf_apcen"),
    "leaf-pytorch": Verb(config.ConvertLeafPytorch, "auricle.tasks.convert:convert_leaf_pytorch"),
    "panns": Verb(config.ConvertPANNs, "auricle.tasks.convert:convert_panns"),
    "uss": Verb(config.ConvertUSS, "auricle.tasks.convert:convert_uss"),
}
VERBS: dict[str, Verb | dict[str, Verb]] = {
    "demo": Verb(config.Demo, "auricle.studies.demo:demo", _nothing),
    "check": Verb(config.Check, "auricle.data.check:check", record=True),
    "train": TRAIN,
    "teach": Verb(
        config.Teach,
        "auricle.tasks.classification.teach:teach",
        _trained("the model is in {0}, described in {0}/README.md"),
    ),
    "calibrate": Verb(config.Calibrate, "auricle.tasks.classification.calibrate:calibrate"),
    "evaluate": Verb(config.Evaluate, "auricle.tasks.evaluate:evaluate", record=True),
    "predict": Verb(config.Predict, "auricle.tasks.predict:predict"),
    "enhance": Verb(config.Enhance, "auricle.tasks.enhancement.predict:enhance"),
    "review": Verb(config.Review, "auricle.tasks.classification.review:review", "open {0} in a browser".format),
    "embed": Verb(config.Embed, "auricle.tasks.embedding.embed:embed"),
    "search": Verb(config.Search, "auricle.tasks.embedding.search:search", record=True),
    "separate": Verb(config.Separate, "auricle.tasks.separation.predict:separate"),
    "push": Verb(config.Push, "auricle.tasks.push:push"),
    "download": Verb(config.Download, "auricle.tasks.download:download"),
    "convert": CONVERT,
    "listen": Verb(config.Listen, "auricle.tasks.classification.listen:listen", _nothing),
    "export": Verb(config.Export, "auricle.exporting.export:export"),
    "compare": Verb(config.Compare, "auricle.studies.compare:compare", "written to {0}".format),
    "corrupt": Verb(config.Corrupt, "auricle.studies.corrupt:corrupt"),
    "stress": Verb(config.Stress, "auricle.studies.stress.stress:stress", record=True),
    "inspect": Verb(config.Inspect, "auricle.studies.inspect:inspect", "written to {0}".format),
    "studio": Verb(config.Studio, "auricle.studies.studio.studio:studio", _nothing),
    "bench": Verb(config.Bench, "auricle.studies.costs:bench", record=True),
    "manifest": Verb(config.BuildManifest, "auricle.data.corpora.build:build_manifest"),
    "doctor": Verb(config.Doctor, "auricle.studies.doctor:doctor", record=True),
    "completion": Verb(config.Completion, "auricle.commands.completion:completion"),
    "list": Verb(config.ListNames, "auricle.commands.names:list_names", record=True),
}


def every_verb() -> dict[str, Verb]:
    """All verbs by their command, such as "train classifier"."""
    found: dict[str, Verb] = {}
    for name, entry in VERBS.items():
        found |= {f"{name} {what}": verb for what, verb in entry.items()} if isinstance(entry, dict) else {name: entry}
    return found
