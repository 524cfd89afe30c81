"""`interpreter audit` as a person types it."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from interpreter.store import Store
from interpreter.store.audit_records import AuditRecord, audit_records, changed_since, read_since
from interpreter.types.actions import Completion, ErrorReport, Observation, OutputRef, Resources
from interpreter.types.events import (
    ActionFinished,
    ActionJudged,
    ActionProposed,
    ActionStarted,
    ApprovalRequested,
    ApprovalResolved,
    Event,
    GrantAdded,
    ModelAsked,
    NetworkAttempt,
    Quarantined,
    SessionStarted,
    Stored,
    TurnFinished,
    TurnStarted,
)
from interpreter.types.rules import Reason
from tests import zygote
from tests.store.samples import action

DOCS = Path(__file__).resolve().parents[2] / "docs"
SECRET = "sk-" + "proj-Ab1" * 5
HASH = "cd" * 32


def course(session: str = "s_00000000000000000001") -> list[Event]:
    """One action that ran to its end, one that was denied, one that has no end."""
    output = OutputRef(path="/x.out", size=9, sha256=HASH)
    done = Completion(
        execution="x_1",
        status="error",
        exit_status=3,
        duration=1.5,
        error=ErrorReport(name="ValueError", message=f"bad {SECRET}"),
        output=output,
        resources=Resources(cpu=0.25, memory=4096),
    )
    rule = Reason(rule="network-tools", layer="built-in", decision="ask", text="It reaches the network.")
    return [
        SessionStarted(session=session, workspace="/project", sandbox="bubblewrap/workspace", version="0.1.0",
                       user="ann", uid=1000, host="box"),
        TurnStarted(turn="t_1", text="go"),
        GrantAdded(path="/data", access="read", by="person"),
        ModelAsked(turn="t_1", step=1, model="qwen", api_base="http://x/v1", messages=2, size=10),
        ActionProposed(turn="t_1", step=1, action=action(f"\ncurl -H 'X: {SECRET}' a.example\nls", "a_1", "shell")),
        ActionJudged(action="a_1", decision="ask", reasons=(rule,), unknown=("$X",), mode="ask"),
        ApprovalRequested(approval="p_1", kind="run", action="a_1"),
        ApprovalResolved(approval="p_1", answer="yes", by="ann", channel="terminal"),
        ActionStarted(action="a_1", execution="x_1", kernel="shell", language="shell", sandbox="bubblewrap"),
        NetworkAttempt(host="a.example", port=443, decision="denied", by="default"),
        NetworkAttempt(host="a.example", port=443, decision="denied", by="default"),
        NetworkAttempt(host="pypi.org", port=443, decision="allowed", by="r"),
        Quarantined(action="a_1", path="/project/.envrc", kept="/q/1", reason="x"),
        ActionFinished(action="a_1", status="error", observation=Observation(text="x", shown="x"), completion=done),
        ActionProposed(turn="t_1", step=2, action=action("rm -rf /", "a_2", "shell")),
        ActionJudged(action="a_2", decision="deny",
                     reasons=(Reason(rule="root", layer="user", decision="deny", text="no"),)),
        ActionFinished(action="a_2", status="denied", observation=Observation(text="x", shown="x")),
        ActionProposed(turn="t_1", step=0, action=action("1", "a_3")),
        ActionStarted(action="a_3", execution="x_3", kernel="python", language="python", sandbox="bubblewrap"),
        TurnFinished(turn="t_1", reason="interrupted", exit_code=130),
    ]  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with Store.open(tmp_path / "home") as store:
        log = store.create("s_00000000000000000001", "/project")
        log.append_now(*course())
    return tmp_path / "home"


def interpreter(home: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "INTERPRETER_HOME": str(home), "INTERPRETER_LANG": "en", **environ}
    command = [sys.executable, "-m", "interpreter", "audit", *words]
    return zygote.run_text(command, env=environment, cwd=home)


def records(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_export_gives_one_flat_record_for_each_action(home: Path) -> None:
    ran, denied, open_ = records(interpreter(home, "export", "--all"))
    assert all(not isinstance(value, dict | list) for record in (ran, denied, open_) for value in record.values())
    assert list(ran) == list(denied) == list(open_) == list(AuditRecord.__struct_fields__)
    moment = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
    assert all(moment.fullmatch(ran[name]) for name in ("time", "approved_time", "started", "finished"))
    told = {name: ran[name] for name in ran if not name.endswith("time") and name not in ("started", "finished")}
    assert told == {
        "schema": 1, "session": "s_00000000000000000001", "seq": 5, "action": "a_1", "turn": "t_1", "step": 1,
        "origin": "model", "model": "qwen", "user": "ann", "uid": 1000, "host": "box", "version": "0.1.0",
        "workspace": "/project", "language": "shell",
        "code_sha256": action(f"\ncurl -H 'X: {SECRET}' a.example\nls").sha256,
        "code": "\ncurl -H 'X: [redacted]' a.example\nls", "code_first_line": "curl -H 'X: [redacted]' a.example",
        "edited": False, "verdict": "ask", "rule": "network-tools", "layer": "built-in",
        "reason": "It reaches the network.", "rules": "network-tools", "unknown": "$X", "mode": "ask",
        "approval": "p_1", "answer": "yes", "approved_by": "ann", "approved_channel": "terminal",
        "walls": "bubblewrap", "kernel": "shell", "execution": "x_1", "status": "error", "exit_status": 3,
        "error": "ValueError: bad [redacted]", "limit": None, "duration_seconds": 1.5, "cpu_seconds": 0.25,
        "memory_bytes": 4096, "output_bytes": 9, "output_sha256": HASH, "output_dropped_bytes": 0,
        "network_attempts": 3, "network_denied": 2,
        "network_hosts": "a.example:443 denied, pypi.org:443 allowed", "grants": "/data (read)",
        "quarantined": "/project/.envrc",
    }  # fmt: skip
    assert (denied["status"], denied["verdict"], denied["rule"], denied["layer"]) == ("denied", "deny", "root", "user")
    assert denied["started"] is None and denied["walls"] is None and denied["approval"] is None
    assert (open_["status"], open_["finished"], open_["origin"], open_["model"]) == ("unfinished", None, "person", None)
    assert open_["started"] and open_["walls"] == "bubblewrap"


def test_export_takes_known_values_of_the_environment_out(home: Path) -> None:
    assert "curl" in interpreter(home, "export").stdout
    shown = interpreter(home, "export", DEPLOY_TOKEN="rm -rf /").stdout
    assert "rm -rf /" not in shown and shown.count("[redacted]") >= 2


def test_export_of_one_session_and_since(home: Path) -> None:
    with Store.open(home) as store:
        store.create("s_00000000000000000002", "/project").append_now(*course("s_00000000000000000002")[:17])
    assert len(records(interpreter(home, "export"))) == 5
    assert len(records(interpreter(home, "export", "--session", "last"))) == 2
    assert len(records(interpreter(home, "export", "--session=s_00000000000000000001", "--format", "jsonl"))) == 3
    assert len(records(interpreter(home, "export", "--since", "1h"))) == 5
    assert [r["action"] for r in records(interpreter(home, "export", "--since", "2099-01-01"))] == ["a_3"]


def test_verify_says_which_event_is_bad_and_ends_with_1(home: Path) -> None:
    good = interpreter(home, "verify")
    assert good.returncode == 0 and "whole, 20 events." in good.stdout
    head = re.search(r"--expect (\d+:[0-9a-f]{64})", good.stdout)
    assert head is not None and interpreter(home, "verify", "--all", "--expect", head[1]).returncode == 0
    connection = sqlite3.connect(home / "log.db")
    connection.execute("UPDATE events SET body = CAST(replace(body, 'rm -rf /', 'rm -rf .') AS BLOB) WHERE seq = 15")
    connection.commit()
    connection.close()
    bad = interpreter(home, "verify", "last")
    assert bad.returncode == 1 and "event 15 was changed" in bad.stdout and "Traceback" not in bad.stderr
    told = interpreter(home, "verify", "--json")
    assert told.returncode == 1
    assert json.loads(told.stdout)["sessions"][0] | {"detail": ""} == {
        "session": "s_00000000000000000001", "whole": False, "events": 20, "sealed": 20, "finding": "body", "first": 15,
        "last": 15, "erased": [], "imported": 0, "detail": "",
    }  # fmt: skip


def test_verify_finds_a_session_that_only_the_seals_know(home: Path) -> None:
    connection = sqlite3.connect(home / "log.db")
    connection.execute("DELETE FROM events")
    connection.execute("DELETE FROM sessions")
    connection.commit()
    connection.close()
    for words in (("verify",), ("verify", "s_00000000000000000001")):
        done = interpreter(home, *words)
        assert done.returncode == 1 and "the whole session was removed" in done.stdout


def test_a_home_put_back_is_told(home: Path) -> None:
    done = interpreter(home, "verify", "--expect", f"9:{HASH}")
    assert done.returncode == 1 and "put back to an older state" in done.stdout


def test_the_key_is_named_by_the_environment(home: Path, tmp_path: Path) -> None:
    assert interpreter(home, "verify", INTERPRETER_AUDIT_KEY=str(home / "audit.key")).returncode == 0
    other = interpreter(home, "verify", INTERPRETER_AUDIT_KEY=str(tmp_path / "other"))
    assert other.returncode == 1 and "made with another key" in other.stdout
    (tmp_path / "short").write_text("x")
    short = interpreter(home, "verify", INTERPRETER_AUDIT_KEY=str(tmp_path / "short"))
    assert short.returncode == 1 and "is no key" in short.stderr and "Traceback" not in short.stderr


@pytest.mark.parametrize(
    "words",
    [(), ("prove",), ("verify", "nobody"), ("verify", "last", "--all"), ("verify", "--since", "1h"),
     ("export", "last"), ("export", "--since", "soon"), ("export", "--format", "xml"), ("export", "--expect", "1:2")],
)  # fmt: skip
def test_wrong_words_are_told_with_2(home: Path, words: tuple[str, ...]) -> None:
    done = interpreter(home, *words)
    assert done.returncode == 2 and done.stdout == "" and done.stderr and "Traceback" not in done.stderr


def test_the_document_names_every_field() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", (DOCS / "audit.md").read_text(encoding="utf-8"), re.MULTILINE)
    fields = {field.name: field.type for field in msgspec.structs.fields(AuditRecord)}
    assert [name for name, _kind in rows] == list(fields)
    kinds = {"text": str, "int": int, "bool": bool, "float": float}
    assert all(str(kinds[kind].__name__) in str(fields[name]) for name, kind in rows)


def test_an_action_that_the_person_edited_tells_what_ran() -> None:
    edit = action("print(2)", "a_1")
    events: list[Event] = [
        ActionProposed(turn="t", step=1, action=action("print(1)", "a_1")),
        ApprovalRequested(approval="p", kind="run", action="a_1"),
        ApprovalResolved(approval="p", answer="edit", by="ann", action=edit),
    ]
    stored = [Stored(session="s", seq=n, time=float(n), event=event) for n, event in enumerate(events, 1)]
    (record,) = audit_records(stored)
    assert (record.code, record.code_sha256, record.edited) == ("print(2)", edit.sha256, True)
    assert record.time == "1970-01-01T00:00:01.000000Z"


def test_moments() -> None:
    assert read_since("2h", 10_000.0) == 2_800.0
    assert read_since("1970-01-02T00:00:00Z", 0) == 86_400.0
    record = AuditRecord(time="2026-01-01T00:00:00.000000Z", finished="2026-01-03T00:00:00.000000Z")
    assert changed_since(record, read_since("2026-01-02T00:00:00Z", 0))
    assert not changed_since(record, read_since("2026-01-04T00:00:00Z", 0))
