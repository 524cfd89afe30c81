"""One turn, seen from a synchronous caller."""

from __future__ import annotations

import queue
from collections.abc import Callable, Generator, Iterable

from ..aio.background import Background
from ..errors import AlreadyAnswered, UsageError
from ..session.service import Session
from ..text.i18n import _
from ..types.actions import Action
from ..types.events import ActionProposed, ApprovalRequested, ApprovalResolved, Event, TurnFinished
from ..types.ops import Interrupt, SubmitInput
from .chunks import Chunk, Chunks
from .screen import Reader, answer, print_chunk


def play(
    session: Session,
    background: Background,
    text: str,
    *,
    display: bool,
    read: Reader | None,
    ended: Callable[[TurnFinished], None],
) -> Generator[Chunk, None, None]:
    """Submit `text` and yield the turn's chunks. Leaving early, or Ctrl-C, interrupts the turn and waits for its end.

    Questions are put to `read`; while one is open nothing runs, however the caller goes on.
    """
    inbox: queue.SimpleQueue[Event | BaseException] = queue.SimpleQueue()
    chunks = Chunks()
    actions: dict[str, Action] = {}

    async def pump() -> None:
        watch = session.watch()
        try:
            await session.send(SubmitInput(text=text))
            async for event in watch:
                inbox.put(event)
                if last(session, event):
                    break
            else:
                inbox.put(closed(session))
        except BaseException as error:
            inbox.put(error)
            raise
        finally:
            watch.close()

    pumping = background.start(pump())
    over = False
    try:
        while not over:
            event = inbox.get()
            if isinstance(event, BaseException):
                over = True
                raise event
            over = last(session, event)
            if isinstance(event, TurnFinished):
                ended(event)
            note_action(actions, event)
            for chunk in told(chunks, event, read):
                if display:
                    print_chunk(chunk)
                yield chunk
            if read is not None and isinstance(event, ApprovalRequested):
                resolve(session, background, event, actions.get(event.action), read)
    finally:
        if not over:
            background.call(session.send(Interrupt()))
            while not isinstance(event := inbox.get(), BaseException) and not last(session, event):
                continue
            if isinstance(event, TurnFinished):
                ended(event)
        pumping.cancel()


def closed(session: Session) -> UsageError:
    hint = _("Everything is kept. To go on: interpreter --resume {session}", session=session.id)
    return UsageError(_("The session was closed."), hint)


def last(session: Session, event: Event) -> bool:
    """Whether this is the end of the turn that was begun or gone on with; one of before may end first."""
    return isinstance(event, TurnFinished) and event.turn == session.turns[-1]


def told(chunks: Chunks, event: Event, read: Reader | None) -> Iterable[Chunk]:
    """The chunks of an event; none of a question that nobody is here to be asked: it waits in the log."""
    return () if read is None and isinstance(event, ApprovalRequested) else chunks.feed(event)


def note_action(actions: dict[str, Action], event: Event) -> None:
    if isinstance(event, ActionProposed | ApprovalResolved) and event.action is not None:
        actions[event.action.id] = event.action


def resolve(
    session: Session, background: Background, request: ApprovalRequested, action: Action | None, read: Reader
) -> None:
    """Put the question to the person and send their answer; one that was answered elsewhere meanwhile is let be."""
    op = answer(request, action, read)
    try:
        background.call(session.send(op))
    except (UsageError, AlreadyAnswered):
        return
