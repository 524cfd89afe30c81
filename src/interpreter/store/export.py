"""A session as a file for others: Markdown, a Jupyter notebook, JSON, JSON lines. Secrets are redacted in each."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from ..errors import UsageError
from ..text.clean import clean_text
from ..text.decode import looks_binary, placeholder
from ..text.i18n import _
from ..text.redact import redact, redact_all
from ..types.actions import Display
from ..types.events import SessionStarted, Stored
from .story import Ended, Entry, Ran, Said, story
from .transcript import FORMAT, messages_of

LARGEST_OUTPUT = 256 << 10
"""Bytes of an output that an export holds whole; of a larger one it holds what the model read."""
LARGEST_IMAGE = 32 << 20
Read = Callable[[str, int], bytes | None]
"""The bytes of a file at a path if it is there and not larger than that; None otherwise."""
MAGICS = {"shell": "%%bash", "javascript": "%%script node", "ruby": "%%ruby", "perl": "%%perl"}
"""How a notebook of Python runs a cell of another language."""
TEXT_MIMES = ("image/svg+xml", "application/javascript")
FORMS = ("md", "ipynb", "json", "jsonl")


def read_file(path: str, most: int) -> bytes | None:
    try:
        file = Path(path)
        return file.read_bytes() if file.is_file() and file.stat().st_size <= most else None
    except OSError:
        return None


def export(events: Iterable[Stored], form: str, secrets: Iterable[str] = (), read: Read = read_file) -> str:
    """The text of an export.

    Args:
        form: `md`, `ipynb`, `json` or `jsonl`.
        secrets: values to take out beside what looks like a secret.
        read: gives the bytes of outputs and images.

    Raises UsageError for another form.
    """
    known = tuple(secrets)
    match form:
        case "md":
            return markdown(events, known, read)
        case "ipynb":
            return notebook(events, known, read)
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
    ref = ran.completion.output if ran.completion is not None else None
    if ref is None:
        return ran.text
    if not ref.size:
        return ""
    data = read(ref.path, LARGEST_OUTPUT) if ref.path else None
    if data is None:
        return ran.text
    return placeholder(data) if looks_binary(data) else clean_text(data)


def markdown(events: Iterable[Stored], secrets: tuple[str, ...], read: Read) -> str:
    """The conversation to be read: words, code and outputs, with images as links to their files."""
    stored = list(events)
    parts = [f"# {first_line(stored)}"]
    parts += [markdown_of(entry, read) for entry in story(stored)]
    return redact("\n\n".join(part for part in parts if part), secrets) + "\n"


def first_line(events: Iterable[Stored]) -> str:
    started = next((s.event for s in events if isinstance(s.event, SessionStarted)), None)
    return _("Session {id}", id=started.session) if started is not None else _("Session")


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


def markdown_of_action(ran: Ran, read: Read) -> str:
    parts = [fenced(ran.code, ran.language)]
    output = output_of(ran, read)
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


def notebook(events: Iterable[Stored], secrets: tuple[str, ...], read: Read) -> str:
    """A notebook (nbformat 4.5): words as Markdown, code as cells with their outputs, images embedded."""
    stored = list(events)
    cells: list[dict[str, Any]] = []
    count = 0
    for entry in story(stored):
        if isinstance(entry, Ran):
            count += 1
            cells.append(code_cell(entry, count, secrets, read))
        else:
            cells.append({"cell_type": "markdown", "metadata": {}, "source": redact(markdown_of(entry, read), secrets)})
    for number, cell in enumerate(cells):
        cell["id"] = sha256(f"{number}\n{cell['source']}".encode("utf-8", "replace")).hexdigest()[:16]
    body = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(body, ensure_ascii=False, indent=1) + "\n"


def code_cell(ran: Ran, count: int, secrets: tuple[str, ...], read: Read) -> dict[str, Any]:
    source = redact(ran.code, secrets)
    if ran.language != "python":
        source = f"{MAGICS.get(ran.language, f'%%script {ran.language}')}\n{source}"
    return {
        "cell_type": "code",
        "execution_count": count,
        "metadata": {},
        "outputs": outputs(ran, count, secrets, read),
        "source": source,
    }


def outputs(ran: Ran, count: int, secrets: tuple[str, ...], read: Read) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if text := output_of(ran, read):
        found.append({"output_type": "stream", "name": "stdout", "text": redact(text, secrets)})
    completion = ran.completion
    if completion is None:
        return found
    for display in ran.displays:
        found.append({"output_type": "display_data", "data": bundle(display, secrets, read), "metadata": {}})
    if completion.result:
        data = {"text/plain": redact(clean_text(completion.result), secrets)}
        found.append({"output_type": "execute_result", "execution_count": count, "data": data, "metadata": {}})
    if (error := completion.error) is not None:
        found.append(
            {
                "output_type": "error",
                "ename": error.name,
                "evalue": redact(clean_text(error.message), secrets),
                "traceback": redact(clean_text(error.traceback), secrets).splitlines(),
            }
        )
    return found


def bundle(display: Display, secrets: tuple[str, ...], read: Read) -> dict[str, Any]:
    """A rich result with its data inside; only its text where the file is gone or too large."""
    plain: dict[str, Any] = {"text/plain": redact(clean_text(display.text), secrets) or f"[{display.mime}]"}
    data = read(display.path, LARGEST_IMAGE)
    if data is None or display.mime == "text/plain":
        return plain
    if display.mime.startswith("text/") or display.mime in TEXT_MIMES:
        return {display.mime: redact(data.decode("utf-8", "replace"), secrets), **plain}
    if display.mime.endswith("json"):
        try:
            return {display.mime: redact_all(json.loads(data), secrets), **plain}
        except ValueError:
            return plain
    return {display.mime: base64.b64encode(data).decode("ascii"), **plain}
