"""What a shell holds, as it has told it itself: read, compared with what it was born with, and made into text again.

The dump is a claim from inside the walls. It is read against a strict grammar in which nothing expands: what goes into
a new shell is assignments of quoted text, options, aliases and traps, whatever the dump held, and no subscript is
anything but digits that a shell would calculate. Functions are the exception: only the first line of one is read, the
text goes through `eval` as it is, and so whoever forges a dump from inside can run code in the new walls, which are the
same walls (design/0019). On the host nothing of it is run.
"""

import re

Pieces = dict[tuple[bytes, bytes], bytes]
"""Kind and name, to text. Kinds: v variable, f function, F its attributes, a alias, t trap, o and s options of `set`
and `shopt`, u umask, d folder of the stack, O folder before, p positional parameter, x a variable that is gone."""

QUOTED = rb"""(?:"(?:[^"\\$`]++|\\.)*"|\$'(?:[^'\\]++|\\.)*'|'[^']*+')"""
NUMBER = rb'"-?[0-9]*+"'
KEY = rb"""(?:[^]\[\s"'$`\\(){}<>|&;]++|""" + QUOTED + rb")"
NAME = rb"[A-Za-z_][A-Za-z0-9_]*+"
WORD = rb"""[^\s"'$`\\(){}<>|&;=]++"""
TEXT = rb"(?:'[^']*+'|\\'|\"'\"|" + WORD + rb")+"


def _list(key: bytes, value: bytes) -> bytes:
    return rb"\((?: ?+\[" + key + rb"\]=" + value + rb")* ?+\)"


def _declared(value: bytes) -> bytes:
    return rb"(?:=(?:" + value + rb"|" + _list(KEY, value) + rb"))?\n"


VARIABLE = re.compile(rb"declare -(-|[A-Za-z]++) (" + NAME + rb")" + _declared(QUOTED), re.DOTALL)
PLAIN = re.compile(rb"declare -[A-Za-z-]++ " + NAME + rb"(?:=" + QUOTED + rb")?\n", re.DOTALL)
INDEXED, KEYED = (
    re.compile(rb"declare -[A-Za-z]++ " + NAME + rb"(?:=" + _list(key, QUOTED) + rb")?\n", re.DOTALL)
    for key in (rb"[0-9]++", KEY)
)
"""Subscripts of plain arrays are calculated, and what is calculated may run commands: `a[$(...)]`, also as the value of
a name. And the text of an array, quoted as a whole, would be expanded."""
COUNTED = re.compile(rb"declare -[A-Za-z]++ " + NAME + _declared(NUMBER))
REFERENCE = re.compile(rb"declare -[A-Za-z]++ " + NAME + rb'(?:="(?:' + NAME + rb'(?:\[[^\]"\\$`]++\])?)?")?\n')
ALIAS = re.compile(rb"alias (?:-- )?([^\s\"'$`\\\\()<>|&;=]++)=(" + TEXT + rb")\n", re.DOTALL)
TRAP = re.compile(rb"trap -- (" + TEXT + rb"|'') ([A-Z0-9+-]++)\n", re.DOTALL)
FUNCTION = re.compile(rb"declare -([a-zA-Z]++) (" + WORD + rb")\n")
OPTIONS = re.compile(rb"[a-z0-9_:-]*+")
UMASK = re.compile(rb"[0-7]{3,4}")
LOST = re.compile(rb"(" + NAME + rb") ([0-9]{1,18})\n")

OF_THE_SHELL = frozenset(
    (
        b"_ BASH BASHOPTS BASHPID BASH_ALIASES BASH_ARGC BASH_ARGV BASH_ARGV0 BASH_CMDS BASH_COMMAND BASH_LINENO "
        b"BASH_MONOSECONDS BASH_REMATCH BASH_SOURCE BASH_SUBSHELL BASH_VERSINFO BASH_VERSION COLUMNS "
        b"COMP_WORDBREAKS DIRSTACK EPOCHREALTIME EPOCHSECONDS EUID FUNCNAME GROUPS HISTCMD HISTFILE HISTFILESIZE "
        b"HISTSIZE HOSTTYPE LINENO LINES MACHTYPE MAILCHECK OLDPWD OPTERR OPTIND OSTYPE PIPESTATUS POSIXLY_CORRECT "
        b"PPID PS1 PS2 PWD RANDOM SECONDS SHELLOPTS SHLVL SRANDOM UID"
    ).split()
)
OURS = b"_kept_"
OUR_FUNCTION = b"interpreter-tool"
"""`shell_tools` gives it to every shell."""
FIXED_OPTIONS = frozenset(
    b"login_shell restricted_shell monitor history histexpand emacs vi interactive_comments".split()
)
KINDS = b"vfFatosudOpx"


class Unreadable(Exception):
    """It is no state of a shell; the sentence says what was met."""


def read(dump: bytes, token: str) -> tuple[Pieces, list[tuple[str, int]]]:
    """What a dump holds, and the variables that were too large for it, with their sizes. Raises Unreadable."""
    fields = dump.split(b"\0")
    mark = token.encode()
    if len(fields) < 11 or fields[1] != mark or fields[-1] != mark:
        raise Unreadable("what the shell holds does not fit into the limit, or the shell was ended while it told it")
    traps, _, options, shopts, folder, before, mask = fields[:7]
    pieces: Pieces = {(b"o", b""): options, (b"s", b""): shopts, (b"u", b""): mask.strip(), (b"O", b""): before}
    rest = fields[7:-1]
    for kind in (b"p", b"d"):
        count = int(rest[0]) if rest and rest[0].isdigit() and len(rest[0]) < 8 else len(rest)
        for n, text in enumerate(rest[1 : count + 1]):
            pieces[kind, b"%d" % n] = text
        rest = rest[count + 1 :]
    if len(rest) < 4:
        raise Unreadable("its parts are not where they should be")
    pieces[b"d", b"0"] = folder
    lost, variables, aliases, attributes, *functions = rest
    pieces.update(_variables(variables))
    for found in _every(ALIAS, aliases, "an alias"):
        pieces[b"a", found[1]] = found[0]
    for found in _every(TRAP, traps, "a trap"):
        pieces[b"t", found[2]] = found[0]
    pieces.update(_functions(attributes, functions))
    for (kind, name), text in pieces.items():
        check(kind, name, text)
    too_large = _every(LOST, lost, "the size of a variable")
    known = {name for kind, name in pieces if kind == b"v"}
    sizes = [(found[1].decode(), int(found[2])) for found in too_large if found[1] not in known]
    return pieces, sizes


def _every(pattern: re.Pattern[bytes], text: bytes, what: str) -> list[re.Match[bytes]]:
    found: list[re.Match[bytes]] = []
    at = 0
    while at < len(text):
        one = pattern.match(text, at)
        if one is None:
            raise Unreadable(f"{what} reads {text[at : at + 60].decode(errors='replace')!r}")
        found.append(one)
        at = one.end()
    return found


def _variables(text: bytes) -> Pieces:
    found = _every(VARIABLE, text, "a variable")
    return {(b"v", one[2]): one[0] for one in found if one[2] not in OF_THE_SHELL and not one[2].startswith(OURS)}


def _functions(attributes: bytes, texts: list[bytes]) -> Pieces:
    pieces: Pieces = {}
    known = _every(FUNCTION, attributes, "a function")
    if len(known) != len(texts):
        raise Unreadable("not every function has a text")
    for found, text in zip(known, texts, strict=True):
        if found[2] == OUR_FUNCTION:
            continue
        pieces[b"f", found[2]] = text
        if found[1] != b"f":
            pieces[b"F", found[2]] = found[0]
    return pieces


def check(kind: bytes, name: bytes, text: bytes) -> None:
    """Raises Unreadable for a piece that could do more than define what it names."""
    right = b"\0" not in text
    if kind == b"v":
        found = VARIABLE.fullmatch(text)
        right = found is not None and found[2] == name and name not in OF_THE_SHELL
        flags = found[1] if found else b""
        shape = INDEXED if b"a" in flags else KEYED if b"A" in flags else PLAIN
        right = right and shape.fullmatch(text) is not None
        if b"i" in flags:
            right = right and COUNTED.fullmatch(text) is not None
        if b"n" in flags:
            right = right and REFERENCE.fullmatch(text) is not None
    elif kind == b"f":
        right = text.startswith((name + b" () \n", b"function " + name + b" () \n"))
    elif kind in (b"F", b"a", b"t"):
        pattern, group = {b"F": (FUNCTION, 2), b"a": (ALIAS, 1), b"t": (TRAP, 2)}[kind]
        found = pattern.fullmatch(text)
        right = found is not None and found[group] == name
    elif kind in (b"o", b"s"):
        right = OPTIONS.fullmatch(text) is not None
    elif kind == b"u":
        right = UMASK.fullmatch(text) is not None
    elif kind in (b"d", b"p"):
        right = right and name.isdigit() and len(name) < 8
    elif kind == b"x":
        right = re.fullmatch(NAME, name) is not None and name not in OF_THE_SHELL
    elif kind != b"O":
        right = False
    if not right:
        raise Unreadable(f"{name.decode(errors='replace')[:60]!r} reads {text[:60].decode(errors='replace')!r}")


def agree(pieces: Pieces) -> None:
    """Raises Unreadable where a variable is to be gone that is also there: through a reference, `unset` would calculate
    the subscript that it refers to."""
    both = [name for kind, name in pieces if kind == b"x" and (b"v", name) in pieces]
    if both:
        raise Unreadable(f"{both[0].decode()[:60]!r} is there and gone")


def own(now: Pieces, born: Pieces) -> Pieces:
    """What a shell holds beyond what it was born with."""
    pieces = {key: text for key, text in now.items() if born.get(key) != text}
    for kind, count in ((b"d", 1), (b"p", 0)):
        # They belong together: all or none.
        if any(key[0] == kind for key in pieces) or sum(key[0] == kind for key in now) != count:
            pieces.update({key: text for key, text in now.items() if key[0] == kind})
    gone = [name for kind, name in born if kind == b"v" and (kind, name) not in now]
    return pieces | {(b"x", name): b"" for name in gone}


def pack(pieces: Pieces) -> bytes:
    """One after the other; `unpack` gives them back."""
    return b"".join(kind + name + b"\0" + text + b"\0" for (kind, name), text in pieces.items())


def unpack(data: bytes) -> Pieces:
    """Raises Unreadable."""
    fields = data.split(b"\0")
    if len(fields) % 2 == 0 or fields[-1]:
        raise Unreadable("half of a piece")
    pieces: Pieces = {}
    for head, text in zip(fields[:-1:2], fields[1::2], strict=True):
        check(head[:1], head[1:], text)
        pieces[head[:1], head[1:]] = text
    agree(pieces)
    return pieces


def compose(pieces: Pieces, born: Pieces) -> bytes:
    """The text that gives `pieces` to a shell which was born with `born`.

    Variables come first: only the word `declare` itself takes a list, and nothing of the person's has its name yet.
    What decides how text is read comes before the text, what would change how this text runs comes last.
    """
    every: dict[bytes, dict[bytes, bytes]] = {bytes([kind]): {} for kind in KINDS}
    for (kind, name), text in pieces.items():
        every[kind][name] = text
    lines: list[bytes] = []
    for name, text in every[b"v"].items():
        if (b"v", name) in born:
            lines.append(b"\\builtin unset -v " + name + b"\n")
        lines.append(text)
    lines += [b"\\builtin unset -v " + name + b"\n" for name in every[b"x"]]
    lines += [b"\\builtin shopt -s extglob\n"] if every[b"f"] else []
    lines += [b"\\builtin eval " + quoted(text) + b"\n" for text in every[b"f"].values()]
    lines += [b"\\builtin " + text for text in every[b"F"].values()]
    before, after = born.get((b"s", b""), b""), every[b"s"]
    lines += _options(b"shopt -%s %s", b"su", after or {b"": before}, before + b":extglob" * bool(every[b"f"]))
    if every[b"p"]:
        words = [text for _, text in sorted(every[b"p"].items(), key=_number)]
        lines.append(b" ".join([b"\\builtin set --", *map(quoted, words)]) + b"\n")
    lines += [b"\\builtin umask " + text + b"\n" for text in every[b"u"].values()]
    stack = [text for _, text in sorted(every[b"d"].items(), key=_number, reverse=True)]
    verbs = [b"\\builtin cd -- ", *[b"\\builtin pushd -- "] * len(stack)]
    lines += [verb + quoted(path) + b"\n" for verb, path in zip(verbs, stack, strict=False)]
    lines += [b"OLDPWD=" + quoted(text) + b"\n" for text in every[b"O"].values() if text]
    lines += [b"\\builtin " + text for text in every[b"a"].values()]
    lines += [b"\\builtin " + text for text in every[b"t"].values()]
    lines += _options(b"set %so %s", b"-+", every[b"o"], born.get((b"o", b""), b""))
    return b"".join(lines)


def _options(form: bytes, signs: bytes, wanted: dict[bytes, bytes], known: bytes) -> list[bytes]:
    lines: list[bytes] = []
    for text in wanted.values():
        on, before = set(text.split(b":")), set(known.split(b":"))
        for sign, names in ((signs[:1], on - before), (signs[1:], before - on)):
            lines += [b"\\builtin " + form % (sign, name) + b"\n" for name in sorted(names - FIXED_OPTIONS) if name]
    return lines


def _number(item: tuple[bytes, bytes]) -> int:
    return int(item[0])


def quoted(text: bytes) -> bytes:
    return b"'" + text.replace(b"'", b"'\\''") + b"'"


TYPES = {
    b"v": "variable",
    b"x": "variable",
    b"f": "function",
    b"F": "function",
    b"a": "alias",
    b"t": "trap",
    b"o": "options",
    b"s": "options",
    b"u": "umask",
    b"d": "folder",
    b"O": "folder",
    b"p": "parameters",
}


def called(kind: bytes, name: bytes) -> str:
    """What a person calls it."""
    word = name.decode(errors="replace")
    forms = {b"v": "{}", b"x": "{}", b"f": "{}()", b"F": "{}()", b"a": "alias {}", b"t": "trap {}", b"p": "$@"}
    return forms[kind].format(word) if kind in forms else {b"O": "OLDPWD"}.get(kind, TYPES[kind])
