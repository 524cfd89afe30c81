"""What a run leaves behind when it is over: reports, and what the build server it runs on wants to know."""

from __future__ import annotations

import os

from ..app.reporting import Reporting, check_before
from ..config.settings import Settings
from ..errors import InterpreterError
from ..text.commands import build_server
from ..text.i18n import _
from .say import say


def wants_report(settings: Settings) -> bool:
    """Whether anything is to be written after the run; false on the way of an ordinary one."""
    return bool(settings.report) or any(job_files())


def job_files() -> tuple[str, str]:
    """The files that GitHub reads a step's summary and outputs from."""
    if build_server(os.environ) != "github":
        return "", ""
    return os.environ.get("GITHUB_STEP_SUMMARY", ""), os.environ.get("GITHUB_OUTPUT", "")


def check_report(settings: Settings, resume: str) -> None:
    """Raises UsageError, ConfigError for what could not be written or used; called before anything is begun."""
    check_before(settings.report, settings.agent.output_schema, settings.record, resume)


def report_run(settings: Settings, session: str, exit_code: int) -> None:
    """Write what was asked for. A report that cannot be written is told and changes no exit code: the work is done."""
    if not wants_report(settings):
        return
    summary, outputs = job_files()
    try:
        Reporting(settings).write(session, settings.report, exit_code, job_summary=summary, job_outputs=outputs)
    except InterpreterError as error:
        say(_("The report was not written: {message}", message=error.message))
        return
    for path in settings.report:
        say(_("Report: {path}", path=path))
