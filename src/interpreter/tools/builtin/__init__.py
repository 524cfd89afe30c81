"""The tools that come with the program, one file for each group; a file is loaded when one of its tools is offered."""

from __future__ import annotations

import importlib

from ..definition import Tool

TABLE: dict[str, str] = {
    "run_command": "command",
    "read_file": "files",
    "read_log": "files",
    "search_files": "files",
    "http_request": "http",
    "search_web": "search",
    "search_issue": "search",
    "prometheus": "metrics",
    "ask_human": "asking",
    "notify": "notifying",
    "knowledge_search": "knowing",
    "remember": "remembering",
    "recall": "remembering",
}
"""Name to module, in the order in which `all` offers them."""


def load(name: str) -> Tool:
    """Raises KeyError for a name that is not in the table."""
    module = importlib.import_module(f".{TABLE[name]}", __package__)
    found: Tool = getattr(module, name)
    return found
