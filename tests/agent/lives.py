"""Conversations made up for tests: what a session emits, with a mind that has to keep it within a window."""

from __future__ import annotations

from itertools import pairwise

from interpreter.agent.history import History
from interpreter.agent.mind import Mind
from interpreter.agent.prompt import tools
from interpreter.llm.client import ModelClient
from interpreter.llm.scripted import ScriptedModel
from interpreter.llm.wire import Encoder
from interpreter.store import records
from interpreter.types.actions import Action, Completion, ErrorReport, Observation, OutputRef
from interpreter.types.base import code_sha256, to_json
from interpreter.types.events import (
    ActionFinished,
    ActionProposed,
    Compacted,
    ConversationReset,
    ConversationUndone,
    Event,
    ModelAnswered,
    NoteAdded,
    SessionResumed,
    SessionStarted,
    TurnStarted,
)
from interpreter.types.languages import spellings
from interpreter.types.messages import Message, ModelRequest, ToolCall

SYSTEM = "You do what the person asks. " * 20
LANGUAGES = ("python", "shell")


class Life:
    """A session without kernels and disk: its events go into a history, and are kept as the log keeps them."""

    def __init__(
        self, window: int, answer: int | None = None, client: ModelClient | None = None, *, summaries: bool = False
    ) -> None:
        self.history = History()
        self.log: list[bytes] = []
        self.events: list[Event] = []
        """Those since the last request."""
        self.compactions: list[Compacted] = []
        self.encoder = Encoder()
        self.turns: list[str] = []
        self._n = 0
        self.mind = Mind(
            client or ScriptedModel(()), self.history, self, tools(LANGUAGES), spellings(),
            context_window=window, max_tokens=answer, temperature=None, summaries=summaries,
        )  # fmt: skip
        self.add(SessionStarted(session="s", workspace="/w", sandbox="host", version="0", system=SYSTEM))

    async def emit(self, event: Event, *more: Event) -> None:
        self.add(event, *more)

    def hold(self, event: Event) -> None:
        raise AssertionError(f"nothing is held here: {event}")

    def show(self, event: Event) -> None:
        raise AssertionError(f"nothing is shown here: {event}")

    def add(self, *events: Event) -> None:
        for event in events:
            self.log.append(records.encode(event).body)
            self.events.append(event)
            if isinstance(event, Compacted):
                self.compactions.append(event)
            self.history.apply(event)

    def id(self, prefix: str) -> str:
        self._n += 1
        return f"{prefix}_{self._n:06}"

    @property
    def turn(self) -> str:
        return self.turns[-1] if self.turns else ""

    def ask(self, words: str) -> None:
        self.turns.append(self.id("t"))
        self.add(TurnStarted(turn=self.turn, text=words))

    def propose(self, code: str, *, language: str = "python", native: bool = True, prose: str = "") -> Action:
        call = self.id("c") if native else ""
        action = Action(id=self.id("a"), language=language, code=code, sha256=code_sha256(code), call_id=call)
        arguments = to_json({"language": language, "code": code}).decode()
        calls = (ToolCall(id=call, name="execute", arguments=arguments),) if native else ()
        text = prose if native else f"{prose}\n```{language}\n{code}\n```"
        self.add(
            ModelAnswered(turn=self.turn, step=1, text=text, prose=prose, calls=calls),
            ActionProposed(turn=self.turn, step=1, action=action),
        )
        return action

    def finish(self, action: Action, output: str, error: str = "") -> None:
        name, _colon, message = error.partition(": ")
        status = "error" if error else "ok"
        report = ErrorReport(name=name, message=message) if error else None
        kept = OutputRef(path=f"/o/{action.id}.out", size=len(output))
        done = Completion(execution=f"x{action.id}", status=status, error=report, output=kept)
        told = Observation(text=output or "(no output)", shown="")
        self.add(ActionFinished(action=action.id, status=status, observation=told, completion=done))

    def step(
        self, code: str, output: str = "", error: str = "", *, language: str = "python", native: bool = True,
        prose: str = "",
    ) -> None:  # fmt: skip
        self.finish(self.propose(code, language=language, native=native, prose=prose), output, error)

    def own(self, code: str, output: str) -> None:
        action = Action(id=self.id("a"), language="shell", code=code, sha256=code_sha256(code))
        self.add(ActionProposed(turn=self.turn, step=0, action=action))
        self.finish(action, output)

    def answer(self, text: str) -> None:
        self.add(ModelAnswered(turn=self.turn, step=1, text=text))

    def steer(self, text: str) -> None:
        self.add(NoteAdded(text=text, source="person"))

    def undo(self, turns: int) -> None:
        first = self.turns[-turns]
        del self.turns[-turns:]
        self.add(ConversationUndone(turn=first))

    def reset(self) -> None:
        self.turns.clear()
        self.add(ConversationReset())

    def resume(self) -> None:
        self.add(SessionResumed(gone=("python",)))

    async def request(self) -> ModelRequest:
        self.events.clear()
        return await self.mind.request(0)

    def size(self) -> int:
        """Tokens of the request as it would be now, by estimate."""
        return 260 + self.history.tokens()

    def reread(self) -> History:
        """The history as a resumed session reads it from the log."""
        history = History()
        for body in self.log:
            history.apply(records.decoder().decode(body))
        return history


def sent(messages: tuple[Message, ...]) -> list[bytes]:
    """Each message as it goes over the wire."""
    encoder = Encoder()
    return [encoder.body(ModelRequest(messages=(message,)), {}, frozenset()) for message in messages]


def keeps_the_rules(messages: tuple[Message, ...]) -> None:
    """What servers and their chat templates ask for."""
    roles = [message.role for message in messages]
    assert roles[0] == "system" and "system" not in roles[1:]
    assert not any(a == b == "user" for a, b in pairwise(roles)), "two user messages in a row"
    waiting: list[str] = []
    for message in messages:
        if message.role == "tool":
            assert waiting and message.call_id == waiting.pop(0), "a result of no call, or out of its order"
        else:
            assert not waiting, "a call without its result"
            waiting = [call.id for call in message.calls]
