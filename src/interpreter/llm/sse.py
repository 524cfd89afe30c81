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
        self._rest = b""
        self.other = b""
        """The beginning of what is no event at all, for an error's words."""

    def feed(self, data: bytes) -> list[bytes]:
        """The data lines that are complete now. Raises MalformedAnswer for a line without end."""
        lines = (self._rest + data).split(b"\n") if self._rest else data.split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > MAX_LINE:
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
        line, self._rest = self._rest, b""
        if line.startswith(b"data:"):
            return [line[5:].strip()]
        self._note(line)
        return []

    def _note(self, line: bytes) -> None:
        if line and len(self.other) < 4096 and not line.startswith((b":", b"event:", b"id:", b"retry:")):
            self.other += line + b"\n"
