"""Windows and transforms of exported graphs against PyTorch's own."""

from __future__ import annotations

import pytest
import torch

from auricle.frontends.fourier import by_products, real_transform, windows_of
from auricle.frontends.spectral import Spectrogram


@pytest.mark.parametrize(("size", "hop"), [(9, 3), (10, 3), (400, 160), (160, 40), (5, 1), (3, 7), (1, 1)])
@pytest.mark.parametrize("more", [0, 1, 2, 333])
def test_windows_are_those_of_unfold(size: int, hop: int, more: int) -> None:
    signal = torch.randn(2, size + more)
    assert torch.equal(windows_of(signal, size, hop), signal.unfold(-1, size, hop))


@pytest.mark.parametrize("length", [1, 2, 3, 4, 6, 7, 9, 12, 30, 97, 160, 400, 441, 512, 1024, 2048])
@pytest.mark.parametrize("share", [1.0, 0.78, 0.1])
def test_transforms_of_any_length(length: int, share: float) -> None:
    """As exact as those of the library in single precision; in the worst bin within a few roundings of its sum."""
    windows = torch.randn(2, 3, max(1, round(share * length)), generator=torch.Generator().manual_seed(length))
    found = torch.view_as_complex(real_transform(windows, length).contiguous())
    expected = torch.fft.rfft(windows.double(), n=length)
    assert (found - expected).norm() < 3e-7 * expected.norm()
    assert (found - expected).abs().max() < 1e-6 * expected.abs().max()


def test_a_tone_below_full_scale_leaves_other_bins_quiet() -> None:
    """A bin without energy holds rounding only, 120 dB below the tone."""
    time = torch.arange(1024, dtype=torch.float64)
    tone = torch.cos(2 * torch.pi * 37 / 1024 * time).float()
    power = real_transform(tone[None, None], 1024).square().sum(-1)[0, 0]
    others = torch.cat([power[:37], power[38:]])
    assert power[37].item() == pytest.approx(512**2, rel=1e-5)
    assert others.max() < 1e-12 * power[37]


def exported_operations() -> set[str]:
    """The names of the operations in the program of a spectrogram of clips of any length."""
    sizes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    program = torch.export.export(Spectrogram(10, 4, 16), (torch.zeros(2, 30),), dynamic_shapes=(sizes,))
    return {str(node.target) for node in program.graph.nodes}


def test_a_program_for_torch_keeps_its_transforms() -> None:
    assert "aten.fft_rfft.default" in exported_operations()


def test_a_graph_for_other_runtimes_has_matrix_products(monkeypatch: pytest.MonkeyPatch) -> None:
    with by_products():
        assert not any("fft" in name for name in exported_operations())
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    assert not any("fft" in name for name in exported_operations())
