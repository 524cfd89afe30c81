"""What a tool of operations needs besides files, as data: `--grant docker` opens exactly that."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from ..errors import UsageError
from ..text.i18n import _
from .profiles import close_to


def N_(sentence: str) -> str:
    """Marks a sentence for translation; it is looked up later."""
    return sentence


class ToolGrant(NamedTuple):
    """Paths begin with `~` or `/`, or are `$NAME`: what that variable of the person holds."""

    meaning: str
    """One English sentence for people; translated where it is shown."""
    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    sockets: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    """Patterns for the broker."""
    variables: tuple[str, ...] = ()
    """Variables of the person that programs get."""
    git: bool = False
    """Opens the git folders of the workspace for commits."""
    strong: bool = False
    """As strong as no sandbox at all; shown in red."""


TOOLS: dict[str, ToolGrant] = {
    "git": ToolGrant(
        N_("The code may commit: it writes the project's git folder and reads your git settings; hooks stay closed."),
        readable=("~/.gitconfig", "~/.config/git/config", "~/.config/git/ignore", "~/.config/git/attributes"),
        git=True,
    ),
    "ssh": ToolGrant(
        N_("The code may sign in to hosts with the keys that your ssh agent holds; the keys themselves stay outside."),
        readable=("~/.ssh/config", "~/.ssh/known_hosts", "~/.ssh/config.d"),
        sockets=("$SSH_AUTH_SOCK",),
        hosts=("*:22",),
        variables=("SSH_AUTH_SOCK",),
    ),
    "docker": ToolGrant(
        N_("The code may command the Docker engine: that is as strong as having no sandbox at all."),
        readable=("~/.docker/config.json", "~/.docker/contexts"),
        sockets=("$DOCKER_HOST", "/var/run/docker.sock"),
        variables=("DOCKER_HOST", "DOCKER_CONTEXT"),
        strong=True,
    ),
    "kubectl": ToolGrant(
        N_("The code may do in your Kubernetes clusters all that your kubeconfig allows."),
        readable=("~/.kube/config", "$KUBECONFIG"),
        hosts=("@kubeconfig",),
        variables=("KUBECONFIG",),
    ),
    "aws": ToolGrant(
        N_("The code may do in your AWS accounts all that your profiles allow."),
        readable=("~/.aws/config", "~/.aws/credentials", "~/.aws/sso/cache"),
        hosts=("*.amazonaws.com", "*.amazonaws.com.cn", "*.api.aws"),
        variables=("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"),
    ),
    "gcloud": ToolGrant(
        N_("The code may do in your Google Cloud projects all that your sign-in allows."),
        readable=("~/.config/gcloud",),
        hosts=("*.googleapis.com", "accounts.google.com"),
        variables=("CLOUDSDK_CORE_PROJECT", "CLOUDSDK_ACTIVE_CONFIG_NAME"),
    ),
    "az": ToolGrant(
        N_("The code may do in your Azure subscriptions all that your sign-in allows."),
        readable=("~/.azure",),
        hosts=("management.azure.com", "login.microsoftonline.com", "*.azure.com", "*.windows.net"),
    ),
}


class Opened(NamedTuple):
    """What the grants of a session open, on this machine as it stands."""

    paths: dict[str, tuple[str, ...]] = {}
    """By the name of each tool: what of the host's it reaches; empty for `git` where there are no settings of it."""
    readable: tuple[str, ...] = ()
    """Absolute, existing."""
    sockets: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    variables: dict[str, str] = {}
    git: bool = False


def open_grants(names: tuple[str, ...], environ: Mapping[str, str]) -> Opened:
    """Grants by the names of tools, or by paths (read-only).

    Raises UsageError: there is no such grant or path, or its tool is not set up here.
    """
    readable: list[str] = []
    sockets: list[str] = []
    hosts: list[str] = []
    variables: dict[str, str] = {}
    paths: dict[str, tuple[str, ...]] = {}
    for name in dict.fromkeys(names):
        if name not in TOOLS:
            readable.append(_path(name))
            continue
        tool = TOOLS[name]
        files = [path for path in _existing(tool.readable, environ) if os.path.exists(path)]
        readable += files
        found = [path for path in _existing(tool.sockets, environ) if os.path.exists(path)][:1]
        if tool.sockets and not found:
            raise UsageError(
                _("The grant {name} opens a socket, and there is none here ({paths}).", name=name,
                  paths=", ".join(tool.sockets)),
                _("Nothing was run. Start what listens there, or leave the grant out."),
            )  # fmt: skip
        sockets += found
        paths[name] = () if tool.git else (*files, *found)
        for host in tool.hosts:
            hosts += clusters(environ) if host == "@kubeconfig" else [host]
        variables |= {key: environ[key] for key in tool.variables if environ.get(key)}
    return Opened(
        paths,
        tuple(dict.fromkeys(readable)),
        tuple(dict.fromkeys(sockets)),
        tuple(dict.fromkeys(hosts)),
        variables,
        any(TOOLS[name].git for name in names if name in TOOLS),
    )


def _path(name: str) -> str:
    path = os.path.abspath(os.path.expanduser(name))
    if "/" not in name and not name.startswith("~"):
        raise UsageError(
            _("There is no grant called `{name}`.", name=name) + close_to(name, tuple(TOOLS)),
            _("Grants: {names}; or a path, which begins with / or ~ or ./", names=", ".join(TOOLS)),
        )
    if not os.path.exists(path):
        raise UsageError(_("There is no {path}.", path=name), _("Nothing was opened."))
    return path


def _existing(paths: tuple[str, ...], environ: Mapping[str, str]) -> list[str]:
    found: list[str] = []
    for path in paths:
        if path.startswith("$"):
            value = environ.get(path[1:], "").removeprefix("unix://")
            found += [part for part in value.split(":") if part.startswith("/")] if value.startswith("/") else []
        else:
            found.append(os.path.expanduser(path))
    return found


def clusters(environ: Mapping[str, str]) -> list[str]:
    """`host:port` of each cluster in the person's kubeconfig, which is their own file and read as plain text."""
    found: list[str] = []
    for path in _existing(("~/.kube/config", "$KUBECONFIG"), environ):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = file.read(1 << 20).splitlines()
        except OSError:
            continue
        for line in lines:
            key, _sign, value = line.strip().removeprefix("- ").partition(":")
            address = value.strip().strip("\"'")
            if key == "server" and "://" in address:
                scheme, _sep, rest = address.partition("://")
                host = rest.split("/", 1)[0].rpartition("@")[2]
                has_port = host.rpartition("]")[2].count(":") == 1
                found.append(host if has_port else f"{host}:{443 if scheme == 'https' else 80}")
    return list(dict.fromkeys(found))
