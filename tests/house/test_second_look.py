"""`make test` runs a failed test or two once more: what passes then is named, what fails again has failed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "run_tests.py"
UNSTEADY = """
from pathlib import Path

def test_{n}():
    seen = Path(__file__).with_name("seen{n}")
    if not seen.exists():
        seen.touch()
        raise AssertionError("the first time")
"""


def run(folder: Path, *tests: str, words: tuple[str, ...] = ()) -> tuple[int, str]:
    (folder / "test_it.py").write_text("".join(tests))
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    plain["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # they would take most of the time
    argv = [sys.executable, str(TOOL), "-q", *words]
    done = subprocess.run(argv, cwd=folder, env=plain, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("tests", "code", "said"),
    [
        (("def test_a(): pass",), 0, "1 passed"),
        ((UNSTEADY.format(n=1), UNSTEADY.format(n=2)), 0, "UNSTEADY"),
        ((UNSTEADY.format(n=1), "def test_b(): assert False"), 1, "Once more, by themselves"),
        (("import nothing_like_this",), 2, "error"),
    ],
)
def test_what_it_says(tmp_path: Path, tests: tuple[str, ...], code: int, said: str) -> None:
    got, told = run(tmp_path, *tests)
    assert (got, said in told) == (code, True), told
    assert ("UNSTEADY" in told) == (said == "UNSTEADY")


def test_more_than_two_have_failed(tmp_path: Path) -> None:
    code, told = run(tmp_path, *(UNSTEADY.format(n=n) for n in range(3)))
    assert code == 1
    assert "3 failed" in told and "Once more" not in told


def test_a_test_of_a_group_is_found_again(tmp_path: Path) -> None:
    group = "import pytest\n@pytest.mark.xdist_group('a group')\n"
    grouped = UNSTEADY.format(n=1).replace("def ", group + "def ")
    code, told = run(tmp_path, grouped, words=("-p", "xdist", "-n", "1", "--dist", "loadgroup"))
    assert (code, "UNSTEADY" in told) == (0, True), told
