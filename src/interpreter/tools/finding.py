"""Many tools: only two are offered, one that finds the others and one that calls them."""

from __future__ import annotations

from typing import Any

from ..text.clean import clean_text
from .definition import Tool, ToolContext, tool
from .registry import USE, Registry

MANY = 12
"""Tools from which on their schemas are offered on demand, so that the first request stays small."""
SHOWN = 4
FIND = "find_tool"
"""The tool that finds others."""


def finding_tools(registry: Registry) -> tuple[Tool, Tool]:
    """`find_tool` and `use_tool` over a registry."""

    @tool(access="read", timeout=10.0, inside=False)
    def find_tool(ctx: ToolContext, query: str) -> list[dict[str, Any]]:
        """Find tools for a purpose: their names, descriptions and parameters.

        Args:
            query: A few words, such as: send a message.
        """
        return found(registry, query)

    @tool(access="write", name=USE, inside=False)
    def use(ctx: ToolContext, tool: str, arguments: dict[str, Any]) -> str:
        """Call a tool that find_tool has shown.

        Args:
            tool: Its name.
            arguments: Its arguments by name.
        """
        raise AssertionError("a call of it is read as a call of the tool that it names")

    return find_tool, use


def found(registry: Registry, query: str) -> list[dict[str, Any]]:
    """The tools that fit best, with what a call needs; where none fits, all names."""
    words = {word for word in clean_text(query).lower().replace("_", " ").split() if len(word) > 1}
    rows = [(score(one, words), one) for one in registry if one.name not in (USE, FIND)]
    best = sorted((row for row in rows if row[0]), key=lambda row: -row[0])[:SHOWN]
    if not best:
        return [{"tools": ", ".join(one.name for _points, one in rows)}]
    return [
        {"tool": one.name, "description": one.declaration.description, "parameters": one.declaration.parameters}
        for _points, one in best
    ]


def score(one: Tool, words: set[str]) -> int:
    """How well a tool fits: words of its name count more, and a word counts also as part of another (`log`, `logs`)."""
    name = one.name.lower().replace("_", " ").split()
    rest = one.declaration.description.lower()
    points = 0
    for word in words:
        stem = word[:-1] if word.endswith("s") and len(word) > 3 else word
        points += 5 * any(part.startswith(stem) or stem.startswith(part) for part in name) + (stem in rest)
    return points
