"""Answers that were given before to the same request, to the letter: in the home, for its owner alone, bounded."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from interpreter.types.base import Value
from interpreter.types.messages import Answer, CallPiece, ModelRequest, Piece, ServerFacts, TextPiece, Usage

from .client import ModelClient

FORMAT = 1
MOST_FILES = 2_000
MOST_BYTES = 64 << 20
LARGEST = 1 << 20
"""Bytes of one answer."""
LONGEST = 30 * 86_400.0
"""Seconds that an answer is kept."""


class Kept(Value):
    key: str
    answer: Answer
    format: int = FORMAT


class CachedModel:
    """A ModelClient that asks its server only what was not asked before.

    Args:
        client: who is asked.
        folder: where answers are kept; it is made when there is one to keep.
        more: what else decides about an answer: further fields of the requests.
    """

    def __init__(self, client: ModelClient, folder: Path, more: dict[str, Any]) -> None:
        self._client, self._folder, self._more = client, folder, more
        self._kept = 0

    @property
    def facts(self) -> ServerFacts | None:
        return self._client.facts

    async def connect(self) -> ServerFacts:
        return await self._client.connect()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        facts = await self._client.connect()
        key = key_of(facts, request, self._more)
        if (answer := self._find(key)) is not None:
            if answer.text:
                yield TextPiece(text=answer.text)
            for index, call in enumerate(answer.calls):
                yield CallPiece(index=index, name=call.name, arguments=call.arguments)
            yield msgspec.structs.replace(
                answer, usage=Usage(cost=0.0), source="cache", first_token=0.0, duration=0.0, retries=0
            )
            return
        async for piece in self._client.stream(request):
            if isinstance(piece, Answer) and piece.finish in ("stop", "tool_calls"):
                self._keep(key, piece)
            yield piece

    async def close(self) -> None:
        if self._kept:
            prune(self._folder)
        await self._client.close()

    def _find(self, key: str) -> Answer | None:
        """What cannot be read is not there."""
        try:
            descriptor = os.open(self._folder / f"{key}.json", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                if time.time() - os.fstat(descriptor).st_mtime > LONGEST:
                    return None
                kept = msgspec.json.decode(file.read(LARGEST + 1), type=Kept)
        except (OSError, ValueError):
            return None
        return kept.answer if kept.key == key and kept.format == FORMAT else None

    def _keep(self, key: str, answer: Answer) -> None:
        """An answer that cannot be kept is asked for again."""
        data = msgspec.json.encode(Kept(key=key, answer=answer))
        if len(data) > LARGEST:
            return
        partial = self._folder / f".{key}.{os.getpid()}.part"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            partial.replace(self._folder / f"{key}.json")
            self._kept += 1
        except OSError:
            partial.unlink(missing_ok=True)


def key_of(facts: ServerFacts, request: ModelRequest, more: dict[str, Any]) -> str:
    """The name of a request: all that its answer may depend on."""
    whole = {"base": facts.api_base, "model": facts.model, "request": request, "more": more}
    return sha256(msgspec.json.encode(whole, order="sorted")).hexdigest()


def prune(folder: Path) -> None:
    """Remove what is too old, and of the rest the oldest beyond the bounds."""
    found: list[tuple[float, int, Path]] = []
    now, size = time.time(), 0
    try:
        for path in folder.iterdir():
            facts = path.lstat()
            found.append((facts.st_mtime, facts.st_size, path))
    except OSError:
        return
    for count, (moment, bytes_, path) in enumerate(sorted(found, reverse=True), 1):
        size += bytes_
        if count > MOST_FILES or size > MOST_BYTES or now - moment > LONGEST:
            try:
                path.unlink()
            except OSError:
                continue
