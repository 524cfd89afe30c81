"""Standard input that is not a terminal: the task, or the data of a task."""

from __future__ import annotations

import os
import select
import shutil
import stat
import tempfile
from pathlib import Path
from typing import IO, cast

from ..errors import UsageError
from ..text.i18n import _
from .say import say

LONGEST_TASK = 4 << 20
HEAD = 1_000
"""Characters of the data that the model sees at once."""


def has_data() -> bool:
    """True when standard input is a file or a pipe that may hold something; not a terminal, not /dev/null."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def wait_for_data() -> None:
    """Say so when standard input is an open pipe from which nothing comes: else it looks like a hang."""
    if not select.select([0], [], [], 2.0)[0]:
        say(_("Waiting for standard input. Give `< /dev/null` where there is none."))


def read_task() -> str:
    """The whole standard input as a task. Raises UsageError for what is no text, and for far too much."""
    with open(0, "rb", closefd=False) as file:
        data = file.read(LONGEST_TASK + 1)
    if len(data) > LONGEST_TASK:
        raise UsageError(
            _("Standard input is larger than a task can be (4 MB)."),
            _('Give the task as an argument, and it becomes the data: interpreter "task" < FILE'),
        )
    return decode(data).strip("\n")


def decode(data: bytes) -> str:
    """UTF-8, UTF-16 with its mark, or GB18030. Raises UsageError for anything else."""
    marked = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "gb18030"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise UsageError(
        _("Standard input is not text."),
        _('Give the task as an argument, and standard input becomes its data: interpreter "task" < FILE'),
    )


def take_data() -> IO[bytes]:
    """All of standard input, whatever its size, read before the session is opened: Ctrl-C still works."""
    held = tempfile.SpooledTemporaryFile(1 << 20)  # noqa: SIM115 - it lives as long as the task
    with open(0, "rb", closefd=False) as source:
        shutil.copyfileobj(source, held, 1 << 20)
    return cast("IO[bytes]", held)


def keep_data(held: IO[bytes], folder: Path) -> Path | None:
    """Put what was taken into a new file in `folder`. None when there was nothing."""
    held.seek(0, os.SEEK_END)
    if not held.tell():
        return None
    held.seek(0)
    path = folder / "stdin"
    number = 1
    while path.exists():
        number += 1
        path = folder / f"stdin-{number}"
    with path.open("xb") as target:
        shutil.copyfileobj(held, target, 1 << 20)
    return path


def with_data(task: str, path: Path) -> str:
    """The task with the place and the beginning of its data, for the model."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = _head(file)
    told = f"{task}\n\nThe data from standard input is in the file {path} ({size} bytes)."
    if head is None:
        return told + " It is not text."
    if not head:
        return told
    return f"{told} It begins:\n{head}"


def _head(file: IO[bytes]) -> str | None:
    data = file.read(HEAD * 4)
    if b"\0" in data:
        return None
    text = data.decode("utf-8", "replace")[:HEAD]
    return text.rpartition("\n")[0] or text
