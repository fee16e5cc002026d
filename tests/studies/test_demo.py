from __future__ import annotations

import pandas as pd
import pytest

from auricle.errors import AuricleError
from auricle.studies.demo import OWN_FOLDER, demo


@pytest.mark.slow
def test_the_demo_makes_a_page_that_says_what_it_is(tmp_path, capsys):
    folder = tmp_path / "demo"
    page = demo(output=folder, epochs=1, n_clips=180)
    printed = capsys.readouterr().out
    assert "SYNTHETIC" in printed
    assert printed.rstrip().endswith(OWN_FOLDER)
    text = page.read_text(encoding="utf-8")
    assert "synthetic" in text
    assert "http://" not in text
    assert "https://" not in text
    for command in OWN_FOLDER.splitlines():
        assert command in text
    table = pd.read_csv(folder / "results.csv")
    assert set(table["run"]) == {"mel", "leaf-apcen", "robust"}
    settings = (folder / "runs" / "robust" / "settings.yaml").read_text()
    assert "recipe: robust" in settings
    assert "conditions: training" in settings
    assert list(table["condition"].unique()) == ["clean", "gaussian 20 dB", "gaussian 10 dB", "gaussian 0 dB"]
    names = {path.stem for path in (folder / "plots").iterdir()}
    assert names >= {"accuracy-against-snr", "confusion-mel.clean", "confusion-robust.white-3", "gain-bird", "bird"}
    (folder / "old").touch()
    (folder / "demo.json").unlink()
    with pytest.raises(AuricleError, match="not a demo's"):
        demo(output=folder, epochs=1, n_clips=180)
