"""Reports of a run that has ended: read from the log, written where the person said before any code ran."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ..agent.shape import Shape
from ..errors import UsageError
from ..reports.gather import Gathered, Report
from ..reports.html import html
from ..reports.markdown import markdown, summary
from ..reports.outputs import outputs
from ..reports.place import add_to, put_file
from ..store.export import kept_files, step_output
from ..text.i18n import _
from ..types.base import whole
from .readings import Readings

HEAD = b'{"type":"begun"'
"""How a recording begins."""
ENDINGS = (".html", ".htm", ".md", ".json")


class Reporting(Readings):
    """Opens the log, reads it, and closes it again."""

    def gather(self, session: str, exit_code: int | None) -> tuple[Report, Gathered, str]:
        """The report of a session, what it was read from, and its page. Raises SessionUnknown, LogDamaged."""
        with self._store() as store:
            log = store.visit(store.find(session).id)
            labels = store.labels().get(log.id)
            read = kept_files(log.folder)
            gathered = Gathered(log.events(), self._secrets, lambda step: step_output(step, read), exit_code)
            name = labels.name if labels is not None else ""
            return gathered.report, gathered, html(gathered, read, lambda step: step_output(step, read), name)

    def write(
        self,
        session: str,
        paths: tuple[str, ...],
        exit_code: int | None,
        *,
        job_summary: str = "",
        job_outputs: str = "",
    ) -> Report:
        """Write each report, the job's summary and its outputs. Raises StoreError for the first that cannot be."""
        report, _gathered, page = self.gather(session, exit_code)
        for path in paths:
            put_file(Path(path), text_of(report, page, Path(path).suffix.lower()).encode("utf-8", "replace"))
        if job_summary:
            add_to(Path(job_summary), summary(report).encode("utf-8", "replace"))
        if job_outputs:
            add_to(Path(job_outputs), outputs(values_of(report, paths)).encode("utf-8", "replace"))
        return report


def text_of(report: Report, page: str, ending: str) -> str:
    if ending == ".json":
        return msgspec.json.format(msgspec.json.encode(whole(report)), indent=2).decode() + "\n"
    return markdown(report) if ending == ".md" else page


def values_of(report: Report, paths: tuple[str, ...]) -> dict[str, str]:
    """The outputs of a job; each is there in every run."""
    return {
        "status": report.status,
        "exit_code": str(report.exit_code),
        "answer": report.answer,
        "message": report.message,
        "session": report.session,
        "report": paths[0] if paths else "",
        "steps": str(sum(1 for step in report.steps if step.number) + report.left_out),
        "tokens": str(report.prompt_tokens + report.completion_tokens),
        "cost": "" if report.cost is None else f"{report.cost:.6f}",
    }


def check_before(paths: tuple[str, ...], schema: str, record: str, resume: str) -> None:
    """Raises UsageError for a report that could not be written, ConfigError for a schema that cannot be used: before
    anything else is done."""
    if schema:
        Shape(schema)
    if record:
        check_recording(Path(record), resume)
    for path in map(Path, paths):
        if path.suffix.lower() not in ENDINGS:
            raise UsageError(
                _("A report cannot be written as {path}: its form is not known.", path=path),
                _("Give it one of these endings: {endings}.", endings=", ".join(ENDINGS)),
            )
        if not path.parent.is_dir():
            raise UsageError(_("There is no folder {path}.", path=path.parent), _("Make it first: nothing was done."))


def check_recording(path: Path, resume: str) -> None:
    if resume:
        raise UsageError(
            _("A recording begins with its session: --record cannot be used with --resume."),
            _("Nothing was done. Leave one of them out."),
        )
    if not path.parent.is_dir():
        raise UsageError(_("There is no folder {path}.", path=path.parent), _("Make it first: nothing was done."))
    try:
        with path.open("rb") as file:
            begins = file.read(len(HEAD))
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(_("{path} cannot be read: {reason}.", path=path, reason=error.strerror)) from None
    if begins not in (b"", HEAD):
        raise UsageError(
            _("{path} is there already, and is no recording.", path=path),
            _("Nothing was written. Name another file."),
        )
