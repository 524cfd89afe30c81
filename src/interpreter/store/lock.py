"""Who holds a session: a locked file that the system frees when its process dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import msgspec

from ..errors import SessionBusy, StoreError
from ..text.i18n import _
from ..types.base import Value, from_json, to_json
from .home import reason_of

TRIES, PAUSE = 5, 0.004
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Holder(Value):
    pid: int = 0
    since: float = 0.0
    """Unix seconds."""
    boot: str = ""
    """Which start of the machine; empty where it does not say."""


class SessionLock:
    """One session, held by this process until `release` or its death."""

    def __init__(self, path: Path, session: str) -> None:
        """Raises SessionBusy, naming the process that holds it."""
        self.path = path
        self._descriptor = open_lock(path)
        try:
            taken = self._take()
        except OSError as error:
            os.close(self._descriptor)
            raise StoreError(
                _("{path} cannot be locked: {reason}.", path=path, reason=reason_of(error)),
                _("The file system of that folder does not know locks. Set INTERPRETER_HOME to a folder on another."),
            ) from error
        if not taken:
            holder = read_holder(self._descriptor)
            os.close(self._descriptor)
            raise busy(session, holder)
        self.before = read_holder(self._descriptor)
        """Who held it last."""
        self.rebooted = not self.before.boot or self.before.boot != boot_id()
        """True where the machine may have lost power since then."""
        data = to_json(Holder(pid=os.getpid(), since=time.time(), boot=boot_id()))
        os.ftruncate(self._descriptor, 0)
        try:
            os.pwrite(self._descriptor, data, 0)
        except OSError:
            # A full disk: the lock itself holds, only its holder's name is missing.
            pass

    def _take(self) -> bool:
        # Whoever lists sessions locks each for an instant to see whether it is held: hence the second try.
        for _try in range(TRIES):
            if try_lock(self._descriptor):
                return True
            time.sleep(PAUSE)
        return False

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def holder_of(path: Path) -> Holder | None:
    """Who holds the session now; None when nobody does, or where that cannot be told."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return None if try_lock(descriptor) else read_holder(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def open_lock(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.fchmod(descriptor, 0o600)
    except OSError as error:
        raise StoreError(
            _("The session's lock {path} cannot be opened: {reason}.", path=path, reason=reason_of(error)),
            _("The session is kept. Check the rights of that folder and the space on its disk."),
        ) from error
    return descriptor


def try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read_holder(descriptor: int) -> Holder:
    try:
        return from_json(os.pread(descriptor, 4096, 0), Holder)
    except (ValueError, msgspec.DecodeError):
        return Holder()


def boot_id() -> str:
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def busy(session: str, holder: Holder) -> SessionBusy:
    if holder.pid == os.getpid():
        who = _("Session {session} is already open in this program.", session=session)
    elif holder.pid:
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(holder.since))
        who = _("Session {session} is in use by process {pid} since {since}.",
                session=session, pid=holder.pid, since=since)  # fmt: skip
    else:
        who = _("Session {session} is in use by another process.", session=session)
    return SessionBusy(
        who, _("Nothing was changed. To watch it or to join it: interpreter attach {session}", session=session)
    )
