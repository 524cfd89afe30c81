"""Reading a person's answer from the terminal, line by line, without blocking anything."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
import termios
import unicodedata
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from ..aio.search import of_the_system, search_path
from ..text.clean import reveal
from ..text.cut import width
from ..text.i18n import _
from ..types.languages import BY_NAME
from ..types.ops import ResolveApproval
from ..types.tooling import readable
from .contract import Question
from .say import say, say_piece
from .views.questions import answer_keys, denied, lines_of

YES = ("y", "yes", "是", "是的", "好", "好的", "可以", "行", "同意", "允许", "运行")
NO = ("n", "no", "否", "不", "不要", "不行", "不用", "拒绝")
EDIT = ("e", "edit", "改", "编辑", "修改")
VIEW = ("v", "view", "看", "查看", "翻页")
ALWAYS = ("a", "always", "总是", "始终", "一直", "都可以")
SESSION = ("s", "session", "会话", "本次会话", "这次会话")
END_OF_INPUT = "\x04"
Kind = Literal["yes", "no", "edit", "always", "session", ""]


def understand(line: str) -> tuple[Kind, str]:
    """What a typed line says, in English or Chinese, and the reason behind a no. "" for anything unclear."""
    text = unicodedata.normalize("NFKC", line).strip()
    words: tuple[tuple[Kind, tuple[str, ...]], ...]
    words = (("yes", YES), ("no", NO), ("edit", EDIT), ("always", ALWAYS), ("session", SESSION))
    for kind, spellings in words:
        if text.lower().rstrip(".!。") in spellings:
            return kind, ""
    match = re.match(r"(?:n|no|否|不要|不行|拒绝)(?:[,，:：;；。]\s*|\s+)(.+)", text, re.IGNORECASE | re.DOTALL)
    return ("no", match[1].strip()) if match else ("", "")


class Answers:
    """The person at the terminal on standard input."""

    def __init__(self, written: Iterable[str] = ()) -> None:
        """`written`: folders beside the session's own that its code may write."""
        self._written = tuple(written)
        self._watching = False
        self._secret = False
        self._saved: list[int | list[bytes | int]] | None = None
        self._held = 0
        self._buffer = b""
        self._put: Callable[[str], None] | None = None

    def begin(self) -> None:
        """A turn or a conversation runs: what is typed now would spoil the screen; it is kept for the next line."""
        self._held += 1
        if self._held == 1:
            with suppress(termios.error):
                self._saved = termios.tcgetattr(0)
        self._echo(False)

    def end(self) -> None:
        """It is over; after the outermost the terminal is as it was."""
        self.close()
        self._held -= 1
        if not self._held:
            self.restore()
            self._saved = None

    def forget(self) -> None:
        """There is no terminal any more, so none is given back."""
        self.close()
        self._saved = None

    def restore(self) -> None:
        """Give the terminal back as it was, at once."""
        if self._saved is not None:
            with suppress(termios.error):
                termios.tcsetattr(0, termios.TCSADRAIN, self._saved)

    def open(self, question: Question, put: Callable[[str], None]) -> None:
        """Show the line to answer on and hand over what is typed, a line at a time; END_OF_INPUT for Ctrl-D.

        What was typed before the question stood there is thrown away: it cannot have been meant for it.
        """
        request = question.request
        self.close()
        if request.kind != "input":
            self._forget_typed()
        self._secret = request.secret
        self._echo(not request.secret, lines=True)
        if too_long(question) and question.action is not None:
            count = lines_of(question.action.code)
            say(_("This code has {lines}, more than the screen: look at all of it before you say yes.", lines=count))
        say_piece("> " if request.kind == "input" else answer_keys(question, paged=too_long(question)))
        self._put = put
        asyncio.get_running_loop().add_reader(0, self._readable)
        self._watching = True

    def listen(self, put: Callable[[str], None]) -> None:
        """Hand over each line that is typed while something else is on the screen; the keys are not seen."""
        self.close()
        self._secret = False
        self._echo(False, lines=True)
        self._put = put
        asyncio.get_running_loop().add_reader(0, self._readable)
        self._watching = True

    def close(self) -> None:
        """Stop reading."""
        if self._watching:
            asyncio.get_running_loop().remove_reader(0)
            self._watching = False
            if self._secret:
                say("")  # the end of the line was not echoed
            self._echo(False)
        self._buffer = b""

    async def read(self, question: Question, line: str, workspace: Path) -> ResolveApproval | Literal["leave"] | None:
        """The op for a typed line; "leave" when input has ended; None: ask again."""
        request = question.request
        if line == END_OF_INPUT:
            say("")
            return "leave" if request.kind != "input" else ResolveApproval(approval=request.approval, answer="no")
        if request.kind == "input":
            return ResolveApproval(approval=request.approval, answer="yes", text=line)
        if question.action is not None and line.strip().lower() in VIEW:
            self.close()
            self._echo(True)
            await asyncio.to_thread(page, reveal(readable(question.action.language, question.action.code)))
            self._echo(False)
            return None
        kind, reason = understand(line)
        if (kind == "always" and request.kind not in ("run", "network")) or (kind == "edit" and request.kind != "run"):
            kind = ""
        if kind == "session" and request.kind != "network":
            kind = ""
        if denied(question) and (kind in ("edit", "always") or reason):
            kind = ""
        if kind == "edit" and question.action is not None:
            self.close()
            self._echo(True)
            path = search_path((str(workspace), *self._written))
            code = await asyncio.to_thread(edit, question.action.code, question.action.language, path)
            self._echo(False)
            return None if code is None else ResolveApproval(approval=request.approval, answer="edit", code=code)
        if not kind or kind == "edit":
            say(_("Please answer with one of the letters."))
            return None
        return ResolveApproval(approval=request.approval, answer=kind, reason=reason)

    def _readable(self) -> None:
        try:
            data = os.read(0, 65536)
        except OSError:
            data = b""
        if self._put is None:
            return
        if not data and not self._buffer:
            asyncio.get_running_loop().remove_reader(0)
            self._watching = False
            self._put(END_OF_INPUT)
            return
        self._buffer += data
        if b"\n" in self._buffer or not data:
            line, _newline, self._buffer = self._buffer.partition(b"\n")
            self._put(line.decode("utf-8", "replace").rstrip("\r"))

    def _forget_typed(self) -> None:
        with suppress(termios.error):
            termios.tcflush(0, termios.TCIFLUSH)

    def _echo(self, on: bool, lines: bool | None = None) -> None:
        """Whether keys are seen, and whether Enter ends a line: it stays Enter for a line that is typed ahead."""
        if self._saved is None:
            return
        with suppress(termios.error):
            state = termios.tcgetattr(0)
            state[0] = state[0] | termios.ICRNL if (on if lines is None else lines) else state[0] & ~termios.ICRNL
            state[3] = state[3] | termios.ECHO if on else state[3] & ~termios.ECHO
            termios.tcsetattr(0, termios.TCSADRAIN, state)


def too_long(question: Question) -> bool:
    """Whether the code is longer than the screen, so that its beginning may have left it."""
    action = question.action
    if question.request.kind != "run" or action is None:
        return False
    screen = shutil.get_terminal_size()
    rows = (-(-width(line.expandtabs()) // screen.columns) or 1 for line in reveal(action.code).split("\n"))
    return sum(rows) + 5 > screen.lines


def page(text: str) -> None:
    """Show a long text screen by screen, with `less` where it is there, else in pieces that Enter goes through."""
    if found := of_the_system("less"):
        environ = {**os.environ, "LESSSECURE": "1", "LESS": "", "LESSOPEN": "", "LESSCHARSET": "utf-8"}
        subprocess.run([found, "-N", "--"], input=text.encode(), env=environ, check=False)
        return
    lines = text.split("\n")
    height = max(5, shutil.get_terminal_size().lines - 2)
    for at in range(0, len(lines), height):
        say("\n".join(lines[at : at + height]))
        if at + height >= len(lines):
            return
        say_piece(_("{n} of {all} lines; Enter goes on, q ends: ", n=at + height, all=len(lines)))
        if os.read(0, 4096).strip() == b"q":
            return


def edit(code: str, language: str, path: str) -> str | None:
    """The code as the person's editor, found in the folders of `path`, left it; None when nothing was changed or no
    editor could be run."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="interpreter-") as folder:
        file = Path(folder) / ("code" + (BY_NAME[language].suffix if language in BY_NAME else ".txt"))
        file.write_bytes(code.encode())
        try:
            # Through the shell, as git does it: $EDITOR may hold arguments and quotes of the person's own. Not in the
            # workspace, where an editor might find settings that it carries out.
            status = subprocess.run(
                ["/bin/sh", "-c", f'{editor} "$1"', "sh", str(file)],
                env={**os.environ, "PATH": path}, cwd=folder, check=False,
            ).returncode  # fmt: skip
            edited = file.read_bytes().decode()
        except (OSError, UnicodeError) as error:
            say(_("The edited code cannot be read: {reason}", reason=str(error)))
            return None
    if status != 0:
        say(_("The editor ended with {status}; nothing was changed.", status=status))
        return None
    if edited == code or edited == code + "\n":
        say(_("The code was not changed."))
        return None
    return edited
