"""Under a build server: whole lines, groups of ours alone, JSON lines where they are asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from interpreter.cli.views.pipeline import Pipeline
from interpreter.types.actions import Action, Observation
from interpreter.types.events import ActionFinished, ActionProposed, OutputChunk, TurnFinished
from tests.cli.test_once import run

SERVERS: dict[str, dict[str, Any]] = {
    "github": {"GITHUB_ACTIONS": "true", "CI": "true"},
    "gitlab": {"GITLAB_CI": "true", "CI": "true"},
    "jenkins": {"JENKINS_URL": "http://127.0.0.1/"},
    "cron": {},
}
NONE: dict[str, Any] = dict.fromkeys(("GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "CI", "TF_BUILD"), "")


@pytest.mark.parametrize("server", SERVERS)
def test_the_same_everywhere(tmp_path: Path, server: str) -> None:
    done = run(tmp_path, "-y", stdin=b"code\n", **{**NONE, **SERVERS[server], "TERM": "xterm-256color"})
    assert (done.returncode, done.stdout) == (0, b"ran 15d9d7b7\n")
    lines = done.stderr.decode().rstrip("\n").split("\n")
    ours = [line for line in lines if "::" in line or "section_" in line]
    assert [line for line in lines if line not in ours] == [
        "I will compute it.", "--- Python ---", "import math", "print(math.pi)", "---", "3.14159",
    ]  # fmt: skip
    if server == "github":
        assert ours == ["::group::Step 1: Python", "::endgroup::"]
    elif server == "gitlab":
        assert ours[0].startswith("\x1b[0Ksection_start:") and "step_1\r\x1b[0KStep 1: Python" in done.stderr.decode()
    else:
        assert ours == [] and "\x1b" not in done.stderr.decode()


def test_an_end_that_is_none_is_an_annotation(tmp_path: Path) -> None:
    done = run(tmp_path, "-y", "fail", **{**NONE, **SERVERS["github"]})
    assert done.returncode == 6
    assert "::error title=interpreter::The model's server does not answer." in done.stderr.decode().splitlines()


def test_marks_that_come_in_pieces_are_no_orders(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    view = Pipeline("github")
    action = Action(id="a", language="python", code="::set-output name=x::y\n##[command]z", sha256="")
    view.show(ActionProposed(turn="t", step=1, action=action))
    for piece in (
        ":",
        ":add-ma",
        "sk::secret\n ",
        "\t::",
        "debug::a\r::error::b\n#",
        "#[group",
        "]c",
        "\n" + "z" * 9_000,
        "::",
    ):
        view.show(OutputChunk(action="a", stream="stdout", text=piece))
    view.show(ActionFinished(action="a", status="ok", observation=Observation(text="", shown="")))
    view.show(TurnFinished(turn="t", reason="done", exit_code=0, text="::stop-commands::x\nok"))
    view.end()
    out, err = capsys.readouterr()
    for line in (*out.splitlines(), *err.splitlines()):
        assert not line.strip().startswith("::") or line in ("::group::Step 1: Python", "::endgroup::"), line
        assert "##[" not in line
    assert out == ": :stop-commands::x\nok\n" and ": :error::b" in err


def test_lines_of_json(tmp_path: Path) -> None:
    done = run(tmp_path, "-y", "code", "--log-format", "json", MY_API_KEY="zx81-very-secret-1", **NONE)
    assert (done.returncode, done.stdout) == (0, b"ran 15d9d7b7\n")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines][:3] == ["turn_started", "model_asked", "model_answered"]
    for line in lines:
        assert {"time", "level", "event", "session"} <= set(line) and line["time"].endswith("+00:00")
        assert not any(isinstance(value, dict | list) for value in line.values())
    (finished,) = [line for line in lines if line["event"] == "action_finished"]
    assert finished["status"] == "ok" and finished["completion_duration"] == 0.1
    assert lines[-1]["usage_prompt"] == 10 and lines[-1]["exit_code"] == 0


def test_lines_of_json_beside_a_result(tmp_path: Path) -> None:
    done = run(tmp_path, "-y", "code key zx81-very-secret-1", "--log-format=json", "--output", "json",
               MY_API_KEY="zx81-very-secret-1", **NONE)  # fmt: skip
    assert json.loads(done.stdout)["exit_code"] == done.returncode
    assert b"zx81" not in done.stderr and all(json.loads(line) for line in done.stderr.splitlines())


def test_a_report_that_cannot_be_written_is_told_before_anything_is_done(tmp_path: Path) -> None:
    for words, told in ((("--report", "r.txt"), b".html"), (("--report", "none/r.md"), b"no folder")):
        done = run(tmp_path, "-y", "code", *words)
        assert done.returncode == 2 and told in done.stderr and done.stdout == b""


def test_a_schema_that_cannot_be_used_is_told_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"type": "thing"}')
    for name in ("s.json", "none.json"):
        done = run(tmp_path, "-y", "code", "--output-schema", name)
        assert done.returncode == 2 and name.encode() in done.stderr and done.stdout == b""
