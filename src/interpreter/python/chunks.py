"""A turn's events as the chunks of the older interface: dicts with role, type, format, content, start and end marks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..types.actions import Action
from ..types.events import (
    ActionFinished,
    ActionProposed,
    ApprovalRequested,
    ApprovalResolved,
    Event,
    ModelAnswered,
    OutputChunk,
    TextDelta,
    TurnFinished,
)

Chunk = dict[str, Any]
MESSAGE: Chunk = {"role": "assistant", "type": "message"}
CONSOLE: Chunk = {"role": "computer", "type": "console"}


class Chunks:
    """Feed it the events of a turn; it gives chunks. Each block has one start mark and one end mark."""

    def __init__(self) -> None:
        self._open: Chunk | None = None
        self._actions: dict[str, Action] = {}
        self._printed = False
        self._held = ""
        self.answer: TurnFinished | None = None

    def feed(self, event: Event) -> Iterator[Chunk]:
        match event:
            case TextDelta():
                yield from self._say(MESSAGE, event.text)
            case ModelAnswered():
                yield from self._close()
            case ActionProposed():
                self._actions[event.action.id] = event.action
                yield from self._code(event.action)
            case ApprovalRequested() if event.kind == "run" and event.action in self._actions:
                yield self._confirmation(self._actions[event.action])
            case ApprovalResolved() if event.action is not None:
                yield from self._code(event.action)
            case OutputChunk():
                self._printed = True
                yield from self._say({**CONSOLE, "format": "output"}, event.text)
            case ActionFinished():
                yield from self._finished(event)
            case TurnFinished():
                self.answer = event
                yield from self._close()
                if event.reason != "done" and event.text:
                    yield from self._say({**CONSOLE, "format": "output"}, event.text)
                    yield from self._close()
            case _:
                pass

    def _code(self, action: Action) -> Iterator[Chunk]:
        yield from self._close()
        if action.language == "read_output":
            return
        yield from self._say({"role": "assistant", "type": "code", "format": action.language}, action.code)
        yield from self._close()

    def _confirmation(self, action: Action) -> Chunk:
        code = {"type": "code", "format": action.language, "content": action.code}
        return {"role": "computer", "type": "confirmation", "format": "execution", "content": code}

    def _finished(self, event: ActionFinished) -> Iterator[Chunk]:
        text = event.observation.shown or event.observation.text
        if not self._printed and text and event.status != "not_run":
            yield from self._say({**CONSOLE, "format": "output"}, text)
        elif event.status != "ok" and event.completion is not None and event.completion.error is not None:
            yield from self._say({**CONSOLE, "format": "output"}, "\n" + event.completion.error.traceback)
        elif event.status == "ok" and event.completion is not None and event.completion.result:
            yield from self._say({**CONSOLE, "format": "output"}, event.completion.result)
        yield from self._close()
        self._printed = False
        for display in event.completion.displays if event.completion is not None else ():
            if display.mime.startswith("image/"):
                yield {"role": "computer", "type": "image", "format": "path", "content": display.path}

    def _say(self, block: Chunk, text: str) -> Iterator[Chunk]:
        if self._open != block:
            yield from self._close()
            self._open = block
            yield {**block, "start": True}
        if text:
            yield {**block, "content": text}

    def _close(self) -> Iterator[Chunk]:
        if self._open is not None:
            yield {**self._open, "end": True}
            self._open = None
