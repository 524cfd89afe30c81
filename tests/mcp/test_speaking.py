"""What servers of others say, whatever carries it: how much of it is kept, and how it is shown."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from interpreter.aio import Tasks
from interpreter.errors import ToolError
from interpreter.tools.mcp.server import LONGEST_SCHEMA, offers
from interpreter.tools.mcp.speaking import LAID_OUT, PAGES, Speaking, readable

Result = dict[str, Any]


class Told(Speaking):
    """A server that greets, and says this to everything else."""

    def __init__(self, answer: Result) -> None:
        super().__init__("theirs", Tasks())
        self.answer, self.asked = answer, 0

    async def _send(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self.asked += message["method"] != "initialize"
            result = {"protocolVersion": "2025-06-18"} if message["method"] == "initialize" else self.answer
            await self._take(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode())


def test_a_list_of_tools_that_comes_in_pages_is_bounded_as_a_whole() -> None:
    def page(size: int) -> Told:
        return Told({"nextCursor": "x", "tools": [{"name": "t", "inputSchema": {"x": "y" * size}}]})

    small, large = page(1_000), page(1 << 20)
    assert len(asyncio.run(small.greet(20))) == PAGES
    with pytest.raises(ToolError, match="theirs lists more than 4 MB"):
        asyncio.run(large.greet(20))
    assert large.asked == 4


def test_structured_content_is_laid_out_where_that_does_not_make_much_more_of_it() -> None:
    assert readable({"structuredContent": {"a": [1]}}).splitlines() == ["{", ' "a": [', "  1", " ]", "}"]
    for levels, count in ((900, 20_000), (900, 500), (20, 20_000), (2, 400_000)):
        text = "[" * levels + ",".join("1" * count) + "]" * levels
        told = readable({"structuredContent": json.loads(text)})
        assert len(told) < 2 * max(len(text), LAID_OUT) and json.loads(told)


def test_what_is_nested_too_deep_for_us_is_not_shown() -> None:
    deep: Any = 1
    for _n in range(100_000):
        deep = [deep]
    assert "nested too deep" in readable({"structuredContent": deep})


def test_a_description_has_an_end() -> None:
    (one,) = offers([{"name": "t", "description": "x" * LONGEST_SCHEMA}])
    assert len(one.description) == LONGEST_SCHEMA
    with pytest.raises(ValueError, match="the description of 't' is longer"):
        offers([{"name": "t", "description": "x" * LONGEST_SCHEMA + "x"}])
