"""Languages whose syntax is not read: a look at their text, for calls that start programs. SQL by its statements."""

from __future__ import annotations

import re

from ..text.expression import expression
from .facts import UNKNOWN, Call, Reading

STARTS: dict[str, str] = {
    "ruby": r"\b(?:system|exec|spawn|fork|IO\.popen|Open3\.\w+|Process\.\w+|Kernel\.\w+)\b|`|%x\W|"
    r"\b(?:FileUtils\.rm\w*|File\.(?:delete|unlink)|Dir\.(?:rmdir|delete|unlink))\b|\beval\b",
    "perl": r"\b(?:system|exec|fork|unlink|rmtree|remove_tree|rmdir|syscall)\b|`|\bqx\b|\beval\s+[^{\s]|open[^;]*\|",
    "php": r"\b(?:system|exec|shell_exec|passthru|popen|proc_open|pcntl_\w+|unlink|rmdir|eval)\s*\(|`",
    "r": r"\b(?:system2?|shell|unlink|file\.remove|eval|pipe)\s*\(",
    "lua": r"\b(?:os\.execute|io\.popen|os\.remove|load|loadstring|dofile)\b",
    "go": r"\b(?:os/exec|syscall|os\.Remove\w*|plugin)\b",
    "java": r"\b(?:Runtime|ProcessBuilder|Files\.delete\w*|\.delete)\b",
    "c": r"\b(?:system|popen|exec[lv]\w*|fork|unlink|remove|rmdir|syscall)\s*\(|\basm\b",
    "cpp": r"\b(?:system|popen|exec[lv]\w*|fork|unlink|remove\w*|rmdir|syscall)\s*\(|\basm\b",
    "rust": r"\b(?:Command|process::|remove_file|remove_dir\w*|libc|unsafe)\b",
    "julia": r"\b(?:run|pipeline|rm|ccall|eval)\s*\(|`",
    "tcl": r"\b(?:exec|open\s+\||file\s+delete|eval)\b",
    "applescript": r"\b(?:do shell script|delete)\b",
    "powershell": r"\b(?:Start-Process|Invoke-Expression|iex|Remove-Item|ri|rm|del|rd|Stop-Computer|Restart-Computer|"
    r"Format-Volume|Clear-Disk)\b|&\s|\bStart-Job\b",
}  # fmt: skip
ANY = r"\b(?:system|exec\w*|popen|spawn|fork|unlink|remove\w*|rmdir|delete\w*|eval|shell)\b|`"
TEXTS = ("markdown", "html", "latex", "css")
"""Shown, never run."""


def read_other(language: str, code: str) -> Reading:
    """What the text shows. It is a look, not a reading: outside walls any hit is asked about, inside them none."""
    if language == "sql":
        return read_sql(code)
    if language in TEXTS:
        return Reading()
    found = re.search(STARTS.get(language, ANY), code)
    if found is None:
        return Reading()
    line = code.count("\n", 0, found.start())
    return Reading(calls=(Call(name=f"unread.{language}", arguments=(UNKNOWN,), text=code.splitlines()[line].strip()),))


SQL_PARTS = expression(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|;|[^\s;'\"]+", re.DOTALL)
DROPS = ("database", "schema", "table", "role", "user", "index", "view", "tablespace", "keyspace", "collection")


def statements(code: str) -> list[list[str]]:
    """The words of each statement, comments taken off."""
    found: list[list[str]] = [[]]
    for part in SQL_PARTS.findall(code):
        if part.startswith(("--", "/*")):
            continue
        if part == ";":
            found.append([])
        else:
            found[-1].append(part)
    return [words for words in found if words]


def read_sql(code: str) -> Reading:
    """Statements that destroy, as calls: `sql.drop_database`, `sql.drop_table`, `sql.truncate`, `sql.delete_all`,
    `sql.update_all` (both without WHERE)."""
    calls: list[Call] = []
    for words in statements(code):
        low = [word.lower() for word in words]
        name = ""
        for at, word in enumerate(low):
            after = low[at + 1 : at + 2]
            if word == "drop" and after and after[0] in DROPS:
                name = "sql.drop_" + ("database" if after[0] in ("schema", "keyspace") else after[0])
            elif word == "truncate" and at == 0:
                name = "sql.truncate"
            elif word == "delete" and after == ["from"] and "where" not in low[at:]:
                name = "sql.delete_all"
            elif word == "update" and at == 0 and "set" in low and "where" not in low:
                name = "sql.update_all"
            if name:
                break
        if name:
            plain = [word.strip("'\"`") for word in words]
            calls.append(Call(name=name, arguments=tuple(plain[2:4]), text=" ".join(words)[:200]))
    return Reading(calls=tuple(calls))
