"""`docs/matrix.md` names every case, and every case stands there."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
MATRIX = HERE.parents[1] / "docs" / "matrix.md"
ROW = re.compile(r"^\| e(\d+) \| ([^|]+) \| (screen|command) \| ([^|]*) \|$", re.MULTILINE)
CASE = re.compile(r"^def test_e(\d+)_(\w+)\(", re.MULTILINE)

LATER = 200
"""From here on each subject has a range of its own, with gaps."""
SCREENS = ("world.terminal(", "world.talk(", "Terminal(")


def cases() -> dict[int, tuple[str, str]]:
    """Number of each case: its file, and its source."""
    found: dict[int, tuple[str, str]] = {}
    for path in sorted(HERE.glob("test_*.py")):
        source = path.read_text()
        starts = [match.start() for match in CASE.finditer(source)] + [len(source)]
        for match, end in zip(CASE.finditer(source), starts[1:], strict=True):
            number = int(match[1])
            assert number not in found, f"two cases have the number {number}"
            found[number] = (path.name, source[match.start() : end])
    return found


def test_the_numbers_are_those_of_the_matrix() -> None:
    rows = {int(match[1]): match for match in ROW.finditer(MATRIX.read_text())}
    found = cases()
    assert sorted(rows) == sorted(found)
    first = [number for number in found if number < LATER]
    assert sorted(first) == list(range(1, len(first) + 1))


def test_the_matrix_says_how_each_case_is_run() -> None:
    found = cases()
    for match in ROW.finditer(MATRIX.read_text()):
        _file, source = found[int(match[1])]
        assert (match[3] == "screen") == any(
            word in source for word in ("world.terminal(", "world.talk(", "Terminal(")
        ), match[0]
        assert set(match[4].split()) == {f"{name}.jsonl" for name in re.findall(r'"(e\d+[ab]?)"', source)}, match[0]


def test_every_snapshot_belongs_to_a_case() -> None:
    named = {name for match in ROW.finditer(MATRIX.read_text()) for name in match[4].split()}
    assert {path.name for path in (HERE / "snapshots").iterdir()} == named
