"""What steps did that cannot be taken back, as far as the log and the reading of their code tell."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from .. import policy
from ..policy.facts import UNKNOWN, Command, Reading
from ..text.clean import clean_text
from ..text.i18n import _
from ..types.tooling import TOOL
from .course import Step

MOST = 30
LINE = 100
ANY = re.compile("")
OUTWARD: dict[str, re.Pattern[str]] = {
    "git": re.compile(r"\b(push|send-email|send-pack)\b"),
    "docker": re.compile(r"\b(push|run|start|stop|kill|rm|rmi|compose|stack|service|exec|volume|network|system)\b"),
    "podman": re.compile(r"\b(push|run|start|stop|kill|rm|rmi|exec|volume|network|system)\b"),
    "kubectl": re.compile(r"\b(apply|create|delete|replace|patch|edit|scale|rollout(?! (status|history)\b)|run|exec"
                          r"|label|annotate|autoscale|set|drain|cordon|taint|expose|cp)\b"),
    "helm": re.compile(r"\b(install|upgrade|uninstall|delete|rollback|push)\b"),
    "terraform": re.compile(r"\b(apply|destroy|import|taint|state)\b"),
    "curl": re.compile(r"(^| )(-[a-zA-Z]*[dFT]|--data\S*|--form\S*|--json|--upload-file)( |=|$)"
                       r"|(-X|--request)[ =]?(POST|PUT|PATCH|DELETE)"),
    "wget": re.compile(r"--(post|method|body)"),
    "http": re.compile(r"\b(POST|PUT|PATCH|DELETE)\b"),
    "npm": re.compile(r"\b(publish|unpublish|deprecate)\b"), "yarn": re.compile(r"\bpublish\b"),
    "twine": re.compile(r"\bupload\b"), "cargo": re.compile(r"\bpublish\b"), "gem": re.compile(r"\bpush\b"),
    "gh": re.compile(r"\b(create|merge|close|delete|edit|comment|review|release|api)\b"),
    "aws": ANY, "gcloud": ANY, "az": ANY, "ssh": ANY, "scp": ANY, "sftp": ANY, "mail": ANY, "mailx": ANY,
    "mutt": ANY, "sendmail": ANY, "msmtp": ANY, "rclone": ANY, "ansible": ANY, "ansible-playbook": ANY,
    "rsync": re.compile(r"\S+:"), "psql": ANY, "mysql": ANY, "mongosh": ANY, "redis-cli": ANY,
    "systemctl": re.compile(r"\b(start|stop|restart|reload|enable|disable|kill|isolate)\b"),
    "kill": ANY, "pkill": ANY, "killall": ANY, "crontab": ANY, "at": ANY, "shutdown": ANY, "reboot": ANY,
}  # fmt: skip
"""Programs whose effect is elsewhere, with what of their arguments makes it so."""

LOOKING = frozenset((
    "read_file", "read_log", "search_files", "search_web", "search_issue", "knowledge_search", "recall", "prometheus",
    "find_tool", "read_skill",
))  # fmt: skip
"""Tools that come with the program and change nothing. What others do is not known here."""


def irreversible(steps: Sequence[Step], workspace: Path) -> tuple[str, ...]:
    """One line for each: what was sent, reached, opened or written outside the folder. Never raises."""
    found: list[str] = []
    for step in steps:
        lines = dict.fromkeys(lines_of(step, workspace))
        found.extend(_("step {n}: {what}", n=step.number, what=line) for line in lines)
    if len(found) > MOST:
        found[MOST:] = [_("and {n} more", n=len(found) - MOST)]
    return tuple(found)


def lines_of(step: Step, workspace: Path) -> Iterator[str]:
    for call in dict.fromkeys(step.called):
        if call.partition("(")[0] not in LOOKING:
            yield _("called the tool {call}", call=short(call))
    reading = Reading() if step.language == TOOL else policy.read_code(step.language, step.code)
    for command in reading.commands:
        if outward(command):
            yield short(command.text or " ".join(command.words))
    for host in dict.fromkeys(step.reached):
        times = step.reached.count(host)
        yield _("reached {host}", host=host) + (" " + _("({n} times)", n=times) if times > 1 else "")
    for path in (*reading.writes, *reading.deletes):
        if outside(path, workspace):
            yield _("wrote or deleted {path}, outside the folder", path=short(path))
    for path in step.grants:
        yield _("was allowed to use {path}", path=short(path))


def outward(command: Command) -> bool:
    pattern = OUTWARD.get(command.name)
    return bool(command.host) or (pattern is not None and pattern.search(" ".join(command.words[1:])) is not None)


def outside(path: str, workspace: Path) -> bool:
    """Whether a path, as it is written in code, lies for certain outside the workspace and holds something."""
    if UNKNOWN in path or not path.startswith(("/", "~")):
        return path.startswith("../")
    whole = Path(os.path.normpath(Path(path).expanduser()))
    return not any(whole.is_relative_to(one) for one in (workspace, "/dev", "/proc"))


def short(text: str) -> str:
    line = clean_text(" ".join(text.replace(UNKNOWN, "…").split()))
    return line if len(line) <= LINE else line[:LINE] + "…"
