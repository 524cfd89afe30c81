"""Git folders: where they are, and what in them makes git run something. Nothing here runs git or follows a link.

Whatever lies in a folder that programs may write is a claim of theirs. So a `.git` file is believed only where the
folder that it names points back to it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .carefully import Content, content_of, names_in, open_below, same

MOST_FOLDERS = 150
"""Folders that are looked into before the first start, the nearest first; the rest is watched, not walled."""
HEAVY = ("node_modules", ".venv", "venv", "__pycache__", "site-packages", ".tox", ".mypy_cache", "target")
PLAIN = {
    "core": "repositoryformatversion|filemode|bare|logallrefupdates|ignorecase|precomposeunicode|symlinks|autocrlf|eol"
    "|safecrlf|quotepath|abbrev|longpaths",
    "remote": "url|fetch|pushurl|mirror|tagopt|prune|promisor|partialclonefilter",
    "branch": "remote|merge|rebase|description",
    "submodule": "url|active",
    "user": "name|email",
    "init": "defaultbranch",
    "pull": "rebase|ff",
    "push": "default|autosetupremote",
    "merge": "conflictstyle|ff",
    "advice": r"[a-z]+",
    "color": r"[a-z]+",
    "gc": "auto",
    "commit": "cleanup|verbose",
}
"""Sections of a git configuration that start no program, and their harmless keys. All others count as dangerous."""
SECTION = r'(?i)\[\s*([a-z]+)(?:\s+"[^"\\\]\n]*")?\s*\]\s*'
SETTING = r"(?i)([a-z][a-z0-9-]*)\s*(?:=\s*(.*))?"
ADDRESS = r"(?i)(?:https?|ssh|git|file)://[^-][^\s\"\\]*|[\w.-]+@[\w.-]+:[^\s\"\\]+|\.{0,2}/[^\s\"\\]*"
SAFE_VALUE = r'[^\\"`!]*'


class Finding(NamedTuple):
    """Something in a git folder that would make git run a program."""

    path: str
    """Relative to the git folder; empty: the folder itself."""
    reason: str


def entries(text: str) -> Iterator[tuple[str, str]]:
    """The lines of a git configuration that say something, each with the section that it stands in."""
    section = ""
    for raw in text.replace("\r\n", "\n").split("\n"):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line.startswith("["):
            section = line
        yield section, line


def plain(section: str, line: str) -> bool:
    """Whether a line surely starts no program."""
    head = re.fullmatch(SECTION, section)
    if head is None or head[1].lower() not in PLAIN:
        return False
    if line.startswith("["):
        return line == section
    match = re.fullmatch(SETTING, line)
    if match is None or not re.fullmatch(PLAIN[head[1].lower()], match[1].lower()):
        return False
    value = (match[2] or "").strip()
    if match[1].lower() in ("url", "pushurl"):
        return re.fullmatch(ADDRESS, value) is not None
    return re.fullmatch(SAFE_VALUE, value) is not None


def config_dangers(text: str, known: str = "") -> list[str]:
    """Lines of a configuration that are neither plain nor were in the one that was known before."""
    before = set(entries(known))
    return [line for section, line in entries(text) if (section, line) not in before and not plain(section, line)]


CONFIGS = ("config", "config.worktree")
POINTERS = ("commondir", "gitdir")
Files = dict[str, Content]
"""What matters of a folder, by name relative to it."""


def parts_of(fd: int) -> Files:
    """Read what matters of a git folder through its descriptor. Raises nothing."""
    files: Files = {}
    for name in (*CONFIGS, *POINTERS):
        _take(files, fd, name, name)
    _hooks(files, fd, "")
    for store in ("modules", "worktrees"):
        _below(files, fd, store, depth=4)
    return files


def _hooks(files: Files, fd: int, prefix: str) -> None:
    folder = open_below(fd, "hooks")
    if folder is None:
        _take(files, fd, "hooks", prefix + "hooks")
        return
    try:
        changed = os.fstat(folder).st_ctime
        for name in names_in(folder):
            if not name.endswith(".sample"):
                _take(files, folder, name, f"{prefix}hooks/{name}", changed)
    finally:
        os.close(folder)


def _below(files: Files, fd: int, name: str, *, depth: int, prefix: str = "") -> None:
    """Git folders within one: of submodules and worktrees."""
    folder = open_below(fd, name)
    if folder is None:
        _take(files, fd, name, prefix + name)
        return
    prefix += name + "/"
    try:
        if content_of(folder, "HEAD") is not None:
            for inner in (*CONFIGS, *POINTERS):
                _take(files, folder, inner, prefix + inner)
            _hooks(files, folder, prefix)
            names: Iterable[str] = ("modules",)
        else:
            names = names_in(folder)
        for inner in names if depth else ():
            if (below := open_below(folder, inner)) is not None:
                os.close(below)
                _below(files, folder, inner, depth=depth - 1, prefix=prefix)
    finally:
        os.close(folder)


def _take(files: Files, fd: int, name: str, label: str, changed: float = 0.0) -> None:
    if (found := content_of(fd, name)) is not None:
        files[label] = found._replace(changed=max(found.changed, changed))


def dangers(now: Files, before: Files, since: float = 0.0) -> list[Finding]:
    """What in a git folder would make git run something, and did not stand there before.

    `since`: Unix seconds; what has not changed since then counts as known. Nobody can set that time (it is the ctime).
    """
    found: list[Finding] = []
    for name, content in now.items():
        old = before.get(name)
        if content.changed < since or (old is not None and same(old, content)):
            continue
        last = name.rpartition("/")[2]
        if content.data is None:
            found.append(Finding(name, "it is no plain file"))
        elif last in CONFIGS:
            earlier = (old.data if old is not None else None) or b""
            lines = config_dangers(content.data.decode("utf-8", "replace"), earlier.decode("utf-8", "replace"))
            if lines:
                found.append(Finding(name, f"git may run a program for `{lines[0][:100]}`"))
        elif last in POINTERS:
            # Git writes these itself for its worktrees, and always so.
            if not (name.startswith("worktrees/") and (last == "gitdir" or content.data == b"../..\n")):
                found.append(Finding(name, "it leads git to another folder"))
        else:
            found.append(Finding(name, "git runs it as a hook"))
    return found


def looks_like_git(names: Iterable[str]) -> bool:
    """Whether a folder of these names is taken for a repository by git without being called `.git`."""
    return {"HEAD", "objects", "refs"} <= set(names)


def nested(top: str) -> list[str]:
    """Git folders and files below a folder's first level, the nearest first, within bounds."""
    found: list[str] = []
    todo, seen = [top], 0
    while todo and seen < MOST_FOLDERS:
        folder = todo.pop(0)
        seen += 1
        try:
            with os.scandir(folder) as listing:
                names = [(entry.name, entry.is_dir(follow_symlinks=False), entry.is_symlink()) for entry in listing]
        except OSError:
            continue
        if folder != top and looks_like_git(name for name, _is_dir, _link in names):
            found.append(folder)
            continue
        for name, is_dir, link in sorted(names):
            if name == ".git" and not link and folder != top:
                found.append(f"{folder}/{name}")
            elif is_dir and name not in HEAVY and name != ".git":
                todo.append(f"{folder}/{name}")
    return found


def real_folders(workspace: str) -> tuple[str, ...]:
    """The git folders outside that a worktree or a submodule belongs to: its own, and the one it shares.

    Believed only where the folder points back to this very workspace.
    """
    pointer = f"{workspace}/.git"
    own = _named_in(pointer, "gitdir: ")
    if not own or not os.path.isfile(f"{own}/HEAD"):
        return ()
    back = _named_in(f"{own}/gitdir", "")
    if back and os.path.realpath(back) == os.path.realpath(pointer):
        common = _named_in(f"{own}/commondir", "") or own
        shared = os.path.realpath(common)
        if os.path.realpath(os.path.dirname(own)) == f"{shared}/worktrees":
            return tuple(dict.fromkeys((shared, own)))
        return ()
    worktree = _worktree_of(own)
    return (own,) if worktree and os.path.realpath(worktree) == workspace else ()


def _named_in(path: str, prefix: str) -> str:
    """The real path that a small file names; empty where it does not."""
    fd = None
    try:
        fd = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        content = content_of(fd, os.path.basename(path))
    except OSError:
        return ""
    finally:
        if fd is not None:
            os.close(fd)
    text = content.data.decode("utf-8", "replace").strip() if content and content.data else ""
    if not text.startswith(prefix) or "\n" in text or not text[len(prefix) :].strip():
        return ""
    return os.path.realpath(os.path.join(os.path.dirname(path), text[len(prefix) :].strip()))


def _worktree_of(folder: str) -> str:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        content = content_of(fd, "config")
    finally:
        os.close(fd)
    text = content.data.decode("utf-8", "replace") if content and content.data else ""
    for section, line in entries(text):
        key, _sign, value = line.partition("=")
        if section.lower() == "[core]" and key.strip().lower() == "worktree":
            return os.path.join(folder, value.strip())
    return ""
