"""The network as the person and the model meet it: questions about unknown hosts, and what was not let through."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ..aio import Tasks
from ..errors import InterpreterError, StoreError
from ..text.i18n import _
from ..types.actions import Action, Completion
from ..types.base import new_id
from ..types.events import ApprovalRequested, NetworkAttempt, NoteAdded
from .approvals import Approvals
from .ports import Emitter

WAIT = 120.0
"""Seconds that a connection waits for the person; then it is a no."""
QUESTIONS = 12
"""That one action may put; a program that tries host after host must not wear the person out."""
TOLD = 5
"""Hosts that one note to the model names."""
SEEN = 200
"""Different attempts of one action that are kept for the note."""
NOBODY = "nobody is there to say yes"
"""As the event's `by`; `cli.views.aside` knows it."""

Target = tuple[str, int]
AllowHost = Callable[[str], str]
"""Writes a host into the person's policy; returns the file. Raises InterpreterError."""


class Network:
    """`kernels.contracts.NetworkWatch`. An answer of yes counts for the action that asked, `session` for the session,
    `always` for this and every later one; a no counts for the action as well, so that a retry does not ask again."""

    def __init__(self, emitter: Emitter, approvals: Approvals, tasks: Tasks, allow_host: AllowHost) -> None:
        self._emitter, self._approvals, self._tasks, self._allow_host = emitter, approvals, tasks, allow_host
        self._action, self._asked = "", 0
        self._session: set[Target] = set()
        self._answers: dict[Target, bool] = {}
        self._open: dict[Target, asyncio.Task[bool]] = {}
        self._seen: dict[NetworkAttempt, None] = {}

    def begin(self, action: str) -> None:
        """An action starts: answers for the one before it count no more."""
        self._action, self._asked = action, 0
        self._answers.clear()
        self._seen.clear()

    def attempt(self, attempt: NetworkAttempt) -> None:
        if attempt.decision != "allowed" and len(self._seen) < SEEN:
            self._seen[attempt] = None
        self._tasks.start(self._record(attempt))

    async def _record(self, attempt: NetworkAttempt) -> None:
        try:
            await self._emitter.emit(attempt)
        except StoreError:
            return  # the log is full or closed; the broker's own log has it

    async def ask(self, host: str, port: int, method: str) -> tuple[bool, str]:
        """Whether an unknown host may be reached, and by whose word. Questions about the same host are one."""
        target = (host, port)
        if target in self._session:
            return True, "person"
        if target in self._answers:
            return self._answers[target], "person"
        if not self._approvals.can_ask:
            return False, NOBODY
        if target not in self._open:
            if self._asked >= QUESTIONS:
                return False, "too many questions in one action"
            self._asked += 1
            self._open[target] = self._tasks.start(self._question(target, self._action))
            self._open[target].add_done_callback(lambda _task: self._open.pop(target, None))
        try:
            return await asyncio.shield(self._open[target]), "person"
        except (asyncio.CancelledError, InterpreterError):
            return False, "the question was withdrawn"

    async def _question(self, target: Target, action: str) -> bool:
        host, port = target
        request = ApprovalRequested(
            approval=new_id("ap"),
            kind="network",
            action=action,
            question=_("The code wants to reach this host. May it?"),
            subject=spelled(host, port),
            proposal=proposal(host),
            covers=(_("every port of {host}, in every session", host=host),),
            deadline=time.time() + WAIT,
        )
        answer, _edited = await self._approvals.ask(request)
        yes = answer is not None and answer.answer in ("yes", "session", "always")
        if answer is not None and answer.answer in ("session", "always"):
            self._session.add(target)
        if answer is not None and answer.answer == "always":
            await self._write(host)
        if action == self._action:
            self._answers[target] = yes
        return yes

    async def _write(self, host: str) -> None:
        try:
            place = self._allow_host(host)
        except InterpreterError as error:
            text = _("{host} may be reached in this session only: {reason}", host=host, reason=error)
        else:
            text = _("{host} may be reached from now on; that stands in {path}.", host=host, path=place)
        await self._emitter.emit(NoteAdded(text=text, to_model=False))

    async def notes(self, action: Action, completion: Completion) -> str:
        """For the model: what was not let through while the action ran, and what the person can do about it."""
        if not self._seen:
            return ""
        lines = [note(attempt) for attempt in self._seen]
        told = list(dict.fromkeys(lines))
        more = f" And {len(told) - TOLD} more." if len(told) > TOLD else ""
        return f"Network: {' '.join(told[:TOLD])}{more}"


def note(attempt: NetworkAttempt) -> str:
    where = spelled(attempt.host, attempt.port)
    if attempt.decision == "denied":
        return f"{where} was not let through: {attempt.reason}."
    return f"{where} failed: {attempt.reason}."


def spelled(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def proposal(host: str) -> str:
    """What `always` writes, as YAML."""
    return f'network:\n  allow:\n    - "{host}"\n'
