"""Programs that run the command which stands after their own options."""

from __future__ import annotations

import shlex

from .options import Options, spec, take
from .state import Machine, Run, child, clean, known

PREFIXES: dict[str, Options] = {
    "nohup": spec(),
    "time": spec("apvqV", "fo", "portability append verbose quiet", "format output"),
    "timeout": spec("vf", "ks", "foreground preserve-status verbose", "kill-after signal", 1),
    "gtimeout": spec("vf", "ks", "foreground preserve-status verbose", "kill-after signal", 1),
    "nice": spec("", "n", "", "adjustment", numbers=True),
    "ionice": spec("t", "cnpPu", "ignore", "class classdata pid pgid uid"),
    "chrt": spec("abdfiormRv", "TPD", "all-tasks batch deadline fifo idle other rr reset-on-fork max", "", 1),
    "taskset": spec("ac", "", "all-tasks cpu-list", "", 1),
    "numactl": spec("alHs", "CNmipb", "localalloc all hardware show", "cpunodebind physcpubind membind "
                    "interleave preferred"),
    "stdbuf": spec("", "ioe", "", "input output error"),
    "setsid": spec("cfw", "", "ctty fork wait"),
    "unbuffer": spec("p"),
    "builtin": spec(),
    "exec": spec("cl", "a"),
    "doas": spec("nsL", "uC"),
    "pkexec": spec("", "", "disable-internal-agent keep-cwd", "user"),
    "gosu": spec(operands=1),
    "su-exec": spec(operands=1),
    "chpst": spec("vP012", "uUbedop/nlL"),
    "setpriv": spec("d", "", "clear-groups keep-groups init-groups no-new-privs reset-env dump nnp",
                    "reuid regid ruid euid rgid egid groups inh-caps ambient-caps bounding-set securebits pdeathsig "
                    "selinux-label apparmor-profile"),
    "chroot": spec("", "", "skip-chdir", "userspec groups", 1),
    "unshare": spec("muinpUCTrcfiw", "RSGw", "mount uts ipc net pid user cgroup time map-root-user fork mount-proc "
                    "map-current-user map-auto keep-caps kill-child", "root wd setuid setgid propagation setgroups",
                    optional="muinpUCT"),
    "nsenter": spec("aFr", "tSGw", "all no-fork preserve-credentials mount uts ipc net pid user cgroup time root wd",
                    "target setuid setgid", optional="muinpUCTrw"),
    "strace": spec("cCdDfFhiknqrtTvVwxyYzZ", "abeEoOpPsSuUX", "", "", loose=True),
    "ltrace": spec("bcCfhiLrStTV", "aAeFlnopsuwx", "", "", loose=True),
    "valgrind": spec("hqv", "", loose=True),
    "catchsegv": spec(),
    "rlwrap": spec("acimnNorRtvXz", "bCdDefgHlpPqsSw", loose=True),
    "faketime": spec("mp", "f", "", "", 1),
    "chronic": spec("ve"),
    "eatmydata": spec(),
    "proxychains": spec("q", "f"),
    "proxychains4": spec("q", "f"),
    "torsocks": spec("diq", "auPp"),
    "firejail": spec(loose=True),
    "systemd-run": spec("dGPqrStv", "EpMHuC", "scope user system pty pipe wait collect quiet shell no-block "
                        "remain-after-exit same-dir send-sighup no-ask-password",
                        "unit property setenv description slice uid gid nice on-active on-boot on-calendar machine "
                        "working-directory"),
    "systemd-inhibit": spec("", "", "", "what who why mode"),
    "caffeinate": spec("dimsu", "tw"),
    "setarch": spec("hvBFILRSTXZ3", "p", "addr-no-randomize", "", 1),
    "linux32": spec("BFILRSTXZ3"),
    "linux64": spec("BFILRSTXZ3"),
    "prlimit": spec("", "p", loose=True, optional="cdefilmnqrstuvxy"),
    "dbus-run-session": spec("", "", "", "config-file dbus-daemon"),
    "xvfb-run": spec("ahl", "efnpsw", "auto-servernum help listen-tcp", "error-file auth-file server-num server-args"),
    "tini": spec("gsvw", "ep"),
    "dumb-init": spec("cvr", "r", "single-child verbose"),
    "optirun": spec(), "primusrun": spec(), "cpulimit": spec("bivz", "lpe"), "ccache": spec(), "sccache": spec(),
    "distcc": spec(), "fakeroot": spec("uhv", "lsibf", loose=True), "proot": spec("0", "rbqwkmv", loose=True),
    "perf": spec(loose=True, operands=1, flags="adgvqi", values="eFopCcrD"),
    "hyperfine": spec("iNV", "wrmMpPLsScou", loose=True),
    "with-contenv": spec(), "uvx": spec("qvn", "p", loose=True), "pipx": spec(loose=True),
    "sudo": spec("AbBEeHKklnNPSsVvi", "CgGhprtTuURDa",
                 "askpass background bell edit set-home login remove-timestamp list non-interactive preserve-groups "
                 "stdin shell validate reset-timestamp preserve-env help version no-update",
                 "close-from group host prompt role chroot command-timeout type other-user user chdir"),
}  # fmt: skip
LOADER = spec("", "", "list verify inhibit-cache list-tunables list-diagnostics",
              "library-path inhibit-rpath audit preload argv0 glibc-hwcaps-prepend glibc-hwcaps-mask")  # fmt: skip
ROOTS = frozenset(("sudo", "doas", "pkexec"))


def prefixed(machine: Machine, run: Run, name: str, options: Options) -> str | None:
    """A wrapper out of the table."""
    taken = take(run.words, options)
    if taken.unknown:
        machine.note(f"an option of {name!r} is not known: {clean(taken.unknown)}")
    rest = run.words[taken.rest :]
    variables: list[tuple[str, str]] = []
    while name in ROOTS and rest and "=" in rest[0] and rest[0].partition("=")[0].isidentifier():
        key, _equals, value = rest.pop(0).partition("=")
        variables.append((key, clean(value)))
    if not rest or (name in ROOTS and taken.has("-e", "--edit", "-l", "--list")):
        machine.emit(run)
        return "" if name == "exec" else None
    if name in ROOTS and taken.has("-i", "-s", "--login", "--shell"):
        return machine.read_code(" ".join(map(shlex.quote, rest)), run, name, state=child(run))
    return machine.execute(run.inside(name, rest, variables=variables))


def environment(machine: Machine, run: Run) -> str | None:
    """env"""
    words = list(run.words)
    options = spec("0iv", "uCS", "ignore-environment null debug", "unset chdir split-string",
                   optional="", loose=False)  # fmt: skip
    taken = take(words, options)
    if taken.unknown:
        machine.note(f"an option of 'env' is not known: {clean(taken.unknown)}")
    rest = words[taken.rest :]
    text = taken.value("-S", "--split-string")
    if text is not None:
        try:
            pieces = shlex.split(text)
        except ValueError:
            pieces = []
        if not known(text) or "$" in text or "\\" in text or not pieces:
            machine.note("what 'env -S' runs is not known")
        rest = ["env", *pieces, *rest]
        return machine.execute(run.inside("env", rest))
    variables: list[tuple[str, str]] = []
    while rest and "=" in rest[0]:
        name, _equals, value = rest.pop(0).partition("=")
        variables.append((clean(name), clean(value)))
    if not rest:
        machine.emit(run)
        return None
    machine.powerful(variables, run)
    inner = run.inside("env", rest, variables=variables)
    folder = taken.value("-C", "--chdir")
    if folder:
        inner.state = run.state.copy()
        inner.state.folder = clean(folder)
    return machine.execute(inner)


def looked_up(machine: Machine, run: Run) -> str | None:
    """command: runs it, past functions and aliases; with -v it only names it."""
    taken = take(run.words, spec("pvV"))
    rest = run.words[taken.rest :]
    if taken.has("-v", "-V") or not rest:
        machine.emit(run)
        return rest[0] + "\n" if len(rest) == 1 and taken.has("-v") else None
    if taken.unknown:
        machine.note("an option of 'command' is not known")
    return machine.execute(run.inside("command", rest))


def as_user(machine: Machine, run: Run) -> str | None:
    """su, runuser: `-c code`, or a command after `--`."""
    taken = take(run.words, spec("lmpPfh", "cCgGswuT", "login preserve-environment pty fast",
                                 "command session-command group supp-group shell whitelist-environment "
                                 "user"))  # fmt: skip
    rest = run.words[taken.rest :]
    name = run.words[0].rpartition("/")[2]
    machine.emit(run)
    code = taken.value("-c", "--command", "--session-command")
    if taken.unknown:
        machine.note(f"an option of {name!r} is not known: {clean(taken.unknown)}")
    if rest and taken.has("-u", "--user") and code is None:
        return machine.execute(run.inside(name, rest))
    if code is None and rest and rest[0] in ("-", "-l"):
        rest = rest[1:]
    if code is None and "-c" in rest:
        at = rest.index("-c")
        code = rest[at + 1] if at + 1 < len(rest) else None
    if code is not None:
        machine.read_code(code, run, name, state=child(run))
    elif run.context.input is None:
        machine.note(f"{name!r} reads its commands from a pipe")
    elif run.context.input:
        machine.read_code(run.context.input, run, name, state=child(run))
    return None
