"""The settings of tools: which are offered, and what each of them needs."""

from __future__ import annotations

from .key import N_, Key

TOOLS = (
    Key(
        "tools",
        "names",
        N_("Tools that the model and its code may call, by name, beside running code; all stands for every one."),
        ("--tool",),
        "tools.offered",
        env="tools_offered",
        guard="never",
    ),
    Key(
        "tools_only",
        "bool",
        N_("The model runs no code of its own: it has only the tools that are named."),
        ("--tools_only",),
        "agent.tools_only",
        guard="tighten",
    ),
    Key(
        "tool_files",
        "paths",
        N_("Python files of your own that define further tools."),
        ("--tool_file",),
        "tools.files",
        guard="never",
    ),
    Key(
        "tool_settings",
        "table",
        N_("What tools need, by their names: addresses of services, channels, limits."),
        into="tools.settings",
        guard="never",
    ),
    Key(
        "mcp_servers",
        "table",
        N_("Servers that speak the Model Context Protocol, by name: their tools are offered once you trust them."),
        into="tools.servers",
        guard="never",
    ),
)
