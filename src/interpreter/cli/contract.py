"""What the front end needs of a session, and what it promises its views."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from ..config.settings import Settings
from ..types.actions import Action
from ..types.events import ApprovalRequested, Event
from ..types.messages import ServerFacts
from ..types.ops import Op
from ..types.rules import Mode
from ..types.turns import OpenLeft

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..session.parts import Staging


class Conversation(Protocol):
    """`session.Session`, as far as a front end uses it."""

    id: str
    workspace: Path
    where: str
    """In which walls code runs, in words."""
    pending: tuple[Action, ...]
    """Actions that waited for an approval when the session was left; an empty SubmitInput goes on with them."""

    @property
    def guest(self) -> Literal["", "joined", "watching"]:
        """Whether another program holds the session, and this one has joined it or only looks on."""
        ...

    @property
    def busy(self) -> bool:
        """A turn runs."""
        ...

    @property
    def left(self) -> OpenLeft | None:
        """The turn that was cut off. An empty SubmitInput goes on with it where the person did not interrupt it; other
        words end it first."""
        ...

    @property
    def staging(self) -> Staging | None:
        """The stage; None where programs write to the folder itself."""
        ...

    @property
    def scratch(self) -> Path:
        """The session's folder for passing files, which the code may read."""
        ...

    @property
    def facts(self) -> ServerFacts | None: ...

    @property
    def window(self) -> int | None: ...

    @property
    def auto(self) -> bool: ...

    @property
    def mode(self) -> Mode: ...

    def leave(self) -> None:
        """Nobody is left who could answer: a question whether code may run stays open in the log."""
        ...

    async def send(self, op: Op) -> None: ...

    def watch(self) -> AsyncIterator[Event]: ...

    async def close(self, *, keep_kernels: bool | None = None) -> None: ...


class Open(Protocol):
    """`app.open_session`."""

    def __call__(
        self, settings: Settings, *, resume: str | None = None, workspace: Path | None = None
    ) -> Awaitable[Conversation]: ...


class Question(NamedTuple):
    """An ApprovalRequested with the action it is about."""

    request: ApprovalRequested
    action: Action | None


class View(Protocol):
    """A pure consumer of events. It never answers, and it never raises for what an event holds."""

    def show(self, event: Event) -> None:
        """Take the next event. Raises BrokenPipeError when nobody reads any more."""
        ...

    def ask(self, question: Question) -> None:
        """Draw a question to the person, all but the line on which the answer is typed."""
        ...

    def note(self, text: str) -> None:
        """A sentence of the front end itself."""
        ...

    def end(self) -> None:
        """Leave the screen as it should stay. May be called more than once."""
        ...


class TalkView(View, Protocol):
    """A view for a conversation."""

    def set_verbose(self, on: bool) -> None: ...
