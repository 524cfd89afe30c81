"""A session as a Jupyter notebook that can be run again."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

from ..text.clean import clean_text
from ..text.redact import redact, redact_all
from ..types.actions import Display
from ..types.events import Stored
from .script import facts_of
from .story import Entry, Ran, story

Read = Callable[[str, int], bytes | None]
"""The bytes of a file at a path if it is there and not larger than that; None otherwise."""
LARGEST_IMAGE = 32 << 20
MAGICS = {"shell": "%%bash", "javascript": "%%script node", "ruby": "%%ruby", "perl": "%%perl"}
"""How a notebook of Python runs a cell of another language."""
TEXT_MIMES = ("image/svg+xml", "application/javascript")


def notebook(
    events: Iterable[Stored], secrets: tuple[str, ...], read: Read, printed: Callable[[Ran], str],
    words: Callable[[Entry], str],
) -> str:  # fmt: skip
    """A notebook (nbformat 4.5): words as Markdown, code as cells with their outputs, images embedded.

    What did not run (denied, refused, given up) is Markdown as well: who runs all cells must not run that.

    Args:
        secrets: values to take out beside what looks like a secret.
        read: gives the bytes of images.
        printed: what a step printed.
        words: an entry as Markdown.
    """
    stored = list(events)
    facts = facts_of(stored)
    cells: list[dict[str, Any]] = []
    count = 0
    for entry in story(stored):
        if isinstance(entry, Ran) and entry.completion is not None and not entry.gone:
            count += 1
            cells.append(code_cell(entry, count, secrets, read, printed))
        else:
            cells.append({"cell_type": "markdown", "metadata": {}, "source": redact(words(entry), secrets)})
    for number, cell in enumerate(cells):
        cell["id"] = sha256(f"{number}\n{cell['source']}".encode("utf-8", "replace")).hexdigest()[:16]
    body = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "interpreter": {"session": facts.session, "models": list(facts.models)},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(body, ensure_ascii=False, indent=1) + "\n"


def code_cell(
    ran: Ran, count: int, secrets: tuple[str, ...], read: Read, printed: Callable[[Ran], str]
) -> dict[str, Any]:
    source = redact(ran.code, secrets)
    if ran.language != "python":
        source = f"{MAGICS.get(ran.language, f'%%script {ran.language}')}\n{source}"
    return {
        "cell_type": "code",
        "execution_count": count,
        "metadata": {},
        "outputs": outputs(ran, count, secrets, read, printed),
        "source": source,
    }


def outputs(
    ran: Ran, count: int, secrets: tuple[str, ...], read: Read, printed: Callable[[Ran], str]
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if text := printed(ran):
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
