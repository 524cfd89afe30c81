"""The real command over a real session: real kernel, log, walls; the replies come from a script over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from interpreter.llm.script import Reply, Script
from interpreter.llm.scripted_server import ScriptedServer
from interpreter.sandbox import report

from .terminal import Terminal

pytestmark = pytest.mark.skipif(not any(found.works for found in report()), reason="no sandbox works on this machine")
COMMAND = [sys.executable, "-m", "interpreter"]


class Bench:
    def __init__(self, tmp_path: Path, server: ScriptedServer) -> None:
        self.work = tmp_path / "工作 folder"
        self.work.mkdir()
        self.url = server.url
        self.env = os.environ | {"INTERPRETER_HOME": str(tmp_path / "home"), "LC_ALL": "C.UTF-8"}

    def run(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        return subprocess.run(
            [*COMMAND, *words], cwd=self.work, env=self.env, capture_output=True, text=True, timeout=90, check=False,
            **given,
        )  # fmt: skip

    def ask(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return self.run("--api_base", self.url, *words, stdin=stdin)


def bench(tmp_path: Path, *replies: Reply | str) -> Generator[Bench, None, None]:
    with ScriptedServer(Script(replies=replies, context_window=8192)) as server:
        yield Bench(tmp_path, server)


@pytest.fixture
def sums(tmp_path: Path) -> Generator[Bench, None, None]:
    yield from bench(
        tmp_path,
        Reply(text="I count.", code="print(sum(range(10)))"),
        "The sum is 45.",
        Reply(code="print(open('/nothing').read())"),
        "It is not there.",
    )


def test_a_task_from_a_heredoc(sums: Bench) -> None:
    done = sums.ask("-y", stdin="Zähle bis neun\n并求和\n")
    assert (done.returncode, done.stdout) == (0, "The sum is 45.\n"), done.stderr
    assert "print(sum(range(10)))" in done.stderr and "45" in done.stderr


def test_waiting_and_going_on(sums: Bench) -> None:
    done = sums.ask("add up", "--output", "json")
    waiting = json.loads(done.stdout)
    assert done.returncode == 4 and waiting["status"] == "waiting"
    assert [action["status"] for action in waiting["actions"]] == ["not_run"]
    rows = json.loads(sums.run("sessions", "list", "--json").stdout)
    assert [(row["id"], row["state"]) for row in rows] == [(waiting["session"], "waiting")]
    done = sums.ask("--resume", waiting["session"], "-y", stdin="")
    assert (done.returncode, done.stdout) == (0, "The sum is 45.\n"), done.stderr


def test_every_event_of_a_task(sums: Bench) -> None:
    done = sums.ask("-y", "add up", "--output", "jsonl")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [event["type"] for event in events]
    assert kinds[0] == "session_started" and events[0]["workspace"] == str(sums.work)
    kept = [
        kind for kind in kinds if kind not in ("text_delta", "code_delta", "output_chunk", "kernel", "checkpoint_saved")
    ]
    assert kept == [
        "session_started", "turn_started", "model_asked", "model_answered", "action_proposed", "action_judged",
        "snapshot_taken", "action_started", "action_finished", "model_asked", "model_answered", "turn_finished",
    ]  # fmt: skip
    chunks = [event["text"] for event in events if event["type"] == "output_chunk"]
    assert "".join(chunks) == "45\n"


def test_sessions_are_shown_exported_and_removed(sums: Bench) -> None:
    assert sums.ask("-y", "add up").returncode == 0
    assert "add up" in sums.run("sessions").stdout
    shown = sums.run("sessions", "show", "last").stdout
    assert "> add up" in shown and "print(sum(range(10)))" in shown
    notebook = json.loads(sums.run("sessions", "export", "last", "--form", "ipynb").stdout)
    assert notebook["nbformat"] == 4
    assert "The sum is 45." in sums.run("sessions", "export", "last").stdout
    assert sums.run("sessions", "rm", "last").stdout.startswith("Removed: s_")
    assert sums.run("sessions", "show", "last").returncode == 2


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["sessions", "shwo", "x"], 2, "Did you mean sessions show?"),
        (["sessions", "show"], 2, "Name one session"),
        (["sessions", "rm"], 2, "Name one session"),
        (
            ["sessions", "export", "last", "--form", "pdf"],
            2,
            "--form should be one of md, ipynb",
        ),
        (["sessions", "list", "x"], 2, "takes no names"),
        (["sessions", "show", "last", "--force"], 2, "--force does not belong to sessions show."),
        (["config", "shw"], 2, "Did you mean config show?"),
        (["config", "show", "nonsense"], 2, "no setting called `nonsense`"),
        (["doctor", "x"], 2, "takes no names"),
        (["--resume", "s_ffff", "task"], 2, "There is no session s_ffff."),
        (["--api_base", "http://127.0.0.1:9/v1", "task"], 6, "--api_base"),
        (["--api_base", "ftp://x", "task"], 2, "is not the address"),
    ],
)
def test_wrong_words(sums: Bench, words: list[str], code: int, sentence: str) -> None:
    done = sums.run(*words)
    assert done.returncode == code and sentence in done.stderr and "Traceback" not in done.stderr


def test_settings_and_where_they_come_from(sums: Bench) -> None:
    (sums.work / ".interpreter").mkdir()
    (sums.work / ".interpreter" / "config.yaml").write_text("timeout: 30\nsandbox: host\n")
    done = sums.run("config", "show", "--json", "--api_key", "sk-secret", "-m", "qwen")
    found = json.loads(done.stdout)
    assert found["timeout"] == {"value": 30.0, "from": f"{sums.work}/.interpreter/config.yaml:1"}
    assert found["llm.model"] == {"value": "qwen", "from": "--model"}
    assert found["llm.api_key"]["value"] == "***" and found["sandbox"] == {"value": "auto", "from": "built-in"}
    text = sums.run("config").stdout
    assert "`sandbox` was ignored" in text and "built-in" in text and "Your file:" in text


def test_doctor(sums: Bench) -> None:
    done = sums.run("doctor", "--api_base", sums.url)
    assert done.returncode == 0 and "Ready." in done.stdout and "window of 8192 tokens" in done.stdout, done.stdout
    done = sums.run("doctor", "--json", "--api_base", "http://127.0.0.1:9/v1")
    assert done.returncode == 1
    (model,) = [finding for finding in json.loads(done.stdout) if finding["name"] == "Model"]
    assert model["state"] == "broken" and model["remedy"]


@pytest.fixture
def rows(tmp_path: Path) -> Generator[Bench, None, None]:
    code = "import os\npath = os.environ['TMPDIR'].removesuffix('.tmp')\nprint(len(open(path + '/stdin').readlines()))"
    yield from bench(tmp_path, Reply(code=code), "3000 lines.")


def test_the_code_can_read_the_data_of_standard_input(rows: Bench) -> None:
    done = rows.ask("-y", "count the lines", "--output", "json", stdin="".join(f"{n}\n" for n in range(3000)))
    result = json.loads(done.stdout)
    assert result["actions"][0]["output"].strip() == "3000", result


def test_a_conversation_with_a_real_kernel(sums: Bench) -> None:
    argv = [*COMMAND, "--api_base", sums.url]
    with Terminal(argv, sums.work, env={"INTERPRETER_HOME": sums.env["INTERPRETER_HOME"]}) as terminal:
        terminal.wait_for("Ctrl-D leaves.\n>", 30)
        terminal.send("add up\r")
        terminal.wait_for("a always", 30)
        terminal.send("a\n")
        terminal.wait_for("The sum is 45.\n\n>")
        terminal.send("read it\r")
        terminal.wait_for("It is not there.", 30)
        assert terminal.text.count("FileNotFoundError") == 1
        terminal.send("%% echo own$((40+2))\r")
        terminal.wait_for("\nown42", 30)
        terminal.wait_for("own42\n>")
        terminal.send("%undo\r")
        terminal.wait_for("Taken back: the last turn.")
        terminal.send("%save talk.json\r")
        terminal.wait_for("Saved ")
        terminal.send("%markdown talk.md\r")
        terminal.wait_for("Written:")
        terminal.send("%sessions\r")
        terminal.wait_for("running")
        assert terminal.leave(30) == 0
    assert json.loads((sums.work / "talk.json").read_text())["format"] == "reinterpreter/1"
    assert "The sum is 45." in (sums.work / "talk.md").read_text()
