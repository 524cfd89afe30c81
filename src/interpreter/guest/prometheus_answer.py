"""What a Prometheus server is asked and what it answers: one reading for the tool outside and for checks inside the walls."""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from urllib.parse import urlencode


class Series(NamedTuple):
    labels: dict[str, str]
    points: list[tuple[float, float]]
    """Unix time and value, in their order; one where the query is of one moment."""


def address(base: str, path: str, **words: str) -> str:
    """The address of the API below that of the server, which may have a path of its own."""
    return f"{base.rstrip('/')}/api/v1/{path}" + (f"?{urlencode(words)}" if words else "")


def data_of(status: int, body: str) -> tuple[Any, list[str]]:
    """The data and the warnings of an answer. Raises ValueError with a sentence."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or said.get("status") not in ("success", "error"):
        raise ValueError(f"it answered {status}, and not as Prometheus does")
    if said["status"] == "error" or status != 200:
        raise ValueError(f"it answered {status}: {said.get('error') or said.get('errorType') or 'no reason'}")
    warnings = said.get("warnings")
    return said.get("data"), [str(one) for one in warnings] if isinstance(warnings, list) else []


def series_of(data: Any) -> list[Series]:
    """Every series of a query's result. Raises ValueError with a sentence."""
    try:
        kind, result = data["resultType"], data["result"]
        if kind == "string":
            raise ValueError("it is a text, not a number")
        if kind == "scalar":
            return [Series({}, [point(result)])]
        if any("value" not in one and "values" not in one for one in result):
            raise ValueError("it holds native histograms, which have no single value: ask for histogram_quantile(...)")
        return [
            Series(
                {str(name): str(value) for name, value in one["metric"].items()},
                [point(pair) for pair in (one["values"] if "values" in one else [one["value"]])],
            )
            for one in result
        ]
    except (KeyError, TypeError, IndexError, AttributeError):
        raise ValueError("its result cannot be read") from None


def point(pair: Any) -> tuple[float, float]:
    when, value = pair
    return float(when), float(value)


def broken(series: list[Series], at_most: float | None, at_least: float | None) -> str:
    """How the bounds are broken, which every value has to keep; empty: they hold. Not-a-number keeps none."""
    values = [value for one in series for _when, value in one.points]
    if not values:
        return "the query gives no value"
    for value in values:
        if at_most is not None and not value <= at_most:
            return f"{value:g} is more than {at_most:g}" if value == value else "the query gives NaN, which is no number"
        if at_least is not None and not value >= at_least:
            return f"{value:g} is less than {at_least:g}" if value == value else "the query gives NaN, which is no number"
    return ""
