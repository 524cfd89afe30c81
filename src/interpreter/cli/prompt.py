"""The line on which a person writes: history, completion, several lines, a status bar."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output.defaults import create_output
from prompt_toolkit.styles import Style

from .words import COMMAND_WORDS

QUOTES = '"""'
STYLE = Style.from_dict({"bottom-toolbar": "noreverse fg:ansibrightblack", "red": "fg:ansired bold"})


class Words(Completer):
    """Commands at the beginning of the line, paths elsewhere."""

    def __init__(self) -> None:
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        text = document.text_before_cursor
        if (text[:1] in ("%", "/") and text[1:].isalpha()) or text in ("%", "/"):
            for name in COMMAND_WORDS:
                if name.startswith(text[1:]):
                    yield Completion(text[0] + name, start_position=-len(text))
            return
        word = text.split()[-1] if text and not text[-1].isspace() else ""
        if "/" in word or word.startswith(("~", ".")):
            yield from self._paths.get_completions(Document(word), complete_event)


def unfinished(text: str) -> bool:
    """True inside a block that `\"\"\"` opened and nothing has closed."""
    return text.lstrip().startswith(QUOTES) and text.count(QUOTES) % 2 == 1


def unquoted(text: str) -> str:
    """The content of a `\"\"\"` block, or the text as it is."""
    bare = text.strip()
    if bare.startswith(QUOTES) and bare.endswith(QUOTES) and len(bare) >= 2 * len(QUOTES):
        return bare[len(QUOTES) : -len(QUOTES)].strip("\n")
    return text


def keys() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("enter")
    def _accept(event: KeyPressEvent) -> None:  # pyright: ignore[reportUnusedFunction] - held by the bindings
        buffer = event.current_buffer
        if buffer.complete_state:
            buffer.complete_state = None
        elif unfinished(buffer.text):
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @bindings.add("escape", "enter")
    @bindings.add("c-j")
    def _newline(event: KeyPressEvent) -> None:  # pyright: ignore[reportUnusedFunction] - held by the bindings
        event.current_buffer.insert_text("\n")

    return bindings


def open_history(path: Path) -> History:
    """The person's lines of earlier days, readable by them alone; in memory where the home cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.fchmod(handle, 0o600)
        os.close(handle)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))


def make_prompt(history: Path, toolbar: Callable[[], StyleAndTextTuples] | None) -> PromptSession[str]:
    stream = sys.stdout if os.isatty(1) else sys.stderr
    return PromptSession(
        history=open_history(history),
        completer=Words(),
        complete_while_typing=False,
        multiline=True,
        key_bindings=keys(),
        bottom_toolbar=toolbar,
        style=STYLE,
        output=create_output(stdout=stream),
        prompt_continuation="  ",
        enable_open_in_editor=True,
    )
