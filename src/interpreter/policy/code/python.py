"""Python, read by its syntax tree: what starts programs, deletes, writes, reads, or reaches the network."""

from __future__ import annotations

import ast
import warnings

from ..facts import UNKNOWN, Call, Command, Reading
from .cells import without_magics
from .fold import Fold
from .names import HIDDEN, Names
from .sinks import Sinks
from .tables import EVALUATES, STARTERS
from .values import LONGEST, shell_text

TALLEST = 400_000
"""Characters of code that are read; longer code counts as unknown."""
DEEPEST_EVAL = 3
HANDED = STARTERS | EVALUATES


def read_python(code: str) -> Reading:
    """What the code does, as far as its text tells; what is given to a shell stands in `Command.code`. Never raises."""
    return _Reader(0).read(code)


class _Reader:
    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.commands: list[Command] = []
        self.calls: list[Call] = []
        self.unknown: list[str] = []

    def read(self, code: str) -> Reading:
        if len(code) > TALLEST:
            return Reading(unknown=("Python code that is too long to be read.",))
        tree, problem = parsed(code)
        if tree is None:
            cell = without_magics(code)
            self.commands += cell.commands
            self.unknown += cell.unknown
            if cell.code is not None:
                tree, problem = parsed(cell.code)
                if tree is None and not (problem.hopeless and cell.plain):
                    self.unknown.append(f"Python that does not parse: {problem.text}")
        if tree is not None:
            try:
                self._walk(tree)
            except RecursionError:
                self.unknown.append("Python that is nested too deeply to be read.")
        return self.reading()

    def reading(self) -> Reading:
        every = [*self.commands, *self.calls]
        return Reading(
            commands=tuple(self.commands),
            calls=tuple(self.calls),
            deletes=tuple(path for one in every for path in one.deletes),
            writes=tuple(path for one in every for path in one.writes),
            reads=tuple(path for one in every for path in one.reads),
            hosts=tuple(dict.fromkeys(host for one in every for host in one.hosts)),
            unknown=tuple(dict.fromkeys(self.unknown)),
        )

    def _walk(self, tree: ast.Module) -> None:
        names = Names(tree)
        sinks = Sinks(names, Fold(names), self)
        allowed: set[int] = set()
        barred = {id(one.value) for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
                  for one in node.body if isinstance(one, ast.Assign | ast.AnnAssign)}  # fmt: skip
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                allowed.add(id(node.func))
                sinks.call(node)
            elif isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value is not None:
                plain = not isinstance(node, ast.Assign) or all(isinstance(one, ast.Name) for one in node.targets)
                if plain and id(node.value) not in barred:
                    allowed.add(id(node.value))
            elif isinstance(node, ast.Name | ast.Attribute):
                if isinstance(node, ast.Attribute) and node.attr in HIDDEN:
                    self.unknown.append(f"Python that reaches into its own inside: {node.attr}")
                elif id(node) not in allowed:
                    self._mention(node, names)
                if isinstance(node, ast.Attribute):
                    allowed.add(id(node.value))

    def _mention(self, node: ast.Name | ast.Attribute, names: Names) -> None:
        """A function that is named without being called here: who calls it with what is not known."""
        if isinstance(node.ctx, ast.Load) and names.dotted(node) in HANDED:
            self.unknown.append(f"{ast.unparse(node)} is handed on: what it will start is not known.")

    def inner(self, code: str) -> None:
        """Code that the code evaluates."""
        if self.depth >= DEEPEST_EVAL:
            self.unknown.append("Python inside Python, too deep to be read.")
            return
        found = _Reader(self.depth + 1).read(code)
        self.commands += found.commands
        self.calls += found.calls
        self.unknown += found.unknown

    def not_known(self, sentence: str) -> None:
        self.unknown.append(sentence)

    def shell(self, text: str, shown: str) -> None:
        if len(text) > LONGEST:
            self.unknown.append("A shell command that is too long to be read.")
        elif not text.replace(UNKNOWN, "").strip():
            self.unknown.append(f"A command that is made while the code runs: {shown}")
        else:
            self.commands.append(Command(words=(), code=("shell", shell_text(text)), text=shown))


class _Problem:
    def __init__(self, text: str = "", hopeless: bool = False) -> None:
        self.text, self.hopeless = text, hopeless
        """hopeless: no version of Python would take it."""


HOPELESS = ("was never closed", "unmatched", "does not match opening", "expected an indented block",
            "unexpected indent",
            "unindent does not match", "inconsistent use of tabs", "EOL while scanning", "unexpected EOF",
            "unterminated triple-quoted", "leading zeros", "Missing parentheses in call to 'print'",
            "expected ':'")  # fmt: skip


def parsed(code: str) -> tuple[ast.Module | None, _Problem]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code), _Problem()
    except SyntaxError as error:
        text = f"line {error.lineno}: {error.msg}"
        return None, _Problem(text, any(one in str(error.msg) for one in HOPELESS))
    except (ValueError, RecursionError, MemoryError) as error:
        return None, _Problem(type(error).__name__)
