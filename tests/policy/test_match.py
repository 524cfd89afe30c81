"""Patterns of commands, paths and hosts."""

from __future__ import annotations

import pytest

from interpreter.policy.facts import UNKNOWN
from interpreter.policy.match import MAYBE, NO, YES, command_covered, command_fits, host_fits, name_fits
from interpreter.policy.operations import branches_of, contexts_of, namespaces_of
from interpreter.policy.paths import Ground, lies_in, path_fits, settle

GROUND = Ground("/home/me/work", "/home/me")


@pytest.mark.parametrize(
    ("pattern", "command", "expected"),
    [
        ("git push --force|-f", "git push -f origin main", YES),
        ("git push --force|-f", "git -C x push origin main --force", YES),
        ("git push --force|-f", "git --no-pager -c a=b push --force=x", YES),
        ("git push --force|-f", "git push origin main", NO),
        ("git push --force", "git push --forc", YES),
        ("git push", "git commit -m push", NO),
        ("git", "/usr/bin/git status", YES),
        ("git", "gitk", NO),
        ("/opt/git", "git status", NO),
        ("rm -r", "rm -fr x", YES),
        ("rm -r", "rm --recursive x", NO),
        ("find -delete", "find . -name x -delete", YES),
        ("kubectl delete ns|namespace", "kubectl -n x --v 3 delete ns y", YES),
        ("kubectl delete ns|namespace", "kubectl get ns", NO),
        ("aws ** delete", "aws ec2 x delete", YES),
        ("docker run -v=/:*", "docker run -v=/:/h x", YES),
        ("a b", "a", NO),
        ("mkfs.*", "mkfs.ext4 /dev/x", YES),
        ("git push", f"git {UNKNOWN}", MAYBE),
        ("git push --force", f"git push {UNKNOWN}", MAYBE),
        ("git push", f"git pull {UNKNOWN}", NO),
        ("git push", f"{UNKNOWN} push", NO),
    ],
)
def test_what_a_pattern_of_a_question_fits(pattern: str, command: str, expected: int) -> None:
    assert command_fits(pattern, command.split(" ")) == expected


@pytest.mark.parametrize(
    ("pattern", "command", "expected"),
    [
        ("git status", "git status", True),
        ("git status", "git status -s", False),
        ("git status **", "git status -s", True),
        ("git status **", "git -C / status", False),
        ("git push origin *", "git push origin dev", True),
        ("git push origin *", "git push origin dev --force", False),
        ("git push origin *", f"git push origin {UNKNOWN}", False),
        ("git push --tags origin", "git push origin --tags", True),
        ("git **", "./git status", False),
        ("git **", "/tmp/git status", False),
        ("ls **", "ls", True),
    ],
)
def test_what_a_pattern_of_an_allowance_covers(pattern: str, command: str, expected: bool) -> None:
    assert command_covered(pattern, command.split(" ")) is expected


def test_a_long_command_takes_no_long_time() -> None:
    words = ["git", *["-x", "y"] * 3000, "push"]
    assert command_fits("git ** push ** --force", words) == NO


@pytest.mark.parametrize(
    ("path", "settled"),
    [
        ("~", "/home/me"),
        ("~/x", "/home/me/x"),
        ("~root", "/root"),
        ("~you/x", "/home/you/x"),
        ("$HOME/x", "/home/me/x"),
        ("${HOME}", "/home/me"),
        ("x/../..", "/home/me"),
        ("../../..", "/"),
        ("//etc//x", "/etc/x"),
        ("file:///etc/x", "/etc/x"),
        ("C:\\", "C:/"),
        ("$WORKSPACE/x", "/home/me/work/x"),
        (f"/tmp/{UNKNOWN}/../..", UNKNOWN),
    ],
)
def test_where_a_path_leads(path: str, settled: str) -> None:
    assert settle(path, GROUND) == settled


@pytest.mark.parametrize(
    ("pattern", "path", "recursive", "expected"),
    [
        ("/etc", "/etc", True, YES),
        ("/etc", "/e*", True, YES),
        ("/etc", "/*", True, YES),
        ("/etc", "/", True, YES),
        ("/etc", "/", False, NO),
        ("/etc", "/etc/x", True, NO),
        ("/etc/**", "/etc/x/y", False, YES),
        ("/etc/**", "/etc", False, YES),
        ("/etc/*", "/etc/x/y", False, NO),
        ("~", "..", True, YES),
        ("~", "~/*", True, YES),
        ("~", UNKNOWN, True, MAYBE),
        ("~", UNKNOWN, False, NO),
        ("~", f"~/{UNKNOWN}", True, MAYBE),
        ("~", f"{UNKNOWN}/build", True, NO),
        ("~/.ssh/id_*", f"~/.ssh/{UNKNOWN}", False, MAYBE),
        ("$WORKSPACE", "*", True, YES),
        ("$WORKSPACE", "build/*", True, NO),
    ],
)
def test_what_a_path_fits(pattern: str, path: str, recursive: bool, expected: int) -> None:
    assert path_fits((pattern,), path, GROUND, recursive=recursive) == expected


def test_what_lies_in_the_workspace() -> None:
    assert lies_in("a/b", GROUND)
    assert lies_in("/tmp/x", GROUND)
    assert not lies_in("../x", GROUND)
    assert not lies_in(f"{UNKNOWN}/x", GROUND)
    assert not lies_in("~/.bashrc", GROUND)


@pytest.mark.parametrize(
    ("pattern", "host", "expected"),
    [
        ("*.example.com", "a.example.com", YES),
        ("*.example.com", "example.com", NO),
        ("example.com:22", "example.com:443", NO),
        ("example.com:22", "example.com:22", YES),
        ("EXAMPLE.com", "example.com.", YES),
        ("prod-*", f"prod-{UNKNOWN}", YES),
        ("example.com", UNKNOWN, MAYBE),
    ],
)
def test_hosts(pattern: str, host: str, expected: int) -> None:
    assert host_fits((pattern,), host) == expected


def test_a_name_that_is_not_meant() -> None:
    assert name_fits(("!shop",), "pay") == YES and name_fits(("!shop",), "shop") == NO
    assert name_fits(("!shop",), UNKNOWN) == MAYBE and name_fits(("!shop",), f"{UNKNOWN}-pay") == YES
    assert name_fits(("!shop", "!pay-*"), "pay-eu") == NO and name_fits(("!shop", "!pay-*"), "stock") == YES
    assert name_fits(("team-*", "!team-ops"), "team-a") == YES and name_fits(("team-*", "!team-ops"), "team-ops") == NO
    assert name_fits(("team-*", "!team-ops"), "other") == NO


def test_branches_namespaces_and_contexts() -> None:
    assert branches_of(["git", "push", "origin", "HEAD:refs/heads/main", "+dev"]) == ("main", "dev")
    assert branches_of(["git", "push"]) == (UNKNOWN,)
    assert branches_of(["git", "push", "-o", "x", "origin", "dev"]) == ("dev",)
    assert branches_of(["git", "-C", "x", "push", "--mirror"]) == (UNKNOWN,)
    assert branches_of(["git", "log", "main"]) == ()
    assert namespaces_of(["kubectl", "-n", "prod", "get", "pods"]) == ("prod",)
    assert namespaces_of(["kubectl", "get", "pods", "-nprod"]) == ("prod",)
    assert namespaces_of(["kubectl", "delete", "ns", "prod", "dev"]) == ("prod", "dev")
    assert namespaces_of(["helm", "list", "--namespace=prod"]) == ("prod",)
    assert namespaces_of(["ls", "-n", "prod"]) == ()
    for word in ("-A", "-wA", "--all-namespaces", "--all-namespaces=true"):
        assert namespaces_of(["kubectl", "get", "pods", word]) == ("*",)
    assert namespaces_of(["kubectl", "get", "pods", "-l", "app=A"]) == ()
    assert contexts_of(["kubectl", "--context", "prod", "get", "x"]) == ("prod",)
    assert contexts_of(["kubectl", "config", "use-context", "prod"]) == ("prod",)
    assert contexts_of(["kubectx", "prod"]) == ("prod",)
    assert contexts_of(["terraform", "workspace", "select", "prod"]) == ("prod",)
