"""The door for programs: the `interpreter` object and the class behind it."""

from .core import Interpreter

__all__ = ["Interpreter", "interpreter"]

interpreter = Interpreter()
