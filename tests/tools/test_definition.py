"""One definition: the schema for models, and arguments that are checked and mended."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import pytest

from interpreter.errors import ToolError
from interpreter.tools.definition import Tool, ToolContext, tool
from interpreter.tools.mcp.server import Server, declared, offers
from interpreter.tools.registry import Registry
from interpreter.tools.schema import described, fitted
from interpreter.types.base import code_sha256
from interpreter.types.tooling import Declaration, Target, call_code, read_call


@tool(access="read", targets=("path", "service", "where:host"), timeout=20.0, undo="rm {path}")
def probe(
    ctx: ToolContext,
    path: str,
    lines: int = 100,
    level: Literal["info", "error"] = "info",
    ratio: float = 0.5,
    only: bool = False,
    names: list[str] | None = None,
    headers: dict[str, str] | None = None,
    service: str | int = "",
    where: str = "",
) -> str:
    """Look at a thing.

    Twice, where needed.

    Args:
        path: The thing,
            wherever it lies.
        lines: How many.
    """
    return f"{path} {lines} {ctx.workspace}"


def fit(**given: Any) -> tuple[dict[str, Any], list[str]]:
    return fitted(probe.declaration, given)


def test_a_schema_comes_from_annotations_and_docstring() -> None:
    declared = probe.declaration
    assert declared.description == "Look at a thing. Twice, where needed."
    table = declared.parameters["properties"]
    assert table["path"] == {"type": "string", "description": "The thing, wherever it lies."}
    assert table["lines"] == {"type": "integer", "default": 100, "description": "How many."}
    assert table["level"] == {"type": "string", "enum": ["info", "error"], "default": "info"}
    assert table["names"] == {"type": "array", "items": {"type": "string"}}
    assert table["headers"] == {"type": "object", "additionalProperties": {"type": "string"}}
    assert table["service"] == {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    assert declared.parameters["required"] == ["path"]
    assert "ctx" not in table
    assert declared.targets == (Target(parameter="path", kind="path"), Target(parameter="service"),
                                Target(parameter="where", kind="host"))  # fmt: skip
    assert (declared.access, declared.timeout, declared.undo) == ("read", 20.0, "rm {path}")
    assert declared.spec().parameters is declared.parameters


def test_a_tool_is_still_its_function() -> None:
    assert probe(ToolContext(workspace="/w"), "a", 3) == "a 3 /w"


@pytest.mark.parametrize(
    ("given", "fits", "mended"),
    [
        ({"path": "a"}, {"path": "a"}, []),
        ({"path": "a", "lines": "5"}, {"path": "a", "lines": 5}, ["lines given as str"]),
        ({"path": "a", "lines": 5.0}, {"path": "a", "lines": 5}, ["lines given as float"]),
        ({"path": 7}, {"path": "7"}, ["path given as int"]),
        ({"path": "a", "only": "True"}, {"path": "a", "only": True}, ["only given as str"]),
        ({"path": "a", "level": "ERROR"}, {"path": "a", "level": "error"}, ["level: 'ERROR' read as error"]),
        ({"path": "a", "names": "b"}, {"path": "a", "names": ["b"]}, ["names given as str"]),
        ({"path": "a", "names": '["b"]'}, {"path": "a", "names": ["b"]}, ["names given as str"]),
        ({"path": "a", "names": None}, {"path": "a"}, []),
        ({"path": "a", "headers": {"X": 1}}, {"path": "a", "headers": {"X": "1"}}, ["headers.X given as int"]),
        ({"path": "a", "service": 3}, {"path": "a", "service": 3}, []),
        ({"Path": "a"}, {"path": "a"}, ["parameter 'Path' read as path"]),
        ({"path": "a", "ratio": 1}, {"path": "a", "ratio": 1}, []),
    ],
)
def test_what_can_be_meant_is_mended(given: dict[str, Any], fits: dict[str, Any], mended: list[str]) -> None:
    assert fitted(probe.declaration, given) == (fits, mended)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "'path' is missing"),
        ({"path": None}, "'path' must be text, not null"),
        ({"path": ["a"]}, "'path' must be text"),
        ({"path": "a", "lines": "many"}, "'lines' must be a whole number, not \"many\""),
        ({"path": "a", "lines": True}, "'lines' must be a whole number"),
        ({"path": "a", "lines": 1.5}, "'lines' must be a whole number"),
        ({"path": "a", "level": "loud"}, "'level' must be one of info, error"),
        ({"path": "a", "colour": 1}, "there is no parameter 'colour'"),
        ({"path": "a", "headers": {"X": ["1"]}}, "'headers.X' must be text"),
        ({"path": "a", "names": 0.5}, "'names' must be a list, not 0.5"),
    ],
)
def test_what_cannot_be_meant_names_the_fault_and_what_was_expected(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ToolError) as caught:
        fitted(probe.declaration, given)
    assert said in caught.value.message
    assert 'Expected: {"path": "..."}. May be added: lines, level' in caught.value.message
    assert len(caught.value.message) < 500


def of_a_stranger(schema: Any, value: Any, **more: Any) -> Any:
    """The value as it is handed to a tool whose server describes its one parameter so."""
    (offer,) = offers([{"name": "t", "inputSchema": {"type": "object", "properties": {"a": schema}, **more}}])
    return fitted(declared("s", Server(url="http://h/"), offer), {"a": value})[0]["a"]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "array", "items": True}, [1]),
        ({"type": "array", "items": [{"type": "string"}]}, ["x"]),
        ({"anyOf": [True, {"type": "string"}]}, 1),
        ({"anyOf": 5, "oneOf": "x"}, 1),
        ({"type": "string", "enum": 5}, "x"),
        ({"type": [1, "string"]}, "x"),
        ({"type": [1]}, "x"),
        ({"type": "object", "properties": [1]}, {"x": 1}),
        ({"type": "object", "properties": {"x": [1]}, "additionalProperties": 5}, {"x": 1, "y": 2}),
        ({"type": "object", "required": True}, {"x": 1}),
        ({"type": "object", "required": [["x"], 1]}, {"x": 1}),
    ],
)
def test_what_is_no_schema_in_one_of_a_stranger_asks_for_nothing(schema: Any, value: Any) -> None:
    assert of_a_stranger(schema, value, required=[["a"], {}, "a"]) == value
    with pytest.raises(ToolError, match="'b' is missing"):  # and what is expected can be told
        of_a_stranger(schema, value, required=["a", "b"], properties={"a": schema, "b": schema})


def test_what_is_nested_too_deep_is_a_fault_like_any_other() -> None:
    assert of_a_stranger({"type": "array"}, "[" * 5_000) == ["[" * 5_000]
    with pytest.raises(ToolError, match="'a' must be an object"):
        of_a_stranger({"type": "object"}, '{"a":' * 5_000)
    deep: Any = 1
    for _n in range(100_000):
        deep = [deep]
    with pytest.raises(ToolError, match="'a' is nested too deep"):
        of_a_stranger({"type": "string"}, deep)


@pytest.mark.timeout(30)
def test_choices_within_choices_are_tried_once_each() -> None:
    """An attack: with two rounds for each level, 27 levels are a hundred million tries; with ten, no end is seen."""
    choices: Any = {"type": "integer"}
    for _n in range(27):
        choices = {"anyOf": [choices]}
    lists: Any = {"type": "integer"}
    for _n in range(14):
        lists = {"type": ["array"] * 10, "items": lists}
    for schema, value in ((choices, "no"), (lists, "[" * 14 + '"no"' + "]" * 14)):
        with pytest.raises(ToolError, match="must be"):
            fitted(probe_of(schema), {"a": value})


def probe_of(schema: Any) -> Declaration:
    return msgspec.structs.replace(probe.declaration, parameters={"properties": {"a": schema}})


def test_what_no_tool_can_take_is_refused_where_it_is_defined() -> None:
    def bare(ctx: ToolContext, path) -> str:  # type: ignore[no-untyped-def] # pyright: ignore
        """Do."""
        return ""

    def odd(ctx: ToolContext, path: set[str]) -> str:
        """Do."""
        return ""

    def silent(ctx: ToolContext) -> str:
        return ""

    def wrong(ctx: ToolContext) -> str:
        """Do.

        Args:
            path: Not there.
        """
        return ""

    cases: list[tuple[Any, type[Exception]]] = [
        (bare, TypeError), (odd, TypeError), (silent, ValueError), (wrong, ValueError)]  # fmt: skip
    for function, error in cases:
        with pytest.raises(error):
            tool(access="read")(function)


def test_a_registry_makes_the_action_of_a_call() -> None:
    registry = Registry([probe])
    action = registry.action("probe", {"path": "a", "lines": "2"}, call_id="c1")
    assert action.language == "tool"
    assert (
        action.code
        == '{"arguments":{"lines":2,"path":"a"},"tool":"probe"}'
        == call_code("probe", {"path": "a", "lines": 2})
    )
    assert action.sha256 == code_sha256(action.code)
    assert (action.call_id, action.repairs) == ("c1", ("lines given as str",))
    assert read_call(action.code).arguments == {"path": "a", "lines": 2}
    with pytest.raises(ToolError, match="Did you mean probe"):
        registry.find("prob")
    with pytest.raises(ValueError, match="already"):
        registry.add(probe)


def test_a_tool_that_runs_code_is_an_action_of_that_language() -> None:
    @tool(access="write", runs="shell")
    def run_it(ctx: ToolContext, command: str) -> str:
        """Run it."""
        raise AssertionError("never called")

    action = Registry([run_it]).action("run_it", {"command": "ls"})
    assert (action.language, action.code) == ("shell", "ls")


def test_descriptions_are_read_from_any_docstring() -> None:
    assert described(None) == ("", {})
    assert described("One.") == ("One.", {})
    doc = "One.\n\n    Args:\n        a: First.\n        b: Second\n            more.\n\n    Returns: x"
    assert described(doc) == ("One.", {"a": "First.", "b": "Second more."})
    assert isinstance(probe, Tool)
    assert fit(path="x") == ({"path": "x"}, [])


def test_how_a_call_is_taken_back() -> None:
    assert probe.declaration.taken_back({"path": "a b; rm -rf /"}) == "rm 'a b; rm -rf /'"
    assert probe.declaration.taken_back({}) == ""


def test_when_a_writing_tool_only_reads() -> None:
    @tool(access="write", reads_when={"method": ("GET", "HEAD")})
    def ask(ctx: ToolContext, url: str, method: str = "GET") -> str:
        """Ask."""
        return ""

    reads = ask.declaration.reads
    assert reads({"url": "x"}) and reads({"url": "x", "method": "HEAD"})
    assert not reads({"url": "x", "method": "POST"}) and not reads({"url": "x", "method": "get"})
    assert probe.declaration.reads({})
