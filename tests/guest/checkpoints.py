"""Kernels whose state is kept: a real keeper writes it, a new kernel takes it up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .keeper_client import Frame, Guest, KeeperClient


class Keeping:
    """Starts guests of one kind, and waits for what is said of their checkpoints."""

    def __init__(self, client: KeeperClient, folder: Path, argv: Sequence[str], source: str, **more: Any) -> None:
        self.client, self.folder = client, folder
        self.vault = folder.parent / "checkpoints"
        self._argv, self._source, self._more = argv, source, more

    def born(self, restore: str = "", **settings: Any) -> Guest:
        more: dict[str, Any] = {**self._more, "checkpoints": {"folder": str(self.vault), **settings}}
        if restore:
            more["restore"] = restore
        return Guest(self.client, self._argv, self._source, cwd=self.folder, **more)

    def after(self, execution: str) -> Frame:
        """What is said of the checkpoint after an execution."""
        while True:
            for event in self.client.events:
                if event["event"] in ("checkpoint", "checkpoint_missed") and event["execution"] == execution:
                    self.client.events.remove(event)
                    return event
            self.client.events.append(self.client.frame())

    def keep(self, guest: Guest, code: str) -> Frame:
        """Run code that must end well, and wait for the checkpoint after it."""
        ran = guest.run(code)
        assert ran.status == "ok", ran
        saved = self.after(ran.completion["execution"])
        if "has not yet told" in saved.get("reason", ""):
            # Where the machine is full a shell may be slow to say with what it was born; it is saved the next time.
            ran = guest.run("true")
            saved = self.after(ran.completion["execution"])
        assert saved["event"] == "checkpoint", saved
        return saved

    def again(self, saved: Frame) -> tuple[Guest, Frame]:
        """A new guest with that state, and what was said of it."""
        guest = self.born(saved["manifest"])
        return guest, self.client.wait_for("restored", kernel=guest.name)


def unsaved(event: Frame) -> dict[str, str]:
    """Name to reason."""
    return {one["name"]: one["reason"] for one in event.get("unsaved") or event.get("missing") or ()}
