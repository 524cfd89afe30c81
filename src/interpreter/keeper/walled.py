"""Runs one program inside walls, without a keeper: `python -I -S walled.py FD`, FD holding a `Launch` as JSON.

For trying a sandbox, and for programs of one shot such as an installer. Exits with 125 when the walls cannot be put up.
"""

import base64
import json
import os
import sys

if not __package__:
    # Like keeper/__main__.py: the folder becomes a package and stays off the path.
    _folder = os.path.dirname(os.path.abspath(__file__))
    _package = type(sys)("keeper")
    _package.__path__ = [_folder]
    sys.modules["keeper"] = _package
    __package__ = "keeper"
    sys.path[:] = [p for p in sys.path if os.path.abspath(p) != _folder]

from .walls import apply

NOT_WALLED = 125


def main(argv: list[str]) -> int:
    """Becomes the program; returns only when that fails."""
    with open(int(argv[1]), encoding="utf-8") as file:
        launch = json.load(file)
    launch["seccomp"] = base64.b64decode(launch.get("seccomp") or "")
    try:
        os.chdir(launch["cwd"])
        apply(launch, {0, 1, 2})
        os.execvpe(launch["argv"][0], launch["argv"], launch["env"])
    except (OSError, ValueError) as error:
        print(f"the sandbox could not be put up: {error}", file=sys.stderr)
    return NOT_WALLED


if __name__ == "__main__":
    sys.exit(main(sys.argv))
