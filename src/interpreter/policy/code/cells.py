"""Notebook commands in Python code: `!cmd`, `%pip install x`, `%%bash`."""

from __future__ import annotations

import re
from typing import NamedTuple

from ...text.expression import expression
from ..facts import Command
from .values import HOLE

LINE = expression(r"^([ \t]*)(?:[\w, \t.\[\]]+=[ \t]*)?(!!?|%)(?!=)(.*)$")
HELP = expression(r"^[ \t]*\??\??[\w.*]+\?\??[ \t]*$|^[ \t]*\?\??[\w.*]+[ \t]*$")
BRACES = expression(r"\{[^{}\n]*\}")
SHELL_CELLS = ("bash", "sh", "shell", "system", "sx", "!", "zsh")
PYTHON_CELLS = ("time", "timeit", "capture", "prun", "python", "python3", "px")
SHOWN_CELLS = ("html", "latex", "markdown", "svg", "javascript", "js")
CODE_CELLS = {"ruby": "ruby", "perl": "perl", "node": "javascript", "sql": "sql", "R": "r"}
SHELL_LINES = ("sh", "sx", "system", "bash")
PROGRAM_LINES = (
    "pip",
    "conda",
    "mamba",
    "uv",
    "ls",
    "ll",
    "la",
    "cat",
    "cp",
    "mv",
    "rm",
    "mkdir",
    "rmdir",
    "man",
    "less",
)
PYTHON_LINES = ("time", "timeit", "prun", "memit", "mprun", "lprun")
QUIET_LINES = ("matplotlib", "load_ext", "reload_ext", "autoreload", "config", "who", "whos", "who_ls", "env",
               "pwd", "cd",
               "precision", "pylab", "history", "hist", "pinfo", "pdoc", "magic", "lsmagic", "dirs", "pushd", "popd",
               "set_env", "xmode", "colors", "reset", "pprint", "doctest_mode", "bookmark", "alias_magic", "store",
               "notebook", "psource", "pdef", "page", "logstart", "gui", "quickref")  # fmt: skip


class Cell(NamedTuple):
    code: str | None
    """The Python that is left; None where there is none."""
    commands: tuple[Command, ...]
    unknown: tuple[str, ...]
    plain: bool
    """Whether no line of it looks like a notebook command."""


def without_magics(code: str) -> Cell:
    """Python code with its notebook commands taken out, and what these run."""
    first, _newline, rest = code.lstrip("\n").partition("\n")
    if first.lstrip().startswith("%%"):
        return _whole_cell(first.strip()[2:].strip(), rest)
    lines: list[str] = []
    commands: list[Command] = []
    unknown: list[str] = []
    plain = True
    source = code.split("\n")
    at = 0
    while at < len(source):
        line = source[at]
        at += 1
        found = LINE.match(line)
        if found is None:
            if HELP.match(line) and line.strip():
                line = re.match(r"[ \t]*", line).group() + "pass"  # type: ignore[union-attr]
            plain = plain and not line.lstrip().startswith(("!", "%", "?", ",", ";", "/"))
            lines.append(line)
            continue
        text = found.group(3)
        while text.endswith("\\") and at < len(source):
            text = text[:-1] + source[at]
            at += 1
        python = _line(found.group(2), text.strip(), commands, unknown)
        lines.append(found.group(1) + (python or "pass"))
    return Cell("\n".join(lines), tuple(commands), tuple(unknown), plain)


def _line(mark: str, text: str, commands: list[Command], unknown: list[str]) -> str:
    """One notebook command; gives back the Python that stands in it."""
    if mark.startswith("!"):
        commands.append(_shell(text, "!" + text))
        return ""
    name, _space, rest = text.partition(" ")
    if name in SHELL_LINES:
        commands.append(_shell(rest, "%" + text))
    elif name in PROGRAM_LINES:
        commands.append(_shell(text, "%" + text))
    elif name in PYTHON_LINES:
        return re.sub(r"^(-\w+(\s+\d+)?\s+)*", "", rest)
    elif name == "run":
        commands.append(_shell("python " + rest, "%" + text))
    elif name not in QUIET_LINES:
        unknown.append(f"A notebook command that is not known: %{name}")
    return ""


def _shell(text: str, shown: str) -> Command:
    # IPython puts values of Python in for {name} and $name before a shell reads it.
    return Command(words=(), code=("shell", BRACES.sub("${" + HOLE + "}", text)), text=shown)


def _whole_cell(head: str, body: str) -> Cell:
    name, _space, rest = head.partition(" ")
    if name in ("script", "sx") and rest.split()[:1]:
        name = rest.split()[-1].rpartition("/")[2]
    if name in SHELL_CELLS:
        return Cell(None, (_shell(body, "%%" + head),), (), False)
    if name in PYTHON_CELLS:
        inner = without_magics(body)
        return inner if name in ("capture", "python", "python3", "px") or not rest else inner._replace(code=inner.code)
    if name in SHOWN_CELLS:
        return Cell(None, (), (), False)
    if name in CODE_CELLS:
        return Cell(None, (Command(words=(), code=(CODE_CELLS[name], body), text="%%" + head),), (), False)
    if name in ("writefile", "file"):
        target = rest.replace("-a ", "").strip()
        return Cell(None, (Command(words=("tee", target), writes=(target,), text="%%" + head),), (), False)
    return Cell(None, (), (f"A notebook command that is not known: %%{name}",), False)
