"""Calls of tools: which tool is meant, and what its arguments say."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import msgspec

from interpreter.errors import FormatError
from interpreter.llm.wire import whole_characters

from ...text.expression import expression
from .code import Program, language_named, settle
from .mend import Unreadable, read_json

EXECUTE = "execute"
EXPECTED = 'Expected: execute with {"language": "python", "code": "print(1)"}.'
CUT = (
    "Your answer was cut off in the middle of the code, so nothing of it ran. "
    "Write it again shorter, or in parts: one small step in each answer."
)
PREFIX = expression(r"^(?:functions?|tools?|default_api|multi_tool_use|api)[.:/]+")
SUFFIX = expression(r"[:#]\d+$")
FENCED = expression(r"```(?:json)?\s*(\{.*\})\s*```", re.DOTALL)
DOING = frozenset(
    ("execute", "exec", "run", "code", "interpreter", "execution", "tool", "repl", "eval", "call", "action", "script")
)
SHELL_DOING = frozenset({"command", "cmd", "commands", "terminal", "console", "cli"})
CODE_KEYS = ("code", "source", "script", "command", "cmd", "input", "program", "query", "body", "content", "text")
CODE_KEYS_MORE = ("snippet", "source_code", "commands", "statement", "expression")
LANGUAGE_KEYS = ("language", "lang", "kernel", "interpreter", "runtime", "syntax", "type")
WRAPPERS = ("arguments", "parameters", "args", "params", "input", "kwargs")
EXPECT_KEYS = ("expect", "expected", "expectation", "expects", "expected_result")
UNDO_KEYS = ("undo", "rollback", "revert", "undo_command")


class Call(NamedTuple):
    """What is asked for: a program, or another tool's arguments as JSON."""

    tool: str
    program: Program | None
    arguments: str
    repairs: tuple[str, ...]
    expect: str = ""
    undo: str = ""


def tool_named(name: str, offered: tuple[str, ...], languages: Mapping[str, str]) -> tuple[str, str]:
    """(tool, language that its name implies); ("", "") for a tool that does not exist."""
    plain = SUFFIX.sub("", PREFIX.sub("", name.strip().strip("`'\"").strip()))
    if plain in offered:
        return plain, ""
    low = plain.lower().replace("-", "_").replace(" ", "_")
    for tool in offered:
        if low == tool.lower().replace("-", "_") or low.replace("_", "") == tool.lower().replace("_", ""):
            return tool, ""
    if EXECUTE not in offered and offered:
        return "", ""
    words = [w for w in re.split(r"[_.]", low) if w]
    implied = next((found for w in words if w not in DOING and (found := language_named(w, languages))), "")
    rest = [w for w in words if w not in DOING and w not in SHELL_DOING and not language_named(w, languages)]
    if not words or rest:
        return "", ""
    if not implied and any(w in SHELL_DOING for w in words):
        implied = "shell"
    return EXECUTE, implied


def read_call(
    name: str,
    arguments: str,
    offered: tuple[str, ...],
    languages: Mapping[str, str],
    *,
    whole: bool,
    expected: Callable[[str], str] = lambda _tool: EXPECTED,
) -> Call:
    """The call that is meant.

    `whole` is False where the answer may have been cut off: then only arguments that are sound JSON count; `expected`
    says how a call of a tool should look. Raises FormatError.
    """
    tool, implied = tool_named(name, offered, languages) if name.strip() else (EXECUTE, "")
    if not tool:
        raise FormatError(f"There is no tool {name.strip()[:60]!r}. The tools are: {', '.join(offered) or EXECUTE}.")
    repairs: list[str] = []
    if tool != name:
        repairs.append(f"tool {name.strip()[:60]!r} read as {tool}")
    value = decode(arguments, repairs, whole=whole, expected=EXPECTED if tool == EXECUTE else expected(tool))
    if tool != EXECUTE:
        if not isinstance(value, dict):
            raise FormatError(f"The arguments of {tool} are not a JSON object. {expected(tool)}".strip())
        try:
            written = msgspec.json.encode(whole_characters(value)).decode()
        except RecursionError:
            raise FormatError(f"The arguments of {tool} are nested too deeply. {expected(tool)}".strip()) from None
        return Call(tool, None, written, tuple(repairs))
    language, code = code_of(value, implied, languages, repairs)
    program = settle(language, code, languages)
    said = (said_in(value, EXPECT_KEYS), said_in(value, UNDO_KEYS))
    return Call(tool, program, "", (*repairs, *program.repairs), *said)


def said_in(value: Any, keys: tuple[str, ...]) -> str:
    """What stands beside the code under one of these keys; empty where nothing does."""
    if not isinstance(value, dict):
        return ""
    table = {str(k).strip().lower(): v for k, v in cast(dict[Any, Any], value).items()}
    found = next((table[key] for key in keys if isinstance(table.get(key), str)), "")
    return found.strip() or next((said for key in WRAPPERS if (said := said_in(table.get(key), keys))), "")


def decode(arguments: str, repairs: list[str], *, whole: bool, expected: str = EXPECTED) -> Any:
    """The arguments as a value: an object, or a string that is code. Raises FormatError."""
    text = arguments.strip()
    if fenced := FENCED.fullmatch(text):
        text = fenced[1]
        repairs.append("arguments within a fence")
    for _again in range(3):
        if not text.startswith(("{", "[", '"')):
            break
        try:
            found = read_json(text)
        except Unreadable:
            if text.startswith("{"):
                raise FormatError(f"The arguments are not valid JSON. {expected}") from None
            break
        if found.open_string or (found.cut and not whole):
            raise FormatError(CUT)
        value: Any = found.value
        if not isinstance(value, dict) and text[found.end :].strip():
            break
        if text[found.end :].strip(" \t\r\n}])"):
            raise FormatError(f"Something stands behind the JSON object of the arguments. {expected}")
        if text[found.end :].strip():
            repairs.append("brackets behind the arguments left out")
        repairs += found.repairs
        if not isinstance(value, str):
            return cast(Any, value)
        if not value.lstrip().startswith(("{", '"')):
            repairs.append("arguments were a string, not an object")
            return value
        text = value.strip()
        repairs.append("arguments were JSON within a string")
    if not whole:
        raise FormatError(CUT)
    if not text:
        raise FormatError(f"The arguments are empty. {expected}")
    repairs.append("arguments were code, not JSON")
    return arguments if text == arguments.strip() else text


def code_of(
    value: Any, implied: str, languages: Mapping[str, str], repairs: list[str], depth: int = 0
) -> tuple[str, str]:
    """(language, code) of the arguments, whatever their keys are called. Raises FormatError."""
    if isinstance(value, str):
        return implied, value
    if isinstance(value, list):
        items = cast(list[Any], value)
        repairs.append("arguments were a list")
        return code_of(items[0] if len(items) == 1 else {"code": items}, implied, languages, repairs, depth + 1)
    if not isinstance(value, dict) or depth > 4:
        raise FormatError(f"The arguments are not a JSON object. {EXPECTED}")
    table = {str(k).strip().lower(): v for k, v in cast(dict[Any, Any], value).items()}
    language = language_in(table, languages, repairs) or implied
    for key in (*CODE_KEYS, *CODE_KEYS_MORE):
        if isinstance(table.get(key), str | list):
            if key != "code":
                repairs.append(f"key {key!r} read as code")
            return with_code(table[key], key, language, repairs)
    if found := code_under_language(table, language, languages, repairs):
        return found
    for key in WRAPPERS:
        if isinstance(table.get(key), dict):
            repairs.append(f"arguments within {key!r}")
            return code_of(table[key], language, languages, repairs, depth + 1)
    raise FormatError(f"The arguments hold no code. {EXPECTED}")


def language_in(table: dict[str, Any], languages: Mapping[str, str], repairs: list[str]) -> str:
    """The language that an object names, as it is written there."""
    for key in LANGUAGE_KEYS:
        found = table.get(key)
        if isinstance(found, str) and found.strip() and (key == "language" or language_named(found, languages)):
            if key != "language":
                repairs.append(f"key {key!r} read as language")
            return found
    return ""


def code_under_language(
    table: dict[str, Any], language: str, languages: Mapping[str, str], repairs: list[str]
) -> tuple[str, str] | None:
    """Code whose key is the language's name: `{"python": "print(1)"}`, `{"python_code": ...}`."""
    for key, found in table.items():
        named = language_named(key.removesuffix("_code"), languages)
        if isinstance(found, str) and named:
            repairs.append(f"key {key!r} read as the language of the code")
            return language or named, found
    return None


def with_code(found: Any, key: str, language: str, repairs: list[str]) -> tuple[str, str]:
    """The code under `key`: a string, a list of lines, or a command as a list of words."""
    shell = key in ("command", "cmd", "commands")
    if isinstance(found, list):
        items = [str(item) for item in cast(list[Any], found)]
        if shell and len(items) == 3 and items[0].rpartition("/")[2] in ("bash", "sh") and items[1] in ("-c", "-lc"):
            code = items[2]
        else:
            code = shlex.join(items) if shell and key != "commands" else "\n".join(items)
        repairs.append("code given as a list")
        return language or ("shell" if shell else ""), code
    return language or ("shell" if shell else ""), str(found)
