"""A stage's changes as text: every name and every line made harmless."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator

from ..errors import StageError
from ..text.clean import reveal
from ..text.cut import human_size
from ..text.decode import decode, looks_binary
from ..text.filename import shown
from ..text.i18n import _
from ..types.staging import Change
from .changes import Layer
from .names import folder_above, plain_file

LARGEST = 1 << 20
"""Bytes of a file that is compared line by line."""
MOST_LINES = 20_000


def diff(layers: Iterable[Layer], changes: Iterable[Change]) -> Iterator[str]:
    """The lines of a unified diff over all changes. Raises StageError where one cannot be read."""
    uppers = {layer.top: layer.upper for layer in layers}
    for change in changes:
        try:
            yield from one(uppers[change.top], change)
        except OSError as error:
            raise StageError(
                _("{path} cannot be read: {reason}", path=shown(change.name), reason=error.strerror or error),
                _("Nothing was changed. It may have been changed or removed just now: look again."),
            ) from error


def one(upper: str, change: Change) -> Iterator[str]:
    name = shown(change.path)
    if change.kind == "odd":
        yield _("{path}: neither file, folder nor link, or it cannot be read; never committed", path=name)
        return
    if change.warning == "conflict":
        yield _("# {path} was changed in the folder as well, since the stage began", path=name)
    if change.warning == "runs":
        yield _("# {path} may be run by other programs without being asked", path=name)
    before = content(change.top, change.path, change.was)
    after = content(upper, change.path, change.what) if change.kind != "deleted" else b""
    yield f"--- {'/dev/null' if not change.was else f'a/{name}'}"
    yield f"+++ {'/dev/null' if change.kind == 'deleted' else f'b/{name}'}"
    if change.was and change.kind != "deleted" and change.mode != change.was_mode and change.what == change.was:
        yield f"mode {change.was_mode:04o} -> {change.mode:04o}"
    elif not change.was and change.what == "file" and change.mode & 0o111:
        yield f"mode {change.mode:04o}"
    if change.kind == "mode":
        return
    if before is None or after is None or looks_binary(before[:8192]) or looks_binary(after[:8192]):
        yield _("not shown line by line: {before} -> {after}", before=sized(change.was, change.was_size),
                after=sized("" if change.kind == "deleted" else change.what, change.size))  # fmt: skip
        return
    if "folder" in (change.what, change.was):
        yield f"{sized(change.was, 0)} -> {sized('' if change.kind == 'deleted' else change.what, 0)}"
        return
    yield from lines(before, after)


def sized(what: str, size: int) -> str:
    match what:
        case "":
            return _("nothing")
        case "folder":
            return _("a folder")
        case "link":
            return _("a link")
        case "file":
            return human_size(size)
        case _:
            return _("something else")


def content(top: str, path: str, what: str) -> bytes | None:
    """What a side of the comparison holds; None: too large for lines."""
    if what in ("", "folder", "other"):
        return b""
    with folder_above(top, path) as (above, name):
        if what == "link":
            return b"-> " + os.fsencode(os.readlink(name, dir_fd=above)) + b"\n"
        with open(plain_file(name, above), "rb") as file:
            data = file.read(LARGEST + 1)
    return data if len(data) <= LARGEST else None


def lines(before: bytes, after: bytes) -> Iterator[str]:
    # At line feeds only, as other tools do: a form feed or a carriage return is shown, and splits nothing.
    old, new = (decode(data)[0].split("\n") for data in (before, after))
    if len(old) + len(new) > MOST_LINES:
        yield _("not shown line by line: {before} -> {after}", before=human_size(len(before)),
                after=human_size(len(after)))  # fmt: skip
        return
    if (ended := [*old[:-1], *new[:-1]]) and all(line.endswith("\r") for line in ended):
        old, new = ([*(line[:-1] for line in text[:-1]), text[-1]] for text in (old, new))
    ends = [text.pop() if text[-1] == "" else None for text in (old, new)]
    told = False
    for number, line in enumerate(difflib.unified_diff(old, new, lineterm="")):
        if number >= 2:  # the two names stand there already
            told = True
            yield reveal(line)
    if before and after and ends[0] != ends[1]:
        yield _("the line feed at the end is new") if ends[0] is None else _("the line feed at the end is gone")
    elif not told and before != after:
        yield _("they differ only in bytes that do not show as text")
