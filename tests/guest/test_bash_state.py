"""A shell's state outlives the shell: what comes back is what the shell itself says that it had."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from interpreter.keeper import shell_state

from .checkpoints import Keeping, unsaved
from .keeper_client import KeeperClient, driver

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="bash is not on this machine")


@pytest.fixture
def shells(client: KeeperClient, folder: Path) -> Keeping:
    parts = {"state": driver("bash_state.sh")}
    argv = ["bash", "--norc", "--noprofile"]
    return Keeping(client, folder, argv, driver("bash_driver.sh"), dialect="bash", parts=parts)


AWKWARD = r"""
plain='two  words'; lines=$'a\nb\tc\\d\x01\e'; words='中文 😀 é'; raw=$'\xff\xfe\x80 x'; empty=
quotes="it's \"q\" \$x \`y\` !z"; declare -i number=6; declare -r fixed=$'r\no'
declare -x shared="yes \$(touch hacked) \`touch hacked\`"
list=(a 'b c' "d'e" $'n\nl' '' '$(touch hacked)'); list[10]=ten
declare -A map=([k]='v w' ['a b']=x ['*']=star ['@']=at ['$(touch hacked)']=d [']']=br ["q'"]=1 [$'n\nl']=2)
declare -a none; declare -A unset_map; declare -n ref=list; declare -n element='list[2]'; declare -ai numbers=(1 -2 3)
declare -u UPPER=abc; declare -l low; declare -ar fixed_list=(x y); declare -i undefined; export bare
PATH=$PATH:/x; IFS=,
f() { echo "f: $1"; cat <<EOT
heredoc $1
}
g () {
EOT
}
g() ( echo sub; ); h() { echo x; } >&2; function if2 { :; }; export -f g
my-func() { local a=1; case $1 in x|y) echo;; *) ;; esac; for ((i=0;i<3;i++)); do :; done; [[ $a =~ ^x.*$ ]] && echo; }
shopt -s extglob nullglob
k() { echo +(a|b) !(x); }; cd() { builtin cd "$@"; }; declare() { builtin declare "$@"; }; printf() { echo hacked; }
shopt -u extglob; shopt -s dotglob; trap 'echo "it'"'"'s"' USR1; trap true ERR; trap '' HUP; trap 'echo int' INT
alias hi='echo hello'; alias ll="ls -l 'x y'"; alias -- -='cd -'; alias for=while
set -- one 'two three' '' $'x\ny'; umask 027; set -o pipefail -u -f
mkdir -p sub/"x'y"; cd sub; pushd "x'y" >/dev/null; pushd /tmp >/dev/null
"""
TOLD = r"""
for name in plain lines words raw empty quotes number fixed shared list map none unset_map ref element numbers UPPER \
  low fixed_list undefined bare PATH; do builtin declare -p $name; done
builtin declare -f; builtin declare -F; alias; trap -p USR1 ERR HUP INT; shopt; set -o; umask; dirs -l -p
echo "$OLDPWD"; echo "$#"; for word in "$@"; do echo "<$word>"; done; hi; f x; bash -c g; echo $((number += 1))
"""


def test_everything_comes_back_as_the_shell_itself_tells_it(shells: Keeping) -> None:
    first = shells.born()
    saved = shells.keep(first, AWKWARD)
    assert saved["unsaved"] == []
    second, told = shells.again(saved)
    assert (told["missing"], told["names"] > 40) == ([], True)
    before, after = (shell.run(f"unalias for; unset IFS; set +f\n{TOLD}") for shell in (first, second))
    assert "heredoc x" in before.text
    assert after.text == before.text
    assert not list(shells.folder.rglob("hacked"))
    assert second.run("fixed=other").status == "error"
    # What was unset stays unset, and what the new shell is born with is its own.
    third, _ = shells.again(shells.keep(second, "unset -f declare; unset HOME plain"))
    assert third.run('echo "${HOME-none} ${plain-none} $HOSTNAME"').text.split()[:2] == ["none", "none"]


SABOTAGE = r"""
for name in echo trap eval declare printf shopt set . mapfile; do \builtin eval "$name() { touch sabotage; }"; done
alias builtin='touch sabotage' declare='touch sabotage' '{'='touch sabotage' for='touch sabotage' .='touch sabotage'
\builtin set -euT; IFS=0123456789abcdef; LC_ALL=C; kept=$'one\ntwo'; readonly kept
\builtin trap '_=$_' DEBUG ERR RETURN; \builtin set -o posix
"""


def test_a_shell_of_a_saboteur_is_saved_and_left_alone(shells: Keeping) -> None:
    first = shells.born()
    saved = shells.keep(first, SABOTAGE)
    second, told = shells.again(saved)
    assert unsaved(saved) == unsaved(told) == {}
    assert not list(shells.folder.glob("sabotage*"))
    assert second.run(r'\builtin printf "%s|" "$kept" "$IFS" "$-"').text.startswith("one\ntwo|0123456789abcdef|e")


def test_the_question_leaves_no_trace(shells: Keeping) -> None:
    shell = shells.born()
    shells.keep(shell, "sleep 60 & job=$!; umask 022; declare -p >/dev/null")
    ours = "BASH\\|LINENO\\|SECONDS\\|RANDOM\\|EPOCH\\| _=\\|PIPESTATUS"
    look = f'declare -p | grep -v "{ours}"; [[ $! = $job ]]; echo $?; jobs'
    one = shell.run(look)
    shells.after(one.completion["execution"])
    assert shell.run(look).text == one.text
    assert "_kept" not in one.text
    shell.run("kill $job")


def test_what_is_too_large_is_named_and_the_rest_is_kept(shells: Keeping) -> None:
    shell = shells.born(variable=1 << 20, total=2 << 20)
    made = shells.keep(shell, "printf -v half %600000s; printf -v big %2000000s; some=1")
    assert unsaved(made) == {"big": "2000000 characters are too many"}
    assert made["unsaved"][0]["execution"] == made["execution"]
    later = shells.keep(shell, "other=2")
    assert later["unsaved"][0]["execution"] == made["execution"]
    assert 0 < later["written"] < 1000 < later["size"]
    again, told = shells.again(later)
    assert (list(unsaved(told)), again.run("echo $some$other ${#half}").text) == (["big"], "12 600000\n")


def test_a_folder_that_is_gone_is_told(shells: Keeping) -> None:
    saved = shells.keep(shells.born(), "mkdir gone; cd gone; x=1")
    os.rmdir(shells.folder / "gone")
    shell, told = shells.again(saved)
    assert list(unsaved(told)) == ["folder"]
    assert shell.run("echo $x ${PWD##*/}").text == "1 work\n"


def test_random_contents_come_back(shells: Keeping) -> None:
    chance = random.Random(4)
    made: list[str] = []

    def text() -> str:
        kind = chance.choice(
            [
                range(1, 256),
                [34, 36, 39, 92, 96, 10, 40, 41, 33],
                [97, 32, 10, 0xE4, 0xB8, 0xAD, 0xF0, 0x9F, 0x98, 0x80],
            ]
        )
        return "$'" + "".join(f"\\x{chance.choice(list(kind)):02x}" for _ in range(chance.randrange(12))) + "'"

    for n in range(40):
        made.append(f"v{n}={text()}")
        made.append(f"declare -A m{n}; m{n}[{text()}x]={text()}; l{n}=({text()} {text()}); alias a{n}={text()}x")
    first = shells.born()
    second, told = shells.again(shells.keep(first, "\n".join(made)))
    assert told["missing"] == []
    look = "for n in {0..39}; do declare -p v$n m$n l$n; alias a$n; done"
    assert second.run(look).bytes == first.run(look).bytes


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        (b"v", b"a", b'declare -- a="$(touch x)"\n'),
        (b"v", b"a", b'declare -- a="`touch x`"\n'),
        (b"v", b"a", b'declare -- a="$b"\n'),
        (b"v", b"a", b'declare -- a="x"; touch y\n'),
        (b"v", b"a", b'declare -- a="x"\ntouch y\n'),
        (b"v", b"a", b"declare -- a=$(touch x)\n"),
        (b"v", b"a", b'declare -a a=([$(touch x)]="1")\n'),
        (b"v", b"a", b'declare -a a=([0]="1" $(touch x))\n'),
        (b"v", b"a", b"declare -a a=(['b[$(touch x)]']=\"1\")\n"),
        (b"v", b"a", b'declare -a a=([b]="1")\n'),
        (b"v", b"a", b'declare -ai a=([b]="1")\n'),
        (b"v", b"a", b'declare -aA a=([b]="1")\n'),
        (b"v", b"a", b'declare -- a=([b]="1")\n'),
        (b"v", b"a", b'declare -x a=([0]="1")\n'),
        (b"v", b"a", b"declare -a a='([0]=$(touch x))'\n"),
        (b"v", b"a", b"declare -A a='([k]=$(touch x))'\n"),
        (b"v", b"a", b'declare -i a="b[\\$(touch x)]"\n'),
        (b"v", b"a", b'declare -n a="b[\\$(touch x)]"\n'),
        (b"v", b"a", b'declare -- b="x"\n'),
        (b"v", b"PS1", b'declare -- PS1="x"\n'),
        (b"f", b"f", b"touch x; f () \n{ \n :\n}\n"),
        (b"F", b"f", b"declare -fx f; touch x\n"),
        (b"a", b"a", b"alias a=$(touch x)\n"),
        (b"a", b"a", b"alias a='x'; touch y\n"),
        (b"t", b"INT", b"trap -- '' INT; touch x\n"),
        (b"o", b"", b"errexit; touch x"),
        (b"u", b"", b"022; touch x"),
        (b"d", b"0 x", b"/"),
        (b"x", b"a; touch x", b""),
        (b"z", b"", b""),
    ],
)
def test_a_hostile_piece_is_refused(kind: bytes, name: bytes, text: bytes) -> None:
    with pytest.raises(shell_state.Unreadable):
        shell_state.unpack(kind + name + b"\0" + text + b"\0")


def test_what_is_there_cannot_be_gone_as_well() -> None:
    both = b'vr\0declare -n r="y[x]"\n\0' + b"xr\0\0"
    with pytest.raises(shell_state.Unreadable, match="there and gone"):
        shell_state.unpack(both)


def test_a_function_whose_name_is_no_text_holds_nothing_up(shells: Keeping) -> None:
    # bash prints `coproc` so that it reads it otherwise: the function is taken away again, by its name.
    saved = shells.keep(shells.born(), r"eval $'f\xff() { coproc cat; }'; eval $'g\xff() { echo g; }'; y=1")
    second, told = shells.again(saved)
    assert list(unsaved(told)) == ["f\ufffd()"]
    assert second.run(r"""$'g\xff'; echo $y; declare -F $'f\xff' || echo none""").text == "g\n1\nnone\n"


@pytest.mark.parametrize("size", [b"9" * 5000, b"1" * 19, b"x", b""])
def test_a_size_that_is_none_is_refused(size: bytes) -> None:
    parts = [
        b"",
        b"token",
        b"",
        b"",
        b"/",
        b"",
        b"022\n",
        b"0",
        b"1",
        b"/",
        b"v " + size + b"\n",
        b"",
        b"",
        b"",
        b"token",
    ]
    with pytest.raises(shell_state.Unreadable, match="the size of a variable"):
        shell_state.read(b"\0".join(parts), "token")
    parts[10] = b"v 123\n"
    assert shell_state.read(b"\0".join(parts), "token")[1] == [("v", 123)]


def test_a_dump_of_another_is_refused() -> None:
    with pytest.raises(shell_state.Unreadable, match="does not fit"):
        shell_state.read(b"", "token")
    with pytest.raises(shell_state.Unreadable):
        shell_state.read(b"\0".join([b"", b"token", *[b"x"] * 20, b"token"]), "token")
