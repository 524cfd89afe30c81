"""Spans of time as people write them: `30s`, `5m`, `1.5h`."""

from __future__ import annotations

import math
import re

SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}


def seconds_of(value: object) -> float | None:
    """Seconds of a number or of `30s`, `5m`, `1h`; None for what is none, or is not above 0."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value) if value > 0 and math.isfinite(value) else None
    match = SPAN.fullmatch(value.strip()) if isinstance(value, str) else None
    found = float(match[1]) * SECONDS[match[2]] if match is not None else 0.0
    return found if found > 0 else None
