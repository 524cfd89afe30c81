"""What commands of operations are about: branches, namespaces, contexts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .facts import UNKNOWN, Command

CLUSTER_PROGRAMS = frozenset(("kubectl", "oc", "helm", "k9s", "stern", "kustomize", "argocd", "flux", "istioctl"))
CLUSTER_VALUED = frozenset((
    "-n", "--namespace", "--context", "--kube-context", "--kubeconfig", "--cluster", "--user", "-s", "--server", "--as",
    "--as-group", "--request-timeout", "-v", "--v",
))  # fmt: skip
"""Options before a subcommand that take the next word."""
EVERYWHERE = re.compile(r"-w*Aw*|--all-namespaces(=true)?")
SERVER_PROGRAMS = frozenset(("psql", "mysql", "mariadb", "mysqladmin", "mysqldump", "pg_dump", "redis-cli", "mongo",
                             "mongosh", "sqlcmd", "clickhouse-client", "ansible", "ansible-playbook"))  # fmt: skip
PUSH_VALUED = frozenset(("-o", "--push-option", "--repo", "--receive-pack", "--exec"))
GIT_VALUED = frozenset(("-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path", "--config-env"))
BRANCH_WORDS = frozenset(("reset", "rebase", "branch", "checkout", "switch", "merge", "filter-branch", "update-ref"))


def git_words(words: Sequence[str]) -> list[str]:
    """Subcommand and its words, options of git itself taken off; empty for another program."""
    if not words or words[0].rpartition("/")[2] != "git":
        return []
    at = 1
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in GIT_VALUED else 1
    return list(words[at:])


def branches_of(words: Sequence[str]) -> tuple[str, ...]:
    """The branches that a git command would move; UNKNOWN for the one that is checked out now."""
    found = git_words(words)
    if not found:
        return ()
    plain = _plain(found[1:], PUSH_VALUED if found[0] == "push" else frozenset())
    if found[0] == "push":
        if any(word in ("--all", "--mirror", "--branches") for word in found):
            return (UNKNOWN,)
        return tuple(_target(spec) for spec in plain[1:]) or (UNKNOWN,)
    if found[0] == "reset":
        return (UNKNOWN,)
    if found[0] == "rebase":
        return (plain[1],) if len(plain) > 1 else (UNKNOWN,)
    if found[0] in BRANCH_WORDS:
        return tuple(plain)
    return ()


def _plain(words: Sequence[str], valued: frozenset[str]) -> list[str]:
    plain: list[str] = []
    value = False
    for word in words:
        if value:
            value = False
        elif word in valued:
            value = True
        elif not word.startswith("-"):
            plain.append(word)
    return plain


def _target(spec: str) -> str:
    """The branch that a refspec writes: `+a:refs/heads/b` is `b`."""
    name = spec.lstrip("+").rpartition(":")[2]
    name = name.removeprefix("refs/heads/").removeprefix("heads/")
    return UNKNOWN if name in ("HEAD", "@", "") else name


def forced(words: Sequence[str]) -> bool:
    """Whether a push overwrites: by a flag, by `+spec`, or by deleting."""
    found = git_words(words)
    if not found or found[0] != "push":
        return False
    flags = [word for word in found[1:] if word.startswith("-")]
    letters = any(not flag.startswith("--") and ("f" in flag or "d" in flag) for flag in flags)
    long = any(flag.startswith(("--force", "--mirror", "--delete", "--prune")) for flag in flags)
    specs = _plain(found[1:], PUSH_VALUED)[1:]
    return letters or long or any(spec.startswith(("+", ":")) for spec in specs)


def in_a_cluster(words: Sequence[str]) -> bool:
    """Whether the command has a namespace and a context, also where it names none."""
    return bool(words) and words[0].rpartition("/")[2] in CLUSTER_PROGRAMS


def cluster_words(words: Sequence[str]) -> list[str]:
    """The subcommand of a command for a cluster and all that follows; nothing where an option before it is not known,
    because the word after such a one may be its value.
    """
    rest = list(words[1:])
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in CLUSTER_VALUED:
            rest = rest[1:]
        elif not re.fullmatch(r"--[\w-]+=.*|-[nsv][^-].*", option):
            return []
    return rest


def namespaces_of(words: Sequence[str]) -> tuple[str, ...]:
    """The namespaces that a command names; `*` where it names all of them."""
    name = words[0].rpartition("/")[2] if words else ""
    if name == "kubens":
        return tuple(words[1:2])
    if name not in CLUSTER_PROGRAMS:
        return ()
    found = _values(words, ("-n", "--namespace"))
    plain = _plain(words[1:], frozenset(("-n", "--namespace", "--context", "--kubeconfig", "-l", "-o", "-f")))
    for at, word in enumerate(plain[:-1]):
        if word in ("ns", "namespace", "namespaces"):
            found += plain[at + 1 :]
    found += [word.partition("/")[2] for word in plain if word.startswith(("ns/", "namespace/"))]
    found += ["*" for word in words if EVERYWHERE.fullmatch(word)]
    return tuple(found)


def contexts_of(words: Sequence[str]) -> tuple[str, ...]:
    """The clusters, workspaces and profiles that a command names."""
    name = words[0].rpartition("/")[2] if words else ""
    if name == "kubectx":
        return tuple(word for word in words[1:2] if word != "-")
    if name in ("terraform", "tofu"):
        plain = _plain(words[1:], frozenset())
        return tuple(plain[2:3]) if plain[:2] == ["workspace", "select"] else ()
    if name == "aws":
        return tuple(_values(words, ("--profile",)))
    if name == "gcloud":
        return tuple(_values(words, ("--project", "--configuration")))
    if name == "docker":
        return tuple(_values(words, ("-c", "--context")))
    if name not in CLUSTER_PROGRAMS:
        return ()
    found = _values(words, ("--context", "--kube-context", "--cluster"))
    plain = _plain(words[1:], frozenset(("-n", "--namespace", "--kubeconfig")))
    if plain[:2] in (["config", "use-context"], ["config", "use"]):
        found += plain[2:3]
    return tuple(found)


def hosts_of(command: Command) -> tuple[str, ...]:
    """Where it runs, and the servers that its options name, beside those of its addresses."""
    found = [command.host] if command.host else []
    if command.name in SERVER_PROGRAMS:
        found += _values(command.words, ("-h", "--host", "--hostname", "-H", "-S", "--server", "-i", "--inventory"))
    return tuple(found)


def _values(words: Sequence[str], options: Sequence[str]) -> list[str]:
    found: list[str] = []
    for at, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option in options:
            found += [value] if equals else list(words[at + 1 : at + 2])
        elif any(len(one) == 2 and word.startswith(one) and len(word) > 2 for one in options) and word[1] != "-":
            found.append(word[2:])
    return found
