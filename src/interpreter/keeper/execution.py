"""One run of code in a kernel: its bounds, its output, and the completion that it becomes."""

import base64
import binascii
import json
import os
import time
from typing import Any

from . import tree
from .loop import Loop, Timer
from .output import Live, Output, create

MAX_DISPLAYS = 100
MAX_DISPLAY_BYTES = 256 << 20
MAX_RESULT = 64 << 10
MAX_TRACEBACK = 64 << 10
MAX_CONTEXT = 8 << 10
MAX_LEVELS = 16
"""Lists and tables within each other in a context."""
# The best representation first.
MIMES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/svg+xml": ".svg",
    "application/pdf": ".pdf",
    "text/html": ".html",
    "text/markdown": ".md",
    "text/latex": ".tex",
    "application/json": ".json",
    "text/plain": ".txt",
}
BASE64 = {"image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"}
STATUSES = {"ok", "error", "interrupted"}
STOPPED_BY = {"interrupt": "interrupted", "timeout": "timeout", "limit": "limit"}


class Execution:
    """Holds what is known about a run. Its kernel tells it what happens and asks it for the completion."""

    def __init__(self, loop: Loop, outputs: str, request: dict[str, Any], live: Live) -> None:
        self.request = request
        self.id: str = request["execution"]
        self.code: str = request.get("code", "")
        self.limits: dict[str, Any] = request.get("limits") or {}
        self.interactive = bool(request.get("interactive"))
        self.token = os.urandom(10).hex()
        """What the guest knows it by; only this one run has it."""
        self._loop = loop
        self._outputs = outputs
        self.output = Output(loop, outputs, self.id, self.limits.get("output"), live)
        self.displays: list[dict[str, Any]] = []
        self._display_bytes = 0
        self.asked: dict[str, Any] | None = None
        """The input event that waits for an answer."""
        self.reason = ""
        """interrupt, timeout or limit, once something wants it to stop; the first one counts."""
        self.limit = ""
        self.acknowledged = False
        """True when the guest has said that the interrupt reached it."""
        self.killed = False
        self.began = time.monotonic()
        self.timers: list[Timer] = []
        self.members: list[int] = []
        """The tree at the last look."""
        self._cpu_before = 0.0
        self._cpu = 0.0
        self._peak = 0

    def begin(self, members: list[int], cpu: float) -> None:
        """The code is on its way to the guest; the tree has used `cpu` seconds so far."""
        self.began = time.monotonic()
        self.members = members
        for pid in members:
            tree.reset_peak(pid)
        self._cpu_before = cpu

    def sample(self, members: list[int], usage: tuple[float, int]) -> tuple[float, int]:
        """What the tree has used: seconds of CPU since the beginning, resident bytes now."""
        self.members = members
        cpu, memory = usage
        self._cpu = max(self._cpu, cpu - self._cpu_before)
        self._peak = max(self._peak, memory)
        return self._cpu, memory

    def resources(self) -> dict[str, Any]:
        """What it used."""
        self._peak = max([self._peak, *(tree.peak(pid) for pid in self.members)])
        return {"cpu": round(max(self._cpu, 0.0), 3), "memory": self._peak}

    def show(self, bundle: dict[str, Any]) -> dict[str, Any] | None:
        """Write the best representation of a MIME bundle; None when there is none or too many came."""
        text = _text(bundle.get("text/plain"), MAX_RESULT)
        mime = next((mime for mime in MIMES if isinstance(bundle.get(mime), (str, dict, list))), None)
        if mime is None or len(self.displays) >= MAX_DISPLAYS:
            return None
        data = _decode(mime, bundle[mime])
        if data is None or self._display_bytes + len(data) > MAX_DISPLAY_BYTES:
            return None
        path = os.path.join(self._outputs, f"{self.id}.{len(self.displays) + 1}{MIMES[mime]}")
        try:
            with open(create(path), "wb") as file:
                file.write(data)
        except OSError:
            return None
        self._display_bytes += len(data)
        display = {"mime": mime, "path": path, "text": text, "size": len(data)}
        self.displays.append(display)
        return display

    def completion(self, status: str, exit_status: int | None, report: dict[str, Any]) -> dict[str, Any]:
        """Close the books. `report` is the guest's claim: every field of it is checked and cut here."""
        for timer in self.timers:
            timer.cancel()
        if self.reason and (status != "ok" or self.killed):
            status = STOPPED_BY[self.reason]
        context = report.get("context")
        if not isinstance(context, dict) or not _sound(context):
            context = {}
        return {
            "execution": self.id,
            "status": status,
            "exit_status": exit_status,
            "duration": round(time.monotonic() - self.began, 6),
            "error": _error(report.get("error")),
            "result": _text(report.get("result"), MAX_RESULT),
            "displays": self.displays,
            "resources": self.resources(),
            "output": self.output.close(),
            "limit": self.limit,
            "restarted": self.killed,
            "context": context,
        }


def _sound(context: Any) -> bool:
    """Whether a context is small enough, and JSON that every reader takes: flat enough, and without NaN."""
    try:
        return _shallow(context, MAX_LEVELS) and len(json.dumps(context, allow_nan=False)) <= MAX_CONTEXT
    except ValueError:
        return False


def _shallow(value: Any, levels: int) -> bool:
    parts: Any = list(value.values()) if isinstance(value, dict) else value  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType, reportUnknownArgumentType]
    return not isinstance(parts, list) or (levels > 0 and all(_shallow(part, levels - 1) for part in parts))  # pyright: ignore[reportUnknownVariableType]


def _decode(mime: str, value: Any) -> bytes | None:
    if mime not in BASE64:
        try:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        except RecursionError:
            return None
        return text.encode("utf-8", "replace")
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except (ValueError, binascii.Error):
        return None


def _text(value: Any, most: int) -> str:
    """A string of at most `most` characters that can be encoded; its middle gives way."""
    if not isinstance(value, str):
        return ""
    value = value.encode("utf-8", "replace").decode()
    if len(value) <= most:
        return value
    half = most // 2
    return f"{value[:half]}\n... {len(value) - 2 * half} characters left out ...\n{value[-half:]}"


def _error(claim: Any) -> dict[str, Any] | None:
    if not isinstance(claim, dict):
        return None
    known: dict[str, Any] = claim  # pyright: ignore[reportUnknownVariableType]
    line = known.get("line")
    return {
        "name": _text(known.get("name"), 200) or "Error",
        "message": _text(known.get("message"), MAX_TRACEBACK),
        "traceback": _text(known.get("traceback"), MAX_TRACEBACK),
        "line": line if type(line) is int and 0 < line < 1 << 31 else None,
    }
