"""`auricle studio`: a web page of one's own, on this machine alone."""

from __future__ import annotations

import os
import tempfile
import threading
import time
import webbrowser
from pathlib import Path

from auricle import extras
from auricle.config import Studio, verb
from auricle.data.material import read_material
from auricle.studies.studio.bench import Bench
from auricle.studies.studio.models import Models
from auricle.studies.studio.reports import Reports
from auricle.studies.studio.server import HOST, application, free_socket
from auricle.studies.studio.sounds import Shelf

LARGEST_UPLOAD = "1gb"
SETTINGS = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
"""Environment variables by which Gradio and what it uses ask nothing of other sites."""


@verb
def studio(options: Studio) -> None:
    """Serve the page until it is interrupted; returns nothing."""
    extras.require("gradio", "auricle studio")
    models = Models(options.models, options.device)
    reports = Reports(models, options.reports or [])
    material = read_material(options.material or [], progress=True)
    with tempfile.TemporaryDirectory(prefix="auricle-studio-") as folder:
        os.environ.update(SETTINGS, GRADIO_TEMP_DIR=str(Path(folder) / "uploads"))
        bench = Bench(Shelf(Path(folder) / "shelf"), models, reports, material)
        serve(bench, options.port, browser=not options.no_browser)


def serve(bench: Bench, port: int | None, *, browser: bool) -> None:
    """Serve the page of `bench` on the loopback address until the process is interrupted."""
    import uvicorn

    from auricle.studies.studio.layout import page
    from auricle.studies.studio.style import looks

    with free_socket(port) as bound:
        address = f"http://{HOST}:{bound.getsockname()[1]}"
        app = application(bench, page(bench), max_file_size=LARGEST_UPLOAD, **looks())
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        threading.Thread(target=_announce, args=(server, address, browser), daemon=True).start()
        try:
            server.run(sockets=[bound])
        except KeyboardInterrupt:
            print("auricle studio has ended")


def _announce(server: object, address: str, browser: bool) -> None:
    """Say where the page is as soon as it is served, and open it."""
    while not getattr(server, "started", False):
        time.sleep(0.05)
    print(f"auricle studio is at {address}; Ctrl-C ends it", flush=True)
    if browser:
        webbrowser.open(address)
