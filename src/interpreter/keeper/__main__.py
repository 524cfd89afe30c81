"""The keeper's door: `python -I -S <this folder> RUN_DIR`. Exits with 3 when another keeper owns RUN_DIR."""

import os
import sys

if not __package__:
    # Run as a folder. Its modules become the package `keeper`; the folder itself goes to the end of the path, so that
    # no file in it can stand before the standard library.
    _folder = os.path.dirname(os.path.abspath(__file__))
    _package = type(sys)("keeper")
    _package.__path__ = [_folder]
    sys.modules["keeper"] = _package
    __package__ = "keeper"
    sys.path[:] = [p for p in sys.path if os.path.abspath(p) != _folder] + [_folder]

from .core import main

if __name__ == "__main__":
    sys.exit(main(sys.argv))
