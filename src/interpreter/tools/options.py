"""What a person may set about tools."""

from __future__ import annotations

from typing import Any

from ..types.base import Value


class ToolOptions(Value):
    offered: tuple[str, ...] = ()
    """Names of tools that are offered; `all`: every one whose settings are there."""
    files: tuple[str, ...] = ()
    """Absolute paths of Python files that define further tools; they are offered."""
    servers: dict[str, Any] = {}
    """Servers of others by name; `tools.mcp.server` reads them."""
    settings: dict[str, Any] = {}
    """By the name of the tool, or of the group that shares them."""
