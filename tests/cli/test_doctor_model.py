"""`interpreter doctor --model` as a command: its table, its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from interpreter.llm.script import Reply, Script
from interpreter.llm.scripted_server import ScriptedServer
from tests import zygote

TALKS = Script(
    replies=(Reply(text="I would rather talk.", times=0),), model="talker", kind="ollama", context_window=4096
)
CALLS = Script(
    replies=(
        Reply(text="42.", when="42", times=0),
        Reply(text="1969.", when="Moon", times=0),
        Reply(code="print('你好，世界')", times=0),
    )
)


def doctor(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "interpreter", "doctor", "--model", "--api_base", url, *words]
    return zygote.run_text(command)


def test_a_model_that_can_be_used() -> None:
    with ScriptedServer(CALLS) as server:
        done = doctor(server.url)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    rows = [line for line in lines if line[:1] in "✓✗" and line]
    assert len(rows) == 12
    assert any("a native call" in row and "native call" in row[20:] for row in rows)
    assert any(row.startswith("✓ stopping when done") for row in rows)
    assert any(row.startswith("✗ code byte for byte") and "line 1" in row for row in rows)
    assert lines[-1].endswith("The model can be used.")
    assert "32768 tokens" in done.stdout


def test_a_model_that_cannot() -> None:
    with ScriptedServer(TALKS) as server:
        done = doctor(server.url)
    assert done.returncode == 1
    assert "it only talked: I would rather talk." in done.stdout
    assert "OLLAMA_CONTEXT_LENGTH=32768" in done.stdout
    assert "cannot be used like this" in done.stdout
    assert "Traceback" not in done.stderr


def test_json() -> None:
    with ScriptedServer(CALLS) as server:
        done = doctor(server.url, "--json")
    told = json.loads(done.stdout)
    assert len(told["results"]) == 12
    assert told["facts"]["model"] == "scripted"
    assert {"name", "title", "ok"} <= set(told["results"][0])


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_no_server(words: tuple[str, ...]) -> None:
    done = doctor("http://127.0.0.1:9/v1", *words)
    assert done.returncode == 6
    assert "Nothing answers" in done.stderr


def test_in_chinese() -> None:
    with ScriptedServer(CALLS) as server:
        done = doctor(server.url, "--lang", "zh_CN")
    assert done.returncode == 0
