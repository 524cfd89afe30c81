"""Secrets that stay outside: placeholders become their real values on the way to one host, and back in answers."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncIterator
from typing import NamedTuple
from urllib.parse import quote, quote_plus

from .hosts import Pattern, patterns
from .messages import Header


class Secret(NamedTuple):
    variable: str
    placeholder: str
    """As long as the value, so that an answer keeps its length."""
    value: str
    hosts: tuple[Pattern, ...]

    def __repr__(self) -> str:
        return f"Secret({self.variable})"

    def goes_to(self, name: str, port: int) -> bool:
        return any(pattern.fits(name, port) for pattern in self.hosts)


def secrets_of(told: list[dict[str, str]]) -> tuple[Secret, ...]:
    return tuple(Secret(t["variable"], t["placeholder"], t["value"], patterns(t["host"])) for t in told)


class Swap:
    """For one connection: fills headers in, and takes the values out of what comes back."""

    def __init__(self, secrets: tuple[Secret, ...], *, fill: tuple[Secret, ...]) -> None:
        self._all, self._fill = secrets, fill
        self.stray: list[str] = []
        """Variables whose placeholders stood in headers that go to a host that is not theirs."""
        self._back: dict[bytes, bytes] = {}
        for secret in fill:
            for form in forms(secret.value):
                self._forget(form, secret.placeholder)

    def _forget(self, value: str, instead: str) -> None:
        data = value.encode()
        filler = (instead * (len(data) // max(1, len(instead)) + 1)).encode()[: len(data)]
        self._back.setdefault(data, filler)

    def headers(self, headers: list[Header]) -> list[Header]:
        """The headers as they go out."""
        return [(name, self._header(name, value)) for name, value in headers]

    def _header(self, name: str, value: str) -> str:
        if name.lower() in ("authorization", "proxy-authorization") and value[:6].lower() == "basic ":
            pair = decoded(value[6:].strip())
            filled = self._text(pair) if pair is not None else None
            if filled is not None and filled != pair:
                code = base64.b64encode(filled.encode("latin-1")).decode()
                self._forget(code, base64.b64encode((pair or "").encode("latin-1")).decode())
                return f"Basic {code}"
        return self._text(value)

    def _text(self, text: str) -> str:
        for secret in self._all:
            if secret.placeholder in text:
                if secret in self._fill:
                    text = text.replace(secret.placeholder, secret.value)
                else:
                    self.stray.append(secret.variable)
        return text

    def clean(self, data: bytes) -> bytes:
        """Whole data without the values."""
        for value, instead in self._back.items():
            data = data.replace(value, instead)
        return data

    def clean_headers(self, headers: list[Header]) -> list[Header]:
        return [(name, self.clean(value.encode("latin-1")).decode("latin-1")) for name, value in headers]

    async def cleaned(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """A stream without the values, also where one lies across two pieces; of the same length."""
        longest = max((len(value) for value in self._back), default=0)
        if not longest:
            async for data in pieces:
                yield data
            return
        held = b""
        async for data in pieces:
            held = self.clean(held + data)
            keep = self._begun(held, longest)
            if len(held) > keep:
                yield held[: len(held) - keep]
                held = held[len(held) - keep :]
        if held:
            yield held

    def _begun(self, data: bytes, longest: int) -> int:
        """How many bytes at the end may be the beginning of a value."""
        for size in range(min(longest - 1, len(data)), 0, -1):
            tail = data[-size:]
            if any(value.startswith(tail) for value in self._back):
                return size
        return 0


def forms(value: str) -> list[str]:
    """The spellings in which a host may send a value back."""
    plain = value.encode("utf-8")
    coded = base64.b64encode(plain).decode()
    found = [value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1], coded, plain.hex()]
    return list(dict.fromkeys(found))


def decoded(code: str) -> str | None:
    try:
        return base64.b64decode(code, validate=True).decode("latin-1")
    except (binascii.Error, ValueError):
        return None
