"""What every request passes: who may ask, and what every answer says besides."""

import asyncio
import contextlib

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keras_portrait.serve.access import Access
from keras_portrait.serve.metrics import Metrics
from keras_portrait.serve.refusals import Refusal

# Addresses that tell nothing secret, and cost nothing.
_OPEN = {"/", "/health", "/openapi.json"}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# What is still read of a request that is refused: a client that is sending reads no answer yet.
_DRAINED_BYTES = 2**23
_DRAINED_SECONDS = 2.0


class Gate:
    """Lets requests pass to the service, and counts its answers.

    Args:
        app: the service.
        access: who may ask.
        metrics: counts.
    """

    def __init__(self, app: ASGIApp, access: Access, metrics: Metrics):
        self._app, self._access, self._metrics = app, access, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request; see the specification of ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._metrics)
        refusal = self._refusal(scope)
        if refusal is not None:
            await answer_to(refusal)(scope, exchange.receive, exchange.send)
            return
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except Exception:
            self._metrics.requests.labels(500).inc()
            raise

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        if not self._access.answers_to(headers.get("host")):
            return Refusal(403, "On a loopback address the service answers to loopback names only.")
        if scope["path"] in _OPEN:
            return None
        if not self._access.is_own_page(headers):
            return Refusal(403, "Pages of other sites are not answered.")
        if not self._access.has_token(headers):
            return Refusal(
                401,
                "The token is missing or wrong. Expected the header Authorization: Bearer TOKEN.",
                {"WWW-Authenticate": "Bearer"},
            )
        return None


def answer_to(refusal: Refusal) -> JSONResponse:
    """An error as an answer."""
    return JSONResponse({"error": str(refusal)}, refusal.status, refusal.headers)


class _Exchange:
    """A request and its answer, watched."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, metrics: Metrics):
        self._receive, self._send, self._metrics = receive, send, metrics
        headers = Headers(scope=scope)
        self._has_more = "content-length" in headers or "transfer-encoding" in headers
        # Who asks before sending sends nothing when refused.
        self._asks_first = headers.get("expect", "").lower() == "100-continue"

    async def receive(self) -> Message:
        message = await self._receive()
        self._asks_first = False
        self._has_more = message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if self._has_more and not self._asks_first:
                await self._drain()
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            self._metrics.requests.labels(message["status"]).inc()
        await self._send(message)

    async def _drain(self) -> None:
        left = _DRAINED_BYTES
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAINED_SECONDS):
                while self._has_more and left > 0:
                    left -= len((await self.receive()).get("body", b""))
