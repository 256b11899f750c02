"""The doorkeeper, outside of every route: request ids, size caps, host names, security headers, last resort."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trendloom.web.problems import Refused, answer

__all__ = ["LOCAL_NAMES", "Guard"]

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_log = logging.getLogger("trendloom.web")


class Guard:
    """ASGI middleware; keep it outermost.

    Args:
        app: What it guards.
        max_body: Largest request body in bytes, counted while it comes in when no length is declared.
        hosts: Names by which the service may be addressed; None for any. Against DNS rebinding: a page elsewhere
            that points its own name at this machine would otherwise read the dashboard through the visitor's browser.
    """

    def __init__(self, app: ASGIApp, *, max_body: int, hosts: Collection[str] | None = None) -> None:
        self.app = app
        self.max_body = max_body
        self.hosts = None if hosts is None else frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, or lets the application answer, one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        head = scope["method"] == "HEAD"
        if head:  # every GET answers HEAD: the same headers, no body
            scope = {**scope, "method": "GET"}
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                sent = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    sent.setdefault(name, value)
                sent["X-Request-ID"] = request_id
            elif head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        try:
            self._check(headers)
            await self.app(scope, self._counted(receive), send_guarded)
        except Refused as exc:
            response = answer(Request(scope), exc.status_code, str(exc.detail), headers=exc.headers)
        except Exception:
            _log.exception("request %s failed", request_id)
            if started:
                raise
            words = "Something went wrong here. It is in the log under the request id."
            response = answer(Request(scope), 500, words)
        else:
            return
        await response(scope, receive, send_guarded)

    def _check(self, headers: Headers) -> None:
        """Refuses what its headers already say too much about.

        Raises:
            Refused: 400, 413 or 421.
        """
        declared = headers.get("content-length")
        if declared is not None and not (declared.isascii() and declared.isdigit()):
            raise Refused(400, "Content-Length: expected a whole number")
        if declared is not None and (len(declared) > 18 or int(declared) > self.max_body):
            raise self._too_large()
        if self.hosts is not None:
            name = re.sub(r":\d*$", "", headers.get("host", "")).lower()
            if name not in self.hosts:
                raise Refused(421, "this service answers to localhost only: bind another address to use another name")

    def _too_large(self) -> Refused:
        return Refused(413, f"expected a body of at most {self.max_body:,} bytes: send fewer or smaller images")

    def _counted(self, receive: Receive) -> Receive:
        """Returns `receive` that refuses a body as soon as it is over the cap."""
        got = 0

        async def receive_counted() -> Message:
            nonlocal got
            message = await receive()
            if message["type"] == "http.request":
                got += len(message.get("body", b""))
                if got > self.max_body:
                    raise self._too_large()
            return message

        return receive_counted
