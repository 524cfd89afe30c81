"""What the commands of a loop set, so that a round does not trust what it found before."""

from __future__ import annotations

from .state import State
from .tree import Back, Case, Chain, Function, Group, If, Loop, Node, Pipe, Redirected, Simple, Test

SETTING = frozenset(
    [
        "eval",
        "source",
        ".",
        "read",
        "mapfile",
        "readarray",
        "let",
        "getopts",
        "printf",
        "declare",
        "local",
        "export",
        "typeset",
        "readonly",
        "unset",
        "shift",
        "set",
        "wait",
        "command",
        "builtin",
    ]
)


def assigned(items: list[Node], state: State) -> tuple[set[str], bool]:
    """The variables that these commands set, and whether they may set any."""
    names: set[str] = set()
    anything = False
    waiting: list[Node] = list(items)
    while waiting:
        node = waiting.pop()
        match node:
            case Simple():
                names |= {one.name for one in (*node.assigns, *node.arrays)}
                first = node.words[0].literal() if node.words else ""
                anything = anything or first is None or first in SETTING or first in state.functions
            case Pipe() | Chain() | Group():
                waiting += node.items
            case Back() | Redirected():
                waiting.append(node.item)
            case If():
                waiting += [one for pair in node.branches for part in pair for one in part]
            case Loop():
                names.add(node.name)
                waiting += [*node.condition, *node.body]
            case Case():
                waiting += [one for _patterns, body in node.arms for one in body]
            case Test():
                anything = True
            case Function():
                pass
    return names - {""}, anything
