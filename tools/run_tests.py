"""Run pytest with these arguments; a test or two that fail are run once more, by themselves, and are named.

Eight thousand tests start some ten thousand processes on two cores, so one of them may wait longer than its patience.
What fails by itself as well has failed. So has a run in which more than two tests fail.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

MOST = 2
TESTS_FAILED = 1
FAILED = Path(".pytest_cache/v/cache/lastfailed")


def pytest(*words: str) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *words], check=False).returncode


def failed() -> list[str]:
    try:
        return [without_group(name) for name in json.loads(FAILED.read_text(encoding="utf-8"))]
    except (OSError, ValueError):
        return []


def without_group(name: str) -> str:
    """With several workers the name of a test in a group ends with `@` and the group; alone nobody knows it by that."""
    return name[: name.rfind("@")] if name.rfind("@") > max(name.rfind("]"), name.rfind("::")) else name


def main() -> int:
    code = pytest("--cache-clear", *sys.argv[1:])
    again = failed()
    if code != TESTS_FAILED or not 0 < len(again) <= MOST:
        return code
    print(f"\nOnce more, by themselves: {', '.join(again)}", flush=True)
    code = pytest("-q", *again)
    if code == 0:
        print(f"UNSTEADY (failed among the others, passed by themselves; mend them): {', '.join(again)}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
