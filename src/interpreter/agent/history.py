"""The model's history: one reading of the log, append-only between compactions.

The history is an account of finished stretches, then a row of segments. A segment holds what came from outside since
the model last spoke (results of its actions, then what the person and the harness said) and the answer that followed. A
segment that has its answer is closed: its messages never change again, so the beginning of every request is the same
bytes as before. Only three events break it: Compacted, ConversationUndone, ConversationReset.

What closed segments come to is kept ready, so that a request costs the same after ten steps and after ten thousand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from ..llm.estimate import estimate_tokens
from ..types.account import Chapter
from ..types.actions import Action
from ..types.events import (
    ActionFinished,
    ActionProposed,
    ApprovalResolved,
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
from ..types.messages import Message, TextPart, ToolCall
from ..types.rewinding import Rewound
from ..types.tooling import TOOL
from .account import chapters_of, cut_back, join, own_act, remark, resumed_note, rewound_note, tell, undone
from .coarser import fit
from .render import MOST_IMAGES, Result, Said, Segment, weigh

NOT_RUN = "Not run: the turn ended before it."
INTERRUPTED = "The person interrupted."
"""In logs that do not mark the note."""
OLD_DETAILS, OLD_WORDS = 1_500, 4_000
"""Tokens of the account of a log whose compactions did not carry one."""


class History:
    """Feed it every event in order; ask it for messages."""

    def __init__(self, *, vision: bool = False) -> None:
        self._vision = vision
        """Whether the model reads images: plots are shown to it."""
        self.system = ""
        self.account: tuple[Chapter, ...] = ()
        """What is told of the time before the first segment."""
        self.segments: list[Segment] = [Segment()]
        self._own: dict[str, Action] = {}
        """What the person ran themselves."""
        self._said = 0
        """How often the person has spoken."""
        self._outputs = 0
        """How many outputs are kept: the n-th is known to the model as `out<n>`."""
        self._ready: list[Message] = []
        """What the system, the account and the first `_done` segments come to."""
        self._done = 0
        self._tokens = 0
        self._characters = 0
        """Both of `_ready`."""
        self._seam: tuple[Message, Message, Message] | None = None
        """Two user messages side by side, and the one that is sent for them: the same object every time."""

    @property
    def open(self) -> Segment:
        return self.segments[-1]

    def apply(self, event: Event) -> None:
        handler = self._HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    def _started(self, event: SessionStarted) -> None:
        self.system = event.system

    def _turn(self, event: TurnStarted) -> None:
        self._settle()
        self._speak(Said(event.text, event.turn, event.images))

    def _note(self, event: NoteAdded) -> None:
        if not event.to_model:
            return
        if event.call_id:
            self._result(Result("", event.call_id, event.text))
        elif event.stops or event.text == INTERRUPTED:
            self._say(Said(event.text, act=remark(event.text)))
        elif event.source == "person":
            self._speak(Said(event.text))
        elif event.source == "skill":
            # When its text has given way, where to read it again.
            self._say(Said(event.text, act=remark(event.text.partition("\n")[0])))
        else:
            self._say(Said(event.text))

    def _answered(self, event: ModelAnswered) -> None:
        self.open.close(event)
        self.segments.append(Segment())

    def _resolved(self, event: ApprovalResolved) -> None:
        if event.action is not None:
            self._say(Said(edited_note(event.action)))
            actions = self.segments[-2].actions if len(self.segments) > 1 else []
            actions[:] = [event.action if action.id == event.action.id else action for action in actions]

    def _resumed(self, event: SessionResumed) -> None:
        if text := event.account or resumed_note(event):
            self._settle()
            self._say(Said(text, act=remark(text)))

    def _reset(self, _event: ConversationReset) -> None:
        self.account, self.segments = (), [Segment()]
        self._forget()

    def _forget(self) -> None:
        """What had been told has changed."""
        self._ready, self._done, self._tokens, self._characters = [], 0, 0, 0

    def messages(self) -> tuple[Message, ...]:
        """The whole history as it is sent: system first, then the account, then one group of messages per segment."""
        self._advance()
        ready, fresh = self._ready, self.open.messages()
        if ready and fresh and ready[-1].role == fresh[0].role == "user":
            return (*ready[:-1], self._merged(ready[-1], fresh[0]), *fresh[1:])
        return (*ready, *fresh)

    def _advance(self) -> None:
        """Add to what is ready the segments that were closed since."""
        if not self._ready:
            if self.system:
                system = Message(role="system", parts=(TextPart(text=self.system),))
                self._add(system, weigh(system))
            if told := tell(self.account):
                account = Message(role="user", parts=(TextPart(text=told),))
                self._add(account, weigh(account))
        while self._done < len(self.segments) - 1:
            segment = self.segments[self._done]
            for message, tokens in zip(segment.messages(), segment.weights(), strict=True):
                self._add(message, tokens)
            self._done += 1

    def _add(self, message: Message, tokens: int) -> None:
        self._tokens += tokens
        self._characters += len(message.text)
        ready = self._ready
        if ready and ready[-1].role == message.role == "user":
            message = self._merged(ready.pop(), message)
        ready.append(message)

    def _merged(self, first: Message, second: Message) -> Message:
        if self._seam is None or self._seam[0] is not first or self._seam[1] is not second:
            parts = (*first.parts, TextPart(text="\n\n"), *second.parts)
            self._seam = (first, second, Message(role="user", parts=parts))
        return self._seam[2]

    def tokens(self) -> int:
        """What the messages take, by estimate."""
        self._advance()
        return self._tokens + sum(self.open.weights())

    def fixed(self) -> int:
        """Tokens of the system prompt."""
        return estimate_tokens(self.system) + 5

    def characters(self) -> int:
        self._advance()
        return self._characters + sum(len(message.text) for message in self.open.messages())

    def results(self) -> list[Result | Said]:
        """Every result that the model can still read in full, oldest first."""
        return [r for s in self.segments for r in (*s.results, *s.said) if r.action and not r.stub]

    def unanswered(self) -> list[ToolCall]:
        """Native calls of the last answer that have no result yet."""
        if len(self.segments) < 2 or (answer := self.segments[-2].answer) is None:
            return []
        answered = {r.call_id for r in self.open.results}
        return [c for c in answer.calls if c.id not in answered]

    def _speak(self, said: Said) -> None:
        self._said += 1
        said.person = self._said
        self._say(said)

    def _say(self, said: Said) -> None:
        self.open.said.append(said)
        self.open.changed()

    def _result(self, result: Result) -> None:
        """A later result of the same call takes the place of an earlier one (an approval that came after all)."""
        found = self.open.results
        for n, old in enumerate(found):
            if result.call_id and old.call_id == result.call_id:
                found[n] = result
                break
        else:
            found.append(result)
        self.open.changed()

    def _proposed(self, event: ActionProposed) -> None:
        if event.action.parent or event.action.purpose:
            return  # a call that its own code made, or the harness's: what came of it is for others
        if event.step == 0 or event.action.source or len(self.segments) < 2:
            self._own[event.action.id] = event.action
        else:
            self.segments[-2].actions.append(event.action)

    def _finished(self, event: ActionFinished) -> None:
        done, text = event.completion, event.observation.text
        output = ""
        if done is not None:
            self._outputs += 1
            output = f"out{self._outputs}" if done.output.size else ""
        own = self._own.pop(event.action, None)
        if own is not None:
            told = own_told(own, text)
            self._say(Said(told, act=own_act(own, text), action=event.action, output=output))
            return
        actions = self.segments[-2].actions if len(self.segments) > 1 else []
        action = next((a for a in actions if a.id == event.action), None)
        if action is None:
            return
        error = done.error if done is not None else None
        why = f"{error.name}: {error.message}" if error is not None else ""
        label = "Result of your call" if action.language == TOOL else f"Result of your {action.language} code"
        self._result(Result(event.action, action.call_id, text, label, status=event.status, error=why, output=output))
        shown = done.displays if self._vision and done is not None else ()
        if images := tuple(d.path for d in shown if d.mime in ("image/png", "image/jpeg")):
            self._say(Said("What it drew:", images=images[:MOST_IMAGES]))

    def _settle(self) -> None:
        """Servers refuse a history with unanswered calls: say of each that it did not run."""
        for call in self.unanswered():
            self._result(Result("", call.id, NOT_RUN, status="not_run"))

    def stretch(self, answers: int) -> tuple[Chapter, ...]:
        """The account with the oldest `answers` segments told in full detail."""
        return join(self.account, chapters_of(self.segments[:answers], self.segments[answers].results))

    def _compact(self, event: Compacted) -> None:
        answers, account = min(event.answers, len(self.segments) - 1), event.account
        if event.dropped:
            gone = set(event.dropped)
            answers = max(
                (n for n, s in enumerate(self.segments, 1) if any(a.id in gone for a in s.actions)), default=0
            )
            account = fit(self.stretch(answers), OLD_DETAILS, OLD_WORDS) if answers else ()
        if event.actions or event.shortened:
            self._shorten(event)
        if answers:
            del self.segments[:answers]
            self.segments[0].results.clear()
            self.segments[0].changed()
        self.account = account or self.account
        self._forget()

    def _shorten(self, event: Compacted) -> None:
        stubs = set(event.actions)
        kept = {short.said: short.kept for short in event.shortened}
        for segment in self.segments:
            for result in (*segment.results, *segment.said):
                if result.action in stubs and not result.stub:
                    result.shorten()
                    segment.changed()
            for said in segment.said:
                if said.person in kept and len(said.text) > kept[said.person]:
                    said.cut += len(said.text) - kept[said.person]
                    said.text = said.text[: kept[said.person]]
                    segment.changed()

    def _undo(self, event: ConversationUndone) -> None:
        for n, segment in enumerate(self.segments):
            for k, said in enumerate(segment.said):
                if said.turn == event.turn:
                    del self.segments[n + 1 :]
                    del segment.said[k:]
                    segment.answer, segment.actions = None, []
                    segment.changed()
                    self._forget()
                    return
        if (left := undone(self.account, event.turn)) is not None:
            self.account, self.segments = left, [Segment()]
            self._forget()

    def _rewound(self, event: Rewound) -> None:
        """Whole turns were undone by the event before; here the rest of a turn goes, and what else has changed is
        told."""
        if event.action:
            for n, segment in enumerate(self.segments):
                place = next((k for k, action in enumerate(segment.actions) if action.id == event.action), None)
                if place is not None and n + 1 < len(self.segments):
                    kept = {action.id for action in segment.actions[: place + 1]}
                    results = [result for result in self.segments[n + 1].results if result.action in kept]
                    del self.segments[n + 1 :]
                    self.segments.append(Segment())
                    self.open.results = results
                    self._settle()
                    self._forget()
                    break
            else:
                # It is told of in short: of its turn the account is all that is left.
                self.account, self.segments = cut_back(self.account), [Segment()]
                self._forget()
        if text := rewound_note(event):
            self._say(Said(text, act=remark(text)))

    _HANDLERS: ClassVar[dict[type[Any], Callable[[Any, Any], None]]] = {
        SessionStarted: _started, TurnStarted: _turn, NoteAdded: _note, ModelAnswered: _answered,
        ActionProposed: _proposed, ApprovalResolved: _resolved, ActionFinished: _finished, SessionResumed: _resumed,
        Compacted: _compact, ConversationUndone: _undo, ConversationReset: _reset,
        Rewound: _rewound,
    }  # fmt: skip


def own_told(action: Action, text: str) -> str:
    """What ran without the model having asked for it."""
    if action.source:
        return f"Before you were asked, this looked (the {action.source}, by rules):\n{text}"
    return f"The person ran this {action.language} code themselves:\n{action.code}\nResult:\n{text}"


def edited_note(action: Action) -> str:
    return f"The person edited the code before it ran. What ran:\n```{action.language}\n{action.code}\n```"
