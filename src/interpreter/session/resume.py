"""How a session that was left is taken up again: what waits, and the turn that the log holds no end of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

import msgspec

from ..agent.approvals import cancelled
from ..agent.gate import Earlier
from ..agent.parse import Reading
from ..agent.turns import INTERRUPTED, End, Turn
from ..store.who import who
from ..text.i18n import _
from ..types.actions import Action, Observation
from ..types.base import new_id
from ..types.events import (
    ActionFinished,
    ActionProposed,
    ModelAnswered,
    ModelFailed,
    NoteAdded,
    SessionResumed,
    TurnFinished,
)
from ..types.messages import Answer
from ..types.turns import OpenLeft
from .account import Facts, account, for_person
from .parts import Parts
from .past import OpenTurn, Past, Ran

CUT = "Not run: the session was cut off before it."
OTHER = "Not run: the session was cut off before it, and the person gave another task."
AFTER_FAILED = "Not run: an earlier action of the same answer did not succeed."


class Reunion(Protocol):
    """What the keeper says when the host comes back."""

    @property
    def living(self) -> tuple[str, ...]:
        """Languages whose kernels are alive."""
        ...

    @property
    def running(self) -> frozenset[str]:
        """Executions that run."""
        ...

    @property
    def known(self) -> frozenset[str]:
        """Executions that run or have ended without being collected."""
        ...


class Waiting(NamedTuple):
    """What waits for an approval still, under new ids, and what the log says about it."""

    actions: tuple[Action, ...]
    earlier: dict[str, Earlier]
    """By the new ids."""


class Standing(NamedTuple):
    """Where an open turn stands."""

    pending: tuple[Action, ...] = ()
    """To be run first."""
    again: tuple[Answer, Reading] | None = None
    """The last answer with what is left of it, where something is."""


class Left:
    """A session as its process left it.

    Nothing is settled before the next words come (`close`) or the open turn is gone on with (`go_on`), so that whoever
    watches sees it, and so that a session which is only looked at stays as it was. An execution that the keeper knows
    is followed to its end; one that it does not know is reported as lost and is never run again by itself.
    """

    def __init__(self, past: Past, reunion: Reunion, parts: Parts) -> None:
        self._past, self._reunion = past, reunion
        self._hub, self._runner, self._gate, self._mind = parts.hub, parts.runner, parts.gate, parts.mind
        self._recall = parts.recall

    @property
    def turn(self) -> str:
        """The open turn; empty where there is none."""
        return self._past.open.id if self._past.open is not None else ""

    @property
    def rewinding(self) -> bool:
        """Whether a rewind was cut off."""
        return bool(self._past.rewinding)

    @property
    def goes_on(self) -> bool:
        """Whether there is an open turn that the person did not interrupt."""
        return self._past.open is not None and not self._past.open.stopped

    def said(self) -> OpenLeft | None:
        found = self._past.open
        return OpenLeft(turn=found.id, text=found.text, goes_on=self.goes_on) if found is not None else None

    @property
    def own(self) -> bool:
        """Whether it is the person's own code (`%%`), for which no model is needed."""
        return self._past.open is not None and self._past.open.own

    @property
    def running(self) -> bool:
        """Whether code from before still runs."""
        return any(execution in self._reunion.running for execution in self._past.executions.values())

    async def begin(self, facts: Facts) -> Waiting:
        """Say that the session is taken up, and return what waits for an approval since a turn that has its end."""
        past = self._past
        self._runner.kept.extend(past.outputs)
        if past.open is not None:
            self._recall(past.calls, past.open.id, max(1, past.open.steps))
        told = account(past.story, facts)
        await self._hub.emit(
            SessionResumed(
                living=self._reunion.living, gone=facts.gone, unfinished=facts.cut, account=told, **who()._asdict()
            )
        )
        if text := for_person(past.story, facts):
            await self._hub.emit(NoteAdded(text=text, to_model=False))
        waiting = past.still_waiting()
        held = self._held(waiting)
        if not self.goes_on and not self.running:
            await self.close()
        anew = [(action, renewed(action)) for action in waiting]
        return Waiting(tuple(new for _old, new in anew), {new.id: held[old.id] for old, new in anew if old.id in held})

    async def close(self) -> None:
        """Give up the open turn: each of its actions gets its end, and so does it."""
        past = self._past
        kept = {earlier.request.approval for earlier in self._held(past.still_waiting()).values()}
        await self._unrun([action for action in self._open() if not await self._ended(action)], OTHER)
        await self._close_questions(kept)
        if past.open is not None:
            await self._end_request(past.open)
            text = _("The session was cut off in this turn.")
            await self._hub.emit(TurnFinished(turn=past.open.id, reason="interrupted", exit_code=130, text=text))
        past.open = None

    async def go_on(self, turn: Turn) -> Standing | End:
        """Settle what had begun, and say where the turn stands; or how it ends, where nothing is left to do."""
        open_turn = self._past.open
        assert open_turn is not None
        await self._end_request(open_turn)
        not_begun = [action for action in self._open() if not await self._ended(action)]
        await self._unrun([action for action in not_begun if action.parent or action.purpose], CUT)
        not_begun = [action for action in not_begun if not action.parent and not action.purpose]
        restore(turn, open_turn)
        if open_turn.own:
            await self._unrun(not_begun, CUT)
            failed = bool(not_begun) or open_turn.failed()
            return INTERRUPTED if not_begun or turn.stop.is_set() else End("done", int(failed))
        if turn.stop.is_set():
            await self._unrun(not_begun, "Not run: the person interrupted.")
            return INTERRUPTED
        held = self._held(not_begun)
        self._gate.recall(held)
        await self._close_questions({earlier.request.approval for earlier in held.values()})
        turn.proposed.update(action.id for action in not_begun)
        return await self._standing(open_turn, not_begun)

    def _open(self) -> list[Action]:
        """What has no end, calls that running code had made first."""
        return sorted(self._past.proposed.values(), key=lambda action: not action.parent)

    async def _standing(self, open_turn: OpenTurn, not_begun: list[Action]) -> Standing:
        later: tuple[Action, ...] = ()
        answer, reading = None, Reading(text="")
        if open_turn.answer is not None:
            answer = answer_of(open_turn.answer)
            reading = self._mind.reread(answer, native=open_turn.native)
            done = len(open_turn.proposed)
            if codes(reading.actions[:done]) == codes(open_turn.proposed):
                later = reading.actions[done:]
        if open_turn.failed():
            await self._unrun(not_begun, AFTER_FAILED)
            for action in later:
                await self._hub.emit(ActionProposed(turn=open_turn.id, step=max(1, open_turn.steps), action=action))
            await self._unrun(later, AFTER_FAILED)
            return Standing()
        actions = (*not_begun, *later)
        if answer is None:
            return Standing(actions)
        errors = tuple(error for error in reading.errors if error.message not in open_turn.notes)
        was_last = not (reading.actions or reading.errors or open_turn.notes)
        if actions or errors or was_last:
            return Standing(again=(answer, Reading(text=reading.text, actions=actions, errors=errors)))
        return Standing()

    async def _end_request(self, open_turn: OpenTurn) -> None:
        """A request without its answer has failed; nobody waits for it any more."""
        if open_turn.asked:
            said = "The session was cut off during this request."
            event = ModelFailed(turn=open_turn.id, step=open_turn.steps, error="Interrupted", message=said)
            await self._hub.emit(event)

    async def _ended(self, action: Action) -> bool:
        """Bring an action that had begun to its end; False for one that had not."""
        execution = self._execution(action)
        if not execution:
            return False
        known = execution in self._reunion.known
        finished = await (self._runner.take_up(action, execution) if known else self._runner.lose(action, execution))
        del self._past.proposed[action.id]
        if self._past.open is not None and not action.parent and not action.purpose:
            self._past.open.ran.append(Ran(action, finished.status, finished.observation.text))
        return True

    async def _unrun(self, actions: Iterable[Action], told: str) -> None:
        for action in actions:
            observation = Observation(text=told, shown="")
            await self._hub.emit(ActionFinished(action=action.id, status="not_run", observation=observation))

    async def _close_questions(self, kept: set[str]) -> None:
        for approval in self._past.questions:
            # A run that stands still is asked about until somebody answers.
            stays = approval in kept or self._past.questions[approval].kind == "pause"
            if approval not in self._past.answers and not stays:
                await self._hub.emit(cancelled(approval, "the session was left"))

    def _execution(self, action: Action) -> str:
        return self._past.executions.get(action.id, "")

    def _held(self, actions: Iterable[Action]) -> dict[str, Earlier]:
        """What the log says about these, by their ids."""
        found = ((action.id, self._past.earlier(action.id)) for action in actions)
        return {action: earlier for action, earlier in found if earlier is not None}


def restore(turn: Turn, open_turn: OpenTurn) -> None:
    """What the turn has used and met so far counts on."""
    turn.tally.steps = open_turn.steps
    for usage in open_turn.usage:
        turn.tally.add(usage)
    for ran in open_turn.ran:
        turn.guards.after_action(f"{ran.action.language}\0{ran.action.code}", ran.status, ran.text)


def answer_of(event: ModelAnswered) -> Answer:
    return Answer(
        text=event.text, reasoning=event.reasoning, calls=event.calls, finish=event.finish, usage=event.usage,  # pyright: ignore[reportArgumentType] - what an Answer said
        model=event.model, first_token=event.first_token, duration=event.duration, retries=event.retries,
    )  # fmt: skip


def codes(actions: Iterable[Action]) -> list[tuple[str, str]]:
    return [(action.language, action.code) for action in actions]


def renewed(action: Action) -> Action:
    """The same code under a new id: an action that has its end does not begin again."""
    return msgspec.structs.replace(action, id=new_id("a"), repairs=())
