"""A cell of Python as plain Python: notebook commands and top-level `await` in the language's own words."""

from __future__ import annotations

import ast
import re
import warnings
from typing import NamedTuple

from ..text.i18n import _

ASSIGNED = re.compile(r"^(\s*)([A-Za-z_]\w*)\s*=\s*(!|%(?=[A-Za-z]))(.+)$", re.S)
COMMAND = re.compile(r"^(\s*)(!!?|%(?=[A-Za-z]))(.*)$", re.S)
CELL = re.compile(r"^%%([A-Za-z!]\w*)[ \t]*(.*)$")
INSTALL = re.compile(r"^(?:\S*python[\d.]*\s+-m\s+)?(?:pip3?|uv|conda|mamba)\s+")
BRACES = re.compile(r"(?<!\{)\{([^{}\n]+)\}(?!\})")
NAME = re.compile(r"[A-Za-z_][\w.]*")
VARIABLE = re.compile(r"(?<![\\$])\$([A-Za-z_]\w*)")
BASH = ("bash", "sh", "shell", "system", "!", "sx")
OPEN = ("time", "capture", "timeit")
"""Cell commands whose body is the cell."""
SHELL_WORDS = ("ls", "ll", "cat", "mkdir", "rmdir", "cp", "mv", "rm", "head", "tail", "grep")
TOP_AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
BROKEN = (SyntaxError, ValueError, RecursionError, MemoryError)
"""What the compiler says to what is no program."""


class Cell(NamedTuple):
    text: str
    imports: frozenset[str] = frozenset()
    helpers: frozenset[str] = frozenset()
    """Of `script`: shell, display, loop."""


class Unclear(Exception):
    """A command that has no plain form; the reason, in the person's language."""


class Reader:
    """Reads a session's cells one after the other: a `$name` in a command means a variable of an earlier cell."""

    def __init__(self) -> None:
        self.future: set[str] = set()
        """What cells import from `__future__`: it must stand first."""
        self._names: set[str] = set()
        self._imports: set[str] = set()

    def read(self, code: str) -> Cell:
        """The cell in plain Python; as a comment, with the reason, where it has no such form."""
        self._imports = set()
        code = code.replace("\r\n", "\n").replace("\r", "\n")
        try:
            plain = self._plain(code.strip("\n"))
            tree = parsed(plain)
            if tree is None:
                raise Unclear(_("Left out: Python cannot read it."))
            return self._finish(plain, tree)
        except Unclear as reason:
            return Cell(commented(code, str(reason)))

    def _finish(self, plain: str, tree: ast.Module) -> Cell:
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        if "get_ipython" in used:
            raise Unclear(_("Left out: it speaks to the notebook."))
        helpers: set[str] = set()
        bound = bound_names(tree.body)
        if "display" in used and "display" not in bound | self._names:
            helpers.add("display")
        self._names |= bound
        plain, tree = self._without_future(plain, tree)
        if not compiles(plain):
            if not compiles(plain, TOP_AWAIT):
                raise Unclear(_("Left out: Python cannot read it."))
            plain = awaited(plain, tree, bound)
            helpers.add("loop")
            self._imports |= {"asyncio"} | ({"ast"} if "ast.PyCF" in plain else set())
        return Cell(plain, frozenset(self._imports), frozenset(helpers))

    def _without_future(self, plain: str, tree: ast.Module) -> tuple[str, ast.Module]:
        found = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
        if not found:
            return plain, tree
        lines = plain.split("\n")
        for node in found:
            self.future |= {alias.name for alias in node.names}
            for at in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[at] = ""
        rest = "\n".join(lines).strip("\n")
        return rest, parsed(rest) or ast.Module(body=[], type_ignores=[])

    def _plain(self, code: str) -> str:
        first, _newline, body = code.partition("\n")
        if (cell := CELL.match(first)) is not None:
            return self._cell(cell[1], cell[2].strip(), body)
        lines = code.split("\n")
        out: list[str] = []
        at = 0
        while at < len(lines):
            line, start = lines[at], at
            if COMMAND.match(line) or ASSIGNED.match(line):
                while line.endswith("\\") and at + 1 < len(lines):
                    at += 1
                    line = line[:-1] + " " + lines[at].strip()
                if begins_statement(out, line):
                    out += [self._command(line), *[""] * (at - start)]
                    at += 1
                    continue
                at = start
            out.append(lines[at])
            at += 1
        return "\n".join(out)

    def _cell(self, name: str, rest: str, body: str) -> str:
        if name in BASH:
            self._imports.add("subprocess")
            return f'subprocess.run(["bash", "-c", {quoted(body)}], check=True)'
        if name in OPEN:
            return self._plain(body)
        if name == "writefile" and rest and not rest.startswith("-"):
            self._imports.add("pathlib")
            return f"pathlib.Path({rest.strip(chr(34) + chr(39))!r}).write_text({quoted(body)})"
        raise Unclear(_("Left out: {command} has no plain form.", command=f"%%{name}"))

    def _command(self, line: str) -> str:
        if (assigned := ASSIGNED.match(line)) is not None:
            indent, target, sign, rest = assigned.groups()
            if sign == "!":
                self._names.add(target)
                run = self._run(rest.strip(), "capture_output=True, text=True")
                return f"{indent}{target} = {run}.stdout.splitlines()"
            return f"{indent}{target} = {self._magic(rest.strip())}"
        match = COMMAND.match(line)
        indent, sign, rest = match.groups() if match is not None else ("", "%", line)
        rest = rest.strip()
        if INSTALL.match(rest):
            return f"{indent}pass  # {_('install it beforehand:')} {rest}"
        return indent + (self._run(rest) if sign.startswith("!") else self._magic(rest))

    def _magic(self, text: str) -> str:
        name, _space, rest = text.partition(" ")
        rest = rest.strip()
        match name:
            case "cd" if rest:
                self._imports.add("os")
                return f"os.chdir(os.path.expanduser({rest.strip(chr(34) + chr(39))!r}))"
            case "pwd":
                self._imports.add("os")
                return "os.getcwd()"
            case "env" | "set_env" if "=" in rest or " " in rest:
                self._imports.add("os")
                variable, _sign, value = rest.replace("=", " ", 1).partition(" ")
                return f"os.environ[{variable.strip()!r}] = {value.strip()!r}"
            case "time" if rest and compiles(rest):
                return rest
            case "matplotlib" | "config" | "load_ext" | "autoreload" | "precision" | "timeit":
                return f"pass  # %{text}"
            case _ if name in SHELL_WORDS:
                return self._run(text)
            case _:
                raise Unclear(_("Left out: {command} has no plain form.", command=f"%{name}"))

    def _run(self, text: str, more: str = "") -> str:
        self._imports.add("subprocess")
        return f"subprocess.run({self._filled(text)}, shell=True{', ' + more if more else ''})"

    def _filled(self, text: str) -> str:
        """The command as a literal, with the names of Python that it holds filled in as the notebook does."""
        pieces: list[str] = []
        found = False
        last = 0
        for match in sorted([*BRACES.finditer(text), *VARIABLE.finditer(text)], key=lambda m: m.start()):
            name = match[1]
            if match[0].startswith("$") and name not in self._names:
                continue
            if NAME.fullmatch(name) is None:
                raise Unclear(_("Left out: what {command} fills in is not plain.", command=f"!{text}"))
            if name.partition(".")[0] not in self._names:
                continue
            pieces += [repr(text[last : match.start()]), f"str({name})"]
            found, last = True, match.end()
        return " + ".join([*pieces, repr(text[last:])]) if found else repr(text)


def begins_statement(before: list[str], line: str) -> bool:
    """Whether a line after these begins a statement: it does not stand inside a string or brackets."""
    indent = line[: len(line) - len(line.lstrip())]
    return parsed("\n".join([*before, f"{indent}pass"])) is not None


def awaited(plain: str, tree: ast.Module, bound: set[str]) -> str:
    """A cell with top-level `await`, in a coroutine that is run at once; its names stay those of the script."""
    text = "\n".join(f"    {line}".rstrip() for line in plain.split("\n"))
    names = f"    global {', '.join(sorted(bound))}\n" if bound else ""
    wrapped = f"async def step():\n{names}{text}\n\n\nLOOP.run_until_complete(step())"
    if compiles(wrapped) and not holds_lines(tree):
        return wrapped
    code = f'compile({quoted(plain)}, "<step>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)'
    return f"LOOP.run_until_complete(eval({code}))"


def holds_lines(tree: ast.Module) -> bool:
    """Whether a string of the cell has several lines: it would change when it is moved to the right."""
    return any(
        isinstance(node, ast.Constant | ast.JoinedStr) and node.end_lineno != node.lineno for node in ast.walk(tree)
    )


def bound_names(body: list[ast.stmt]) -> set[str]:
    """Names that statements give a value, not counting those inside functions and classes."""
    found: set[str] = set()
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.add(node.name)
                continue
            case ast.Lambda():
                continue
            case ast.Name() if not isinstance(node.ctx, ast.Load):
                found.add(node.id)
            case ast.Import() | ast.ImportFrom():
                found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
            case ast.ExceptHandler() if node.name:
                found.add(node.name)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                found |= {n.target.id for n in ast.walk(node) if isinstance(n, ast.NamedExpr)}
                continue
            case _:
                pass
        waiting.extend(ast.iter_child_nodes(node))
    return found - {"*"}


def parsed(code: str) -> ast.Module | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(code)
        except BROKEN:
            return None


def compiles(code: str, flags: int = 0) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(code, "<script>", "exec", flags=flags, dont_inherit=True)
        except BROKEN:
            return False
    return True


def quoted(code: str) -> str:
    """A literal that holds this text, readable where it can be."""
    if code.isprintable() and "\\" not in code and "'" not in code:
        return f"'{code}'" if '"' in code else f'"{code}"'
    plain = all(char == "\n" or char == "\t" or char.isprintable() for char in code)
    if plain and "'''" not in code and not code.endswith(("'", "\\")):
        return f"{'r' if chr(92) in code else ''}'''{code}'''"
    return repr(code)


def commented(code: str, reason: str) -> str:
    return "\n".join(f"# {line}".rstrip() for line in (reason, *code.strip("\n").splitlines()))
