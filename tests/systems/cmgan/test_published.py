from __future__ import annotations

import numpy as np
import pytest
import torch

import auricle
from auricle.__main__ import main
from auricle.errors import AuricleError
from auricle.systems import load
from auricle.systems.cmgan.generator import TSCNet
from auricle.systems.cmgan.published import from_published
from published import in_noise, voice
from reference import reference_state_dict


@pytest.fixture(scope="module")
def weights():
    return TSCNet().state_dict()


@pytest.fixture(scope="module")
def folder(weights, tmp_path_factory):
    """A folder that the command made of a checkpoint with reference weights."""
    folder = tmp_path_factory.mktemp("cmgan")
    torch.save(reference_state_dict({name: value.shape for name, value in weights.items()}), folder / "ckpt")
    with pytest.raises(SystemExit) as ended:
        main(["convert", "cmgan", str(folder / "ckpt"), "--output", str(folder / "model")])
    assert ended.value.code == 0
    return folder


def test_a_checkpoint_becomes_a_folder_that_enhances_as_published(folder, shared):
    golden = np.load(shared / "golden" / "cmgan_tscnet.npz")
    enhanced = load(folder / "model").enhance(golden["noisy"], 16000)
    error = np.abs(enhanced - golden["enhanced"]).max() / np.abs(golden["enhanced"]).max()
    assert error < 1e-4


def test_figures_of_a_converted_checkpoint(folder, figures):
    enhanced = load(folder / "model").enhance(in_noise(voice(4000), 5.0), 16000)
    figures("cmgan_tscnet/enhanced of voice", enhanced, of_peak=1e-4)


def test_a_folder_is_not_written_over(folder, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["convert", "cmgan", str(folder / "ckpt"), "--output", str(folder / "model")])
    assert ended.value.code == 2
    assert "new folder" in capsys.readouterr().err


def test_a_link_to_nothing_is_not_replaced(folder, tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(AuricleError, match="link exists already: give a new folder"):
        auricle.convert_cmgan(folder / "ckpt", output=tmp_path / "link")
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("wrap", [lambda w: {"generator": w}, lambda w: {f"module.{k}": v for k, v in w.items()}])
def test_wrapped_state_dicts_are_found(wrap, weights, tmp_path):
    torch.save(wrap(weights), tmp_path / "ckpt")
    model = from_published(tmp_path / "ckpt")
    assert all(torch.equal(value, weights[name]) for name, value in model.generator.state_dict().items())


class Malicious:
    def __reduce__(self):
        return (print, ("unpickled",))


def test_nothing_is_unpickled_and_errors_say_what_is_wrong(weights, tmp_path, capsys):
    first = next(iter(weights))
    bad = {
        "code": (Malicious(), "more than tensors"),
        "list": ([1, 2], "list"),
        "names": ({"a": torch.zeros(1)}, "lacks"),
        "less": ({k: v for k, v in weights.items() if k != first}, first),
        "more": (weights | {"extra": torch.zeros(1)}, "extra"),
        "shape": (weights | {first: torch.zeros(2)}, r"\(2,\)"),
        "nan": (weights | {first: torch.full_like(weights[first], torch.nan)}, "NaN"),
    }
    for name, (content, words) in bad.items():
        torch.save(content, tmp_path / name)
        with pytest.raises(AuricleError, match=words):
            from_published(tmp_path / name)
    (tmp_path / "text").write_text("not a checkpoint")
    with pytest.raises(AuricleError, match="text"):
        from_published(tmp_path / "text")
    with pytest.raises(AuricleError, match="no such"):
        from_published(tmp_path / "nowhere")
    assert "unpickled" not in capsys.readouterr().out
