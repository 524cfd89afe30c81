"""The data of the demonstration: a million lines of sales, the same ones every time."""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterator
from pathlib import Path

LINES = 1_000_000
"""Below the heading, the empty ones included."""
EMPTY_EVERY = 200
HEADING = "order_id,sale_day,region,product,units,unit_price,amount\n"
_EMPTY = ",,,,,,"
_DAYS = 731
_FIRST = datetime.date(2024, 1, 1)
_SEASON = (0.82, 0.78, 0.94, 0.98, 1.02, 1.05, 0.90, 0.86, 1.04, 1.12, 1.38, 1.46)
_REGIONS = ("North", "South", "East", "West")
_PRODUCTS = (("desk", 289.0), ("chair", 149.5), ("lamp", 39.9), ("shelf", 99.0), ("mat", 24.5), ("clock", 31.75))


def write_sales(path: Path, lines: int = LINES) -> None:
    """Write the table in one go; a file that is there is replaced. Raises OSError."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        file.write(HEADING)
        for block in _blocks(lines):
            file.write(block)
    part.replace(path)


def _blocks(lines: int) -> Iterator[str]:
    """One block a day; busy months and weekends have more lines."""
    chance = random.Random(20240101)
    ends = _endings(chance)
    weights = [_weight(_FIRST + datetime.timedelta(days=day), day, chance) for day in range(_DAYS)]
    total, begun, line = sum(weights), 0.0, 0
    for day, weight in enumerate(weights):
        begun += weight
        until = lines if day == _DAYS - 1 else round(lines * begun / total)
        date = (_FIRST + datetime.timedelta(days=day)).isoformat()
        block = [
            f"{100000 + n},{date},{ends[n * 7919 % len(ends)]}" if n % EMPTY_EVERY else _EMPTY
            for n in range(line + 1, until + 1)
        ]
        line = until
        if block:
            yield "\n".join(block) + "\n"


def _weight(date: datetime.date, day: int, chance: random.Random) -> float:
    weekend = 1.35 if date.weekday() >= 5 else 1.0
    return _SEASON[date.month - 1] * (1 + day / 1500) * weekend * chance.uniform(0.9, 1.1)


def _endings(chance: random.Random) -> list[str]:
    """The later columns, of which each line takes one set."""
    found: list[str] = []
    for _number in range(4001):
        product, price = _PRODUCTS[chance.randrange(len(_PRODUCTS))]
        units = 1 + int(chance.expovariate(0.6))
        paid = round(price * chance.uniform(0.85, 1.0), 2)
        found.append(f"{_REGIONS[chance.randrange(4)]},{product},{units},{paid:.2f},{units * paid:.2f}")
    return found
