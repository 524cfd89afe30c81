"""The reference run: steps whose effects can be counted and whose variables can be computed again.

A step appends its number to the file `ledger` and forces it to the disk, makes a chain of variables longer by itself,
and prints its number. The same in the shell.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from functools import reduce

from interpreter.llm.script import Reply

STEPS = 6
"""Of the reference run."""
LARGE = 100_000
"""Bytes that every fifth step prints: too many to lie in the log itself."""
PAD = 60_000
"""Times that a step's number stands in the variable `big`, so that a checkpoint has something to write."""
SHELL = 3
"""Every so many steps, one is a shell command."""
TASK = "take all steps"
NUMBER = re.compile(r"# step (\d+)")
"""How a step's code begins; in the log, also where it stands in JSON or in an answer."""

PYTHON = """# step {n}
import os, time
done = globals().get('done', []) + [{n}]
x = (globals().get('x', 1) * 1000003 + {n}) % 2147483647
big = b'{n}' * {pad}
ledger = os.open('ledger', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(ledger, b'{n}\\n')
os.fsync(ledger)
os.close(ledger)
time.sleep(0.01)
print('step {n}')
"""
BASH = """# step {n}
X=$(( (${{X:-1}} * 1000003 + {n}) % 2147483647 ))
DONE="${{DONE:-}} {n}"
echo {n} >> ledger
sync ledger
echo 'step {n}'
"""
_looks = itertools.count(1)
LOOK = {
    "python": """import json
done, x, big = globals().get('done', []), globals().get('x', 1), globals().get('big', b'')
print('STATE', json.dumps([done, x, big == (str(done[-1]).encode() * PAD if done else b'')]))
""".replace("PAD", str(PAD)),
    "shell": "# look\necho \"STATE [[$(echo ${DONE:-} | tr ' ' ,)], ${X:-1}, true]\"\n",
}


def language(n: int) -> str:
    return "shell" if n % SHELL == 0 else "python"


def code(n: int) -> str:
    text = (BASH if language(n) == "shell" else PYTHON).format(n=n, pad=PAD)
    return text + (f"print('#' * {LARGE})\n" if n % 5 == 0 and language(n) == "python" else "")


def printed(n: int) -> bytes:
    large = n % 5 == 0 and language(n) == "python"
    return b"step %d\n" % n + (b"#" * LARGE + b"\n" if large else b"")


def number(text: str) -> int:
    """Which step a piece of code is; 0: none."""
    found = NUMBER.match(text)
    return int(found[1]) if found else 0


def x_of(done: Sequence[int]) -> int:
    """The chain's value after these steps."""
    return reduce(lambda x, n: (x * 1000003 + n) % 2147483647, done, 1)


def step(n: int) -> Reply:
    return Reply(text=f"I take step {n}.", code=code(n), language=language(n))


def both(a: int, b: int) -> Reply:
    """Two steps in one answer."""
    return Reply(text="\n".join(f"Step {n}:\n```{language(n)}\n{code(n)}```" for n in (a, b)))


def looks() -> list[Reply]:
    """Each time in other words: whoever looks twice in the same way is told that it does not help."""
    return [
        Reply(text="I look at what is there.", code=f"# look {next(_looks)}\n{text}", language=name)
        for name, text in LOOK.items()
    ]


def plan(first: int = 1, last: int = STEPS, *, pace: float = 0.0) -> list[Reply]:
    """Replies that take the steps from `first` to `last`, look at the variables, and say that all is done.

    `pace`: seconds between two pieces of an answer, so that a death falls into it.
    """
    replies: list[Reply] = []
    n = first
    while n <= last:
        if n % 6 == 4 and n < last:
            replies.append(both(n, n + 1))
            n += 1
        else:
            replies.append(step(n))
        n += 1
    replies += looks()
    paced = [Reply(text=r.text, code=r.code, language=r.language, pace=pace) for r in replies]
    return [*paced, Reply(text="all done", times=0)]


def after_a_death(started: int, last: int) -> list[Reply]:
    """Look first, then take the steps that nobody has proposed, at least one."""
    return [*looks(), *plan(started + 1, max(last, started + 1))]
