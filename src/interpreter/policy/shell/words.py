"""Reads words: quotes, variables, substitutions, here-documents. The grammar of commands stands on it."""

from __future__ import annotations

import re

from .tree import Arith, Broken, Budget, Lit, Node, Part, Sub, TooMuch, Var, Word

MOST_NESTED = 24
_PLAIN = re.compile(r"[^\\'\"$` \t\n;&|()<>?*+@!]+")
_PLAIN_QUOTED = re.compile(r"[^\\\"$`]+")
_PLAIN_BRACED = re.compile(r"[^\\'\"$`}]+")
_PLAIN_BODY = re.compile(r"[^\\$`]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_BRACED = re.compile(
    r"([!#]?)([A-Za-z_][A-Za-z_0-9]*|[0-9]+|[@*?$!#-])(?=[}\[:=+?#%/^,@*-])|()([#!?$@*-])(?=[}:=+?#%/^,-])"
)
_OPERATOR = re.compile(r":?[-=+?]|##?|%%?|/[/#%]?|\^\^?|,,?|@|:|\*")
_ESCAPE = re.compile(
    r"\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|([0-7]{1,3})|c(.)|(.))", re.DOTALL
)
_SIMPLE_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f",
                   "v": "\v", "\\": "\\", "'": "'", '"': '"', "?": "?"}  # fmt: skip
_CONTINUED_VARIABLE = re.compile(r"\$[A-Za-z_0-9{(]*\Z")


def unescape(text: str) -> str:
    """What `$'text'` stands for."""

    def one(found: re.Match[str]) -> str:
        hexadecimal = found[1] or found[2] or found[3]
        if hexadecimal:
            code = int(hexadecimal, 16)
            return chr(code) if code < 0x110000 else found[0]
        if found[4]:
            return chr(int(found[4], 8) & 0xFF)
        if found[5]:
            return chr(ord(found[5]) & 0x1F)
        return _SIMPLE_ESCAPES.get(found[6] or "", found[0])

    # The shell's strings end at a zero byte.
    return _ESCAPE.sub(one, text).partition("\0")[0]


class Words:
    """A position in a text, and the reading of words from there. `Parser` adds the commands."""

    def __init__(self, text: str, budget: Budget, depth: int = 0) -> None:
        self.text = text
        self.end = len(text)
        self.at = 0
        self.budget = budget
        self.depth = depth
        self.notes: list[str] = []
        """What was read, but not understood for certain."""

    def inner(self, text: str) -> Words:
        """A reader for a text within this one."""
        raise NotImplementedError

    def program(self) -> list[Node]:
        """All commands up to the end."""
        raise NotImplementedError

    def enclosed(self) -> list[Node]:
        """The commands up to the closing parenthesis, which is taken too."""
        raise NotImplementedError

    def word(self) -> Word:
        """A word; empty parts if there is none here."""
        start = self.at
        parts: list[Part] = []
        text, end = self.text, self.end
        while self.at < end:
            if found := _PLAIN.match(text, self.at):
                parts.append(Lit(found[0]))
                self.at = found.end()
                continue
            char = text[self.at]
            if char in "<>":
                if not text.startswith("(", self.at + 1):
                    break
                self.at += 2
                parts.append(Sub(char, self.enclosed()))
                continue
            if char in " \t\n;&|()":
                break
            self.piece(parts)
        return Word(parts, text[start : self.at])

    def piece(self, parts: list[Part]) -> None:
        """One quoted string, expansion or single character of an unquoted word."""
        self.budget.spend()
        text, at = self.text, self.at
        char = text[at]
        if char == "\\":
            self.escaped(parts)
        elif char == "'":
            close = text.find("'", at + 1)
            if close < 0:
                raise Broken("a single quote is never closed")
            parts.append(Lit(text[at + 1 : close], quoted=True))
            self.at = close + 1
        elif char == '"':
            self.at += 1
            self.double_quoted(parts)
        elif char == "$":
            self.dollar(parts, quoted=False)
        elif char == "`":
            parts.append(self.backticks(quoted=False))
        elif char in "?*+@!" and text.startswith("(", at + 1):
            self.pattern(parts)
        else:
            parts.append(Lit(char))
            self.at += 1

    def escaped(self, parts: list[Part]) -> None:
        text, at = self.text, self.at
        if text.startswith("\n", at + 1):
            self.continued()
        elif at + 1 < self.end:
            parts.append(Lit(text[at + 1], quoted=True))
            self.at += 2
        else:
            parts.append(Lit("\\", quoted=True))
            self.at += 1

    def continued(self) -> None:
        """A backslash before the end of a line. Within a word or an operator it changes what is there."""
        before, after = self.text[self.at - 1 : self.at], self.text[self.at + 2 : self.at + 3]
        joins = before not in ("", " ", "\t", "\n") and after not in ("", " ", "\t", "\n")
        if joins and not (before in ";&|(" and (after.isalnum() or after in "_./~")):
            self.notes.append("a line is continued in the middle of a word")
        self.at += 2

    def pattern(self, parts: list[Part]) -> None:
        """`@(a|b)` and its like: one pattern, whatever it contains."""
        parts.append(Lit(self.text[self.at : self.at + 2]))
        self.at += 2
        level = 1
        while level:
            if self.at >= self.end:
                raise Broken("a pattern is never closed")
            char = self.text[self.at]
            if char in "()| \t\n;&<>":
                level += {"(": 1, ")": -1}.get(char, 0)
                parts.append(Lit(char))
                self.at += 1
                self.budget.spend()
            elif found := _PLAIN.match(self.text, self.at):
                parts.append(Lit(found[0]))
                self.at = found.end()
            else:
                self.piece(parts)

    def double_quoted(self, parts: list[Part]) -> None:
        """Up to the closing double quote, which is taken too."""
        before = len(parts)
        self.until(parts, '"', _PLAIN_QUOTED, '$`"\\')
        if len(parts) == before:
            parts.append(Lit("", quoted=True))

    def until(self, parts: list[Part], close: str, plain: re.Pattern[str], escapable: str) -> None:
        """Text as between double quotes, up to `close` (empty: to the end)."""
        text, end = self.text, self.end
        while self.at < end:
            if found := plain.match(text, self.at):
                parts.append(Lit(found[0], quoted=True))
                self.at = found.end()
                continue
            self.budget.spend()
            char = text[self.at]
            if char == close:
                self.at += 1
                return
            if char == "$":
                self.dollar(parts, quoted=True)
            elif char == "`":
                parts.append(self.backticks(quoted=True))
            elif char == "\\" and text.startswith("\n", self.at + 1):
                if _CONTINUED_VARIABLE.search(text, max(0, self.at - 100), self.at):
                    self.notes.append("a line is continued in the middle of a variable")
                self.at += 2
            elif char == "\\" and self.at + 1 < end and text[self.at + 1] in escapable:
                parts.append(Lit(text[self.at + 1], quoted=True))
                self.at += 2
            else:
                parts.append(Lit(char, quoted=True))
                self.at += 1
        if close:
            raise Broken("a double quote is never closed")

    def body(self) -> Word:
        """The whole text as the body of a here-document."""
        parts: list[Part] = []
        self.until(parts, "", _PLAIN_BODY, "$`\\")
        return Word(parts, self.text)

    def dollar(self, parts: list[Part], quoted: bool) -> None:
        text, at = self.text, self.at
        following = text[at + 1 : at + 2]
        if following == "(":
            parts.append(self.parenthesis(quoted))
        elif following == "{":
            self.at += 2
            parts.append(self.braced(quoted))
        elif following == "[":
            self.at += 2
            parts.append(Arith(self.balanced("[", "]")))
        elif following == "'" and not quoted:
            self.ansi(parts)
        elif following == '"' and not quoted:
            self.at += 2
            parts.append(Lit("", quoted=True, dollar=True))
            self.double_quoted(parts)
        elif found := _NAME.match(text, at + 1):
            parts.append(Var(found[0], quoted))
            self.at = found.end()
        elif following and following in "0123456789@*#?$!-":
            parts.append(Var(following, quoted))
            self.at += 2
        else:
            parts.append(Lit("$", quoted))
            self.at += 1

    def ansi(self, parts: list[Part]) -> None:
        start = at = self.at + 2
        while at < self.end and self.text[at] != "'":
            at += 2 if self.text[at] == "\\" else 1
        if at >= self.end:
            raise Broken("a $'...' is never closed")
        parts.append(Lit(unescape(self.text[start:at]), quoted=True, dollar=True))
        self.at = at + 1

    def parenthesis(self, quoted: bool) -> Part:
        """`$(...)` or `$((...))`: what begins with two is arithmetic if it also ends so."""
        start = self.at
        if self.text.startswith("$((", start):
            self.at += 3
            parts = self.arithmetic()
            if parts is not None:
                return Arith(parts)
        self.at = start + 2
        return Sub("$", self.enclosed(), quoted)

    def arithmetic(self) -> list[Part] | None:
        """After `((`: the parts up to `))`, which is taken too; None if it does not end so."""
        notes, depth = len(self.notes), self.depth
        try:
            parts = self.balanced("(", ")")
        except Broken:
            parts, self.depth = None, depth
        if parts is not None and self.text.startswith(")", self.at):
            self.at += 1
            return parts
        del self.notes[notes:]
        return None

    def balanced(self, opening: str, closing: str) -> list[Part]:
        """Text as between double quotes, up to the matching `closing`, which is taken too."""
        self.deeper()
        parts: list[Part] = []
        level = 1
        while self.at < self.end:
            self.budget.spend()
            char = self.text[self.at]
            if char == closing:
                level -= 1
                if not level:
                    self.at += 1
                    self.depth -= 1
                    return parts
            level += char == opening
            if char in "\\'\"`$":
                self.piece(parts)
            else:
                parts.append(Lit(char, quoted=True))
                self.at += 1
        self.depth -= 1
        raise Broken(f"a {opening} is never closed")

    def braced(self, quoted: bool) -> Var:
        """After `${`."""
        found = _BRACED.match(self.text, self.at)
        if not found:
            raise Broken("a ${...} of an unknown form")
        self.deeper()
        variable = Var(found[2] or found[4], quoted, prefix=found[1] or "")
        self.at = found.end()
        if self.text.startswith("[", self.at):
            self.at += 1
            variable.index = self.balanced("[", "]")
        if operator := _OPERATOR.match(self.text, self.at):
            variable.op = operator[0]
            self.at = operator.end()
        elif not self.text.startswith("}", self.at):
            raise Broken("a ${...} of an unknown form")
        while not self.text.startswith("}", self.at):
            if self.at >= self.end:
                raise Broken("a ${ is never closed")
            if plain := _PLAIN_BRACED.match(self.text, self.at):
                variable.arg.append(Lit(plain[0], quoted))
                self.at = plain.end()
            elif self.text[self.at] == "'" and quoted:
                variable.arg.append(Lit("'", quoted))
                self.at += 1
            elif self.text[self.at] == "$":
                self.dollar(variable.arg, quoted)
            elif self.text[self.at] == "`":
                variable.arg.append(self.backticks(quoted))
            else:
                self.piece(variable.arg)
        self.at += 1
        self.depth -= 1
        return variable

    def backticks(self, quoted: bool) -> Sub:
        close = self.at + 1
        while close < self.end and self.text[close] != "`":
            close += 2 if self.text[close] == "\\" else 1
        if close >= self.end:
            raise Broken("a backtick is never closed")
        inside = re.sub(r"\\([$`\\\"])" if quoted else r"\\([$`\\])", r"\1", self.text[self.at + 1 : close])
        self.at = close + 1
        reader = self.inner(inside)
        items = reader.program()
        self.notes += reader.notes
        return Sub("$", items, quoted)

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MOST_NESTED:
            raise TooMuch("it is nested too deeply")
