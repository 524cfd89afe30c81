"""A workspace brought back to a snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .bring import Restore, to_disk, unlock
from .shelf import gone
from .snapshots import Snapshots, from_hex
from .tree import FILE, FOLDER, entries_of
from .words import named


class Restored(NamedTuple):
    """What a restore did."""

    changed: int
    """Files, links and folders that were written, removed, or given other rights."""
    left: tuple[str, ...]
    """What is not as it was, each with the reason; the first of many."""


def restore(snapshots: Snapshots, tree: str) -> Restored:
    """Bring the workspace back to a tree.

    How it stands now is kept first, so that nothing is overwritten that could not be had back; take a snapshot before,
    to know its name. What no snapshot covers is never overwritten or removed. Doing it again changes nothing.

    Raises StoreError: the tree is no longer kept (nothing was changed), or a content of it is gone.
    """
    want = from_hex(tree)
    with snapshots.lock:
        folders = frozenset(folders_of(snapshots, want, b""))
        with snapshots.root() as root:
            found = snapshots.scan(root, folders)
            if closed := [path for path, code in found.uncovered if code == b"rights"]:
                for path in closed:
                    unlock(root, path)
                found = snapshots.scan(root, folders)
            work = Restore(snapshots.shelf, snapshots.memory)
            work.folder(root, b"", want, found.tree)
            to_disk(root)
    return Restored(work.changed, named(work.left))


def check(snapshots: Snapshots, tree: str) -> None:
    """Raises StoreError where a tree is not kept with all its contents."""
    todo = [from_hex(tree)]
    while todo:
        for entry in entries_of(snapshots.shelf.tree, todo.pop()):
            if entry.kind == FOLDER:
                todo.append(entry.id)
            elif entry.kind == FILE and not snapshots.shelf.has(entry.id):
                raise gone()


def folders_of(snapshots: Snapshots, tree: bytes, above: bytes) -> Iterator[bytes]:
    """Every folder of a tree. Raises StoreError: it is not all there."""
    for entry in entries_of(snapshots.shelf.tree, tree):
        if entry.kind == FOLDER:
            path = above + entry.name
            yield path
            yield from folders_of(snapshots, entry.id, path + b"/")
