"""The task file: what it may say, and how wrong words are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from interpreter.errors import ConfigError, UsageError
from interpreter.goals.checks import paths_in, program
from interpreter.goals.prompt import describe, opening
from interpreter.goals.task import load_task, seconds_of, settled, task_of_words, with_checks
from interpreter.types.goals import Ceilings, Check, Task

WHOLE = """\
version: 1
goal: Deploy {{version}} of the shop to {{namespace}}.
variables: {version: null, namespace: staging}
inputs: [notes.txt]
checks:
  - test -s deploy.log
  - name: new version
    http: {url: "http://shop.example/{{version}}", holds: "{{version}}"}
    hold: 10s
    within: 2m
  - command: kubectl -n "$namespace" rollout status deployment/shop
    timeout: 5m
  - file: {path: deploy.log, matches: "^ok"}
health:
  - metric: {url: "http://prometheus:9090", query: "latency{job=\\"shop\\"}", at_most: 0.5}
  - metric: {query: up, at_least: 1}
ceilings: {steps: 20, seconds: 10m, tokens: 50000, cost: 1.5}
undo: deny
judge: big-model
profile: read-only
tools: [prometheus]
skills: [deployment]
policy:
  - name: no-other-namespace
    decision: deny
    command: kubectl
    reason: Only staging.
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "task.yaml"
    path.write_text(text)
    return path


def test_a_whole_file(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    loaded = load_task(written(tmp_path, WHOLE), {"version": "2.0; rm -rf /"})
    task = loaded.task
    assert task.goal == "Deploy 2.0; rm -rf / of the shop to staging."
    assert [check.name for check in task.checks] == [
        "test -s deploy.log", "new version", 'kubectl -n "$namespace" rollout status deployment/shop', "deploy.log"
    ]  # fmt: skip
    shop = task.checks[1]
    assert shop.http is not None and shop.http.url == "http://shop.example/2.0%3B%20rm%20-rf%20%2F"
    assert (shop.hold, shop.within, task.checks[2].timeout) == (10.0, 120.0, 300.0)
    assert task.health[0].metric is not None and task.health[0].metric.at_most == 0.5
    assert task.health[1].metric is not None and task.health[1].metric.url == ""
    assert task.ceilings == Ceilings(steps=20, seconds=600.0, tokens=50_000, cost=1.5)
    assert (task.without_undo, task.judge, loaded.profile) == ("deny", "big-model", "read-only")
    assert (task.tools, task.skills, task.inputs) == (("prometheus",), ("deployment",), ("notes.txt",))
    assert len(loaded.policy) == 1 and "no-other-namespace" in loaded.policy[0]
    language, code = program(task.checks[2], task.variables)
    assert language == "shell" and code.startswith("version='2.0; rm -rf /'\nnamespace=staging\nkubectl")
    assert "It counts as reached when" in opening(task) and "for 10 s" in describe(shop)


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("goal: x\nchekcs: []\n", 2, "Did you mean `checks`?"),
        ("goal: x\nchecks:\n  - {command: a, holdd: 3}\n", 3, "Did you mean `hold`?"),
        ("goal: x\nchecks:\n  - {http: {url: 'http://a', statsu: 3}}\n", 3, "Did you mean `status`?"),
        ("goal: x\nchecks:\n  - {http: {url: 'http://a', status: ok}}\n", 3, "int"),
        ("goal: x\nchecks:\n  - {http: {url: 'file:///etc/passwd'}}\n", 3, "http://"),
        ("goal: x\nchecks:\n  - {command: a, file: {path: b}}\n", 3, "exactly one of"),
        ("goal: x\nchecks:\n  - a\n  - a\n", 4, "two checks are called"),
        ("goal: x\nchecks:\n  - 'echo {{version}}'\nvariables: {version: 1}\n", 3, "$version"),
        ("goal: x {{nothing}}\n", 1, "no variable `nothing`"),
        ("goal: x\nvariables: {version: null}\n", 2, "--set version=VALUE"),
        ("goal: x\nvariables: {PATH: a}\n", 2, "small letters"),
        ("version: 2\ngoal: x\n", 1, "version 1"),
        ("goal: ''\n", 1, "missing or empty"),
        ("checks: []\n", 1, "missing or empty"),
        ("goal: x\nceilings: {steps: 0}\n", 2, "above 0"),
        ("goal: x\nceilings: {seconds: soon}\n", 2, "duration"),
        ("goal: x\nprofile: host\n", 2, "walls"),
        ("goal: x\npolicy: [{name: a, decision: allow, command: rm}]\n", 2, "only ask or deny"),
        ("goal: x\ninputs: [absent.txt]\n", 2, "not there"),
        ("goal: x\nhealth: [{metric: {url: 'http://a', query: up}}]\n", 2, "bound"),
        ("goal: x\nhealth: [{metric: {url: '', query: up, at_most: 1}}]\n", 2, "http://"),
        ("goal: x\nhealth: [{metric: {url: 'http://a', at_most: 1}}]\n", 2, "query"),
        ("goal: x\nhealth: [{file: {path: a, matches: '('}}]\n", 2, "regular expression"),
        ("goal: [x\n", 2, "not YAML"),
        ("- goal\n", 1, "name: value"),
        ("goal: x\ngoal: y\n", 2, "second time"),
        ("goal: !!python/object:os.system x\n", 1, "YAML"),
    ],
)
def test_wrong_words_are_refused_with_their_line(tmp_path: Path, text: str, line: int, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_task(written(tmp_path, text), {})
    assert f"line {line}:" in str(caught.value) and told in str(caught.value)


def test_a_value_for_no_variable_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean `version`"):
        load_task(written(tmp_path, "goal: x\nvariables: {version: 1}\n"), {"verison": "2"})


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    written(tmp_path, "goal: x\n").rename(tmp_path / "real.yaml")
    (tmp_path / "task.yaml").symlink_to("real.yaml")
    with pytest.raises(ConfigError, match="link"):
        load_task(tmp_path / "task.yaml", {})


def test_ceilings_are_raised_by_flags_alone() -> None:
    task = Task(goal="x")
    assert settled(task, {}, {}, {}).ceilings == Ceilings()
    assert settled(task, {"steps": 30}, {"steps": 20}, {}).ceilings.steps == 20
    assert settled(task, {"steps": 5}, {"steps": 20}, {}).ceilings.steps == 5
    assert settled(task, {"steps": 5}, {"steps": 20}, {"steps": 40}).ceilings.steps == 40


def test_checks_of_the_command_line() -> None:
    task = with_checks(task_of_words("x", ["make test"]), ["make test", "true"])
    assert [check.command for check in task.checks] == ["make test", "true"]
    with pytest.raises(UsageError):
        task_of_words(" ", [])
    with pytest.raises(UsageError):
        task_of_words("x", [" "])


def test_which_files_a_check_names(tmp_path: Path) -> None:
    found = paths_in(Check(command=f"python tests/a.py --out=b.txt < {tmp_path}/c.txt ../x /etc/passwd"), tmp_path)
    assert {"tests/a.py", "b.txt", "c.txt"} <= found and not {"../x", "/etc/passwd"} & found


def test_durations() -> None:
    found = [seconds_of(one) for one in ("30s", "5m", 2, "1.5h", "250ms", "x", -1, True, "0s")]
    assert found == [30, 300, 2, 5400, 0.25, None, None, None, None]
