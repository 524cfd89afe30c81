"""`interpreter.chat_history`: the conversation as a list, saved and loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..text.i18n import _

if TYPE_CHECKING:
    from .core import Interpreter


class ChatHistory:
    """A reading of the session's log; changes with every turn."""

    def __init__(self, owner: Interpreter) -> None:
        self._owner = owner

    def __len__(self) -> int:
        return len(self._owner.messages)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._owner.messages)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._owner.messages[index]

    def save(self, path: str | Path) -> None:
        """Write the conversation as JSON that other tools can read: all of it or nothing.

        Raises UsageError when there is no conversation yet, StoreError when the file cannot be written.
        """
        session = self._owner.session
        if session is None:
            raise UsageError(_("There is no conversation to save yet."), _("Call chat() first."))
        session.save(path)

    def load(self, path: str | Path) -> str:
        """Go on with a saved conversation, at the newest durable step of its session; returns a sentence about it.

        Raises ConfigError or StoreError for a file that is absent, torn or no conversation; the open session goes on
        then as it was.
        """
        return self._owner.load(path)
