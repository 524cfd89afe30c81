"""`interpreter policy`, as a person meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from interpreter.cli.door import run
from interpreter.store import Store
from interpreter.types.actions import Action, Observation
from interpreter.types.base import code_sha256, new_id
from interpreter.types.events import ActionFinished, ActionProposed, ActionStarted, SessionStarted


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INTERPRETER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["rm -rf /"], "ask"),
        (["rm -rf /", "--sandbox", "off"], "deny"),
        (["sudo ls"], "deny"),
        (["ls -la"], "allow"),
        (["$X"], "ask"),
        (["--language", "python", "import os; os.system('sudo id')"], "deny"),
        (["print(1)", "--language", "py"], "allow"),
        (["--mode", "plan", "touch x"], "deny"),
        (["--", "-x"], "allow"),
    ],
)
def test_the_first_word_is_the_verdict(words: list[str], first: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "explain", *words]) == 0
    assert capsys.readouterr().out.split(":")[0] == first


def test_explain_says_why_and_what_was_understood(capsys: pytest.CaptureFixture[str]) -> None:
    run(["policy", "explain", "cd sub && git push --force origin main > log.txt"])
    out = capsys.readouterr().out
    assert "rewriting-a-protected-branch (built-in)" in out
    assert "git push --force origin main" in out
    assert "writes: log.txt" in out or "log.txt" in out
    run(["policy", "explain", "--json", "cat ~/.ssh/id_rsa"])
    said = json.loads(capsys.readouterr().out)
    assert said["verdict"]["decision"] == "ask"
    assert said["verdict"]["reasons"][0]["rule"] == "reading-keys"


def test_explain_shows_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    run(["policy", "explain", "echo '\x1b[2J' > ~/.bashrc"])
    assert "\x1b" not in capsys.readouterr().out


def test_own_rules_count_and_are_checked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.mkdir()
    mine = home / "policy.yaml"
    mine.write_text("version: 1\nrules:\n- {name: no-make, decision: deny, command: make, match: [make all]}\n")
    assert run(["policy", "check"]) == 0
    out = capsys.readouterr().out
    assert str(mine) in out and "All examples hold." in out and "1 deny" in out
    run(["policy", "explain", "make"])
    assert "no-make (yours)" in capsys.readouterr().out
    mine.write_text("version: 1\nrules:\n- {name: no-make, decision: deny, command: make, match: [cmake]}\n")
    assert run(["policy", "check"]) == 2
    assert f"{mine}, line 3: the example `cmake` should match" in capsys.readouterr().err


def test_check_of_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(
        "version: 1\nrules:\n- {name: lost, decision: allow, command: 'shutdown **', match: [shutdown now]}\n"
    )
    assert run(["policy", "check", str(file)]) == 0
    assert "`lost` is always overruled by shutdown" in capsys.readouterr().out
    assert run(["policy", "check", str(tmp_path / "absent.yaml")]) == 2
    assert "absent.yaml" in capsys.readouterr().err


def test_the_flag_and_the_setting_name_a_further_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("version: 1\nrules:\n- {name: no-make, decision: deny, command: make}\n")
    run(["policy", "explain", "make", "--policy", str(file)])
    assert capsys.readouterr().out.startswith("deny")
    project = tmp_path / "work" / ".interpreter"
    project.mkdir()
    (project / "config.yaml").write_text(f"policy: {file}\n")
    run(["policy", "explain", "make"])
    assert capsys.readouterr().out.startswith("allow")


def test_trust(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "work" / ".interpreter"
    folder.mkdir()
    file = folder / "policy.yaml"
    file.write_text("version: 1\nrules:\n- {name: a, decision: allow, command: 'kubectl -n prod get **'}\n")
    run(["policy", "explain", "kubectl -n prod get pods"])
    out = capsys.readouterr().out
    assert out.startswith("ask") and "interpreter policy trust" in out
    assert run(["policy", "trust"]) == 0
    out = capsys.readouterr().out
    assert str(file) in out and "a: kubectl -n prod get **" in out
    run(["policy", "explain", "kubectl -n prod get pods"])
    assert capsys.readouterr().out.startswith("allow")
    assert run(["policy", "trust", str(tmp_path / "work"), "--revoke"]) == 0
    run(["policy", "explain", "kubectl -n prod get pods"])
    assert "ask" in capsys.readouterr().out
    file.unlink()
    assert run(["policy", "trust"]) == 2


def record(home: Path, codes: list[tuple[str, str]]) -> str:
    """A session of these actions, in a real log."""
    store = Store.open(home)
    try:
        log = store.create(new_id("ses"), home.parent / "work")
        log.append_now(
            SessionStarted(
                session=log.id, workspace=str(home.parent / "work"), sandbox="bubblewrap/workspace", version="1"
            )
        )
        for number, (code, status) in enumerate(codes):
            action = Action(id=f"act_{number}", language="shell", code=code, sha256=code_sha256(code))
            log.append_now(ActionProposed(turn="t", step=1, action=action))
            if status == "ok":
                log.append_now(
                    ActionStarted(action=action.id, execution="x", kernel="k", language="shell", sandbox="s")
                )
            seen = Observation(text="", shown="")
            log.append_now(ActionFinished(action=action.id, status=status, observation=seen))  # type: ignore[arg-type]
        return log.id
    finally:
        store.close()


def test_replay(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "replay"]) == 0
    assert "no actions" in capsys.readouterr().out
    session = record(home, [("ls", "ok"), ("sudo ls", "ok"), ("git push -f origin main", "denied"), ("pwd", "ok")])
    assert run(["policy", "replay", "--session", session]) == 0
    out = capsys.readouterr().out
    assert out.startswith("4 actions: 2 allow, 1 ask, 1 deny")
    assert "another-user" in out and "then: denied" in out and "then: ran" in out
    assert run(["policy", "replay", "--all", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["now"] for row in rows] == ["allow", "deny", "ask", "allow"]
    assert run(["policy", "replay", "--session", "nonsense"]) == 2


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["chek"],
        ["explain"],
        ["explain", "x", "--language", "klingon"],
        ["explain", "x", "--mode", "y"],
        ["check", "a", "b"],
        ["replay", "x"],
        ["trust", "a", "b"],
    ],
)
def test_wrong_use(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", *words]) == 2
    assert "Traceback" not in capsys.readouterr().err
