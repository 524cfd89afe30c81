"""What each command of the shell does to a reading: builtins, wrappers, carriers, and all others."""

from __future__ import annotations

import re

from . import builtins, carriers, interpreters, vcs, wrappers
from .builtins import BUILTINS, Handler
from .interpreters import LANGUAGES, SHELLS, language_of
from .state import SPLIT, Machine, Run, child, clean, joined, known, written

CARRIERS: dict[str, Handler] = {
    **dict.fromkeys(SHELLS, interpreters.shell),
    **dict.fromkeys(LANGUAGES, interpreters.interpreter),
    **dict.fromkeys(("vim", "vi", "nvim", "ex", "ed", "emacs", "view", "rvim"), interpreters.editor),
    **dict.fromkeys(("sed", "gsed", "gdb"), interpreters.editor),
    **dict.fromkeys(("su", "runuser"), wrappers.as_user),
    **dict.fromkeys(("find", "gfind"), carriers.find),
    **dict.fromkeys(("fd", "fdfind"), carriers.find_fast),
    **dict.fromkeys(("ssh", "slogin"), carriers.remote),
    **dict.fromkeys(("docker", "podman", "nerdctl", "docker-compose"), carriers.container),
    **dict.fromkeys(("kubectl", "oc", "k3s", "microk8s"), carriers.cluster),
    **dict.fromkeys(("busybox", "toybox"), carriers.first_word),
    **dict.fromkeys(("at", "batch", "crontab"), carriers.later),
    **dict.fromkeys(("tmux", "screen"), carriers.terminal),
    **dict.fromkeys(
        ("uv", "poetry", "pipenv", "pdm", "hatch", "rye", "conda", "mamba", "micromamba", "npx", "bunx", "npm", "pnpm",
         "yarn", "bundle", "pixi"), carriers.runner,
    ),
    **dict.fromkeys(
        ("tar", "rsync", "zip", "sort", "make", "scp", "sftp", "split", "entr", "man", "wget", "tcpdump",
         "rg", "bat", "ag", "go"),
        vcs.option_codes,
    ),
    "env": wrappers.environment, "command": wrappers.looked_up, "xargs": carriers.arguments_from_input,
    "gxargs": carriers.arguments_from_input, "parallel": carriers.parallel, "watch": carriers.watch,
    "flock": carriers.lock, "script": carriers.typescript, "git": vcs.git,
}  # fmt: skip
_PATTERN = re.compile(r"[*?]|\[.")
_EXTERNAL = frozenset(
    ["echo", "printf", "cat", "tee", "base64", "mktemp", "pwd", "dirname", "basename", "which", "true", "false", "cd"]
)
"""Builtins that are also programs with a path."""


def execute(machine: Machine, run: Run) -> str | None:
    """Read one command; its output, if that is known."""
    if not run.words:
        return ""
    name = run.words[0]
    if run.context.depth > 40:
        machine.budget.spend(machine.budget.left + 1)
    base = name.rpartition("/")[2]
    if not known(base) or SPLIT in name or _PATTERN.search(name) or not base:
        shown = (run.text or clean(" ".join(run.words)).replace("\0", "?")).splitlines()[0][:80]
        machine.note(f"which program runs is not known: {shown}")
        machine.emit(run)
        return None
    if name in run.state.functions:
        machine.emit(run)
        return machine.call_function(run)
    plain = "/" not in name
    if (plain or base in _EXTERNAL) and (builtin := BUILTINS.get(base)):
        return builtin(machine, run)
    if (carrier := CARRIERS.get(base) or (interpreters.interpreter if language_of(base) else None)) is not None:
        from_fetched(machine, run, next((word for word in run.words[1:] if not word.startswith("-")), ""))
        return carrier(machine, run)
    if base.startswith(("ld-linux", "ld-musl", "ld.so")):
        return wrappers.prefixed(machine, run, base, wrappers.LOADER)
    if (options := wrappers.PREFIXES.get(base)) is not None:
        return wrappers.prefixed(machine, run, base, options)
    if base in ("test", "["):
        for word in run.words[1:]:
            builtins.subscripts(machine, word)
    from_fetched(machine, run, name)
    machine.emit(run)
    if not plain and set(run.sources) & {"cp", "ln", "mv", "install"}:
        machine.note(f"a program that was made just now is run: {name}")
    if not plain:
        for text in written(machine, run, name):
            script(machine, run, text)
    return None


def from_fetched(machine: Machine, run: Run, program: str) -> None:
    """A program that was written by a command of this text comes from that."""
    run.sources = (*run.sources, *machine.fetched.get(joined(run.state.folder, clean(program)), ()))


def script(machine: Machine, run: Run, text: str) -> None:
    """A file that this text wrote, and now runs."""
    first = text.partition("\n")[0]
    if not first.startswith("#!") or re.search(r"\b(ba|da|z|k)?sh\b", first):
        machine.read_code(text, run, run.words[0], state=child(run))
    else:
        machine.note(f"a program that was written just now is run: {clean(run.words[0])}")
