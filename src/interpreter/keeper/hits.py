"""Limits that the system itself has held: which one a program ran into, in words.

What the system counts is a fact; what the guest or an exit status says is a claim, and worth a hint, no more.
"""

import re
import signal
from typing import Any, NamedTuple

from .disk import amount

ENOUGH = 4096
"""Characters of an error's message that are read."""
FILE_SIZE = re.compile(r"\bFile too large\b|\bEFBIG\b|\[Errno 27\]|File size limit exceeded")
OPEN_FILES = re.compile(r"\bToo many open files\b|\bEMFILE\b|\[Errno 24\]")
PROCESSES = re.compile(r"Resource temporarily unavailable|can't start new thread|\bEAGAIN\b")
MEMORY = re.compile(r"\bCannot allocate memory\b|\bENOMEM\b|\[Errno 12\]|out of memory|OutOfMemory", re.IGNORECASE)
MEMORY_ERRORS = ("MemoryError", "_ArrayMemoryError", "OutOfMemoryError")
CROWDED = 0.9
"""Of the allowed processes: with that many, a refused one was most likely ours."""


class Counts(NamedTuple):
    """What the system counted during a run."""

    ooms: int = 0
    """Processes that it ended because the memory was used up."""
    refused: int = 0
    """Processes that it did not let begin."""
    most: int = 0
    """Processes at a time, as far as they were seen."""


def counted(bounds: dict[str, Any], counts: Counts) -> str:
    """The limit that the system says was hit; empty when none was."""
    if counts.ooms > 0:
        ended = "a process was ended" if counts.ooms == 1 else f"{counts.ooms} processes were ended"
        return f"memory: {amount(bounds.get('memory') or 0)} allowed for all processes together; {ended}"
    if counts.refused > 0:
        return f"processes: {bounds.get('processes')} allowed, {counts.refused:,} more were refused"
    return ""


def claimed(bounds: dict[str, Any], counts: Counts, exit_status: int | None, error: Any, tail: bytes) -> str:
    """The limit that a program's end speaks of, `tail` being the end of its output; empty when there is none."""
    report: dict[str, Any] = error if isinstance(error, dict) else {}  # pyright: ignore[reportUnknownVariableType]
    name, text = str(report.get("name", ""))[:200], str(report.get("message", ""))[:ENOUGH]
    text += "\n" + tail.decode("utf-8", "replace")
    memory, size, files, most = (bounds.get(key) for key in ("memory", "file_size", "open_files", "processes"))
    if memory and (name in MEMORY_ERRORS or MEMORY.search(text)):
        return f"memory: {amount(memory)} allowed"
    if size and (FILE_SIZE.search(text) or exit_status == 128 + signal.SIGXFSZ):
        return f"file size: {amount(size)} allowed for one file"
    if files and OPEN_FILES.search(text):
        return f"open files: {files} allowed for one process"
    if most and counts.most >= most * CROWDED and PROCESSES.search(text):
        return f"processes: {most} allowed, {counts.most} were running"
    return ""
