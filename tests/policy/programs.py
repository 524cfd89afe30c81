"""Makes shell programs of every construct at random. Their commands are stubs, so that they can really be run."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from random import Random

STUBS = ("p1", "p2", "p3", "p4", "p5", "p6", "pfalse", "psay")
"""Each writes down how it was called; `pfalse` fails, `psay` prints a command."""
JOINTS = ("; ", "\n", " && ", " || ", " | ", " & ", " |& ", " && \\\n", ";", "&&", "|", " # c\n", "\n\n")
ENVIRON = {"V1": "p1", "V2": "a b", "V3": "p3 c"}


def double_quoted(text: str) -> str:
    for char in '\\"$`':
        text = text.replace(char, "\\" + char)
    return f'"{text}"'


class Programs:
    """A source of programs; the same seed gives the same ones."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.count = 0

    def one_of(self, *makers: Callable[[], str]) -> str:
        return self.random.choice(makers)()

    def pick(self, *texts: str) -> str:
        return self.random.choice(texts)

    def fresh(self) -> str:
        self.count += 1
        return f"n{self.count}"

    def stub(self) -> str:
        return self.pick(*STUBS)

    def name(self) -> str:
        """A stub's name, more or less plainly."""
        stub = self.stub()
        if self.random.random() < 0.6:
            return stub
        head, tail = stub[0], stub[1:]
        code = "".join(f"\\x{ord(char):02x}" for char in stub)
        octal = "".join(f"\\{ord(char):03o}" for char in stub)
        return self.pick(
            f"'{stub}'", f'{head}"{tail}"', f"\\{stub}", f"{head}''{tail}", f"$'{code}'", f"$(echo {stub})",
            f"`echo {stub}`", f"$(printf %s {stub})", f"${{nope:-{stub}}}", f'"$(echo {stub})"', "$V1", "${V1}",
            '"${V1}"', "$V3", f"${{V1:+{stub}}}", f"{{{stub},x}}", f"$'{octal}'", f"${{nope-{stub}}}", "$(psay)",
            f"$(cat <<< {stub})", '"${arr[0]}"', "${arr[@]}", f'$"{stub}"', f"$(printf 'p%s' {tail})", "${V1%x}",
            f"`echo \\`echo {stub}\\``", f"{head}{{{tail},{tail}}}", "$unset $V1",
        )  # fmt: skip

    def word(self, depth: int = 0) -> str:
        if self.random.random() < 0.4:
            return self.pick("a", "b", "-x", "xyz", "a.b", "1", "--long=v", "=", "a=b", "+", "#x#"[1:], "]", "}", "!")
        simple = self.pick(
            "'a b'", '"a b"', '"a $V2"', "a\\ b", "$'a\\tb'", "$V1", '"$V2"', "$V2", "${V1}", "${nope:-d e}", "'$V1'",
            "${V1:+alt}", "${V2#a}", "{a,b}", "a{1..3}", "x{,y}z", "$((1+2))", "*", '""', "''", "${V2//a/c}", "${#V1}",
            '"${arr[@]}"', "$1", '"$@"', "\\$V1", "\\;", "a'b'\"c\"", "${V2:0:1}", "${V1^^}", "$[1+1]", "'it'\\''s'",
            "a#b", "\\#", "~", '"~"', "a~", "{a}", "{a,b", "a,b}", "\\{a,b}", '"{a,b}"', "{a,'b c'}", "a{b,c{d,e}}f",
            "${nope:+x}", "$nope", '"$nope"', "${V2%b}", "é", "$'\\u00e9'", "${V2/a /z}", "[a]", "a:b", "%", "@", "^",
            '"a\\"b"', '"a\\nb"', "${V1:-$V2}", '"${nope:-"x y"}"', "\"${nope:-'x'}\"", "${!V1}", "$#", "$?x"[:2],
        )  # fmt: skip
        if depth > 2 or self.random.random() < 0.7:
            return simple
        inner = self.simple(depth + 1)
        return self.pick(
            f"$({inner})", f'"$({inner})"', f"<({inner})", f"${{nope:-$({inner})}}", f"$(({len(inner)}+$({inner})0))",
            f'"a $({inner}) b"', f"x$({inner})y", f"$( ({inner}) )", f"$({inner};{self.simple(depth + 1)})",
            f"$({inner} # c\n)", f'"${{nope:-$({inner})}}"',
            f"`{inner}`" if "`" not in inner and "\\" not in inner else "z",
        )  # fmt: skip

    def words(self, depth: int) -> str:
        return "".join(" " + self.word(depth) for _ in range(self.random.randrange(4)))

    def redirect(self, depth: int) -> str:
        return self.pick(
            "", "", "", "", "", " > out", " 2> err", " >> out", " 2>&1", " < in", " &> out", " > out 2>&1", " 3<> out",
            " >| out", " <<< x", " {fd}> out", " 2>&- ", f" > $({self.simple(depth + 2)})out" if depth < 2 else "",
            ' <<< "$V2"', " >& out", " >out<in",
        )  # fmt: skip

    def simple(self, depth: int = 0) -> str:
        assigns = self.pick("", "", "", "", "", "A=1 ", "A=$V1 ", "A='x y' B=2 ", "V9=p2 ")
        before = self.pick("", "", "", "", "", "", "> out ", "2>err ")
        if depth < 3 and self.random.random() < 0.06:
            assigns = f"A=$({self.simple(depth + 1)}) "
        return f"{before}{assigns}{self.name()}{self.words(depth)}{self.redirect(depth)}"

    def wrapped(self, depth: int) -> str:
        inner = self.simple(depth + 1)
        plain = f"{self.stub()}{self.words(3)}"
        code = self.code(depth + 1)
        mark = self.fresh().upper()
        return self.one_of(
            lambda: f"env {plain}", lambda: f"env A=1 B=2 {plain}", lambda: f"nohup {plain}", lambda: f"time {inner}",
            lambda: f"timeout 5 {plain}", lambda: f"nice -n 1 {plain}", lambda: f"command {plain}",
            lambda: f"setsid -w {plain}", lambda: f"(exec {plain})", lambda: f"! {inner}",
            lambda: f"stdbuf -o0 {plain}",
            lambda: f"env -u A nice timeout -s KILL 5 {plain}", lambda: f"sh -c {shlex.quote(code)}",
            lambda: f"bash -c {double_quoted(code)}", lambda: f"eval {shlex.quote(code)}", lambda: f"eval {plain}",
            lambda: f"echo {shlex.quote(plain)} | sh", lambda: f"bash <<< {shlex.quote(code)}",
            lambda: f"bash <<{mark}\n{plain}\n{mark}\n", lambda: f"bash <<'{mark}'\n{code}\n{mark}\n",
            lambda: f"cat <<{mark}\n$({inner})\n{mark}\n", lambda: f"cat <<'{mark}'\n$({inner})\n{mark}\n",
            lambda: f"cat <<-{mark}\n\tx `p4 in`\n\t{mark}\n", lambda: f"echo a b | xargs {plain}",
            lambda: f"echo a | xargs -I{{}} {self.stub()} {{}} c", lambda: f"trap {shlex.quote(code)} EXIT",
            lambda: f"xargs -n1 {plain} <<< 'q r'", lambda: f"find . -maxdepth 0 -exec {self.stub()} {{}} \\;",
            lambda: "printf 'p1 %s\\n' x y | bash", lambda: f"cat <<{mark} | sh\n{plain}\n{mark}\n",
            lambda: f"sh -c 'p2 \"$@\" $0' z {self.word(3)}", lambda: f"echo {shlex.quote(plain)} > made; sh made",
            lambda: f"echo {shlex.quote(plain)} > made; . ./made", lambda: "bash -c '$V9 x'",
            lambda: "V9=p5 sh -c '$V9 y'",
            lambda: f"cat <<{mark} <<X{mark}\n1\n{mark}\n$(p5 h)\nX{mark}\n", lambda: "psay | sh",
            lambda: "eval $(psay)",
        )  # fmt: skip

    def compound(self, depth: int) -> str:
        code = self.code(depth + 1)
        other = self.code(depth + 1)
        name = self.fresh()
        return self.one_of(
            lambda: f"({code})", lambda: f"{{ {code}\n}}",
            lambda: f"if {self.simple(depth)}; then {code}\nelse {other}\nfi",
            lambda: f"for x in {self.word()} {self.word(2)}; do {code}\np6 $x\ndone", lambda: f"{{ {code}\n}} > out",
            lambda: f"while {self.simple(depth)}; do {code}\nbreak; done", lambda: f"until p1; do {code}\ndone",
            lambda: f"case {self.word(2)} in a|b) {code}\n;; (c) p1;; *) {other}\n;; esac",
            lambda: f"( {code}\n) 2>&1 | p2",
            lambda: f"{name}() {{ {code}\np3 \"$@\"\n}}; {name} {self.word(2)}",
            lambda: f"function {name} {{ {code}\n}}\n{name}",
            lambda: f"for ((i=0; i<2; i++)); do {code}\ndone",
            lambda: f"[[ -n $({self.simple(2)}) ]] && {{ {code}\n}}",
            lambda: f"(( $({self.simple(2)}) 1 )) ; {code}", lambda: f"[ -n {self.word(2)} ] && {self.simple(2)}",
            lambda: f"arr=({self.word(2)} $({self.simple(2)})); p1 \"${{arr[@]}}\"",
            lambda: f"coproc {self.simple(2)}",
            lambda: f"x={self.word(2)}; p4 $x", lambda: f"x={self.word(2)}\np4 \"$x\"",
            lambda: f"set -- {self.word(2)} q; p1 \"$@\"",
            lambda: f"x=p1; if pfalse; then x=p2; fi; $x {self.word(2)}", lambda: "for f in p1 p2; do $f z; done",
            lambda: f"shopt -s expand_aliases\nalias {name}='p5 al'\n{name} {self.word(2)}",
            lambda: f"local_{name}=1; {code}",
            lambda: "export V9=p2; sh -c '$V9 exported'", lambda: f"read x <<< p1; $x {self.word(2)}",
            lambda: f"{name}() (p1 sub); {name} | p2", lambda: f"x=; x+=p; x+=1; $x {self.word(2)}",
            lambda: "IFS=,; x=p1,c; $x",
            lambda: "x=p2 y=$x; $y a; $x", lambda: "x=(p1 a); ${x[@]} b", lambda: "printf -v x p%s 1; $x",
            lambda: "unset V1; ${V1:-p3} c", lambda: "declare x=p2; $x d", lambda: "x=a; y=x; p1 ${!y}",
            lambda: "[[ a =~ ^(a|$(p2 re))$ ]] && p1", lambda: "[[ a == @(a|b) ]] || p2", lambda: "select_=1; p1",
        )  # fmt: skip

    def statement(self, depth: int) -> str:
        chance = self.random.random()
        if depth > 3 or chance < 0.5:
            return self.simple(depth)
        return self.wrapped(depth) if chance < 0.75 else self.compound(depth)

    def code(self, depth: int = 0) -> str:
        text = self.statement(depth)
        while self.random.random() < 0.35:
            joint = "\n" if text.endswith("\n") else self.pick(*JOINTS)
            text += joint + self.statement(depth)
        return text
