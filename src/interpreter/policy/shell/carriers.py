"""Programs that run another command and do more than that: they are commands of their own as well."""

from __future__ import annotations

from ..facts import UNKNOWN
from .effects import found_by
from .options import operands, spec, take
from .state import SPLIT, Machine, Run, child, clean, elsewhere, known


def arguments_from_input(machine: Machine, run: Run) -> str | None:
    """xargs"""
    machine.emit(run)
    taken = take(run.words, spec("0prtxo", "aEILnPsdJRS", "null no-run-if-empty interactive verbose exit open-tty "
                                 "show-limits", "arg-file delimiter eof replace max-lines max-args max-procs max-chars "
                                 "process-slot-var", optional="eil"))  # fmt: skip
    if taken.unknown:
        machine.note(f"an option of 'xargs' is not known: {clean(taken.unknown)}")
    rest = run.words[taken.rest :] or ["echo"]
    mark = taken.value("-I", "-J", "--replace")
    mark = mark if mark is not None else "{}" if taken.has("-i", "--replace") else None
    given = run.context.input if not taken.has("-a", "--arg-file") else None
    words = [SPLIT]
    if given is not None and known(given) and "'" not in given and '"' not in given and "\\" not in given:
        words = given.split()
    words = words if len(words) < 60 else [SPLIT]
    if mark:
        words = [given.strip()] if given is not None and known(given) and "\n" not in given.strip() else [UNKNOWN]
        rest = [word.replace(mark, words[0]) for word in rest]
        words = []
    most = taken.value("-n", "--max-args", "-L", "--max-lines") or ""
    size = int(most) if most.isdigit() and int(most) else len(words) or 1
    for at in range(0, max(len(words), 1), size):
        inner = run.inside("xargs", [*rest, *words[at : at + size]])
        inner.context = inner.context._replace(input="")
        machine.execute(inner)
    return None


_FIND_TESTS_WITH_VALUE = frozenset(
    [
        "-name",
        "-iname",
        "-path",
        "-ipath",
        "-wholename",
        "-iwholename",
        "-regex",
        "-iregex",
        "-type",
        "-xtype",
        "-size",
        "-mtime",
        "-atime",
        "-ctime",
        "-mmin",
        "-amin",
        "-cmin",
        "-newer",
        "-anewer",
        "-cnewer",
        "-perm",
        "-user",
        "-group",
        "-uid",
        "-gid",
        "-maxdepth",
        "-mindepth",
        "-links",
        "-inum",
        "-samefile",
        "-lname",
        "-ilname",
        "-fstype",
        "-printf",
        "-regextype",
        "-used",
        "-context",
        "-D",
    ]
)
_FIND_RUNS = frozenset(("-exec", "-execdir", "-ok", "-okdir"))


def find(machine: Machine, run: Run) -> str | None:
    machine.emit(run)
    words = run.words
    at = 1
    while at < len(words) and (words[at] in ("-H", "-L", "-P") or words[at].startswith(("-D", "-O"))):
        at += 1
    starts: list[str] = []
    while at < len(words) and not (words[at].startswith(("-", "(", "!"))):
        starts.append(words[at])
        at += 1
    places = found_by(words[at:], starts)
    while at < len(words):
        word = words[at]
        at += 1
        if word in _FIND_RUNS:
            end = next((place for place in range(at, len(words)) if words[place] in (";", "+")), len(words))
            # A `+` ends it only after `{}`; taken too early, the rest is read as further tests.
            for place in places:
                inner = run.inside("find", [piece.replace("{}", place) for piece in words[at:end]])
                inner.context = inner.context._replace(input="")
                machine.execute(inner)
            at = end + 1
        elif word in _FIND_TESTS_WITH_VALUE:
            at += 1
        elif not known(word) and SPLIT in word:
            machine.note("what 'find' does is not known")
    return None


def find_fast(machine: Machine, run: Run) -> str | None:
    """fd"""
    machine.emit(run)
    for mark in ("-x", "-X", "--exec", "--exec-batch"):
        if mark in run.words:
            rest = run.words[run.words.index(mark) + 1 :]
            end = rest.index(";") if ";" in rest else len(rest)
            machine.execute(run.inside("fd", [word.replace("{}", UNKNOWN) for word in rest[:end]] + [SPLIT]))
    return None


def parallel(machine: Machine, run: Run) -> str | None:
    machine.emit(run)
    options = spec("kuqtmXv0", "jnNPSaCdILs", "keep-order ungroup quote verbose dry-run bar progress eta halt-on-error "
                   "line-buffer lb tag null xargs group", "jobs colsep halt joblog results retries timeout delay load "
                   "arg-file max-args max-procs sshlogin workdir memfree delimiter nice")  # fmt: skip
    taken = take(run.words, options)
    if taken.unknown:
        machine.note(f"an option of 'parallel' is not known: {clean(taken.unknown)}")
    rest = run.words[taken.rest :]
    marks = [at for at, word in enumerate(rest) if word in (":::", "::::", ":::+")]
    command, lists = (rest[: marks[0]], rest[marks[0] + 1 :]) if marks else (rest, [])
    given = [word for word in lists if not word.startswith(":::")] if ":::" in rest and "::::" not in rest else []
    given = given if 0 < len(given) < 30 and all(map(known, given)) else [UNKNOWN]
    for one in given:
        if not command:
            machine.read_code(one, run, "parallel", state=child(run))
            continue
        text = " ".join(command)
        for mark in ("{}", "{1}", "{.}", "{/}", "{//}", "{/.}"):
            text = text.replace(mark, one)
        if "{" not in " ".join(command):
            text = f"{text} {one}"
        if one == UNKNOWN:
            # Every word is shell code for it; an unknown argument is quoted by it.
            machine.program(text, child(run), run.inside("parallel", []).context)
        else:
            machine.read_code(text, run, "parallel", state=child(run))
    return None


def watch(machine: Machine, run: Run) -> str | None:
    taken = take(run.words, spec("bcdeghptvwxrC", "nqs", "beep color errexit chgexit no-title exec no-wrap precise "
                                 "differences no-rerun", "interval equexit shotsdir", optional="d"))  # fmt: skip
    if taken.unknown:
        machine.note(f"an option of 'watch' is not known: {clean(taken.unknown)}")
    rest = run.words[taken.rest :]
    if taken.has("-x", "--exec"):
        return machine.execute(run.inside("watch", rest)) if rest else None
    machine.read_code(" ".join(rest), run, "watch", state=child(run))
    return None


def remote(machine: Machine, run: Run) -> str | None:
    """ssh"""
    machine.emit(run)
    options = spec("46AaCfGgKkMNnqsTtVvXxYy", "BbcDEeFIiJLlmOopPQRSWw")
    taken = take(run.words, options)
    for value in taken.values("-o"):
        key, _equals, command = value.replace("=", " ", 1).partition(" ")
        if key.lower() in ("proxycommand", "localcommand", "knownhostscommand"):
            machine.read_code(command.strip(), run, "ssh", state=child(run))
    rest = run.words[taken.rest :]
    if taken.unknown and SPLIT not in " ".join(run.words[1 : taken.rest]):
        machine.note(f"an option of 'ssh' is not known: {clean(taken.unknown)}")
    if not rest:
        return None
    # Options may stand after the host as well.
    after = take(rest, options)
    code = rest[after.rest :]
    host = clean(rest[0])
    if code:
        machine.read_code(" ".join(code), run, "ssh", state=elsewhere(run), host=host)
    elif run.context.input:
        machine.read_code(run.context.input, run, "ssh", state=elsewhere(run), host=host)
    elif run.context.input is None:
        machine.note("a shell on another machine reads its commands from a pipe or file that is not known")
    return None


_DOCKER_GLOBAL = spec(
    "Dv", "cHl", "debug tls tlsverify version", "config context host log-level tlscacert tlscert tlskey"
)
_DOCKER_FLAGS = frozenset(
    [
        "--rm",
        "--init",
        "--privileged",
        "--read-only",
        "--publish-all",
        "--no-healthcheck",
        "--oom-kill-disable",
        "--sig-proxy",
        "--detach",
        "--interactive",
        "--tty",
        "--disable-content-trust",
        "--quiet",
        "--no-deps",
        "--service-ports",
        "--use-aliases",
        "--no-TTY",
        "--build",
        "--quiet-pull",
        "--remove-orphans",
        "--tls-verify",
        "--replace",
        "--systemd",
        "--no-tty",
        "--stdin",
    ]
)
_COMPOSE = spec("", "fp", "all-resources compatibility dry-run", "file project-name profile env-file parallel progress "
                "project-directory ansi")  # fmt: skip


def container(machine: Machine, run: Run) -> str | None:
    """docker, podman, nerdctl: exec and run, also of compose."""
    machine.emit(run)
    name = run.words[0].rpartition("/")[2]
    taken = take(run.words, _COMPOSE if name == "docker-compose" else _DOCKER_GLOBAL)
    rest = run.words[taken.rest :]
    if rest[:1] == ["compose"]:
        rest = rest[take(rest, _COMPOSE).rest :]
    if rest[:1] in (["container"], ["image"]):
        rest = rest[1:]
    if not rest or rest[0] not in ("exec", "run", "create"):
        return None
    entry: list[str] = []
    at = 1
    while at < len(rest) and rest[at].startswith("-"):
        word = rest[at]
        at += 1
        if word == "--entrypoint" and at < len(rest):
            entry = [rest[at]]
        elif word.startswith("--entrypoint="):
            entry = [word.partition("=")[2]]
        if word.startswith("--"):
            at += word not in _DOCKER_FLAGS and "=" not in word
        else:
            at += word[-1] not in "itdPqT" and len(word) == 2
    host = clean(rest[at]) if at < len(rest) else ""
    command = [*entry, *rest[at + 1 :]]
    if command:
        inner = run.inside(name, command)
        inner.state = elsewhere(run)
        inner.context = inner.context._replace(host=host)
        machine.execute(inner)
    return None


def cluster(machine: Machine, run: Run) -> str | None:
    """kubectl exec POD -- command, kubectl run"""
    machine.emit(run)
    words = run.words
    plain = operands(words, "nfl", "namespace context kubeconfig cluster user container filename")
    if plain[:1] not in (["exec"], ["run"], ["debug"], ["rsh"]):
        return None
    if "--" in words:
        command = words[words.index("--") + 1 :]
    elif plain[0] in ("exec", "rsh"):
        at = words.index(plain[1]) if len(plain) > 1 else len(words)
        command = words[at + 1 :]
        while command and command[0].startswith("-"):
            command = command[2:] if command[0] in ("-c", "--container", "-n", "--namespace") else command[1:]
    else:
        command = []
    if command:
        inner = run.inside(words[0].rpartition("/")[2], command)
        inner.state = elsewhere(run)
        inner.context = inner.context._replace(host=clean(plain[1]) if len(plain) > 1 else UNKNOWN)
        machine.execute(inner)
    return None


def first_word(machine: Machine, run: Run) -> str | None:
    """busybox rm, toybox rm"""
    if len(run.words) < 2 or run.words[1].startswith("-"):
        machine.emit(run)
        return None
    return machine.execute(run.inside(run.words[0].rpartition("/")[2], run.words[1:]))


def lock(machine: Machine, run: Run) -> str | None:
    """flock FILE command, flock FILE -c code"""
    taken = take(run.words, spec("snouxeFvh", "wE", "shared exclusive unlock nonblock close no-fork verbose",
                                 "wait timeout conflict-exit-code"))  # fmt: skip
    rest = run.words[taken.rest :]
    if taken.unknown:
        machine.note(f"an option of 'flock' is not known: {clean(taken.unknown)}")
    if len(rest) < 2:
        machine.emit(run)
        return None
    if rest[1] in ("-c", "--command"):
        return machine.read_code(" ".join(rest[2:3]), run, "flock", state=child(run))
    return machine.execute(run.inside("flock", rest[1:]))


def typescript(machine: Machine, run: Run) -> str | None:
    """script -c code"""
    machine.emit(run)
    taken = take(run.words, spec("aefqv", "cEOIBTmot", "append return flush force quiet", "command echo log-out log-in "
                                 "log-io log-timing logging-format output-limit", loose=True))  # fmt: skip
    code = taken.value("-c", "--command")
    if code is not None:
        machine.read_code(code, run, "script", state=child(run))
    return None


def later(machine: Machine, run: Run) -> str | None:
    """at, batch, crontab -: commands come by the input."""
    machine.emit(run)
    if run.context.input and known(run.context.input):
        name = run.words[0].rpartition("/")[2]
        text = run.context.input
        if name == "crontab":
            lines = [line.split(None, 1 if line.startswith("@") else 5) for line in text.splitlines()]
            text = "\n".join(line[-1] for line in lines if len(line) > 1 and not line[0].startswith("#"))
        machine.read_code(text, run, name, state=child(run))
    elif run.context.input != "":
        machine.note(f"{run.words[0]!r} reads commands that are not known")
    return None


def terminal(machine: Machine, run: Run) -> str | None:
    """tmux, screen: commands that run in a new terminal."""
    machine.emit(run)
    name = run.words[0].rpartition("/")[2]
    if name == "screen":
        rest = run.words[take(run.words, spec("aAdDimORrUvxlLqw", "SscehTtpX", loose=True)).rest :]
        return machine.execute(run.inside(name, rest)) if rest else None
    runs = ("new", "new-session", "new-window", "neww", "split-window", "splitw", "respawn-pane", "run-shell", "run",
            "if-shell", "send-keys", "send", "popup", "display-popup", "pipe-pane")  # fmt: skip
    at = next((at for at, word in enumerate(run.words) if word in runs), None)
    if at is None:
        return None
    rest = [word for word in operands(run.words[at:], "cFnstxyelT") if word not in ("Enter", "C-m")]
    if rest:
        machine.read_code(" ".join(rest), run, name, state=child(run))
    return None


def runner(machine: Machine, run: Run) -> str | None:
    """uv run, poetry run, npm exec, conda run, npx ...: what they run is a command of the project."""
    machine.emit(run)
    name = run.words[0].rpartition("/")[2]
    words = run.words if name in ("npx", "bunx", "direnv", "dotenv", "op", "aws-vault") else run.words[1:]
    if name not in ("npx", "bunx") and (len(run.words) < 3 or run.words[1] not in ("run", "exec", "x", "dlx")):
        return None
    rest = words[take(words, spec("yqvsi", "cnpfCED", "yes quiet verbose no-sync isolated frozen locked all-extras "
                                  "no-project live-stream no-capture-output dev",
                                  "package with extra group python name prefix project env-file directory cwd",
                                  loose=True)).rest :]  # fmt: skip
    if "--" in words:
        rest = words[words.index("--") + 1 :]
    code = take(words, spec(values="c")).value("-c", "--call") if name in ("npx", "npm") else None
    if code:
        return machine.read_code(code, run, name, state=child(run))
    scripts = name in ("npm", "yarn", "pnpm", "bun") and run.words[1:2] == ["run"]
    if rest and not scripts:
        machine.execute(run.inside(name, rest))
    return None
