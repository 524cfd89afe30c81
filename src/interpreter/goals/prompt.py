"""What the model of a goal run is told besides: a few rules, and the small tools for plan, checks and claim."""

from __future__ import annotations

from typing import Any

import msgspec

from ..types.goals import Check, Task
from ..types.messages import ToolSpec

FINISH, PLAN, CHECKS = "finish", "plan", "checks"
RULES = """\
This is a goal run: nobody watches, and checks decide whether the goal is reached, not you.
- Begin with plan(steps): at most 7 short steps. Call it again when a step is done or the plan changes.
- One execute at a time. In `expect` say in a few words what you expect to see.
- If a result is not what you expected, say why in one sentence before you go on.
- An action that reaches beyond the working folder needs `undo`: the shell command that takes it back; if there is \
none: undo="none". Files in the folder need no undo.
- End with finish(status, evidence). status: success, failure or blocked. evidence: what you saw that shows it.
- After finish the checks are run by others. If one fails you read its output and go on."""
OWN_CHECKS = """\
- No checks were given. Before your first change call checks(commands): shell commands that fail now and exit with 0 \
only when the goal is reached."""


def rules(task: Task) -> str:
    """The fragment of the system prompt; the same for a session's whole life."""
    return RULES if task.checks else f"{RULES}\n{OWN_CHECKS}"


def opening(task: Task) -> str:
    """The first message: the goal, and what it is about."""
    lines = [f"Goal: {task.goal.strip()}"]
    if task.variables:
        lines.append("Given: " + ", ".join(f"{name} = {value}" for name, value in task.variables.items()))
    if task.inputs:
        lines.append("Inputs: " + ", ".join(task.inputs))
    if task.checks:
        lines.append("It counts as reached when all of this holds:")
        lines += [f"- {describe(check)}" for check in task.checks]
    return "\n".join(lines)


def describe(check: Check) -> str:
    """One line that says what a check looks at."""
    if check.http is not None:
        one = check.http
        wanted = f" and {(one.holds or one.matches)!r} in its body" if one.holds or one.matches else ""
        text = f"{one.method} {one.url} answers {one.status}{wanted}"
    elif check.file is not None:
        found = check.file
        held = f" holds {(found.holds or found.matches)!r}" if found.holds or found.matches else " exists"
        text = f"the file {found.path}{' does not exist' if found.absent else held}"
    elif check.metric is not None:
        metric = check.metric
        bounds = [f"at most {metric.at_most:g}"] if metric.at_most is not None else []
        bounds += [f"at least {metric.at_least:g}"] if metric.at_least is not None else []
        text = f"the metric {metric.query} is {' and '.join(bounds)}"
    else:
        text = f"`{check.command}` exits with 0"
    named = check.name and check.name not in (check.command[:80], "")
    text = f"{check.name}: {text}" if named else text
    return text + (f", for {check.hold:g} s" if check.hold else "")


def tools(plain: tuple[ToolSpec, ...], task: Task) -> tuple[ToolSpec, ...]:
    """Those of a plain session, with `expect` and `undo` in execute, and the run's own."""
    found = [with_expectation(tool) if tool.name == "execute" else tool for tool in plain]
    found.append(spec(PLAN, "Say or change your plan: all of its steps, in order.", {
        "steps": {"type": "array", "items": {"type": "string"},
                  "description": "Begin a step that is done with [x], the one you work on with [>]."},
    }))  # fmt: skip
    if not task.checks:
        found.append(spec(CHECKS, "State how success will be checked, before your first change.", {
            "commands": {"type": "array", "items": {"type": "string"}},
        }))  # fmt: skip
    found.append(spec(FINISH, "End the run with a claim; the checks decide.", {
        "status": {"type": "string", "enum": ["success", "failure", "blocked"]},
        "evidence": {"type": "string", "description": "What you saw that shows it."},
    }))  # fmt: skip
    return tuple(found)


def with_expectation(tool: ToolSpec) -> ToolSpec:
    properties: dict[str, Any] = {
        **tool.parameters["properties"],
        "expect": {"type": "string", "description": "What you expect to see."},
        "undo": {"type": "string", "description": 'Shell command that takes it back, or "none".'},
    }
    return msgspec.structs.replace(tool, parameters={**tool.parameters, "properties": properties})


def spec(name: str, description: str, properties: dict[str, Any]) -> ToolSpec:
    return ToolSpec(
        name=name,
        description=description,
        parameters={
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        },
    )
