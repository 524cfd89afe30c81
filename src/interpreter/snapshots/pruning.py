"""Taking away what no session names any longer."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Container
from pathlib import Path
from typing import NamedTuple

from .shelf import NAME, Shelf
from .tree import children

UNFINISHED = 3600.0
"""Seconds after which a file that was begun and never got its name is nobody's."""


class Pruned(NamedTuple):
    contents: int
    size: int
    """Bytes of the contents that were removed."""


def usage(home: Path) -> int:
    """Bytes that the contents of all snapshots take; 0 where there are none. Raises StoreError."""
    if not (home / NAME).exists():
        return 0
    shelf = Shelf(home)
    try:
        return shelf.fact("size")
    finally:
        shelf.close()


def adopt(home: Path, session: str, trees: list[str]) -> None:
    """From now on a session names these trees as well, so that they stay as long as it is. Raises StoreError."""
    if not trees or not (home / NAME).exists():
        return
    shelf = Shelf(home)
    try:
        with shelf.transaction(full=True) as connection:
            connection.executemany(
                "INSERT INTO roots SELECT ?, id FROM trees WHERE id = ? ON CONFLICT DO NOTHING",
                [(session, bytes.fromhex(tree)) for tree in trees],
            )
    finally:
        shelf.close()


def prune(home: Path, alive: Callable[[], Container[str]]) -> Pruned:
    """Remove what only sessions named that are gone. Others may go on working meanwhile: a snapshot that is being taken
    begins anew. Raises StoreError: nothing was removed.

    Args:
        alive: the ids of all sessions; called while no snapshot can be put in, so that none that begins is missed.
    """
    if not (home / NAME).exists():
        return Pruned(0, 0)
    shelf = Shelf(home)
    try:
        return _prune(shelf, alive)
    finally:
        shelf.close()


def _prune(shelf: Shelf, alive: Callable[[], Container[str]]) -> Pruned:
    with shelf.transaction(full=True) as connection:
        roots = connection.execute("SELECT session, tree FROM roots").fetchall()
        there = alive()
        dead = {session for session, _tree in roots if session not in there}
        trees, blobs = set[bytes](), set[bytes]()
        todo = [bytes(tree) for session, tree in roots if session not in dead]
        while todo:
            tree = todo.pop()
            row = (
                None if tree in trees else connection.execute("SELECT body FROM trees WHERE id = ?", (tree,)).fetchone()
            )
            if row is not None:
                trees.add(tree)
                below, contents = children(bytes(row[0]))
                todo.extend(below)
                blobs.update(contents)
        connection.executemany("DELETE FROM roots WHERE session = ?", [(session,) for session in dead])
        old = [key for (key,) in connection.execute("SELECT id FROM trees") if bytes(key) not in trees]
        connection.executemany("DELETE FROM trees WHERE id = ?", [(key,) for key in old])
        gone = [
            (bytes(key), int(size), bool(large))
            for key, size, large in connection.execute("SELECT id, size, data IS NULL FROM blobs")
            if bytes(key) not in blobs
        ]
        connection.executemany("DELETE FROM blobs WHERE id = ?", [(key,) for key, _size, _large in gone])
        size = sum(size for _id, size, _large in gone)
        for key in [key for key, _size, large in gone if large]:
            # Before the transaction ends: nobody can put the same content there anew meanwhile.
            with contextlib.suppress(OSError):
                shelf.place(key).unlink()
        if gone or old:
            # What was seen of a workspace names contents that may be gone: the next look reads them again.
            connection.execute("DELETE FROM seen")
            connection.execute("DELETE FROM workspaces")
            connection.execute("UPDATE facts SET value = value - ? WHERE name = 'size'", (size,))
            connection.execute("UPDATE facts SET value = value + 1 WHERE name = 'generation'")
    _sweep(shelf.objects)
    shelf.give_back()
    return Pruned(len(gone), size)


def _sweep(objects: Path) -> None:
    """Files of a program that died before they got their names."""
    if not objects.is_dir():
        return
    for path in objects.glob("new-*"):
        with contextlib.suppress(OSError):
            if time.time() - os.lstat(path).st_mtime > UNFINISHED:
                path.unlink()
