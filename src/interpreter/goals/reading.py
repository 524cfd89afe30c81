"""What small models say in words instead of calls: claims, plans, expectations, checks."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from typing import Any, Literal, cast

import msgspec

from ..agent.parse import Reading
from ..text.clean import clean_text
from ..types.goals import Check, PlanStep

Status = Literal["success", "failure", "blocked"]
WORDS: dict[Status, tuple[str, ...]] = {
    "success": ("success", "succeeded", "successful", "done", "complete", "completed", "ok", "true", "reached",
                "finished", "成功", "完成", "已完成"),
    "failure": ("failure", "failed", "fail", "error", "impossible", "false", "失败"),
    "blocked": ("blocked", "stuck", "waiting", "受阻", "阻塞"),
}  # fmt: skip
# What stands before a word at the beginning of a line ends with the line: else it would be sought from each of many
# empty lines to their end.
LINE = re.compile(
    r"^(?:[^\S\n]|[#>*_`-])*(?:(?:final\s+)?(?:status|claim|result|结果|状态)\s*[:：=])[\s*_`\"']*(\w+)",
    re.IGNORECASE | re.MULTILINE,
)
ALONE = re.compile(r"^[\s#>*_`-]*(success|failure|blocked|成功|失败|受阻)\b[\s*_`]*[:：.!。]?", re.IGNORECASE)
CALLED = re.compile(r"finish\s*\(\s*(?:status\s*=\s*)?[\"'](\w+)[\"']", re.IGNORECASE)
EXPECT = re.compile(
    r"^(?:[^\S\n]|[>*_`-])*(?:i\s+)?(?:expect(?:ed|ation|s)?|预期|期望)[*_`]*\s*[:：]\s*(.+)$",
    re.IGNORECASE | re.MULTILINE,
)
UNDO = re.compile(
    r"^(?:[^\S\n]|[>*_`-])*(?:undo|rollback|撤销|回滚)[*_`]*\s*[:：]\s*(.+)$", re.IGNORECASE | re.MULTILINE
)
PLAN = re.compile(r"^[\s#>*_`]*(?:plan|my plan|the plan|计划)[*_`\s]*+[:：]?[*_`\s]*$", re.IGNORECASE)
ITEM = re.compile(r"^\s*(?:\d+[.)、]|[-*•])\s*(?:\[(.)\]\s*)?(.+)$")
MARKS = {"x": "done", "X": "done", "✓": "done", "✔": "done", ">": "doing", "~": "doing", "-": "dropped"}
STATES: dict[str, str] = {
    "done": "done", "completed": "done", "complete": "done", "finished": "done", "doing": "doing",
    "in_progress": "doing", "in progress": "doing", "active": "doing", "current": "doing", "dropped": "dropped",
    "skipped": "dropped", "cancelled": "dropped",
}  # fmt: skip
MOST_STEPS, MOST_CHECKS, LONGEST = 20, 8, 2_000
DEEPEST = 50
"""Tables and lists within another of what a model says as JSON; a claim, a plan and a check have three."""
NO_UNDO = ("none", "no", "n/a", "na", "impossible", "cannot", "not possible", "null", "无", "不能", "-")


def status_named(word: str) -> Status | None:
    low = word.strip().strip("*_`\"'.!").lower()
    return next((status for status, words in WORDS.items() if low in words), None)


def claim_in(text: str) -> tuple[Status, str] | None:
    """The claim that an answer without a call makes in words, and its evidence."""
    found = _json_claim(text)
    if found is not None:
        return found
    for pattern in (CALLED, LINE, ALONE):
        match = pattern.search(text) if pattern is not ALONE else pattern.match(text)
        if match is not None and (status := status_named(match[1])) is not None:
            return status, clean_text(text).strip()[:LONGEST]
    return None


def _json_claim(text: str) -> tuple[Status, str] | None:
    found = table_in(text)
    return claim_of(found) if found is not None else None


def table_in(text: str) -> dict[str, Any] | None:
    """The one JSON object in a text, from its first brace to its last."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        return None
    try:
        value: Any = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        return None
    if deep(value) or not isinstance(value, dict):
        return None
    return cast("dict[str, Any]", value)


def deep(value: object) -> bool:
    """Whether it is nested more deeply than what reads it could follow."""
    level = [value]
    for _n in range(DEEPEST):
        level = [inner for one in level for inner in within(one)]
        if not level:
            return False
    return True


def within(value: object) -> Collection[object]:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()


def claim_of(arguments: dict[str, Any]) -> tuple[Status, str] | None:
    """The claim in the arguments of a call; None where its status is none of the three."""
    table = {str(key).strip().lower(): value for key, value in arguments.items()}
    inner = next((table[key] for key in ("arguments", "parameters") if isinstance(table.get(key), dict)), None)
    if inner is not None and "status" not in table:
        return claim_of(cast("dict[str, Any]", inner))
    word = next((table[key] for key in ("status", "claim", "result", "state", "success") if key in table), "")
    status = status_named(str(word))
    said = next(
        (table[key] for key in ("evidence", "reason", "message", "summary", "text", "answer") if key in table), ""
    )
    if status is None:
        return None
    evidence = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    return status, clean_text(evidence).strip()[:LONGEST]


def plan_of(value: object) -> tuple[PlanStep, ...]:
    """The steps of a plan, whatever its form: a list of texts, of objects, or lines with marks."""
    if isinstance(value, dict):
        table = cast("dict[str, Any]", value)
        found = next((table[key] for key in ("steps", "plan", "items", "todo", "tasks") if key in table), None)
        return plan_of(found) if found is not None else ()
    if isinstance(value, str):
        lines = [line for line in value.splitlines() if line.strip()]
        return plan_of(cast("list[object]", lines))
    if not isinstance(value, (list, tuple)):
        return ()
    return tuple(step for one in cast("Sequence[object]", value)[:MOST_STEPS] if (step := step_of(one)) is not None)


def step_of(one: object) -> PlanStep | None:
    if isinstance(one, dict):
        table = cast("dict[str, Any]", one)
        text = next(
            (table[key] for key in ("text", "step", "title", "name", "content", "description") if key in table), ""
        )
        said = str(next((table[key] for key in ("state", "status", "done") if key in table), "")).strip().lower()
        state = STATES.get(said, "done" if said == "true" else "open")
        return made(str(text), state)
    text = " ".join(str(one)[:LONGEST].split())
    match = ITEM.match(text)
    mark = match[1] if match is not None else None
    if match is None and (bare := re.match(r"\[(.)\]\s*(.+)", text)) is not None:
        return made(bare[2], MARKS.get(bare[1], "open"))
    return made(match[2] if match is not None else text, MARKS.get(mark or "", "open"))


def made(text: str, state: str) -> PlanStep | None:
    line = " ".join(clean_text(text).split())[:200]
    return PlanStep(text=line, state=cast(Any, state)) if line else None


def plan_in(text: str) -> tuple[PlanStep, ...]:
    """A plan that stands in words: a line `Plan:` and a list below it."""
    lines = text.splitlines()
    at = next((n for n, line in enumerate(lines) if PLAN.match(line)), None)
    if at is None:
        return ()
    items: list[object] = []
    for line in lines[at + 1 :]:
        if ITEM.match(line):
            items.append(line)
        elif line.strip() and items:
            break
    return plan_of(items)


def checks_of(value: object) -> tuple[Check, ...]:
    """The commands of the model's own checks."""
    if isinstance(value, dict):
        table = cast("dict[str, Any]", value)
        given = next((table[key] for key in ("commands", "checks", "command", "check", "verify") if key in table), None)
        return checks_of(given) if given is not None else ()
    if isinstance(value, str):
        value = [line for line in value.splitlines() if line.strip()]
    if not isinstance(value, (list, tuple)):
        return ()
    found: dict[str, Check] = {}
    for one in cast("Sequence[object]", value)[:MOST_CHECKS]:
        if isinstance(one, dict):
            table = cast("dict[str, Any]", one)
            one = next((table[key] for key in ("command", "cmd", "code", "check") if key in table), "")
        command = str(one).strip().strip("`")[:LONGEST]
        if command:
            found[command] = Check(name=command[:80], command=command)
    return tuple(found.values())


def settled(reading: Reading) -> Reading:
    """What was said in words beside an action belongs to the first one that lacks it."""
    if not reading.actions or not reading.text:
        return reading
    first = reading.actions[0]
    expect, undo = EXPECT.search(reading.text), UNDO.search(reading.text)
    changed = msgspec.structs.replace(
        first,
        expect=first.expect or (expect[1].strip() if expect is not None else ""),
        undo=first.undo or (undo[1].strip().strip("`") if undo is not None else ""),
    )
    return reading if changed == first else msgspec.structs.replace(reading, actions=(changed, *reading.actions[1:]))


def no_undo(undo: str) -> bool:
    """Whether the model says that there is none."""
    return undo.strip().strip(".`'\"").lower() in NO_UNDO
