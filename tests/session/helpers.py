"""A real session (log, keeper, kernel, walls as the machine has them) with a scripted model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from interpreter.agent.options import AgentOptions
from interpreter.app import open_session
from interpreter.config.settings import Settings, WallOptions
from interpreter.llm.options import ModelOptions
from interpreter.llm.scripted import Reply, Script, ScriptedModel
from interpreter.session.service import Session
from interpreter.skills.options import SkillOptions
from interpreter.store.link_options import LinkOptions
from interpreter.tools.options import ToolOptions
from interpreter.types.events import CheckpointSaved, Event, TurnFinished
from interpreter.types.ops import Op, SubmitInput

T = TypeVar("T")


def settings(
    *,
    sandbox: str = "auto",
    llm: ModelOptions | None = None,
    tools: ToolOptions | None = None,
    network: str = "",
    hosts: tuple[str, ...] = (),
    policy: str = "",
    skills: SkillOptions | None = None,
    links: LinkOptions | None = None,
    **agent: Any,
) -> Settings:
    agent.setdefault("auto_run", True)
    agent.setdefault("can_ask", False)
    walls = WallOptions(backend=sandbox, network=network, allow_hosts=hosts)  # pyright: ignore[reportArgumentType] - the caller's literals
    return Settings(
        agent=AgentOptions(**agent),
        walls=walls,
        llm=llm or ModelOptions(),
        tools=tools or ToolOptions(),
        policy=policy,
        skills=skills or SkillOptions(),
        links=links or LinkOptions(),
    )


class Talk:
    """A session and what it has said."""

    def __init__(self, session: Session, model: ScriptedModel) -> None:
        self.session, self.model = session, model
        self.events: list[Event] = []
        self.watch = session.watch()

    async def turn(
        self, text: str = "", *, own_code: bool = False, on: Callable[[Event], Op | None] | None = None
    ) -> TurnFinished:
        """One turn to its end; `on` may answer an event with an op."""
        await self.session.send(SubmitInput(text=text, own_code=own_code))
        async for event in self.watch:
            self.events.append(event)
            if on is not None and (op := on(event)) is not None:
                await self.session.send(op)
            if isinstance(event, TurnFinished) and event.turn == self.session.turns[-1]:
                return event
        raise AssertionError("the session closed in a turn")

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]

    def told(self, request: int = -1) -> str:
        """What the model read as the newest messages of a request."""
        return self.model.requests[request].messages[-1].text

    async def saved(self, number: int = 1) -> None:
        """Wait until the session has so many checkpoints: a scripted model leaves them no time of its own."""
        while sum(isinstance(one.event, CheckpointSaved) for one in self.session.log.events()) < number:
            await asyncio.sleep(0.01)


def run(
    story: Callable[[Talk], Coroutine[Any, Any, None]],
    replies: Sequence[Reply | str] | Script,
    workspace: Path,
    *,
    resume: str | None = None,
    **agent: Any,
) -> str:
    """Tell a story of one session; returns the session's id."""

    async def whole() -> str:
        model = ScriptedModel(replies if isinstance(replies, Script) else list(replies))
        session = await open_session(settings(**agent), resume=resume, workspace=workspace, client=model)
        try:
            await story(Talk(session, model))
        finally:
            await session.close()
        return session.id

    return asyncio.run(asyncio.wait_for(whole(), 60))
