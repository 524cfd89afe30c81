"""Skills by the real command: offered, used, looking first, kept; each built-in one at its work."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from interpreter.types.events import ActionProposed, ModelAsked, NoteAdded, TurnStarted
from tests.skills import cluster

from .world import World, reply

SKILL = """---
name: {name}
description: How our week is counted. Use for weekly numbers.
---
1. Count with count.py.
"""


def put_skill(folder: Path, name: str, **files: str) -> None:
    target = folder / name
    target.mkdir(parents=True)
    (target / "SKILL.md").write_text(SKILL.format(name=name))
    for path, text in files.items():
        (target / path).write_text(text)


def first_message(world: World, request: int = 0) -> str:
    return json.dumps(world.requests()[request]["messages"][1:], ensure_ascii=False)


def with_kubectl(world: World, found: dict[str, Any]) -> dict[str, str]:
    folder = cluster.put_kubectl(world.here / "bin", found)
    return {"PATH": f"{folder}{os.pathsep}{world.env['PATH']}"}


def test_e240_a_crash_loop_is_looked_at_by_rules_before_a_model_is_asked(world: World) -> None:
    world.serve("It was killed for want of memory.")
    task = "web in shop keeps restarting; why?"
    done = world.run("-y", "--skill", "troubleshooting", task, env=with_kubectl(world, cluster.crash_loop()))
    assert done.code == 0, done.err
    assert "Using the skill troubleshooting (built in" in done.err
    events = world.events()
    look = next(event for event in events if isinstance(event, ActionProposed))
    asked = next(n for n, event in enumerate(events) if isinstance(event, ModelAsked))
    assert events.index(look) < asked and look.action.source == "skill troubleshooting"
    (request,) = world.requests()
    told = request["messages"][-1]["content"]
    facts = told[told.index("FACTS read by rules") :]
    assert len(facts.encode()) < 2000
    assert "killed for want of memory (OOMKilled, exit 137)" in facts and "memory limit 64Mi" in facts
    assert told.index(task) < told.index("Skill troubleshooting") < told.index("FACTS read by rules")
    assert "troubleshooting" not in request["messages"][0]["content"] and len(json.dumps(request)) < 10_000


def test_e241_what_a_project_brings_is_offered_and_said(world: World) -> None:
    put_skill(world.here / ".agents" / "skills", "weekly")
    put_skill(world.here / ".interpreter" / "skills", "deployment")
    put_skill(world.data / "skills", "mine")
    (world.here / "AGENTS.md").write_text("Tests run with `make check`.\n")
    (world.here / "api").mkdir()
    (world.here / "api" / "AGENTS.md").write_text("Only here.\n")
    mine = "$(dirname $TMPDIR)/scratch/skills/mine/SKILL.md"
    world.serve(reply(code=f"cat .agents/skills/weekly/SKILL.md {mine}", language="shell"), "Read.")
    done = world.run("-y", "--output", "json", "how do we count?")
    assert done.code == 0 and done.result["actions"][0]["output"].count("1. Count with count.py.") == 2, done.err
    system = world.requests()[0]["messages"][0]["content"]
    assert "- weekly: How our week is counted." in system and "- mine: " in system and "reporting" not in system
    assert "Tests run with `make check`." in system and "api/AGENTS.md" in system and "Only here" not in system
    notes = [event.text for event in world.of(NoteAdded)]
    assert any("AGENTS.md is read as text of the project" in text for text in notes)
    assert any("built-in" in text or "does not count" in text for text in notes if "deployment" in text)


def test_e242_a_plain_session_is_told_of_no_skill(world: World) -> None:
    world.serve("Hello.")
    assert world.run("-y", "hello").code == 0
    (request,) = world.requests()
    assert "kill" not in request["messages"][0]["content"].replace("kills", "kill") and len(json.dumps(request)) < 4000
    assert world.run("-y", "--skill", "nothing", "hello").code == 2


def test_e243_what_succeeded_becomes_a_skill_and_is_used_again(world: World) -> None:
    (world.here / "sales-2024.csv").write_text("day,sum\n1,2\n2,40\n")
    count = "import csv\nprint(sum(int(r['sum']) for r in csv.DictReader(open('sales-2024.csv'))))"
    world.serve(
        reply(code="open('sales.csv')"),
        reply(code=count),
        reply(code="test -s sales-2024.csv", language="shell"),
        "42.",
    )
    assert world.run("-y", "sum the sales in sales-2024.csv").code == 0
    kept = world.run("skills", "save", "sum-sales")
    assert kept.code == 0 and "2 steps, 1 checks" in kept.out and "{{file}}" in kept.out, kept.err
    text = (world.data / "skills" / "sum-sales" / "SKILL.md").read_text()
    assert "open('{{file}}')" in text and "then it was `sales-2024.csv`" in text and "open('sales.csv')" not in text
    assert world.run("skills", "check", "sum-sales").code == 0
    world.serve("Now for 2025.")
    assert world.run("-y", "--skill", "sum-sales", "sales-2025.csv now").code == 0
    assert "open('{{file}}')" in json.loads(first_message(world))[-1]["content"]


def test_e244_in_a_conversation(world: World) -> None:
    world.serve(reply(code="print(6 * 7)"), "It is so.", "Clean.")
    terminal = world.talk("-y")
    terminal.send("compute 42\r")
    terminal.wait_for("It is so.")
    terminal.send("%skill save six-times-seven\r")
    terminal.wait_for("Kept as a skill")
    terminal.send("%skill\r")
    terminal.wait_for("your own")
    terminal.send("%skill data-cleaning clean what is here\r")
    terminal.wait_for("Clean.")
    assert world.of(TurnStarted)[-1].skills == ("data-cleaning",)
    assert "there is none in this folder" in json.dumps(world.requests()[-1])
    assert terminal.leave() == 0


def test_e245_a_table_is_cleaned_with_a_proof(world: World) -> None:
    (world.here / "in.csv").write_text("id,city\n1, Berlin\n2,berlin\n2,berlin\n")
    clean = (
        "import csv\nrows = list(csv.DictReader(open('in.csv')))\nseen = []\n"
        "for r in rows:\n    r['city'] = r['city'].strip().title()\n    if r not in seen: seen.append(r)\n"
        "with open('in.clean.csv', 'w', newline='') as f:\n"
        "    w = csv.DictWriter(f, rows[0]); w.writeheader(); w.writerows(seen)"
    )
    compare = "python3 $(dirname $TMPDIR)/scratch/skills/data-cleaning/scripts/look.py --compare in.csv in.clean.csv"
    world.serve(reply(code=clean), reply(code=compare, language="shell"), "Cleaned.")
    done = world.run("-y", "--skill", "data-cleaning", "--output", "json", "clean in.csv")
    assert done.code == 0 and "no row was lost but exact duplicates" in done.result["actions"][-1]["output"], done.err
    assert "one thing, several spellings: Berlin/berlin" in first_message(world)


def test_e246_a_report_without_a_source_is_found(world: World) -> None:
    def write(text: str) -> str:
        code = "import json\njson.dump({'orders': 1204}, open('evidence.json', 'w'))\n"
        return code + f"open('report.md', 'w').write({text!r})"

    check = "python3 $(dirname $TMPDIR)/scratch/skills/reporting/scripts/check_report.py report.md evidence.json"
    world.serve(
        reply(code=write("1204 orders, up 17 %.")), reply(code=check, language="shell"),
        reply(code=write("1204 orders.")), reply(code=check, language="shell"), "Written.",
    )  # fmt: skip
    done = world.run("-y", "--skill", "reporting", "--output", "json", "report the orders")
    outputs = [action["output"] for action in done.result["actions"]]
    assert done.code == 0 and "have no source: 17" in outputs[1] and "all 1 numbers" in outputs[3], done.err


def test_e247_a_release_reads_first_and_its_rules_ask(world: World) -> None:
    env = with_kubectl(world, {"deployments": [cluster.deployed()], "pods": [cluster.pod()]})
    steps = (
        "kubectl -n shop set image deployment/web app=web:2.1",
        "kubectl -n shop rollout status deployment/web",
        "kubectl delete pod web-1",
    )
    world.serve(*(reply(code=code, language="shell") for code in steps), "Released.")
    done = world.run("-y", "--skill", "deployment", "--output", "json", "release web 2.1", env=env)
    assert "runs now: shop/web, app=registry.local/web:2.0" in first_message(world)
    assert [action["status"] for action in done.result["actions"]] == ["ok", "ok", "ok", "denied"], done.err
    assert "successfully rolled out" in done.result["actions"][2]["output"]


def test_e248_a_first_look_that_waits_for_a_yes(world: World) -> None:
    world.serve("It was killed for want of memory.")
    env = with_kubectl(world, cluster.crash_loop())
    done = world.run("--skill", "troubleshooting", "why does web restart?", env=env)
    assert done.code == 4 and world.requests() == []
    (waiting,) = json.loads(world.run("approvals", "list", "--json").out)
    assert waiting["code"].startswith("python3 ") and "first_look.py --task 'why does web restart?'" in waiting["code"]
    assert world.run("approvals", "approve", waiting["approval"]).code == 0
    again = world.run("--resume", world.session(), env=env)
    assert again.code == 0, again.err
    assert "OOMKilled, exit 137" in first_message(world) and "Skill troubleshooting" in first_message(world)
    origins = [json.loads(line)["origin"] for line in world.run("audit", "export").out.splitlines()]
    assert origins == ["skill", "skill"]


def test_e249_a_projects_rules_count_once_they_are_trusted(world: World) -> None:
    rules = 'version: 1\nrules:\n  - {name: no-touch, decision: deny, command: ["touch *"], match: ["touch a"]}\n'
    put_skill(world.here / ".agents" / "skills", "weekly", **{"policy.yaml": rules})
    replies = [reply(code="touch a", language="shell"), "Done."]
    world.serve(*replies)
    done = world.run("-y", "--skill", "weekly", "count")
    assert done.code == 0 and (world.here / "a").exists()
    assert "you do not trust them: interpreter skills trust weekly" in done.err
    (world.here / "a").unlink()
    assert world.run("skills", "trust", "weekly").code == 0
    world.serve(*replies)
    done = world.run("-y", "--skill", "weekly", "count")
    assert not (world.here / "a").exists() and "no-touch" in done.err
    with (world.here / ".agents/skills/weekly/policy.yaml").open("a") as file:
        file.write("# changed\n")
    world.serve(*replies)
    assert "you do not trust them" in world.run("-y", "--skill", "weekly", "count").err


def test_e250_no_script_of_a_project_runs_by_itself_without_walls(world: World) -> None:
    folder = world.here / ".agents" / "skills"
    put_skill(folder, "weekly", **{"look.py": "open('ran', 'w')"})
    text = (folder / "weekly" / "SKILL.md").read_text()
    (folder / "weekly" / "SKILL.md").write_text(
        text.replace("\n---\n1", "\nmetadata: {interpreter-first: look.py}\n---\n1")
    )
    world.serve("Done.")
    done = world.run("-y", "--sandbox", "host", "--skill", "weekly", "count")
    assert done.code == 0 and "no script of a project runs by itself" in done.err and not (world.here / "ran").exists()
    world.serve("Done.")
    assert world.run("-y", "--skill", "weekly", "count").code == 0 and (world.here / "ran").exists()


def test_e251_a_goal_takes_the_skill_that_its_words_call_for(world: World) -> None:
    world.serve(
        reply(code="open('done.txt', 'w').write('yes')"),
        {"calls": [{"name": "finish", "arguments": {"status": "success", "evidence": "done.txt is there."}}]},
    )
    env = with_kubectl(world, cluster.crash_loop())
    done = world.run(
        "run", "web in shop is in CrashLoopBackOff: write done.txt", "--verify", "test -s done.txt", env=env
    )
    assert done.code == 0 and "Using the skill troubleshooting" in done.err, done.err
    assert (
        "OOMKilled, exit 137" in first_message(world)
        and "- deployment: " in world.requests()[0]["messages"][0]["content"]
    )
    kept = world.run("skills", "save", "write-done")
    assert kept.code == 0 and "1 steps, 1 checks" in kept.out, kept.err
    folder = world.data / "skills" / "write-done"
    kept_text = (folder / "SKILL.md").read_text()
    assert "first_look" not in kept_text and "`test -s {{file}}`" in kept_text


def test_e252_the_checks_of_ones_own_skill_prove_a_goal(world: World) -> None:
    checks = "- command: test -s out.txt\n"
    put_skill(world.data / "skills", "mine", **{"checks.yaml": checks})
    put_skill(world.here / ".agents" / "skills", "theirs", **{"checks.yaml": "- command: 'true'\n"})
    finish = {"calls": [{"name": "finish", "arguments": {"status": "success", "evidence": "It is there."}}]}
    world.serve(reply(code="open('out.txt', 'w').write('42')"), finish)
    words = ("run", "--skill", "mine", "--skill", "theirs", "--output", "json", "write out.txt")
    done = world.run(*words)
    assert done.code == 0, done.err
    seen = [(check["name"], check["phase"], check["passed"]) for check in done.result["goal"]["checks"]]
    assert seen == [("test -s out.txt", "before", False), ("test -s out.txt", "claim", True)]
