"""What the command line understands, and what it says about the rest."""

from __future__ import annotations

import subprocess
import sys

import pytest

from interpreter.cli.arguments import parse
from interpreter.cli.flags import OWN
from interpreter.cli.help import help_text
from interpreter.config.keys import KEYS
from interpreter.errors import UsageError
from interpreter.text.cut import width
from interpreter.text.i18n import set_language


@pytest.mark.parametrize("name", [key.name for key in KEYS.values() if key.flags])
def test_every_flag_in_both_spellings(name: str) -> None:
    key = KEYS[name]
    given = "true" if key.kind == "bool" else ["x"] if key.kind in ("paths", "names", "hosts") else "x"
    if key.bare:
        given = key.choices[-1]
    for flag in (*key.flags, key.flags[0].replace("_", "-")):
        words = [flag] if key.kind == "bool" else [flag, key.choices[-1] if key.bare else "x"]
        assert parse(words).flags == {name: given}
        assert parse([*words, "the task"]).task == "the task"
    if key.kind == "bool":
        assert parse(["--no-" + key.flags[0][2:].replace("_", "-")]).flags == {name: "false"}
    else:
        given = given if not key.bare else "x"
        assert parse([key.flags[0] + "=x"]).flags == {name: given}


def test_a_flag_that_may_stand_alone_leaves_the_task_alone() -> None:
    assert parse(["--network", "fetch it"]) == parse(["--network=open", "fetch it"])
    assert parse(["fetch it", "--network"]).flags == {"network": "open"}
    found = parse(["--network", "ask", "fetch it"])
    assert found.flags == {"network": "ask"} and found.task == "fetch it"
    assert parse(["--no-network", "x"]).flags == {"network": "off"}
    assert parse(["--network", "sessions", "list"]).command == "sessions"
    assert parse(["--", "--network", "x"][:2]).task == "--network"


def test_the_short_flags_of_the_field() -> None:
    line = "-y -m M -t 0.1 -ab U -ak K -cw 9 -x 8 -xo 7 -ci C -sm S -s ask -v"
    assert parse(line.split()).flags == {
        "auto_run": "true", "llm.model": "M", "llm.temperature": "0.1", "llm.api_base": "U", "llm.api_key": "K",
        "llm.context_window": "9", "llm.max_tokens": "8", "max_output": "7", "custom_instructions": "C",
        "system_message": "S", "safe_mode": "ask", "verbose": "true",
    }  # fmt: skip


def test_a_dash_in_a_task_or_value_stays() -> None:
    found = parse(["--system-message", "a-b", "--", "--what-is this"])
    assert found.flags["system_message"] == "a-b" and found.task == "--what-is this"


@pytest.mark.parametrize(
    ("words", "resume", "task"),
    [
        (["--resume"], "last", None),
        (["--resume", "last"], "last", None),
        (["--resume", "s_12ab"], "s_12ab", None),
        (["--resume", "12ab"], "12ab", None),
        (["--resume", "go on please"], "last", "go on please"),
        (["--resume", "s_12ab", "go on"], "s_12ab", "go on"),
        (["--resume", "-y", "go on"], "last", "go on"),
        (["--resume", "saved.json"], "saved.json", None),
        ([], "", None),
    ],
)
def test_resume(words: list[str], resume: str, task: str | None) -> None:
    found = parse(words)
    assert (found.resume, found.task) == (resume, task)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--modell", "x"], "There is no flag --modell. Did you mean --model?"),
        (["--api_bas=x"], "There is no flag --api_bas. Did you mean --api_base?"),
        (["--zzzzzz"], "There is no flag --zzzzzz."),
        (["--model"], "--model needs a value."),
        (["-m", "--verbose"], "--model needs a value."),
        (["--verbose=1"], "--verbose takes no value."),
        (["two", "words"], "The task should be one argument."),
        (["session", "list"], "The task should be one argument."),
        (["--resume", "no id at all", "task"], "`no id at all` is not the id of a session."),
        (["--output", "xml"], "--output should be one of text, json, jsonl."),
    ],
)
def test_what_is_not_understood(words: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(words)
    assert caught.value.message == sentence and caught.value.hint


def test_a_near_command_is_suggested() -> None:
    with pytest.raises(UsageError) as caught:
        parse(["session", "list"])
    assert "`sessions`" in caught.value.hint


def test_commands_stand_after_flags_as_well() -> None:
    found = parse(["--lang", "zh", "sessions", "list", "--json"])
    assert (found.command, found.rest, found.flags) == ("sessions", ("list", "--json"), {"lang": "zh"})
    assert parse(["--model", "sessions"]).command == ""
    assert parse(["--", "sessions"]).command == ""


def test_help_names_every_flag_and_fits_the_screen() -> None:
    for language in ("en", "zh_CN"):
        set_language(language)
        try:
            text = help_text(80)
        finally:
            set_language("")
        for flag in (*(f for key in KEYS.values() for f in key.flags), *(f for own in OWN for f in own.flags)):
            assert flag in text
        assert max(width(line) for line in text.splitlines()) <= 80


@pytest.mark.parametrize(
    ("flag", "absent"),
    [
        ("--version", ("argparse", "asyncio", "msgspec", "pathlib", "interpreter.cli")),
        ("--help", ("argparse", "asyncio", "msgspec", "pathlib", "yaml", "rich")),
    ],
)
def test_what_is_quick_loads_little(flag: str, absent: tuple[str, ...]) -> None:
    # `-S -E`: what the environment's own .pth files load is not ours.
    code = (
        "import sys; sys.path[:0] = sys.argv.pop(1).split(':'); before = set(sys.modules)\n"
        "from interpreter.__main__ import main; assert main() == 0\n"
        "print(*sorted(set(sys.modules) - before), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", code, ":".join(p for p in sys.path if p), flag],
        capture_output=True, text=True, check=True, env={"LANG": "C"},
    )  # fmt: skip
    assert done.stdout.startswith(("interpreter ", "Use: "))
    assert not set(absent) & set(done.stderr.split()), done.stderr


def test_what_stands_after_resume_is_a_name_or_the_task() -> None:
    found = parse(["--resume", "销售", "go on"])
    assert (found.resume, found.task, found.perhaps) == ("销售", "go on", "")
    found = parse(["--resume", "销售"])
    assert (found.resume, found.task, found.perhaps) == ("last", "销售", "销售"), (
        "the task, unless a session is called so"
    )
    assert parse(["--resume", "s_0123"]).perhaps == ""
