"""The reader against texts that nobody would write: it never fails, its work is bounded, no disguise gets a yes."""

from __future__ import annotations

import base64
import os
import shlex
import subprocess
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from random import Random

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interpreter.policy import Policy, load_policy
from interpreter.policy.shell import read_shell
from interpreter.policy.shell.record import MOST_STEPS
from interpreter.types.rules import Circumstances

EXAMPLES = int(os.environ.get("SHELL_EXAMPLES", "120"))
"""Of each property; a longer run is `SHELL_EXAMPLES=20000 pytest -k shell_fuzz --timeout 0`."""
bounded = settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=(HealthCheck.too_slow,)
)
CORPUS = Path(__file__).parent / "corpus"
SHELL_CHARACTERS = st.text(st.sampled_from("ab1 \t\n'\"\\$`(){}[]<>|&;=!#*?~-+:,./@%^x\0\x01\ré"), max_size=60)
PIECES = st.sampled_from(
    ["rm", " ", "-rf", "/", "\n", "if", "then", "fi", "do", "done", "case", "in", "esac", "for", "x", "$(", ")",
     "${", "}",
     "((", "))", "[[", "]]", "<<E", "\nE\n", "<<<", "|", "&&", ";;", "`", "'", '"', "\\", "$x", "=", "f()", "{",
     "<(", ">",
     "eval", "sh -c", "echo", "xargs", "find . -exec", "alias", "trap", "$'", "#", "!", "function", "coproc", "\\\n"]
)  # fmt: skip


@lru_cache(1)
def policy() -> Policy:
    return load_policy(check=False)


@lru_cache(1)
def denied_lines() -> tuple[str, ...]:
    groups = yaml.safe_load((CORPUS / "dangerous.yaml").read_text(encoding="utf-8"))
    return tuple(line for group in groups if group["outside"] == "deny" for line in group["lines"].splitlines())


def broken(code: str) -> bool:
    """Whether bash refuses it."""
    if "\0" in code:
        return True
    checked = subprocess.run(["bash", "-n", "-c", code], capture_output=True, timeout=20)
    return checked.returncode != 0


@bounded
@given(st.one_of(st.text(max_size=80), SHELL_CHARACTERS, st.lists(PIECES, max_size=25).map("".join)))
def test_any_text_is_read_without_failing(code: str) -> None:
    reading = read_shell(code)
    for command in reading.commands:
        assert all("\x01" not in word for word in (*command.words, command.folder, command.code[1]))


@bounded
@given(st.lists(PIECES, min_size=1, max_size=12).map(" ".join))
def test_what_bash_refuses_is_unknown_or_all_read(code: str) -> None:
    reading = read_shell(code)
    if reading.unknown or not broken(code):
        return
    # A superset of the grammar may be read, but then nothing may be lost of it.
    text = " ".join(word for command in reading.commands for word in command.words)
    assert ("rm" in text) == ("rm" in code.split("<<E")[0])


def mutated(random: Random, code: str) -> str:
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(len(code) + 1)
        sort = random.randrange(4)
        piece = random.choice("'\"\\$`(){}<>|&;\n #=*!~\0")
        if sort == 0:
            code = code[:at] + piece + code[at:]
        elif sort == 1:
            code = code[:at] + code[at + 1 :]
        elif sort == 2:
            code = code[:at] + piece + code[at + 1 :]
        else:
            other = random.choice(denied_lines())
            code = code[:at] + other[random.randrange(len(other)) :]
    return code


@bounded
@given(st.integers(0, 2**32))
def test_mutations_of_the_corpus_are_read_without_failing(seed: int) -> None:
    random = Random(seed)
    code = mutated(random, random.choice(denied_lines()))
    found = read_shell(code)
    assert found == read_shell(code), "a reading depends on nothing but the code"
    assert all(isinstance(word, str) for command in found.commands for word in command.words)


@pytest.mark.parametrize(
    "code",
    [
        "$(" * 5000, "`" * 5001, "((" * 5000, "{a,b}" * 2000, "$((" * 3000, '"$(' * 3000, "x=$x$x;" * 3000,
        "${a:-" * 3000,
        "f(){ g; g; };" + "g(){ f; f; };" * 500 + "f", "for a in {1..30}; do " * 20 + "x;" + "done;" * 20,
        "eval " * 3000 + "x", "env " * 5000 + "rm", "sh -c " * 2000 + "x", "<<E " * 3000, "a;" * 100_000, "(" * 100_000,
        "".join(f"f{n}(){{ f{n + 1}; f{n + 1}; }};" for n in range(40)) + "f0", "x" * 1_000_000, "\\\n" * 50_000,
        "case x in " + "(a) b;; " * 20_000, "!(" * 3000, "{" * 50_000, "{a..z}" * 30, "\\$(" * 3000, "a=" * 50_000,
        "if x; then " * 5000, "x=1 " * 50_000, "[[ " * 5000, "alias a=a\n" * 3000 + "a",
        "trap 'trap x EXIT' EXIT;" * 2000,
        "echo " + "'$(echo " * 300, "{a,{b,{c,{d,{e,{f,{g,{h,i}}}}}}}}" * 4,
    ],
)  # fmt: skip
def test_work_is_bounded(code: str) -> None:
    """The budget counts steps, so this holds on any machine; the time limit of the suite is only the last resort."""
    reading = read_shell(code)
    assert len(reading.commands) <= MOST_STEPS
    assert len(reading.unknown) <= 20


Wrapper = Callable[[str], str]


def here(code: str, head: str = "bash") -> str:
    return f"{head} <<'__END'\n{code}\n__END\n"


def encoded(code: str) -> str:
    return f"echo {base64.b64encode(code.encode()).decode()} | base64 -d | bash"


def default(code: str) -> str:
    """As the default of a variable, where its quotes allow that."""
    if "}" in code or "'" in code:
        return code
    return f'eval "${{nothing:-{shlex.quote(code)}}}"'


WRAPPERS: dict[str, Wrapper] = {
    "bash -c": lambda code: f"bash -c {shlex.quote(code)}",
    "sh -ec": lambda code: f"sh -ec {shlex.quote(code)}",
    "eval": lambda code: f"eval {shlex.quote(code)}",
    "subshell": lambda code: f"( {code}\n)",
    "group": lambda code: f"{{ {code}\n}}",
    "and": lambda code: f"true && {{ {code}\n}}",
    "or": lambda code: f"false || ( {code}\n)",
    "background": lambda code: f"{{ {code}\n}} &",
    "if": lambda code: f"if test x; then {code}\nfi",
    "else": lambda code: f"if test x; then :; else {code}\nfi",
    "condition": lambda code: f"while {code}\ndo break; done",
    "for": lambda code: f"for q in 1 2; do {code}\ndone",
    "case": lambda code: f"case x in y) ;; *) {code}\n;; esac",
    "function": lambda code: f"fun() {{ {code}\n}}; fun",
    "uncalled": lambda code: f"function fun {{ {code}\n}}",
    "document": here,
    "file": lambda code: here(code, "cat > made.sh") + "sh made.sh",
    "made": lambda code: here(code, "cat > made.sh") + "chmod +x made.sh; ./made.sh",
    "sourced": lambda code: here(code, "cat > made.sh") + ". ./made.sh",
    "substitution": lambda code: f": $( {code}\n)",
    "quoted": lambda code: f'echo "a $( {code}\n) b"',
    "process": lambda code: f"cat <( {code}\n)",
    "pipe": lambda code: f"{{ {code}\n}} | cat",
    "piped": lambda code: f"echo x | {{ {code}\n}}",
    "echo": lambda code: f"echo {shlex.quote(code)} | bash",
    "printf": lambda code: f"printf %s {shlex.quote(code)} | sh",
    "string": lambda code: f"bash <<< {shlex.quote(code)}",
    "base64": encoded,
    "variable": lambda code: f"var={shlex.quote(code)}; eval \"$var\"",
    "exported": lambda code: f"export VAR={shlex.quote(code)}; sh -c 'eval \"$VAR\"'",
    "trap": lambda code: f"trap {shlex.quote(code)} EXIT",
    "env": lambda code: f"env X=1 bash -c {shlex.quote(code)}",
    "timeout": lambda code: f"timeout -k 1 5 nice sh -c {shlex.quote(code)}",
    "nohup": lambda code: f"nohup bash -c {shlex.quote(code)} > /dev/null 2>&1 &",
    "xargs": lambda code: f"echo x | xargs -I@@ sh -c {shlex.quote(code)}",
    "find": lambda code: f"find . -maxdepth 0 -exec sh -c {shlex.quote(code)} \\;",
    "watch": lambda code: f"watch -n 1 {shlex.quote(code)}",
    "ssh": lambda code: f"ssh host {shlex.quote(code)}",
    "docker": lambda code: f"docker exec web sh -c {shlex.quote(code)}",
    "alias": lambda code: f"alias ali={shlex.quote(code)}\nali",
    "prompt": lambda code: f"PROMPT_COMMAND={shlex.quote(code)}",
    "python": lambda code: f"python3 -c {shlex.quote('import os; os.system(' + repr(code) + ')')}",
    "python document": lambda code: here(f"import subprocess\nsubprocess.run({code!r}, shell=True)", "python3 -"),
    "node": lambda code: f"node -e {shlex.quote('require(`child_process`).execSync(' + repr(code) + ')')}",
    "git": lambda code: f"git -c alias.x={shlex.quote('!' + code)} x",
    "exec": lambda code: f"exec bash -c {shlex.quote(code)}",
    "command": lambda code: f"command eval {shlex.quote(code)}",
    "array": lambda code: f"arr=(bash -c {shlex.quote(code)}); \"${{arr[@]}}\"",
    "positional": lambda code: f"set -- {shlex.quote(code)}; eval \"$1\"",
    "argument": lambda code: f"sh -c 'eval \"$1\"' x {shlex.quote(code)}",
    "default": default,
    "carriage": lambda code: code.replace("\n", "\r\n"),
    "arithmetic": lambda code: f"echo $(( 1 + $( {code}\n) ))",
    "test": lambda code: f"[[ -n $( {code}\n) ]]",
    "index": lambda code: f"arr[$( {code}\n)]=1",
    "coproc": lambda code: f"coproc {{ {code}\n}}",
    "flock": lambda code: f"flock l -c {shlex.quote(code)}",
}  # fmt: skip


def disguised(random: Random, code: str) -> tuple[str, list[str]]:
    used: list[str] = []
    for _ in range(random.randrange(1, 4)):
        name = random.choice(sorted(WRAPPERS))
        code = WRAPPERS[name](code)
        used.append(name)
    return code, used


def verdict(code: str, *, walled: bool) -> str:
    circumstances = Circumstances(walled=walled, workspace="/work/project", home="/home/me")
    return policy().judge("shell", code, circumstances).decision


@bounded
@given(st.integers(0, 2**32))
def test_no_disguise_makes_a_dangerous_line_allowed(seed: int) -> None:
    random = Random(seed)
    line = random.choice(denied_lines())
    code, used = disguised(random, line)
    for walled in (True, False):
        assert verdict(code, walled=walled) != "allow", (line, used, code)


@pytest.mark.parametrize("name", sorted(WRAPPERS))
def test_a_wrapper_alone_hides_nothing(name: str) -> None:
    for line in ("rm -rf /", "rm -rf ~", "dd if=/dev/zero of=/dev/sda", "kubectl delete ns shop"):
        assert verdict(WRAPPERS[name](line), walled=True) != "allow", line
        assert verdict(WRAPPERS[name](line), walled=False) != "allow", line


def spelled(random: Random, word: str) -> str:
    """The same word, written otherwise."""
    at = random.randrange(len(word) + 1)
    head, tail = word[:at], word[at:]
    name = f"v{random.randrange(9)}"
    return random.choice(
        [
            shlex.quote(word), f"{head}''{tail}", f'{head}""{tail}', f"'{head}'{tail}", f'{head}"{tail}"',
            "$'" + "".join(f"\\x{ord(char):02x}" for char in word) + "'", "".join(f"\\{char}" for char in word),
            f"$(echo {word})", f"`echo {word}`", f"$(printf %s {word})", f"${{nothing:-{word}}}", f"{{{word},}}",
            f"${{{name}:={word}}}", f"$(echo {head})$(echo {tail})", f"{head}${{nothing:+x}}{tail}", f"{word}\\\n",
            f"$(cat <<< {word})", f"$(basename /x/{word})" if "/" not in word else word,
            f"$({name}={word}; echo ${name})",
        ]
    )  # fmt: skip


@bounded
@given(st.integers(0, 2**32))
def test_no_spelling_makes_a_dangerous_command_allowed(seed: int) -> None:
    random = Random(seed)
    line = random.choice(
        ["rm -rf /", "rm -r -f /etc", "mkfs.ext4 /dev/sda1", "kubectl delete ns shop", "terraform destroy", "reboot",
         "git push --force origin main", "chmod -R 777 /", "dropdb shop", "cat /etc/shadow", "sudo id", "kill -9 -1"]
    )  # fmt: skip
    words = [spelled(random, word) if random.random() < 0.6 else word for word in line.split()]
    code = " ".join(words)
    for walled in (True, False):
        assert verdict(code, walled=walled) != "allow", (line, code)
