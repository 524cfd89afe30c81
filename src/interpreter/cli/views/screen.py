"""The view for a terminal: what is finished is drawn for good and scrolls; only the unfinished end moves."""

from __future__ import annotations

import os
import threading
import time

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.padding import Padding
from rich.segment import Segment
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ...text.clean import reveal
from ...text.i18n import _
from ...types.actions import Action
from ...types.events import (
    ActionFinished,
    ActionProposed,
    ActionStarted,
    ApprovalResolved,
    CodeDelta,
    Event,
    ModelAnswered,
    ModelAsked,
    ModelFailed,
    OutputChunk,
    Progress,
    ReasoningDelta,
    TextDelta,
    TurnFinished,
    TurnStarted,
)
from ...types.languages import title
from ...types.tooling import readable
from ..contract import Question
from . import words
from .aside import aside
from .images import Protocol, picture, protocol
from .paint import code_text, question_panel, rule
from .stream import Block, Blocks, code_in

TAIL_LINES = 12
REFRESH = 0.1
"""Seconds between two drawings of what moves."""


class Screen:
    """One console on standard output; `Live` redraws the last lines only, ten times a second.

    Each print and each redrawing waits for the other: rich's own timer may draw in the middle of a print, and then
    erases too few lines or too many.
    """

    def __init__(self, *, verbose: bool = False, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._verbose = verbose
        self._live: Live | None = None
        self._lock = threading.RLock()
        self._status: str = ""
        self._since: float = 0.0
        self._said = ""
        """What was streamed, or drawn whole, of the newest answer."""
        self._progress: Progress | None = None
        self._blocks, self._thoughts = Blocks(), ""
        self._held: list[Block] = []
        """Blocks that may turn out to be the action itself, and what follows them."""
        self._call, self._output = "", ""
        self._streamed: dict[str, str] = {}
        self._pictures: Protocol = protocol(os.environ)

    def show(self, event: Event) -> None:
        with self._lock:
            self._show(event)

    def _show(self, event: Event) -> None:
        match event:
            case TextDelta():
                self._end_thoughts()
                self._said += event.text
                self._text(event.text)
            case ReasoningDelta():
                self._think(event.text)
            case CodeDelta():
                self._end_thoughts()
                self._call += event.text
            case OutputChunk():
                self._chunk(event)
            case Progress():
                self._progress = event if event.done is None or event.done < 1 else None
                self._begin(_("Working"))
            case ModelAsked():
                self._said = ""
                self._begin(_("{model} is thinking", model=reveal(event.model) or _("The model")))
                if self._verbose:
                    self._print(Text(words.asked_line(event), "dim"))
            case ModelAnswered():
                self._answered(event)
            case ModelFailed():
                self._failed(event)
            case _:
                self._whole(event)

    def _whole(self, event: Event) -> None:
        match event:
            case TurnStarted():
                self._blocks, self._held, self._call, self._thoughts, self._said = Blocks(), [], "", "", ""
                self._begin(_("Starting"))
            case ActionProposed():
                self._proposed(event.action)
            case ApprovalResolved():
                if event.action is not None:
                    self._print(Text(_("Edited; this runs:"), "dim"))
                    self._print(code_text(readable(event.action.language, event.action.code), event.action.language))
            case ActionStarted():
                self._begin(_("{language} is running", language=title(event.language)))
            case ActionFinished():
                self._finished(event)
            case TurnFinished():
                self._turn(event)
            case _:
                if line := aside(event, verbose=self._verbose):
                    self._print(Text(line, "dim"))

    def ask(self, question: Question) -> None:
        self._stop()
        self._console.print(question_panel(question))

    def set_verbose(self, on: bool) -> None:
        self._verbose = on

    def note(self, text: str) -> None:
        self._print(Text(text, "yellow"))

    def end(self) -> None:
        self._stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The moving end of the screen: never higher than the screen, or it could not be drawn over."""
        most = max(2, min(TAIL_LINES, options.size.height - 4))
        lines: list[list[Segment]] = []
        for part in self._moving():
            lines += console.render_lines(part, options.update(height=None), pad=False)
        for line in lines[-most:]:
            yield from line
            yield Segment.line()
        yield self._status_line()

    def _moving(self) -> list[RenderableType]:
        parts: list[RenderableType] = []
        if self._thoughts:
            parts.append(Text(reveal(self._thoughts), "dim italic"))
        held = "\n\n".join([*self._held, self._blocks.pending]).strip()
        if held:
            parts.append(Markdown(reveal(held)))
        if self._call:
            language, code = code_in(self._call)
            parts.append(code_text("\n".join(code.split("\n")[-TAIL_LINES:]), language))
        if self._output:
            parts.append(Text(self._output))
        return parts

    def _status_line(self) -> RenderableType:
        elapsed = words.seconds(time.monotonic() - self._since)
        hint = _("Ctrl-C stops")
        if self._progress is None:
            return Spinner("dots", Text(f"{self._status} · {elapsed} · {hint}", "dim"), style="cyan")
        progress = self._progress
        row = Table.grid(padding=(0, 1))
        share = "" if progress.done is None else bar(progress.done)
        what, text = Text(reveal(progress.what)), Text(reveal(progress.text), "dim")
        row.add_row(Spinner("dots", style="cyan"), what, Text(share, "cyan"), text)
        return row

    def _begin(self, status: str) -> None:
        """Name what goes on, from now, and show that it goes on."""
        if status != self._status:
            self._status, self._since = status, time.monotonic()
        if self._live is None:
            self._live = Live(
                self, console=self._console, auto_refresh=False, transient=True, redirect_stdout=False,
                redirect_stderr=False, vertical_overflow="crop",
            )  # fmt: skip
            self._live.start(refresh=True)
            threading.Thread(target=self._redraw, args=(self._live,), daemon=True).start()

    def _redraw(self, live: Live) -> None:
        while self._live is live:
            time.sleep(REFRESH)
            with self._lock:
                if self._live is live:
                    live.refresh()

    def _stop(self) -> None:
        with self._lock:
            if self._live is not None:
                live, self._live = self._live, None
                live.stop()

    def _print(self, what: RenderableType, *, soft_wrap: bool = False) -> None:
        with self._lock:
            self._console.print(what, soft_wrap=soft_wrap)

    def _text(self, text: str) -> None:
        for block in self._blocks.feed(text):
            self._hold(block)

    def _hold(self, block: Block) -> None:
        if self._held or block.code is not None or block.is_call:
            self._held.append(block)
        else:
            self._draw(block)

    def _draw(self, block: Block) -> None:
        self._print(Padding(Markdown(reveal(block), code_theme="ansi_dark"), (0, 0, 1, 0)))

    def _settle(self, action: Action | None = None) -> None:
        """Draw what was held, without the block that is the action itself: it is drawn as such."""
        for block in self._blocks.finish():
            self._hold(block)
        held, self._held = self._held, []
        left: list[Block] = []
        for at, block in enumerate(held):
            code = block.code
            same = action is not None and not action.call_id and code is not None
            if same and action is not None and (code or "").strip() == action.code.strip():
                left = held[at + 1 :]
                break
            if not (action is not None and block.is_call):
                self._draw(block)
        self._held = left

    def _think(self, text: str) -> None:
        *lines, self._thoughts = (self._thoughts + text).split("\n")
        for line in lines:
            self._print(Text(reveal(line), "dim italic"))

    def _end_thoughts(self) -> None:
        if self._thoughts:
            self._print(Text(reveal(self._thoughts), "dim italic"))
            self._thoughts = ""

    def _answered(self, event: ModelAnswered) -> None:
        self._end_thoughts()
        if not self._said:
            self._said = event.text
            self._text(event.text)
        for block in self._blocks.finish():
            self._hold(block)
        if event.source:
            self._print(Text(words.source_line(event), "dim"))
        elif self._verbose:
            self._print(Text(words.usage_line(event.usage), "dim"))

    def _failed(self, event: ModelFailed) -> None:
        self._end_thoughts()
        self._settle()
        self._call = ""
        if self._verbose:  # the end of the turn says it
            self._print(Text(_("The model failed: {message}", message=reveal(event.message)), "yellow"))

    def _proposed(self, action: Action) -> None:
        self._settle(action)
        self._call = self._said = ""
        self._print(rule(title(action.language)))
        self._print(code_text(readable(action.language, action.code), action.language))
        self._print(rule(""))

    def _chunk(self, event: OutputChunk) -> None:
        self._streamed[event.action] = (self._streamed.get(event.action, "") + event.text)[-words.TRACE :]
        if event.skipped:
            self._print(Text(_("[… {n} bytes are not shown; all of it is kept]", n=event.skipped), "dim"))
        whole, newline, rest = (self._output + event.text).rpartition("\n")
        self._output = rest.rpartition("\r")[2]  # what a program draws over is gone
        if newline:
            lines = [line.rpartition("\r")[2].rstrip() for line in whole.split("\n")] if "\r" in whole else [whole]
            self._print(Text("\n".join(lines)), soft_wrap=True)

    def _finished(self, event: ActionFinished) -> None:
        self._progress = None
        if self._output:
            self._print(Text(self._output), soft_wrap=True)
            self._output = ""
        for renderable in finished_parts(event, self._streamed.get(event.action)):
            self._print(renderable, soft_wrap=True)
        for display in event.completion.displays if event.completion else ():
            if drawn := picture(display.path, display.mime, self._pictures):
                self._stop()
                self._console.file.write(drawn)
                self._console.file.flush()
            self._print(Text(words.display_line(display), "cyan"), soft_wrap=True)
        if ending := words.ending(event):
            colour = "red" if event.status in ("error", "died", "lost", "denied") else "yellow"
            self._print(Text(ending, colour), soft_wrap=True)

    def _turn(self, event: TurnFinished) -> None:
        self._end_thoughts()
        self._settle()
        self._settle()
        self._stop()
        if event.reason == "done" and not self._said and event.text:
            self._draw(Block(event.text))
        if event.reason != "done" and event.text:
            self._print(Text(reveal(event.text), "yellow"))
        if self._verbose:
            self._print(Text(words.turn_line(event), "dim"))


def finished_parts(event: ActionFinished, streamed: str | None) -> list[Text]:
    """What is drawn of a finished action beside its streamed output (None: nothing was streamed)."""
    if event.status in ("refused", "denied", "not_run"):
        return []
    parts: list[Text] = []
    if streamed is None and (shown := event.observation.shown.rstrip("\n")):
        parts.append(Text(shown))
    if done := event.completion:
        if done.result:
            parts.append(Text(done.result.rstrip("\n")))
        if trace := words.trace_of(done, event.observation.shown if streamed is None else streamed):
            parts.append(Text(trace, "red"))
    return parts


def bar(done: float) -> str:
    full = round(20 * min(1.0, max(0.0, done)))
    return "█" * full + "░" * (20 - full) + f" {done:4.0%}"
