"""Questions about hosts: how long an answer counts, and that a program cannot wear the person out."""

from __future__ import annotations

import asyncio
from pathlib import Path

from interpreter.agent.approvals import Approvals
from interpreter.agent.network import NOBODY, QUESTIONS, Network
from interpreter.aio import Tasks
from interpreter.errors import StoreError
from interpreter.types.actions import Action, Completion
from interpreter.types.events import ApprovalRequested, Event, NetworkAttempt, NoteAdded
from interpreter.types.ops import ResolveApproval

ACTION = Action(id="act_1", language="python", code="x", sha256="0")
DONE = Completion(execution="x_1", status="ok")


class Person:
    """Stands where the hub stands, and answers each question at once with the next of its answers."""

    def __init__(self, *answers: str, can_ask: bool = True, writes: Path | None = None) -> None:
        self.events: list[Event] = []
        self._answers = list(answers)
        self.approvals = Approvals(self, can_ask=can_ask)
        self.tasks = Tasks()
        self.written: list[str] = []
        self._place = writes
        self.network = Network(self, self.approvals, self.tasks, self.write)

    def write(self, host: str) -> str:
        if self._place is None:
            raise StoreError("the disk is full")
        self.written.append(host)
        return str(self._place)

    async def emit(self, event: Event, *more: Event) -> None:
        assert not more
        self.events.append(event)
        if isinstance(event, ApprovalRequested) and self._answers:
            op = ResolveApproval(approval=event.approval, answer=self._answers.pop(0))  # pyright: ignore[reportArgumentType] - as a table says
            asyncio.get_running_loop().call_soon(self.approvals.resolve, op)

    def hold(self, event: Event) -> None:
        self.events.append(event)

    def show(self, event: Event) -> None:
        self.events.append(event)

    def asked(self) -> list[str]:
        return [event.subject for event in self.events if isinstance(event, ApprovalRequested)]


async def ask(person: Person, host: str = "a.example", port: int = 443) -> bool:
    return (await person.network.ask(host, port, "CONNECT"))[0]


def test_once_is_for_the_action_and_session_for_all() -> None:
    async def scene() -> None:
        person = Person("yes", "session", "no", "no")
        person.network.begin("act_1")
        assert await ask(person) and await ask(person) and person.asked() == ["a.example:443"]
        person.network.begin("act_2")
        assert await ask(person) and len(person.asked()) == 2
        person.network.begin("act_3")
        assert await ask(person) and len(person.asked()) == 2, "for the session"
        assert not await ask(person, port=80) and not await ask(person, port=80) and len(person.asked()) == 3
        person.network.begin("act_4")
        assert not await ask(person, port=80) and len(person.asked()) == 4, "a no is for the action as well"

    asyncio.run(scene())


def test_connections_to_one_host_are_one_question() -> None:
    async def scene() -> None:
        person = Person("yes")
        person.network.begin("act_1")
        assert all(await asyncio.gather(*(ask(person) for _ in range(20)))) and len(person.asked()) == 1

    asyncio.run(scene())


def test_always_is_written_and_where_it_cannot_be_it_counts_for_the_session(tmp_path: Path) -> None:
    async def scene() -> None:
        person = Person("always", writes=tmp_path / "policy.yaml")
        assert await ask(person) and person.written == ["a.example"]
        full = Person("always")
        assert await ask(full)
        full.network.begin("act_2")
        assert await ask(full)
        (note,) = [event for event in full.events if isinstance(event, NoteAdded)]
        assert "in this session only" in note.text and not note.to_model

    asyncio.run(scene())


def test_nobody_there_is_a_no() -> None:
    async def scene() -> None:
        person = Person(can_ask=False)
        assert await person.network.ask("a.example", 443, "CONNECT") == (False, NOBODY) and not person.events

    asyncio.run(scene())


def test_a_program_cannot_wear_the_person_out() -> None:
    async def scene() -> None:
        person = Person(*["no"] * 100)
        person.network.begin("act_1")
        for number in range(40):
            assert not await ask(person, f"n{number}.example")
        assert len(person.asked()) == QUESTIONS

    asyncio.run(scene())


def test_the_model_is_told_what_was_not_let_through() -> None:
    async def scene() -> None:
        person = Person()
        person.network.begin("act_1")
        assert await person.network.notes(ACTION, DONE) == ""
        for number in range(9):
            person.network.attempt(
                NetworkAttempt(host=f"h{number}", port=443, decision="denied", by="default", reason="no rule")
            )
        person.network.attempt(NetworkAttempt(host="ok", port=443, decision="allowed", by="ok"))
        told = await person.network.notes(ACTION, DONE)
        assert told.startswith("Network: h0:443 was not let through: no rule.") and told.endswith("And 4 more.")
        await person.tasks.drain()
        assert len([event for event in person.events if isinstance(event, NetworkAttempt)]) == 10
        person.network.begin("act_2")
        assert await person.network.notes(ACTION, DONE) == ""

    asyncio.run(scene())
