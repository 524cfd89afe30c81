"""From words to the texts that a command gets: variables, quotes, braces, substitutions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from ..facts import UNKNOWN
from .state import SPLIT, State, Value, known
from .tree import Arith, Budget, Lit, Part, Sub, TooMuch, Var, Word

_NUMBERS = frozenset(
    [
        "?",
        "$",
        "#",
        "!",
        "-",
        "RANDOM",
        "SECONDS",
        "LINENO",
        "EPOCHSECONDS",
        "UID",
        "EUID",
        "PPID",
        "BASHPID",
        "SHLVL",
        "COLUMNS",
        "LINES",
    ]
)
_SEQUENCE = re.compile(
    r"(-?\d{1,6})\.\.(-?\d{1,6})(?:\.\.(-?\d{1,4}))?\Z|([A-Za-z])\.\.([A-Za-z])(?:\.\.(-?\d{1,4}))?\Z"
)
_SUBSTRING = re.compile(r"\s*(-?\d+)\s*(?::\s*(-?\d+)\s*)?\Z")
_GLOB = re.compile(r"[*?\[]")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_CHANGES = re.compile(r"(?<![=!<>])=(?!=)|\+\+|--")
MOST_IN_SEQUENCE = 100
MOST_IN_VALUE = 200_000

Units = list[str | Part]
"""The pieces of a word: single unquoted characters, and parts."""


@dataclass(slots=True)
class Expander:
    """Expands the words of one command."""

    state: State
    environ: Mapping[str, str] | None
    budget: Budget
    substitute: Callable[[Sub], tuple[str | None, tuple[str, ...]]]
    """Reads the commands of a substitution; their output, if known, and their names."""
    note: Callable[[str], None]
    prefer: bool = True
    """Of `${name:-default}` where the name is not known: take the default, else the unknown value."""
    choice: bool = False
    """Whether there was such a one."""
    sources: list[str] = field(default_factory=list[str])

    def fields(self, word: Word) -> list[str]:
        """The words that a word becomes."""
        found: list[str] = []
        pieces = self.braces(word.parts)
        if self.state.posix and len(pieces) > 1:
            # Without braces in its grammar, a shell takes them for themselves.
            self.choice = True
            pieces = pieces if self.prefer else [word.parts]
        for parts in pieces:
            found += self.split(parts)
        return found

    def value(self, word: Word | None) -> str:
        """As one text: in an assignment, a redirection."""
        return self.text(word.parts, tilde=True) if word else ""

    # Variables and parts

    def text(self, parts: list[Part], *, tilde: bool = False) -> str:
        """All parts joined, not split into words."""
        made: list[str] = []
        for part in parts:
            if isinstance(part, Lit):
                self.doubt(part)
                quoted_tilde = tilde and part.quoted and not made and part.text.startswith("~")
                made.append("./" + part.text if quoted_tilde else part.text)
            else:
                value = self.part(part)
                made.append(" ".join(value) if isinstance(value, tuple) else value or "")
        return self.bounded("".join(made)).replace(SPLIT, UNKNOWN)

    def bounded(self, text: str) -> str:
        """Values that double themselves must end somewhere."""
        if len(text) > MOST_IN_VALUE:
            raise TooMuch("a value in it grows too large")
        self.budget.spend(len(text) // 128)
        return text

    def doubt(self, part: Lit) -> None:
        if part.dollar and self.state.posix:
            self.note("a $'...' that not every sh knows")

    def part(self, part: Part) -> Value:
        if isinstance(part, Lit):
            return part.text
        if isinstance(part, Var):
            return self.variable(part)
        if isinstance(part, Arith):
            self.arithmetic(part.parts)
            return UNKNOWN
        output, names = self.substitute(part)
        self.sources += names
        if part.kind != "$":
            return "/dev/fd/63"
        return UNKNOWN if output is None else output.rstrip("\n")

    def arithmetic(self, parts: list[Part]) -> None:
        """A number: what is substituted in it counts, and what it sets is not known any more."""
        text = self.text(parts)
        changes = _CHANGES.search(text)
        for name in _IDENTIFIER.findall(text):
            value = self.state.variables.get(name)
            if isinstance(value, str) and re.search(r"[\[$`]", value):
                self.note("a variable that holds code is used as a number")
            if changes:
                self.state.variables[name] = UNKNOWN

    def lookup(self, name: str) -> Value:
        state = self.state
        if name == "0":
            return state.zero
        if name in ("@", "*"):
            return state.positional if state.positional is not None else UNKNOWN
        if name.isdigit():
            if state.positional is None:
                return UNKNOWN
            return state.positional[int(name) - 1] if int(name) <= len(state.positional) else None
        if name in state.variables:
            self.sources += state.origins.get(name, ())
            return state.variables[name]
        if name == "HOME":
            return (self.environ or {}).get("HOME", "~")
        if name == "PWD":
            return state.folder or "."
        if self.environ and not state.doubtful and name in self.environ and name not in _NUMBERS:
            return self.environ[name]
        return UNKNOWN

    def variable(self, variable: Var) -> Value:
        value = self.indexed(variable)
        if variable.prefix == "#":
            return str(len(value)) if isinstance(value, str) and known(value) else UNKNOWN
        if variable.prefix == "!":
            value = self.indirect(variable, value)
        if not variable.op:
            return value
        if variable.op in (":-", "-", ":=", "=", ":+", "+", ":?", "?"):
            return self.otherwise(variable, value)
        argument = self.text(variable.arg)
        if variable.op == "@" and argument == "P":
            self.note("a ${name@P} runs what its value says")
        if not isinstance(value, str) or not known(value) or _GLOB.search(value):
            return (None if value is None else UNKNOWN) if not isinstance(value, tuple) else (SPLIT,)
        return transform(value, variable.op, argument)

    def indexed(self, variable: Var) -> Value:
        if variable.index is None:
            value = self.lookup(variable.name)
            if isinstance(value, tuple) and variable.name not in ("@", "*"):
                return value[0] if value else None
            return value
        index = self.text(variable.index)
        value = self.lookup(variable.name)
        if index in ("@", "*"):
            return (
                (value,) if isinstance(value, str) and known(value) else (SPLIT,) if isinstance(value, str) else value
            )
        if isinstance(value, tuple) and re.fullmatch(r"\d{1,4}", index) and all(known(one) for one in value):
            return value[int(index)] if int(index) < len(value) else None
        return UNKNOWN

    def indirect(self, variable: Var, value: Value) -> Value:
        if variable.op in ("@", "*") or not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
            return UNKNOWN
        return self.lookup(value)

    def otherwise(self, variable: Var, value: Value) -> Value:
        """`${name:-x}`, `${name:=x}`, `${name:+x}`, `${name:?x}`"""
        argument = self.text(variable.arg)
        sort = variable.op[-1]
        if sort == "?":
            return value
        unset = value is None or (value in ("", ()) and len(variable.op) == 2)
        doubtful = isinstance(value, str) and not value.replace(UNKNOWN, "") and value != ""
        if doubtful:
            self.choice = True
            if sort == "=":
                self.state.variables[variable.name] = UNKNOWN
            if sort == "+":
                return argument if self.prefer else ""
            return argument if self.prefer else UNKNOWN
        if sort == "+":
            return "" if unset else argument
        if unset and sort == "=":
            self.state.variables[variable.name] = argument
        return argument if unset else value

    # Words

    def split(self, parts: list[Part]) -> list[str]:
        """One word without braces, split where unquoted values have blanks."""
        done: list[str] = []
        now: list[str] = []
        begun = False

        def end() -> None:
            nonlocal begun
            if begun or now:
                done.append(self.bounded("".join(now)))
            now.clear()
            begun = False

        for part in parts:
            self.budget.spend()
            quoted = getattr(part, "quoted", False)
            if isinstance(part, Lit):
                self.doubt(part)
                leading = part.quoted and not now and not begun and part.text.startswith("~")
                now.append("./" + part.text if leading else part.text)
                begun = True
                continue
            value = self.part(part)
            if isinstance(value, tuple):
                pieces = [(" ".join(value))] if quoted and getattr(part, "name", "") == "*" else list(value)
                for number, piece in enumerate(pieces):
                    if number:
                        end()
                    if quoted:
                        now.append(piece)
                        begun = True
                    else:
                        self.split_value(piece, now, end)
            elif quoted or isinstance(part, Arith) or (isinstance(part, Sub) and part.kind != "$"):
                unknown_list = isinstance(part, Var) and part.name == "@" and value == UNKNOWN
                now.append(SPLIT if unknown_list else value or "")
                begun = True
            elif getattr(part, "name", "") in _NUMBERS:
                now.append(value or "")
            else:
                self.split_value(value or "", now, end)
        end()
        return done

    def split_value(self, value: str, now: list[str], end: Callable[[], None]) -> None:
        if "IFS" in self.state.variables:
            now.append(SPLIT)
            return
        value = value.replace(UNKNOWN, SPLIT)
        for piece in re.split(r"([ \t\n]+)", value):
            if piece.strip(" \t\n"):
                now.append(piece)
            elif piece:
                end()

    def braces(self, parts: list[Part]) -> list[list[Part]]:
        if not any(isinstance(part, Lit) and not part.quoted and "{" in part.text for part in parts):
            return [parts]
        units: Units = []
        for part in parts:
            if isinstance(part, Lit) and not part.quoted:
                units += part.text
            else:
                units.append(part)
        made: list[list[Part]] = []
        for one in self.alternatives(units):
            made.append([Lit(unit) if isinstance(unit, str) else unit for unit in one])
        return made

    def alternatives(self, units: Units, start: int = 0) -> list[Units]:
        """`a{b,c}d` becomes `abd` and `acd`."""
        self.budget.spend(1 + len(units) // 8)
        for at in range(start, len(units)):
            if units[at] != "{":
                continue
            choices, after = self.choices(units, at)
            if choices is None:
                continue
            made: list[Units] = []
            rests = self.alternatives(units[after:])
            for choice in choices:
                for middle in self.alternatives(choice):
                    self.budget.spend(len(rests))
                    made += [units[:at] + middle + rest for rest in rests]
            return made
        return [units]

    def choices(self, units: Units, at: int) -> tuple[list[Units] | None, int]:
        """What stands between `{` and its `}`, and where that ends; None if these are only braces."""
        level = 0
        pieces: list[Units] = [[]]
        for place in range(at + 1, len(units)):
            self.budget.spend()
            unit = units[place]
            if unit == "}" and level == 0:
                if len(pieces) > 1:
                    return pieces, place + 1
                return sequence(pieces[0]), place + 1
            if unit == "," and level == 0:
                pieces.append([])
                continue
            level += {"{": 1, "}": -1}.get(unit, 0) if isinstance(unit, str) else 0
            pieces[-1].append(unit)
        return None, at


def subscript_code(text: str) -> bool:
    """Whether bash would run a part of this value as code where it takes it for a variable's subscript."""
    _before, bracket, after = text.partition("[")
    return bool(bracket) and ("$(" in after or "`" in after or "${" in after)


def sequence(units: Units) -> list[Units] | None:
    """`1..5` and `a..e`"""
    text = "".join(unit if isinstance(unit, str) else "\0" for unit in units)
    found = _SEQUENCE.match(text)
    if not found:
        return None
    letters = found[4] is not None
    first, last = (ord(found[4]), ord(found[5])) if letters else (int(found[1]), int(found[2]))
    step = abs(int(found[6] or found[3] or 1)) or 1
    if abs(last - first) // step >= MOST_IN_SEQUENCE:
        return [[Lit(UNKNOWN, quoted=True)]]
    numbers = range(first, last + 1, step) if last >= first else range(first, last - 1, -step)
    padded = not letters and any(re.match(r"-?0\d", end) for end in (found[1], found[2]))
    width = max(len(found[1]), len(found[2])) if padded else 0
    return [list(chr(one) if letters else f"{one:0{width}d}") for one in numbers]


def transform(value: str, operator: str, argument: str) -> str:
    """What `${name<operator>argument}` makes of a known value; UNKNOWN where that is not clear."""
    if operator == ":":
        found = _SUBSTRING.match(argument)
        if not found:
            return UNKNOWN
        value = value[int(found[1]) :]
        if found[2] is None:
            return value
        return value[: int(found[2])]
    if operator in ("^^", ",,", "^", ",") and not argument:
        upper = operator[0] == "^"
        head, tail = (value, "") if len(operator) == 2 else (value[:1], value[1:])
        return (head.upper() if upper else head.lower()) + tail
    if not known(argument) or len(value) > 400 or len(argument) > 100:
        return UNKNOWN
    if operator in ("%", "%%", "#", "##"):
        return cut(value, operator, argument)
    if operator in ("/", "//", "/#", "/%"):
        pattern, _slash, new = argument.partition("/")
        if _GLOB.search(pattern) or "\\" in argument or not pattern:
            return UNKNOWN
        if operator == "/#":
            return new + value.removeprefix(pattern) if value.startswith(pattern) else value
        if operator == "/%":
            return value.removesuffix(pattern) + new if value.endswith(pattern) else value
        return value.replace(pattern, new, -1 if operator == "//" else 1)
    return UNKNOWN


def cut(value: str, operator: str, pattern: str) -> str:
    """`${name#pattern}` and its like."""
    if "\\" in pattern or "(" in pattern or "[" in pattern:
        return UNKNOWN
    places = range(len(value) + 1)
    if operator[0] == "#":
        order = places if len(operator) == 1 else reversed(places)
        return next((value[at:] for at in order if fnmatchcase(value[:at], pattern)), value)
    order = reversed(places) if len(operator) == 1 else places
    return next((value[:at] for at in order if fnmatchcase(value[at:], pattern)), value)
