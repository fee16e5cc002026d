"""A server on the loopback address that serves files, and misbehaves when told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What the server has, by path, and how it serves it.

    Args:
        files: contents.
        cuts: for each of the next answers the bytes after which the connection ends; then answers are whole.
        ranges: whether parts of files are served.
        tag: the ETag; empty for none.
        status: a status that every answer has instead.
        redirect: an address that every answer refers to.
        lengths: whether the length is said.
        pause_s: seconds between blocks of 4 KiB.
        asked: the paths that were asked for, with the ranges.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    tag: str = '"1"'
    status: int = 0
    redirect: str = ""
    lengths: bool = True
    pause_s: float = 0.0
    asked: list[tuple[str, str]] = field(default_factory=list)
    address: str = ""


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Context manager: serve `site` in another thread; its `address` is set."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            site.asked.append((self.path, wanted))
            if site.status:
                self.send_error(site.status)
                return
            if site.redirect:
                self.send_response(302)
                self.send_header("Location", site.redirect)
                self.end_headers()
                return
            content = site.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            first = 0
            same = self.headers.get("If-Range", site.tag) == site.tag
            if wanted and site.ranges and same:
                first = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if first >= len(content):
                    self.send_error(416)
                    return
            self.send_response(206 if first else 200)
            if first:
                self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
            if site.tag:
                self.send_header("ETag", site.tag)
            if site.lengths:
                self.send_header("Content-Length", str(len(content) - first))
            self.end_headers()
            body = content[first:]
            if site.cuts:
                body = body[: site.cuts.pop(0)]
            for start in range(0, len(body), 4096):
                self.wfile.write(body[start : start + 4096])
                time.sleep(site.pause_s)

        def log_message(self, *arguments: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that ends in the middle of an answer is what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    site.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
