"""Runs a program in a real bash that can start nothing but stubs, and tells what it started."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from interpreter.policy.facts import UNKNOWN, Command

from .programs import ENVIRON, STUBS

WORD, CALL = "\x1f", "\x1e"
TOOLS = ("env", "nohup", "timeout", "nice", "setsid", "stdbuf", "sh", "bash", "cat", "xargs", "find")
STUB = """#!/bin/sh
printf '%s\\037' "${0##*/}" "$@" "$(printf '\\036')" >> "$RECORD"
"""


class Stubs:
    """A folder with the stubs and a few harmless tools; nothing else can be found from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "bin"
        self.programs.mkdir()
        for name in STUBS:
            path = self.programs / name
            extra = {"pfalse": "exit 1\n", "psay": "echo p4 said\n"}.get(name, "")
            path.write_text(STUB + extra)
            path.chmod(0o755)
        for name in TOOLS:
            found = shutil.which(name)
            if found:
                (self.programs / name).symlink_to(found)
        self.record = folder / "record"
        self.work = folder / "work"
        self.environ = {"PATH": str(self.programs), "HOME": str(folder / "home"), "RECORD": str(self.record), **ENVIRON}
        self.environ["LC_ALL"] = "C.UTF-8"

    def run(self, code: str) -> list[list[str]]:
        """What really ran: each call as its words."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        (self.work / "in").write_text("")
        self.record.write_text("")
        process = subprocess.Popen(
            [str(self.programs / "bash"), "-c", code + "\nwait"],
            cwd=self.work, env=self.environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            pass
        finally:
            try:
                os.killpg(process.pid, 9)
            except ProcessLookupError:
                pass
            process.wait()
        text = self.record.read_text(encoding="utf-8", errors="replace")
        return [call.split(WORD)[:-1] for call in text.split(CALL + WORD)[:-1]]


def shape(command: Command) -> re.Pattern[str]:
    """All calls that a command of a reading may stand for: an unknown piece may be anything, a pattern any names."""
    pieces: list[str] = []
    for word in command.words:
        if word.startswith("./~"):
            word = word[2:]
        if UNKNOWN in word or "*" in word or "?" in word or "[" in word:
            # The start of `find` is among what it finds.
            parts = [re.escape(part) for part in re.split(r"/?\x00|[*?[]", word)]
            pieces.append("(?:" + ".*".join(parts) + WORD + ")?")
        else:
            pieces.append((r"/dev/fd/\d+" if word == "/dev/fd/63" else re.escape(word)) + WORD)
    return re.compile("".join(pieces), re.DOTALL)


def missing(calls: list[list[str]], commands: tuple[Command, ...]) -> list[list[str]]:
    """The calls that no command of the reading stands for."""
    shapes = [shape(command) for command in commands if command.words]
    home = "/home"
    lost: list[list[str]] = []
    for call in calls:
        text = WORD.join(call) + WORD
        tilde = re.sub(rf"(^|{WORD})[^{WORD}]*{home}(?={WORD})", r"\1~", text)
        if not any(one.fullmatch(text) or one.fullmatch(tilde) for one in shapes):
            lost.append(call)
    return lost
