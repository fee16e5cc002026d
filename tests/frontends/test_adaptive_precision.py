from __future__ import annotations

import pytest
import torch

from auricle.frontends.adaptive import AdaptivePCEN


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_adaptive_pcen_keeps_its_precision_within_autocast(dtype):
    torch.manual_seed(0)
    compression, energies = AdaptivePCEN(), torch.rand(2, 4, 30) ** 4
    expected = compression(energies)
    with torch.autocast("cpu", dtype=dtype):
        made = compression(energies)
        low = compression(energies.to(dtype))
    torch.testing.assert_close(made, expected, rtol=0, atol=0)
    assert low.dtype == torch.float32
    made.sum().backward()
    assert all(p.grad.isfinite().all() for p in compression.parameters())
