"""The server: the page, the sounds and the reports, on the loopback address, with nothing from or to elsewhere."""

from __future__ import annotations

import re
import socket
from typing import Any
from urllib.parse import urlsplit

from auricle.errors import AuricleError
from auricle.studies.studio.bench import Bench
from auricle.studies.studio.reports import SHOWN

HOST = "127.0.0.1"
USUAL_PORT, TRIED_PORTS = 7860, 20
PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; "
    "connect-src 'self' data: blob:; frame-ancestors 'none'; form-action 'none'; base-uri 'self'"
)
"""What the page may load: only what this server gives. Gradio needs inline scripts, and evaluates its templates."""
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; img-src 'self' data:; media-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; frame-ancestors 'self'"
)
"""A report can run its own scripts, but is a stranger to the page."""
_FOREIGN_TAGS = re.compile(rb'<meta\s+(?:property|name)="(?:og|twitter):[^>]*>')


def free_socket(port: int | None) -> socket.socket:
    """A socket that listens at `port` of the loopback address, by default to the first free one from 7860 on.

    Raises `AuricleError` if there is none.
    """
    candidates = range(USUAL_PORT, USUAL_PORT + TRIED_PORTS) if port is None else [port]
    for candidate in candidates:
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((HOST, candidate))
            bound.listen()
        except (OSError, OverflowError) as error:
            bound.close()
            why = getattr(error, "strerror", None) or str(error)
        else:
            return bound
    raise AuricleError(f"port {candidates[-1]} of {HOST} cannot be used ({why}): give another --port")


def application(bench: Bench, page: Any, **options: Any) -> Any:
    """The ASGI application of `page`, a `gradio.Blocks`; `options` are those of `gradio.mount_gradio_app`."""
    import gradio
    from fastapi import FastAPI
    from fastapi.responses import FileResponse, PlainTextResponse
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.api_route("/sound/{address:path}", methods=["GET", "HEAD"])
    def sound(address: str) -> Any:
        path = bench.shelf.find(address)
        return PlainTextResponse("this sound is gone", 404) if path is None else FileResponse(path)

    @app.api_route("/report/{number}/{address:path}", methods=["GET", "HEAD"])
    def report(number: int, address: str) -> Any:
        path = bench.reports.find(number, address)
        if path is None:
            return PlainTextResponse("no such report", 404)
        return FileResponse(
            path, media_type=SHOWN[path.suffix.lower()], headers={"Content-Security-Policy": REPORT_POLICY}
        )

    gradio.mount_gradio_app(
        app,
        page,
        path="/",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        pwa=False,
        ssr_mode=False,
        mcp_server=False,
        **options,
    )
    app.add_middleware(OnlyOwnPages)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    return app


class OnlyOwnPages:
    """Middleware: refuses requests that other pages cause and that would fetch from elsewhere; sets the policy."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if _is_foreign(headers.get(b"origin"), headers.get(b"host")) or re.search(r"/proxy=|file=\w+:/", scope["path"]):
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b"refused"})
            return
        if scope["path"] != "/":
            await self.app(scope, receive, lambda message: send(_with_policy(message)))
            return
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self.app(scope, receive, _Cleaned(send))


def _is_foreign(origin: str | None, host: str | None) -> bool:
    """Whether a request comes from a page of another origin than `host`, or from what is no origin."""
    try:
        return origin is not None and urlsplit(origin).netloc != host
    except ValueError:
        return True


class _Cleaned:
    """Sends the page without the tags that name other sites."""

    def __init__(self, send: Any) -> None:
        self.send = send
        self.start: Any = None
        self.body = b""

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.start = message
            return
        self.body += message.get("body", b"")
        if not message.get("more_body"):
            body = _FOREIGN_TAGS.sub(b"", self.body)
            kept = [(name, value) for name, value in self.start["headers"] if name.lower() != b"content-length"]
            headers = [*kept, (b"content-length", str(len(body)).encode())]
            await self.send(_with_policy(self.start | {"headers": headers}))
            await self.send({"type": "http.response.body", "body": body})


def _with_policy(message: Any) -> Any:
    if message["type"] == "http.response.start":
        present = {name.lower() for name, _ in message["headers"]}
        added = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]
        if b"content-security-policy" not in present:
            added.append((b"content-security-policy", PAGE_POLICY.encode()))
        message = message | {"headers": [*message["headers"], *added]}
    return message
