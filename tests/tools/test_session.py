"""Tools in a real session: called by the model and by its code, through the gate and the log."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from interpreter.errors import UsageError
from interpreter.llm.script import ScriptCall
from interpreter.llm.scripted import Reply, Script
from interpreter.tools.options import ToolOptions
from interpreter.types.events import (
    ActionFinished,
    ActionJudged,
    ActionProposed,
    ActionStarted,
    ApprovalRequested,
    Event,
    KernelEvent,
    NoteAdded,
    TurnFinished,
)
from interpreter.types.ops import Interrupt, Op, ResolveApproval
from interpreter.types.tooling import readable
from tests.session.helpers import Talk, run

FILES = ToolOptions(offered=("read_file", "read_log", "search_files"))
RUNNING = ToolOptions(offered=("read_file", "run_command"))


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERPRETER_HOME", str(tmp_path_factory.mktemp("home")))


def call(name: str, **arguments: Any) -> Reply:
    return Reply(calls=(ScriptCall(name=name, arguments=arguments, id=f"c_{name}"),))


def told(
    replies: Sequence[Reply | str] | Script,
    workspace: Path,
    check: Callable[[Talk], None],
    on: Callable[[Event], Op | None] | None = None,
    **options: Any,
) -> None:
    async def story(talk: Talk) -> None:
        await talk.turn("go", on=on)
        check(talk)

    run(story, replies, workspace, **options)


def test_a_call_is_an_action_with_a_verdict_an_intent_and_an_end(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n")

    def check(talk: Talk) -> None:
        action = talk.of(ActionProposed)[0].action
        assert (action.language, action.call_id) == ("tool", "c_read_file")
        assert json.loads(action.code) == {"tool": "read_file", "arguments": {"path": "a.txt", "lines": 5}}
        assert action.repairs == ("lines given as str",)
        assert readable("tool", action.code) == 'read_file\n  lines: 5\n  path: "a.txt"'
        assert [event.decision for event in talk.of(ActionJudged)] == ["allow"]
        started = talk.of(ActionStarted)[0]
        assert (started.language, started.sandbox, started.parent) == ("tool", "", "")
        done = talk.of(ActionFinished)[0]
        assert done.status == "ok" and "     1  one\n     2  two" in done.observation.text
        assert done.completion is not None and Path(done.completion.output.path).read_text().startswith("     1  one")
        request = talk.model.requests[-1]
        assert request.messages[-1].role == "tool" and "     2  two" in talk.told()
        assert [tool.name for tool in request.tools] == [
            "execute",
            "read_output",
            "read_file",
            "read_log",
            "search_files",
        ]

    told([call("read_file", path="a.txt", lines="5"), "Two lines."], tmp_path, check, tools=FILES)


def test_a_plain_session_knows_no_tools(tmp_path: Path) -> None:
    def check(talk: Talk) -> None:
        assert [tool.name for tool in talk.model.requests[0].tools] == ["execute", "read_output"]
        assert "interpreter_tools" not in talk.model.requests[0].messages[0].text
        assert "There is no tool 'read_file'" in talk.told(1)
        assert "has no tools" in talk.told(2)

    lines = "import interpreter_tools\nprint(dir(interpreter_tools))"
    told([call("read_file", path="a"), Reply(code=lines), "Done."], tmp_path, check)


def test_what_cannot_be_called_is_said_with_what_was_expected(tmp_path: Path) -> None:
    def check(talk: Talk) -> None:
        assert not talk.of(ActionProposed)
        notes = [note.text for note in talk.of(NoteAdded)]
        assert "'path' is missing" in notes[0] and 'Expected: {"path": "..."}' in notes[0]
        assert "there is no parameter 'colour'" in notes[1]

    told(
        [call("read_file"), call("read_file", path="a", colour="red"), "I give up."], tmp_path, check, tools=FILES,
        max_retries=9,
    )  # fmt: skip


@pytest.mark.parametrize("form", ["tag", "json", "fence"])
def test_a_call_may_stand_in_the_text(tmp_path: Path, form: str) -> None:
    (tmp_path / "a.txt").write_text("one\n")
    said = '{"name": "read_file", "arguments": {"path": "a.txt"}}'
    text = {"tag": f"<tool_call>\n{said}\n</tool_call>", "json": said, "fence": f"```json\n{said}\n```"}[form]
    seen: list[ActionFinished] = []
    told([text, "Done."], tmp_path, lambda talk: seen.extend(talk.of(ActionFinished)), tools=FILES)
    assert [event.status for event in seen] == ["ok"] and "     1  one" in seen[0].observation.text


def test_code_calls_a_tool_as_an_action_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n")

    def check(talk: Talk) -> None:
        outer, inner = [event.action for event in talk.of(ActionProposed)]
        assert inner.parent == outer.id and inner.language == "tool"
        order = [(type(e).__name__, e.action) for e in talk.events if isinstance(e, ActionStarted | ActionFinished)]
        assert order == [
            ("ActionStarted", outer.id), ("ActionStarted", inner.id), ("ActionFinished", inner.id),
            ("ActionFinished", outer.id),
        ]  # fmt: skip
        assert len(talk.of(ActionJudged)) == 2
        assert "got      1  one" in talk.told() and "read_file" in talk.told()
        messages = talk.model.requests[-1].messages
        assert sum(message.role == "tool" for message in messages) == 1

    code = "from interpreter_tools import read_file\nprint('got', read_file('a.txt'))\nprint(read_file.__name__)"
    told([Reply(code=code), "Done."], tmp_path, check, tools=FILES)


def test_code_hears_why_a_call_failed(tmp_path: Path) -> None:
    code = """
import interpreter_tools as t
for words in ((), ("a", 1, 2, 3), ("/nowhere",)):
    try:
        t.read_file(*words)
    except t.ToolError as error:
        print("said:", error)
try:
    t.read_file(path={1})
except TypeError as error:
    print("said:", error)
try:
    t.run_command("ls")
except t.ToolError as error:
    print("said:", error)
except ImportError as error:
    print("said:", error)
import threading
def elsewhere():
    try:
        t.read_file("a")
    except t.ToolError as error:
        print("said:", error)
thread = threading.Thread(target=elsewhere)
thread.start()
thread.join()
"""

    def check(talk: Talk) -> None:
        text = talk.of(ActionFinished)[-1].observation.text
        assert text.count("said:") == 6
        for part in ("'path' is missing", "takes at most 3", "No such file", "JSON has a form for",
                     "there is no tool 'run_command' here", "main thread"):  # fmt: skip
            assert part in text, text

    told([Reply(code=code), "Done."], tmp_path, check, tools=ToolOptions(offered=("read_file", "run_command")))


def test_calls_of_code_are_bounded(tmp_path: Path) -> None:
    code = """
import interpreter_tools as t
try:
    t.read_file("x" * 300_000)
except t.ToolError as error:
    print(error)
count = 0
try:
    while True:
        try:
            t.read_file(no="such")
        except t.ToolError as error:
            count += 1
            if "times" in str(error):
                break
finally:
    print(count, error if False else "")
"""

    def check(talk: Talk) -> None:
        text = talk.of(ActionFinished)[-1].observation.text
        assert "too large" in text and "\n199" in text, text

    told([Reply(code=code), "Done."], tmp_path, check, tools=FILES)


def test_a_rule_denies_a_tool_and_a_path_whichever_way_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("s")
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "version: 1\nrules:\n"
        "- name: no-secret\n  decision: deny\n  reason: It is secret.\n  reads: '$WORKSPACE/secret*'\n"
        "- name: no-search\n  decision: deny\n  reason: Not here.\n  tool: search_files\n"
    )
    code = (
        "import interpreter_tools as t\ntry:\n    t.search_files('s')\nexcept t.ToolError as error:\n    print(error)"
    )

    def check(talk: Talk) -> None:
        assert [event.status for event in talk.of(ActionFinished)][:2] == ["denied", "denied"]
        assert "It is secret." in talk.told(1)
        assert "Not here." in talk.of(ActionFinished)[-1].observation.text

    told(
        [call("read_file", path="secret.txt"), Reply(code=code), "Done."], tmp_path, check, tools=FILES,
        policy=str(policy),
    )  # fmt: skip


def test_plan_mode_admits_tools_that_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n")
    seen: list[ActionFinished] = []
    told(
        [call("read_file", path="a.txt"), "Done."], tmp_path, lambda talk: seen.extend(talk.of(ActionFinished)),
        tools=FILES, plan=True, auto_run=False,
    )  # fmt: skip
    assert [event.status for event in seen] == ["ok"] and "one" in seen[0].observation.text


def test_a_person_is_asked_and_always_writes_a_narrow_rule(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n")

    def on(event: Event) -> Op | None:
        if isinstance(event, ApprovalRequested):
            return ResolveApproval(approval=event.approval, answer="always", by="person")
        return None

    def check(talk: Talk) -> None:
        asked = talk.of(ApprovalRequested)
        assert len(asked) == 1
        assert "tool: read_file" in asked[0].proposal and 'path: "a.txt"' in asked[0].proposal
        assert [event.status for event in talk.of(ActionFinished)] == ["ok", "ok"]

    twice = [call("read_file", path="a.txt"), call("read_file", path="a.txt", lines=3), "Done."]
    told(twice, tmp_path, check, on, tools=FILES, auto_run=False, can_ask=True)


def test_tools_only_runs_no_code_and_starts_no_kernel(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n")

    def check(talk: Talk) -> None:
        request = talk.model.requests[0]
        assert [tool.name for tool in request.tools] == ["read_output", "read_file"]
        system = request.messages[0].text
        assert "You cannot run code" in system and "execute(" not in system
        notes = [note.text for note in talk.of(NoteAdded)]
        assert "Your code block did not run" in notes[0] and "read_file" in notes[0]
        assert "There is no tool 'execute'" in notes[1]
        assert len(talk.of(ActionProposed)) == 1 and not talk.of(KernelEvent)

    told(
        ["```python\nprint(1)\n```", call("execute", language="python", code="1"), call("read_file", path="a.txt"),
         "For example:\n```python\nprint(1)\n```"],
        tmp_path, check, tools=ToolOptions(offered=("read_file",)), tools_only=True, max_retries=9,
    )  # fmt: skip


def test_a_command_is_judged_and_run_as_shell(tmp_path: Path) -> None:
    def check(talk: Talk) -> None:
        actions = [event.action for event in talk.of(ActionProposed)]
        assert [(a.language, a.code) for a in actions] == [("shell", "echo hi; pwd"), ("shell", "rm -rf /")]
        ends = talk.of(ActionFinished)
        assert ends[0].status == "ok" and "hi" in ends[0].observation.text
        assert ends[1].status == "denied"

    told(
        [call("run_command", command="echo hi; pwd"), call("run_command", command="rm -rf /"), "Done."], tmp_path,
        check, tools=RUNNING, tools_only=True,
    )  # fmt: skip


def test_many_tools_are_found_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.log").write_text("ERROR one\n")
    monkeypatch.setattr("interpreter.app.tooling.MANY", 3)

    def check(talk: Talk) -> None:
        names = [tool.name for tool in talk.model.requests[0].tools]
        assert names == ["execute", "read_output", "find_tool", "use_tool"]
        assert "find_tool(query)" in talk.model.requests[0].messages[0].text
        assert '"tool": "read_log"' in talk.told(1)
        called = [json.loads(event.action.code)["tool"] for event in talk.of(ActionProposed)]
        assert called == ["find_tool", "read_log", "read_file"]
        assert [event.status for event in talk.of(ActionFinished)] == ["ok"] * 3

    told(
        [call("find_tool", query="log errors"), call("use_tool", tool="read_log", arguments={"path": "a.log"}),
         call("read_file", path="a.log"), "Done."],
        tmp_path, check, tools=ToolOptions(offered=("all",)),
    )  # fmt: skip


def test_a_long_result_is_cut_and_kept_whole(tmp_path: Path) -> None:
    (tmp_path / "big.txt").write_text("".join(f"line {n}\n" for n in range(5000)))

    def check(talk: Talk) -> None:
        assert "full output: out1" in talk.told(1) and len(talk.told(1)) < 12_000
        assert "line 2500" in talk.told(2)

    told(
        [call("read_file", path="big.txt", lines=5000), call("read_output", id="out1", offset=42_000), "Done."],
        tmp_path, check, tools=FILES,
    )  # fmt: skip


# --- tools of the person's own

OWN = '''
import os
from interpreter.tools.definition import ToolContext, tool

@tool(access="read", targets=("service",))
def prometheus(ctx: ToolContext, service: str) -> dict[str, float]:
    """Ask for the latency of a service.

    Args:
        service: Its name.
    """
    return {"p95": 0.25, "key": len(os.environ["PROM_KEY"])}
'''


def test_a_tool_of_the_person_runs_on_the_hosts_side(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROM_KEY", "never-inside-the-walls")
    file = tmp_path_factory.mktemp("own") / "mine.py"
    file.write_text(OWN)
    code = "import os\nfrom interpreter_tools import prometheus as p\nprint(p(service='web'), 'PROM_KEY' in os.environ)"

    def check(talk: Talk) -> None:
        assert "{'p95': 0.25, 'key': 22} False" in talk.told(1)
        assert '"p95": 0.25' in talk.told(2)

    own = ToolOptions(files=(str(file),))
    told([Reply(code=code), call("prometheus", service="web"), "Done."], tmp_path, check, tools=own)


@pytest.mark.parametrize(
    ("text", "mode", "inside", "said"),
    [
        (OWN, 0o666, False, "others can write"),
        (OWN, 0o644, True, "code can write"),
        ("x = 1", 0o644, False, "defines no tool"),
        ("def broken(:", 0o644, False, "SyntaxError"),
        ("import no_such_thing_anywhere", 0o644, False, "ModuleNotFoundError"),
        (OWN.replace("def prometheus", "def read_file"), 0o644, False, "two tools called read_file"),
        (None, 0o644, False, "cannot be read"),
    ],
)
def test_a_file_of_tools_that_is_not_loaded(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, text: str | None, mode: int, inside: bool, said: str
) -> None:
    file = (tmp_path if inside else tmp_path_factory.mktemp("own")) / "mine.py"
    if text is not None:
        file.write_text(text)
        file.chmod(mode)
    own = ToolOptions(files=(str(file),), offered=("read_file",))
    with pytest.raises(UsageError, match=said):
        told(["Done."], tmp_path, lambda talk: None, tools=own)


def test_no_session_begins_in_which_nothing_can_be_done(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can do nothing"):
        told(["Done."], tmp_path, lambda talk: None, tools_only=True)
    with pytest.raises(UsageError, match="There is no tool nowhere"):
        told(["Done."], tmp_path, lambda talk: None, tools=ToolOptions(offered=("nowhere",)))


def test_what_is_not_configured_is_not_offered(tmp_path: Path) -> None:
    def check(talk: Talk) -> None:
        assert "search_web" not in [tool.name for tool in talk.model.requests[0].tools]
        assert any("tool_settings: search: url" in note.text for note in talk.of(NoteAdded))

    told(["Done."], tmp_path, check, tools=ToolOptions(offered=("search_web,read_file",)))


# --- stopping

WAITING = '''
import asyncio
from interpreter.tools.definition import ToolContext, tool

@tool(access="read", timeout=30)
async def wait_long(ctx: ToolContext) -> str:
    """Wait."""
    await asyncio.sleep(30)
    return ""
'''


@pytest.mark.parametrize("by_code", [False, True])
def test_an_interrupt_stops_a_call(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, by_code: bool) -> None:
    file = tmp_path_factory.mktemp("own") / "mine.py"
    file.write_text(WAITING)

    def on(event: Event) -> Op | None:
        return Interrupt() if isinstance(event, ActionStarted) and event.language == "tool" else None

    def check(talk: Talk) -> None:
        assert talk.of(TurnFinished)[-1].reason == "interrupted"
        ends = [event.status for event in talk.of(ActionFinished)]
        assert ends == ["interrupted"] * len(ends) and len(ends) == 1 + by_code

    first = Reply(code="import interpreter_tools as t\nt.wait_long()") if by_code else call("wait_long")
    told([first, "Done."], tmp_path, check, on, tools=ToolOptions(files=(str(file),)))
