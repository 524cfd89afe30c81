"""What was trusted of each server, in the home: its definitions as they were when a person looked at them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ...errors import StoreError
from ...text.i18n import _
from ...types.base import Value, from_json, new_id, to_json
from .server import Offer, Server, digest

MOST = 8 << 20


class Pin(Value):
    """Nothing of it is believed unless it has the hash that it says."""

    sha256: str
    command: tuple[str, ...]
    """With which it was started, or its url: with another it is another server."""
    offers: tuple[Offer, ...]


class Pins:
    def __init__(self, home: Path) -> None:
        self._folder = home / "mcp"

    def place(self, name: str) -> Path:
        """A folder for what a server itself leaves behind; made where it is not there."""
        folder = self._folder / f"{name}.files"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def find(self, name: str, server: Server) -> Pin | None:
        """None: nobody has trusted it, or its command or address is another since."""
        try:
            data = (self._folder / f"{name}.json").read_bytes()[: MOST + 1]
            pin: Pin = from_json(data, Pin)
        except (OSError, ValueError):
            return None
        return pin if pin.command == server.origin and pin.sha256 == digest(pin.offers) else None

    def keep(self, name: str, server: Server, offers: tuple[Offer, ...]) -> Pin:
        """Raises StoreError."""
        pin = Pin(sha256=digest(offers), command=server.origin, offers=offers)
        path, beside = self._folder / f"{name}.json", self._folder / f".{name}.{new_id('new')}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(to_json(pin))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError as error:
            with suppress(OSError):
                beside.unlink()
            raise StoreError(_("{path} cannot be written: {reason}.", path=str(path), reason=error.strerror)) from error
        return pin

    def forget(self, name: str) -> bool:
        """Whether there was something to forget."""
        try:
            (self._folder / f"{name}.json").unlink()
        except FileNotFoundError:
            return False
        return True
