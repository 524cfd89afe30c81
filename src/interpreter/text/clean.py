"""Output of programs as harmless text: what a terminal would show in the end, without its control codes.

Colours, titles, cursor moves and embedded images are dropped; carriage returns, backspaces and erased lines do what
they do on a screen, so that a progress bar is its last state; characters that reorder or hide text are made visible.
"""

from __future__ import annotations

import codecs
import re

from .decode import decode
from .expression import expression

LINE_CAP = 1 << 16
"""Characters of an unfinished line that a cleaner holds before it lets them go."""
SWALLOW_CAP = 1 << 20
"""Characters of a control string without an end that are dropped before text is shown again."""
PIECE = 1 << 20

# Bidirectional controls, and the invisible tag characters: they make text read otherwise than it is.
HIDDEN = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f"
INVISIBLE = expression(
    f"[\x00-\x08\x0b-\x1f\x7f-\x9f{HIDDEN}\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2028\u2029"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0080-\U000e0fff\ud800-\udfff]"
    "|(?<![\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff#*0-9])\ufe0f"  # behind a picture it only asks for colours
)
CONTROL = expression(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{HIDDEN}]")
CONTROL_TABLE = dict.fromkeys((*range(9), *range(11, 32), 127))

STRING_START = expression(r"\x1b[\]PX^_k]")
OSC_END = expression(r"[\x07\x9c]|\x1b\\|(?=[\n\x1b])")
DCS_END = expression(r"[\x9c\x18\x1a]|\x1b\\|(?=\x1b)")
OSC = expression(r"\x1b\][^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c|(?=[\n\x1b]))")
DCS = expression(r"\x1b[PX^_k][^\x1b\x9c\x18\x1a]*(?:\x1b\\|[\x9c\x18\x1a]|(?=\x1b))")
SEQUENCE = expression(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-Z\\^-~]")
INCOMPLETE = expression(r"(?:\x1b(?:\[[0-?]{0,200}[ -/]{0,20}|[ -/]{0,20})|\x9b[0-?]{0,200}[ -/]{0,20})\Z")
ERASERS = (("\x1b[K", "\x1c"), ("\x1b[0K", "\x1c"), ("\x1b[2K", "\x1d"))
# What has no place in text once sequences are gone; \b, \r and the two stand-ins for erasing are still needed.
DROPPED = expression(r"[\x00-\x07\x0e-\x1b\x1e\x1f\x7f-\x9f]")
MOVES = expression(r"([\r\b\x1c\x1d])")
HIDDEN_CHARACTER = expression(f"[{HIDDEN}]")


class LineCleaner:
    """Cleans a stream that comes in pieces; sequences and characters may be split between them.

    A line is given when it is finished, because a carriage return may still change it.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""
        self._swallow: re.Pattern[str] | None = None
        self._swallowed = 0
        self._line = ""
        self._column = 0

    @property
    def partial(self) -> str:
        """The unfinished line as it stands now, for live views."""
        return self._line

    def feed(self, piece: str | bytes) -> str:
        """The lines that are finished now, each with its newline."""
        text = self._decoder.decode(piece) if isinstance(piece, bytes) else piece
        if len(text) <= PIECE:
            return self._feed(text)
        return "".join([self._feed(text[at : at + PIECE]) for at in range(0, len(text), PIECE)])

    def flush(self) -> str:
        """The stream has ended: what is left of it."""
        rest = self._feed(self._decoder.decode(b"", final=True))
        self._pending, self._swallow = "", None
        rest, self._line, self._column = rest + self._line, "", 0
        return rest

    def _feed(self, text: str) -> str:
        text, self._pending = self._pending + text, ""
        if self._swallow is not None:
            text = self._skip(text, self._swallow)
        if plain(text):
            return self._plain_lines(text)
        text = show_hidden(self._strip(text))
        return self._lines(text) if MOVES.search(text) else self._plain_lines(text)

    def _skip(self, text: str, end: re.Pattern[str]) -> str:
        """Go on inside a control string whose end has not come yet."""
        if found := end.search(text):
            if text[found.start() :] == "\x1b":
                # Perhaps the first half of its end.
                self._pending = "\x1b"
                return ""
            self._swallow, self._swallowed = None, 0
            return text[found.end() :]
        self._swallowed += len(text)
        if self._swallowed > SWALLOW_CAP:
            self._swallow, self._swallowed = None, 0
        return ""

    def _strip(self, text: str) -> str:
        """Without control sequences; erasing stays, as one character each."""
        text = text.replace("\x1c", "").replace("\x1d", "")
        if "\x1b" in text or "\x9b" in text:
            tail = INCOMPLETE.search(text, max(text.rfind("\x1b"), text.rfind("\x9b"), 0))
            if tail is not None:
                text, self._pending = text[: tail.start()], tail.group()
            if STRING_START.search(text):
                # In its place the character that ends a sequence, or what stands around it would become one.
                text = DCS.sub("\x18", OSC.sub("\x18", text))
            if found := STRING_START.search(text):
                self._swallow = OSC_END if found.group()[1] == "]" else DCS_END
                self._swallowed = len(text) - found.end()
                text = text[: found.start()]
            for sequence, erase in ERASERS:
                text = text.replace(sequence, erase)
            text = SEQUENCE.sub("", text)
        text = text.replace("\r\n", "\n").replace("\x0b", "\n").replace("\x0c", "\n")
        return DROPPED.sub("", text)

    def _plain_lines(self, text: str) -> str:
        if self._line and self._column < len(self._line):
            return self._lines(text)
        end = text.rfind("\n") + 1
        if end:
            done, self._line = self._line + text[:end], text[end:]
        else:
            done, self._line = "", self._line + text
        self._column = len(self._line)
        return done + self._overlong()

    def _lines(self, text: str) -> str:
        lines = text.split("\n")
        done: list[str] = []
        for number, line in enumerate(lines):
            if self._line or MOVES.search(line):
                self._write(line)
            else:
                self._line, self._column = line, len(line)
            if number < len(lines) - 1:
                done.append(self._line + "\n")
                self._line, self._column = "", 0
        return "".join(done) + self._overlong()

    def _write(self, text: str) -> None:
        """Write onto the current line as a terminal does.

        Only the part that the text can reach is taken apart, once: a long line is not copied with every move.
        """
        before, erased, text = text.rpartition("\x1d")
        if erased:  # whatever was on the line, and only its column is left
            self._column = moved(self._column, before)
            self._line = " " * self._column
        first = 0 if "\r" in text else max(0, self._column - text.count("\b"))
        last = self._column + len(text)
        cells, rest, at = list(self._line[first:last]), self._line[last:], self._column - first
        for token in MOVES.split(text):
            if token == "\r":
                at = 0
            elif token == "\b":
                at = max(0, at - 1)
            elif token == "\x1c":
                del cells[at:]
                rest = ""
            elif token:
                cells[at : at + len(token)] = token
                at += len(token)
        self._line, self._column = self._line[:first] + "".join(cells) + rest, first + at

    def _overlong(self) -> str:
        if len(self._line) <= LINE_CAP:
            return ""
        done, self._line, self._column = self._line, "", 0
        return done


def moved(column: int, text: str) -> int:
    """Where text leaves the cursor."""
    for token in MOVES.split(text):
        if token == "\r":
            column = 0
        elif token == "\b":
            column = max(0, column - 1)
        elif token not in ("\x1c", "\x1d"):
            column += len(token)
    return column


class StreamCleaner:
    """Cleans a stream for live views: everything is given at once, also an unfinished line.

    Where something that was given is overwritten, a carriage return and the line as it stands now follow (behind
    spaces, where it is shorter); a view begins its line again there. Within one piece only the last state is given.
    Bytes are read as UTF-8: only `clean_text`, which has them all, can tell another encoding.
    """

    def __init__(self) -> None:
        self._lines = LineCleaner()
        self._shown = ""

    def feed(self, piece: str | bytes) -> str:
        return self._given(self._lines.feed(piece))

    def flush(self) -> str:
        """The stream has ended: what is left of it."""
        given = self._given(self._lines.flush())
        self._shown = ""
        return given

    def _given(self, done: str) -> str:
        text, shown = done + self._lines.partial, self._shown
        self._shown = self._lines.partial
        if text.startswith(shown):
            return text[len(shown) :]
        line, newline, rest = text.partition("\n")
        wiped = "\r" + " " * len(shown) if len(line) < len(shown) else ""
        return f"{wiped}\r{line}{newline}{rest}"


def clean_text(text: str | bytes) -> str:
    """A whole text at once. The end of the last line stays as it was. Bytes are decoded as `decode.decode` does."""
    if isinstance(text, bytes):
        text = decode(text)[0]
    if plain(text):
        return text
    cleaner = LineCleaner()
    return cleaner.feed(text) + cleaner.flush()


def plain(text: str) -> bool:
    """True where there is nothing to clean."""
    if text.isascii():
        return len(text.translate(CONTROL_TABLE)) == len(text)
    return CONTROL.search(text) is None


def show_hidden(text: str) -> str:
    """Characters that reorder or hide text, as `<U+202E>`."""
    return text if text.isascii() else HIDDEN_CHARACTER.sub(named, text)


def reveal(code: str) -> str:
    """Code as a person must see it before saying yes: every invisible character by its name, as `<U+200B>`.

    Tabs and ends of lines (also `\\r\\n`) stay; a carriage return alone, which could hide what stands before it, is
    shown.
    """
    parts = [INVISIBLE.sub(named, part) for part in code.split("\r\n")]
    return "\r\n".join(parts)


def named(found: re.Match[str]) -> str:
    return f"<U+{ord(found.group()):04X}>"
