"""A report as a page of its own: the page of the session, with the result in front."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..store.page import Read, page
from ..store.page_marks import escaped
from ..store.page_story import Step
from ..text.clean import clean_text
from ..text.cut import head_tail
from ..text.i18n import _
from .gather import Gathered, Report
from .goals import GoalReport
from .markdown import goal_word, phase_word, result_word


def html(gathered: Gathered, read: Read, output: Callable[[Step], str], name: str) -> str:
    front = tuple(_front(gathered.report))
    return page(gathered.events, gathered.secrets, read, output, name, front=front)


def _front(report: Report) -> Iterator[str]:
    kind = "ok" if report.exit_code == 0 else "warn" if report.exit_code == 4 else "bad"
    code = _("exit code {code}", code=report.exit_code)
    badge = f'<span class="badge {kind}">{escaped(result_word(report))}</span>'
    text = clean_text(report.answer or report.message).strip()
    body = f"<pre>{escaped(text)}</pre>" if text else ""
    yield (
        f'<section class="step {kind}"><div class="meta"><b>{escaped(_("Result"))}</b>{badge}'
        f"<span>{escaped(code)}</span></div>{body}</section>"
    )
    if report.goal is not None:
        yield from _goal(report.goal)


def _goal(goal: GoalReport) -> Iterator[str]:
    """What was to be reached, and what shows whether it was."""
    kind = "ok" if goal.status == "proven" else "bad"
    lines = [f"{'✓' if line.state == 'done' else '·'} {line.text}" for line in goal.plan]
    for check in goal.checks:
        own = " (" + _("the model’s own") + ")" if check.by == "model" else ""
        void = " " + _("proves nothing: it passed before any work") if check.vacuous else ""
        lines.append(f"{'✓' if check.passed else '✗'} {check.name}{own}, {phase_word(check.phase)}{void}")
        if check.told.strip() and not check.passed:
            lines += [f"    {line}" for line in head_tail(check.told, 600).splitlines()]
    lines += [f"{_('The model claimed')}: {claim.status}. {claim.evidence}" for claim in goal.claims]
    if goal.judge:
        lines.append(f"{_('The judge')}: {_('agrees') if goal.judge == 'agrees' else goal.judge}")
    for way in goal.undo:
        if way.undone is not None:
            lines.append(f"{_('Undo')}: {_('undone') if way.undone else _('not undone')}. {way.code or way.by}")
    if goal.left:
        lines.append(_("Not undone: {n} steps.", n=goal.left))
    if goal.healthy is not None:
        lines.append(_("The health checks pass.") if goal.healthy else _("The health checks still fail."))
    badge = f'<span class="badge {kind}">{escaped(goal_word(goal.status))}</span>'
    body = f"<pre>{escaped(clean_text(chr(10).join(lines)))}</pre>" if lines else ""
    yield f'<section class="step {kind}"><div class="meta"><b>{escaped(_("Goal"))}</b>{badge}</div>{body}</section>'
