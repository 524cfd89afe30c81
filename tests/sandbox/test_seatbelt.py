"""The text of Seatbelt's profile, read by a small reader of its language: the last rule that matches wins."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from interpreter.errors import SandboxUnavailable
from interpreter.sandbox.seatbelt import Seatbelt, text_of
from interpreter.types.walls import Profile

TOKEN = re.compile(r'\s*(?:(\()|(\))|"((?:[^"\\]|\\.)*)"|([^\s()"]+))')


class Rule(NamedTuple):
    allows: bool
    operations: list[str]
    filters: list[tuple[str, str]]


def rules_of(text: str) -> list[Rule]:
    found: list[Rule] = []
    for form in forms(text):
        head, *rest = form
        if head not in ("allow", "deny"):
            assert form == ["version", "1"]
            continue
        operations = [word for word in rest if isinstance(word, str)]
        filters = [(entry[0], entry[1]) for entry in rest if isinstance(entry, list)]
        found.append(Rule(head == "allow", operations, filters))
    return found


def forms(text: str) -> list[list[str | list[str]]]:
    stack: list[list[object]] = [[]]
    place = 0
    while text[place:].strip():
        match = TOKEN.match(text, place)
        assert match, f"not readable from {text[place : place + 40]!r}"
        place = match.end()
        opening, closing, string, word = match.groups()
        if opening:
            stack.append([])
        elif closing:
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(re.sub(r"\\(.)", r"\1", string) if string is not None else word)
    assert len(stack) == 1, "a parenthesis is not closed"
    return stack[0]  # pyright: ignore[reportReturnType]  # forms are lists, of words and of filters


def allowed(text: str, operation: str, path: str = "") -> bool:
    verdict = False
    for rule in rules_of(text):
        named = any(
            name in ("default", operation) or (name.endswith("*") and operation.startswith(name[:-1]))
            for name in rule.operations
        )
        if named and (not rule.filters or any(holds(kind, value, path) for kind, value in rule.filters)):
            verdict = rule.allows
    return verdict


def holds(kind: str, value: str, path: str) -> bool:
    if kind == "subpath":
        return path == value or path.startswith(value.rstrip("/") + "/")
    return path == value


@pytest.fixture
def text(tmp_path: Path) -> str:
    for name in ("work", "scratch", "home", "opened"):
        (tmp_path / name).mkdir()
    profile = Profile(
        workspace=str(tmp_path / "work"),
        writable=(str(tmp_path / "scratch"),),
        readable=(str(tmp_path / "opened"),),
        hidden=(str(tmp_path / "work" / "secret"),),
        protected=(str(tmp_path / "work" / ".git"), str(tmp_path / "work" / "deep" / "tool" / ".git")),
    )
    return text_of(profile)


def test_what_is_open(text: str, tmp_path: Path) -> None:
    assert allowed(text, "file-write-create", str(tmp_path / "work" / "new"))
    assert allowed(text, "file-write-data", str(tmp_path / "scratch" / "x"))
    assert allowed(text, "file-read-data", str(tmp_path / "opened" / "x"))
    assert allowed(text, "file-read-data", "/usr/lib/libc.dylib")
    assert allowed(text, "process-exec")


def test_what_is_closed(text: str, tmp_path: Path) -> None:
    assert not allowed(text, "file-write-create", str(tmp_path / "opened" / "x"))
    assert not allowed(text, "file-read-data", str(tmp_path / "home" / ".ssh" / "id_rsa"))
    assert not allowed(text, "file-read-data", str(tmp_path / "work" / "secret" / "x"))
    assert not allowed(text, "file-write-data", str(tmp_path / "work" / ".git" / "config"))
    assert not allowed(text, "file-write-unlink", str(tmp_path / "work" / ".git"))
    assert not allowed(text, "file-write-unlink", str(tmp_path / "work" / "deep"))
    assert not allowed(text, "file-write-create", str(tmp_path / "work" / "deep" / "tool" / ".git" / "hooks" / "x"))
    assert not allowed(text, "file-write-create", "/usr/local/bin/x")
    assert not allowed(text, "network-outbound", "/private/var/run/mDNSResponder")
    assert not allowed(text, "mach-lookup", "com.apple.coreservices.launchservicesd")
    assert not allowed(text, "appleevent-send")


def test_a_read_only_workspace(tmp_path: Path) -> None:
    text = text_of(Profile(workspace=str(tmp_path), access="read"))
    assert allowed(text, "file-read-data", str(tmp_path / "x"))
    assert not allowed(text, "file-write-create", str(tmp_path / "x"))


def test_names_cannot_write_rules(tmp_path: Path) -> None:
    folder = tmp_path / 'a") (allow default) ; \\'
    folder.mkdir()
    text = text_of(Profile(workspace=str(folder)))
    assert allowed(text, "file-write-create", str(folder / "x"))
    assert not allowed(text, "file-write-create", "/anywhere")
    with pytest.raises(SandboxUnavailable, match="control characters"):
        text_of(Profile(workspace=str(tmp_path / "a\nb")))


def test_the_command_and_what_it_refuses(tmp_path: Path) -> None:
    launch = Seatbelt().launch(Profile(workspace=str(tmp_path)), ["/bin/echo", "on"])
    assert launch.argv[:2] == ("/usr/bin/sandbox-exec", "-p")
    assert launch.argv[3:] == ("/bin/echo", "on")
    for network in ("proxy", "host"):
        with pytest.raises(SandboxUnavailable):
            Seatbelt().launch(Profile(workspace=str(tmp_path), network=network), ["/bin/echo"])
