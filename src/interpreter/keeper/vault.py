"""The folder of a session's checkpoints: blobs and manifests by the hash of their bytes. Loaded only where one is used.

What is there is whole: it was written under another name, synced, and then renamed. Nothing in it is ever changed.
"""

import fcntl
import hashlib
import json
import os
import re
from typing import Any, NamedTuple

HASH = re.compile(r"[0-9a-f]{64}")
MOST_MANIFESTS = 1000
"""Of one session; the oldest give way."""
READ = 1 << 20
MOST_MANIFEST = 32 << 20


class Damaged(Exception):
    """A checkpoint that is not as it was written; its words say what is wrong."""


class Vault:
    def __init__(self, folder: str) -> None:
        """Raises OSError."""
        for path in (folder, os.path.join(folder, "blobs")):
            try:
                os.mkdir(path, 0o700)
            except FileExistsError:
                pass
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        self._top = os.open(folder, flags)
        self._blobs = os.open("blobs", flags, dir_fd=self._top)
        self._lock = os.open(".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self._top)
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        self.written = 0
        """Bytes of new blobs."""
        self._new: list[str] = []

    # --- reading

    def size(self, blob: str) -> int:
        """Bytes of a blob; -1 where there is none."""
        try:
            found = os.stat(blob, dir_fd=self._blobs, follow_symlinks=False)
        except OSError:
            return -1
        return found.st_size

    def open_blob(self, blob: str) -> int:
        """Raises Damaged."""
        try:
            return os.open(blob, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._blobs)
        except OSError as error:
            raise Damaged(f"a part of it cannot be read: {error.strerror}") from None

    def read(self, manifest: str) -> dict[str, Any]:
        """A manifest whose bytes have the hash of its name. Raises Damaged."""
        if not HASH.fullmatch(manifest):
            raise Damaged("this is not the name of a checkpoint")
        try:
            fd = os.open(f"{manifest}.json", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._top)
            with open(fd, "rb") as file:
                data = file.read(MOST_MANIFEST + 1)
        except OSError as error:
            raise Damaged(f"it cannot be read: {error.strerror}") from None
        if hashlib.sha256(data).hexdigest() != manifest:
            raise Damaged("its manifest was changed")
        found: dict[str, Any] = json.loads(data)
        if found.get("version") != 1:
            raise Damaged("it was written by another version of this program")
        return found

    # --- writing

    def begin(self) -> "Blob":
        name = f".{os.getpid()}-{len(self._new)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        return Blob(os.open(name, flags, 0o600, dir_fd=self._blobs), name)

    def keep(self, blob: "Blob") -> str:
        """The blob is complete: it is synced and gets its name, unless it is there already. Raises OSError."""
        name = blob.hash.hexdigest()
        if self.size(name) == blob.size:
            os.close(blob.fd)
            os.unlink(blob.name, dir_fd=self._blobs)
            return name
        try:
            os.fsync(blob.fd)
        finally:
            os.close(blob.fd)
        os.rename(blob.name, name, src_dir_fd=self._blobs, dst_dir_fd=self._blobs)
        self._new.append(name)
        self.written += blob.size
        return name

    def seal(self, manifest: dict[str, Any]) -> str:
        """Write a manifest over blobs that are kept; from now on it is valid. Raises OSError."""
        data = json.dumps(manifest, separators=(",", ":"), sort_keys=True).encode()
        name = hashlib.sha256(data).hexdigest()
        if self._new:
            os.fsync(self._blobs)
        draft = f".{os.getpid()}.json"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(draft, flags, 0o600, dir_fd=self._top), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(draft, f"{name}.json", src_dir_fd=self._top, dst_dir_fd=self._top)
        os.fsync(self._top)
        return name

    def abandon(self, blob: "Blob | None") -> None:
        """Take away what was begun and is worth nothing. What others are writing is left alone."""
        if blob is not None:
            os.close(blob.fd)
            os.unlink(blob.name, dir_fd=self._blobs)

    # --- room

    def free(self) -> int:
        facts = os.fstatvfs(self._top)
        return facts.f_bavail * facts.f_frsize

    def prune(self, most: int) -> None:
        """Keep to `most` bytes: the oldest checkpoints go, never the newest of a language; then what nobody names."""
        manifests = [name for name in os.listdir(self._top) if name.endswith(".json") and name[0] != "."]
        blobs = {name: self.size(name) for name in os.listdir(self._blobs)}
        total = sum(blobs.values())
        if total <= most and len(manifests) <= MOST_MANIFESTS:
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return  # somebody else is writing: the next one looks again
        found: list[Kept] = []
        for name in manifests:
            try:
                found.append(kept(name, self.read(name[:-5])))
            except (Damaged, ValueError, TypeError):
                continue
        found.sort(key=lambda one: one.time)
        newest = {one.language: one for one in found}
        used: dict[str, int] = {}
        for one in found:
            for blob in one.blobs:
                used[blob] = used.get(blob, 0) + 1
        total = sum(blobs.get(blob, 0) for blob in used)
        count = len(found)
        for one in found:
            # A little more than needed, so that this is not done at every save.
            if total <= most * 0.9 and count <= MOST_MANIFESTS * 0.9:
                break
            if newest[one.language] is not one:
                os.unlink(one.name, dir_fd=self._top)
                count -= 1
                for blob in one.blobs:
                    used[blob] -= 1
                    if not used[blob]:
                        del used[blob]
                        total -= blobs.get(blob, 0)
        os.fsync(self._top)
        for name in blobs:
            if name not in used:
                os.unlink(name, dir_fd=self._blobs)


class Blob:
    """A file that is being written, with the hash of what it holds so far."""

    def __init__(self, fd: int, name: str) -> None:
        self.fd, self.name = fd, name
        self.hash = hashlib.sha256()
        self.size = 0

    def write(self, data: memoryview) -> None:
        """Raises OSError."""
        self.hash.update(data)
        self.size += len(data)
        while data:
            data = data[os.write(self.fd, data) :]


class Kept(NamedTuple):
    name: str
    language: str
    time: float
    blobs: tuple[str, ...]


def kept(name: str, manifest: dict[str, Any]) -> Kept:
    return Kept(name, str(manifest["language"]), float(manifest["time"]), tuple(manifest["blobs"]))
