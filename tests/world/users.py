"""Who asks: users by their tokens, and what each of them may do."""

from __future__ import annotations

from typing import NamedTuple

READING = ("get", "list", "watch")


class User(NamedTuple):
    name: str
    namespaces: tuple[str, ...] = ("*",)
    """Where it may do anything that `verbs` says; `*` is everywhere, and what belongs to no namespace."""
    verbs: tuple[str, ...] = ("*",)

    def may(self, verb: str, space: str) -> bool:
        if not ("*" in self.namespaces or (space and space in self.namespaces)):
            return False
        return "*" in self.verbs or verb in self.verbs


ADMIN = User("kubernetes-admin")
