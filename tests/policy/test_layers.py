"""Layers: what each may say, who wins, what is refused and how."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interpreter.errors import PolicyError
from interpreter.policy import Policy, load_policy, revoke, survey, trust, trusts
from interpreter.policy.schema import OF_RULE
from interpreter.types.rules import Circumstances, Decision

WALLED = Circumstances(workspace="/home/me/work", home="/home/me", mode="auto")
BARE = Circumstances(workspace="/home/me/work", home="/home/me", mode="auto", walled=False)
ALONE = Circumstances(workspace="/home/me/work", home="/home/me", mode="auto", attended=False)
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file that root owns")


def write(path: Path, rules: str, head: str = "version: 1\nrules:\n") -> Path:
    path.write_text(head + rules, encoding="utf-8")
    return path


def said(policy: Policy, code: str, where: Circumstances = WALLED) -> Decision:
    return policy.judge("shell", code, where).decision


def user(tmp_path: Path, rules: str, head: str = "version: 1\nrules:\n") -> Policy:
    return load_policy(user=write(tmp_path / "policy.yaml", rules, head))


def test_the_strictest_wins_whatever_the_order(tmp_path: Path) -> None:
    rows = {
        "allow": "- {name: a, decision: allow, command: 'git push **'}\n",
        "ask": "- {name: b, decision: ask, command: git push}\n",
        "deny": "- {name: c, decision: deny, command: git push origin}\n",
    }
    for order in (("allow", "ask", "deny"), ("deny", "ask", "allow"), ("ask", "deny", "allow")):
        policy = user(tmp_path, "".join(rows[name] for name in order))
        assert said(policy, "git push origin x") == "deny"
        assert said(policy, "git push other x") == "ask"
        verdict = policy.judge("shell", "git push origin x", WALLED)
        assert [one.decision for one in verdict.reasons] == ["deny", "ask", "allow"]


def test_the_verdict_of_several_commands_is_that_of_the_strictest(tmp_path: Path) -> None:
    policy = user(
        tmp_path, "- {name: a, decision: allow, command: 'ls **'}\n- {name: d, decision: deny, command: nc}\n"
    )
    assert policy.judge("shell", "ls && ls -la", WALLED).covered
    assert not policy.judge("shell", "ls && pwd", WALLED).covered
    assert said(policy, "ls && nc -l 1") == "deny"
    assert said(policy, "echo $(nc -l 1)") == "deny"
    assert said(policy, "env A=b timeout 3 nc -l 1") == "deny"


def test_an_allowance_lifts_what_yields_and_nothing_else(tmp_path: Path) -> None:
    assert said(load_policy(), "kubectl -n prod get pods") == "ask"
    allow = "- {name: a, decision: allow, command: 'kubectl -n prod get **'}\n"
    policy = user(tmp_path, allow)
    assert said(policy, "kubectl -n prod get pods") == "allow"
    assert said(policy, "kubectl -n prod get pods && kubectl -n prod delete pod x") == "ask"
    assert said(policy, "sudo kubectl -n prod get pods") == "deny"
    policy = user(tmp_path, "- {name: a, decision: allow, command: 'rm **', deletes: ['/', '~']}\n")
    assert said(policy, "rm -rf /") == "ask"
    assert said(policy, "rm -rf /", BARE) == "deny"


def said_covered(policy: Policy, codes: Iterable[str]) -> dict[str, bool]:
    return {code: policy.judge("shell", code, WALLED).covered for code in codes}


def test_an_allowance_says_nothing_of_what_stands_around(tmp_path: Path) -> None:
    policy = user(tmp_path, "- {name: a, decision: allow, command: ['echo **', 'ls **', 'bash **', 'cp **']}\n")
    covered = {
        "echo hi": True,
        "echo hi > notes.txt": True,
        "echo hi > /tmp/x": True,
        "echo hi > ~/notes.txt": False,
        "LD_PRELOAD=./x.so ls": False,
        "PATH=/tmp:$PATH ls": False,
        "LANG=C ls": True,
        "ssh host ls": False,
        "cp a ../b": False,
        "cp a b": True,
        "./ls": False,
        "ls $(pwd)": False,
    }
    assert said_covered(policy, covered) == covered


def test_variants(tmp_path: Path) -> None:
    policy = user(tmp_path, "- {name: a, decision: ask, outside: deny, unattended: allow, command: make}\n")
    assert said(policy, "make") == "ask"
    assert said(policy, "make", BARE) == "deny"
    assert said(policy, "make", ALONE) == "allow"
    alone_and_bare = Circumstances(workspace="/w", home="/h", attended=False, walled=False)
    assert said(policy, "make", alone_and_bare) == "deny"
    policy = user(tmp_path, "- {name: a, decision: deny, sandbox: outside, command: make}\n")
    assert (said(policy, "make"), said(policy, "make", BARE)) == ("allow", "deny")


@pytest.mark.parametrize(
    ("rule", "hit", "miss"),
    [
        ("through: xargs", "ls | xargs rm", "rm x"),
        ("piped_from: cat", "cat x | sort", "sort x"),
        ("variable: FOO", "FOO=1 make", "BAR=1 make"),
        ("deletes: ~/data/**", "rm ~/data/x", "rm data/x"),
        ("deletes: ~/data/**", "rm -rf ~", "rm ~"),
        ("writes: $WORKSPACE/prod.yaml", "echo x > prod.yaml", "echo x > dev.yaml"),
        ("reads: '*.pem'", "cat a.pem", "cat a.txt"),
        ("host: '*.example.com'", "curl https://a.example.com/x", "curl https://example.org"),
        ("host: '*.example.com:8443'", "curl https://a.example.com:8443/x", "curl https://a.example.com/x"),
        ("branch: main", "git push origin HEAD:main", "git push origin dev"),
        ("namespace: shop", "kubectl get pods -n shop", "kubectl get pods"),
        ("namespace: '!shop'", "kubectl get pods -n pay", "kubectl get pods -n shop"),
        ("namespace: '!shop'", "kubectl get pods", "kubectl get pods --namespace=shop"),
        ("namespace: '!shop'", "kubectl get pods -A", "ls -A"),
        ("namespace: '!shop'", "kubectl -n shop delete ns pay", "kubectl -n shop rollout undo deployment/web"),
        ("namespace: ['team-*', '!team-ops']", "kubectl -n team-a get pods", "kubectl -n team-ops get pods"),
        ("context: '!kind-*'", "kubectl -n shop get pods", "kubectl --context kind-a get pods"),
        ("context: live-*", "kubectl --context live-1 get pods", "kubectl get pods"),
        ("command: [make, 'npm run']", "npm run x", "npm test"),
        ("command: 'docker run --privileged'", "docker run --privileged x", "docker run x"),
        ("unknown: true", "$X y", "x y"),
    ],
)
def test_each_condition(tmp_path: Path, rule: str, hit: str, miss: str) -> None:
    policy = user(tmp_path, f"- {{name: a, decision: deny, {rule}}}\n")
    assert "a" in {one.rule for one in policy.judge("shell", hit, WALLED).reasons}
    assert "a" not in {one.rule for one in policy.judge("shell", miss, WALLED).reasons}


def test_an_allowance_holds_for_every_name_in_the_command(tmp_path: Path) -> None:
    policy = user(tmp_path, "- {name: a, decision: allow, command: kubectl **, namespace: [shop, '!prod']}\n")
    asks = Circumstances(workspace="/w", home="/h", mode="ask")
    assert policy.judge("shell", "kubectl -n shop get pods", asks).covered
    for command in ("kubectl get pods", "kubectl -n pay get pods", "kubectl -n shop get ns pay", "kubectl get pods -A"):
        assert not policy.judge("shell", command, asks).covered


def test_what_an_allowance_names_around_a_command_lets_nothing_else_stand_there(tmp_path: Path) -> None:
    policy = user(
        tmp_path,
        "- {name: a, decision: allow, command: 'make **', variable: [FOO, 'PYTHON*']}\n"
        "- {name: b, decision: allow, command: 'ls **', through: chronic}\n",
    )
    covered = {
        "FOO=1 make": True,
        "FOO=1 BAR=2 make": True,
        "PYTHONPATH=lib make": True,
        "make": False,
        "LD_PRELOAD=./x.so FOO=1 make": False,
        "PATH=.:$PATH FOO=1 make": False,
        "chronic ls": True,
        "nice chronic ls": True,
        "ls": False,
        "strace chronic ls": False,
        "chronic strace ls": False,
    }
    assert said_covered(policy, covered) == covered


def test_an_allowance_of_a_host_is_for_that_host_alone(tmp_path: Path) -> None:
    policy = user(
        tmp_path, "- {name: a, decision: allow, command: ['curl **', 'wget **', 'psql **'], host: good.example}\n"
    )
    covered = {
        "curl https://good.example/x": True,
        "curl -sSL https://good.example/x": True,
        "curl https://good.example https://other.example": False,
        "curl": False,
        "curl -sKnames": False,
        "curl --config names https://good.example": False,
        "curl --connect-to ::other.example: https://good.example": False,
        "curl --resolve good.example:443:127.0.0.1 https://good.example": False,
        "curl --unix-socket engine http://good.example": False,
        "wget -q -i names": False,
        "wget -e http_proxy=other.example http://good.example": False,
        "psql -h good.example": True,
        "psql -h other.example": False,
        "psql": False,
    }
    assert said_covered(policy, covered) == covered


def test_calls_languages_and_tools(tmp_path: Path) -> None:
    policy = user(
        tmp_path,
        "- {name: net, decision: deny, call: 'socket.*'}\n"
        "- {name: js, decision: ask, language: javascript}\n"
        "- {name: tool, decision: deny, tool: write_file, argument: {path: '/etc/**'}}\n",
    )
    assert policy.judge("python", "import socket as s\ns.create_connection(('a.b', 1))", WALLED).decision == "deny"
    assert policy.judge("python", "print(1)", WALLED).decision == "allow"
    assert policy.judge("javascript", "1", WALLED).decision == "ask"
    assert policy.judge_tool("write_file", {"path": "/etc/x/y"}, WALLED).decision == "deny"
    assert policy.judge_tool("write_file", {"path": "x"}, WALLED).decision == "allow"
    assert policy.judge_tool("read_file", {"path": "/etc/x"}, WALLED).decision == "allow"
    assert policy.judge_tool("write_file", {"path": 3}, WALLED).decision == "allow"


def test_unknown_can_be_lifted_only_by_a_rule_that_says_so(tmp_path: Path) -> None:
    code = "$X y"
    assert said(user(tmp_path, "- {name: a, decision: allow, language: shell}\n"), code) == "ask"
    assert said(user(tmp_path, "- {name: a, decision: allow, language: shell, unknown: true}\n"), code) == "allow"


def test_disable_and_replace(tmp_path: Path) -> None:
    assert (
        said(user(tmp_path, "disable: [another-user-directly, another-user]\n", "version: 1\n"), "sudo ls") == "allow"
    )
    rule = "- {name: mine, replace: destroying-infrastructure, decision: ask, command: terraform destroy}\n"
    policy = user(tmp_path, rule)
    assert said(policy, "terraform destroy", BARE) == "ask"
    with pytest.raises(PolicyError, match=r"policy.yaml, line 2.*Did you mean `setuid`"):
        user(tmp_path, "disable: [setuyd]\n", "version: 1\n")


def test_a_project_may_only_tighten_until_it_is_trusted(tmp_path: Path) -> None:
    file = write(
        tmp_path / "project.yaml",
        "- {name: a, decision: allow, command: 'kubectl -n prod get **'}\n"
        "- {name: d, decision: deny, command: make}\n"
        "- {name: v, decision: ask, unattended: allow, command: cmake}\n",
        "version: 1\ndisable: [another-user, another-user-directly]\n"
        "network: {allow: [evil.example], deny: [x.example], otherwise: allow}\nrules:\n",
    )
    policy = load_policy(project=file)
    assert said(policy, "kubectl -n prod get pods") == "ask"
    assert said(policy, "make") == "deny"
    assert said(policy, "cmake", ALONE) == "ask"
    assert said(policy, "sudo ls") == "deny"
    assert policy.network().allow == () and policy.network().deny == ("x.example",)
    assert policy.network().otherwise == "ask"
    assert len(policy.notes) == 4
    policy = load_policy(project=file, trusted=True)
    assert said(policy, "kubectl -n prod get pods") == "allow"
    assert said(policy, "sudo ls") == "deny"
    assert policy.network().allow == ("evil.example",)


def test_trust_holds_for_one_content(tmp_path: Path) -> None:
    home, file = tmp_path / "home", write(tmp_path / "p.yaml", "- {name: a, decision: allow, command: 'make **'}\n")
    decide = trusts(home)
    assert not load_policy(project=file, trusted=decide).judge("shell", "make", WALLED).covered
    trust(home, file, file.read_bytes())
    assert load_policy(project=file, trusted=decide).judge("shell", "make", WALLED).covered
    assert (home / "trusted.json").stat().st_mode & 0o777 == 0o600
    file.write_text(file.read_text() + "# changed\n")
    assert not load_policy(project=file, trusted=decide).judge("shell", "make", WALLED).covered
    assert revoke(home, file)
    assert not revoke(home, file)
    (home / "trusted.json").write_text("{")
    assert not decide(file, b"")


@root_only
def test_the_administrators_file_cannot_be_loosened(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir(mode=0o755)
    admin = write(
        folder / "policy.yaml",
        "- {name: no-make, decision: deny, command: make}\n",
        "version: 1\nnetwork: {allow: ['*.corp.example'], otherwise: deny}\nrules:\n",
    )
    admin.chmod(0o644)
    mine = write(
        tmp_path / "user.yaml",
        "- {name: a, decision: allow, command: 'make **'}\n",
        "version: 1\nnetwork: {allow: [git.corp.example, evil.example], otherwise: allow}\nrules:\n",
    )
    policy = load_policy(user=mine, administrator=admin)
    assert said(policy, "make") == "deny"
    assert policy.network().allow == ("*.corp.example", "git.corp.example")
    assert policy.network().otherwise == "deny"
    for head in ("disable: [no-make]", "rules: [{name: b, replace: no-make, decision: allow, command: make}]"):
        with pytest.raises(PolicyError, match="administrator"):
            load_policy(user=write(mine, head + "\n", "version: 1\n"), administrator=admin)


@root_only
@pytest.mark.parametrize("how", ["writable", "owned", "folder", "link"])
def test_an_administrators_file_that_others_can_change_is_refused(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "etc"
    folder.mkdir(mode=0o755)
    admin = write(folder / "policy.yaml", "")
    admin.chmod(0o644)
    load_policy(administrator=admin)
    if how == "writable":
        admin.chmod(0o666)
    elif how == "owned":
        os.chown(admin, 1000, 1000)
    elif how == "folder":
        folder.chmod(0o777)
    else:
        admin.rename(tmp_path / "x")
        admin.symlink_to(tmp_path / "x")
    with pytest.raises(PolicyError, match="does not count"):
        load_policy(administrator=admin)


@pytest.mark.skipif(os.geteuid() == 0, reason="root sees into every folder")
def test_a_file_that_cannot_be_seen_is_not_taken_for_absent(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    write(folder / "policy.yaml", "- {name: a, decision: deny, command: make}\n")
    folder.chmod(0)
    try:
        with pytest.raises(PolicyError, match="cannot be read"):
            load_policy(user=folder / "policy.yaml")
    finally:
        folder.chmod(0o700)


def test_command_line_and_session(tmp_path: Path) -> None:
    file = write(tmp_path / "x.yaml", "- {name: a, decision: deny, command: make}\n")
    policy = load_policy(command_line=(file,))
    assert policy.judge("shell", "make", WALLED).reasons[0].layer == "command line"
    with pytest.raises(PolicyError, match="no policy file"):
        load_policy(command_line=(tmp_path / "absent.yaml",))
    rule = "- name: s\n  decision: allow\n  command: 'ls **'\n"
    verdict = load_policy(session=(rule,)).judge("shell", "ls -la", WALLED)
    assert verdict.covered and verdict.reasons[0].layer == "session"


def test_rules_of_the_same_name_in_two_layers_both_count(tmp_path: Path) -> None:
    one = write(tmp_path / "1.yaml", "- {name: a, decision: deny, command: make}\n")
    two = write(tmp_path / "2.yaml", "- {name: a, decision: allow, command: 'make **'}\n")
    assert said(load_policy(user=one, command_line=(two,)), "make") == "deny"
    assert said(load_policy(user=two, command_line=(one,)), "make") == "deny"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 2\n", "line 1.*version 1"),
        ("version: true\n", "line 1.*version 1"),
        ("rules: []\n", "version: 1.*missing"),
        ("version: 1\nrulez: []\n", "line 2.*Did you mean `rules`"),
        ("version: 1\nrules:\n  - {name: a, decision: deny, comand: x}\n", "line 3.*Did you mean `command`"),
        ("version: 1\nrules:\n  - {name: a, decision: alow, command: x}\n", "line 3.*should be one of: allow"),
        ("version: 1\nrules:\n  - {name: a, decision: deny}\n", "line 3.*no condition"),
        ("version: 1\nrules:\n  - {decision: deny, command: x}\n", "line 3.*needs `name`"),
        ("version: 1\nrules:\n  - {name: A b, decision: deny, command: x}\n", "line 3.*small letters"),
        ("version: 1\nrules:\n- {name: a, decision: deny, command: x}\n- {name: a, decision: deny, command: y}\n",
         "line 4.*already"),
        ("version: 1\nrules:\n  - {name: a, decision: deny, command: --force}\n", "line 3.*name of a program"),
        ("version: 1\nrules:\n  - {name: a, decision: deny, deletes: $FOO/x}\n", "line 3.*WORKSPACE"),
        ("version: 1\nrules:\n  - {name: a, decision: deny, argument: {a: b}}\n", "line 3.*tool"),
        ("version: 1\nrules: {a: b}\n", "line"),
        ("version: 1\nversion: 1\n", "line 2.*second time"),
        ("version: 1\nnetwork: {alow: []}\n", "line 2.*Did you mean `allow`"),
        ("version: 1\nnetwork: {allow: ['@pakage']}\n", "line 2.*@package-registries"),
        ("version: 1\nnetwork: {allow: ['https://x.example/']}\n", "line 2.*no host"),
        ("version: 1\nnetwork: {credentials: [{variable: A, host: b, source: 'env-X'}]}\n", "line 2.*source"),
        ("- a\n", "line 1"),
        ("a: [", "not YAML"),
        ("a: !!python/object/apply:os.system [x]\n", "not YAML|not known"),
        ("\0", "not YAML"),
    ],
)  # fmt: skip
def test_what_is_refused_and_where(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    with pytest.raises(PolicyError, match=message) as caught:
        load_policy(user=file)
    assert str(file) in caught.value.message
    assert caught.value.exit_code == 2


def test_examples_are_tested_at_load(tmp_path: Path) -> None:
    good = "- name: a\n  decision: deny\n  command: git push\n  match: [git push]\n  not_match: [git pull]\n"
    user(tmp_path, good)
    with pytest.raises(PolicyError, match=r"line 6: the example `git pull` should match `a`, but does not"):
        user(tmp_path, good.replace("[git push]", "[git pull]"))
    with pytest.raises(PolicyError, match=r"line 7: the example `git push x` should not match `a`, but does"):
        user(tmp_path, good.replace("[git pull]", "[git push x]"))
    user(
        tmp_path,
        "- name: py\n  decision: deny\n  language: python\n  call: os.remove\n  match: ['import os; os.remove(1)']\n"
        "- name: t\n  decision: deny\n  tool: x\n  match: [{tool: x}]\n  not_match: [{tool: y}]\n",
    )


def test_network(tmp_path: Path) -> None:
    policy = user(
        tmp_path,
        "network:\n  allow: ['@package-registries', 'api.example:443']\n  deny: [bad.example]\n  read_only: true\n"
        "  credentials: [{variable: T, host: api.example, source: 'env:TOKEN'}]\n",
        "version: 1\n",
    )
    rules = policy.network()
    assert rules.allow == ("@package-registries", "api.example:443")
    assert (rules.deny, rules.otherwise, rules.read_only) == (("bad.example",), "ask", True)
    assert rules.credentials[0].source == "env:TOKEN"
    assert load_policy().network().otherwise == "ask"


def test_survey_finds_odd_rules(tmp_path: Path) -> None:
    policy = user(
        tmp_path,
        "- {name: lost, decision: allow, command: 'shutdown **', match: [shutdown now]}\n"
        "- {name: never, decision: deny, call: x, branch: main}\n"
        "- {name: tongue, decision: ask, language: pyton}\n"
        "- {name: fine, decision: deny, command: make, match: [make]}\n"
        "- {name: bare, decision: deny, command: cmake}\n",
    )
    found = {(one.rule, one.kind) for one in survey(policy)}
    assert {("lost", "overruled"), ("never", "never"), ("tongue", "language"), ("bare", "no_examples")} <= found
    assert not [kind for rule, kind in found if rule == "fine"]
    assert not [kind for rule, kind in found if rule == "bare" and kind != "no_examples"]


WORDS = st.sampled_from(
    [*OF_RULE, "version", "rules", "network", "1", "allow", "deny", "make", "git push", "", "~", "**", "$X"]
)
TREES = st.recursive(
    st.one_of(WORDS, st.integers(), st.booleans(), st.none(), st.text(max_size=8), st.floats(allow_nan=True)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(WORDS, inner, max_size=5)),
    max_leaves=15,
)


@settings(
    max_examples=150, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tree=TREES, text=st.one_of(st.none(), st.binary(max_size=200)))
def test_no_file_makes_a_traceback(tmp_path: Path, tree: object, text: bytes | None) -> None:
    file = tmp_path / "policy.yaml"
    dumped = yaml.safe_dump({"version": 1, "rules": [tree], "network": tree}, allow_unicode=True)
    file.write_bytes(text if text is not None else dumped.encode("utf-8", "surrogatepass"))
    try:
        load_policy(user=file)
    except PolicyError as error:
        assert str(file) in error.message
