"""The grammar of the shell: from text to commands.

Written for this purpose: what it does not know, it refuses, and what it refuses counts as unknown. It reads a superset
of what bash 5.2 runs, so that nothing is missed; it need not refuse all that bash refuses.
"""

from __future__ import annotations

import re

from .tokens import Tokens
from .tree import (
    Back,
    Broken,
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
    Test,
    TooMuch,
    Word,
)  # fmt: skip

RESERVED = frozenset(
    [
        "if",
        "then",
        "elif",
        "else",
        "fi",
        "for",
        "while",
        "until",
        "do",
        "done",
        "case",
        "esac",
        "select",
        "function",
        "time",
        "coproc",
        "in",
        "{",
        "}",
        "!",
        "[[",
    ]
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*(?=[ \t\n;\\]|\Z)")
_DECLARING = frozenset(["declare", "typeset", "local", "export", "readonly"])
_END = frozenset({"", "\n", ";", "&", "|", ")"})
_STOPS_THEN = frozenset({"then"})
_STOPS_IF = frozenset({"elif", "else", "fi"})
_STOPS_FI = frozenset({"fi"})
_STOPS_DO = frozenset({"do"})
_STOPS_DONE = frozenset({"done"})
_STOPS_ESAC = frozenset({"esac"})
_STOPS_BRACE = frozenset({"}"})
_NOTHING: frozenset[str] = frozenset()


class Parser(Tokens):
    """Reads a program. Raises Broken where it does not parse, TooMuch where that would take too long."""

    def inner(self, text: str) -> Parser:
        parser = Parser(text, self.budget, self.depth)
        parser.deeper()
        return parser

    def program(self) -> list[Node]:
        items = self.items(_NOTHING)
        if self.at < self.end:
            raise Broken(f"{self.text[self.at : self.at + 10].split(chr(10))[0]!r} stands where a command should begin")
        return items

    def recover(self) -> list[Node]:
        """All that parses, line by line: the shell runs what stands before an error, too. `notes` gets the errors."""
        items: list[Node] = []
        while self.at < self.end:
            start = self.at
            self.depth = 0
            try:
                self.items(_NOTHING, items)
                if self.at < self.end:
                    raise Broken(f"{self.text[self.at]!r} stands where a command should begin")
            except TooMuch as error:
                self.notes.append(f"it was not read to its end: {error}")
                return items
            except Broken as error:
                if len(self.notes) < 8:
                    self.notes.append(f"it does not parse as shell: {error}")
                self.documents.clear()
                line = self.text.find("\n", max(self.at if self.at > start else start, start))
                self.at = self.end if line < 0 else line + 1
        return items

    def enclosed(self) -> list[Node]:
        self.deeper()
        outer, self.documents = self.documents, []
        items = self.items(_NOTHING)
        if not self.text.startswith(")", self.at):
            raise Broken("a parenthesis is never closed")
        if self.documents:
            raise Broken("a here-document that is never begun")
        self.documents = outer
        self.at += 1
        self.depth -= 1
        return items

    # Lists

    def items(self, stops: frozenset[str], into: list[Node] | None = None) -> list[Node]:
        """Commands up to one of the reserved words, a closing parenthesis, `;;` or the end."""
        items: list[Node] = [] if into is None else into
        while True:
            self.lines()
            char = self.text[self.at : self.at + 1]
            if not char or char == ")" or self.text.startswith((";;", ";&"), self.at):
                return items
            if stops and self.reserved() in stops:
                return items
            node = self.chain()
            self.blanks()
            if self.text.startswith("&", self.at):
                self.at += 1
                node = Back(node)
            elif self.text.startswith(";", self.at) and not self.text.startswith((";;", ";&"), self.at):
                self.at += 1
            items.append(node)

    def chain(self) -> Node:
        items = [self.pipeline()]
        while True:
            self.blanks()
            if not self.text.startswith(("&&", "||"), self.at):
                return items[0] if len(items) == 1 else Chain(items)
            self.at += 2
            self.lines()
            items.append(self.pipeline())

    def pipeline(self) -> Node:
        while (word := self.reserved()) in ("!", "time"):
            self.at += len(word)
            self.blanks()
            while word == "time" and re.match(r"(-p|--)(?=[ \t\n;&|]|\Z)", self.text[self.at : self.at + 3]):
                self.at += 2
                self.blanks()
            if self.text[self.at : self.at + 1] in _END:
                return Group([], subshell=False)
        items = [self.command()]
        while True:
            self.blanks()
            if not self.text.startswith("|", self.at) or self.text.startswith("||", self.at):
                return items[0] if len(items) == 1 else Pipe(items)
            self.at += 2 if self.text.startswith("|&", self.at) else 1
            self.lines()
            items.append(self.command())

    # Commands

    def command(self) -> Node:
        self.deeper()
        self.budget.spend(4)
        word = self.reserved()
        compound = _COMPOUNDS.get(word)
        if compound:
            self.at += len(word)
            node = compound(self)
        elif word and word != "in":
            raise Broken(f"{word!r} stands where a command should begin")
        elif self.text.startswith("(", self.at):
            node = self.opened()
        else:
            node = self.simple()
        if not isinstance(node, Simple | Function):
            node = self.redirected(node)
        self.depth -= 1
        return node

    def redirected(self, node: Node) -> Node:
        redirects: list[Redirect] = []
        self.blanks()
        while redirect := self.redirect():
            redirects.append(redirect)
            self.blanks()
        return Redirected(node, redirects) if redirects else node

    def opened(self) -> Node:
        """After nothing but `(`: arithmetic if it is `((...))`, else a subshell."""
        start = self.at
        if self.text.startswith("((", start):
            self.at += 2
            parts = self.arithmetic()
            if parts is not None:
                return Test(parts)
        self.at = start + 1
        return Group(self.enclosed(), subshell=True)

    def group(self) -> Node:
        items = self.items(_STOPS_BRACE)
        self.expect("}")
        return Group(items, subshell=False)

    def if_(self) -> Node:
        branches: list[tuple[list[Node], list[Node]]] = []
        word = "if"
        while word in ("if", "elif"):
            condition = self.items(_STOPS_THEN)
            self.expect("then")
            branches.append((condition, self.items(_STOPS_IF)))
            word = self.reserved()
            self.at += len(word)
        if word == "else":
            branches.append(([], self.items(_STOPS_FI)))
            self.expect("fi")
        elif word != "fi":
            raise Broken("'fi' is missing")
        return If(branches)

    def while_(self) -> Node:
        condition = self.items(_STOPS_DO)
        return Loop("", None, condition, self.body_of_loop())

    def body_of_loop(self) -> list[Node]:
        self.lines()
        word = self.reserved()
        if word not in ("do", "{"):
            raise Broken("'do' is missing")
        self.at += len(word)
        items = self.items(_STOPS_DONE if word == "do" else _STOPS_BRACE)
        self.expect("done" if word == "do" else "}")
        return items

    def for_(self) -> Node:
        self.blanks()
        if self.text.startswith("((", self.at):
            self.at += 2
            parts = self.arithmetic()
            if parts is None:
                raise Broken("a 'for ((' is never closed")
            self.separator()
            return Loop("", None, [Test(parts)], self.body_of_loop())
        found = _NAME.match(self.text, self.at)
        if not found:
            raise Broken("'for' without the name of a variable")
        self.at = found.end()
        self.lines()
        words: list[Word] | None = None
        if self.reserved() == "in":
            self.at += 2
            words = self.several()
        self.separator()
        return Loop(found[0], words, [], self.body_of_loop())

    def case_(self) -> Node:
        self.blanks()
        subject = self.word()
        self.expect("in")
        arms: list[tuple[list[Word], list[Node]]] = []
        while True:
            self.lines()
            if self.reserved() == "esac":
                self.at += 4
                return Case(subject, arms)
            if self.text.startswith("(", self.at):
                self.at += 1
            patterns: list[Word] = []
            while not self.text.startswith(")", self.at):
                self.blanks()
                patterns.append(self.word())
                self.blanks()
                if self.text.startswith("|", self.at):
                    self.at += 1
                elif not self.text.startswith(")", self.at):
                    raise Broken("a 'case' of an unknown form")
            self.at += 1
            arms.append((patterns, self.items(_STOPS_ESAC)))
            for stop in (";;&", ";;", ";&"):
                if self.text.startswith(stop, self.at):
                    self.at += len(stop)
                    break
            else:
                self.expect("esac")
                return Case(subject, arms)

    def test(self) -> Node:
        """After `[[`: only what is substituted in it matters."""
        test = Test([])
        while True:
            self.lines()
            if self.at >= self.end:
                raise Broken("a '[[' is never closed")
            char = self.text[self.at]
            word = self.word()
            test.parts += word.parts
            if word.text == "]]":
                return test
            if not word.text:
                if char not in "()<>&|":
                    raise Broken("a '[[' of an unknown form")
                self.at += 1

    def coproc(self) -> Node:
        self.blanks()
        found = _NAME.match(self.text, self.at)
        if found and found[0] not in RESERVED:
            start = self.at
            self.at = found.end()
            self.blanks()
            if self.reserved() not in _COMPOUNDS and not self.text.startswith("(", self.at):
                self.at = start
        return Back(self.command())

    def function(self) -> Node:
        self.blanks()
        name = self.word().literal()
        if not name:
            raise Broken("a function without a name")
        self.blanks()
        if re.match(r"\([ \t]*\)", self.text[self.at : self.at + 40]):
            self.at = self.text.index(")", self.at) + 1
        self.lines()
        return Function(name, self.command())

    def simple(self) -> Node:
        start = self.at
        node = Simple([], [], [], "")
        while True:
            self.blanks()
            char = self.text[self.at : self.at + 1]
            if redirect := self.redirect():
                node.redirects.append(redirect)
            elif char in _END:
                break
            elif char == "(":
                return self.defined(node)
            elif (not node.words and self.assignment(node.assigns)) or (
                node.words and node.words[0].text in _DECLARING and self.array(node)
            ):
                pass
            else:
                word = self.word()
                if not word.text:
                    raise Broken(f"{char!r} stands where a word should be")
                if not node.words and "\\\n" in word.text and word.literal() in RESERVED:
                    raise Broken("a keyword is written over two lines")
                node.words.append(word)
        node.text = self.text[start : self.at].strip()
        if not node.text:
            raise Broken("a command is missing")
        return node

    def defined(self, node: Simple) -> Node:
        """`name () ...`"""
        name = node.words[0].literal() if len(node.words) == 1 else None
        found = re.match(r"\([ \t]*\)", self.text[self.at : self.at + 40])
        if not name or not found or node.assigns or node.redirects:
            raise Broken("a parenthesis stands where a word should be")
        self.at += found.end()
        self.lines()
        return Function(name, self.command())


_COMPOUNDS = {
    "{": Parser.group, "if": Parser.if_, "while": Parser.while_, "until": Parser.while_, "for": Parser.for_,
    "select": Parser.for_, "case": Parser.case_, "[[": Parser.test, "function": Parser.function,
    "coproc": Parser.coproc,
}  # fmt: skip
