"""Reads what stands between and inside of simple commands: blanks, comments, redirections, assignments."""

from __future__ import annotations

import re

from .tree import Assign, Broken, Budget, Lit, Redirect, Simple, Word
from .words import Words

_RESERVED = re.compile(
    r"(?:if|then|elif|else|fi|for|while|until|do|done|case|esac|select|function|time|coproc|in|\{|\}|!|\[\[)"
    r"(?=[ \t\n;&|()<>]|\Z)"
)
_REDIRECT = re.compile(r"([0-9]+|\{[A-Za-z_][A-Za-z_0-9]*\})?(<<<|<<-|<<|<&|<>|<(?!\()|&>>|&>|>>|>&|>\||>(?!\())")
_ASSIGN = re.compile(r"([A-Za-z_][A-Za-z_0-9]*)(\+?=|\[)")
_ARRAY = re.compile(r"[A-Za-z_][A-Za-z_0-9]*\+?=\(")


class Tokens(Words):
    """The part of the grammar that knows no commands."""

    def __init__(self, text: str, budget: Budget, depth: int = 0) -> None:
        super().__init__(text, budget, depth)
        self.documents: list[Redirect] = []
        """Here-documents whose bodies begin after this line."""

    def blanks(self) -> None:
        text = self.text
        while self.at < self.end:
            char = text[self.at]
            if char in " \t":
                self.at += 1
            elif char == "\\" and text.startswith("\n", self.at + 1):
                self.continued()
            elif char == "#" and text[self.at - 1 : self.at] in ("", " ", "\t", "\n", ";", "&", "|", "(", ")"):
                line = text.find("\n", self.at)
                self.at = self.end if line < 0 else line
            else:
                return

    def lines(self) -> None:
        """Blanks and ends of lines."""
        self.blanks()
        while self.text.startswith("\n", self.at):
            self.at += 1
            if self.documents:
                self.read_documents()
            self.blanks()

    def read_documents(self) -> None:
        for document in self.documents:
            mark = document.target.literal()
            bare = all(isinstance(part, Lit) and not part.quoted for part in document.target.parts)
            lines: list[str] = []
            joined = False
            while self.at < self.end:
                stop = self.text.find("\n", self.at)
                line = self.text[self.at : stop if stop >= 0 else self.end]
                self.at = stop + 1 if stop >= 0 else self.end
                self.budget.spend()
                if document.op == "<<-":
                    line = line.lstrip("\t")
                if line == mark and not joined:
                    break
                joined = bare and (len(line) - len(line.rstrip("\\"))) % 2 == 1
                lines.append(line + "\n")
            text = "".join(lines)
            if bare:
                reader = self.inner(text)
                document.body = reader.body()
                self.notes += reader.notes
            else:
                document.body = Word([Lit(text, quoted=True)], text)
        self.documents = []

    def reserved(self) -> str:
        found = _RESERVED.match(self.text, self.at)
        return found[0] if found else ""

    def expect(self, word: str) -> None:
        self.lines()
        if self.reserved() != word:
            raise Broken(f"{word!r} is missing")
        self.at += len(word)

    def separator(self) -> None:
        self.blanks()
        if self.text.startswith(";", self.at):
            self.at += 1

    def several(self) -> list[Word]:
        """Words up to the end of the line or a `;`."""
        words: list[Word] = []
        while True:
            self.blanks()
            word = self.word()
            if not word.text:
                return words
            words.append(word)

    def redirect(self) -> Redirect | None:
        found = _REDIRECT.match(self.text, self.at)
        if not found:
            return None
        self.at = found.end()
        self.blanks()
        redirect = Redirect(found[2], self.word(), found[1] or "")
        if not redirect.target.text:
            raise Broken("a redirection leads nowhere")
        if redirect.op in ("<<", "<<-"):
            if redirect.target.literal() is None or "\n" in redirect.target.text:
                raise Broken("a here-document with an unknown mark")
            self.documents.append(redirect)
        return redirect

    def assignment(self, into: list[Assign]) -> bool:
        """Takes `name=value`, `name+=value`, `name[index]=value`, `name=(...)` if one stands here."""
        found = _ASSIGN.match(self.text, self.at)
        if not found:
            return False
        start = self.at
        self.at = found.end()
        made = Assign(found[1], append=found[2] == "+=")
        if found[2] == "[":
            made.index = self.balanced("[", "]")
            equals = re.match(r"\+?=", self.text[self.at : self.at + 2])
            if not equals:
                self.at = start
                return False
            made.append = len(equals[0]) == 2
            self.at += equals.end()
        if self.text.startswith("(", self.at):
            self.at += 1
            made.array = self.elements()
        else:
            made.value = self.word()
        into.append(made)
        return True

    def elements(self) -> list[Word]:
        words: list[Word] = []
        while True:
            self.lines()
            if self.text.startswith(")", self.at):
                self.at += 1
                return words
            word = self.word()
            if not word.text:
                raise Broken("an array is never closed")
            words.append(word)

    def array(self, node: Simple) -> bool:
        found = _ARRAY.match(self.text, self.at)
        return bool(found) and self.assignment(node.arrays)
