"""Calls that stand in the text: the tags of several model families, and bare JSON."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, cast

import msgspec

from ...text.expression import expression
from .mend import Mended, Unreadable, nothing_follows, read_json

OPENING = expression(
    r"<(tool_call|function_call|toolcall|tool_use|tools?)>"
    r"|<(?:function|invoke)(?:=|\s+name\s*=)[\s\"']*([\w.-]+)[\"']?\s*>"
    r"|(\[TOOL_CALLS\])|<\|(python_tag|tool_call)\|>"
    r"|to=functions\.([\w.-]+)[^{\n]*",
)
# A closing tag counts only where the protocol can go on behind it: programs hold such tags as well.
PARAMETER = expression(
    r"<(?:parameter|arg|param)(?:=|\s+name\s*=)[\s\"']*([\w-]+)[\"']?\s*>(.*?)"
    r"(</(?:parameter|arg|param)>(?=\s*(?:<(?:parameter|arg|param)[\s=]|\Z))"
    r"|\Z)",
    re.DOTALL,
)
ARG_PAIR = expression(
    r"<arg_key>([^<]{0,80})</arg_key>\s*<arg_value>(.*?)(</arg_value>(?=\s*(?:<arg_key>|</tool_call>|\Z))|\Z)",
    re.DOTALL,
)
CLOSING_TAG = r"(?:</(?:function|invoke|tool_call|function_call|toolcall|tool_use|tools?)>|<\|call\|>|<\|eom_id\|>)"
CLOSING, LATER_CLOSING = expression(rf"\s*{CLOSING_TAG}"), expression(CLOSING_TAG)
FUNCTION_END = expression(r"</(?:function|invoke)>(?=\s*(?:</?(?:tool_call|function_calls?|function|invoke)\b|\Z))")
ANY_CLOSING = expression(r"</(?:parameter|arg|param|function|invoke|tool_call|arg_value)>")
ANY_FUNCTION_END = expression(r"</(?:function|invoke)>")
JSON_START = expression(r"^[^\S\n]*(?=(?:\[\s*)?\{\s*[\"'\w])", re.MULTILINE)
MOST = 48
"""Calls that are looked for in one text: a model that stutters must not cost seconds."""
READ = 8 << 20
"""Characters that are gone through in all for what turns out to be no call."""
NAME_KEYS = ("name", "function", "tool", "tool_name", "function_name", "action")
ARGUMENT_KEYS = ("arguments", "parameters", "args", "params", "input", "kwargs", "action_input", "tool_input")


class Found(NamedTuple):
    """A call in the text. `error` is set where its form cannot be read."""

    name: str
    arguments: str
    start: int
    end: int
    form: str
    cut: bool = False
    repairs: tuple[str, ...] = ()
    error: bool = False


def find_tags(text: str) -> list[Found]:
    """Every call written in tags, in order; broken ones too."""
    found: list[Found] = []
    at, left = 0, misses(text)
    while left > 0 and len(found) < MOST and (opening := OPENING.search(text, at)):
        if text[opening.start() - 1 : opening.start()] == "`":
            # Prose that speaks of the tag.
            at = opening.end()
            continue
        if found and not text[opening.end() :].strip():
            # An opening tag at the very end stands for the closing one.
            break
        calls, at = read_tag(text, opening)
        found += calls
        left -= not calls or calls[-1].error
    return found


def misses(text: str) -> int:
    """How often what looks like a call may be none before no more are looked for: each may be read to the end."""
    return max(2, min(MOST, READ // (len(text) + 1)))


def read_tag(text: str, opening: re.Match[str]) -> tuple[list[Found], int]:
    """The calls behind one opening tag, and where the text goes on."""
    start, at = opening.start(), opening.end()
    tag, function, mistral, special, harmony = opening.groups()
    if function:
        return read_function(text, start, at, function)
    if special == "python_tag" and text[at:].lstrip()[:1] != "{":
        return [Found("python", text[at:], start, len(text), "python_tag")], len(text)
    if harmony:
        json_at = text.find("{", at)
        calls, end = read_objects(text, start, json_at, "tag", harmony) if json_at >= 0 else ([], len(text))
        return calls, end
    inner = re.compile(r"\s*(?:```(?:json)?\s*)?").match(text, at)
    at = inner.end() if inner else at
    if nested := OPENING.match(text, at):
        return read_function(text, start, nested.end(), nested.group(2)) if nested.group(2) else ([], at)
    if text[at : at + 1] in ("{", "["):
        return read_objects(text, start, at, "tag", "")
    if pair := ARG_PAIR.search(text, at):
        return read_pairs(text, start, at, pair)
    named = re.compile(r"([\w.-]+)\s*(?:\n\s*)?(?=\{)").match(text, at)
    if named:
        return read_objects(text, start, named.end(), "tag", named.group(1))
    if tag in ("tool", "tools", "tool_use") or mistral or special:
        return [], at
    end = end_of(text, at)
    return [Found("", text[at:end], start, end, "tag", cut="</" not in text[at:], error=True)], end


def read_objects(text: str, start: int, at: int, form: str, name: str) -> tuple[list[Found], int]:
    """One or several JSON values that follow each other."""
    found: list[Found] = []
    while len(found) < MOST and text[at : at + 1] in ("{", "["):
        try:
            value = read_json(text, at)
            if value.repairs and not nothing_follows(text, value.end):
                raise Unreadable
        except Unreadable:
            end = end_of(text, at)
            found.append(Found("", text[at:end], start, end, form, cut="</" not in text[at:], error=True))
            return found, end
        at = value.end
        end = end_of(text, at, only_here=True)
        found += [from_object(item, value, start, end, form, name) for item in items_of(value.value)[:MOST]]
        start = at = end
        space = re.compile(r"[\s,;]*").match(text, at)
        at = space.end() if space else at
    return found, max(start, 1)


def from_object(item: Any, read: Mended, start: int, end: int, form: str, name: str) -> Found:
    """A call of an object with a name and arguments; an object of bare arguments where the name is known or absent."""
    cut = read.cut or read.open_string
    if not isinstance(item, dict):
        return Found("", "", start, end, form, cut, read.repairs, error=True)
    table = cast(dict[str, Any], item)
    if not name:
        told, arguments = name_and_arguments(table)
        name = told
    else:
        arguments = table
    written = arguments if isinstance(arguments, str) else safe_json(arguments)
    if read.open_string:
        return Found(name, written, start, end, form, True, read.repairs, error=True)
    return Found(name, written, start, end, form, cut, read.repairs)


def safe_json(value: Any) -> str:
    """JSON text, with lone surrogates escaped so that a later check can refuse them."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return ascii_json(value)


def ascii_json(value: Any) -> str:
    if isinstance(value, dict):
        members = cast(dict[str, Any], value).items()
        return "{" + ",".join(f"{ascii_json(k)}:{ascii_json(v)}" for k, v in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(ascii_json(v) for v in cast(list[Any], value)) + "]"
    if isinstance(value, str):
        return "".join(
            f"\\u{ord(c):04x}" if 0xD800 <= ord(c) < 0xE000 else msgspec.json.encode(c).decode()[1:-1] for c in value
        ).join('""')
    return msgspec.json.encode(value).decode()


def name_and_arguments(table: dict[str, Any]) -> tuple[str, Any]:
    """(name, arguments) of an object in any of the usual shapes; ("", the object) where it holds only arguments."""
    inner = table.get("function")
    if isinstance(inner, dict):
        return name_and_arguments(cast(dict[str, Any], inner))
    name = next((table[key] for key in NAME_KEYS if isinstance(table.get(key), str)), "")
    for key in ARGUMENT_KEYS:
        if key in table and (name or isinstance(table[key], dict)):
            return name, table[key]
    if name and not any(k in table for k in ("code", "language")):
        rest = {k: v for k, v in table.items() if k not in NAME_KEYS}
        return name, rest
    return "", table


def read_function(text: str, start: int, at: int, name: str) -> tuple[list[Found], int]:
    """`<function=execute><parameter=code>...`, and the same with attributes."""
    closing = FUNCTION_END.search(text, at) or ANY_FUNCTION_END.search(text, at)
    bound = closing.end() if closing else len(text)
    body = text[at : closing.start() if closing else bound]
    arguments: dict[str, str] = {}
    left_open = twice = False
    for parameter in PARAMETER.finditer(body):
        twice = twice or parameter.group(1) in arguments
        arguments[parameter.group(1)] = inner_lines(parameter.group(2))
        left_open = not parameter.group(3)
    end = end_of(text, bound, only_here=True)
    if not arguments:
        if body.strip().startswith("{"):
            calls, _end = read_objects(text, start, text.index("{", at), "tag", name)
            return calls, end
        return [Found(name, body, start, end, "tag", cut=closing is None, error=True)], end
    doubtful = twice or (closing is not None and more_closings(text, end))
    repairs = () if closing and not left_open else ("closing tag added",)
    written = safe_json(arguments)
    return [Found(name, written, start, end, "tag", left_open and closing is None, repairs, error=doubtful)], end


def read_pairs(text: str, start: int, at: int, first: re.Match[str]) -> tuple[list[Found], int]:
    """`name<arg_key>language</arg_key><arg_value>python</arg_value>...`."""
    name = text[at : first.start()].strip()
    stop = text.find("</tool_call>", at)
    body = text[at : stop if stop >= 0 else len(text)]
    arguments: dict[str, str] = {}
    left_open = False
    for pair in ARG_PAIR.finditer(body):
        arguments[pair.group(1).strip()] = inner_lines(pair.group(2))
        left_open = left_open or not pair.group(3)
    end = end_of(text, at + len(body), only_here=True)
    doubtful = stop >= 0 and more_closings(text, end)
    repairs = ("closing tag added",) if left_open or stop < 0 else ()
    return [Found(name, safe_json(arguments), start, end, "tag", left_open and stop < 0, repairs, doubtful)], end


def more_closings(text: str, at: int) -> bool:
    """Whether closing tags follow that no opening one explains: then what was read may have ended too early."""
    following = OPENING.search(text, at)
    return ANY_CLOSING.search(text, at, following.start() if following else len(text)) is not None


def inner_lines(value: str) -> str:
    """A parameter's value without the line ends that only set it apart from its tags."""
    return value.removeprefix("\r").removeprefix("\n").removesuffix("\n")


def end_of(text: str, at: int, *, only_here: bool = False) -> int:
    """Behind the closing tags that follow; else before the next opening, or at the end of the text."""
    while closing := CLOSING.match(text, at):
        at = closing.end()
        only_here = True
    if only_here:
        return at
    closing = LATER_CLOSING.search(text, at)
    following = OPENING.search(text, at)
    stops = [closing.end()] if closing else []
    stops += [following.start()] if following else []
    return min(stops, default=len(text))


def find_json(text: str) -> list[Found]:
    """Bare JSON objects that are calls: at the beginning of the text or of a line."""
    found: list[Found] = []
    at, left = 0, misses(text)
    for _attempt in range(MOST):
        opening = JSON_START.search(text, at)
        if opening is None or not left or len(found) >= MOST:
            break
        begin = opening.end()
        try:
            value = read_json(text, begin)
            if value.repairs and not nothing_follows(text, value.end):
                raise Unreadable
        except Unreadable:
            at, left = begin + 1, left - 1
            continue
        at = max(value.end, begin + 1)
        calls = [item for item in items_of(value.value)[:MOST] if is_call(item)]
        found += [from_object(call, value, begin, value.end, "json", "") for call in calls]
    return found


def items_of(value: Any) -> list[Any]:
    return cast(list[Any], value) if isinstance(value, list) else [value]


def is_call(item: Any) -> bool:
    """Whether a value in the text can only be meant as a call."""
    if not isinstance(item, dict):
        return False
    table = cast(dict[str, Any], item)
    name, arguments = name_and_arguments(table)
    if name:
        return isinstance(arguments, dict | str) and any(key in table for key in (*ARGUMENT_KEYS, "function"))
    return isinstance(table.get("language"), str) and isinstance(table.get("code"), str)
