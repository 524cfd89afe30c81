"""Server-sent events: the `data` of each, from bytes that come in any pieces.

A general reader of events costs more CPU per token than all the rest of a streamed answer.
"""

from __future__ import annotations

from interpreter.errors import MalformedAnswer
from interpreter.text.i18n import _

MAX_LINE = 16 << 20


class DataLines:
    """Each `data:` line counts as an event of its own; comments and other fields are left out."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        """The pieces of a line whose end has not come: put together once, or a long one would be copied for each."""
        self._size = 0
        self.other = b""
        """The beginning of what is no event at all, for an error's words."""

    def feed(self, data: bytes) -> list[bytes]:
        """The data lines that are complete now. Raises MalformedAnswer for a line without end."""
        lines = data.split(b"\n")
        if len(lines) > 1 and self._rest:
            lines[0] = b"".join([*self._rest, lines[0]])
        if len(lines) > 1:
            self._rest, self._size = [], 0
        if rest := lines.pop():
            self._rest.append(rest)
            self._size += len(rest)
        if self._size > MAX_LINE:
            raise MalformedAnswer(
                _("The server sent a line of more than {size} MB.", size=MAX_LINE >> 20),
                _("Check that --api_base is the address of a model's server."),
            )
        found: list[bytes] = []
        for line in lines:
            if line.startswith(b"data:"):
                found.append(line[5:].strip())
            elif line and line != b"\r":
                self._note(line)
        return found

    def end(self) -> list[bytes]:
        """What stands in a last line without a line end."""
        line, self._rest = b"".join(self._rest), []
        if line.startswith(b"data:"):
            return [line[5:].strip()]
        self._note(line)
        return []

    def _note(self, line: bytes) -> None:
        if line and len(self.other) < 4096 and not line.startswith((b":", b"event:", b"id:", b"retry:")):
            self.other += line + b"\n"
