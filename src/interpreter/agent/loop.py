"""One turn: ask, act, observe, until the model stops acting or a bound is met."""

import asyncio

from ..errors import ContextExceeded, FormatError, ModelError
from ..types.actions import Action, Observation
from ..types.events import (
    ActionFinished,
    ActionProposed,
    CodeDelta,
    ModelAnswered,
    ModelAsked,
    ModelFailed,
    NoteAdded,
    ReasoningDelta,
    TextDelta,
)
from ..types.messages import Answer, CallPiece, ModelRequest, ReasoningPiece, TextPiece
from .gate import Gate, Refused
from .guards import Stop, Tell, Verdict
from .mind import Mind, Reading
from .ports import Asker, Emitter, Place, Runs
from .turns import INTERRUPTED, End, Turn, Unrun


class Loop:
    def __init__(self, mind: Mind, gate: Gate, runner: Runs, emitter: Emitter, go_on: Asker, where: Place) -> None:
        self._mind, self._gate, self._runner, self._emitter = mind, gate, runner, emitter
        self._go_on, self._where = go_on, where

    async def run(
        self, turn: Turn, pending: tuple[Action, ...] = (), again: tuple[Answer, Reading] | None = None
    ) -> End:
        """Work until the turn ends. `pending`: actions of an earlier answer that are to be gone on with first; `again`:
        an answer that is there already, with what is left to do of it.
        """
        if pending and (end := await self._act(turn, pending)) is not None:
            return end
        while True:
            asked, again = again or await self._next(turn), None
            if isinstance(asked, End):
                return asked
            answer, reading = asked
            for error in reading.errors:
                if (end := await self._mistake(turn, error)) is not None:
                    return end
            if reading.actions:
                end = await self._act(turn, reading.actions)
            elif reading.errors or turn.steers:
                continue
            else:
                verdict = turn.guards.after_text(answer.text, answer.finish)
                if verdict is None:
                    refusal = self._gate.refusal
                    return End("denied", 3, refusal) if refusal else End("done", 0, turn.guards.answer(answer.text))
                end = await self._heed(turn, verdict)
            if end is not None:
                return end

    async def _next(self, turn: Turn) -> tuple[Answer, Reading] | End:
        """The next answer, within the turn's bounds."""
        if (end := await self._heed(turn, turn.guards.before_step())) is not None:
            return end
        await self._tell_steers(turn)
        return await self._ask(turn)

    async def _ask(self, turn: Turn) -> tuple[Answer, Reading] | End:
        """One question to the model, asked again with a shorter history when the server says it was too long."""
        turn.tally.steps += 1
        step = turn.tally.steps
        for attempt in range(4):
            request = await self._mind.request(attempt, turn)
            facts = self._mind.facts
            asked = ModelAsked(
                turn=turn.id, step=step, model=facts.model, api_base=facts.api_base,
                messages=len(request.messages), size=self._mind.characters(),
            )  # fmt: skip
            shown: list[str] = []
            told = asyncio.Event()
            # It begins when we wait, and that is when the log has been handed the event: the request leaves meanwhile.
            asking = self._mind.tasks.start(self._stream(turn, request, shown, told))
            try:
                await self._emitter.emit(asked)
            except BaseException:
                asking.cancel()
                raise
            told.set()
            stopping = self._mind.tasks.start(turn.stop.wait())
            await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not asking.done():
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
                await self._failed(turn, step, "Interrupted", "", "", shown)
                return INTERRUPTED
            try:
                answer = asking.result()
            except ModelError as error:
                await self._failed(turn, step, type(error).__name__, error.message, error.hint, shown)
                if isinstance(error, ContextExceeded) and attempt < 3 and self._mind.can_shrink():
                    continue
                return End("model", error.exit_code, str(error))
            return answer, await self._answered(turn, step, answer)
        raise AssertionError("unreachable: the last attempt returns")

    async def _stream(self, turn: Turn, request: ModelRequest, shown: list[str], told: asyncio.Event) -> Answer:
        async for piece in self._mind.stream(request):
            await told.wait()
            match piece:
                case TextPiece():
                    shown.append(piece.text)
                    self._emitter.show(TextDelta(turn=turn.id, text=piece.text))
                case ReasoningPiece():
                    self._emitter.show(ReasoningDelta(turn=turn.id, text=piece.text))
                case CallPiece():
                    self._emitter.show(CodeDelta(turn=turn.id, index=piece.index, text=piece.arguments))
                case Answer():
                    return piece
        raise ModelError("The model's stream ended without an answer.")

    async def _answered(self, turn: Turn, step: int, answer: Answer) -> Reading:
        reading = self._mind.read(answer, closing=turn.guards.closing() is not None)
        prose = None if reading.text == answer.text.strip() else reading.text
        turn.tally.add(answer.usage)
        self._mind.learn(answer.usage)
        answered = ModelAnswered(
            turn=turn.id, step=step, text=answer.text, prose=prose, reasoning=answer.reasoning, calls=answer.calls,
            finish=answer.finish, usage=answer.usage, model=answer.model, first_token=answer.first_token,
            duration=answer.duration, retries=answer.retries, source=answer.source,
        )  # fmt: skip
        if reading.errors or not reading.actions:
            await self._emitter.emit(answered)
        else:
            await self._emitter.emit(answered, self._proposal(turn, reading.actions[0]))
        return reading

    def _proposal(self, turn: Turn, action: Action) -> ActionProposed:
        turn.proposed.add(action.id)
        return ActionProposed(turn=turn.id, step=max(1, turn.tally.steps), action=action)

    async def _failed(self, turn: Turn, step: int, error: str, message: str, hint: str, shown: list[str]) -> None:
        await self._emitter.emit(
            ModelFailed(turn=turn.id, step=step, error=error, message=message, hint=hint, partial="".join(shown))
        )

    async def _act(self, turn: Turn, actions: tuple[Action, ...]) -> End | None:
        """The actions of one answer, in order, until the first that fails; the rest are reported as not run."""
        end: End | None = None
        failed = False
        for action in actions:
            if action.id not in turn.proposed:
                await self._emitter.emit(self._proposal(turn, action))
            if failed or end is not None:
                why = "Not run: an earlier action of the same answer did not succeed."
                await self._finish(action, "not_run", why)
                continue
            if turn.stop.is_set():
                await self._finish(action, "not_run", "Not run: the person interrupted.")
                end = INTERRUPTED
                continue
            finished, end = await self._one(turn, action)
            failed = finished.status != "ok"
            if end is None:
                code = f"{action.language}\0{action.code}"
                verdict = turn.guards.after_action(code, finished.status, finished.observation.text)
                end = await self._heed(turn, verdict)
        return end

    async def _one(self, turn: Turn, action: Action) -> tuple[ActionFinished, End | None]:
        if (own := turn.own.get(action.language)) is not None:
            return await own(action)
        if action.language == "read_output":
            return await self._runner.page(action, action.code), None
        verdict = await self._gate.admit(action, self._where())
        if isinstance(verdict, Refused):
            finished = await self._finish(action, verdict.status, verdict.told, verdict.shown)
            code = {"denied": 3, "waiting": 4, "interrupted": 130, "": 0}[verdict.ends]
            return finished, End(verdict.ends, code, verdict.shown) if verdict.ends else None
        finished = await self._runner.run(verdict.permit, verdict.action)
        if turn.stop.is_set() or finished.status == "interrupted":
            return finished, INTERRUPTED
        return finished, None

    async def _finish(self, action: Action, status: Unrun, told: str, shown: str = "") -> ActionFinished:
        event = ActionFinished(action=action.id, status=status, observation=Observation(text=told, shown=shown))
        await self._emitter.emit(event)
        return event

    async def _mistake(self, turn: Turn, error: FormatError) -> End | None:
        """What could not be read goes back to the model word for word."""
        await self._emitter.emit(NoteAdded(text=error.message, call_id=error.call_id))
        return await self._heed(turn, turn.guards.after_format_error())

    async def _heed(self, turn: Turn, verdict: Verdict) -> End | None:
        match verdict:
            case Tell():
                await self._emitter.emit(NoteAdded(text=verdict.text))
            case Stop():
                if verdict.ask and await self._go_on(verdict.text):
                    turn.guards.forgive()
                    return None
                return End(verdict.reason, verdict.exit_code, verdict.text)
            case None:
                pass
        return None

    async def _tell_steers(self, turn: Turn) -> None:
        while turn.steers:
            await self._emitter.emit(NoteAdded(text=turn.steers.pop(0), source="person"))
