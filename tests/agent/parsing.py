"""Short ways to read an answer in tests."""

from __future__ import annotations

from typing import Literal

from interpreter.agent.parse import Reading, read_answer
from interpreter.types.languages import LANGUAGES
from interpreter.types.messages import Answer, ToolCall

SPELLINGS = {s: lang.name for lang in LANGUAGES for s in (lang.name, *lang.spellings)}
OFFERED = ("execute", "read_output")
Finish = Literal["stop", "tool_calls", "length", "other"]


def read(text: str = "", *calls: tuple[str, str], finish: Finish = "stop", native_seen: bool = False) -> Reading:
    made = tuple(ToolCall(id=f"call_{n}", name=name, arguments=args) for n, (name, args) in enumerate(calls))
    answer = Answer(text=text, calls=made, finish=finish)
    return read_answer(answer, OFFERED, SPELLINGS, native_seen=native_seen)


def programs(reading: Reading) -> list[tuple[str, str]]:
    return [(a.language, a.code) for a in reading.actions]


def call(arguments: str, name: str = "execute", finish: Finish = "tool_calls") -> Reading:
    return read("", (name, arguments), finish=finish)
