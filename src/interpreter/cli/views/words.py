"""Words that several views share."""

from __future__ import annotations

from ...text.asked import MARK as MARK
from ...text.asked import hidden_count as hidden_count
from ...text.clean import reveal
from ...text.i18n import _
from ...types.actions import Completion, Display
from ...types.events import ActionFinished, ModelAnswered, ModelAsked, TurnFinished
from ...types.languages import title
from ...types.messages import Usage
from ...types.rules import Mode
from ...types.tooling import TOOL
from ..contract import Question

KEPT_SHORT = 10.0
TRACE = 20_000
"""Characters of a streamed output that are remembered, to see whether a traceback was among them."""


def seconds(value: float) -> str:
    """A duration as a person reads it: 0.4 s, 12 s, 3:05."""
    if value < KEPT_SHORT:
        return f"{value:.1f} s"
    if value < 60:
        return f"{value:.0f} s"
    return f"{int(value) // 60}:{int(value) % 60:02}"


def run_question(question: Question) -> str:
    request, action = question
    if action is not None and action.language == TOOL:
        return _("Call this tool?")
    language = reveal(title(action.language if action else ""))
    if request.where:
        return _("Run this {language} code ({where})?", language=language, where=reveal(request.where))
    return _("Run this {language} code?", language=language)


def mode_line(mode: Mode) -> str:
    """What a mode means."""
    return {
        "ask": _("You are asked before code runs."),
        "auto": _("Code runs without a question, as far as the rules allow it."),
        "plan": _("Plan mode: nothing runs but what only reads."),
    }[mode]


def ending(event: ActionFinished) -> str:
    """How an action ended, where that is worth a line; empty for a quiet success."""
    done = event.completion or Completion(execution="", status="ok")
    match event.status:
        case "ok":
            return _("limit reached: {limit}", limit=done.limit) if done.limit else ""
        case "error":
            if done.limit:
                return _("failed, {time}; limit reached: {limit}", time=seconds(done.duration), limit=done.limit)
            if done.exit_status not in (None, 0):
                return _("failed: exit status {status}, {time}", status=done.exit_status, time=seconds(done.duration))
            return _("failed, {time}", time=seconds(done.duration))
        case "interrupted":
            return _("stopped after {time}", time=seconds(done.duration))
        case "timeout":
            return _("stopped: longer than its time limit ({time})", time=seconds(done.duration))
        case "limit":
            return _("stopped by a limit: {limit}", limit=done.limit)
        case "died":
            return _("the kernel ended under it; its variables are gone")
        case "lost":
            return _("this program's own machinery broke; how far it got is not known")
        case "denied":
            return reveal(event.observation.shown) or _("not run: you said no")
        case "not_run":
            return _("not run")
        case "refused":
            return _("not run: {reason}", reason=reveal(event.observation.shown or event.observation.text))


def trace_of(done: Completion, streamed: str) -> str:
    """The error's traceback, unless the program's own output that was shown holds it already."""
    if done.error is None:
        return ""
    trace = reveal(done.error.traceback.rstrip("\n") or f"{done.error.name}: {done.error.message}")
    return "" if trace.strip() in streamed else trace


def display_line(display: Display) -> str:
    return _("{kind} saved: {path}", kind=display.mime, path=display.path)


def asked_line(event: ModelAsked) -> str:
    if event.purpose == "summary":
        return _("Asking {model} for a summary of older steps ({size} characters)", model=event.model, size=event.size)
    return _(
        "Step {step}: asking {model} ({messages} messages, {size} characters)",
        step=event.step,
        model=event.model,
        messages=event.messages,
        size=event.size,
    )


def usage_line(usage: Usage) -> str:
    text = _(
        "{prompt} tokens read ({cached} from the cache), {completion} written",
        prompt=usage.prompt,
        cached=usage.cached,
        completion=usage.completion,
    )
    return text if usage.cost is None else text + " · " + _("cost {cost}", cost=f"{usage.cost:.4f}")


def source_line(event: ModelAnswered) -> str:
    """Where an answer comes from that no server gave."""
    if event.source == "cache":
        return _("[Answered from the cache: the same request was asked before. No cost.]")
    return _("[Answered from a recording.]")


def turn_line(event: TurnFinished) -> str:
    """Steps, time and tokens of a turn."""
    steps = _("{n} steps", n=event.steps) if event.steps != 1 else _("1 step")
    return f"{steps} · {seconds(event.duration)} · {usage_line(event.usage)}"
