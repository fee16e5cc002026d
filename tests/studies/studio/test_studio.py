"""`auricle studio` itself: what it needs, where it listens, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import auricle
from auricle.__main__ import main
from auricle.errors import AuricleError
from auricle.studies.studio.server import HOST, free_socket


def test_without_gradio_one_line_says_what_brings_it(monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(SystemExit) as ended:
        main(["studio"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said == "auricle: auricle studio needs the package gradio: pip install 'auricle[studio]'\n"


def test_it_listens_on_the_loopback_address_alone() -> None:
    with free_socket(None) as first, free_socket(None) as second:
        assert first.getsockname()[1] != second.getsockname()[1]
        assert first.getsockname()[0] == second.getsockname()[0] == HOST == "127.0.0.1"
        with pytest.raises(AuricleError, match=rf"port {first.getsockname()[1]} of 127\.0\.0\.1 cannot be used"):
            free_socket(first.getsockname()[1])
    for port in (-1, 70000):
        with pytest.raises(AuricleError, match=f"port {port} .*give another --port"):
            free_socket(port)


@pytest.mark.slow
def test_it_says_where_it_is_and_ends_with_the_interruption(runs: Path, tmp_path: Path) -> None:
    pytest.importorskip("gradio", reason="the extra [studio] is not installed")
    with free_socket(0) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(auricle.__file__).parents[1])}
    command = [sys.executable, "-m", "auricle", "studio", str(runs), "--no-browser", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == f"auricle studio is at http://127.0.0.1:{port}; Ctrl-C ends it\n"
    assert [path.name for path in tmp_path.iterdir() if re.match("auricle-studio-", path.name)]
    with socket.create_connection(("127.0.0.1", port)):
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=120)
    assert (process.returncode, out, error) == (0, "auricle studio has ended\n", "")
    assert [path for path in tmp_path.iterdir() if path.name.startswith("auricle-studio-")] == []
