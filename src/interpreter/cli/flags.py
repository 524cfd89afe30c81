"""The command line's own words, beside the settings. It imports nothing heavy: `--help` is made from it."""

from __future__ import annotations

from typing import NamedTuple

from ..config.keys import N_

COMMANDS: dict[str, str] = {
    "run": N_("Work towards a goal unattended, until checks show that it is reached."),
    "undo": N_("Take back what a goal run has done."),
    "sessions": N_("List, show, export or remove sessions."),
    "rewind": N_("Take back steps: files, variables, conversation."),
    "diff": N_("What steps changed in the folder."),
    "fork": N_("Begin a new session from any step of another."),
    "attach": N_("Join a session that runs in another terminal, or in none."),
    "detach": N_("Let a session that runs go on without its terminal."),
    "approvals": N_("List, show or answer the questions that wait."),
    "audit": N_("Prove that the log is whole, or export what was done."),
    "stage": N_("Show, commit or drop what staged sessions would change."),
    "policy": N_("Test the rules, explain a verdict, try them on the log, trust a project's."),
    "skills": N_("List, show, check, begin or save skills: how your things are done."),
    "mcp": N_("Offer the tools to another program by MCP; list and trust the servers of others."),
    "replay": N_("Go through a recorded run again, offline: with the prompts and rules of today."),
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
    Own("background", ("--background",), N_("Work without a terminal: questions wait, and others can attach.")),
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
    "skills": "NAME",
    "readable": "PATH",
    "writable": "PATH",
    "hidden": "PATH",
    "allow_host": "HOST",
    "report": "FILE",
    "output_schema": "FILE",
    "tools": "NAME",
    "tool_files": "FILE",
    "record": "FILE",
}
