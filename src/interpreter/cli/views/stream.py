"""Text and code while they stream: which part is finished and may be drawn for good."""

from __future__ import annotations

import json
import re

FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)")
CALL = re.compile(r"\s*(<tool_call>|<function|\{\s*\"(name|language|code|arguments)\")")


class Block(str):
    """A finished piece of Markdown."""

    __slots__ = ()

    @property
    def code(self) -> str | None:
        """The content of the fenced block that this is; None for prose."""
        lines = self.split("\n")
        if not FENCE.match(lines[0]):
            return None
        body = lines[1:-1] if len(lines) > 1 and FENCE.match(lines[-1]) else lines[1:]
        return "\n".join(body)

    @property
    def is_call(self) -> bool:
        """True for an action that the model wrote into its text as JSON or in tags."""
        return CALL.match(self) is not None


class Blocks:
    """Cuts a stream of Markdown into blocks: at blank lines, and around fenced code."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._part = ""
        self._fence = ""

    @property
    def pending(self) -> str:
        """What is not finished yet."""
        return "\n".join([*self._lines, self._part] if self._part else self._lines)

    def feed(self, text: str) -> list[Block]:
        """Take a piece; the blocks that it finished."""
        *lines, self._part = (self._part + text).split("\n")
        found: list[Block] = []
        for line in lines:
            self._take(line, found)
        return found

    def finish(self) -> list[Block]:
        """The rest, now that nothing more comes."""
        found: list[Block] = []
        if self._part:
            self._take(self._part, found)
            self._part = ""
        self._flush(found)
        self._fence = ""
        return found

    def _take(self, line: str, found: list[Block]) -> None:
        match = FENCE.match(line)
        if self._fence:
            self._lines.append(line)
            if match and match[1].startswith(self._fence) and not match[2]:
                self._flush(found)
                self._fence = ""
        elif match:
            self._flush(found)
            self._fence = match[1]
            self._lines.append(line)
        elif line.strip():
            self._lines.append(line)
        else:
            self._flush(found)

    def _flush(self, found: list[Block]) -> None:
        if self._lines:
            found.append(Block("\n".join(self._lines)))
        self._lines = []


CODE_AT = re.compile(r'"code"\s*:\s*"')
LANGUAGE_AT = re.compile(r'"language"\s*:\s*"([^"]*)"')


def code_in(arguments: str) -> tuple[str, str]:
    """Language and code in the beginning of a tool call's arguments, as far as they have come."""
    language = LANGUAGE_AT.search(arguments)
    start = CODE_AT.search(arguments)
    if start is None:
        return (language[1] if language else ""), ""
    end = start.end()
    while (quote := arguments.find('"', end)) >= 0:
        before = arguments[start.end() : quote]
        if (len(before) - len(before.rstrip("\\"))) % 2 == 0:
            break
        end = quote + 1
    raw = arguments[start.end() : quote if quote >= 0 else len(arguments)]
    for cut in range(7):  # an escape such as \u00e9 may be half there
        try:
            return (language[1] if language else ""), json.loads(f'"{raw[: len(raw) - cut]}"', strict=False)
        except ValueError:
            continue
    return (language[1] if language else ""), ""
