"""What a report says of a run, read from its log once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import msgspec

from ..store.page_story import Request, Step, Teller
from ..text.clean import clean_text
from ..text.cut import head_tail
from ..text.redact import redact, redact_all
from ..types.base import Value
from ..types.events import ActionProposed, ModelAnswered, ModelFailed, NoteAdded, Stored, TurnFinished
from .goals import GoalReport, goal_of

FORMAT = "reinterpreter-report/1"
MOST_OUTPUT = 4_000
"""Characters of one output in a report; the whole stays in the session."""
MOST_STEPS = 500
ENDED = "running"


class StepReport(Value):
    number: int
    """Of those that ran, 1-based; 0: it never began."""
    language: str
    code: str
    status: str
    verdict: str = ""
    """What the rules said: allow, ask or deny."""
    rules: tuple[str, ...] = ()
    approval: str = ""
    """The answer to its question; empty: nobody was asked."""
    by: str = ""
    channel: str = ""
    exit_status: int | None = None
    duration: float = 0.0
    """Seconds."""
    output: str = ""
    error: str = ""
    network: tuple[str, ...] = ()
    purpose: str = ""
    """check, health or undo: the harness ran it; empty: the model's, or the person's."""


class Report(Value):
    """`--report FILE.json` is this."""

    format: str = FORMAT
    session: str = ""
    workspace: str = ""
    sandbox: str = ""
    version: str = ""
    models: tuple[str, ...] = ()
    began: str = ""
    """ISO 8601, UTC."""
    ended: str = ""
    duration: float = 0.0
    asked: tuple[str, ...] = ()
    status: str = ENDED
    """How the last turn ended, as in the event turn_finished; `running`: it has no end in the log."""
    exit_code: int = 1
    answer: str = ""
    message: str = ""
    """Where it is not done: what happened and what to do next."""
    steps: tuple[StepReport, ...] = ()
    left_out: int = 0
    """Steps beyond those that a report holds."""
    failed: int = 0
    """Steps that ran and failed."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    requests: int = 0
    from_cache: int = 0
    """Requests that the answer cache answered."""
    notes: tuple[str, ...] = ()
    goal: GoalReport | None = None
    """Where the session works towards a goal: plan, checks, claims, undo."""


class Gathered:
    """A report together with the story that it was read from."""

    def __init__(
        self, events: Iterable[Stored], secrets: Iterable[str], output: Callable[[Step], str], exit_code: int | None
    ) -> None:
        self.secrets = tuple(secrets)
        self.events = list(events)
        self._output = output
        self.report = self._read(exit_code)

    def _read(self, exit_code: int | None) -> Report:
        teller = Teller().read(self.events)
        sums, blocks = teller.sums, teller.blocks
        steps = [block for block in blocks if isinstance(block, Step)]
        asked = [block.text for block in blocks if isinstance(block, Request) and block.number]
        end = next((one.event for one in reversed(self.events) if isinstance(one.event, TurnFinished)), None)
        answers = [one.event for one in self.events if isinstance(one.event, ModelAnswered)]
        failures = sum(1 for one in self.events if isinstance(one.event, ModelFailed))
        purposes = [one.event.action.purpose for one in self.events if isinstance(one.event, ActionProposed)]
        notes = [one.event.text for one in self.events if isinstance(one.event, NoteAdded) and not one.event.to_model]
        done = end is not None and end.reason == "done"
        report = Report(
            session=sums.session,
            workspace=sums.workspace,
            sandbox=sums.walls,
            version=sums.version,
            models=tuple(sums.models),
            began=moment(sums.began),
            ended=moment(sums.ended),
            duration=round(max(0.0, sums.ended - sums.began), 3),
            asked=tuple(asked),
            status=end.reason if end is not None else ENDED,
            exit_code=exit_code if exit_code is not None else end.exit_code if end is not None else 1,
            answer=end.text if end is not None and done else "",
            message=end.text if end is not None and not done else "",
            steps=tuple(self._step(step, why) for step, why in zip(steps[:MOST_STEPS], purposes, strict=False)),
            left_out=max(0, len(steps) - MOST_STEPS),
            failed=sums.failed,
            prompt_tokens=sums.prompt,
            cached_tokens=sums.cached,
            completion_tokens=sums.completion,
            cost=sums.cost,
            requests=len(answers) + failures,
            from_cache=sum(1 for answer in answers if answer.source == "cache"),
            notes=tuple(notes),
            goal=goal_of(stored.event for stored in self.events),
        )
        return msgspec.convert(self._clean(msgspec.to_builtins(report)), Report)

    def _clean(self, plain: dict[str, object]) -> dict[str, object]:
        cleaned: dict[str, object] = redact_all(plain, self.secrets)
        return cleaned

    def _step(self, step: Step, purpose: str) -> StepReport:
        done = step.completion
        error = done.error if done is not None else None
        return StepReport(
            number=step.number,
            language=step.language,
            code=step.code,
            status=step.status,
            verdict=step.verdict,
            rules=step.rules,
            approval=step.answer,
            by=step.by,
            channel=step.channel,
            exit_status=done.exit_status if done is not None else None,
            duration=round(done.duration, 3) if done is not None else 0.0,
            output=head_tail(redact(clean_text(self._output(step)).rstrip(), self.secrets), MOST_OUTPUT),
            error=f"{error.name}: {error.message}" if error is not None else "",
            network=tuple(step.network),
            purpose=purpose,
        )


def moment(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds") if time else ""
