"""The part of docs/security.md that says what was attacked and what came of it, made from the attacks themselves.

usage: python -m tests.attacks.table      writes it into the document
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from . import field
from .inside import files, kernel, links, processes
from .inside.plants import PLANTS
from .inside.registry import ATTACKS
from .inside.relays import RELAYS
from .inside.stays import STAYS
from .open_ways import ALL, BY_ROOT_ONLY, HERE_STOPPED, OPEN, RUNS_LATER
from .openings import SHOWS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "security.md"
BEGIN, END = "<!-- attacks: made by tests/attacks/table.py -->\n", "<!-- attacks end -->\n"
FAMILIES = (
    (files, "files outside, and what stays read-only: links, races, descriptors, renames, lent rights"),
    (processes, "your other programs and the limits: memory, signals, ranks, descriptors, control groups"),
    (kernel, "the kernel: namespaces, mounts, devices, calls that change the machine"),
    (links, "services, sockets, shared memory, the environment"),
)
BACKENDS = {"bubblewrap": "bubblewrap", "container": "container", "landlock": "Landlock"}


def outcome(backend: str, names: list[str]) -> str:
    """What came of some attacks on a backend."""
    lists = OPEN[backend]
    found = [name for name in names if ALL in lists.get(name, {}).values()]
    through = [name for name in names if name in lists and name not in found]
    if not found and not through:
        return "all stopped"
    parts = [f"{len(names) - len(found) - len(through)} stopped"]
    parts += [f"{len(found)} found after the step and undone"] if found else []
    parts += [f"{len(through)} come through"] if through else []
    return ", ".join(parts)


def plain(name: str) -> str:
    return name.replace("_", " ")


def section() -> str:
    heads = ["what is attacked", "attempts", *BACKENDS.values()]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for module, what in FAMILIES:
        names = [name for name, attack in ATTACKS.items() if attack.__module__ == module.__name__]
        cells = [what, str(len(names)), *(outcome(backend, names) for backend in BACKENDS)]
        lines.append(f"| {' | '.join(cells)} |")
    held = f"{len(PLANTS) - len(RUNS_LATER)} do not run"
    lines.append(f"| what runs later: git, shells, editors, assistants | {len(PLANTS)} |{f' {held} |' * len(BACKENDS)}")
    lines.append(
        f"| the way out: the broker as a relay, and around it | {len(RELAYS)} |{' all stopped |' * len(BACKENDS)}"
    )
    lines.append(f"| programs that outlive their kernel | {len(STAYS)} |{' all ended with it |' * len(BACKENDS)}")
    alone = {name for names in SHOWS.values() for name in names}
    total = len(ATTACKS) + len(PLANTS) + len(RELAYS) + len(STAYS)
    lacking = ", ".join(plain(name) for name in sorted(HERE_STOPPED))
    sentences = (
        f"Each of the {total} attempts is made on every backend, as root and as an ordinary user,",
        f"and once more without walls, where it comes through; {len(BY_ROOT_ONLY)} of them only as root there,",
        "because the kernel refuses them to ordinary users anyway.",
        f"{len(alone)} come through as soon as the one wall that holds them is taken away, although all others stand.",
        f"{len(HERE_STOPPED)} need what not every machine has, and may fail without walls, too: {lacking}.",
    )
    lines += ["", *textwrap.wrap(" ".join(sentences), 150), ""]
    for backend, shown in BACKENDS.items():
        through = {name: users for name, users in OPEN[backend].items() if ALL not in users.values()}
        if not through:
            lines.append(f"- **{shown}**: nothing known comes through.")
            continue
        lines.append(f"- **{shown}**, what comes through:")
        for name, users in sorted(through.items()):
            whom = "" if len(users) == 2 else f" (as {next(iter(users))})"
            lines.append(f"  - {plain(name)}{whom}: {next(iter(users.values()))}.")
    lines.append("- **Every backend**, because it is the code's work and runs when you run it:")
    lines += [f"  - {plain(name)}: {why}." for name, why in sorted(RUNS_LATER.items())]
    return "\n".join(lines) + "\n"


def placed(document: str) -> str:
    """The document with the section as it is now."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + section() + END + after


if __name__ == "__main__":
    assert field.MODULES
    DOCUMENT.write_text(placed(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
