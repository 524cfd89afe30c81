"""What the keeper tells of checkpoints, and the folder in which they lie."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from ..errors import KernelError
from ..text.clean import clean_text
from ..text.i18n import _
from ..types.events import CheckpointMissed, CheckpointRestored, CheckpointSaved, Unsaved
from .contracts import KernelOptions, Restored

CheckpointEvent = CheckpointSaved | CheckpointMissed | CheckpointRestored


PREFIX = "its state did not come back: "
"""How the keeper's reason begins."""


class Saves:
    """What is awaited and what was told, of all kernels of a session."""

    def __init__(self, tell: Callable[[CheckpointEvent], Awaitable[None] | None]) -> None:
        self._tell = tell
        """What it returns is done when the log has the event."""
        self._told: set[str] = set()
        """Checkpoints whose event was passed on."""
        self._restoring: dict[str, asyncio.Future[dict[str, Any]]] = {}
        """By kernel: what the keeper will say of its state."""

    def take(self, event: dict[str, Any]) -> None:
        """One of the keeper's events `checkpoint`, `checkpoint_missed` and `restored`."""
        if event["event"] == "restored":
            if event["kernel"] in self._restoring:
                self.resolve(event["kernel"], event)
            elif not event["error"]:
                # A host that died between asking for it and saying so.
                self._restored(restored_of(event["language"], event))
        elif event.get("manifest") not in self._told:
            self._told.update({event["manifest"]} if "manifest" in event else ())
            self._tell(event_of(event))

    def resolve(self, kernel: str, event: dict[str, Any]) -> None:
        waiting = self._restoring.get(kernel)
        if waiting and not waiting.done():
            waiting.set_result(event)

    def lost(self, error: Exception) -> None:
        """The keeper is gone."""
        for waiting in self._restoring.values():
            if not waiting.done():
                waiting.set_exception(error)

    def expect(self, kernel: str) -> None:
        future = self._restoring[kernel] = asyncio.get_running_loop().create_future()
        # Where the session ends first, nobody asks any more, and asyncio would complain of an error that nobody heard.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())

    @staticmethod
    async def first(manifests: tuple[str, ...], restore: Callable[[str], Awaitable[Restored]]) -> Restored:
        """The first of these that comes back. Raises KernelError where none does."""
        failed: list[KernelError] = []
        for manifest in manifests:
            try:
                restored = await restore(manifest)
            except KernelError as error:
                failed.append(error)
            else:
                return msgspec.structs.replace(restored, failed=tuple(error.message for error in failed))
        raise failed[0]

    async def restored(self, language: str, kernel: str) -> Restored:
        """What came back into a kernel that was expected. Raises KernelError."""
        try:
            event = await self._restoring[kernel]
        finally:
            self._restoring.pop(kernel, None)
        if event["error"]:
            raise KernelError(
                _("The saved variables of {language} did not come back: {reason}", language=language,
                  reason=clean_text(event["error"]).removeprefix(PREFIX)),
                _("Everything else is kept."),
            )  # fmt: skip
        restored = restored_of(language, event)
        # Before anything is executed there: from then on the keeper does not tell it to the next host any more.
        if (told := self._restored(restored)) is not None:
            await told
        return restored

    def _restored(self, restored: Restored) -> Awaitable[None] | None:
        told = {name: getattr(restored, name) for name in CheckpointRestored.__struct_fields__}
        return self._tell(CheckpointRestored(**told))


def wanted(options: KernelOptions, restore: str = "") -> dict[str, Any]:
    """Fields of a `start` request."""
    if not options.checkpoint_folder or not options.checkpoints.enabled:
        return {}
    limits = msgspec.to_builtins(options.checkpoints)
    return {"checkpoints": {**limits, "folder": options.checkpoint_folder}, **({"restore": restore} if restore else {})}


def named(claims: Any) -> tuple[Unsaved, ...]:
    """Names that are not there, with their words cleaned: all of them come from inside the walls."""
    return tuple(
        msgspec.structs.replace(
            one, name=clean_text(one.name), type=clean_text(one.type), reason=clean_text(one.reason)
        )
        for one in msgspec.convert(claims, tuple[Unsaved, ...])
    )


def event_of(event: dict[str, Any]) -> CheckpointSaved | CheckpointMissed:
    """What a `checkpoint` or `checkpoint_missed` says."""
    about = {name: event[name] for name in ("language", "kernel", "execution")}
    if event["event"] == "checkpoint_missed":
        return CheckpointMissed(**about, reason=clean_text(event["reason"]))
    figures = {name: event[name] for name in ("manifest", "names", "size", "written", "duration")}
    return CheckpointSaved(**about, **figures, unsaved=named(event["unsaved"]))


def restored_of(language: str, event: dict[str, Any]) -> Restored:
    return Restored(
        language=language,
        kernel=event["kernel"],
        execution=event["execution"],
        names=event["names"],
        missing=named(event["missing"]),
    )
