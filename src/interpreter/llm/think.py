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
        self._held = ""
        self._thought = False

    def feed(self, piece: str) -> tuple[str, str]:
        """(thinking, text) that are certain now; what is not certain is held back."""
        if self._state == "text":
            return "", piece
        self._held += piece
        if self._state == "start":
            if opened := OPEN.match(self._held):
                self._state, self._thought = "thinking", True
                self._held = self._held[opened.end() :]
            elif COULD_OPEN.fullmatch(self._held):
                return "", ""
            else:
                self._state = "text"
                return "", self._begin()
        return self._thinking()

    def _thinking(self) -> tuple[str, str]:
        if closed := CLOSE.search(self._held):
            before, after = self._held[: closed.start()], self._held[closed.end() :]
            # Another block of thinking may follow.
            self._state, self._held = "start", ""
            thinking, text = self.feed(after) if after else ("", "")
            return before + thinking, text
        cut = self._held.rfind("<", max(0, len(self._held) - LONGEST_CLOSE))
        if cut < 0:
            return self._take(), ""
        certain, self._held = self._held[:cut], self._held[cut:]
        return certain, ""

    def rest(self) -> tuple[str, str]:
        """(thinking, text) of what was held back, at the end of the answer."""
        if self._state == "thinking":
            return self._take(), ""
        return "", self._begin()

    def _begin(self) -> str:
        """The first text; white space between thinking and text belongs to neither."""
        text = self._take()
        return text.lstrip() if self._thought else text

    def _take(self) -> str:
        held, self._held = self._held, ""
        return held


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
