"""reinterpreter: say what you want done; a language model writes code; you see it; it runs inside walls."""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["Interpreter", "__version__", "interpreter"]

TYPE_CHECKING = False  # the real one costs the import of `typing`, which is half the time of this one
if TYPE_CHECKING:
    from .python import Interpreter

    interpreter: Interpreter


def __getattr__(name: str) -> object:
    if name in ("interpreter", "Interpreter"):
        from . import python

        return getattr(python, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
