"""A session as a text for others: Markdown, a notebook, a page, a script, JSON. Secrets are redacted in each."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from ..errors import UsageError
from ..text.clean import clean_text
from ..text.decode import looks_binary, placeholder
from ..text.i18n import _
from ..text.redact import redact, redact_all
from ..types.actions import Completion
from ..types.events import Stored
from .notebook import Read, notebook
from .page import Changed, page
from .page_story import Step
from .script import facts_of, one_line, script
from .story import Ended, Entry, Ran, Said, story
from .transcript import FORMAT, messages_of

LARGEST_OUTPUT = 256 << 10
"""Bytes of an output that an export holds whole; of a larger one it holds what the model read."""
FORMS = ("md", "ipynb", "html", "py", "json", "jsonl")
"""Those that are text."""
PLACES = ("blobs", "run/outputs")
"""Folders of a session that hold what its events name."""


def kept_files(folder: Path) -> Read:
    """Reads the files of a session from its own folder alone, by their names, and follows no links: the events may come
    from another machine, and name any path."""

    def read(path: str, most: int) -> bytes | None:
        name = path.rsplit("/", 1)[-1]
        if not name or name in (".", ".."):
            return None
        for place in PLACES:
            try:
                descriptor = os.open(folder / place / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
            except OSError:
                continue
            with os.fdopen(descriptor, "rb") as file:
                facts = os.fstat(descriptor)
                if stat.S_ISREG(facts.st_mode) and facts.st_size <= most:
                    return file.read(most)
        return None

    return read


def export(
    events: Iterable[Stored], form: str, secrets: Iterable[str] = (), read: Read = lambda _path, _most: None,
    language: str = "", name: str = "", changed: Changed = lambda _before, _after: [],
) -> str:  # fmt: skip
    """The text of an export.

    Args:
        form: one of FORMS.
        secrets: values to take out beside what looks like a secret.
        read: gives the bytes of outputs and images (`kept_files`).
        language: of a script.
        name: the session's name, where it has one.
        changed: gives the paths that differ between two states of the workspace.

    Raises UsageError for another form.
    """
    known = tuple(secrets)
    match form:
        case "md":
            return markdown(events, known, read)
        case "ipynb":
            return notebook(events, known, read, lambda ran: output_of(ran, read), lambda entry: told(entry, read))
        case "html":
            return page(events, known, read, lambda step: step_output(step, read), name, changed)
        case "py":
            return script(events, known, language or "python")
        case "json":
            return json_text(events, known)
        case "jsonl":
            return "".join(json_line(stored, known) for stored in events)
        case _:
            raise UsageError(
                _("{form} is no form of export.", form=repr(form)), _("Choose one of: {forms}.", forms=", ".join(FORMS))
            )


def json_line(stored: Stored, secrets: tuple[str, ...]) -> str:
    """One event of the log, exact but for its secrets."""
    return json.dumps(redact_all(msgspec.to_builtins(stored), secrets), ensure_ascii=False) + "\n"


def json_text(events: Iterable[Stored], secrets: tuple[str, ...]) -> str:
    """The form of `chat_history.save`."""
    stored = list(events)
    body: dict[str, Any] = {
        "format": FORMAT,
        "session": stored[0].session if stored else "",
        "seq": stored[-1].seq if stored else 0,
        "messages": redact_all(messages_of(stored), secrets),
    }
    return json.dumps(body, ensure_ascii=False, indent=1) + "\n"


def output_of(ran: Ran, read: Read) -> str:
    """What the program printed, where it is small enough; else what the model read of it."""
    return printed(ran.completion, ran.text, read)


def step_output(step: Step, read: Read) -> str:
    return printed(step.completion, step.read, read)


def printed(completion: Completion | None, observed: str, read: Read) -> str:
    ref = completion.output if completion is not None else None
    if ref is None:
        return observed
    if not ref.size:
        return ""
    data = read(ref.path, LARGEST_OUTPUT) if ref.path else None
    if data is None:
        return observed
    return placeholder(data) if looks_binary(data) else clean_text(data)


def told(entry: Entry, read: Read) -> str:
    """An entry of a notebook that is no cell of code."""
    if isinstance(entry, Ran):
        return markdown_of_action(entry, read, shown=True)
    return markdown_of(entry, read)


def markdown(events: Iterable[Stored], secrets: tuple[str, ...], read: Read) -> str:
    """The conversation to be read: words, code and outputs, with images as links to their files."""
    stored = list(events)
    facts = facts_of(stored)
    parts = [f"# {_('Session {id}', id=facts.session) if facts.session else _('Session')}"]
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(facts.began)) if facts.began else ""
    line = " · ".join(one_line(part) for part in (began, ", ".join(facts.models), facts.workspace) if part)
    parts.append(f"*{line}*" if line else "")
    parts += [markdown_of(entry, read) for entry in story(stored)]
    return redact("\n\n".join(part for part in parts if part), secrets) + "\n"


def markdown_of(entry: Entry, read: Read) -> str:
    match entry:
        case Said(role="user"):
            return "\n".join(f"> {line}".rstrip() for line in clean_text(entry.text).splitlines())
        case Said():
            return clean_text(entry.text).strip()
        case Ended():
            return f"*{clean_text(entry.text).strip()}*"
        case Ran():
            return markdown_of_action(entry, read)


def markdown_of_action(ran: Ran, read: Read, *, shown: bool = False) -> str:
    """`shown`: without the note to the model, which says of code that did not run why it did not."""
    parts = [fenced(ran.code, ran.language)]
    output = "" if shown and ran.completion is None else output_of(ran, read)
    error = ran.completion.error if ran.completion is not None else None
    if ran.completion is not None and ran.completion.result:
        output = joined(output, clean_text(ran.completion.result))
    if error is not None:
        trace = clean_text(error.traceback or f"{error.name}: {error.message}")
        output = output if trace.strip() in output else joined(output, trace)
    if output.strip():
        parts.append(fenced(output, "text"))
    if ran.status not in ("ok", "error", ""):
        parts.append(f"*{ran.status}*")
    parts += [f"![{shown.mime}](<{shown.path}>)" for shown in ran.displays if shown.mime.startswith("image/")]
    return "\n\n".join(parts)


def joined(first: str, second: str) -> str:
    return first + ("" if not first or first.endswith("\n") else "\n") + second


def fenced(text: str, language: str) -> str:
    """A block whose fence is longer than any inside."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.rstrip(chr(10))}\n{fence}"
