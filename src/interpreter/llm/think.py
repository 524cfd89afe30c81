"""Thinking that a model writes into its visible text, `<think>...</think>`, told apart from the answer."""

from __future__ import annotations

from ..text.expression import expression

OPEN = expression(r"\s*<(think|thinking)>")
COULD_OPEN = expression(r"\s*(<|<t|<th|<thi|<thin|<think|<thinki|<thinkin|<thinking)?")
CLOSE = expression(r"</(?:think|thinking)>")
LONE_CLOSE = expression(r"</(?:think|thinking)>[ \t]*(?:\n\s*|$)")
LONGEST_CLOSE = len("</thinking>")


class ThinkSplitter:
    """Feeds on pieces of content; says for each what is thinking and what is text.

    Only thinking at the very beginning counts: tags further on belong to the text.
    """

    def __init__(self) -> None:
        self._state = "start"
        self._space: list[str] = []
        """White space at the beginning, of which it is not known yet where it belongs."""
        self._held = ""
        self._thought = False

    def feed(self, piece: str) -> tuple[str, str]:
        """(thinking, text) that are certain now; what is not certain is held back."""
        if self._state == "text":
            return "", piece
        if self._state == "start" and not self._held and not piece.strip():
            self._space.append(piece)
            return "", ""
        data, at, thoughts = self._held + piece, 0, list[str]()
        self._held = ""
        while True:
            if self._state == "start":
                opened = OPEN.match(data, at)
                if opened is None:
                    return "".join(thoughts), self._undecided(data[at:])
                self._state, self._thought, at = "thinking", True, opened.end()
                self._space.clear()
            closed = CLOSE.search(data, at)
            if closed is None:
                cut = data.rfind("<", max(at, len(data) - LONGEST_CLOSE))
                cut = len(data) if cut < 0 else cut
                thoughts.append(data[at:cut])
                self._held = data[cut:]
                return "".join(thoughts), ""
            # Another block of thinking may follow.
            thoughts.append(data[at : closed.start()])
            self._state, at = "start", closed.end()

    def _undecided(self, data: str) -> str:
        """The first text; empty as long as it could still be the beginning of thinking."""
        could = COULD_OPEN.fullmatch(data) is not None
        bare = data.lstrip() if could else data
        self._space.append(data[: len(data) - len(bare)])
        self._held = bare
        if could:
            return ""
        self._state = "text"
        return self._begin()

    def rest(self) -> tuple[str, str]:
        """(thinking, text) of what was held back, at the end of the answer."""
        if self._state == "thinking":
            held, self._held = self._held, ""
            return held, ""
        return "", self._begin()

    def _begin(self) -> str:
        """The first text; white space between thinking and text belongs to neither."""
        text, self._held = "".join(self._space) + self._held, ""
        self._space.clear()
        return text.lstrip() if self._thought else text


def split_unopened(text: str) -> tuple[str, str]:
    """(thinking, text) of a whole answer whose thinking was opened by the server's template and only closed here.

    A closing tag counts where it ends a line, outside code, and nothing opened it.
    """
    closed = LONE_CLOSE.search(text)
    if closed is None:
        return "", text
    before = text[: closed.start()]
    if "<think" in before or before.count("```") % 2 or before.rpartition("\n")[2].count("`") % 2:
        return "", text
    return before, text[closed.end() :]
