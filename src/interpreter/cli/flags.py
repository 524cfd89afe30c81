"""The command line's own words, beside the settings. It imports nothing heavy: `--help` is made from it."""

from __future__ import annotations

from typing import NamedTuple

from ..config.keys import N_

COMMANDS: dict[str, str] = {
    "sessions": N_("List, show, export or remove sessions."),
    "approvals": N_("List, show or answer the questions that wait."),
    "audit": N_("Prove that the log is whole, or export what was done."),
    "policy": N_("Test the rules, explain a verdict, try them on the log, trust a project's."),
    "doctor": N_("What is here, what is missing, what to do."),
    "config": N_("Every setting, its value, and where it comes from."),
}
OUTPUTS = ("text", "json", "jsonl")
NOT_YET = ("computer_use_vision", "os")


ASKED = ("help", "version", *NOT_YET)
"""Flags that say all that is to be done."""


class Own(NamedTuple):
    """A flag of the command line that is no setting."""

    name: str
    flags: tuple[str, ...]
    help: str
    metavar: str = ""
    """Empty: a flag without a value."""


OWN = (
    Own("resume", ("--resume",), N_("Go on with a session: its id, the beginning of it, or last."), "ID"),
    Own("output", ("--output",), N_("What standard output holds: text, json or jsonl."), "FORM"),
    Own("ops", ("--ops",), N_("Standard input holds ops of a program, one JSON object a line.")),
    Own("workspace", ("--workspace",), N_("The folder to work in, instead of this one."), "FOLDER"),
    Own("computer_use_vision", ("--computer-use-vision",), N_("Control of the screen: not there yet.")),
    Own("os", ("--os",), N_("Control of the screen: not there yet.")),
    Own("version", ("--version",), N_("Print the version.")),
    Own("help", ("--help", "-h"), N_("Print this text.")),
)
METAVARS = {
    "llm.model": "NAME",
    "llm.api_base": "URL",
    "llm.api_key": "KEY",
    "python": "PATH",
    "policy": "FILE",
    "profile": "NAME",
    "grants": "NAME",
    "readable": "PATH",
    "writable": "PATH",
    "hidden": "PATH",
    "allow_host": "HOST",
}
