from __future__ import annotations

import dataclasses

import pytest
import yaml

from auricle.errors import AuricleError
from auricle.options import Optimization, Training
from auricle.stress.grid import _same_training


def test_a_run_without_an_option_had_its_default(tmp_path):
    training = dataclasses.asdict(Training(epochs=3))
    del training["balance"], training["window_range_s"]
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump({"training": training}))
    _same_training(tmp_path, {"training": Training(epochs=3), "optimization": Optimization()})
    with pytest.raises(AuricleError, match="another training"):
        _same_training(tmp_path, {"training": Training(epochs=3, balance=True), "optimization": Optimization()})
