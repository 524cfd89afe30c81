"""Outputs of a job of GitHub's: names with values that may hold anything."""

from __future__ import annotations

import secrets
from collections.abc import Mapping


def outputs(values: Mapping[str, str]) -> str:
    """The lines for GITHUB_OUTPUT. The delimiter is drawn anew for each value, and never stands in it."""
    lines: list[str] = []
    for name, value in values.items():
        delimiter = "end_" + secrets.token_hex(16)
        while delimiter in value:
            delimiter = "end_" + secrets.token_hex(16)
        lines.append(f"{name}<<{delimiter}\n{value}\n{delimiter}\n")
    return "".join(lines)
