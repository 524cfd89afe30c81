"""What a shell program consists of: the words and commands that the parser finds and the walker goes through."""

from __future__ import annotations

from dataclasses import dataclass, field


class Broken(Exception):
    """The text is not a shell program, or uses a form that this parser does not know; the message says which."""


class TooMuch(Exception):
    """Reading would take too long: the text is too large, or nested too deeply."""


@dataclass(slots=True)
class Budget:
    """How much work is left. Shared by all parsers and walkers of one reading, so that its time is bounded."""

    left: int

    def spend(self, steps: int = 1) -> None:
        """Raises TooMuch when nothing is left."""
        self.left -= steps
        if self.left < 0:
            raise TooMuch("there is too much of it to read")


@dataclass(slots=True)
class Lit:
    """Characters that stand for themselves; unquoted ones may be patterns, braces or a tilde."""

    text: str
    quoted: bool = False
    dollar: bool = False
    """It comes from `$'...'` or `$"..."`, which not every shell knows."""


@dataclass(slots=True)
class Var:
    """`$name` or `${name...}`."""

    name: str
    quoted: bool
    prefix: str = ""
    """`!` (indirect) or `#` (length)."""
    index: list[Part] | None = None
    op: str = ""
    arg: list[Part] = field(default_factory=list["Part"])


@dataclass(slots=True)
class Sub:
    """A substitution: `$(...)` and backticks (kind `$`), `<(...)` and `>(...)`."""

    kind: str
    items: list[Node]
    quoted: bool = False


@dataclass(slots=True)
class Arith:
    """`$((...))`, `((...))`, `$[...]`: a number, and what is substituted inside."""

    parts: list[Part]


Part = Lit | Var | Sub | Arith


@dataclass(slots=True)
class Word:
    parts: list[Part]
    text: str
    """As it stands in the code."""

    def literal(self) -> str | None:
        """Its text with quotes removed, if nothing in it has to be expanded."""
        found: list[str] = []
        for part in self.parts:
            if not isinstance(part, Lit):
                return None
            found.append(part.text)
        return "".join(found)


@dataclass(slots=True)
class Assign:
    name: str
    append: bool = False
    index: list[Part] | None = None
    value: Word | None = None
    array: list[Word] | None = None


@dataclass(slots=True)
class Redirect:
    op: str
    """Without the descriptor: `>`, `>>`, `<`, `<<`, `<<<`, `>&` ..."""
    target: Word
    descriptor: str = ""
    body: Word | None = None
    """Of a here-document."""


@dataclass(slots=True)
class Simple:
    assigns: list[Assign]
    words: list[Word]
    redirects: list[Redirect]
    text: str
    arrays: list[Assign] = field(default_factory=list[Assign])
    """`declare name=(...)`: arrays among the arguments."""


@dataclass(slots=True)
class Pipe:
    items: list[Node]


@dataclass(slots=True)
class Chain:
    """Commands joined by `&&` and `||`: only the first one runs for certain."""

    items: list[Node]


@dataclass(slots=True)
class Back:
    """Runs at the same time, in a process of its own: `cmd &`, `coproc cmd`."""

    item: Node


@dataclass(slots=True)
class Group:
    items: list[Node]
    subshell: bool


@dataclass(slots=True)
class If:
    branches: list[tuple[list[Node], list[Node]]]
    """Conditions and what follows from each; `else` has no condition."""


@dataclass(slots=True)
class Loop:
    name: str
    """Of the variable of `for` and `select`, else empty."""
    words: list[Word] | None
    """None: the positional parameters."""
    condition: list[Node]
    body: list[Node]


@dataclass(slots=True)
class Case:
    word: Word
    arms: list[tuple[list[Word], list[Node]]]


@dataclass(slots=True)
class Test:
    """`[[ ... ]]` and `((...))`: words that are expanded, nothing is started but what is substituted in them."""

    parts: list[Part]


@dataclass(slots=True)
class Function:
    name: str
    body: Node


@dataclass(slots=True)
class Redirected:
    item: Node
    redirects: list[Redirect]


Node = Simple | Pipe | Chain | Back | Group | If | Loop | Case | Test | Function | Redirected
