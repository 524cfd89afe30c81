"""A completion, read for the model (capped) and for the person."""

from __future__ import annotations

from typing import NamedTuple

from ..text.cut import head_tail
from ..types.actions import Completion, Observation

MOST = 10_000

KEPT = "Its state is kept. Use less of it, or work in smaller parts."
DIED = "The kernel ended while your code ran; its variables and imports are gone. A new one starts with your next call."


class Cap(NamedTuple):
    """How much of one observation may reach the model."""

    characters: int
    tokens: int | None
    """None where the window is not known."""


def cap_for(window: int | None, most: int = MOST) -> Cap:
    """At most 10,000 characters, or an eighth of the window (at three characters a token), whichever is less."""
    if window is None:
        return Cap(most, None)
    return Cap(max(600, min(most, window // 8 * 3)), max(200, window // 8))


def observe(completion: Completion, output: str, cap: int, facts: tuple[str, ...]) -> Observation:
    """Compose the observation.

    Args:
        completion: how it ended.
        output: the program's output, cleaned and already cut to the cap.
        cap: characters that the result, and the traceback, may each have.
        facts: what `diagnose` looked up.

    What the person is shown is the output alone: views show results, errors and displays in their own way.
    """
    parts: list[str] = []
    if output.strip():
        parts.append(output.rstrip("\n"))
    if completion.result:
        parts.append(head_tail(completion.result.rstrip("\n"), cap // 2))
    if completion.error is not None:
        report = completion.error
        trace = report.traceback.rstrip("\n") or f"{report.name}: {report.message}"
        if trace not in output:
            parts.append(head_tail(trace, cap // 2))
    for display in completion.displays:
        parts.append(f"[{display.mime} shown to the person and saved: {display.path.rsplit('/', 1)[-1]}]")
    ending = ending_line(completion)
    if ending:
        parts.append(ending)
    if facts:
        parts.append("Facts:\n" + "\n".join(f"- {fact}" for fact in facts))
    text = "\n".join(parts) or "(no output)"
    return Observation(text=text, shown=output.rstrip("\n"), facts=facts)


def ending_line(completion: Completion) -> str:
    """How it ended, where that is not plain from the output; empty for a quiet success."""
    seconds = f"{completion.duration:.1f} s"
    match completion.status:
        case "ok":
            return f"[Limit reached: {completion.limit}.]" if completion.limit else ""
        case "error":
            code = completion.exit_status
            note = f"[exit status {code}]" if code not in (None, 0) and completion.error is None else ""
            limit = f"[Limit reached: {completion.limit}.]" if completion.limit else ""
            return " ".join(filter(None, (note, limit)))
        case "interrupted":
            note = f"[The person stopped this after {seconds}.]"
            return f"{note} {DIED}" if completion.restarted else note
        case "timeout":
            note = f"[Stopped: it ran longer than its limit ({completion.limit or seconds}).]"
            return f"{note} {DIED}" if completion.restarted else note
        case "limit":
            note = f"[Stopped by a limit: {completion.limit}.]"
            return f"{note} {DIED}" if completion.restarted else f"{note} {KEPT}"
        case "died":
            why = f" ({completion.limit})" if completion.limit else ""
            status = f", exit status {completion.exit_status}" if completion.exit_status is not None else ""
            return f"[{DIED[:-1]}{status}{why}.]"
        case "lost":
            return (
                "[The interpreter's own machinery broke while this ran. It is not known how far it got; this is not an "
                "error of your code. Check what is there before running anything again.]"
            )
