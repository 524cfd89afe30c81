"""Variables that make a shell, or a program, run something by itself."""

from __future__ import annotations

from .state import Machine, Run, child

SPECIAL = frozenset(
    [
        "PATH",
        "PROMPT_COMMAND",
        "BASH_ENV",
        "ENV",
        "IFS",
        "CDPATH",
        "SHELLOPTS",
        "BASHOPTS",
        "GLOBIGNORE",
        "EDITOR",
        "VISUAL",
        "PAGER",
        "SHELL",
        "HOME",
    ]
)
SPECIAL_BEGINNINGS = (
    "LD_",
    "DYLD_",
    "PYTHON",
    "NODE_",
    "GIT_",
    "PERL5",
    "RUBY",
    "PS",
    "JAVA_TOOL",
    "_JAVA",
    "BASH_FUNC",
)
RUN_BY_PROGRAMS = frozenset(
    (
        "GIT_EDITOR", "GIT_PAGER", "GIT_SEQUENCE_EDITOR", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF",
        "GIT_ASKPASS", "GIT_PROXY_COMMAND", "EDITOR", "VISUAL", "PAGER", "MANPAGER", "BROWSER", "RSYNC_RSH", "LESSOPEN",
        "LESSCLOSE", "SSH_ASKPASS", "SUDO_ASKPASS", "KUBE_EDITOR", "FCEDIT", "PROMPT_COMMAND",
    )
)  # fmt: skip
"""Their values are commands."""


def set_by_variable(machine: Machine, name: str, value: str, run: Run) -> None:
    """Read what runs because this variable is set."""
    if name in RUN_BY_PROGRAMS and value:
        machine.read_code(value.lstrip("|- "), run, name, state=child(run))
    elif name in ("BASH_ENV", "ENV") and value:
        machine.note(f"a shell would run the file that {name} names")
    elif name.startswith("PS") and name[2:].isdigit() and ("$(" in value or "`" in value):
        machine.note("a prompt that runs commands")
    elif name.startswith("BASH_FUNC_"):
        machine.note("a function that comes by a variable")
