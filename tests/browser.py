"""A headless Chromium that tests drive, by the DevTools protocol over a pair of pipes."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --mute-audio --hide-scrollbars "
    "--autoplay-policy=no-user-gesture-required"
)


class Tab:
    """A tab of the browser; `requested` are the addresses that it asked for, `errors` what its console complains of."""

    def __init__(self, requests: int, answers: int) -> None:
        self._requests = requests
        self._answers = answers
        self._rest = b""
        self._number = 0
        self._session = ""
        self.requested: list[str] = []
        self.errors: list[str] = []

    def attach(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "DOM", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """The result of a command of the protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._requests, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message(240.0)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _message(self, patience_s: float) -> Any:
        while b"\0" not in self._rest:
            if not select.select([self._answers], [], [], patience_s)[0]:
                raise TimeoutError("the browser does not answer")
            received = os.read(self._answers, 2**20)
            if not received:
                raise EOFError("the browser has ended")
            self._rest += received
        text, _, self._rest = self._rest.partition(b"\0")
        message = json.loads(text)
        self._note(message.get("method"), message.get("params", {}))
        return message

    def _note(self, event: str | None, what: Any) -> None:
        if event == "Network.requestWillBeSent":
            self.requested.append(what["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.errors.append(str(what["exceptionDetails"].get("exception", what["exceptionDetails"]))[:500])
        elif event == "Log.entryAdded" and what["entry"]["level"] == "error":
            self.errors.append(f"{what['entry']['text']} {what['entry'].get('url', '')}")

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"])[:1000])
        return result["result"].get("value")

    def wait(self, condition: str, patience_s: float = 240.0) -> Any:
        """Wait until a JavaScript expression is true; returns its value."""
        end = time.monotonic() + patience_s
        while True:
            value = self.run(condition)
            if value:
                return value
            if time.monotonic() > end:
                raise TimeoutError(f"{condition} never came true; the page says: {self.run('document.body.innerText')}")
            time.sleep(0.1)

    def open(self, address: str, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Open a page in a window of that size."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'")

    def give(self, selector: str, file: Path) -> None:
        """Give a file to the file input that `selector` names."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            shown = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **shown)

    def picture(self, path: Path) -> None:
        """Save a screenshot of the whole page."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        data = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))


@contextmanager
def browsing(folder: Path) -> Iterator[Tab]:
    """Context manager: a tab of a new browser, whose profile is in `folder`."""
    take_requests, requests = os.pipe()
    answers, give_answers = os.pipe()

    def connect() -> None:
        os.dup2(take_requests, 3 + 100)
        os.dup2(give_answers, 4 + 100)
        os.dup2(103, 3)
        os.dup2(104, 4)

    command = [str(BROWSER), *FLAGS.split(), f"--user-data-dir={folder}", "--remote-debugging-pipe"]
    process = subprocess.Popen(
        command, close_fds=False, preexec_fn=connect, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(take_requests)
    os.close(give_answers)
    tab = Tab(requests, answers)
    try:
        tab.attach()
        yield tab
    finally:
        process.kill()
        process.wait()
        os.close(requests)
        os.close(answers)
