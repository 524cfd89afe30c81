"""What the README says exists: its links, its make targets, its flags, its Python lines."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

from interpreter.cli.arguments import parse
from interpreter.python.core import Interpreter

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINES = [line for line in README.replace("`", "\n").splitlines() if line.startswith("interpreter ")]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if not link.startswith("https://")]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)", "\n".join(blocks("sh")))) <= targets


@pytest.mark.parametrize("line", LINES)
def test_command_lines_are_understood(line: str) -> None:
    words = shlex.split(line.partition("<<")[0], comments=True)[1:]
    parse(words)


def test_the_python_lines_name_what_is_there() -> None:
    (code,) = blocks("python")
    used = Interpreter()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute):
            holder: object = used
            for name in ast.unparse(node).split(".")[1:]:
                assert hasattr(holder, name), ast.unparse(node)
                holder = getattr(holder, name)


def test_the_chinese_readme_gives_the_same_commands_and_existing_links() -> None:
    chinese = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)\)", chinese):
        assert link.startswith("https://") or (ROOT / link).exists(), link
    commands = [
        [line.split("#")[0].strip() for line in block.splitlines() if line.isascii() or "#" in line]
        for text in (README, chinese)
        for block in ["\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))]
    ]
    assert [c for c in commands[0] if c.isascii() and '"' not in c] == [
        c for c in commands[1] if c.isascii() and '"' not in c
    ]
    servers = [
        re.findall(r"`((?:vllm|OLLAMA|llama-server|lms|interpreter) ?[^`]*)`", text) for text in (README, chinese)
    ]
    assert servers[0] == servers[1]
