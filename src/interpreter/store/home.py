"""The tool's home: the one folder that holds the log and every session's files."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ..errors import StoreError
from ..text.i18n import _
from ..types.base import Value

LOG_NAME = "log.db"
LOCK_NAME = "lock"
INDEX_NAME = "search.db"
"""Of `search`: it can be made anew at any time."""
LONGEST_HOME = 480
"""Bytes: SQLite opens no path of more than 512, and its own files lie beside the log."""
MOST_ROUNDS = 50
"""How deep folders may lie that nobody may read and that are removed all the same."""


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
"""What the system says whose disk is full or broken."""


class StoreOptions(Value):
    home: str = ""
    """The folder that holds the log; empty: `default_home()`."""


def default_home(environ: Mapping[str, str] | None = None) -> Path:
    """INTERPRETER_HOME, else the platform's folder for the data of `interpreter`.

    It is what `platformdirs.user_data_dir("interpreter")` gives (a test compares them), without its 5 ms of import.
    """
    env = os.environ if environ is None else environ
    if chosen := env.get("INTERPRETER_HOME", "").strip():
        return Path(chosen).expanduser().absolute()
    if sys.platform == "darwin":
        return Path("~/Library/Application Support/interpreter").expanduser()
    base = env.get("XDG_DATA_HOME", "").strip()
    return (Path(base) if base else Path("~/.local/share").expanduser()) / "interpreter"


def prepare_home(home: Path) -> None:
    """Make the folder, for its owner alone. Raises StoreError where that cannot be.

    A folder that was there before and holds other things keeps its mode: what lies inside is closed by itself.
    """
    if (length := len(os.fsencode(home))) > LONGEST_HOME:
        raise StoreError(
            _("The path of the sessions' home is too long: {length} bytes, at most {most}.", length=length,
              most=LONGEST_HOME),
            _("Nothing was changed. Set INTERPRETER_HOME to a folder with a shorter path than {path}.", path=home),
        )  # fmt: skip
    try:
        make_private(home)
        if (home / LOG_NAME).exists() or next(home.iterdir(), None) is None:
            narrow(home)
        make_private(home / "sessions")
    except NotADirectoryError as error:
        raise StoreError(
            _("The home of the sessions, {path}, is a file and not a folder.", path=home),
            _("Nothing was changed. Set INTERPRETER_HOME to a folder of your own."),
        ) from error
    except OSError as error:
        raise StoreError(
            _("The home of the sessions, {path}, cannot be used: {reason}.", path=home, reason=reason_of(error)),
            _("Nothing was changed. Make it writable for you, or set INTERPRETER_HOME to a folder that is."),
        ) from error


def make_private(folder: Path) -> None:
    """A folder for its owner alone, whatever the umask; parents are made with the usual mode."""
    try:
        folder.mkdir(mode=0o700)
    except FileNotFoundError:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError as error:
        if not folder.is_dir():
            raise NotADirectoryError(str(folder)) from error
        return
    folder.chmod(0o700)


def forget_index(home: Path) -> None:
    """Throw the index of the search away: something in it was erased. The next search makes it anew."""
    for end in ("", "-wal", "-shm", "-journal"):
        with suppress(OSError):
            (home / f"{INDEX_NAME}{end}").unlink()


def empty(folder: Path, keep: str) -> None:
    """Remove all that lies in a folder but one name; links are removed, never followed. Raises OSError."""
    for entry in folder.iterdir():
        if entry.name != keep:
            if entry.is_dir() and not entry.is_symlink():
                remove_tree(entry)
            else:
                entry.unlink()


def remove_tree(folder: Path) -> None:
    """Remove a folder with all in it, also what programs made read-only; links are removed, never followed.

    Raises OSError.
    """
    for _round in range(MOST_ROUNDS):
        closed: list[Path] = []

        def note(_call: object, path: str, _error: object, closed: list[Path] = closed) -> None:
            closed.extend((Path(path), Path(path).parent))

        shutil.rmtree(folder, onerror=note)
        opened = [open_up(path) for path in closed if path.is_relative_to(folder)]
        if not any(opened):
            break
    if folder.exists():
        shutil.rmtree(folder)


def open_up(folder: Path) -> bool:
    """Give its owner every right over a folder; False where that changes nothing. Walled code may have made it:
    a link in its place is not followed."""
    try:
        facts = folder.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_mode & 0o700 == 0o700:
            return False
        if os.chmod in os.supports_follow_symlinks:
            folder.chmod(0o700, follow_symlinks=False)
            return True
        descriptor = os.open(folder, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            Path(f"/proc/self/fd/{descriptor}").chmod(0o700)
        finally:
            os.close(descriptor)
    except OSError:
        return False
    return True


def narrow(path: Path) -> None:
    """Take the rights of all others away from what is ours."""
    facts = path.stat()
    if facts.st_uid == os.geteuid() and facts.st_mode & 0o077:
        path.chmod(facts.st_mode & 0o700)


def disk_error(error: Exception) -> StoreError | None:
    """A full or broken disk under any file of a session, in words; None where the error is another one."""
    if not isinstance(error, OSError) or error.errno not in FULL:
        return None
    place = error.filename or _("A file of the session")
    return StoreError(
        _("{path} cannot be kept or read: {reason}.", path=place, reason=reason_of(error)),
        _("Everything logged so far is kept. Check the space and the rights, then resume the session."),
    )


def reason_of(error: OSError) -> str:
    """The system's words for an error, without number and path."""
    return error.strerror or str(error)
