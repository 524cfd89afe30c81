"""What a page about a session tells, in order: requests, words, steps with their approval and outcome, notices."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..text.i18n import _
from ..text.verdicts import unclear
from ..types.actions import Completion
from ..types.events import (
    ActionFinished,
    ActionJudged,
    ActionProposed,
    ActionStarted,
    ApprovalRequested,
    ApprovalResolved,
    ConversationReset,
    ConversationUndone,
    Event,
    GrantAdded,
    KernelEvent,
    ModelAnswered,
    ModelFailed,
    NetworkAttempt,
    NoteAdded,
    Quarantined,
    SessionResumed,
    SessionStarted,
    Stored,
    TurnFinished,
    TurnStarted,
)
from ..types.rewinding import Rewound, SnapshotTaken
from .story import without_blocks


@dataclass
class Block:
    time: float
    turn: str = ""
    undone: bool = False
    """It was taken back from the conversation."""


@dataclass
class Request(Block):
    text: str = ""
    images: tuple[str, ...] = ()
    number: int = 0
    """1-based; 0 for a word in between."""


@dataclass
class Words(Block):
    text: str = ""
    model: str = ""
    tokens: int = 0
    duration: float = 0.0


@dataclass
class Step(Block):
    number: int = 0
    """Of its ActionStarted; 0 while it has not begun."""
    language: str = ""
    code: str = ""
    call: bool = False
    own: bool = False
    verdict: str = ""
    rules: tuple[str, ...] = ()
    answer: str = ""
    by: str = ""
    channel: str = ""
    edited: bool = False
    walls: str = ""
    status: str = ""
    read: str = ""
    """What the model read of it."""
    completion: Completion | None = None
    network: list[str] = field(default_factory=lambda: list[str]())
    taken: list[str] = field(default_factory=lambda: list[str]())
    """What it left that would have run by itself later."""
    before: str = ""
    """The state of the workspace before it, by its name; empty where it was not kept."""
    after: str = ""
    changed: list[str] = field(default_factory=lambda: list[str]())
    """Paths that it changed, where its states are kept."""


@dataclass
class Notice(Block):
    text: str = ""
    bad: bool = False


@dataclass
class Sums:
    """Of the whole session, what was taken back included: it was paid for."""

    session: str = ""
    workspace: str = ""
    walls: str = ""
    who: str = ""
    version: str = ""
    began: float = 0.0
    ended: float = 0.0
    turns: int = 0
    steps: int = 0
    failed: int = 0
    prompt: int = 0
    cached: int = 0
    completion: int = 0
    cost: float | None = None
    model_time: float = 0.0
    run_time: float = 0.0
    models: dict[str, None] = field(default_factory=lambda: dict[str, None]())


class Teller:
    """Reads a log once."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.sums = Sums()
        self._steps: dict[str, Step] = {}
        self._questions: dict[str, str] = {}
        self._turn = ""
        self._begun = ""
        self._open: Step | None = None
        """The step that the newest snapshot was taken before."""
        self._now = 0.0
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            SessionStarted: self._session,
            SessionResumed: self._resumed,
            TurnStarted: self._request,
            ModelAnswered: self._words,
            ModelFailed: self._failed,
            ActionProposed: self._propose,
            ActionJudged: self._judge,
            ApprovalRequested: self._ask,
            ApprovalResolved: self._resolve,
            ActionStarted: self._begin,
            ActionFinished: self._finish,
            NetworkAttempt: self._network,
            Quarantined: self._take,
            TurnFinished: self._end,
            ConversationUndone: self._undo,
            ConversationReset: self._reset,
            SnapshotTaken: self._kept,
            Rewound: self._rewound,
        }

    def read(self, events: Iterable[Stored]) -> Teller:
        for stored in events:
            self._now = stored.time
            self.sums.session = self.sums.session or stored.session
            self.sums.began = self.sums.began or stored.time
            self.sums.ended = stored.time
            self.apply(stored.event)
        return self

    def apply(self, event: Event) -> None:
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)
        elif text := notice_of(event):
            self._add(Notice(self._now, text=text))
        if isinstance(event, NoteAdded) and event.source == "person":
            self._add(Request(self._now, text=event.text))

    def _add(self, block: Block) -> None:
        block.turn = block.turn or self._turn
        self.blocks.append(block)

    def _session(self, event: SessionStarted) -> None:
        sums = self.sums
        sums.workspace, sums.walls, sums.version = event.workspace, event.sandbox, event.version
        sums.who = "@".join(part for part in (event.user, event.host) if part)

    def _resumed(self, event: SessionResumed) -> None:
        gone = ", ".join(event.gone)
        self._add(Notice(self._now, text=_("Resumed; the state of {gone} was gone", gone=gone) if gone
                         else _("Resumed")))  # fmt: skip

    def _request(self, event: TurnStarted) -> None:
        self._turn = event.turn
        if event.text.strip() or event.images:
            self.sums.turns += 1
            self._add(Request(self._now, text=event.text, images=event.images, number=self.sums.turns))

    def _words(self, event: ModelAnswered) -> None:
        sums, usage = self.sums, event.usage
        sums.prompt += usage.prompt
        sums.cached += usage.cached
        sums.completion += usage.completion
        sums.model_time += event.duration
        if usage.cost is not None:
            sums.cost = (sums.cost or 0.0) + usage.cost
        if event.model:
            sums.models[event.model] = None
        text = event.text if event.prose is None else event.prose
        tokens = usage.prompt + usage.completion
        self._add(Words(self._now, text=text, model=event.model, tokens=tokens, duration=event.duration))

    def _failed(self, event: ModelFailed) -> None:
        if event.partial.strip():
            self._add(Words(self._now, text=event.partial))
        text = _("The model gave no answer: {message}", message=event.message)
        self._add(Notice(self._now, text=text, bad=True))

    def _propose(self, event: ActionProposed) -> None:
        action = event.action
        step = Step(self._now, language=action.language, code=action.code, call=bool(action.call_id),
                    own=not event.step)  # fmt: skip
        self._steps[action.id] = step
        self._add(step)

    def _judge(self, event: ActionJudged) -> None:
        if (step := self._steps.get(event.action)) is not None:
            step.verdict = event.decision
            rules = dict.fromkeys(reason.rule for reason in event.reasons if reason.decision == event.decision)
            step.rules = (*rules, *map(unclear, event.unknown))

    def _ask(self, event: ApprovalRequested) -> None:
        if event.kind == "run":
            self._questions[event.approval] = event.action
        else:
            self._add(Notice(self._now, text=_("Asked: {what}", what=event.question or event.kind)))

    def _resolve(self, event: ApprovalResolved) -> None:
        edited = event.action.id if event.action is not None else ""
        step = self._steps.get(self._questions.get(event.approval, edited))
        if step is None:
            text = _("Answered {answer} by {by}", answer=event.answer, by=event.by)
            self._add(Notice(self._now, text=text))
            return
        step.answer, step.by, step.channel = event.answer, event.by, event.channel
        if event.action is not None:
            step.code, step.language, step.edited = event.action.code, event.action.language, True

    def _begin(self, event: ActionStarted) -> None:
        if event.parent:
            return  # a call that the step's own code made
        self.sums.steps += 1
        self._begun = event.action
        if (step := self._steps.get(event.action)) is not None:
            step.number, step.walls = self.sums.steps, event.sandbox

    def _finish(self, event: ActionFinished) -> None:
        step = self._steps.get(event.action)
        if step is None:
            return
        step.status, step.read, step.completion = event.status, event.observation.text, event.completion
        if event.completion is not None:
            self.sums.run_time += event.completion.duration
        if step.number and event.status != "ok":
            self.sums.failed += 1

    def _network(self, event: NetworkAttempt) -> None:
        text = f"{event.host}:{event.port} {network_word(event.decision)}"
        if (step := self._steps.get(self._begun)) is None:
            self._add(Notice(self._now, text=text))
        elif text not in step.network:
            step.network.append(text)

    def _take(self, event: Quarantined) -> None:
        if (step := self._steps.get(event.action)) is not None:
            step.taken.append(event.path)

    def _end(self, event: TurnFinished) -> None:
        if event.reason != "done":
            text = _("Turn ended: {reason}. {text}", reason=event.reason, text=event.text)
            self._add(Notice(self._now, text=text, bad=True))

    def _undo(self, event: ConversationUndone) -> None:
        at = next((n for n, block in enumerate(self.blocks) if block.turn == event.turn), len(self.blocks))
        for block in self.blocks[at:]:
            block.undone = True
        self._add(Notice(self._now, text=_("What stands above was taken back from the conversation")))

    def _reset(self, _event: ConversationReset) -> None:
        for block in self.blocks:
            block.undone = True
        self._add(Notice(self._now, text=_("A new conversation begins here")))

    def _kept(self, event: SnapshotTaken) -> None:
        if self._open is not None:
            self._open.after = event.after or event.tree
        self._open = self._steps.get(event.action)
        if self._open is not None:
            self._open.before = event.tree

    def _rewound(self, event: Rewound) -> None:
        if event.failed:
            self._add(Notice(self._now, text=_("Not taken back: {reason}", reason=event.failed), bad=True))
            return
        at = next((n for n, block in enumerate(self.blocks)
                   if isinstance(block, Step) and block.number > event.step), len(self.blocks))  # fmt: skip
        for block in self.blocks[at:]:
            if isinstance(block, Step) or "conversation" in event.parts:
                block.undone = True
        self._open = None
        lines = [_("Taken back to step {step}.", step=event.step) if event.step
                 else _("Taken back to before the first step.")]  # fmt: skip
        if event.irreversible:
            lines += [_("What cannot be taken back:"), *event.irreversible]
        self._add(Notice(self._now, text="\n".join(lines)))

    def told(self) -> list[Block]:
        """The blocks, the model's words without the code that is told as steps."""
        codes: dict[str, list[str]] = {}
        for step in self._steps.values():
            if not step.call:
                codes.setdefault(step.turn, []).append(step.code)
        for block in self.blocks:
            if isinstance(block, Words):
                block.text = without_blocks(block.text, codes.get(block.turn, ()))
        return [block for block in self.blocks if not isinstance(block, Words) or block.text.strip()]


def network_word(decision: str) -> str:
    return {"allowed": _("allowed"), "denied": _("denied"), "failed": _("failed")}.get(decision, decision)


def notice_of(event: Event) -> str:
    match event:
        case KernelEvent() if event.what in ("died", "restarted"):
            reason = f" ({event.reason})" if event.reason else ""
            return _("Kernel {language}: {what}{reason}", language=event.language, what=event.what, reason=reason)
        case GrantAdded():
            return _("Granted: {path} ({access})", path=event.path, access=event.access)
        case NoteAdded() if event.source in ("harness", "checks"):
            return event.text
        case _:
            return ""
