"""git and other programs whose options or arguments are commands."""

from __future__ import annotations

import re

from .options import spec, take
from .state import Machine, Run, child, clean, known

_GLOBAL = spec("pPvh", "Cc", "paginate no-pager bare no-replace-objects literal-pathspecs glob-pathspecs "
               "noglob-pathspecs icase-pathspecs no-optional-locks version help html-path exec-path",
               "git-dir work-tree namespace super-prefix config-env list-cmds")  # fmt: skip
_RUN_BY_GIT = re.compile(
    r"(core\.(sshcommand|pager|editor|fsmonitor|hookspath|gitproxy|askpass)|pager\..*|sequence\.editor|alias\..*|"
    r"credential(\..*)?\.helper|diff\..*\.(command|textconv)|diff\.external|merge\..*\.driver|filter\..*\."
    r"(clean|smudge|process)|gpg(\..*)?\.program|.*tool\..*\.cmd|ssh\.variant|uploadpack\.packobjectshook|"
    r"trailer\..*\.command|receive\.procreceiverefs|include(if)?\..*path|core\.gitproxy|browser\..*\.cmd)",
    re.IGNORECASE,
)


def git(machine: Machine, run: Run) -> str | None:
    machine.emit(run)
    taken = take(run.words, _GLOBAL)
    rest = run.words[taken.rest :]
    if taken.unknown:
        machine.note(f"an option of 'git' is not known: {clean(taken.unknown)}")
    for setting in taken.values("-c"):
        name, _equals, value = setting.partition("=")
        configured(machine, run, name, value, rest)
    if rest[:1] == ["config"]:
        plain = [word for word in rest[1:] if not word.startswith("-") and word not in ("set",)]
        if len(plain) > 1:
            configured(machine, run, plain[0], plain[1], [])
    for code in codes(rest):
        machine.read_code(code, run, "git", state=child(run))
    if rest[:2] == ["bisect", "run"]:
        return machine.execute(run.inside("git", rest[2:]))
    return None


def configured(machine: Machine, run: Run, name: str, value: str, rest: list[str]) -> None:
    """A setting that holds a command."""
    name = clean(name)
    if not known(name):
        machine.note("a setting of git whose name is not known")
    if not _RUN_BY_GIT.fullmatch(name):
        return
    lower = name.lower()
    if lower.startswith("alias."):
        if value.startswith("!"):
            machine.read_code(value[1:], run, "git", state=child(run))
        elif rest and rest[0] == name[6:]:
            machine.read_code(f"git {value}", run, "git", state=child(run))
    elif lower in ("core.hookspath",) or lower.startswith("include"):
        machine.note(f"git would take programs from {clean(value)!r}")
    elif value in ("true", "false", "", "cat", "less", "store", "cache", "osxkeychain", "manager", "libsecret") or (
        lower.startswith("credential") and not value.startswith(("!", "/"))
    ):
        pass
    else:
        machine.read_code(value.lstrip("!"), run, "git", state=child(run))


def codes(rest: list[str]) -> list[str]:
    """Shell code among the arguments of a subcommand."""
    if not rest:
        return []
    if rest[:2] == ["submodule", "foreach"]:
        return [" ".join(word for word in rest[2:] if word not in ("--recursive", "-q", "--quiet"))]
    found: list[str] = []
    takes = {"rebase": ("-x", "--exec"), "filter-branch": (), "difftool": ("-x", "--extcmd"),
             "grep": ("-O", "--open-files-in-pager"), "clone": ("-u", "--upload-pack"), "fetch": ("--upload-pack",),
             "pull": ("--upload-pack",), "push": ("--receive-pack", "--exec"), "ls-remote": ("--upload-pack", "--exec"),
             "archive": ("--exec",)}.get(rest[0])  # fmt: skip
    if takes is None:
        return []
    for at, word in enumerate(rest[1:], 1):
        name, equals, value = word.partition("=")
        filters = rest[0] == "filter-branch" and name.endswith("-filter") and name.startswith("--")
        if name in takes or filters:
            found += [value] if equals else rest[at + 1 : at + 2]
        elif "-O" in takes and word.startswith("-O") and len(word) > 2:
            found.append(word[2:])
        elif word.startswith("ext::"):
            found.append(word[5:])
    return found


def option_codes(machine: Machine, run: Run) -> str | None:
    """tar, rsync, zip ...: options whose value is a command."""
    machine.emit(run)
    name = run.words[0].rpartition("/")[2]
    takes = {"tar": ("--to-command", "--use-compress-program", "-I", "--checkpoint-action", "--info-script", "-F",
                     "--rsh-command", "--new-volume-script"),
             "rsync": ("-e", "--rsh", "--rsync-path"), "zip": ("-TT", "--unzip-command"),
             "sort": ("--compress-program",), "make": ("SHELL",), "scp": ("-S",), "sftp": ("-S",),
             "split": ("--filter",), "entr": (), "man": ("-P", "--pager", "-H", "--html"), "less": (), "nmap": (),
             "wget": ("--use-askpass",), "tcpdump": ("-z",), "openssl": (), "ssh-keygen": ("-D",),
             "rg": ("--pre", "--hostname-bin"), "bat": ("--pager",), "ag": ("--pager",),
             "go": ("-exec", "-toolexec", "-vettool")}[name]  # fmt: skip
    for at, word in enumerate(run.words[1:], 1):
        option, equals, value = word.partition("=")
        if word[:2] in takes and not word.startswith("--"):
            option, equals, value = word[:2], word[2:], word[2:].removeprefix("=")
        if option not in takes:
            continue
        code = value if equals else "".join(run.words[at + 1 : at + 2])
        if option == "--checkpoint-action":
            kind, _equals, code = code.partition("=")
            if kind != "exec":
                continue
        if code and code != "ssh":
            machine.read_code(code, run, name, state=child(run))
    if name == "entr":
        rest = run.words[take(run.words, spec("acdnprsz")).rest :]
        return machine.execute(run.inside(name, rest)) if rest else None
    return None
