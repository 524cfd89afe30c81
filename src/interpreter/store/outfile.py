"""A file for the person: whole or not at all, and never over one that is there unless they say so."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ..errors import StoreError, UsageError
from ..text.i18n import _
from .blobs import sync_folder
from .home import reason_of


def write_out(target: Path, fill: Callable[[BinaryIO], None], *, force: bool = False, private: bool = False) -> None:
    """Write a file and put it in its place, on the disk when this returns.

    Args:
        fill: writes the content; the file can be read and sought as well.
        force: replace what is there.
        private: for its owner alone.

    Raises UsageError where a file is there, StoreError where it cannot be written, and what `fill` raises; nothing has
    changed then.
    """
    if not force and os.path.lexists(target):
        raise there(target)
    if target.is_dir():
        raise UsageError(_("{path} is a folder.", path=target), _("Name a file in it."))
    partial = target.with_name(f".{target.name[:100]}.{os.getpid()}.part")
    try:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600 if private else 0o666)
        try:
            with os.fdopen(descriptor, "w+b") as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())
            put(partial, target, force=force)
        finally:
            partial.unlink(missing_ok=True)
        sync_folder(target.parent)
    except OSError as error:
        raise StoreError(
            _("{path} cannot be written: {reason}.", path=target, reason=reason_of(error)),
            _("The session itself is kept in the log; name another place."),
        ) from error


def put(partial: Path, target: Path, *, force: bool) -> None:
    if force:
        # Through a link to the file that it names, as every program does that opens it.
        partial.replace(target.resolve() if target.is_symlink() else target)
        return
    try:
        os.link(partial, target)
    except FileExistsError:
        raise there(target) from None
    except OSError:
        # A file system without links. Between the look and the move another program may have made it.
        if os.path.lexists(target):
            raise there(target) from None
        partial.replace(target)


def there(target: Path) -> UsageError:
    return UsageError(
        _("{path} is there already.", path=target), _("Nothing was written. Name another file, or add --force.")
    )
