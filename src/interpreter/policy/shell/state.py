"""What the walker knows while it goes through a program, and what handlers of commands may ask of it."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from ..facts import UNKNOWN
from .tree import Budget, Node

SPLIT = "\x01"
"""Like UNKNOWN, where it may also stand for several words or none: an unquoted variable."""
Value = str | tuple[str, ...] | None
"""Of a variable: a text (with UNKNOWN in it), an array, or None: it is not set."""


def known(text: str) -> bool:
    return UNKNOWN not in text and SPLIT not in text


def clean(text: str) -> str:
    return text.replace(SPLIT, UNKNOWN)


@dataclass(slots=True)
class State:
    """Of one shell process at one point of the program."""

    variables: dict[str, Value] = field(default_factory=dict[str, Value])
    """What the program itself has set."""
    exported: frozenset[str] = frozenset()
    origins: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Variables that hold what commands printed, and the names of those."""
    functions: dict[str, Node] = field(default_factory=dict[str, Node])
    aliases: dict[str, str] = field(default_factory=dict[str, str])
    positional: tuple[str, ...] | None = None
    """`$1`, `$2` ...; None: not known."""
    outside: dict[str, Value] | None = None
    """Inside a function: what the variables that are local to it hold outside."""
    zero: str = UNKNOWN
    """`$0`"""
    posix: bool = False
    """The shell may be one that knows less than bash: `sh` is dash here and bash there."""
    fixed: frozenset[str] = frozenset()
    """Variables that do not simply take what is assigned to them: read-only ones, numbers, upper case."""
    folder: str = ""
    doubtful: bool = False
    """Something ran that may have changed any variable."""

    def copy(self) -> State:
        return replace(
            self,
            variables=dict(self.variables),
            origins=dict(self.origins),
            functions=dict(self.functions),
            aliases=dict(self.aliases),
        )

    def forget(self) -> None:
        """Any variable may have any value now."""
        self.variables = dict.fromkeys(self.variables, UNKNOWN)
        self.doubtful = True

    def join(self, other: State) -> None:
        """Either this or the other has happened."""
        for name in self.variables.keys() | other.variables.keys():
            if self.variables.get(name, UNKNOWN) != other.variables.get(name, UNKNOWN):
                self.variables[name] = UNKNOWN
        for name, origin in other.origins.items():
            self.origins[name] = tuple(dict.fromkeys((*self.origins.get(name, ()), *origin)))
        self.fixed = self.fixed | other.fixed
        self.functions = {**other.functions, **self.functions}
        self.aliases = {**other.aliases, **self.aliases}
        self.exported = self.exported & other.exported
        if self.positional != other.positional:
            self.positional = None
        self.doubtful = self.doubtful or other.doubtful

    def become(self, other: State) -> None:
        """Take over all that the other knows."""
        self.variables, self.exported, self.origins = other.variables, other.exported, other.origins
        self.functions, self.aliases, self.positional = other.functions, other.aliases, other.positional
        self.folder, self.doubtful, self.fixed = other.folder, other.doubtful, other.fixed


class Context(NamedTuple):
    """Around a command: what it is reached through, and what it is given."""

    through: tuple[str, ...] = ()
    host: str = ""
    fed_by: tuple[str, ...] = ()
    input: str | None = ""
    """What it can read from its standard input; None: not known."""
    forks: int = 0
    """How many processes it is deep, for recursion."""
    calls: tuple[tuple[int, int], ...] = ()
    """The functions that are being read, and `forks` at their beginning."""
    depth: int = 0


@dataclass(slots=True)
class Run:
    """A simple command, expanded, about to be run."""

    words: list[str]
    state: State
    context: Context
    text: str = ""
    variables: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    reads: list[str] = field(default_factory=list[str])
    writes: list[str] = field(default_factory=list[str])
    sources: tuple[str, ...] = ()
    """Names of the commands whose output stands in its words."""

    def with_own_program(self) -> Run:
        """The same, where what comes through the pipeline is data and not the program."""
        return replace(self, context=self.context._replace(fed_by=()))

    def inside(self, wrapper: str, words: list[str], *, variables: list[tuple[str, str]] | None = None) -> Run:
        """The same for the command that a wrapper runs."""
        context = self.context._replace(through=(*self.context.through, wrapper), depth=self.context.depth + 1)
        set_now = self.variables if variables is None else [*self.variables, *variables]
        return replace(self, words=words, context=context, variables=set_now)


class Machine(Protocol):
    """What the handlers of commands may use; the walker is it."""

    environ: Mapping[str, str] | None
    budget: Budget
    later: list[tuple[str, Run]]
    """Code that runs at the end of the program."""
    files: dict[str, tuple[str, ...]]
    """By place: what the program itself may have redirected into files; UNKNOWN for a text that is not known."""
    fetched: dict[str, tuple[str, ...]]
    """By place: files that commands wrote, and their names: `curl -o x`."""

    def note(self, sentence: str) -> None:
        """Something cannot be resolved."""
        ...

    def emit(
        self, run: Run, *, code: tuple[str, str] = ("", ""), variables: tuple[tuple[str, str], ...] | None = None
    ) -> None:
        """The command itself is run: put it into the reading."""
        ...

    def execute(self, run: Run) -> str | None:
        """Read a command; its output, if that is known."""
        ...

    def program(self, text: str, state: State, context: Context) -> str | None:
        """Parse and read a text; what it prints, if that is known."""
        ...

    def powerful(self, variables: list[tuple[str, str]], run: Run) -> None:
        """Read what a shell runs by itself because these are set."""
        ...

    def call_function(self, run: Run) -> str | None:
        """Read the body of the function that the first word names."""
        ...

    def read_code(self, code: str, run: Run, wrapper: str, *, state: State | None = None, host: str = "") -> str | None:
        """Read a text that a shell will run; in a shell of its own with `state`, else in this one."""
        ...


def joined(folder: str, path: str) -> str:
    """`path` as seen from `folder`."""
    if path.startswith(("/", "~")):
        whole = path
    elif path.startswith(UNKNOWN):
        return path
    else:
        whole = f"{folder}/{path}" if folder else path
    return whole if UNKNOWN in whole else posixpath.normpath(whole).replace("//", "/")


def written(machine: Machine, run: Run, path: str) -> tuple[str, ...]:
    """The texts that this program may have written into a file before; empty if it wrote nothing."""
    return machine.files.get(joined(run.state.folder, clean(path)), ())


def content(machine: Machine, run: Run, path: str) -> str | None:
    """What a file holds, if that is known."""
    texts = written(machine, run, path)
    return texts[0] if len(texts) == 1 else None


def write(machine: Machine, run: Run, path: str, text: str | None) -> None:
    """A file gets a text (None: not known which); it may have kept what it had."""
    place = joined(run.state.folder, clean(path))
    machine.files[place] = tuple(dict.fromkeys((*machine.files.get(place, ()), UNKNOWN if text is None else text)))


def child(run: Run) -> State:
    """What a program that is started sees: exported variables and what is set for it alone."""
    state = run.state
    variables: dict[str, Value] = {}
    for name, value in state.variables.items():
        variables[name] = value if name in state.exported else UNKNOWN
    variables.update(run.variables)
    return replace(
        state.copy(),
        variables=variables,
        aliases={},
        posix=False,
        exported=state.exported | {name for name, _v in run.variables},
    )


def elsewhere(run: Run) -> State:
    """What a program on another machine or in a container knows: nothing of this one."""
    return State(doubtful=run.state.doubtful)
