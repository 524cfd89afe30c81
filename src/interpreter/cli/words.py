"""The commands of a conversation, as a table: help, completion and documentation are readings of it."""

from __future__ import annotations

from typing import NamedTuple

from ..config.keys import N_


class Word(NamedTuple):
    name: str
    help: str
    argument: str = ""


WORDS = (
    Word("help", N_("This list.")),
    Word("undo", N_("Take back the last turn, or the last N, with files and variables."), "[N] [--conversation]"),
    Word("reset", N_("Begin the conversation anew and restart the kernels; the log keeps everything.")),
    Word("save", N_("Save the conversation as JSON."), "FILE"),
    Word("load", N_("Go on with the session that a saved conversation belongs to."), "FILE"),
    Word("resume", N_("Go on with another session: its id, the beginning of it, or last."), "ID"),
    Word("stage", N_("Staged mode: show, diff, commit or drop what would change."), "[VERB] [PATH ...]"),
    Word(
        "skill",
        N_("Do a task with a skill, list them, or keep what succeeded as a new one."),
        "[NAME TASK | save NAME]",
    ),
    Word("sessions", N_("List the sessions.")),
    Word("model", N_("Show the model, or go on with another."), "[NAME]"),
    Word("tokens", N_("Tokens, cost and the model's window so far.")),
    Word("ask", N_("Ask before code runs.")),
    Word("auto", N_("Run code without asking, or ask again."), "[on|off]"),
    Word("plan", N_("Plan only: nothing runs but what only reads; or end it."), "[on|off]"),
    Word("mode", N_("Show the mode, or go over to ask, auto or plan."), "[MODE]"),
    Word("verbose", N_("Show requests and usage, or hide them."), "[on|off]"),
    Word("jupyter", N_("Export the session as a notebook."), "[FILE]"),
    Word("markdown", N_("Export the session as Markdown."), "[FILE]"),
    Word("detach", N_("Leave; what runs goes on without this terminal, and `interpreter attach` joins it.")),
    Word("exit", N_("Leave; everything is kept.")),
)
COMMAND_WORDS = tuple(word.name for word in WORDS)
