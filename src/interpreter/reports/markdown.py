"""A report in Markdown: for people, and as the summary of a job. What programs and models wrote stays text in it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from ..store.page import seconds, status_word
from ..text.clean import clean_text, reveal
from ..text.cut import head_tail
from ..text.i18n import _
from .gather import Report, StepReport
from .goals import GoalReport

MOST_SUMMARY = 400_000
"""Characters of a job's summary; GitHub takes a megabyte of a step."""
MOST_SHOWN = 2_000
FENCE = re.compile(r"`{3,}")
SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|<>~&@])")


def markdown(report: Report) -> str:
    return "\n".join(_lines(report)) + "\n"


def summary(report: Report) -> str:
    """The same within what a build server takes."""
    text = markdown(report)
    if len(text.encode("utf-8", "replace")) <= MOST_SUMMARY:
        return text
    return markdown(shortened(report))


def shortened(report: Report) -> Report:
    from_end = report.steps[-20:]
    steps = tuple(
        StepReport(
            number=step.number, language=step.language, status=step.status, verdict=step.verdict, rules=step.rules,
            code=head_tail(step.code, 1_000), output=head_tail(step.output, 1_000), duration=step.duration,
        )
        for step in from_end
    )  # fmt: skip
    return Report(
        session=report.session, workspace=report.workspace, sandbox=report.sandbox, version=report.version,
        models=report.models, began=report.began, ended=report.ended, duration=report.duration,
        asked=tuple(head_tail(text, 4_000) for text in report.asked[-5:]), status=report.status,
        exit_code=report.exit_code, answer=head_tail(report.answer, 20_000), message=head_tail(report.message, 4_000),
        steps=steps, left_out=report.left_out + len(report.steps) - len(steps), failed=report.failed,
        prompt_tokens=report.prompt_tokens, cached_tokens=report.cached_tokens,
        completion_tokens=report.completion_tokens, cost=report.cost, requests=report.requests,
        from_cache=report.from_cache, goal=report.goal,
    )  # fmt: skip


def plain(text: str) -> str:
    """One line that Markdown shows as it stands: no link, no image, no mention, no tag."""
    line = " ".join(reveal(clean_text(text)).split())
    return SPECIAL.sub(r"\\\1", line).replace("://", ":\u200b//")


def block(text: str, language: str = "") -> str:
    """A block of code that nothing in the text can end."""
    text = reveal(clean_text(text)).rstrip("\n")
    longest = max((len(found[0]) for found in FENCE.finditer(text)), default=2)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def result_word(report: Report) -> str:
    return {
        "done": _("done"), "failed": _("failed"), "interrupted": _("interrupted"), "denied": _("denied"),
        "limit": _("a limit was reached"), "model": _("the model failed"), "waiting": _("waiting for an answer"),
        "sandbox": _("no sandbox"), "running": _("not ended"),
    }.get(report.status, report.status)  # fmt: skip


def facts(report: Report) -> Iterator[tuple[str, str]]:
    """Name and value, what there is of them."""
    yield _("Result"), f"{result_word(report)} ({report.exit_code})"
    yield _("Session"), report.session
    yield _("Model"), ", ".join(report.models)
    yield _("Sandbox"), report.sandbox
    yield _("Folder"), report.workspace
    yield _("Time"), seconds(report.duration)
    failed = " " + _("({n} failed)", n=report.failed) if report.failed else ""
    yield _("Steps"), f"{sum(1 for step in report.steps if step.number) + report.left_out}{failed}"
    tokens = report.prompt_tokens + report.completion_tokens
    cached = " " + _("({n} answers from the cache, at no cost)", n=report.from_cache) if report.from_cache else ""
    yield _("Tokens"), f"{tokens:,}{cached}"
    if report.cost is not None:
        yield _("Cost"), f"{report.cost:.4f}"


def _lines(report: Report) -> Iterator[str]:
    mark = "✅" if report.exit_code == 0 else "⏸️" if report.exit_code == 4 else "❌"
    first = next((line for text in report.asked for line in text.splitlines() if line.strip()), report.session)
    yield f"## {mark} {plain(first)[:200]}\n"
    yield "| | |\n|---|---|"
    yield from (f"| {name} | {plain(value)} |" for name, value in facts(report) if value)
    yield ""
    yield from _section(_("Answer"), report.answer)
    yield from _section(_("What happened"), report.message)
    if report.goal is not None:
        yield from goal_lines(report.goal)
    for text in report.asked:
        if "\n" in text.strip() or len(report.asked) > 1:
            yield from _section(_("Asked"), text)
    if report.steps:
        yield f"### {_('Steps')}\n"
    for step in report.steps:
        yield from _step(step)
    if report.left_out:
        yield _("{n} steps are left out here; they are in the session.", n=report.left_out) + "\n"
    for note in report.notes:
        yield f"- {plain(note)}"


def goal_word(status: str) -> str:
    return {
        "proven": _("proven by checks"), "failed": _("failed"), "blocked": _("blocked"),
        "unproven": _("could not be verified"), "worse": _("a health check got worse; undone"), "undone": _("undone"),
        "denied": _("denied"), "waiting": _("waiting for an answer"), "limit": _("a limit was reached"),
        "model": _("the model failed"), "sandbox": _("no sandbox"), "interrupted": _("interrupted"),
        "": _("not ended"),
    }.get(status, status)  # fmt: skip


def purpose_word(purpose: str) -> str:
    return {"check": _("check"), "health": _("health check"), "undo": _("undo")}.get(purpose, purpose)


def goal_lines(goal: GoalReport) -> Iterator[str]:
    """Plan, checks with what they showed, claims and what was taken back."""
    yield f"### {_('Goal')}: {goal_word(goal.status)}\n"
    if goal.plan:
        yield from (f"- [{'x' if line.state == 'done' else ' '}] {plain(line.text)}" for line in goal.plan)
        yield ""
    if goal.checks:
        yield f"| {_('Check')} | {_('When')} | {_('Result')} | {_('It showed')} |\n|---|---|---|---|"
        for check in goal.checks:
            name = plain(check.name) + (f" ({_('the model’s own')})" if check.by == "model" else "")
            told = plain(head_tail(check.told, 300))
            mark = "✅" if check.passed else "❌"
            void = " " + _("proves nothing: it passed before any work") if check.vacuous else ""
            yield f"| {name} | {phase_word(check.phase)} | {mark}{void} | {told} |"
        yield ""
    for claim in goal.claims:
        yield f"- {_('The model claimed')}: {plain(claim.status)}. {plain(head_tail(claim.evidence, 1_000))}"
    if goal.judge:
        yield f"- {_('The judge')}: {_('agrees') if goal.judge == 'agrees' else plain(goal.judge)}"
    if goal.changed:
        yield f"- {_('Files of checks that the run has changed')}: {plain(', '.join(goal.changed))}"
    yield from undo_lines(goal)
    yield ""


def undo_lines(goal: GoalReport) -> Iterator[str]:
    for way in goal.undo:
        if way.undone is None:
            continue
        done = _("undone") if way.undone else _("not undone")
        yield f"- {_('Undo')}: {done}. {plain(way.code or way.by)} {plain(head_tail(way.told, 300))}".rstrip()
    if goal.left:
        yield f"- {_('Not undone: {n} steps.', n=goal.left)}"
    if goal.healthy is not None:
        yield f"- {_('The health checks pass.') if goal.healthy else _('The health checks still fail.')}"


def phase_word(phase: str) -> str:
    return {
        "before": _("before any work"), "stated": _("when stated"), "claim": _("after the claim"),
        "health": _("health"), "undo": _("after the undo"),
    }.get(phase, phase)  # fmt: skip


def _section(title: str, text: str) -> Iterator[str]:
    if text.strip():
        yield f"### {title}\n"
        yield block(text) + "\n"


def _step(step: StepReport) -> Iterator[str]:
    name = _("Step {n}", n=step.number) if step.number else _("Step")
    title = html.escape(" · ".join(step_facts(name, step)))
    yield f"<details{'' if step.status == 'ok' else ' open'}><summary>{title}</summary>\n"
    yield block(head_tail(step.code, MOST_SHOWN), step.language if step.language.isalnum() else "") + "\n"
    if step.output:
        yield block(head_tail(step.output, MOST_SHOWN)) + "\n"
    if step.error:
        yield plain(step.error) + "\n"
    for line in step.network:
        yield f"- {_('network: {what}', what=plain(line))}"
    yield "</details>\n"


def step_facts(name: str, step: StepReport) -> Iterator[str]:
    yield name
    if step.purpose:
        yield purpose_word(step.purpose)
    yield step.language
    yield status_word(step.status)
    if step.duration:
        yield seconds(step.duration)
    if step.approval:
        by = step.by or "?"
        yes = step.approval in ("yes", "always", "session", "edit")
        yield _("approved by {by}", by=by) if yes else _("denied by {by}", by=by)
    elif step.verdict == "deny":
        yield _("denied by a rule") + " " + ", ".join(step.rules)
