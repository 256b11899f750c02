"""The doorkeeper, outside of every route: request ids, size caps, host names, security headers, last resort."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Collection
from contextlib import suppress

import anyio
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
_ENDS = {400, 408, 413}  # what is left of such a body is not worth reading
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_log = logging.getLogger("trendloom.web")


class Guard:
    """ASGI middleware; keep it outermost.

    Args:
        app: What it guards.
        max_body: Largest request body in bytes, counted while it comes in when no length is declared.
        body_timeout_s: How long a body may take to come in.
        most: Requests with a body that are answered at the same time; who comes then is refused before a byte of the
            body is read, so that slow senders cannot fill the memory.
        hosts: Names by which the service may be addressed; None for any. Against DNS rebinding: a page elsewhere
            that points its own name at this machine would otherwise read the dashboard through the visitor's browser.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body: int,
        body_timeout_s: float = 30,
        most: int = 256,
        hosts: Collection[str] | None = None,
    ) -> None:
        self.app = app
        self.max_body, self.body_timeout_s, self.most = max_body, body_timeout_s, most
        self._bodies = 0  # requests with a body under way
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
        started, closing, declared = False, False, "transfer-encoding" not in headers
        has_body = not declared or headers.get("content-length", "0") != "0"
        body = _Body(receive, cap=self.max_body, timeout_s=self.body_timeout_s)

        async def send_guarded(message: Message) -> None:
            nonlocal started, closing
            if message["type"] == "http.response.start":
                started = True
                sent = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    sent.setdefault(name, value)
                sent["X-Request-ID"] = request_id
                closing = has_body and not body.whole and (message["status"] in _ENDS or not declared)
                if closing:
                    sent["Connection"] = "close"  # else the rest would be read and dropped, without an end
            elif head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            if closing and message["type"] == "http.response.body" and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await body.drop()  # closed while its client writes, a connection is reset and the answer lost
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        self._bodies += has_body
        try:
            self._check(headers, has_body=has_body)
            await self.app(scope, body.receive, send_guarded)
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
        finally:
            self._bodies -= has_body
        await response(scope, receive, send_guarded)

    def _check(self, headers: Headers, *, has_body: bool) -> None:
        """Refuses what its headers already say too much about.

        Raises:
            Refused: 400, 413, 421 or 503.
        """
        if has_body and self._bodies > self.most:
            raise Refused(503, "too many uploads at once: try again in a second", retry_after_s=1)
        declared = headers.get("content-length")
        if declared is not None and not (declared.isascii() and declared.isdigit()):
            raise Refused(400, "Content-Length: expected a whole number")
        if declared is not None and (len(declared) > 18 or int(declared) > self.max_body):
            raise _too_large(self.max_body)
        if self.hosts is not None:
            name = re.sub(r":\d*$", "", headers.get("host", "")).lower()
            if name not in self.hosts:
                raise Refused(421, "this service answers to localhost only: bind another address to use another name")


class _Body:
    """A request's body as it comes in: `whole` once nothing more will come."""

    def __init__(self, receive: Receive, *, cap: int, timeout_s: float) -> None:
        self._receive, self._cap, self._timeout_s = receive, cap, timeout_s
        self._got, self._until = 0, anyio.current_time() + timeout_s
        self.whole = False

    async def receive(self) -> Message:
        """Returns the next message.

        Raises:
            Refused: 413 or 408, as soon as the body is over the cap or takes too long.
        """
        try:
            with anyio.fail_after(None if self.whole else self._until - anyio.current_time()):
                message = await self._receive()
        except TimeoutError as exc:
            raise Refused(408, f"expected the whole body within {self._timeout_s:g} seconds") from exc
        if message["type"] == "http.request":
            self._got += len(message.get("body", b""))
            self.whole = not message.get("more_body", False)
            if self._got > self._cap:
                raise _too_large(self._cap)
        return message

    async def drop(self) -> None:
        """Reads and forgets the rest: as much as is allowed for a body, in the time that is left for it."""
        dropped = 0
        with suppress(Refused), anyio.CancelScope(deadline=self._until):  # another guard may stand outside
            while not self.whole and dropped <= self._cap:
                message = await self._receive()
                dropped += len(message.get("body", b""))
                self.whole = not message.get("more_body", False)  # also where the client has gone


def _too_large(cap: int) -> Refused:
    return Refused(413, f"expected a body of at most {cap:,} bytes: send fewer or smaller images")
