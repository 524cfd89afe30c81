"""`interpreter doctor --model`: whether a model is served well enough to work as an agent, and what to change."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..app.trial import ProbeResult, ServerReport, try_model
from ..config.settings import Settings
from ..text.cut import pad
from ..text.i18n import _

TITLE, WAY = 31, 14
"""Columns."""


async def doctor_model(
    settings: Settings, write: Callable[[str], None], print_json: Callable[[ServerReport], None] | None = None
) -> int:
    """Print a row as each micro-task ends, then the figures and what to change; or the whole report by `print_json`.

    Returns 0 where one way of asking works and the model stops when it is done, else 1.
    Raises ModelError (exit 6) where the server cannot be reached or is lost on the way.
    """
    if print_json is not None:
        report = await try_model(settings.llm, lambda result: None)
        print_json(report)
        return 0 if report.usable else 1
    write(_("Asking twelve micro-tasks. Nothing that the model writes is run."))
    write("")
    report = await try_model(settings.llm, lambda result: write(row(result)))
    write("")
    for line in (*figures(report), *changes(report), "", verdict(report)):
        write(line)
    return 0 if report.usable else 1


def row(result: ProbeResult) -> str:
    ways = {
        "native": _("native call"),
        "tag": _("call in text"),
        "fence": _("fenced block"),
        "json": _("JSON in text"),
        "text": _("text"),
    }
    mark = "✓" if result.ok else "✗"
    line = f"{mark} {pad(result.title, TITLE)}{pad(ways.get(result.way, ''), WAY)}{result.why}"
    return line.rstrip()


def figures(report: ServerReport) -> Iterator[str]:
    """Each figure with its name."""
    facts = report.facts
    unknown = _("not reported")
    rows = [(_("Server"), f"{facts.kind} · {facts.api_base} · {facts.model}")]
    tools = {"taken": _("taken"), "refused": _("refused: {reason}", reason=report.refusal), "off": _("not tried")}
    rows.append((_("Tools"), tools[report.tools]))
    window = _("{n} tokens", n=facts.context_window) if facts.context_window else unknown
    rows.append((_("Context window"), window))
    first = report.first_token
    rows.append((_("Time to first token"), unknown if first is None else _("{n} s (median)", n=f"{first:.2f}")))
    rate = unknown if report.rate is None else _("{n} tokens per second", n=f"{report.rate:.0f}")
    if report.rate is not None and not report.rate_counted:
        rate += " " + _("(estimated)")
    rows.append((_("Speed"), rate))
    cached = _("{n} of {all} tokens of a second request", n=report.cached, all=report.prompt)
    rows.append((_("Cache"), cached if report.cached else unknown))
    rows.append((_("Token counts"), _("reported") if report.usage_reported else unknown))
    for name, value in rows:
        yield pad(name, TITLE + 2) + value


def changes(report: ServerReport) -> Iterator[str]:
    if report.advice:
        yield ""
        yield _("What to change:")
        for sentence in report.advice:
            yield f"  - {sentence}"


def verdict(report: ServerReport) -> str:
    good = sum(result.ok for result in report.results)
    told = _("{n} of {all} went well.", n=good, all=len(report.results))
    if report.usable:
        return f"{told} " + _("The model can be used.")
    return f"{told} " + _("The model cannot be used like this: no way of asking works, or it does not stop.")
