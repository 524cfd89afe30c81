"""The network as a person meets it: closed, asked for, allowed by a line, and told what to add."""

from __future__ import annotations

import json
import socket
from collections.abc import Generator

import pytest

from interpreter.types.events import ActionFinished, ApprovalRequested, NetworkAttempt
from tests.e2e.test_approvals import lines_until, send
from tests.e2e.world import World, reply
from tests.keeper.brokerage import serving

REACH = """
import urllib.request
for _ in range(3):
    try:
        print(urllib.request.urlopen("http://nowhere.invalid/", timeout=30).status)
    except OSError as error:
        print(error)
"""


@pytest.fixture
def port() -> Generator[int]:
    with serving() as server:
        yield server.port


def reach(port: int) -> str:
    return (
        "import os, urllib.request\nos.environ['no_proxy'] = ''\n"
        f"print(urllib.request.urlopen('http://127.0.0.1:{port}/x', timeout=30).status)"
    )


def test_e146_an_unknown_host_is_denied_when_nobody_is_there(world: World) -> None:
    world.serve(reply(code=REACH), "It could not be reached.")
    done = world.run("-y", "--network", "ask", "fetch it", "--output", "jsonl")
    assert done.code == 0
    attempts = [line for line in done.lines if line["type"] == "network_attempt"]
    assert attempts[0]["host"] == "nowhere.invalid" and attempts[0]["decision"] == "denied"
    assert not [line for line in done.lines if line["type"] == "approval_requested"]
    assert "--allow-host nowhere.invalid" in world.told(), "the model knows what the person can do"
    assert 'add "nowhere.invalid" below network: allow:' in world.told()


def test_e147_a_line_of_the_policy_lets_a_host_through(world: World, port: int) -> None:
    world.serve(reply(code=reach(port)), "Closed.")
    assert world.run("-y", "fetch").code == 0 and "200" not in world.told()
    (world.data / "policy.yaml").write_text(f'version: 1\nnetwork:\n  allow: ["127.0.0.1:{port}"]\n')
    world.serve(reply(code=reach(port)), "Fetched.")
    done = world.run("-y", "fetch it", "--output", "jsonl")
    (finished,) = [line for line in done.lines if line["type"] == "action_finished"]
    assert done.code == 0 and finished["observation"]["text"].startswith("200"), finished
    (attempt,) = [line for line in done.lines if line["type"] == "network_attempt"]
    assert (attempt["decision"], attempt["by"], attempt["port"]) == ("allowed", f"127.0.0.1:{port}", port)


def test_e148_the_person_is_asked_once_and_answers_for_the_session(world: World) -> None:
    world.serve(reply(code=REACH), reply(code=REACH), "It has no address.")
    process = world.start("--ops", "-y", "--network", "ask", "fetch", piped=True)
    question = lines_until(process, "approval_requested")
    assert (question["kind"], question["subject"]) == ("network", "nowhere.invalid:80")
    assert (
        json.dumps(question["proposal"]).count("nowhere.invalid") == 1 and question["covers"] and question["deadline"]
    )
    send(process, type="resolve_approval", approval=question["approval"], answer="session")
    done = world.finish(process)
    assert len(world.of(ApprovalRequested)) == 1, done.out
    attempts = world.of(NetworkAttempt)
    assert attempts and {(one.decision, one.by) for one in attempts} == {("failed", "person")}
    assert "cannot be resolved" in attempts[0].reason


def test_e149_a_no_is_not_asked_again_by_a_retry(world: World) -> None:
    world.serve(reply(code=REACH), "Not allowed.")
    process = world.start("--ops", "-y", "--network", "ask", "fetch", piped=True)
    question = lines_until(process, "approval_requested")
    send(process, type="resolve_approval", approval=question["approval"], answer="no")
    world.finish(process)
    assert len(world.of(ApprovalRequested)) == 1
    assert {one.decision for one in world.of(NetworkAttempt)} == {"denied"}
    (finished,) = world.of(ActionFinished)
    assert "was not let through" in finished.observation.text


def test_e150_always_writes_the_host_into_the_policy(world: World) -> None:
    world.serve(reply(code=REACH), "Noted.")
    process = world.start("--ops", "-y", "--network", "ask", "fetch", piped=True)
    question = lines_until(process, "approval_requested")
    send(process, type="resolve_approval", approval=question["approval"], answer="always")
    world.finish(process)
    text = (world.data / "policy.yaml").read_text()
    assert 'network:\n  allow:\n    - "nowhere.invalid"\n' in text
    world.serve(reply(code=REACH), "Again.")
    world.run("-y", "fetch again")
    assert not world.of(ApprovalRequested) and {one.decision for one in world.of(NetworkAttempt)} == {"failed"}


def test_e151_nobody_answers_because_the_program_is_gone(world: World) -> None:
    world.serve(reply(code=REACH), "Gone.")
    process = world.start("--ops", "-y", "--network", "ask", "fetch", piped=True)
    lines_until(process, "approval_requested")
    done = world.finish(process)
    attempts = [line for line in done.lines if line["type"] == "network_attempt"]
    assert {line["decision"] for line in attempts} == {"denied"}


def test_e152_a_project_may_not_open_the_network(world: World, port: int) -> None:
    folder = world.here / ".interpreter"
    folder.mkdir()
    (folder / "config.yaml").write_text(f"network: open\nallow_host: ['127.0.0.1:{port}']\n")
    (folder / "policy.yaml").write_text(f'version: 1\nnetwork:\n  allow: ["127.0.0.1:{port}"]\n')
    world.serve(reply(code=reach(port)), "Closed.")
    done = world.run("-y", "fetch")
    assert "may not loosen" in done.err and "200" not in done.out
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) == 0, "the server was there to be reached"


PIP = "python3 -m pip install -q --disable-pip-version-check --no-cache-dir --retries 0 --target lib six 2>&1; ls lib"


def test_e153_a_real_install_under_a_policy_and_the_line_to_add_without_it(world: World) -> None:
    try:
        with socket.create_connection(("pypi.org", 443), timeout=10):
            pass
    except OSError as error:
        pytest.skip(f"the package index cannot be reached directly from here: {error}")
    world.serve(reply(code=PIP, language="shell"), "No.")
    assert world.run("-y", "--network", "ask", "install six").code == 0
    told = world.told()
    assert "six.py" not in told and '"pypi.org" below network: allow: in policy.yaml' in told
    (world.data / "policy.yaml").write_text(
        "version: 1\nnetwork:\n  allow: [pypi.org, files.pythonhosted.org]\n  otherwise: deny\n"
    )
    world.serve(reply(code=PIP, language="shell"), "Installed.")
    done = world.run("-y", "install six", "--output", "jsonl")
    (finished,) = [line for line in done.lines if line["type"] == "action_finished"]
    assert "six.py" in finished["observation"]["text"], finished
    hosts = {line["host"] for line in done.lines if line["type"] == "network_attempt" and line["decision"] == "allowed"}
    assert "pypi.org" in hosts and len(hosts) <= 2
