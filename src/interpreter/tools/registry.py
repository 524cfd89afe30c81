"""All tools of a session by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from ..errors import ToolError
from ..types.actions import Action
from ..types.base import code_sha256, new_id
from ..types.messages import ToolSpec
from ..types.tooling import TOOL, Declaration, call_code
from .definition import Tool
from .schema import expected, fitted

USE = "use_tool"
"""The tool by which one that was only found is called."""


class Registry:
    """Names are unique; the order is the one in which they came."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        self.changed: list[Callable[[], None]] = []
        """Called when a tool was added or taken away."""
        for one in tools:
            self.add(one)

    def add(self, one: Tool) -> None:
        """Raises ValueError where the name is taken."""
        if one.name in self._tools:
            raise ValueError(f"there is a tool {one.name} already")
        self._tools[one.name] = one
        for listener in self.changed:
            listener()

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._tools)

    def find(self, name: str) -> Tool:
        """Raises ToolError: there is none of that name; says which there are."""
        if name in self._tools:
            return self._tools[name]
        near = difflib.get_close_matches(name, self._tools, 3)
        others = f"Did you mean {' or '.join(near)}?" if near else f"The tools are: {', '.join(self._tools) or 'none'}."
        raise ToolError(f"There is no tool {name[:60]!r}. {others}")

    def specs(self) -> tuple[ToolSpec, ...]:
        return tuple(one.declaration.spec() for one in self)

    def action(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        call_id: str = "",
        repairs: Iterable[str] = (),
        parent: str = "",
    ) -> Action:
        """The action that a call is, its arguments mended where they can be.

        Raises ToolError: there is no such tool, or the arguments do not fit.
        """
        if name == USE and isinstance(inner := arguments.get("arguments"), dict):
            wanted = str(arguments.get("tool", ""))
            return self.action(wanted, cast("dict[str, Any]", inner), call_id=call_id, repairs=repairs, parent=parent)
        declaration = self.find(name).declaration
        fits, mended = fitted(declaration, arguments)
        if declaration.runs:
            language, code = declaration.runs, str(fits[declaration.parameters["required"][0]])
        else:
            language, code = TOOL, call_code(name, fits)
        done = tuple(dict.fromkeys((*repairs, *mended)))
        return Action(
            id=new_id("act"),
            language=language,
            code=code,
            sha256=code_sha256(code),
            call_id=call_id,
            repairs=done,
            parent=parent,
        )

    def expected(self, name: str) -> str:
        """How a call of this tool should look; empty where there is none."""
        return expected(self._tools[name].declaration) if name in self._tools else ""

    def declared(self) -> dict[str, Declaration]:
        return {one.name: one.declaration for one in self}

    def inside(self) -> list[dict[str, Any]]:
        """What code in kernels may call."""
        found = [one.declaration for one in self if one.inside and not one.declaration.runs]
        return [{"name": d.name, "description": d.description, "parameters": d.parameters} for d in found]

    def bound(self, name: str, positional: list[Any], named: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a call from a kernel by name.

        Raises ToolError: too many, one twice, or a tool that code may not call.
        """
        one = self.find(name)
        if one.declaration.runs:
            raise ToolError(f"{name} is not for code: code runs commands by itself, with subprocess.")
        if not one.inside:
            raise ToolError(f"{name} cannot be called by code.")
        names = list(one.declaration.parameters.get("properties", {}))
        if len(positional) > len(names):
            raise ToolError(f"{name} takes at most {len(names)} arguments. {expected(one.declaration)}")
        given = dict(zip(names, positional, strict=False))
        if twice := [key for key in named if key in given]:
            raise ToolError(f"{name} got {twice[0]} twice.")
        return given | named
