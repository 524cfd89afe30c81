"""What `interpreter doctor` looks at: each thing with what was found and what to do."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ..config.settings import Settings
from ..errors import InterpreterError
from ..kernels.environments import find_environment
from ..llm.http import HttpModel
from ..sandbox import report
from ..sandbox.trial import try_walls
from ..store import Store, default_home
from ..text.i18n import _, listed
from ..types.base import Value
from ..types.walls import BackendName

RUNTIMES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Shell", ("bash",)),
    ("JavaScript", ("node",)),
    ("TypeScript", ("deno", "bun", "tsx", "tsc")),
    ("R", ("Rscript",)),
    ("Ruby", ("ruby",)),
    ("Perl", ("perl",)),
    ("PHP", ("php",)),
    ("Lua", ("lua", "lua5.4", "lua5.3")),
    ("Java", ("java",)),
    ("Go", ("go",)),
    ("C", ("cc", "gcc", "clang")),
    ("C++", ("c++", "g++", "clang++")),
    ("Rust", ("rustc",)),
    ("Julia", ("julia",)),
    ("PowerShell", ("pwsh",)),
)


class Finding(Value):
    name: str
    state: Literal["ok", "absent", "broken"]
    """absent: not there, and nothing that was asked for needs it. broken: the main job does not work without it."""
    found: str = ""
    remedy: str = ""


async def checkup(settings: Settings, workspace: Path) -> list[Finding]:
    """Look at everything. Only the model's server is spoken to, and only to ask what it serves."""
    return [
        Finding(name="Python", state="ok", found=f"{platform.python_version()} ({sys.executable})"),
        _home(),
        *_walls(settings),
        await _model(settings),
        _environment(settings, workspace),
        *_languages(),
    ]


def ready(findings: list[Finding]) -> bool:
    return not any(finding.state == "broken" for finding in findings)


def _home() -> Finding:
    name = _("Log of the sessions")
    try:
        with Store.open(default_home()) as store:
            found = _("{n} sessions in {path}", n=len(store.sessions()), path=str(store.home))
        return Finding(name=name, state="ok", found=found)
    except InterpreterError as error:
        return Finding(name=name, state="broken", found=error.message, remedy=error.hint)


def _walls(settings: Settings) -> Iterator[Finding]:
    reports = report()
    wanted = settings.walls.backend
    any_works = any(one.works for one in reports)
    strongest = next((one.name for one in reports if one.works), "") if wanted == "auto" else wanted
    for one in reports:
        name = _("Sandbox {name}", name=one.name)
        if one.works:
            yield _held(name, one.name, chosen=one.name == strongest)
            continue
        needed = wanted == one.name or (wanted == "auto" and not any_works)
        yield Finding(name=name, state="broken" if needed else "absent", found=one.reason, remedy=one.remedy)
    if wanted == "host":
        remedy = _("Leave out --sandbox host, or take `sandbox: host` out of your configuration.")
        yield Finding(name=_("Sandbox in use"), state="absent", found=_("none: code may do all that you may"),
                      remedy=remedy)  # fmt: skip


def _held(name: str, backend: BackendName, *, chosen: bool) -> Finding:
    """Each wall of a backend, as it was tried from inside just now."""
    trial = try_walls(backend)
    if trial.problem:
        return Finding(name=name, state="absent", found=_("starts, but could not be tried: {problem}",
                       problem=trial.problem))  # fmt: skip
    words = {
        "files": _("files outside"),
        "names": _("names outside"),
        "modes": _("modes and times outside"),
        "protected": _("git and settings read-only"),
        "network": _("network"),
        "services": _("sockets of services"),
        "processes": _("sight of processes"),
        "signals": _("signals"),
        "temporary": _("a /tmp of its own"),
        "grants": _("grants to living kernels"),
    }
    held = listed(words[wall] for wall in trial.held)
    found = _("in use; holds: {walls}", walls=held) if chosen else _("works; holds: {walls}", walls=held)
    if trial.open:
        found += "\n" + _("does not hold: {walls}", walls=listed(words[wall] for wall in trial.open))
    return Finding(name=name, state="ok", found=found)


async def _model(settings: Settings) -> Finding:
    client = HttpModel(settings.llm)
    name = _("Model")
    try:
        facts = await client.connect()
    except InterpreterError as error:
        return Finding(name=name, state="broken", found=error.message, remedy=error.hint)
    finally:
        await client.close()
    window = settings.llm.context_window or facts.context_window
    size = _("window of {n} tokens", n=window) if window else _("window unknown: give --context_window")
    return Finding(name=name, state="ok", found=f"{facts.model} · {facts.kind} · {facts.api_base} · {size}")


def _environment(settings: Settings, workspace: Path) -> Finding:
    name = _("Python for your code")
    try:
        environment = find_environment(workspace, default_home(), os.environ, base=settings.walls.python)
    except InterpreterError as error:
        return Finding(name=name, state="broken", found=error.message, remedy=error.hint)
    return Finding(name=name, state="ok", found=environment.python)


def _languages() -> Iterator[Finding]:
    missing: list[str] = []
    for name, programs in RUNTIMES:
        found = next((path for program in programs if (path := shutil.which(program))), "")
        if found:
            yield Finding(name=name, state="ok", found=found)
        else:
            missing.append(name)
    if missing:
        remedy = _("Install one where you want it; nothing else needs it.")
        yield Finding(name=_("Other languages"), state="absent", found=listed(missing), remedy=remedy)
