"""Where the configuration files lie."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from ..store.home import default_home


def user_file(environ: Mapping[str, str]) -> Path:
    """`config.yaml` of the person: in INTERPRETER_HOME where that is set, else in the platform's folder."""
    if home := environ.get("INTERPRETER_HOME"):
        return Path(home).expanduser() / "config.yaml"
    # The same folders as platformdirs names, without its 15 ms: this is on the way of every start.
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "interpreter" / "config.yaml"
    base = Path(environ.get("XDG_CONFIG_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".config") / "interpreter" / "config.yaml"


def project_file(workspace: Path) -> Path:
    return workspace / ".interpreter" / "config.yaml"


def history_file() -> Path:
    """Where the conversation's typed lines are kept, in the tool's home."""
    return default_home() / "history"


def token_file() -> Path:
    """What clients of `interpreter mcp --http` show, in the tool's home."""
    return default_home() / "mcp" / "http.token"
