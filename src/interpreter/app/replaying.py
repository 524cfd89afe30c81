"""A recorded run, gone through again with the prompts, parser and rules of today: no server, no kernel, no cost."""

from __future__ import annotations

import importlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import msgspec

from .. import __version__
from ..agent.approvals import Approvals
from ..agent.gate import Gate
from ..agent.guards import Guards, Tally
from ..agent.history import History
from ..agent.loop import Loop
from ..agent.mind import Mind
from ..agent.prompt import machine, system_prompt, tools
from ..agent.rerun import Rerunner
from ..agent.shape import AnswerCheck, Shape
from ..agent.turns import End, Turn
from ..aio import Tasks
from ..config.settings import Settings
from ..errors import InterpreterError, UsageError
from ..recording.player import Compared, PlayedModel
from ..recording.reader import Deed, Recording, read_recording
from ..session.hub import Hub
from ..session.parts import Worker
from ..store import Store
from ..text.i18n import _
from ..text.redact import Redactor
from ..tools.definition import Tool
from ..tools.registry import Registry
from ..types.actions import Action
from ..types.base import Value
from ..types.events import (
    ActionFinished,
    ActionJudged,
    ActionProposed,
    ApprovalRequested,
    ConversationReset,
    ConversationUndone,
    Event,
    ModeChanged,
    SessionStarted,
    TurnFinished,
    TurnStarted,
)
from ..types.languages import spellings
from ..types.messages import ToolSpec
from ..types.ops import ResolveApproval
from ..types.rules import Circumstances, Decision, Reason
from .known import secrets_of
from .rulebook import Rulebook, open_rules


class Judged(Value):
    """One action of the replay beside the recorded one."""

    number: int
    language: str
    code: str
    then: Decision | None
    now: Decision | None
    reasons: tuple[Reason, ...] = ()
    """The rules of today that decided."""
    known: bool = True
    """False: the recorded run did not propose it."""

    @property
    def differs(self) -> bool:
        return not self.known or self.then != self.now


class Ended(Value):
    turn: str
    then: str
    """Reason and exit code; empty: the recording has no end of it."""
    now: str
    text: str = ""


class Replayed(Value):
    """What a replay showed."""

    requests: tuple[Compared, ...] = ()
    unasked: int = 0
    """Recorded requests that were not made."""
    verdicts: tuple[Judged, ...] = ()
    unproposed: int = 0
    ends: tuple[Ended, ...] = ()
    cut: bool = False
    """The recording does not hold the whole run."""

    @property
    def same(self) -> bool:
        return not (
            any(one.difference for one in self.requests)
            or self.unasked
            or any(one.differs for one in self.verdicts)
            or self.unproposed
            or any(one.then != one.now for one in self.ends)
        )


async def replay(settings: Settings, path: Path) -> Replayed:
    """Go through a recording. Raises ConfigError for one that cannot be read, PolicyError for rules that cannot."""
    recording = read_recording(path)
    if not recording.turns:
        raise UsageError(_("The recording {file} holds no task.", file=path))
    if recording.goal is not None and recording.goal.judge:
        raise UsageError(_("A goal run with a judge cannot be gone through again: its words are not in the recording."))
    with tempfile.TemporaryDirectory(prefix="interpreter-replay-") as folder, Store.open(Path(folder)) as store:
        log = store.create("s_replay", recording.begun.workspace)
        try:
            kind: type[Replay] = Replay
            if recording.goal is not None:
                # Only a goal run needs its parts.
                kind = importlib.import_module(".replaying_goal", __package__).GoalReplay
            return await kind(settings, recording, log, Redactor(secrets_of(settings))).run()
        finally:
            log.close()


class Replay:
    def __init__(self, settings: Settings, recording: Recording, log: Any, redactor: Redactor) -> None:
        begun = recording.begun
        self.recording, self.begun = recording, begun
        self.left = list(recording.deeds)
        self.proposed: list[tuple[Action, Deed | None]] = []
        self.judged: dict[str, ActionJudged] = {}
        self.loose = iter(recording.answers)
        self.turn: Turn | None = None
        self.tasks = Tasks()
        agent = msgspec.structs.replace(
            settings.agent, auto_run=begun.mode == "auto", plan=begun.mode == "plan", can_ask=begun.can_ask,
            max_seconds=None, approval_timeout=None,
        )  # fmt: skip
        self.agent = agent
        self.readers: tuple[Callable[[Event], None], ...] = ()
        self.prepare()
        history = History(vision=agent.vision)
        self.hub = hub = Hub(log, (history.apply, self._watch, *self.readers))
        self.approvals = Approvals(hub, can_ask=begun.can_ask)
        rules = open_rules(settings, Path(begun.workspace), log.folder)
        place = Circumstances(walled=begun.walled, workspace=begun.workspace, home=begun.home, grants=begun.grants)
        self.gate = self.gate_of(self.approvals, rules, place)
        self.shape = Shape(agent.output_schema) if agent.output_schema else None
        self.model = PlayedModel(begun.facts, recording.exchanges, redactor, self._steer)
        llm = settings.llm
        registry = Registry(Tool(one, unused) for one in begun.tools.declarations)
        rules.declared = registry.declared
        self.mind = Mind(
            self.model, history, hub,
            self.specs((*tools(begun.languages, only=begun.tools.only), *begun.tools.specs)),
            {spelling: name for spelling, name in spellings().items() if name in begun.languages},
            context_window=llm.context_window, max_tokens=llm.max_tokens, temperature=llm.temperature,
            summaries=agent.summary == "model", book=registry if begun.tools.declarations else None,
        )  # fmt: skip
        self.loop = self.worker(self.mind, self.gate)

    def prepare(self) -> None:
        """What has to be there before the rest."""

    def specs(self, plain: tuple[ToolSpec, ...]) -> tuple[ToolSpec, ...]:
        return plain

    def gate_of(self, approvals: Approvals, rules: Rulebook, place: Circumstances) -> Gate:
        return Gate(self.agent, approvals, self.hub, rules, place)

    def worker(self, mind: Mind, gate: Gate) -> Worker:
        runner = Rerunner(self.hub, self.find)
        return Loop(mind, gate, runner, self.hub, self.approvals.go_on, lambda: self.begun.where)

    async def open(self) -> None:
        await self.hub.emit(
            SessionStarted(
                session="s_replay", workspace=self.begun.workspace, sandbox=self.begun.sandbox, version=__version__,
                system=self.system(),
            )
        )  # fmt: skip

    async def run(self) -> Replayed:
        await self.open()
        ends: list[Ended] = []
        try:
            for started in self.recording.turns:
                for event in self.recording.between.get(started.turn, ()):
                    await self._between(event)
                ends.append(await self._one(started))
        finally:
            await self.tasks.close()
            await self.mind.close()
        asked = len(self.model.compared)
        return Replayed(
            requests=tuple(self.model.compared),
            unasked=max(0, len(self.recording.exchanges) - asked),
            verdicts=tuple(self._verdicts()),
            unproposed=len(self.left),
            ends=tuple(ends),
            cut=self.recording.cut,
        )

    def system(self) -> str:
        begun = self.begun
        text = system_prompt(
            self.agent, workspace=begun.workspace, sandbox=begun.sandbox, network=begun.network,
            languages=begun.languages, access=cast("Any", begun.access), staged=begun.staged,
            answer=self.asked_for(), context=begun.context,
            tools=begun.tools.names, hidden=begun.tools.hidden, only=begun.tools.only,
        )  # fmt: skip
        return text.replace(machine(), begun.machine, 1)

    def asked_for(self) -> str:
        return self.shape.told() if self.shape is not None else ""

    def final(self) -> AnswerCheck | None:
        return AnswerCheck(self.shape) if self.shape is not None else None

    async def _between(self, event: Event) -> None:
        if isinstance(event, (ModeChanged, ConversationUndone, ConversationReset)):
            await self.hub.emit(event)
            if isinstance(event, ModeChanged) and event.mode is not None:
                self.gate.mode = event.mode

    async def _one(self, started: TurnStarted) -> Ended:
        tally = Tally()
        turn = self.turn = Turn(started.turn, tally, Guards(self.agent, tally, self.final()))
        self.gate.begin_turn()
        await self.hub.emit(started)
        try:
            opening = self.recording.opening.get(started.turn, ())
            for event in opening:
                await self.hub.emit(event)
            acted = any(isinstance(event, ActionProposed) for event in opening)
            alone = acted and started.turn not in self.recording.asking
            end = self._end_of(started.turn) if alone else await self.loop.run(turn)
        except InterpreterError as error:
            end = End("failed", error.exit_code, str(error))
        await self.hub.emit(
            TurnFinished(
                turn=turn.id, reason=end.reason, exit_code=end.exit_code, text=end.text, steps=tally.steps,
                usage=tally.usage(), duration=time.monotonic() - tally.started,
            )
        )  # fmt: skip
        then = self.recording.ends.get(started.turn)
        return Ended(
            turn=turn.id, then=f"{then.reason} ({then.exit_code})" if then is not None else "",
            now=f"{end.reason} ({end.exit_code})", text=end.text,
        )  # fmt: skip

    def _end_of(self, turn: str) -> End:
        """Of a turn in which only the person's own code ran: nothing of it is decided here."""
        then = self.recording.ends.get(turn)
        return End("done", 0) if then is None else End(then.reason, then.exit_code, then.text)

    def _watch(self, event: Event) -> None:
        """Compare as it happens, and answer as the person did."""
        match event:
            case ActionProposed() if event.action.purpose or (self.turn is not None and self.turn.tally.steps):
                self.proposed.append((event.action, self._match(event.action)))
            case ActionJudged():
                self.judged[event.action] = event
            case ApprovalRequested():
                self.tasks.start(self._answer(event))
            case _:
                pass

    def _match(self, action: Action) -> Deed | None:
        """The recorded action that this one is, each taken once, in order."""
        for at, deed in enumerate(self.left):
            if (deed.proposed.language, deed.proposed.code) == (action.language, action.code):
                del self.left[at]
                return deed
        return None

    def find(self, action: Action) -> ActionFinished | None:
        deed = next((deed for known, deed in self.proposed if known.id == action.id), None)
        return deed.finished if deed is not None and deed.ran.code == action.code else None

    async def _answer(self, event: ApprovalRequested) -> None:
        given = next(self.loose, None)
        if event.kind == "run":
            deed = next((deed for action, deed in self.proposed if action.id == event.action), None)
            given = deed.answer if deed is not None else None
        if given is None or given.answer == "cancelled":
            op = ResolveApproval(approval=event.approval, answer="no", by="recording", reason="")
        else:
            code = given.action.code if given.action is not None else ""
            op = ResolveApproval(
                approval=event.approval, answer=given.answer, code=code, reason=given.reason, by=given.by,
            )  # fmt: skip
        try:
            self.approvals.resolve(op)
        except InterpreterError:
            return  # it was withdrawn meanwhile, or nobody waits for it

    def _steer(self, text: str) -> None:
        if self.turn is not None:
            self.turn.steers.append(text)

    def _verdicts(self) -> Iterator[Judged]:
        for number, (action, deed) in enumerate(self.proposed, 1):
            now = self.judged.get(action.id)
            then = deed.judged if deed is not None else None
            decision = now.decision if now is not None else None
            yield Judged(
                number=number, language=action.language, code=action.code,
                then=then.decision if then is not None else None, now=decision, known=deed is not None,
                reasons=tuple(one for one in now.reasons if one.decision == decision) if now is not None else (),
            )  # fmt: skip


def unused(*_arguments: object) -> str:
    """A recorded tool has a declaration, and nothing that could be run."""
    raise AssertionError("a replay runs no tool")
