"""A session as a script: what succeeded, in order, to be committed to Git and run again. Nothing is run here."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import NamedTuple

from ..errors import UsageError
from ..text.clean import clean_text
from ..text.cut import fit
from ..text.i18n import _
from ..text.redact import GONE, redact
from ..types.events import ModelAnswered, SessionStarted, Stored
from .script_cells import Cell, Reader, commented, compiles, quoted
from .story import Entry, Ran, Said, story

LANGUAGES = ("python", "shell")
"""Of a script."""
SHELL = '''
def shell(code):
    """One step in bash, in the folder and with the variables and functions of the one before it."""
    keep = """trap '{ declare -p; declare -f; printf "cd %q\\\\n" "$PWD"; } > "$0" 2> /dev/null' EXIT"""
    run = '. "$0" 2> /dev/null\\n' + keep + '\\neval "$1"'
    subprocess.run(["bash", "-c", run, os.path.join(STATE.name, "state"), code], check=True)
'''.lstrip()
DISPLAY = """
def display(*values):
    print(*values, sep="\\n")
""".lstrip()


class Facts(NamedTuple):
    """What the header says of a session."""

    session: str = ""
    workspace: str = ""
    began: float = 0.0
    models: tuple[str, ...] = ()


def facts_of(events: Iterable[Stored]) -> Facts:
    session = workspace = ""
    began = 0.0
    models: dict[str, None] = {}
    for stored in events:
        began = began or stored.time
        session = session or stored.session
        if isinstance(stored.event, SessionStarted):
            workspace = stored.event.workspace
        elif isinstance(stored.event, ModelAnswered) and stored.event.model:
            models[stored.event.model] = None
    return Facts(session, workspace, began, tuple(models))


def script(events: Iterable[Stored], secrets: Iterable[str] = (), language: str = "python") -> str:
    """The steps that succeeded as one program: those that failed, did not run or were taken back are left out.

    Args:
        secrets: values to take out beside what looks like a secret.
        language: `python`, or `shell` for the shell steps alone.

    Raises UsageError for another language.
    """
    if language not in LANGUAGES:
        raise UsageError(
            _("A script is of {choices}, not of {language}.", choices=", ".join(LANGUAGES), language=repr(language))
        )
    stored, known = list(events), tuple(secrets)
    entries = story(stored)
    steps = [entry for entry in entries if isinstance(entry, Ran)]
    writer = ShellWriter(known) if language == "shell" else PythonWriter(known)
    for entry in entries:
        writer.add(entry)
    lines = [*writer.first, *header(facts_of(stored), entries, steps, known)]
    if GONE in "".join(writer.parts):
        lines += ["", _("Secrets were taken out: fill in each {mark} before it runs.", mark=GONE)]
    text = "\n".join(f"# {line}".rstrip() if at >= len(writer.first) else line for at, line in enumerate(lines))
    return text + "\n" + writer.text()


def header(facts: Facts, entries: list[Entry], steps: list[Ran], secrets: tuple[str, ...]) -> list[str]:
    """Where the script comes from, as lines without their `#`."""
    asked = next((entry.text for entry in entries if isinstance(entry, Said) and entry.role == "user"), "")
    first = next((line.strip() for line in clean_text(redact(asked, secrets)).splitlines() if line.strip()), "")
    rows = [
        (_("Session"), facts.session),
        (_("Date"), time.strftime("%Y-%m-%d %H:%M", time.localtime(facts.began)) if facts.began else ""),
        (_("Model"), ", ".join(facts.models)),
        (_("Folder"), facts.workspace),
        (_("Task"), fit(first, 90)),
    ]
    lines = [_("Made by `interpreter sessions export`: the steps that succeeded, in order."), ""]
    lines += [_("{name}: {value}", name=name, value=one_line(value)) for name, value in rows if value]
    if left := [step for step in steps if step.status != "ok" or step.gone]:
        lines += ["", _("Left out, because they failed, did not run or were taken back: {n}", n=len(left))]
    return lines


def one_line(text: str) -> str:
    return " ".join(clean_text(text).split())


class Writer(ABC):
    """The parts of a script, in order."""

    first: tuple[str, ...] = ()

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self.parts: list[str] = []
        self._secrets = secrets

    def add(self, entry: Entry) -> None:
        if isinstance(entry, Said) and entry.role == "user" and entry.text.strip():
            words = clean_text(redact(entry.text, self._secrets)).strip()
            self.parts.append("\n".join(f"# > {line}".rstrip() for line in words.splitlines()))
        elif isinstance(entry, Ran) and entry.status == "ok" and not entry.gone and not entry.source:
            self.step(entry, redact(entry.code, self._secrets))

    @abstractmethod
    def step(self, ran: Ran, code: str) -> None:
        """Add a step that succeeded, its secrets taken out."""

    def text(self) -> str:
        return "\n" + "\n\n".join(self.parts) + "\n"


class ShellWriter(Writer):
    first = ("#!/usr/bin/env bash", "")

    def step(self, ran: Ran, code: str) -> None:
        title = f"# {step_title(ran)}"
        if ran.language == "shell":
            self.parts.append(f"{title}\n{code.strip(chr(10))}")
        else:
            self.parts.append(f"{title}\n" + commented(code, _("{language}, not shell:", language=ran.language)))


class PythonWriter(Writer):
    first = ("#!/usr/bin/env python3",)

    def __init__(self, secrets: tuple[str, ...]) -> None:
        super().__init__(secrets)
        self._reader = Reader()
        self._imports: set[str] = set()
        self._helpers: set[str] = set()
        self._kept: dict[int, str] = {}
        """By the place of its part: the code itself, to be shown as a comment should the whole not compile."""

    def step(self, ran: Ran, code: str) -> None:
        title = f"# {step_title(ran)}"
        if ran.language == "shell":
            self._need("shell", "os", "subprocess", "tempfile")
            cell = Cell(f"shell({quoted(code.strip(chr(10)))})")
        elif ran.language == "python":
            cell = self._reader.read(code)
        else:
            cell = Cell(commented(code, _("{language}, not Python:", language=ran.language)))
        self._imports |= cell.imports
        self._helpers |= cell.helpers
        self._kept[len(self.parts)] = code
        self.parts.append(f"{title}\n{cell.text}")

    def _need(self, helper: str, *modules: str) -> None:
        self._helpers.add(helper)
        self._imports.update(modules)

    def text(self) -> str:
        text = self._whole()
        if compiles(text):
            return text
        # Each step compiles by itself; some do not after the others.
        for place, code in self._kept.items():
            if not compiles(self._whole(place + 1)):
                title = self.parts[place].partition("\n")[0]
                reason = _("Left out: it does not compile after the steps before it.")
                self.parts[place] = f"{title}\n" + commented(code, reason)
        return self._whole()

    def _whole(self, most: int | None = None) -> str:
        found: list[str] = []
        if self._reader.future:
            found.append(f"from __future__ import {', '.join(sorted(self._reader.future))}")
        found.append("\n".join(f"import {name}" for name in sorted(self._imports)))
        if "loop" in self._helpers:
            found.append("LOOP = asyncio.new_event_loop()")
        if "shell" in self._helpers:
            found.append(f"STATE = tempfile.TemporaryDirectory()\n\n\n{SHELL}")
        if "display" in self._helpers:
            found.append(f"\n{DISPLAY}")
        return "\n" + "\n\n".join(part for part in (*found, *self.parts[:most]) if part) + "\n"


def step_title(ran: Ran) -> str:
    return _("Step {n}", n=ran.step) if ran.step else _("Step")
