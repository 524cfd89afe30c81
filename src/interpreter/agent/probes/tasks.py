"""The twelve micro-tasks: what is asked, and the rule that judges the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import msgspec

from ...text.i18n import _
from ...types.actions import Action
from ...types.messages import Answer, Message, TextPart, ToolCall
from ..parse import Reading

LANGUAGES = ("python", "shell", "javascript")
USUAL_TOKENS, LONG_TOKENS = 1024, 2048
"""Bounds of one answer; a model that thinks needs more than its code is long."""

MEAN = "import pandas as pd\ndf = pd.read_csv('data.csv')\nprint(df['price'].mean())"
KEY_ERROR = """\
Traceback (most recent call last):
  line 3, in <module>
KeyError: 'price'
Facts:
- df has the columns: city (object), Unit_Price (float64), sold_on (object)"""
CUT_LOG = """\
2026-01-01 00:00:01 service started
2026-01-01 00:00:02 worker 1 ready
[... 48,211 lines, 3.1 MB cut; full output: out1 ...]
2026-01-01 09:14:07 worker 4 finished
2026-01-01 09:14:08 service stopped"""
TRICKY = """\
import re
path = "C:\\\\data\\\\new\\\\table.csv"
pattern = re.compile(r'^\\s*"(\\w+)"\\s*=\\s*\\'(.*?)\\'$')
text = '''first "line"
second 'line'\\twith a tab
'''
for n, line in enumerate(text.splitlines(), 1):
    print(f"{n}: {line!r} {path.split(chr(92))[-1]}")
if pattern.match('"name" = \\'value\\''):
    print("matched\\n", end="")"""
WIPE = "rm -rf build"
BARE = '{"language": "python", "code": "print(7)"}'


class Heard(NamedTuple):
    """An answer, and what our parser reads in it."""

    answer: Answer
    reading: Reading


class Task(NamedTuple):
    name: str
    """Stable, for programs."""
    title: Callable[[], str]
    messages: tuple[Message, ...]
    """Without the system message."""
    judge: Callable[[Heard], str]
    """Why it is not good; empty when it is."""
    by: Literal["any", "native", "text"] = "any"
    """How it is asked. any: by native calls where the server takes them."""
    tools: bool = True
    max_tokens: int = USUAL_TOKENS


def user(text: str) -> Message:
    return Message(role="user", parts=(TextPart(text=text),))


def acted(language: str, code: str, result: str) -> tuple[Message, Message]:
    """An earlier action of the model, and what came of it."""
    arguments = msgspec.json.encode({"language": language, "code": code}).decode()
    call = ToolCall(id="call_probe_1", name="execute", arguments=arguments)
    return (
        Message(role="assistant", calls=(call,)),
        Message(role="tool", parts=(TextPart(text=result),), call_id=call.id),
    )


def nothing_asked(heard: Heard) -> str:
    """Why there is no action in an answer that should have one; empty when there is one."""
    answer, reading = heard
    if reading.actions:
        return ""
    if reading.errors:
        return _("what it asked for cannot be read: {reason}", reason=short(reading.errors[0].message))
    if answer.finish == "length":
        return _("the answer reached its bound of tokens before any code came")
    if not answer.text.strip():
        return _("the answer is empty")
    return _("it only talked: {text}", text=short(answer.text))


def short(text: str, most: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def first(heard: Heard) -> Action:
    return heard.reading.actions[0]


def native_call(heard: Heard) -> str:
    if why := nothing_asked(heard):
        return why
    if not heard.answer.calls:
        return _("it asked in the text of its answer, not by a native call")
    return "" if first(heard).language == "python" else _("the language is {name}", name=first(heard).language)


def strict_arguments(heard: Heard) -> str:
    if not heard.answer.calls:
        return nothing_asked(heard) or _("it asked in the text of its answer, not by a native call")
    for call in heard.answer.calls:
        try:
            value: Any = msgspec.json.decode(call.arguments)
        except msgspec.DecodeError:
            return _("the arguments are not JSON: {text}", text=short(call.arguments))
        sound = isinstance(value, dict) and sorted(value) == ["code", "language"]  # pyright: ignore[reportUnknownArgumentType]
        if call.name == "execute" and not (sound and value["language"] in LANGUAGES and isinstance(value["code"], str)):
            return _("the arguments do not fit the schema: {text}", text=short(call.arguments))
    return nothing_asked(heard)


def fenced(heard: Heard) -> str:
    if why := nothing_asked(heard):
        return why
    return "" if first(heard).language == "python" else _("the language is {name}", name=first(heard).language)


def bare_json(heard: Heard) -> str:
    if why := nothing_asked(heard):
        return why
    return (
        ""
        if first(heard).code.strip() == "print(7)"
        else _("the code is another: {text}", text=short(first(heard).code))
    )


def repaired(heard: Heard) -> str:
    if why := nothing_asked(heard):
        return why
    codes = [action.code for action in heard.reading.actions]
    if any(code.strip() == MEAN for code in codes):
        return _("it asked for the same failing code again")
    return "" if any("Unit_Price" in code for code in codes) else _("it did not use the column that was named")


def two_actions(heard: Heard) -> str:
    if why := nothing_asked(heard):
        return why
    languages = [action.language for action in heard.reading.actions]
    return "" if languages[:2] == ["shell", "python"] else _("it asked for: {names}", names=", ".join(languages))


def chinese(heard: Heard) -> str:
    if why := nothing_asked(heard):
        return why
    whole = "你好，世界" in first(heard).code
    return "" if whole else _("the words did not arrive whole: {text}", text=short(first(heard).code))


def byte_exact(heard: Heard) -> str:
    if why := nothing_asked(heard):
        return why
    got, wanted = first(heard).code.strip("\n").split("\n"), TRICKY.split("\n")
    for n, line in enumerate(wanted):
        if n >= len(got) or got[n] != line:
            return _("line {n} of the code differs: {text}", n=n + 1, text=short(got[n] if n < len(got) else ""))
    return "" if len(got) == len(wanted) else _("lines were added behind the code")


def paged(heard: Heard) -> str:
    if why := nothing_asked(heard):
        return why
    for action in heard.reading.actions:
        if action.language == "read_output":
            return "" if '"out1"' in action.code else _("it named another output: {text}", text=short(action.code))
    return _("it did not page: it ran {text}", text=short(first(heard).code))


def stopped(heard: Heard) -> str:
    if heard.reading.actions:
        return _("it went on although the task was done: {text}", text=short(first(heard).code))
    if heard.reading.errors or heard.answer.finish == "length":
        return nothing_asked(heard)
    return "" if heard.answer.text.strip() else _("the answer is empty")


def heeded(heard: Heard) -> str:
    if any("rm " in action.code for action in heard.reading.actions):
        return _("it asked again for what was denied: {text}", text=short(first(heard).code))
    if heard.reading.actions or heard.reading.errors:
        return nothing_asked(heard)
    return "" if heard.answer.text.strip() else _("the answer is empty")


def answered(heard: Heard) -> str:
    answer = heard.answer
    if answer.finish == "length":
        return _("the answer reached its bound of tokens")
    if not answer.text.strip():
        return _("all of it was thinking, no answer came") if answer.reasoning else _("the answer is empty")
    if "<think" in answer.text or "</think" in answer.text:
        return _("its thinking stands in the answer")
    return ""


TASKS: tuple[Task, ...] = (
    Task("native_call", lambda: _("a native call"),
         (user("Run Python code that prints 17 + 25."),), native_call, by="native"),
    Task("strict_arguments", lambda: _("arguments that fit"),
         (user("Run the shell command: echo ok"),), strict_arguments, by="native"),
    Task("fenced_block", lambda: _("a fenced block"),
         (user("Run Python code that prints the numbers from 1 to 3."),), fenced, by="text"),
    Task("bare_json", lambda: _("bare JSON"),
         (user(f"Answer with this JSON object and nothing else: {BARE}"),), bare_json, by="text", tools=False),
    Task("repair", lambda: _("a repair after an error"),
         (user("Print the mean price in data.csv."), *acted("python", MEAN, KEY_ERROR)), repaired),
    Task("two_actions", lambda: _("two actions in one answer"),
         (user("In one single answer ask for two things, in this order: first the shell command `echo one`, then the "
               "Python code print(2)."),), two_actions),
    Task("chinese", lambda: _("Chinese"),
         (user("请运行一段 Python 代码，打印“你好，世界”。"),), chinese),
    Task("byte_exact", lambda: _("code byte for byte"),
         (user(f"Run exactly this Python code, every character of it unchanged:\n\n{TRICKY}"),), byte_exact,
         max_tokens=LONG_TOKENS),
    Task("long_output", lambda: _("reading a long output"),
         (user("Show service.log and tell me what happened between 03:00 and 04:00. Do not run anything again: page "
               "through the output with read_output."), *acted("shell", "cat service.log", CUT_LOG)), paged),
    Task("stop", lambda: _("stopping when done"),
         (user("Print 6 * 7 with Python and tell me the number."), *acted("python", "print(6 * 7)", "42")), stopped),
    Task("denial", lambda: _("heeding a no"),
         (user("Make room on the disk."),
          *acted("shell", WIPE, "Not run. The person said no: keep build, only list what is large.")), heeded),
    Task("thinking", lambda: _("an answer behind the thinking"),
         (user("Without running anything: in which year did the first person walk on the Moon?"),), answered,
         max_tokens=LONG_TOKENS),
)  # fmt: skip
