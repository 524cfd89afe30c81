"""`interpreter` and `python -m interpreter`."""

from __future__ import annotations

import sys


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
    from .cli.door import run

    return run(arguments)


if __name__ == "__main__":
    # `python -m` puts the working folder first on the path, where walled code may have left a `json.py`.
    if not sys.flags.safe_path:
        del sys.path[0]
    sys.exit(main())
