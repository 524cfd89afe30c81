"""What walls are asked for, and how a process is born inside them."""

from __future__ import annotations

import hashlib
import os
from typing import Any, Literal

from .base import Value
from .rules import NetworkRules

MIB = 1 << 20
GRANTS = ("git", "ssh", "docker", "kubectl", "aws", "gcloud", "az")
"""Names of what may be opened for a tool of operations; `sandbox.grants` says what each opens."""
BackendName = Literal["auto", "bubblewrap", "container", "landlock", "seatbelt", "host"]


class Limits(Value):
    """Bounds of one execution. None means no bound of that kind."""

    timeout: float | None = None
    """Seconds of wall time."""
    memory: int | None = 8192 * MIB
    """Bytes, of the whole process tree."""
    processes: int | None = 512
    cpu: float | None = None
    """Seconds of CPU."""
    file_size: int | None = 16384 * MIB
    """Bytes of any one file."""
    disk: int | None = 65536 * MIB
    """Bytes that one execution may add to all folders it can write, together."""
    free: int | None = None
    """Bytes that an execution leaves free on each file system it can write to. None: 1 GiB, or 5 % of it where that
    is less."""
    output: int | None = 1024 * MIB
    """Bytes of stdout and stderr together."""
    open_files: int | None = 4096


class CheckpointLimits(Value):
    """What saving the state of kernels may cost."""

    enabled: bool = True
    variable: int = 2048 * MIB
    """Bytes of one name; a larger one is not saved, and that is said."""
    total: int = 8192 * MIB
    """Bytes of one checkpoint, at most half of the free disk."""
    disk: int = 16384 * MIB
    """Bytes of all checkpoints of a session; the oldest give way."""
    deadline: float = 60.0
    """Seconds for one save."""
    memory: int = 512 * MIB
    """Bytes that the process which saves may take for itself."""


class Profile(Value):
    """What a kernel may reach. It is fixed at the kernel's birth and grows only by logged grants."""

    name: str = "workspace"
    backend: BackendName = "auto"
    workspace: str = "."
    """Absolute path; the working folder."""
    access: Literal["read", "write"] = "write"
    """To the workspace. read: the profile `read-only`; the session's scratch folder stays writable."""
    writable: tuple[str, ...] = ()
    """Further writable paths (the session's scratch folder, an environment's layer for its installer)."""
    readable: tuple[str, ...] = ()
    """Further readable paths (the language's environment, granted files)."""
    hidden: tuple[str, ...] = ()
    """Paths that stay hidden although they lie in a readable one."""
    named: tuple[str, ...] = ()
    """Paths that the person named one by one: they are shown although they lie in what is always hidden."""
    protected: tuple[str, ...] = ()
    """Absolute paths inside writable folders that stay read-only, whether they exist yet or not."""
    devices: tuple[str, ...] = ()
    """Devices of the host that appear inside, e.g. `/dev/dri`."""
    sockets: tuple[str, ...] = ()
    """Unix sockets of the host that programs may connect to: those of granted tools."""
    rules: NetworkRules = NetworkRules()
    """Which hosts the broker lets through; for network `proxy`."""
    network: Literal["closed", "proxy", "host"] = "closed"
    """proxy: a namespace of its own with one way out, the proxy on the host's side. host: only with backend host."""
    stage: str = ""
    """Staged mode: the host's folder for what programs write to the workspace and to `writable` folders of the person;
    these stay as they are. Empty: not staged."""
    environment: dict[str, str] = {}
    """The whole environment of the process: an allow-list has been applied by whoever made this."""
    limits: Limits = Limits()


class Launch(Value):
    """How the keeper starts a process inside walls. Made by `sandbox`, carried out literally by the keeper."""

    backend: str
    argv: tuple[str, ...]
    """The whole command, walls included (for bubblewrap: `bwrap ... -- program ...`)."""
    env: dict[str, str]
    cwd: str
    rlimits: dict[str, tuple[int, int]] = {}
    """Name without the prefix (`NOFILE`) to (soft, hard)."""
    landlock: dict[str, Any] | None = None
    """For backend landlock: what `keeper/walls.py` applies in the child before exec."""
    identity: int | None = None
    """Started by root: the number that the program's files and it itself go by, so that nothing of root's is open to
    it. Words of `argv` such as `@mapped:PATH@` then stand for a mount of PATH that gives root's files this number."""
    container: dict[str, Any] | None = None
    """For backend container: the engine's socket and what it is asked for; `keeper/contained.py` asks."""
    stage: dict[str, Any] | None = None
    """Staged mode: `folders` lists pairs of a folder and of where the layers of the overlay over it lie; `identity` as
    above. All kernels of a session share these overlays."""
    seccomp: bytes = b""
    """A BPF program (struct sock_filter array). With bubblewrap it is handed over by descriptor."""
    mount_slot: str = ""
    """Host folder whose content appears inside as it is granted; empty where the backend cannot."""
    writable: tuple[str, ...] = ()
    """Host folders that the program can write to: what it adds there counts for `Limits.disk`."""
    cgroup: dict[str, int] | None = None
    """Limits to be set where a cgroup can be made: memory (bytes), pids."""
    proxy: dict[str, Any] | None = None
    """Settings of the way out, when the profile opens the network."""


def layers_of(stage: str, top: str) -> str:
    """The folder with the layers of the overlay over `top`."""
    return f"{stage}/{hashlib.sha256(os.fsencode(top)).hexdigest()[:16]}"
