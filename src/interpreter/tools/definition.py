"""How a tool is defined: a typed function with a docstring, and what is declared about it.

    @tool(access="read", targets=("path",), timeout=20.0)
    def count_lines(ctx: ToolContext, path: str, blank: bool = True) -> str:
        \"\"\"Count the lines of a file.

        Args:
            path: The file.
            blank: Whether empty lines count.
        \"\"\"

The schema for models comes from the annotations (str, int, float, bool, Literal, list[...], dict[str, ...], X | None)
and the docstring: everything before `Args:` is the description. It returns a string or anything that JSON has a form
for, and raises `ToolError` where it cannot do what is asked. It may be `async`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from ..types.tooling import Access, Declaration, Target, TargetKind
from .context import ToolContext as ToolContext
from .schema import described, schema_of

KINDS: dict[str, TargetKind] = {"path": "path", "folder": "path", "file": "path", "url": "host", "host": "host"}
"""Names of parameters that say what kind of target they are."""


@dataclass(frozen=True)
class Tool:
    """A declaration and the function that keeps it."""

    declaration: Declaration
    function: Callable[..., Any]
    settings: str = ""
    """Under which name of `tool_settings` its settings stand."""
    needs: tuple[str, ...] = ()
    """Settings without which it is not offered."""
    inside: bool = True
    """Whether code in a kernel may call it."""

    @property
    def name(self) -> str:
        return self.declaration.name

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.function(*arguments, **named)


def tool(
    *,
    access: Access,
    targets: Iterable[str] = (),
    reads_when: Mapping[str, tuple[str, ...]] | None = None,
    timeout: float = 60.0,
    undo: str = "",
    name: str = "",
    settings: str = "",
    needs: Iterable[str] = (),
    runs: str = "",
    inside: bool = True,
    origin: str = "built-in",
) -> Callable[[Callable[..., Any]], Tool]:
    """Makes a tool of a function.

    Args:
        access: `read`: it changes nothing that lasts, here or elsewhere. `write`: everything else.
        reads_when: of a tool that writes: with which values of parameters a call only reads.
        targets: parameters that rules may ask about; `name:kind` where the name does not tell the kind.
        timeout: seconds of one call.
        undo: how a call is taken back: a shell command or a sentence, with `{parameter}` for its arguments.
        name: other than the function's.
        settings: the name under `tool_settings` of the configuration; the tool's own by default.
        needs: of those settings, the ones without which it is not offered.
        runs: see `Declaration.runs`.
        inside: False: code in a kernel cannot call it.
        origin: who brings it.

    Raises TypeError, ValueError: the function cannot be a tool; says which parameter.
    """

    def made(function: Callable[..., Any]) -> Tool:
        title = name or function.__name__
        return Tool(
            declaration=Declaration(
                name=title,
                description=described(function.__doc__)[0],
                parameters=parameters_of(function),
                access=access,
                reads_when=dict(reads_when or {}),
                targets=tuple(target_of(word) for word in targets),
                undo=undo,
                timeout=timeout,
                origin=origin,
                runs=runs,
            ),
            function=function,
            settings=settings or title,
            needs=tuple(needs),
            inside=inside,
        )

    return made


def target_of(word: str) -> Target:
    parameter, _colon, kind = word.partition(":")
    found: TargetKind = KINDS.get(kind or parameter, "name")
    return Target(parameter=parameter, kind=found)


def parameters_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The schema of what a caller may give; the first parameter is the context and no part of it."""
    _description, texts = described(function.__doc__)
    if not _description:
        raise ValueError(f"{function.__name__} has no docstring")
    hints = get_type_hints(function)
    properties: dict[str, Any] = {}
    required: list[str] = []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{function.__name__}: {parameter.name} must be an ordinary parameter")
        if parameter.name not in hints:
            raise TypeError(f"{function.__name__}: {parameter.name} has no annotation")
        schema = schema_of(hints[parameter.name], f"{function.__name__}: {parameter.name}")
        if text := texts.get(parameter.name, ""):
            schema["description"] = text
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        elif parameter.default not in (None, "", (), [], {}):
            schema["default"] = parameter.default
        properties[parameter.name] = schema
    if unknown := [one for one in texts if one not in properties]:
        raise ValueError(f"{function.__name__}: its docstring describes {unknown[0]}, which is no parameter")
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
