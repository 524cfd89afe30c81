"""HTTP over httpx: TLS, and what has to go through a proxy."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping

import httpx

from interpreter.errors import MalformedAnswer, ModelError, ServerFault
from interpreter.text.i18n import _

from .faults import broke_off, not_http, short, silent, unreachable
from .transport import Target, no_address, one_line

FINISH_GRACE = 0.2
"""Seconds for the end of a body after the protocol's own end was seen: a new TLS connection would cost more."""


class SecureTransport:
    """Connections to one server, honouring the proxies and certificates that the environment names."""

    def __init__(self, target: Target, connect_timeout: float, read_timeout: float) -> None:
        self._target = target
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        timeout = httpx.Timeout(read_timeout, connect=connect_timeout)
        # Building an SSL context costs 20 ms; without TLS it is never used. A server of this machine needs no proxy,
        # but it may need the certificates that the environment names.
        verify = httpx.create_ssl_context() if target.scheme == "https" else False
        self._client = httpx.AsyncClient(timeout=timeout, verify=verify, trust_env=not target.local)

    async def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None, wait: float | None = None
    ) -> SecureExchange:
        wait = self._read_timeout if wait is None else wait
        timeout = httpx.Timeout(wait, connect=self._connect_timeout)
        try:
            request = self._client.build_request(
                method, self._target.root + path, headers=octets(headers), content=body, timeout=timeout
            )
        except (httpx.InvalidURL, UnicodeError):
            raise no_address(self._target.url) from None
        for again in (True, False):
            try:
                return SecureExchange(await self._client.send(request, stream=True), wait)
            except httpx.RemoteProtocolError as error:
                # A kept connection that the server had closed: nothing of the answer came.
                if not again:
                    raise not_http(self._target, b"") from error
            except httpx.HTTPError as error:
                raise self._translate(error, wait) from error
        raise AssertionError

    def _translate(self, error: httpx.HTTPError, wait: float) -> ModelError:
        if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
            return unreachable(self._target, TimeoutError(), self._connect_timeout)
        if isinstance(error, httpx.TimeoutException):
            return silent(self._target, wait)
        return unreachable(self._target, error, self._connect_timeout)

    async def close(self) -> None:
        with contextlib.suppress(httpx.HTTPError, OSError):
            await self._client.aclose()


class SecureExchange:
    """An answer over httpx."""

    def __init__(self, response: httpx.Response, wait: float) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._wait = wait
        self._parts = response.aiter_raw()

    async def body(self) -> AsyncGenerator[bytes, None]:
        encoding = self.headers.get("content-encoding", "identity").lower()
        if encoding not in ("identity", ""):
            # A few bytes of it may be gigabytes, and a reader would unpack them at once.
            raise MalformedAnswer(
                _("The server sent a compressed body ({encoding}) unasked.", encoding=short(encoding)),
                _("Switch compression off in the server or in the gateway before it."),
            )
        try:
            async for data in self._parts:
                yield data
        except httpx.TimeoutException as error:
            raise ServerFault(
                _("The server sent nothing for {seconds} s in the middle of an answer.", seconds=f"{self._wait:g}"),
                _("Look at the server's log, or allow it more time with read_timeout."),
            ) from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise broke_off() from error

    async def finish(self) -> None:
        with contextlib.suppress(TimeoutError, httpx.HTTPError, httpx.StreamError):
            async with asyncio.timeout(FINISH_GRACE):
                async for _data in self._parts:
                    pass

    async def close(self) -> None:
        with contextlib.suppress(httpx.HTTPError, OSError):
            await self._response.aclose()


def octets(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    """The headers as they go out, and that nothing is to be compressed.

    The library takes them as ASCII only, and what it says of a value that it refuses quotes it, the key as well.
    """
    found = {name.encode("ascii", "replace"): one_line(value).encode() for name, value in headers.items()}
    return {b"Accept-Encoding": b"identity", **found}
