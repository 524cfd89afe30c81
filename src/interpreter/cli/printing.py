"""Lines and JSON on standard output, for the commands that look after what is there."""

from __future__ import annotations

import sys
from typing import Any

from ..text.clean import clean_text


def write(line: str) -> None:
    sys.stdout.write(clean_text(line) + "\n")


def print_json(value: Any) -> None:
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
