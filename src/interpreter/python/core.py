"""`Interpreter`: a conversation with a model that runs code, for programs. Synchronous, also inside a running loop."""

from __future__ import annotations

import os
from collections.abc import Coroutine, Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import msgspec

from ..config.keys import SPELLINGS
from ..config.load import load_settings
from ..config.settings import Settings
from ..errors import UsageError
from ..text.i18n import _
from ..types.events import TurnFinished
from ..types.ops import Reset, Rewind, Undo
from .chunks import Chunk
from .history import ChatHistory
from .screen import Reader, default_reader
from .sections import TOP, Chosen, Section

if TYPE_CHECKING:
    from ..aio.background import Background
    from ..app import ModelClient
    from ..session.service import Session

T = TypeVar("T")
Message = dict[str, Any]


class Interpreter:
    """Say what you want done; the model writes code; you see it; it runs inside walls.

    Settings are attributes (`auto_run`, `max_retries`, `system_message`, `llm.model`, `os.timeout` ...), the names of
    `interpreter config show`; an unknown name or an unfit value raises ConfigError at once. A session is opened by the
    first `chat`; a setting that is changed later takes effect with the next one.

    With `auto_run` False each piece of code is asked for: through `ask` where it is set, else at the terminal or in
    the notebook. Where nobody can be asked, nothing runs, and the result says so.
    """

    llm: Any
    os: Any
    chat_history: ChatHistory
    ask: Reader | None
    """Asks the person for a line: called with the question, returns the answer. None: the terminal, if there is one."""
    client: ModelClient | None
    """Used instead of a server, for example a `llm.scripted.ScriptedModel`. Set it before the first `chat`."""
    workspace: str | Path | None
    """Where to work; None: the current folder. Read when a session is opened."""
    result: TurnFinished | None
    """How the last turn ended: reason, exit_code, text, usage."""
    session: Session | None
    _chosen: Chosen
    _opened: int
    _background: Background | None

    def __init__(self) -> None:
        own: dict[str, Any] = {
            "_chosen": Chosen(),
            "_opened": -1,
            "_background": None,
            "session": None,
            "ask": None,
            "client": None,
            "workspace": None,
            "result": None,
        }
        self.__dict__.update(own)
        self.__dict__["llm"] = Section("llm", self._chosen, self._settings)
        self.__dict__["os"] = Section("os", self._chosen, self._settings)
        self.__dict__["chat_history"] = ChatHistory(self)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "messages":
            object.__setattr__(self, name, value)
        elif name in ("ask", "client", "workspace"):
            self.__dict__[name] = value
        else:
            self._chosen.set(name, value)

    def __getattr__(self, name: str) -> Any:
        if name in TOP:
            return self._chosen.get(SPELLINGS[name], self._settings())
        raise AttributeError(f"interpreter has no attribute {name!r}")

    @property
    def messages(self) -> list[Message]:
        """The conversation: dicts with role, type, format, content. Assigning begins a session that is told it."""
        return self.session.messages() if self.session is not None else []

    @messages.setter
    def messages(self, value: Sequence[Message]) -> None:
        self._begin_with(list(value))

    @overload
    def chat(
        self, message: str | Message | Sequence[Message], *, display: bool = True, stream: Literal[False] = False
    ) -> list[Message]: ...

    @overload
    def chat(
        self, message: str | Message | Sequence[Message], *, display: bool = True, stream: Literal[True]
    ) -> Generator[Chunk, None, None]: ...

    def chat(
        self, message: str | Message | Sequence[Message], *, display: bool = True, stream: bool = False
    ) -> list[Message] | Generator[Chunk, None, None]:
        """One turn.

        Args:
            message: what the person wants; a message dict; or several, of which the last is said and the rest told.
            display: print what happens to standard output.
            stream: return an iterator of chunks instead; leaving it early interrupts the turn.

        Returns:
            The messages that this turn added. How it ended is in `result`.

        Raises:
            InterpreterError: by its class, what kept a session from being opened (no walls, a wrong setting ...).
        """
        chunks = self._turn(self._said(message), display)
        if stream:
            return chunks
        before = len(self.messages)
        for _chunk in chunks:
            pass
        return self.messages[before:]

    def reset(self) -> None:
        """Forget the conversation and the kernels' state. The log keeps everything."""
        if self.session is not None:
            self._call(self.session.send(Reset()))

    def undo(self, turns: int = 1, *, conversation_only: bool = False) -> None:
        """Take back the last turns, with files and variables unless the conversation alone is meant.

        Raises UsageError: there are not so many; their files are not kept. StoreError.
        """
        whole = not conversation_only
        self._send_idle(Undo(turns=turns, files=whole, variables=whole))

    def rewind(self, step: int, *, files: bool = False, variables: bool = False, conversation: bool = False) -> None:
        """Go back to how things were after a step of the session (0: before its first); none of the three: all three.

        Raises UsageError: there is no such step, or its files are not kept. StoreError.
        """
        self._send_idle(Rewind(step=step, files=files, variables=variables, conversation=conversation))

    def _send_idle(self, op: Undo | Rewind) -> None:
        if self.session is None:
            raise UsageError(_("There is no session yet; the first chat begins one."))
        self._call(self.session.send(op))

    def close(self) -> None:
        """End the session in this process; `interpreter --resume ID` goes on with it. May be called twice."""
        self._leave()
        if self._background is not None:
            self._background.close()
            self.__dict__["_background"] = None

    def __enter__(self) -> Interpreter:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def load(self, path: str | Path) -> str:
        """See `chat_history.load`."""
        from ..app import load_session

        session, told = self._call(load_session(self._in_force(), path, leaving=self.session, client=self.client))
        self._take(session)
        return told

    def export(
        self,
        path: str | Path,
        form: str = "",
        *,
        without: Sequence[str] = (),
        redact: bool = False,
        force: bool = False,
    ) -> Path:
        """Write the session as `interpreter sessions export` does, and return the file.

        Args:
            path: a name whose end says the form: .md, .ipynb, .html, .py, .sh, .json, .jsonl, .zip (the whole session).
            form: md, ipynb, html, py, json, jsonl or session, whatever the name says.
            without: `outputs`, `checkpoints`, of a session.
            redact: a session without secrets.
            force: also where a file is there already.

        Raises UsageError, StoreError; a file is written as a whole or not at all.
        """
        from ..app.keeping import Keeping, Wanted

        if self.session is None:
            raise UsageError(_("There is no session yet; the first chat begins one."))
        if unknown := [name for name in without if name not in ("outputs", "checkpoints")]:
            raise UsageError(
                _("{flag} should be one of {choices}.", flag=f"without={unknown[0]}", choices="outputs, checkpoints")
            )
        take = Wanted("outputs" not in without, "checkpoints" not in without, redact) if without or redact else None
        target = Path(path).expanduser().absolute()
        Keeping(self._in_force()).write(self.session.id, target, form, take, force=force)
        return target

    def _said(self, message: str | Message | Sequence[Message]) -> str:
        if isinstance(message, str):
            return message
        several: list[Any] = [message] if isinstance(message, Mapping) else list(message)
        if not several or not isinstance(several[-1].get("content"), str):
            raise UsageError(_("A message is a text, or a dict with role, type and content."))
        if len(several) > 1:
            self._begin_with(several[:-1])
        return str(several[-1]["content"])

    def _turn(self, text: str, display: bool) -> Generator[Chunk, None, None]:
        from .turns import play

        session = self._open()

        def ended(event: TurnFinished) -> None:
            self.__dict__["result"] = event

        return play(session, self._thread(), text, display=display, read=self._reader(), ended=ended)

    def _reader(self) -> Reader | None:
        return self.ask or default_reader()

    def _settings(self) -> Settings:
        """What files and environment say, below what this program set."""
        from ..config.files import read_entries

        return load_settings(self._folder(), environ=os.environ, read=read_entries)

    def _in_force(self) -> Settings:
        from ..config.files import read_entries

        folder, values = self._folder(), self._chosen.values
        settings = load_settings(folder, flags=values, environ=os.environ, read=read_entries, origin="interpreter")
        agent = msgspec.structs.replace(settings.agent, can_ask=self._reader() is not None)
        return msgspec.structs.replace(settings, agent=agent)

    def _folder(self) -> Path:
        return Path(self.workspace) if self.workspace is not None else Path.cwd()

    def _open(self) -> Session:
        from ..app import open_session

        session = self.session
        if session is not None and self._opened == self._chosen.version:
            return session
        settings = self._in_force()
        resume = None
        if session is not None:
            resume = session.id
            self._leave(keep_kernels=True)
        workspace = Path(self.workspace) if self.workspace is not None and resume is None else None
        return self._take(self._call(open_session(settings, resume=resume, workspace=workspace, client=self.client)))

    def _take(self, session: Session) -> Session:
        self.__dict__["session"] = session
        self.__dict__["_opened"] = self._chosen.version
        return session

    def _leave(self, *, keep_kernels: bool = False) -> None:
        session = self.session
        if session is not None:
            self.__dict__["session"] = None
            self._call(session.close(keep_kernels=keep_kernels))

    def _begin_with(self, messages: list[Message]) -> None:
        """A new session that is told these messages."""
        self._leave()
        if messages:
            self._call(self._open().tell(messages))

    def _thread(self) -> Background:
        from ..aio.background import Background

        if self._background is None:
            self.__dict__["_background"] = Background()
        background = self._background
        assert background is not None
        return background

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return self._thread().call(work)
