"""A checkpoint that is resumed or converted runs no code, whatever the environment says."""

from __future__ import annotations

import os
import pickle
import warnings
import zipfile

import pytest
import torch

from auricle import train_classifier
from auricle.errors import AuricleError
from auricle.runs.fit import check_unfinished
from auricle.systems.audiomae.published import from_published as audiomae
from auricle.systems.checkpoints import read_checkpoint
from auricle.systems.classifier import leaf_pytorch as leaf_pytorch_module
from auricle.systems.classifier.efficientat import from_published as efficientat
from auricle.systems.classifier.leaf_apcen import from_published as leaf_apcen
from auricle.systems.classifier.leaf_pytorch import from_published as leaf_pytorch
from auricle.systems.classifier.published import from_published as panns
from auricle.systems.cmgan.published import from_published as cmgan
from auricle.systems.published import check_weights, read_state_dict
from auricle.systems.separator.published import from_published as uss
from sounds import tone_folder

pytestmark = pytest.mark.figures("undrawn")
WHOLE = {
    "epoch": 0, "global_step": 3, "state_dict": {}, "loops": {}, "callbacks": {}, "optimizer_states": [],
    "lr_schedulers": [], "pytorch-lightning_version": "2.6.0",
}  # fmt: skip


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.fixture(params=["", "1"])
def environment(request, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", request.param)


def test_resuming_runs_no_code(tmp_path, environment):
    data = tone_folder(tmp_path / "data", 6)
    options = {"data": str(data), "output": tmp_path / "run", "frontend": "mel", "training": {"epochs": 1}}
    train_classifier(**options, quiet=True)
    (tmp_path / "run" / "run.json").unlink()
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    last.parent.mkdir()
    for content in (WHOLE | {"hyper_parameters": Payload(tmp_path / "ran")}, Payload(tmp_path / "ran")):
        torch.save(content, last)
        with pytest.raises(AuricleError, match=r"last.ckpt: .* remove .*run and begin again"):
            train_classifier(**options, quiet=True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", WHOLE)
def test_a_checkpoint_without_a_part_is_refused(tmp_path, name):
    torch.save(WHOLE, tmp_path / "last.ckpt")
    assert check_unfinished(tmp_path / "last.ckpt") == 3
    torch.save({key: value for key, value in WHOLE.items() if key != name}, tmp_path / "last.ckpt")
    with pytest.raises(AuricleError, match=name):
        check_unfinished(tmp_path / "last.ckpt")
    torch.save(WHOLE | {name: torch.zeros(1)}, tmp_path / "last.ckpt")
    with pytest.raises(AuricleError, match=name):
        check_unfinished(tmp_path / "last.ckpt")


def test_converting_runs_no_code(tmp_path, environment):
    torch.save({"state_dict": {"a": torch.ones(2)}, "x": Payload(tmp_path / "ran")}, tmp_path / "c.pth")
    with pytest.raises(AuricleError, match="holds more than tensors"):
        read_state_dict(tmp_path / "c.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_of_any_protocol_is_refused_without_a_warning(tmp_path, protocol):
    (tmp_path / "a.pth").write_bytes(pickle.dumps(Payload(tmp_path / "ran"), protocol=protocol))
    with warnings.catch_warnings(record=True) as warned, pytest.raises(AuricleError):
        read_checkpoint(tmp_path / "a.pth")
    assert not warned
    assert not (tmp_path / "ran").exists()


def test_damaged_checkpoints_are_one_line(tmp_path):
    path = tmp_path / "c.pth"
    torch.save({"a": torch.arange(1000.0)}, path)
    data = path.read_bytes()
    assert torch.equal(read_checkpoint(path)["a"], torch.arange(1000.0))
    for damaged in (b"", b"x" * 100, data[: len(data) // 2], data[:-30], data[100:], b"\x80\x02}q\x00.", b"\x80\x05K"):
        path.write_bytes(damaged)
        with pytest.raises(AuricleError) as raised:
            read_checkpoint(path)
        assert len(str(raised.value).splitlines()) == 1
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(2**20))
    with pytest.raises(AuricleError, match="compressed"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.zeros(1).expand(10**13), "a has 10000000000000 numbers, of which the file holds 4 bytes"),
        (torch.eye(3).to_sparse(), "a is not a tensor of plain numbers"),
        (torch.zeros(3, dtype=torch.complex64), "a is not a tensor of plain numbers"),
        (torch.zeros(3, device="meta"), "a is not a tensor of plain numbers"),
    ],
)
def test_tensors_that_are_not_plain_numbers_are_refused(value, words, tmp_path):
    torch.save({"b": torch.zeros(2), "a": value}, tmp_path / "c.pth")
    with pytest.raises(AuricleError, match=words):
        read_state_dict(tmp_path / "c.pth")


def test_a_name_that_stands_twice_is_refused(tmp_path):
    torch.save({"a": torch.zeros(2), "module.a": torch.ones(2)}, tmp_path / "c.pth")
    with pytest.raises(AuricleError, match="a stands twice"):
        read_state_dict(tmp_path / "c.pth")


def test_numbers_that_single_precision_cannot_hold_are_refused():
    own = {"a": torch.zeros(2)}
    check_weights("c.pth", "a network", {"a": torch.tensor([1.0, 1e38], dtype=torch.float64)}, own)
    with pytest.raises(AuricleError, match="a holds NaN or infinite values"):
        check_weights("c.pth", "a network", {"a": torch.tensor([1.0, 1e39], dtype=torch.float64)}, own)


NEEDED = {
    audiomae: (
        "patch_embed.proj.weight", "pos_embed", "decoder_embed.weight", "decoder_blocks.0.norm1.weight",
        "decoder_blocks.0.attn.tau",
    ),
    cmgan: ("dense_encoder.conv_1.0.weight",),
    efficientat: ("classifier.5.bias", "features.0.0.weight"),
    leaf_apcen: (
        "frontend._complex_conv._kernel", "_head.bias", "_encoder._blocks.0._se_reduce.weight",
        "_encoder._conv_stem.weight",
    ),
    leaf_pytorch: ("model._conv_stem.weight", "model._fc.bias", "features._complex_conv._kernel", "model.fc.weight"),
    panns: ("fc_audioset.weight", "conv_block1.conv1.weight", "logmel_extractor.melW", "att_block.cla.weight"),
    uss: (
        "base.bn0.weight", "film.encoder_block1->conv_block1->beta1.weight",
        "base.encoder_block1.conv_block1.conv1.weight",
    ),
}  # fmt: skip
"""The conversions, and entries from whose shapes they tell the sizes of the network."""
SHAPES = ((), (0,), (0, 0, 0, 0), (1,), (2, 2), (1, 3, 1), (30_000, 1, 1, 1))


@pytest.mark.parametrize("convert", NEEDED, ids=lambda convert: convert.__module__)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_entries_of_other_shapes_are_one_line(convert, shape, tmp_path, monkeypatch):
    """Whatever entry has the shape, and if all have it, no conversion ends in another exception or fills the memory."""
    monkeypatch.setattr(leaf_pytorch_module, "_EFFICIENTNETS", [{"name": "efficientnet-b0"}])
    path = tmp_path / "c.pth"
    usual = (4, 1, 16, 16) if convert is audiomae else (4, 1, 3, 3)
    names = NEEDED[convert]
    cases = [[*names], *([name] for name in names)]
    for strange in cases:
        torch.save({name: torch.ones(shape if name in strange else usual) for name in names}, path)
        with pytest.raises(AuricleError, match=r"^[^\n]*c\.pth: [^\n]*$"):
            convert(path)
