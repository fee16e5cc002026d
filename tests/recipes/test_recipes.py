"""Every command of every recipe, executed: from miniatures of the corpora in their published layouts to the tables.

The blocks of recipes/*/run.md run in bash as they stand. `auricle` is answered by this process, which adds to each
command what recipes/README.md tells people to add to try a recipe small; the lists of the loops are shortened by the
variables that are there for it.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import torch

from auricle.__main__ import main
from auricle.backbones import create_backbone
from auricle.data.corpora import CORPORA, build_manifest
from auricle.data.corpora.layout import published_counts
from auricle.metrics.workers import Workers
from auricle.systems.audiomae import AudioMAE
from auricle.systems.cmgan import CMGAN
from miniatures import FOLDERS, MINIATURES
from pages import table_of
from reference import reference_state_dict, shapes_of

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "recipes"
SHELL = r"""
set -e
auricle() { printf '%s ' "${BASH_LINENO[0]}" >&"$ASKED"; printf '%q ' "$@" >&"$ASKED"; echo >&"$ASKED"
            read -r code <&"$ANSWERED"; return "$code"; }
"""

pytestmark = pytest.mark.figures("undrawn")


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpora")
    for name, place in FOLDERS.items():
        MINIATURES[name](folder / place)
    return folder


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Published weights by their names, of networks as narrow as their conversions allow."""
    folder = tmp_path_factory.mktemp("checkpoints")
    with torch.device("meta"):
        cnn14 = shapes_of(create_backbone("cnn14", n_bands=64, channels=[4, 4, 4, 4, 4, 8]))
        cmgan = shapes_of(CMGAN.build("cmgan").generator)
    width = cnn14["fc1.weight"][0]
    panns = reference_state_dict(cnn14 | {"fc_audioset.weight": (3, width), "fc_audioset.bias": (3,)})
    for name in ("Cnn14_mAP=0.431", "Cnn14_DecisionLevelMax_mAP=0.385"):
        torch.save({"model": panns}, folder / f"{name}.pth")
    size = {"width": 64, "heads": 1, "depth": 1, "decoder": "transformer", "decoder_width": 32, "decoder_depth": 1}
    torch.save({"model": AudioMAE.build(size=size).network.state_dict()}, folder / "pretrained.pth")
    (folder / "CMGAN").mkdir()
    torch.save(reference_state_dict(cmgan), folder / "CMGAN" / "ckpt")
    return folder


def added() -> dict[str, list[str]]:
    """What recipes/README.md says to add to each command."""
    text = (RECIPES / "README.md").read_text(encoding="utf-8").partition("## Try it small first")[2]
    return {verb: shlex.split(options) for verb, options in re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", text, re.M)}


def execute(recipe: str, folder: Path, variables: dict[str, object]) -> None:
    """Run the blocks of a recipe in `folder`; fails unless each of its commands was executed and ended well."""
    text = (RECIPES / recipe / "run.md").read_text(encoding="utf-8")
    script = SHELL + "".join(re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S))
    commands = {number for number, line in enumerate(script.splitlines(), 1) if re.match(r" *auricle ", line)}
    (folder / "recipes").symlink_to(RECIPES)
    (asked, ask), (answered, answer) = os.pipe(), os.pipe()
    names = {name: str(value) for name, value in variables.items()} | {"ASKED": str(ask), "ANSWERED": str(answered)}
    shell = subprocess.Popen(["bash", "-c", script], cwd=folder, env=os.environ | names, pass_fds=(ask, answered))
    os.close(ask)
    os.close(answered)
    extra, executed = added(), set()
    with os.fdopen(asked) as questions, os.fdopen(answer, "w") as answers:
        for line in questions:
            number, *arguments = shlex.split(line)
            executed.add(int(number))
            answers.write(f"{command(arguments, extra)}\n")
            answers.flush()
    assert shell.wait() == 0
    assert executed == commands


def command(arguments: list[str], extra: dict[str, list[str]]) -> int:
    """Run a command with the additions of the entry that fits it best; returns its exit code."""
    fitting = [kind for kind in extra if set(kind.split()) <= set(arguments)]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, *extra.get(max(fitting, key=len, default=""), [])])
    return int(ended.value.code or 0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("auricle.tasks.enhancement.evaluate.Workers", functools.partial(Workers, 0))
    return tmp_path


def test_there_is_a_miniature_of_every_corpus():
    assert sorted(MINIATURES) == sorted(FOLDERS) == list(CORPORA)


@pytest.mark.parametrize("name", list(CORPORA))
def test_miniatures_hold_what_their_tables_list(name, corpora, tmp_path):
    summary = build_manifest(name, corpora / FOLDERS[name], output=tmp_path / "manifest.csv")
    assert set(summary.missing) <= {"--removed-by.wav"}
    published = published_counts(name)
    assert published is not None
    splits = {split for split in published.counts if split != "all"}
    assert splits <= set(summary.counts)


MODELS_OF_LEAF = (("mel", ""), ("leaf", ", compression=log"), ("leaf", ""))


@pytest.mark.slow
def test_leaf(folder, corpora):
    variables = {"FRONTENDS": "mel leaf", "TASKS": "commands speakers", "COMPRESSIONS": "log", "SEEDS": 0}
    execute("leaf", folder, {"CORPORA": corpora, "BACKBONES": "efficientnet-b0", **variables})
    single = table_of(folder / "tables" / "leaf-single.md", "Data set by data set: clean, accuracy, %")
    assert single.index.tolist() == ["commands, test", "speakers, test", "average"]
    assert list(single) == [f"{name} (n_filters=40{more})" for name, more in MODELS_OF_LEAF]
    drawn = table_of(folder / "tables" / "leaf-single.md", "Over data sets: accuracy, %", 1)
    assert {f"{single.columns[-1]} − {rival}" for rival in single.columns[:-1]} < set(drawn.index)
    multi = table_of(folder / "tables" / "leaf-multi.md", "Data set by data set: clean, accuracy, %")
    assert len(multi) == 8 + 1
    overview = table_of(folder / "tables" / "leaf-audioset.md", "Overview (clean)")
    assert len(overview) == 2
    assert {"AUC, %", "d′"} < set(overview)


@pytest.mark.slow
def test_leaf_apcen(folder, corpora):
    variables = {"FRONTENDS": "leaf-fixed leaf-apcen", "SEEDS": 0, "FOLDS": 1, "DATA": "fma-small"}
    execute("leaf-apcen", folder, {"CORPORA": corpora, **variables})
    for condition in ("clean", "complex"):
        table = table_of(folder / "tables/apcen.md", f"Data set by data set: {condition} → {condition}, accuracy, %")
        assert table.index.tolist() == ["esc-50", "fma-small", "average"]
        assert list(table) == ["leaf-fixed", "leaf-apcen"]


@pytest.mark.slow
def test_degramnet(folder, corpora):
    variables = {"BACKBONES": "resnet-18", "SEEDS": 0, "ABLATED": "voxceleb1", "VARY": "n_filters=32", "LENGTHS": 1}
    execute("degramnet", folder, {"CORPORA": corpora, **variables})
    for data in ("vggsound", "voxceleb1"):
        overview = table_of(folder / f"tables/degramnet-{data}.md", "Overview (clean)")
        assert {"accuracy, %", "mAP, %", "AUC, %", "d′"} < set(overview)
    assert " mAP " in (folder / "runs/degramnet/ablation-voxceleb1/table-clean.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_cmgan(folder, corpora):
    execute("cmgan", folder, {"CORPORA": corpora, "SNR": 5})
    assert table_of(folder / "tables/cmgan.md", "Overview (recorded)").index.tolist() == [
        "noisy",
        "spectral-gating",
        "voicebank",
    ]


@pytest.mark.slow
def test_trnet(folder, corpora, checkpoints):
    variables = {"SEEDS": 0, "BASELINES": "baseline-c", "KINDS": "trnet"}
    execute("trnet", folder, {"CORPORA": corpora, "CHECKPOINTS": checkpoints, **variables})
    overview = table_of(folder / "tables/trnet.md", "Overview")
    assert set(overview.index) == {"baseline-c", "trnet"}
    noises = ("clean", "matched", "unmatched")
    assert list(overview) == [f"{noise}: {metric}, %" for noise in noises for metric in ("UAR", "WAR")]


@pytest.mark.slow
def test_separation(folder, corpora, checkpoints):
    execute("separation", folder, {"CORPORA": corpora, "CHECKPOINTS": checkpoints, "MIXTURES": 1})
    for page, n_models in (("separation", 3), ("separation-small", 2)):
        overview = table_of(folder / f"tables/{page}.md", "Overview")
        assert list(overview)[-3:] == ["oracle: SDRi, dB", "average: SDR, dB", "average: SDRi, dB"]
        assert len(overview) == n_models
        assert len(list((folder / "tables" / page).glob("*-by-class.png"))) == 1


def test_small(folder, corpora):
    execute("small", folder, {"CORPORA": corpora, "FRONTENDS": "mel leaf"})
    assert table_of(folder / "tables/digits.md", "accuracy, %").index.tolist() == ["mel", "leaf"]
