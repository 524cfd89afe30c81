"""What a tree of processes holds, and how fast this machine is.

The ceilings in seconds were written for a machine that starts a bare Python of a virtual environment in 12 ms. One that
is slow or busy starts it later, and everything else as well: a figure above its ceiling by no more than that factor,
taken in the same run, says nothing against the program, and is marked as such.
"""

from __future__ import annotations

from pathlib import Path

REFERENCE = 0.012
"""Seconds from the start to the end of `python -c pass`."""


def slowness(bare: float) -> float:
    """Times that this machine needs longer than the reference, where a bare Python takes `bare` seconds; at least 1."""
    return max(1.0, bare / REFERENCE)


def tree_memory(*pids: int) -> int:
    """Proportional set size of processes and all below them, each counted once, in bytes."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    total, todo, seen = 0, list(pids), set[int]()
    while todo:
        one = todo.pop()
        if one in seen:
            continue
        seen.add(one)
        todo += children.get(one, [])
        try:
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
            total += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) * 1024
        except (OSError, StopIteration):
            continue
    return total


def verdict(holds: bool, over: float, slow: float) -> str:
    """What is said of a row. `over`: times its ceiling in seconds, 0 where the ceiling is no time."""
    if holds:
        return "holds"
    if 0 < over <= slow:
        return f"holds at the reference's speed (this machine: {slow:.1f} x slower)"
    return "MISSED"
