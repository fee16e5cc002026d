from __future__ import annotations

import pytest
import torch

from auricle.errors import AuricleError
from auricle.runs.loading import usable_device


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert usable_device("auto") == usable_device("cpu") == "cpu"
    for device in ("foo", "", "cuda", "cuda:7", "cpu:3", "mps", "meta", "auto:1"):
        with pytest.raises(AuricleError, match="cpu"):
            usable_device(device)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert usable_device("auto") == "cuda"
    assert usable_device("cuda:1") == "cuda:1"
    with pytest.raises(AuricleError, match="cuda:2"):
        usable_device("cuda:2")
