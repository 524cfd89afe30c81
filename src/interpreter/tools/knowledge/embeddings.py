"""Vectors for texts, from an OpenAI-compatible server that the person has configured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from ...errors import ToolError
from ..context import Web

BATCH = 64
LARGEST = 32 << 20
MOST_TEXT = 4000
SECONDS = 60.0


async def embed(http: Web, settings: Mapping[str, Any], key: str, texts: Sequence[str]) -> list[list[float]]:
    """One vector for each text. Raises ToolError: the server is not there, refuses, or answers something else."""
    base, model = str(settings.get("api_base", "")).rstrip("/"), str(settings.get("model", ""))
    if not base or not model:
        raise ToolError("embeddings need api_base and model")
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    found: list[list[float]] = []
    for start in range(0, len(texts), BATCH):
        part = [text[:MOST_TEXT] for text in texts[start : start + BATCH]]
        answer = await http.request(
            "POST", f"{base}/embeddings", headers=headers, body=msgspec.json.encode({"model": model, "input": part}),
            seconds=SECONDS, most=LARGEST, configured=True, redirects=0,
        )  # fmt: skip
        if answer.status != 200:
            raise ToolError(f"the embeddings server answered {answer.status}")
        found += vectors_in(answer.body, len(part))
    return found


def vectors_in(body: bytes, count: int) -> list[list[float]]:
    """Raises ToolError for what is not `count` vectors of one length."""
    try:
        said: Any = msgspec.json.decode(body)
        rows = sorted(cast("list[Any]", said["data"]), key=lambda row: int(row.get("index", 0)))
        vectors = [[float(one) for one in row["embedding"]] for row in rows]
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError):
        raise ToolError("what the embeddings server answered is not its JSON") from None
    if len(vectors) != count or len({len(vector) for vector in vectors}) != 1 or not vectors[0]:
        raise ToolError("the embeddings server answered another number of vectors than texts")
    return vectors
