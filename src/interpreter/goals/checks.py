"""Checks: what each of them runs, and what its result says. All of them run inside the walls, in new processes."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from ..agent.turns import Turn
from ..guest.prometheus_answer import address
from ..text.clean import clean_text
from ..text.cut import head_tail
from ..types.goals import By, Check, CheckFinished, Phase
from ..types.tooling import TOOL, call_code
from .harness import Harness, Purpose
from .run import Run

TOLD = 1_500
"""Characters of a check's output that are kept beside its result."""
LOOKS = (0.5, 10.0)
"""Seconds between two looks, at least and at most."""
PROMETHEUS = "prometheus"
"""The tool that asks the person's own server."""
Changed = Callable[[], Iterable[str]]
"""Paths of the workspace that differ from how the run began."""

PROBE = """\
import json, re, sys, urllib.error, urllib.request
p = json.loads({parameters!r})
r = urllib.request.Request(p["url"], data=p["body"].encode() or None, headers=p["headers"], method=p["method"])
try:
    with urllib.request.urlopen(r, timeout=p["timeout"]) as a:
        status, body = a.status, a.read(1000000).decode("utf-8", "replace")
except urllib.error.HTTPError as e:
    status, body = e.code, e.read(1000000).decode("utf-8", "replace")
except Exception as e:
    sys.exit(f"no answer from {{p['url']}}: {{e}}")
"""
HTTP = """\
print("status", status)
print(body[:2000])
if status != p["status"]:
    sys.exit(f"status {status}, expected {p['status']}")
if p["holds"] and p["holds"] not in body:
    sys.exit("the body does not hold " + repr(p["holds"]))
if p["matches"] and not re.search(p["matches"], body):
    sys.exit("nothing in the body matches " + repr(p["matches"]))
"""
METRIC = """\
try:
    data, lacks = data_of(status, body)
    series = series_of(data)
except ValueError as e:
    sys.exit(f"the metric server: {e}")
print(*lacks[:5], "values", [value for one in series for _when, value in one.points][:50])
sys.exit(broken(series, p["at_most"], p["at_least"]) or 0)
"""
ANSWER = Path(__file__).resolve().parents[1] / "guest" / "prometheus_answer.py"
FILE = """\
import json, os, re, sys
p = json.loads({parameters!r})
if p["absent"]:
    sys.exit("it exists: " + p["path"] if os.path.lexists(p["path"]) else 0)
try:
    text = open(p["path"], "rb").read(10000000).decode("utf-8", "replace")
except OSError as e:
    sys.exit(f"{{p['path']}}: {{e.strerror}}")
print(len(text), "characters")
if p["holds"] and p["holds"] not in text:
    sys.exit("it does not hold " + repr(p["holds"]))
if p["matches"] and not re.search(p["matches"], text, re.M):
    sys.exit("nothing in it matches " + repr(p["matches"]))
"""


@lru_cache(1)
def answers() -> str:
    """How an answer of Prometheus is read, as source."""
    return ANSWER.read_text(encoding="utf-8")


def program(check: Check, variables: dict[str, str]) -> tuple[str, str]:
    """Language and code of a check; exit status 0 means that it passes."""
    given: dict[str, object]
    if check.http is not None:
        one = check.http
        given = {"url": one.url, "method": one.method, "headers": one.headers, "body": one.body, "status": one.status,
                 "holds": one.holds, "matches": one.matches, "timeout": check.timeout}  # fmt: skip
        return "python", PROBE.format(parameters=json.dumps(given)) + HTTP
    if check.metric is not None:
        metric = check.metric
        if not metric.url:
            # The person's own server, with its credentials: the tool asks, which runs on the host's side.
            bounds = {"at_most": metric.at_most, "at_least": metric.at_least}
            given = {"query": metric.query, **{name: value for name, value in bounds.items() if value is not None}}
            return TOOL, call_code(PROMETHEUS, given)
        url = address(metric.url, "query", query=metric.query)
        given = {"url": url, "method": "GET", "headers": {}, "body": "", "timeout": check.timeout,
                 "at_most": metric.at_most, "at_least": metric.at_least}  # fmt: skip
        return "python", f"{answers()}\n\n{PROBE.format(parameters=json.dumps(given))}{METRIC}"
    if check.file is not None:
        one = check.file
        given = {"path": one.path, "holds": one.holds, "matches": one.matches, "absent": one.absent}
        return "python", FILE.format(parameters=json.dumps(given))
    return "shell", "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items()) + check.command


def paths_in(check: Check, workspace: Path) -> set[str]:
    """Paths of the workspace that a check's command names, as snapshots spell them."""
    if check.command:
        try:
            words = shlex.split(check.command, comments=True)
        except ValueError:
            words = check.command.split()
    else:
        words = []
    found: set[str] = set()
    for word in words:
        for one in re.split(r"[=:;&|()<>]", word):
            path = Path(one.removeprefix("./"))
            if path.is_absolute() and path.is_relative_to(workspace):
                path = path.relative_to(workspace)
            if one and not path.is_absolute() and ".." not in path.parts and path.parts:
                found.add(path.as_posix())
    return found


class Checker:
    def __init__(self, run: Run, harness: Harness, workspace: Path, changed: Changed) -> None:
        self._run, self._harness, self._workspace, self._changed = run, harness, workspace, changed

    async def all(self, turn: Turn, checks: Iterable[Check], phase: Phase, by: By = "person") -> list[CheckFinished]:
        """Run each of them, whatever the others say; each result is an event."""
        changed: set[str] = set()
        if phase == "claim":
            changed = set(await asyncio.to_thread(lambda: set(self._changed())))
        found: list[CheckFinished] = []
        for check in checks:
            found.append(await self._one(turn, check, phase, by, changed))
            if turn.stop.is_set():
                break
        return found

    async def _one(self, turn: Turn, check: Check, phase: Phase, by: By, changed: set[str]) -> CheckFinished:
        begun = time.monotonic()
        actions: list[str] = []
        # Before any work nothing is waited for: what does not hold now is what the run is there for.
        patient = phase not in ("before", "stated")
        passed, told = await self._look(turn, check, phase, by, actions)
        while patient and not passed and time.monotonic() - begun < check.within and not turn.stop.is_set():
            await self._pause(turn, check.within)
            passed, told = await self._look(turn, check, phase, by, actions)
        since = time.monotonic()
        while patient and passed and time.monotonic() - since < check.hold and not turn.stop.is_set():
            await self._pause(turn, check.hold)
            passed, told = await self._look(turn, check, phase, by, actions)
        named = paths_in(check, self._workspace) if changed else set[str]()
        event = CheckFinished(
            turn=turn.id,
            name=check.name,
            phase=phase,
            passed=passed and not turn.stop.is_set(),
            by=by,
            told=told,
            actions=tuple(actions),
            duration=time.monotonic() - begun,
            vacuous=passed and bool(self._run.book.before.get(check.name)) and phase == "claim",
            changed=tuple(sorted(named & changed)),
        )
        await self._run.emitter.emit(event)
        return event

    async def _look(self, turn: Turn, check: Check, phase: Phase, by: By, actions: list[str]) -> tuple[bool, str]:
        language, code = program(check, self._run.task.variables)
        purpose: Purpose = "health" if phase == "health" else "check"
        finished = await self._harness.execute(
            turn, purpose, language, code, given=by == "person", seconds=check.timeout
        )
        actions.append(finished.action)
        if finished.status == "denied" and by == "person" and not self._run.forbidden[0]:
            self._run.forbidden = (check.name, finished.observation.shown or finished.observation.text)
        return finished.status == "ok", head_tail(clean_text(finished.observation.text), TOLD)

    async def _pause(self, turn: Turn, span: float) -> None:
        seconds = min(max(span / 10, LOOKS[0]), LOOKS[1])
        try:
            await asyncio.wait_for(turn.stop.wait(), seconds)
        except TimeoutError:
            return
