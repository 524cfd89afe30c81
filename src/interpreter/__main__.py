"""`interpreter` and `python -m interpreter`."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> int:
    """Run the command line; the exit code is one of docs/exit-codes.md."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        from . import __version__

        sys.stdout.write(f"interpreter {__version__}\n")
        return 0
    if arguments in (["--help"], ["-h"]):
        from .cli.help import help_text

        sys.stdout.write(help_text())
        return 0
    lean()
    from .cli.door import run

    return run(arguments)


def start() -> NoReturn:
    """`main` as a process of its own, which ends at once: taking a whole interpreter apart costs each run some
    milliseconds, and everything of ours is closed by then."""
    code = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        sys.exit(code)  # closed or broken: Python knows what to say
    os._exit(code)


def lean() -> None:
    """Load msgspec without `typing_extensions`, which it takes where it is installed, for what `typing` has as well:
    that costs each start some milliseconds. Only here, where the process is ours and nothing else runs in it yet."""
    name = "typing_extensions"
    if name not in sys.modules:
        sys.modules[name] = None  # pyright: ignore[reportArgumentType] - what stops an import, as Python documents it
        import msgspec as msgspec

        del sys.modules[name]


if __name__ == "__main__":
    # `python -m` puts the working folder first on the path, where walled code may have left a `json.py`.
    if not sys.flags.safe_path:
        del sys.path[0]
    start()
