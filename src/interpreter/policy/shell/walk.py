"""Goes through a parsed program as a shell would, and writes down every command that it could run."""

from __future__ import annotations

from .commands import execute
from .expand import Expander, subscript_code
from .loops import assigned
from .parse import Parser
from .powers import SPECIAL, SPECIAL_BEGINNINGS, set_by_variable
from .record import Record
from .state import SPLIT, Context, Run, State, clean, content, known, write
from .tree import (
    Assign,
    Back,
    Case,
    Chain,
    Function,
    Group,
    If,
    Loop,
    Node,
    Pipe,
    Redirect,
    Redirected,
    Simple,
    Sub,
    Test,
    TooMuch,
)  # fmt: skip

MOST_BYTES = 200_000
MOST_DEEP = 12
MOST_ROUNDS = 32
"""Of a loop over known words; a longer one is read once, with an unknown word."""
NOWHERE = frozenset(("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/zero", "/dev/full"))


class Walker(Record):
    """One reading of one program."""

    # What handlers use

    def execute(self, run: Run) -> str | None:
        return execute(self, run)

    def call_function(self, run: Run) -> str | None:
        state = run.state
        outer = state.positional
        state.positional = tuple(run.words[1:]) if not any(SPLIT in word for word in run.words) else None
        state.variables.update(run.variables)
        output = self.call(run.words[0], state, run.context)
        state.positional = outer
        return output

    def read_code(self, code: str, run: Run, wrapper: str, *, state: State | None = None, host: str = "") -> str | None:
        context = run.context._replace(
            through=(*run.context.through, wrapper),
            host=host or run.context.host,
            depth=run.context.depth + 1,
            fed_by=tuple(dict.fromkeys((*run.context.fed_by, *run.sources))),
        )
        if not known(code):
            self.note(f"the code that {wrapper!r} runs is not known")
            if not clean(code).strip("\0 \t\n\"'"):
                return None
        return self.program(clean(code), run.state if state is None else state, context)

    # Programs and lists

    def program(self, text: str, state: State, context: Context) -> str | None:
        """Parse and read a text; what it prints, if that is known."""
        if context.depth > MOST_DEEP:
            raise TooMuch("it is nested too deeply")
        parser = Parser(text, self.reading_budget, context.depth)
        items = parser.recover()
        for sentence in parser.notes:
            self.note(sentence)
        return self.items(items, state, context)

    def items(self, items: list[Node], state: State, context: Context) -> str | None:
        outputs = [self.node(item, state, context) for item in items]
        return "".join(one for one in outputs if one) if None not in outputs else None

    def node(self, node: Node, state: State, context: Context) -> str | None:
        """Read one node; what it prints, if that is known."""
        self.budget.spend()
        match node:
            case Simple():
                return self.simple(node, state, context)
            case Pipe():
                return self.pipe(node, state, context)
            case Chain():
                return self.chain(node, state, context)
            case Back():
                self.node(node.item, state.copy(), context._replace(forks=context.forks + 1))
            case Group():
                return self.items(node.items, state.copy() if node.subshell else state, context)
            case If():
                self.if_(node, state, context)
            case Loop():
                self.loop(node, state, context)
            case Case():
                self.case(node, state, context)
            case Test():
                if state.posix:
                    self.note("'[[' and '((' are programs and subshells where sh is not bash")
                self.expander(state, context).arithmetic(node.parts)
                self.subscripts(node.parts)
                return ""
            case Function():
                self.define(node, state, context)
                return ""
            case Redirected():
                return self.redirected(node, state, context)
        return None

    def pipe(self, node: Pipe, state: State, context: Context) -> str | None:
        output: str | None = context.input
        fed_by = context.fed_by
        for number, item in enumerate(node.items):
            given = context.input if number == 0 else output
            before = len(self.commands)
            inner = context._replace(input=given, fed_by=fed_by, forks=context.forks + 1)
            output = self.node(item, state.copy(), inner)
            names = [command.name for command in self.commands[before:]]
            fed_by = tuple(dict.fromkeys((*fed_by, *names)))
        return output

    def chain(self, node: Chain, state: State, context: Context) -> None:
        self.node(node.items[0], state, context)
        before = state.copy()
        for item in node.items[1:]:
            self.node(item, state, context)
        folder = state.folder
        state.join(before)
        state.folder = folder

    def if_(self, node: If, state: State, context: Context) -> None:
        ends: list[State] = []
        for condition, body in node.branches:
            self.items(condition, state, context)
            branch = state.copy()
            self.items(body, branch, context)
            ends.append(branch)
        if node.branches[-1][0]:
            ends.append(state.copy())
        state.become(ends[0])
        for end in ends[1:]:
            state.join(end)

    def case(self, node: Case, state: State, context: Context) -> None:
        expander = self.expander(state, context)
        expander.value(node.word)
        ends: list[State] = []
        for patterns, body in node.arms:
            for pattern in patterns:
                expander.value(pattern)
            branch = state.copy()
            self.items(body, branch, context)
            ends.append(branch)
        for end in ends:
            state.join(end)

    def loop(self, node: Loop, state: State, context: Context) -> None:
        words = self.words_of(node, state, context) if node.name else [""]
        before = state.copy()
        rounds = words if len(words) <= MOST_ROUNDS and all(known(word) for word in words) else self.few(words)
        marks = (dict(self.files), dict(state.functions), dict(state.aliases))
        rounds = rounds or ["\0"]
        for word in rounds:
            self.round(node, word, state, context)
        if len(rounds) == 1 and marks != (self.files, state.functions, state.aliases):
            # What a round leaves behind, the next one finds.
            self.round(node, rounds[0], state, context)
        self.changed(node, state)
        state.join(before)

    def round(self, node: Loop, word: str, state: State, context: Context) -> None:
        self.changed(node, state)
        if node.name:
            state.variables[node.name] = clean(word)
        self.items(node.condition, state, context)
        self.items(node.body, state, context)

    def few(self, words: list[str]) -> list[str]:
        """So many words that each would take too long, or words that are not known: each different one, or any."""
        different = list(dict.fromkeys(map(clean, words)))
        return different if len(different) <= MOST_ROUNDS else ["\0"]

    def words_of(self, node: Loop, state: State, context: Context) -> list[str]:
        if node.words is None:
            return list(state.positional) if state.positional is not None else ["\0"]
        expander = self.expander(state, context)
        return [field for word in node.words for field in expander.fields(word)]

    def changed(self, node: Loop, state: State) -> None:
        """What the loop sets may have been set by a round before."""
        names, anything = assigned([*node.condition, *node.body], state)
        for name in state.variables if anything else names & state.variables.keys():
            state.variables[name] = "\0"
        for name in names:
            state.variables[name] = "\0"

    def define(self, node: Function, state: State, context: Context) -> None:
        state.functions[node.name] = node.body
        inner = state.copy()
        inner.positional = None
        self.call(node.name, inner, context._replace(input=None))

    def call(self, name: str, state: State, context: Context) -> str | None:
        """Read the body of a function, as called with the positional parameters of `state`."""
        body = state.functions[name]
        above = [forks for called, forks in context.calls if called == id(body)]
        if above and context.forks > above[0]:
            self.bombs.append(name)
        if len(above) > 1:
            return None
        if context.depth > MOST_DEEP:
            raise TooMuch("it is nested too deeply")
        if above:
            # What it is called with in deeper rounds, and what these have set, may be anything.
            state.forget()
            state.positional = None
        calls = (*context.calls, (id(body), context.forks))
        outside, state.outside = state.outside, {}
        output = self.node(body, state, context._replace(calls=calls, depth=context.depth + 1))
        state.variables.update(state.outside or {})
        state.outside = outside
        return None if above else output

    # Redirections

    def redirected(self, node: Redirected, state: State, context: Context) -> str | None:
        run = Run([], state, context)
        self.redirect(node.redirects, run, self.expander(state, context))
        self.reads += [self.placed(path, state.folder) for path in run.reads]
        self.writes += [self.placed(path, state.folder) for path in run.writes]
        fed_by = tuple(dict.fromkeys((*context.fed_by, *run.sources)))
        output = self.node(node.item, state, run.context._replace(fed_by=fed_by))
        return None if run.writes else output

    def redirect(self, redirects: list[Redirect], run: Run, expander: Expander) -> None:
        """What a command reads, writes and is given by its redirections."""
        for one in redirects:
            if run.state.posix and one.descriptor.startswith("{"):
                self.note("a '{name}>' is a word where sh is not bash")
            if one.op in ("<<", "<<-"):
                text: str | None = expander.value(one.body)
            elif one.op == "<<<":
                text = expander.value(one.target) + "\n"
            else:
                self.file(one, expander.value(one.target), run)
                continue
            if one.descriptor in ("", "0"):
                run.context = run.context._replace(input=text)
        run.sources = (*run.sources, *expander.sources)

    def file(self, redirect: Redirect, path: str, run: Run) -> None:
        op = redirect.op
        if op in ("<&", ">&") and (path.rstrip("-").isdigit() or path == "-"):
            if op == "<&" and redirect.descriptor in ("", "0"):
                run.context = run.context._replace(input=None)
            return
        if op in ("<", "<>", "<&"):
            if redirect.descriptor in ("", "0"):
                run.context = run.context._replace(input=content(self, run, path) if path != "/dev/null" else "")
            if path not in NOWHERE and path != "/dev/fd/63":
                run.reads.append(path)
        if op not in ("<", "<&") and path not in NOWHERE and not path.startswith("/dev/fd/"):
            run.writes.append(path)

    # Simple commands

    def expander(self, state: State, context: Context, *, prefer: bool = True) -> Expander:
        def substitute(sub: Sub) -> tuple[str | None, tuple[str, ...]]:
            before = len(self.commands)
            inner = context._replace(input=None if sub.kind == ">" else context.input, depth=context.depth + 1)
            if inner.depth > MOST_DEEP:
                raise TooMuch("it is nested too deeply")
            output = self.items(sub.items, state.copy(), inner)
            return output, tuple(dict.fromkeys(command.name for command in self.commands[before:]))

        return Expander(state, self.environ, self.budget, substitute, self.note, prefer)

    def simple(self, node: Simple, state: State, context: Context) -> str | None:
        before = len(self.commands)
        expander = self.expander(state, context)
        other = state.copy()
        output = self.simple_as(node, state, context, expander)
        if expander.choice and self.budget.left > 0:
            inner = len(self.commands)
            self.simple_as(node, other, context, self.expander(other, context, prefer=False))
            state.join(other)
            # Substitutions were read twice.
            seen = self.commands[before:inner]
            self.commands[inner:] = [command for command in self.commands[inner:] if command not in seen]
            return None
        return output

    def simple_as(self, node: Simple, state: State, context: Context, expander: Expander) -> str | None:
        self.budget.spend(2)
        alias = node.words[0].text if node.words else ""
        if alias in state.aliases:
            self.unalias(node, alias, state, context)
        words = [field for word in node.words for field in expander.fields(word)]
        if state.outside is not None and words and words[0] in ("local", "declare", "typeset") and "-g" not in words:
            for name in (*(word.partition("=")[0] for word in words[1:]), *(one.name for one in node.arrays)):
                state.outside.setdefault(name, state.variables.get(name, "\0"))
        run = Run(words, state, context, text=node.text)
        self.redirect(node.redirects, run, expander)
        variables = [(one.name, self.assigned_value(one, expander, state, keep=not words)) for one in node.assigns]
        for one in node.arrays:
            self.assigned_value(one, expander, state, keep=True)
        run.sources = tuple(dict.fromkeys((*run.sources, *expander.sources)))
        if not words:
            for name, _value in variables:
                state.origins[name] = tuple(dict.fromkeys(expander.sources))
            self.only_set(variables, run)
            return "" if not node.redirects else None
        if words == ["exec"] and any(one.op[0] == "<" and one.descriptor in ("", "0") for one in node.redirects):
            self.note("from here on, what is read from the input is not known")
        run.variables = variables
        self.powerful(variables, run)
        output = self.execute(run)
        if run.writes:
            for path in run.writes:
                plain = len(run.writes) == 1 and any(
                    one.op in (">", ">|") and one.descriptor in ("", "1") for one in node.redirects
                )
                write(self, run, path, output if plain else None)
            return None
        return output

    def only_set(self, variables: list[tuple[str, str]], run: Run) -> None:
        """Assignments and redirections without a command."""
        matter = tuple(one for one in variables if one[0] in SPECIAL or one[0].startswith(SPECIAL_BEGINNINGS))
        if matter or run.writes or run.reads:
            self.emit(run, variables=matter)
        self.powerful(variables, run)

    def powerful(self, variables: list[tuple[str, str]], run: Run) -> None:
        for name, value in variables:
            set_by_variable(self, name, value, run)

    def finish(self) -> None:
        """Read what runs when the program ends."""
        for code, run in self.later[:MOST_ROUNDS]:
            self.read_code(code, run, "trap", state=run.state.copy())

    def assigned_value(self, one: Assign, expander: Expander, state: State, *, keep: bool) -> str:
        if one.index is not None:
            self.subscripts(one.index)
            expander.text(one.index)
        if one.array is not None:
            fields = [field for word in one.array for field in expander.fields(word)]
            old = state.variables.get(one.name, "\0") if one.append else ()
            keyed = any(word.text.startswith("[") for word in one.array) or one.index is not None
            whole = (*old, *map(clean, fields)) if isinstance(old, tuple) and not keyed else ("\0",)
            state.variables[one.name] = whole
            return " ".join(map(clean, fields))
        value = expander.value(one.value)
        if subscript_code(value):
            self.note("a value that runs code where it is used as a subscript")
        if one.append and state.posix:
            self.note("a '+=' that not every sh knows")
        if one.append:
            old = expander.lookup(one.name)
            value = (old if isinstance(old, str) else "" if old is None else "\0") + value
        if one.name in state.fixed:
            value = "\0"
        if keep:
            state.variables[one.name] = value if one.index is None else ("\0",)
        return value

    def unalias(self, node: Simple, alias: str, state: State, context: Context) -> None:
        """What the command is if the alias is in force (it is so from the next line on)."""
        inner = state.copy()
        code = inner.aliases.pop(alias)
        rest = node.text.partition(alias)[2]
        context = context._replace(through=(*context.through, "alias"), depth=context.depth + 1)
        if code.endswith((" ", "\t")) and rest.split() and rest.split()[0] in inner.aliases:
            self.note("an alias of an alias")
        self.program(code + rest, inner, context)
