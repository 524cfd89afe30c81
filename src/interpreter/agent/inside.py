"""Calls of tools by code that runs in a kernel: actions of their own, with the same gate and the same log.

All that comes from inside is a claim: a name and arguments, bounded in number and size, and checked as a model's are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from ..errors import ToolError
from ..types.actions import Action, Observation
from ..types.base import from_json, to_json
from ..types.events import ActionFinished, ActionProposed, Event, TurnFinished
from .gate import Gate, Refused
from .ports import Emitter, Place, Toolbook
from .runner import Runner

MOST_CALLS = 200
"""Of one execution."""
LARGEST = 256 << 10
"""Characters of one call's arguments."""
LARGEST_VALUE = 4 << 20
"""Bytes of JSON that one call may give back; what is larger is kept on disk alone."""
CUT_OFF = (
    "The interpreter was cut off while this call was carried out. It is not known whether it took effect, and it was "
    "not repeated. Look at what is there before you call again."
)


class Inside:
    """A reading of the events, and the answer to each call."""

    def __init__(
        self,
        book: Toolbook,
        gate: Gate,
        runner: Runner,
        emitter: Emitter,
        where: Place,
        value: Callable[[str], Any],
    ) -> None:
        """`value`: what a call returned, by its action; asked for once, right after its end."""
        self._book, self._gate, self._runner, self._emitter = book, gate, runner, emitter
        self._where, self._value = where, value
        self._steps: dict[str, tuple[str, int]] = {}
        self._calls: dict[str, int] = {}
        self._before: dict[str, ActionFinished | None] = {}
        self._left = ("", 1)

    def apply(self, event: Event) -> None:
        """Remembers to which turn and step an action belongs."""
        match event:
            case ActionProposed():
                self._steps[event.action.id] = (event.turn, event.step)
            case TurnFinished():
                self._steps.clear()
                self._calls.clear()
            case _:
                pass

    def recall(self, before: dict[str, ActionFinished | None], turn: str, step: int) -> None:
        """Calls that the log knows (`<execution>/<number>`), with their ends: none of them is carried out again.
        `turn` and `step`: of what was left.
        """
        self._before.update(before)
        self._left = (turn, step)

    async def call(self, action: str, execution: str, number: int, name: str, arguments: str) -> str:
        """The reply to one call. Raises StoreError; everything else is a reply."""
        place = f"{execution}/{number}"
        if place in self._before:
            done = self._before[place]
            return failed(CUT_OFF) if done is None else failed(f"{CUT_OFF} Its end is known: {done.observation.text}")
        self._calls[execution] = self._calls.get(execution, 0) + 1
        if self._calls[execution] > MOST_CALLS:
            return failed(f"One execution may call tools {MOST_CALLS} times. Go on in the next one.")
        if not name:
            return reply(value=self._book.inside())
        try:
            nested = self._action(action, place, name, arguments)
        except ToolError as error:
            return failed(str(error))
        return await self._carried_out(nested)

    def _action(self, parent: str, place: str, name: str, arguments: str) -> Action:
        if len(arguments) > LARGEST:
            raise ToolError(f"The arguments are too large: at most {LARGEST >> 10} kB.")
        try:
            given: Any = from_json(arguments, dict[str, Any])
            positional, named = cast("list[Any]", given["args"]), cast("dict[str, Any]", given["kwargs"])
        except (ValueError, KeyError, RecursionError):
            raise ToolError("The arguments cannot be read: only what JSON has a form for can be given.") from None
        bound = self._book.bound(name[:100], list(positional), dict(named))
        return self._book.action(name, bound, call_id=place, parent=parent)

    async def _carried_out(self, nested: Action) -> str:
        turn, step = self._steps.get(nested.parent, self._left)
        await self._emitter.emit(ActionProposed(turn=turn, step=step, action=nested))
        verdict = await self._gate.admit(nested, self._where(), parks=False)
        if isinstance(verdict, Refused):
            told = Observation(text=verdict.told, shown=verdict.shown)
            await self._emitter.emit(ActionFinished(action=nested.id, status=verdict.status, observation=told))
            return failed(verdict.told)
        finished = await self._runner.run(verdict.permit, verdict.action)
        value = self._value(nested.id)
        if finished.status != "ok":
            return failed(finished.observation.text)
        return reply(value=value)


def reply(value: Any) -> str:
    data = to_json({"ok": True, "value": value})
    if len(data) > LARGEST_VALUE:
        return failed(f"The result is too large for a program: {len(data)} bytes. Ask for less of it.")
    return data.decode()


def failed(error: str) -> str:
    return to_json({"ok": False, "error": error}).decode()
