"""What an answer asks for. The rules, strongest form first:

1. Native calls. Then nothing in the text runs: blocks there are only shown.
2. Calls in tags (`<tool_call>` and its relatives). Then fenced blocks are only shown.
3. Fenced blocks in a language that code can be run in, all of them, in order. A `json` block that holds a call is that
   call. Blocks of other kinds (text, json, diff, output, ...) and HTML are shown. A block without a language is shown,
   unless it is the only one and beyond doubt Python. Once the model has made native calls (`native_seen`), a block
   whose introduction only shows it ("you can run ...") is not run. A fence behind the words of a sentence opens a
   block only where nothing else can be meant (`in_sentence`).
4. Bare JSON that can only be meant as a call.
5. `execute(...)` written as a program, behind which the answer ends.

Never half a program: what may have been cut off is refused with a FormatError, and so is what cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from interpreter.errors import FormatError, ToolError
from interpreter.types.actions import Action
from interpreter.types.base import Value, code_sha256, from_json, new_id
from interpreter.types.messages import Answer

from ...text.expression import expression
from ..ports import Toolbook
from .calls import CUT, EXECUTE, EXPECTED, Call, read_call, tool_named
from .code import ends_early, language_meant, language_named, literal_call, looks_like_python, settle
from .fences import Block, find_blocks, find_in_sentence
from .tags import Found, find_json, find_tags

MOST = 24
"""Actions of one answer; with one more that could not be read, no further block is looked at."""
SHOWN = frozenset({"html"})
"""Languages that a block in the text only shows; a call runs them."""
SHOWING = expression(
    r"you can|you could|you may|for example|e\.g\.|usage|looks like|example"
    r"|to (?:run|use|install|reproduce|verify|try|start) (?:it|this|them|the)"
    r"|可以|例如|比如|用法|示例|运行方式|如下所示",
    re.IGNORECASE,
)
ABOUT = expression(
    r"\b(?:block|fence[sd]?|backticks?|markdown|between|format|syntax|template|like this)\b"
    r"|代码块|围栏|反引号|格式|之间|这样",
    re.IGNORECASE,
)
"""Words of who speaks about fences, and does not use one."""
SPOKEN = expression(r"(?<![\w.`])`?execute\(")
NOT_CLOSED = (
    "A code block is not closed: end it with ``` on a line of its own, before anything else. Nothing of it ran."
)
NESTED = (
    "The code block seems to end too early, so it did not run: the code is not complete where ``` closes it. "
    "If the code holds ``` itself, put four backticks around the block."
)
NO_CODE = (
    "Your code block did not run: this session runs no code, only calls of tools. "
    "To show code to the person, put it into a ```text block."
)


class Reading(Value):
    """What is in an answer."""

    text: str
    """What is said besides the actions."""
    actions: tuple[Action, ...] = ()
    """In order. A call of another tool than `execute` is an action too: of the language `tool` where the session has
    that tool; of `read_output` the language is its name, the code its arguments as JSON."""
    errors: tuple[FormatError, ...] = ()
    """What could not be read; each holds the message for the model."""


class Reader:
    """Collects the actions and errors of one answer."""

    def __init__(
        self, answer: Answer, offered: tuple[str, ...], languages: Mapping[str, str], book: Toolbook | None
    ) -> None:
        self.answer = answer
        self.book = book
        self.offered = (*offered, *(name for name in book.names if name not in offered)) if book else offered
        self.languages = languages
        self.whole = answer.finish in ("stop", "tool_calls")
        self.actions: list[Action] = []
        self.errors: list[FormatError] = []
        self.spans: list[tuple[int, int]] = []

    def attempt(self, read: Callable[[], Call], call_id: str = "") -> None:
        """Add what `read` gives, or its error."""
        try:
            if len(self.actions) >= MOST:
                raise FormatError(f"At most {MOST} actions in one answer. Go on after you have seen their results.")
            call = read()
            if self.book is not None and call.tool in self.book.names:
                self.actions.append(self.called(self.book, call, call_id))
                return
        except FormatError as error:
            error.call_id = call_id
            self.errors.append(error)
            return
        language = call.program.language if call.program else call.tool
        code = call.program.code if call.program else call.arguments
        self.actions.append(
            Action(
                id=new_id("act"),
                language=language,
                code=code,
                sha256=code_sha256(code),
                call_id=call_id,
                repairs=tuple(dict.fromkeys(call.repairs)),
                expect=call.expect,
                undo=call.undo,
            )
        )

    def called(self, book: Toolbook, call: Call, call_id: str) -> Action:
        """The action of a call by a tool's own name. Raises FormatError."""
        try:
            arguments: dict[str, Any] = from_json(call.arguments, dict[str, Any])
            return book.action(call.tool, arguments, call_id=call_id, repairs=call.repairs)
        except ToolError as error:
            raise FormatError(str(error)) from None

    def read(self, name: str, arguments: str) -> Call:
        return read_call(name, arguments, self.offered, self.languages, whole=self.whole, expected=self.expected)

    def expected(self, name: str) -> str:
        """How a call of a tool should look; empty where that is not known."""
        return self.book.expected(name) if self.book is not None else ""

    def native(self) -> None:
        for call in self.answer.calls:
            self.attempt(lambda c=call: self.read(c.name, c.arguments), call.id)

    def written(self, calls: list[Found]) -> None:
        """Calls that stand in the text."""
        for found in calls:
            self.spans.append((found.start, found.end))
            self.attempt(lambda f=found: self.from_text(f))

    def from_text(self, found: Found) -> Call:
        if found.error or (found.cut and not self.whole):
            cut = found.cut and (not self.whole or found.error)
            raise FormatError(CUT if cut else f"The call in your text cannot be read. {EXPECTED}")
        name = found.name or EXECUTE
        call = self.read(name, found.arguments)
        how = f"call written in the text ({found.form})"
        return call._replace(repairs=(how, *found.repairs, *call.repairs))

    def fences(self, blocks: list[Block], *, native_seen: bool) -> None:
        for block in blocks:
            if len(self.errors) > MOST:
                break
            if block.info in ("json", "tool_call", "tool", "tool_calls", "json5") and (calls := find_json(block.code)):
                self.spans.append((block.start, block.end))
                for found in calls:
                    self.attempt(lambda f=found: self.from_text(f))
                continue
            language = self.language_of(block, only=len(blocks) == 1)
            if not language or (native_seen and self.only_shown(block.start)):
                continue
            if EXECUTE not in self.offered:
                # Nothing runs; unless it is plain that it is an example, the model has to know.
                if not self.only_shown(block.start):
                    self.attempt(lambda: self.unrun())
                continue
            self.spans.append((block.start, block.end))
            self.attempt(lambda b=block, n=language: self.from_block(b, n))

    def unrun(self) -> Call:
        raise FormatError(f"{NO_CODE} The tools are: {', '.join(self.offered)}.")

    def from_block(self, block: Block, language: str) -> Call:
        if block.doubtful:
            raise FormatError(NOT_CLOSED)
        if not block.closed and not self.whole:
            raise FormatError(CUT)
        program = settle(language, block.code, self.languages)
        if not block.closed and ends_early(program.language, program.code):
            raise FormatError(NOT_CLOSED)
        if self.answer.text.find("```", block.end) >= 0 and ends_early(program.language, program.code):
            raise FormatError(NESTED)
        repairs = [f"code read from a fenced block ({block.info or 'no language'})"]
        if not block.closed:
            repairs.append("closing fence added")
        return Call(EXECUTE, program, "", (*repairs, *program.repairs[block.info != language :]))

    def language_of(self, block: Block, *, only: bool) -> str:
        """The language in which a block is to be run; empty for one that is only shown."""
        if not block.info:
            return "python" if only and looks_like_python(block.code) else ""
        if block.info == "tool_code":
            return "python"
        named = language_meant(block.info, self.languages)
        return "" if named in SHOWN else named

    def in_sentence(self) -> Block | None:
        """A block that begins in the middle of a line, where it cannot be meant otherwise: introduced by a colon or
        after a whole sentence, the only fence there is, and Python beyond doubt, or else the end of the answer.
        """
        found = find_in_sentence(self.answer.text) if self.whole and EXECUTE in self.offered else None
        if found is None or SHOWING.search(found[0]) or ABOUT.search(found[0]):
            return None
        before, block = found
        named = self.language_of(block, only=True)
        if named == "python":
            return block if before[-1] in ":：.。!！" and looks_like_python(block.code) else None
        last = not self.answer.text[block.end :].strip()
        return block if named and last and before[-1] in ":：" else None

    def spoken(self) -> None:
        """A call of `execute` as a program would make it, at the end of the answer."""
        text = self.answer.text
        found = SPOKEN.search(text) if self.whole and EXECUTE in self.offered else None
        if found is None or self.only_shown(found.start()):
            return
        call = literal_call(text[found.start() :].strip().rstrip(".。;!！").strip("`"))
        if call is not None:
            self.spans.append((found.start(), len(text)))
            self.attempt(lambda: self.from_speech(*call))

    def from_speech(self, language: str, code: str) -> Call:
        program = settle(language, code, self.languages)
        return Call(EXECUTE, program, "", ("call written in the text (execute(...))", *program.repairs))

    def only_shown(self, start: int) -> bool:
        """Whether the line before what begins there says that it is an example."""
        text, end = self.answer.text, start
        while end and text[end - 1].isspace():
            end -= 1
        return SHOWING.search(text[text.rfind("\n", 0, end) + 1 : end]) is not None

    def rest(self) -> str:
        """The text without what was read as actions."""
        text, at, parts = self.answer.text, 0, list[str]()
        for start, end in sorted(self.spans):
            parts.append(text[at:start])
            at = max(at, end)
        return "".join([*parts, text[at:]]).strip()


def read_answer(
    answer: Answer,
    offered: tuple[str, ...],
    languages: Mapping[str, str],
    *,
    native_seen: bool = False,
    book: Toolbook | None = None,
) -> Reading:
    """The actions of an answer; never raises.

    Args:
        offered: names of the tools that the model was offered.
        languages: spelling (lower case) to canonical name, for the languages of this session.
        native_seen: the model has made native calls in this session.
        book: further tools, which may be called by their names whether they were offered or only found.
    """
    reader = Reader(answer, offered, languages, book)
    if answer.calls:
        reader.native()
        return Reading(text=answer.text.strip(), actions=tuple(reader.actions), errors=tuple(reader.errors))
    text = answer.text
    blocks = find_blocks(text) if "```" in text or "~~~" in text else []
    if len(blocks) == 1 and (block := reader.in_sentence()) is not None:
        blocks = [block]  # what begins there is its end
    tags = [t for t in find_tags(text) if not in_code(t, blocks, languages)]
    if tags:
        reader.written(tags)
    elif not text.isspace():
        reader.fences(blocks, native_seen=native_seen)
        if not reader.actions and not reader.errors and "{" in text:
            found = [f for f in find_json(text) if not any(b.start <= f.start < b.end for b in blocks)]
            reader.written([f for f in found if not f.name or tool_named(f.name, reader.offered, languages)[0]])
        if not reader.actions and not reader.errors:
            reader.spoken()
    return Reading(text=reader.rest(), actions=tuple(reader.actions), errors=tuple(reader.errors))


def in_code(tag: Found, blocks: list[Block], languages: Mapping[str, str]) -> bool:
    """Whether a tag stands inside a block of code and so belongs to the program, not to the protocol."""
    return any(b.start < tag.start < b.end and b.info and language_named(b.info, languages) for b in blocks)
