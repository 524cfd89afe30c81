"""Settings and what they may not do; the commands that manage."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from .world import World, reply


def project(world: World, text: str) -> Path:
    path = world.here / ".interpreter" / "config.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model: x\nmodle: y\n", ("line 2", "modle", "model")),
        ("max_retries: many\n", ("line 1", "max_retries")),
        ("llm:\n  context_windw: 1\n", ("line 2", "context_window")),
        ("model: [\n", ("line",)),
        ("- a list\n", ("config.yaml",)),
    ],
)
def test_e110_a_wrong_setting_names_file_line_and_the_nearest_name(
    world: World, text: str, told: tuple[str, ...]
) -> None:
    path = project(world, text)
    done = world.run("say hi")
    assert (done.code, done.out) == (2, "") and str(path) in done.err
    assert all(word in done.err for word in told), done.err


def test_e111_a_configuration_that_is_binary(world: World) -> None:
    path = project(world, "")
    path.write_bytes(b"\x00\xff\xfe" * 100)
    done = world.run("say hi")
    assert (done.code, done.out) == (2, "") and str(path) in done.err


def test_e112_a_configuration_that_is_a_folder_or_unreadable(world: World) -> None:
    path = world.here / ".interpreter" / "config.yaml"
    path.mkdir(parents=True)
    done = world.run("say hi")
    assert (done.code, done.out) == (2, "") and str(path) in done.err
    path.rmdir()
    path.write_text("max_retries: 3\n")
    path.chmod(0)
    if not os.access(path, os.R_OK):
        done = world.run("say hi")
        assert (done.code, done.out) == (2, "") and str(path) in done.err


def test_e113_an_empty_configuration_is_none(world: World) -> None:
    world.serve("Hi.")
    project(world, "")
    assert world.run("say hi").out == "Hi.\n"


def test_e114_the_configuration_that_people_know(world: World) -> None:
    world.serve(reply(code="import time; time.sleep(60)"), "Too long.")
    project(world, "system_message: |\n  You are an expert Python developer.\n\nmax_retries: 3\ntimeout: 0.3\n")
    done = world.run("-y", "--output", "json", "wait")
    assert [action["status"] for action in done.result["actions"]] == ["timeout"]
    assert world.requests()[0]["messages"][0]["content"].startswith("You are an expert Python developer.")


def test_e115_a_project_may_not_loosen_what_protects(world: World) -> None:
    world.serve(reply(code="open('made', 'w')"), "Done.")
    project(world, "auto_run: true\nsandbox: host\nnetwork: true\nreadable: [/]\napi_base: http://127.0.0.1:1/v1\n")
    done = world.run("--output", "jsonl", "make")
    assert done.code == 4 and not (world.here / "made").exists()
    for name in ("auto_run", "sandbox", "network", "readable", "api_base"):
        assert f"`{name}` was ignored" in done.err, done.err
    assert not done.lines[0]["sandbox"].startswith("host")


def test_e116_a_project_may_tighten(world: World) -> None:
    world.serve(*(reply(code=f"print({n})") for n in range(9)))
    project(world, "max_steps: 1\nsafe_mode: ask\n")
    done = world.run("-y", "count")
    assert done.code == 4 and "safe_mode is on" in done.err


def test_e117_layers_and_where_each_value_comes_from(world: World) -> None:
    project(world, "max_retries: 5\nmax_output: 999\n")
    user = world.data / "config.yaml"
    user.write_text("max_retries: 4\ntimeout: 7\n")
    env = {"INTERPRETER_TIMEOUT": "8", "INTERPRETER_API_KEY": "sk-secret-0123456789"}
    done = world.run("config", "show", "--json", env=env)
    shown = json.loads(done.out)
    assert done.code == 0 and "sk-secret" not in done.out
    assert shown["max_retries"]["value"] == 5 and ".interpreter/config.yaml" in shown["max_retries"]["from"]
    assert shown["timeout"]["value"] == 8 and "INTERPRETER_TIMEOUT" in shown["timeout"]["from"]
    assert shown["sandbox"] == {"value": "auto", "from": "built-in"}
    text = world.run("config", "show", env=env)
    assert text.code == 0 and str(user) in text.out and "***" in text.out


def worked(world: World) -> str:
    world.serve(reply("I compute it.", "print(6 * 7, 'sk-proj-abcdefghijklmnopqrstuvwx012345')"), "It is **42**.")
    assert world.run("-y", "算一算").code == 0
    return world.session()


def test_e118_sessions_are_listed_and_shown(world: World) -> None:
    world.forks = False
    assert "There are no sessions yet." in world.run("sessions", "list").out
    session = worked(world)
    listed = world.run("sessions", "list")
    assert listed.code == 0 and session in listed.out and "算一算" in listed.out and "done" in listed.out
    (row,) = json.loads(world.run("sessions", "list", "--json").out)
    assert (row["id"], row["state"], row["turns"]) == (session, "done", 1)
    shown = world.run("sessions", "show", session[:10])
    assert shown.code == 0 and "print(6 * 7" in shown.out and "It is **42**." in shown.out


@pytest.mark.parametrize("form", ["md", "ipynb", "json", "jsonl"])
def test_e119_sessions_are_exported_without_secrets(world: World, form: str) -> None:
    worked(world)
    done = world.run("sessions", "export", "last", "--form", form)
    assert done.code == 0 and "print(6 * 7" in done.out and "It is **42**." in done.out
    assert "sk-proj-abcdef" not in done.out
    if form == "jsonl":
        kinds = [json.loads(line)["event"]["type"] for line in done.out.splitlines()]
        assert kinds[0] == "session_started" and kinds[-1] == "session_closed"
    elif form != "md":
        assert json.loads(done.out)


def test_e120_sessions_are_removed(world: World) -> None:
    session = worked(world)
    assert (world.data / "sessions" / session).is_dir()
    done = world.run("sessions", "rm", session)
    assert (done.code, done.out) == (0, f"Removed: {session}\n")
    assert not (world.data / "sessions" / session).exists()
    again = world.run("sessions", "show", session)
    assert (again.code, again.out) == (2, "") and session in again.err


def test_e121_doctor_says_what_is_there(world: World) -> None:
    url = world.serve("Hi.", model="qwen3-4b")
    done = world.run("doctor", "--json", "-ab", url)
    found = {finding["name"]: finding for finding in json.loads(done.out)}
    assert done.code == 0 and found["Python"]["state"] == "ok"
    assert any("qwen3-4b" in finding.get("found", "") for finding in found.values())
    text = world.run("doctor", "-ab", url)
    assert text.code == 0 and text.out.rstrip().endswith("Ready.")


def test_e122_doctor_without_a_model_is_not_ready(world: World) -> None:
    done = world.run("doctor", "-ab", "http://127.0.0.1:9/v1")
    assert done.code == 1 and "Not ready:" in done.out and "127.0.0.1:9" in done.out


def test_e123_help_and_version_in_both_languages(world: World) -> None:
    english, chinese = world.run("--help"), world.run("--help", "--lang", "zh_CN")
    assert english.code == chinese.code == 0 and english.out != chinese.out
    assert "--api_base" in english.out and "--api_base" in chinese.out and "模型" in chinese.out
    assert world.run("--version").out.startswith("interpreter 0.")
    assert "There is no flag" in world.run("--nothing").err
    assert "没有" in world.run("--nothing", "--lang", "zh_CN").err


def test_e124_the_locale_decides_about_the_language(world: World) -> None:
    world.serve(reply(code="1"), "Never.")
    done = world.run("compute", env={"LC_ALL": "", "LANG": "zh_CN.UTF-8"})
    assert done.code == 4 and "interpreter --resume" in done.err and "没有" in done.err


def test_e125_the_log_is_the_persons_own(world: World) -> None:
    worked(world)
    logs = [*world.data.glob("log.db*"), *(world.data / "sessions").rglob("*")]
    assert len(logs) > 3
    for path in (world.data, world.data / "sessions", *logs):
        assert path.stat().st_mode & 0o077 == 0, path
