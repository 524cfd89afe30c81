"""What the person says about snapshots, and the rules for what is left out of them."""

from __future__ import annotations

from ..types.base import Value

MIB = 1 << 20

REPOSITORIES = (".git", ".hg", ".svn", ".jj")
"""The person's own history of their files: never read and never changed."""
SETTINGS = (".interpreter",)
"""Rules and settings of this program: taking back a step never takes back a rule."""
REBUILT = (
    "node_modules", ".venv", "__pycache__", ".cache", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox", ".nox",
    ".gradle", ".terraform", ".eggs", ".parcel-cache", ".turbo", ".DS_Store",
)  # fmt: skip
"""Environments and caches, by name, wherever they lie."""
MARKERS = ("pyvenv.cfg", "CACHEDIR.TAG", "conda-meta")
"""What lies in an environment or a cache under another name. A folder that was covered once stays covered, so that
nothing is withdrawn from a snapshot by leaving such a mark in it."""
CACHE_TAG = b"Signature: 8a477f597d28d172789f06886806bc55"


class SnapshotOptions(Value):
    """How the workspace is kept before each step."""

    enabled: bool = True
    ignored: tuple[str, ...] = ()
    """Further names of files and folders that are left out, wherever they lie."""
    quota: int = 8192 * MIB
    """Bytes that all snapshots of a home may take on the disk; what goes beyond it is named as not covered."""
    largest: int = 256 * MIB
    """Bytes of one file that are copied; a larger one is covered only where the file system shares its blocks."""
    files: int = 200_000
    """Files and folders of one workspace that are looked at; what comes after them is named as not covered."""

    @property
    def left_out(self) -> frozenset[bytes]:
        """The names that are left out, as bytes."""
        return frozenset(name.encode() for name in (*REPOSITORIES, *SETTINGS, *REBUILT, *self.ignored))
