"""What the host takes from its keeper: frames with claims of guests in them, whatever they hold."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from interpreter.kernels.claims import clean_value
from interpreter.kernels.link import Link, read_frame
from tests.kernels.bench import go, opened


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b'{"event":"x","a":"caf\xed\xb3\xa9"}', {"event": "x", "a": "caf\ufffd\ufffd\ufffd"}),
        (b'{"event":"x","a":"caf\xe9"}', {"event": "x", "a": "caf\ufffd"}),
        (b'{"event":"x","a":Infinity}', {"event": "x", "a": float("inf")}),
        (b'{"event":"x","a":1e999}', {"event": "x", "a": float("inf")}),
        (b'{"event":"x","a":' + b"[" * 100_000, None),
        (b'{"event":"x","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", None),
        (b"{", None),
    ],
)
def test_a_frame_that_is_no_json_does_not_cost_the_link(body: bytes, read: dict[str, Any] | None) -> None:
    async def work() -> None:
        events: list[dict[str, Any]] = []
        link = Link(events.append, lambda: None)
        after = b'{"event":"after"}'
        link.data_received(b"".join(len(one).to_bytes(4, "big") + one for one in (body, after)))
        assert events == [*([read] if read else []), {"event": "after"}]

    assert read_frame(body) == read
    asyncio.run(work())


def test_a_deep_claim_is_cleaned_as_far_as_it_is_looked_at() -> None:
    deep: Any = "\u202ex"
    for _ in range(900):
        deep = [deep]
    cleaned: Any = clean_value({"a": deep, "b": [{"c": "\u202ex"}]})
    assert cleaned["b"] == [{"c": "<U+202E>x"}]
    assert str(cleaned["a"]).strip("[]") == "None"
    assert str(cleaned["a"]).count("[") < 50


def test_a_name_that_is_no_text_costs_nobody_their_kernels(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as bench:
            with open(os.path.join(os.fsencode(tmp_path / "work"), b"caf\xe9.csv"), "wb"):
                pass
            await bench.run("kept = 1")
            ran = await bench.run("open('cafe.csv')")
            assert ran.status == "error" and ran.error and ran.error.name == "FileNotFoundError"
            assert "caf?.csv" in str(ran.completion.context)
            assert (await bench.run("input('\\ud800')")).status == "error"
            assert (await bench.run("kept")).result == "1"

    go(work())
