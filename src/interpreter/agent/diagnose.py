"""What a good colleague looks up when an error appears, before the model is asked. Facts only, never a guess.

The facts about a kernel's own state (columns, keys, names near by) are told by the kernel itself: claims, capped here,
shown to the model as text and used for nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

from ..text.expression import expression
from ..types.actions import Completion

MOST_FACTS = 8
MOST_CHARS = 400
NOT_FOUND = expression(r"(?:^|: )(?:line \d+: )?([\w.+-]{1,60}): (?:command )?not found", re.MULTILINE)
NO_PIP = expression(r"externally-managed-environment|: No module named pip$", re.MULTILINE)
PACKAGES = {
    "jq": "jq", "rg": "ripgrep", "fd": "fd-find", "tree": "tree", "convert": "imagemagick", "magick": "imagemagick",
    "ffmpeg": "ffmpeg", "sqlite3": "sqlite3", "unzip": "unzip", "zip": "zip", "7z": "p7zip-full", "xz": "xz-utils",
    "curl": "curl", "wget": "wget", "git": "git", "node": "nodejs", "npm": "npm", "go": "golang-go", "ruby": "ruby",
    "php": "php-cli", "lua": "lua5.4", "Rscript": "r-base-core", "java": "default-jre", "javac": "default-jdk",
    "gcc": "gcc", "g++": "g++", "make": "make", "cmake": "cmake", "psql": "postgresql-client",
    "mysql": "mariadb-client", "redis-cli": "redis-tools", "pdftotext": "poppler-utils", "pandoc": "pandoc",
    "dot": "graphviz", "bc": "bc",
    "tesseract": "tesseract-ocr", "docker": "docker.io", "kubectl": "kubernetes-client", "ssh": "openssh-client",
    "rsync": "rsync", "htop": "htop", "lsof": "lsof", "netstat": "net-tools", "ifconfig": "net-tools", "ip": "iproute2",
    "dig": "dnsutils", "nslookup": "dnsutils", "ping": "iputils-ping", "xmllint": "libxml2-utils", "pip": "python3-pip",
    "pip3": "python3-pip", "vim": "vim", "nano": "nano", "less": "less", "file": "file", "strace": "strace",
}  # fmt: skip


def diagnose(completion: Completion, output: str = "") -> tuple[str, ...]:
    """The facts that go with a failed completion; nothing for one that succeeded."""
    if completion.status not in ("error", "limit"):
        return ()
    found = [*_from_context(completion.context), *_from_output(output)]
    # A name with a line feed in it must not look like a line of its own.
    lines = (" ".join(fact.splitlines()) for fact in found)
    return tuple(fact[:MOST_CHARS] for fact in dict.fromkeys(lines))[:MOST_FACTS]


def _from_context(context: dict[str, Any]) -> Iterator[str]:
    for name, columns in _table(context.get("tables")):
        listed = ", ".join(f"{column} ({kind})" for column, kind in _table(columns))
        yield f"columns of {name}: {listed}"
    for key, sentence in (
        ("keys", "keys that are there: {}"),
        ("names", "names like it that exist: {}"),
        ("attributes", "attributes like it: {}"),
        ("values", "{}"),
        ("entries", "in that folder: {}"),
    ):
        if words := _words(context.get(key)):
            folder = context.get("folder")
            told = ", ".join(words)
            if key == "entries" and isinstance(folder, str):
                yield f"in {folder}: {told}"
            else:
                yield sentence.format(told)
    if isinstance(cwd := context.get("cwd"), str):
        yield f"working folder: {cwd}"
    if isinstance(text := context.get("text"), str) and text.strip():
        yield f"the line: {text.strip()}"


def _from_output(output: str) -> Iterator[str]:
    if NO_PIP.search(output):
        yield (
            "this Python takes no packages from pip; `%pip install NAME` in Python installs into the project's "
            "environment, and `python3 -m venv .venv && .venv/bin/pip install NAME` into one of its own"
        )
    for match in NOT_FOUND.finditer(output[-4000:]):
        command = match.group(1)
        package = PACKAGES.get(command)
        if package:
            yield f"{command} is not installed; Debian's package {package} has it (installing needs the person)"
        else:
            yield f"there is no command {command} here"


def _table(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from ((str(k), v) for k, v in list(cast("dict[Any, Any]", value).items())[:40])


def _words(value: Any) -> list[str]:
    if not isinstance(value, list):
        return []
    return [str(word)[:80] for word in cast("list[Any]", value)[:30]]
