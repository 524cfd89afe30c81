"""What each kind of check looks at, for how long, and through which walls."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from interpreter.app.goals import Goal
from interpreter.app.opening import open_session
from interpreter.errors import UsageError
from interpreter.goals.prompt import opening
from interpreter.llm.scripted import Reply, ScriptedModel
from interpreter.tools.options import ToolOptions
from interpreter.types.events import ActionStarted, Event, TurnFinished
from interpreter.types.goals import Check, CheckFinished, FileCheck, GoalFinished, HttpCheck, MetricCheck, Task
from interpreter.types.ops import SubmitInput
from tests.session.helpers import settings

from .runs import agree, check, execute, finish, run

Server = ThreadingHTTPServer
ASKED: list[str] = []
SIGNED: list[str] = []
"""What came with each query."""


class Service(BaseHTTPRequestHandler):
    """A service and a Prometheus that answers as the real one does."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/api/v1/query":
            query = parse_qs(parts.query)["query"][0]
            ASKED.append(query)
            SIGNED.append(self.headers.get("Authorization", ""))
            values = {"latency": ["0.2", "0.4"], "slow": ["0.9"], "none": []}[query.partition("{")[0]]
            result = [{"metric": {"pod": str(n)}, "value": [1.0, value]} for n, value in enumerate(values)]
            body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
        else:
            body = b"version 2.0 is well"
        self.send_response(404 if parts.path == "/absent" else 200)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Generator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def checked(workspace: Path, checks: tuple[Check, ...], host: str = "") -> dict[str, CheckFinished]:
    """Each of the checks, run once after a claim."""
    found = with_hosts(Task(goal="x", checks=checks), workspace, (host,) if host else ())
    return {one.name: one for one in found if isinstance(one, CheckFinished) and one.phase == "claim"}


def with_hosts(task: Task, workspace: Path, hosts: tuple[str, ...], metrics: str = "") -> list[Event]:
    import asyncio

    async def whole() -> list[Event]:
        plain = settings()
        walls = msgspec.structs.replace(plain.walls, allow_hosts=hosts)
        own = {"prometheus": {"url": metrics, "headers": {"Authorization": "Bearer tok-0123456789"}}} if metrics else {}
        session = await open_session(
            msgspec.structs.replace(plain, walls=walls, tools=ToolOptions(settings=own)), workspace=workspace,
            client=ScriptedModel([finish(), finish("failure")]), goal=Goal(task),
        )  # fmt: skip
        events: list[Event] = []
        try:
            watch = session.watch()
            await session.send(SubmitInput(text=opening(task)))
            async for event in watch:
                events.append(event)
                if isinstance(event, TurnFinished):
                    break
        finally:
            await session.close()
        return events

    return asyncio.run(asyncio.wait_for(whole(), 60))


def test_what_servers_and_files_must_say(tmp_path: Path, url: str) -> None:
    (tmp_path / "log").write_text("first\nok: 2.0\n")
    (tmp_path / "way").symlink_to("/etc/hostname")
    checks = (
        Check(name="well", http=HttpCheck(url=url, holds="2.0", matches="is w.ll")),
        Check(name="absent", http=HttpCheck(url=f"{url}/absent", status=404)),
        Check(name="other status", http=HttpCheck(url=f"{url}/absent")),
        Check(name="other words", http=HttpCheck(url=url, holds="3.0")),
        Check(name="fast", metric=MetricCheck(url=url, query='latency{job="a b"}', at_most=0.5, at_least=0.1)),
        Check(name="slow", metric=MetricCheck(url=url, query="slow", at_most=0.5)),
        Check(name="no value", metric=MetricCheck(url=url, query="none", at_most=0.5)),
        Check(name="log", file=FileCheck(path="log", holds="2.0", matches="^ok")),
        Check(name="no log", file=FileCheck(path="nothing")),
        Check(name="gone", file=FileCheck(path="nothing", absent=True)),
    )
    found = checked(tmp_path, checks, urlsplit(url).netloc)
    assert {name: one.passed for name, one in found.items()} == {
        "well": True, "absent": True, "other status": False, "other words": False, "fast": True, "slow": False,
        "no value": False, "log": True, "no log": False, "gone": True,
    }  # fmt: skip
    assert "status 404, expected 200" in found["other status"].told and "0.9 is more than 0.5" in found["slow"].told
    assert "no value" in found["no value"].told and ASKED[0] == 'latency{job="a b"}'


def test_a_metric_without_an_address_is_asked_of_the_persons_own_server(tmp_path: Path, url: str) -> None:
    """By the tool, outside the walls, whose network stays closed: the credential is in none of it."""
    checks = (
        Check(name="fast", metric=MetricCheck(query="latency", at_most=0.5)),
        Check(name="slow", metric=MetricCheck(query="slow", at_most=0.5)),
        Check(name="no value", metric=MetricCheck(query="none", at_least=0.5)),
    )
    events = with_hosts(Task(goal="x", checks=checks), tmp_path, (), url)
    found = {one.name: one for one in events if isinstance(one, CheckFinished) and one.phase == "claim"}
    assert {name: one.passed for name, one in found.items()} == {"fast": True, "slow": False, "no value": False}
    assert "0.9 is more than 0.5" in found["slow"].told and "no value" in found["no value"].told
    assert SIGNED[-1] == "Bearer tok-0123456789" and "tok-0123456789" not in repr(events)
    started = {event.action: event for event in events if isinstance(event, ActionStarted)}
    assert started[found["slow"].actions[0]].language == "tool"


def test_a_resumed_run_has_the_tool_that_its_checks_need(tmp_path: Path, url: str) -> None:
    fast = Check(name="fast", metric=MetricCheck(query="latency", at_most=0.1))
    tools = ToolOptions(settings={"prometheus": {"url": url}})
    send = execute("curl -s -X POST http://127.0.0.1:9/", "shell", undo="none")
    ran = run(Task(goal="x", checks=(fast,)), [send], tmp_path, approvals="park", tools=tools)
    assert ran.end.exit_code == 4
    again = run(None, [finish(), finish("failure")], tmp_path, resume=ran.session, on=agree, can_ask=True, tools=tools)
    (claimed,) = [one for one in again.of(CheckFinished) if one.phase == "claim"]
    assert not claimed.passed and "0.2 is more than 0.1" in claimed.told
    assert "prometheus" in [tool.name for tool in again.model.requests[0].tools]


def test_a_metric_without_an_address_needs_a_server(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`lost` asks your Prometheus server, and none is configured"):
        with_hosts(
            Task(goal="x", health=(Check(name="lost", metric=MetricCheck(query="up", at_least=1)),)), tmp_path, ()
        )


def test_a_host_that_is_not_allowed_is_not_reached(tmp_path: Path, url: str) -> None:
    found = checked(tmp_path, (Check(name="well", http=HttpCheck(url=url)),))
    assert not found["well"].passed and "no answer from" in found["well"].told


def test_what_must_hold_for_a_time(tmp_path: Path) -> None:
    steady = Check(name="steady", command="test -e made", hold=1.2, within=5.0)
    late = execute("import subprocess; subprocess.Popen('sleep 1; touch made', shell=True, start_new_session=True)")
    begun = time.monotonic()
    ran = run(Task(goal="Make it.", checks=(steady,)), [late, finish()], tmp_path)
    assert ran.end.exit_code == 0 and time.monotonic() - begun > 2
    result = ran.of(CheckFinished)[-1]
    assert len(result.actions) >= 4 and result.duration > 1.2


def test_a_check_has_a_time_of_its_own(tmp_path: Path) -> None:
    slow = Check(name="slow", command="sleep 30", timeout=0.5)
    ran = run(Task(goal="Make it.", checks=(slow,)), [finish(), finish("failure")], tmp_path)
    assert ran.end.exit_code == 1 and ran.end.duration < 20 and not ran.of(CheckFinished)[-1].passed


def test_a_changed_test_is_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "test.sh").write_text("exit 1\n")
    replies = [execute("open('test.sh', 'w').write('exit 0')"), finish()]
    ran = run(Task(goal="Make the test pass.", checks=(check("bash test.sh"),)), replies, tmp_path)
    assert ran.end.exit_code == 0
    assert ran.of(CheckFinished)[-1].changed == ("test.sh",) and ran.finished.changed == ("test.sh",)


def test_checks_run_inside_the_walls(tmp_path: Path) -> None:
    outside = tmp_path.parent / "outside"
    ran = run(Task(goal="x", checks=(check(f"touch {outside}"),)), [finish(), finish("failure")], tmp_path)
    assert not outside.exists() and not ran.of(CheckFinished)[-1].passed
    assert all("host" not in started.sandbox for started in ran.of(ActionStarted))


def test_after_its_end_it_is_a_conversation_like_any_other(tmp_path: Path) -> None:
    ran = run(
        Task(goal="x", checks=(check("test -e made"),)), [execute("open('made', 'w').close()"), finish()], tmp_path
    )
    again = run(None, [Reply(text="It was made.")], tmp_path, resume=ran.session, text="What did you do?")
    assert (again.end.reason, again.end.text) == ("done", "It was made.") and again.of(GoalFinished) == []
