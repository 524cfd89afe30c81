"""Goal runs as they are: a scripted model, a real log, real kernels and walls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from interpreter.app.goals import Goal
from interpreter.app.opening import open_session
from interpreter.goals.prompt import opening
from interpreter.llm.scripted import Reply, Script, ScriptCall, ScriptedModel
from interpreter.session.service import Session
from interpreter.store import Store, default_home
from interpreter.types.events import ApprovalRequested, Event, TurnFinished
from interpreter.types.goals import Check, GoalFinished, Task
from interpreter.types.ops import ResolveApproval, SubmitInput
from tests.session.helpers import settings

T = TypeVar("T")
Watcher = Callable[[Event, Session], Awaitable[None]]


def call(tool: str, **arguments: Any) -> Reply:
    return Reply(calls=(ScriptCall(name=tool, arguments=arguments),))


def execute(code: str, language: str = "python", **more: str) -> Reply:
    return call("execute", language=language, code=code, **more)


def finish(status: str = "success", evidence: str = "I saw it.") -> Reply:
    return call("finish", status=status, evidence=evidence)


def check(command: str, **more: Any) -> Check:
    return Check(name=command, command=command, **more)


class Ran:
    """A run that has ended, and what it said."""

    def __init__(self, session: str, model: ScriptedModel, events: list[Event], end: TurnFinished) -> None:
        self.session, self.model, self.events, self.end = session, model, events, end

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def finished(self) -> GoalFinished:
        return self.of(GoalFinished)[-1]

    def told(self, request: int = -1) -> str:
        """What the model read as the newest message of a request."""
        return self.model.requests[request].messages[-1].text


def run(
    task: Task | None,
    replies: Sequence[Reply | str],
    workspace: Path,
    *,
    resume: str | None = None,
    on: Watcher | None = None,
    judge: Sequence[Reply | str] | None = None,
    undo: bool = False,
    text: str | None = None,
    goal: Goal | None = None,
    **agent: Any,
) -> Ran:
    async def whole() -> Ran:
        model = ScriptedModel(Script(replies=tuple(replies)))
        second = ScriptedModel(Script(replies=tuple(judge))) if judge is not None else None
        given = goal or Goal(task, undo=undo, judge=second)
        session = await open_session(settings(**agent), resume=resume, workspace=workspace, client=model, goal=given)
        events: list[Event] = []
        try:
            watch = session.watch()
            said = text if text is not None else "" if resume else opening(task) if task is not None else ""
            await session.send(SubmitInput(text=said))
            async for event in watch:
                events.append(event)
                if on is not None:
                    await on(event, session)
                if isinstance(event, TurnFinished) and event.turn == session.turns[-1]:
                    return Ran(session.id, model, events, event)
        finally:
            await session.close()
        raise AssertionError("the session closed in a turn")

    return asyncio.run(asyncio.wait_for(whole(), 60))


def stored(session: str) -> list[Event]:
    with Store.open(default_home()) as store:
        log = store.visit(session)
        assert log.verify().whole
        return [entry.event for entry in log.events()]


async def agree(event: Event, session: Session) -> None:
    if isinstance(event, ApprovalRequested):
        await session.send(ResolveApproval(approval=event.approval, answer="yes"))
