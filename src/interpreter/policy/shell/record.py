"""Writes down what is found, and makes a reading of it."""

from __future__ import annotations

from collections.abc import Mapping

from ..facts import Call, Command, Reading
from .effects import Effects, effects_of
from .expand import subscript_code
from .state import SPLIT, Run, clean, joined
from .tree import Budget, Lit, Part

MOST_STEPS = 60_000
MOST_UNKNOWN = 20


class Record:
    """All that one reading has found so far."""

    def __init__(self, environ: Mapping[str, str] | None, *, steps: int = MOST_STEPS) -> None:
        self.environ = environ
        self.budget = Budget(steps)
        self.reading_budget = Budget(steps)
        """Of the parsers; so what was parsed before the end of it is still walked through."""
        self.files: dict[str, tuple[str, ...]] = {}
        self.fetched: dict[str, tuple[str, ...]] = {}
        self.later: list[tuple[str, Run]] = []
        """Code that runs at the end, with what is known then."""
        self.commands: list[Command] = []
        self.unknown: list[str] = []
        self.reads: list[str] = []
        self.writes: list[str] = []
        self.bombs: list[str] = []

    def note(self, sentence: str) -> None:
        sentence = clean(sentence).replace("\0", "?")
        sentence = f"{sentence[0].upper()}{sentence[1:]}."
        if sentence not in self.unknown and len(self.unknown) < MOST_UNKNOWN:
            self.unknown.append(sentence)

    def emit(
        self, run: Run, *, code: tuple[str, str] = ("", ""), variables: tuple[tuple[str, str], ...] | None = None
    ) -> None:
        self.budget.spend(2)
        words = tuple(map(clean, run.words))
        effects = effects_of(words) if words else Effects()
        reads = tuple(dict.fromkeys((*run.reads, *effects.reads)))
        writes = tuple(dict.fromkeys((*run.writes, *effects.writes)))
        context = run.context
        if words and words[0].endswith("rm") and any(SPLIT in word for word in run.words[1:]):
            # An unquoted variable may hold options as well; what `xargs` appends are names.
            effects = effects._replace(recursive=effects.recursive or context.through[-1:] != ("xargs",))
        fed_by = tuple(dict.fromkeys((*context.fed_by, *run.sources)))
        command = Command(
            words=words,
            through=context.through,
            host=clean(context.host),
            fed_by=fed_by,
            reads=reads,
            writes=writes,
            deletes=effects.deletes,
            recursive=effects.recursive,
            hosts=effects.hosts,
            folder=clean(run.state.folder),
            code=(code[0], clean(code[1])),
            variables=tuple(run.variables) if variables is None else variables,
            text=run.text,
        )
        self.commands.append(command)
        for path in writes:
            self.fetched[joined(run.state.folder, clean(path))] = tuple(dict.fromkeys((*fed_by, command.name)))

    @staticmethod
    def placed(path: str, folder: str) -> str:
        """A path as seen from the folder in which the program began."""
        if not folder or path.startswith(("/", "~")):
            return path
        return f"{folder.rstrip('/')}/{path}"

    def subscripts(self, parts: list[Part]) -> None:
        if subscript_code("".join(part.text for part in parts if isinstance(part, Lit))):
            self.note("a value that runs code where it is used as a subscript")

    def reading(self) -> Reading:
        found: dict[str, list[str]] = {"deletes": [], "reads": self.reads, "writes": self.writes, "hosts": []}
        for command in self.commands:
            for name in ("deletes", "reads", "writes"):
                found[name] += [self.placed(path, command.folder) for path in getattr(command, name)]
            found["hosts"] += [*command.hosts, *([command.host] if command.host else [])]
        unique = {name: tuple(dict.fromkeys(map(clean, values))) for name, values in found.items()}
        calls = tuple(Call(name="shell.fork_bomb", arguments=(name,), text=name) for name in dict.fromkeys(self.bombs))
        return Reading(
            commands=tuple(self.commands),
            calls=calls,
            unknown=tuple(self.unknown),
            **unique,
        )
