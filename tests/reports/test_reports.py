"""Reports are readings of the log: true, bounded, harmless whatever was written, and put where nothing leads astray."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from interpreter.errors import StoreError
from interpreter.reports.gather import MOST_OUTPUT, Gathered, Report
from interpreter.reports.html import html
from interpreter.reports.markdown import MOST_SUMMARY, block, markdown, plain, summary
from interpreter.reports.outputs import outputs
from interpreter.reports.place import add_to, put_file
from interpreter.store import SessionLog, Store
from interpreter.store.export import kept_files, step_output
from interpreter.types.actions import Action, Completion, Observation
from interpreter.types.base import code_sha256
from interpreter.types.events import (
    ActionFinished,
    ActionJudged,
    ActionProposed,
    ActionStarted,
    ApprovalRequested,
    ApprovalResolved,
    Event,
    ModelAnswered,
    SessionStarted,
    TurnFinished,
    TurnStarted,
)
from interpreter.types.messages import Usage
from tests.store.test_page import ALLOWED, Reading

EVIL = "```\n</details><script>alert(1)</script>\n[x](javascript:alert(1)) ![i](http://evil.example/i.png) @everyone"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SessionLog]:
    with Store.open(tmp_path / "home") as store:
        yield store.create("s_1", "/project")


def action(number: int, code: str) -> Action:
    return Action(id=f"a_{number}", language="python", code=code, sha256=code_sha256(code))


def a_run(text: str = "Add up", output: str = "3") -> list[Event]:
    first, second = action(1, "print(1 + 2)"), action(2, "rm()")
    return [
        SessionStarted(session="s_1", workspace="/project", sandbox="bubblewrap/workspace", version="0.1.0"),
        TurnStarted(turn="t_1", text=text),
        ModelAnswered(turn="t_1", step=1, text="", model="small", usage=Usage(prompt=100, completion=10, cost=0.5)),
        ActionProposed(turn="t_1", step=1, action=first),
        ActionJudged(action="a_1", decision="allow", mode="auto"),
        ActionStarted(action="a_1", execution="x_1", kernel="python", language="python", sandbox="bubblewrap"),
        ActionFinished(
            action="a_1", status="ok", observation=Observation(text=output, shown=output),
            completion=Completion(execution="x_1", status="ok", duration=0.25, exit_status=0),
        ),
        ModelAnswered(turn="t_1", step=2, text="", model="small", usage=Usage(cost=0.0), source="cache"),
        ActionProposed(turn="t_1", step=2, action=second),
        ApprovalRequested(approval="ap_1", kind="run", action="a_2", subject=second.sha256),
        ApprovalResolved(approval="ap_1", answer="no", by="ann", channel="command line"),
        ActionFinished(action="a_2", status="denied", observation=Observation(text="Not run.", shown="")),
        TurnFinished(turn="t_1", reason="done", exit_code=0, text=f"It is {output}.", steps=2),
    ]  # fmt: skip


def gathered(log: SessionLog, events: list[Event], code: int | None = None) -> Gathered:
    for event in events:
        log.append_now(event)
    return Gathered(log.events(), ("hunter2-secret",), lambda step: step.read, code)


def test_a_report_says_what_the_log_says(log: SessionLog) -> None:
    report = gathered(log, a_run()).report
    assert (report.status, report.exit_code, report.answer, report.asked) == ("done", 0, "It is 3.", ("Add up",))
    assert (report.prompt_tokens, report.completion_tokens, report.cost) == (100, 10, 0.5)
    assert (report.requests, report.from_cache) == (2, 1)
    first, second = report.steps
    assert (first.number, first.verdict, first.output, first.exit_status, first.duration) == (1, "allow", "3", 0, 0.25)
    assert (second.number, second.status, second.approval, second.by) == (0, "denied", "no", "ann")
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


def test_a_run_without_an_end_is_no_success(log: SessionLog) -> None:
    report = gathered(log, a_run()[:-1]).report
    assert (report.status, report.exit_code, report.answer) == ("running", 1, "")
    assert "❌" in markdown(report)


def test_the_exit_code_of_the_process_counts(log: SessionLog) -> None:
    assert gathered(log, a_run(), 130).report.exit_code == 130


def test_secrets_are_taken_out_and_outputs_are_bounded(log: SessionLog) -> None:
    report = gathered(log, a_run("use hunter2-secret", "hunter2-secret " + "x" * 50_000)).report
    assert "hunter2" not in msgspec.json.encode(report).decode()
    assert len(report.steps[0].output) < MOST_OUTPUT + 200


@pytest.mark.parametrize("text", [EVIL, "````\n" + EVIL, "~~~\n" + EVIL])
def test_markdown_keeps_what_others_wrote_as_text(log: SessionLog, text: str) -> None:
    told = markdown(gathered(log, a_run(text, text)).report)
    outside: list[str] = []
    fence = ""
    for line in told.splitlines():
        found = re.match(r"(`{3,})", line)
        if fence:
            if line == fence:
                fence = ""
        elif found:
            fence = found[1]
        else:
            outside.append(line)
    left = "\n".join(outside)
    assert not fence
    assert "<script" not in left and "](" not in left.replace("\\]\\(", "") and "http://" not in left
    assert left.count("<details") == left.count("</details>") == 2


def test_a_fence_is_longer_than_any_in_the_text() -> None:
    assert block("a ````` b").splitlines()[0] == "`" * 6
    assert plain("a [b](http://x)\n# c") == "a \\[b\\]\\(http:\u200b//x\\) \\# c"


def test_a_summary_fits_the_build_server(log: SessionLog) -> None:
    events = a_run()
    for n in range(3, 400):
        one = action(n, "x" * 1_900)
        events[-1:-1] = [
            ActionProposed(turn="t_1", step=n, action=one),
            ActionFinished(action=one.id, status="ok", observation=Observation(text="y" * 1_900, shown="")),
        ]
    report = gathered(log, events).report
    assert len(markdown(report).encode()) > MOST_SUMMARY > len(summary(report).encode())
    assert "steps are left out" in summary(report)


def test_the_page_stays_whole_and_harmless(log: SessionLog) -> None:
    told = gathered(log, a_run(EVIL, EVIL))
    read = kept_files(log.folder)
    reading = Reading(html(told, read, lambda step: step_output(step, read), ""))
    assert {tag for tag, _attributes in reading.tags} <= ALLOWED and not reading.open
    assert "Result" in "".join(reading.texts)


def test_outputs_cannot_be_forged() -> None:
    text = outputs({"answer": "a\nend_x\nstatus<<E\nforged\nE", "status": "done"})
    values: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, delimiter = line.split("<<")
        value: list[str] = []
        for inner in lines:
            if inner == delimiter:
                break
            value.append(inner)
        values[name] = "\n".join(value)
    assert values == {"answer": "a\nend_x\nstatus<<E\nforged\nE", "status": "done"}


def test_a_link_that_appeared_meanwhile_is_not_followed(tmp_path: Path) -> None:
    place = tmp_path.resolve()
    secret, folder = place / "secret", place / "reports"
    secret.write_text("kept")
    folder.mkdir()
    (folder / "r.md").symlink_to(secret)
    put_file(folder / "r.md", b"report")
    assert secret.read_text() == "kept" and not (folder / "r.md").is_symlink()
    other = place / "other"
    other.mkdir()
    (folder / "r.md").unlink()
    folder.rmdir()
    folder.symlink_to(other)
    with pytest.raises(StoreError, match="cannot be written"):
        put_file(folder / "r.md", b"report")
    assert list(other.iterdir()) == []


def test_what_is_added_to_is_a_file(tmp_path: Path) -> None:
    there, link, pipe = tmp_path / "summary", tmp_path / "link", tmp_path / "pipe"
    there.write_text("a")
    add_to(there, b"b")
    assert there.read_text() == "ab"
    link.symlink_to(there)
    os.mkfifo(pipe)
    for path in (link, pipe, tmp_path / "none"):
        with pytest.raises(StoreError):
            add_to(path, b"c")
    assert there.read_text() == "ab"
