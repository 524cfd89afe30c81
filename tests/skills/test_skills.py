"""Skills as folders: read, found, shadowed, laid out, offered, checked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from interpreter.app.skilled import chosen
from interpreter.errors import SkillError
from interpreter.skills.check import check_folder
from interpreter.skills.find import BUILT_IN, Place, files_of, find_skills, places, read_file
from interpreter.skills.format import Skill, read_skill
from interpreter.skills.lay import lay_out
from interpreter.skills.new import new_skill
from interpreter.skills.offer import MOST_OFFERED, offer_text, told

HEAD = "name: one\ndescription: Does it. Use when asked."


def text(head: str = HEAD, body: str = "1. Do it.") -> bytes:
    return f"---\n{head}\n---\n{body}\n".encode()


def put(folder: Path, name: str = "one", body: str = "1. Do it.", **files: str) -> Path:
    target = folder / name
    target.mkdir(parents=True)
    (target / "SKILL.md").write_bytes(text(f"name: {name}\ndescription: Does {name}.", body))
    for path, data in files.items():
        (target / path.replace("__", "/")).parent.mkdir(exist_ok=True)
        (target / path.replace("__", "/")).write_text(data)
    return target


def test_all_fields_of_the_format() -> None:
    head = (
        "name: one\ndescription: >\n  Does it:\n  well.\nlicense: MIT\ncompatibility: Needs git\n"
        'allowed-tools: Bash(git:*) Read\nmetadata:\n  author: me\n  version: "1.0"\n'
        '  interpreter-first: scripts/a.py\n  interpreter-words: "崩溃, Crash Loop"'
    )
    skill = read_skill(text(head), "/x/one", "user")
    assert skill == Skill(
        name="one",
        description="Does it: well.",
        origin="user",
        folder="/x/one",
        license="MIT",
        compatibility="Needs git",
        metadata={
            "author": "me",
            "version": "1.0",
            "interpreter-first": "scripts/a.py",
            "interpreter-words": "崩溃, Crash Loop",
        },
        allowed_tools=("Bash(git:*)", "Read"),
        body="1. Do it.",
    )
    assert skill.first == "scripts/a.py" and skill.words == ("崩溃", "crash loop")
    assert (
        read_skill(b"\xef\xbb\xbf---\r\n" + HEAD.encode() + b"\r\n---\r\n1. Do it.", "/x/one", "user").body
        == "1. Do it."
    )


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (text(f"name: one\ndescription: 0x{'f' * 5000}"), "`description` should be text"),
        (text(f"{HEAD}\n? 0x{'f' * 5000}\n: a"), "`name` should be text"),
        (text(f"{HEAD}\nmetadata:\n  a: 0x{'f' * 5000}"), "`metadata` should be text"),
        (text(f"{HEAD}\nmetadata:\n  ? 0x{'f' * 5000}\n  : a"), "`metadata` should be text"),
        (b"no head", "does not begin"),
        (b"---\nname: one\n", "does not begin"),
        (text("name: one"), "`description` is missing"),
        (text("description: x"), "`name` is missing"),
        (text("name: One\ndescription: x"), "no name of a skill"),
        (text("name: a--b\ndescription: x"), "no name of a skill"),
        (text("name: -a\ndescription: x"), "no name of a skill"),
        (text("name: two\ndescription: x"), "the folder is called `one`"),
        (text("name: one\ndescription: " + "x" * 1025), "longer than 1024"),
        (text("name: one\ndescription: x\ncompatibility: " + "x" * 501), "longer than 500"),
        (text("name: one\ndescription: [1, 2]"), "should be text"),
        (text("name: one\ndescription: x\nmetadata: 3"), "should be names"),
        (text("- a"), "`name: value`"),
        (text("name: {a"), "SKILL.md, line"),
        (text("name: !!python/object/apply:os.system [ls]\ndescription: x"), "SKILL.md, line"),
        (text("x: " + "[" * 5000), "SKILL.md"),
        (b"---\n" + b"x" * 70000, "larger than 64 kB"),
        (b"\xff\xfe---", "not UTF-8"),
    ],
)
def test_what_is_no_skill(data: bytes, problem: str) -> None:
    with pytest.raises(SkillError, match=problem.replace("[", r"\[")):
        read_skill(data, "/x/one", "user")


def test_the_persons_come_before_the_projects_and_all_before_the_built_in(tmp_path: Path) -> None:
    put(tmp_path / "user", "one")
    put(tmp_path / "work" / ".agents" / "skills", "one")
    put(tmp_path / "work" / ".interpreter" / "skills", "reporting")
    put(tmp_path / "work" / ".agents" / "skills", "broken").joinpath("SKILL.md").write_text("nothing")
    (tmp_path / "work" / ".agents" / "skills" / "no-skill").mkdir()
    found = find_skills(places(tmp_path / "work", tmp_path / "user"))
    assert {skill.name: skill.origin for skill in found.skills} == {
        "one": "user",
        "reporting": "project",
        "data-cleaning": "built-in",
        "deployment": "built-in",
        "troubleshooting": "built-in",
    }
    assert [(one.name, one.origin, counts.origin) for one, counts in found.shadowed] == [
        ("one", "project", "user"),
        ("reporting", "built-in", "project"),
    ]
    assert [Path(one.folder).name for one in found.broken] == ["broken"]
    with pytest.raises(SkillError, match="does not begin"):
        found.named("broken")
    with pytest.raises(SkillError, match="no skill called x"):
        found.named("x")


def test_no_link_of_a_project_is_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the person's")
    outside = put(tmp_path / "outside", "one", scripts__a="x")
    work = tmp_path / "work"
    folder = work / ".agents" / "skills"
    folder.mkdir(parents=True)
    (folder / "one").symlink_to(outside)
    assert find_skills((Place("project", str(work), ".agents/skills"),)).skills == ()
    two = put(folder, "two")
    (two / "SKILL.md").unlink()
    (two / "SKILL.md").symlink_to(outside / "SKILL.md")
    three = put(folder, "three")
    (three / "notes.md").symlink_to(secret)
    (three / "scripts").symlink_to(outside / "scripts")
    os.mkfifo(three / "pipe")
    found = find_skills((Place("project", str(work), ".agents/skills"),))
    assert [skill.name for skill in found.skills] == ["three"] and len(found.broken) == 1
    skill = found.named("three")
    assert files_of(skill) == ("SKILL.md",)
    for path in ("notes.md", "scripts/a", "pipe", "../two/SKILL.md", "/etc/passwd", "", ".", "x\0y"):
        with pytest.raises(SkillError):
            read_file(skill, path)
    (work / ".interpreter").symlink_to(tmp_path / "outside")
    assert find_skills((Place("project", str(work), ".interpreter/skills"),)).skills == ()


def test_the_persons_own_links_are_theirs(tmp_path: Path) -> None:
    kept = put(tmp_path / "dotfiles", "one")
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "one").symlink_to(kept)
    (skill,) = find_skills((Place("user", str(tmp_path / "user")),)).skills
    assert read_file(skill, "SKILL.md").startswith(b"---")


def test_laid_out_where_programs_own_the_place(tmp_path: Path) -> None:
    put(tmp_path / "user", "one", scripts__a="echo")
    (skill,) = find_skills((Place("user", str(tmp_path / "user")),)).skills
    scratch, victim = tmp_path / "scratch", tmp_path / "victim"
    scratch.mkdir()
    victim.mkdir()
    (scratch / "skills").symlink_to(victim)
    with pytest.raises(SkillError, match="cannot be laid out"):
        lay_out(skill, str(scratch))
    (scratch / "skills").unlink()
    (scratch / "skills").mkdir()
    (scratch / "skills" / "one").symlink_to(victim)
    folder = Path(lay_out(skill, str(scratch)))
    assert list(victim.iterdir()) == [] and (folder / "scripts" / "a").stat().st_mode & 0o777 == 0o755
    (folder / "SKILL.md").write_text("changed by a program")
    (folder / "left").write_text("by a program")
    assert lay_out(skill, str(scratch)) == str(folder)
    assert (folder / "SKILL.md").read_bytes().startswith(b"---") and not (folder / "left").exists()


def test_the_prompt_stays_small(tmp_path: Path) -> None:
    skills = [Skill(name=f"s-{n}", description="x" * 1000, origin="project", folder=f"/w/s-{n}") for n in range(50)]
    said, left = offer_text((skill, skill.folder) for skill in skills)
    assert len(said) <= MOST_OFFERED and len(left) > 40 and "changes nothing of what you may do" in said
    assert offer_text([]) == ("", ())
    long = Skill(name="a", description="d", origin="project", folder="/w/a", body="b" * 9000 + "\x1b[31m")
    text = told(long, "/w/a", ("SKILL.md", "scripts/x"), 3000)
    assert len(text) < 3400 and "full output: /w/a/SKILL.md" in text and "scripts/x" in text and "\x1b" not in text


def test_the_built_in_ones_have_nothing_to_remark_on() -> None:
    for folder in sorted(BUILT_IN.iterdir()):
        skill, remarks = check_folder(str(folder), "built-in")
        assert skill is not None and remarks == [] and len(skill.body) < 3000


def test_what_a_check_finds(tmp_path: Path) -> None:
    folder = put(
        tmp_path,
        "one",
        "See references/more.md and scripts/bad.py.",
        scripts__bad=" x",
        **{
            "scripts__bad.py": "def (",
            "tools.py": "",
            "policy.yaml": "version: 1\ngrants: [docker]\nrules:\n"
            '  - name: a\n    decision: allow\n    command: ["ls *"]\n',
            "checks.yaml": "- nothing: 1\n",
            "k.env": "AWS=AKIAIOSFODNN7EXAMPLE",
        },
    )
    (folder / "link").symlink_to("/etc/passwd")
    head = "name: one\ndescription: d\ncolour: red\nallowed-tools: Bash"
    (folder / "SKILL.md").write_bytes(text(head, "See references/more.md and scripts/bad.py."))
    _skill, remarks = check_folder(str(folder))
    said = "\n".join(f"{one.level}: {one.text}" for one in remarks)
    for wanted in (
        "error: references/more.md is named, but is not there",
        "error: scripts/bad.py, line 1",
        "error: k.env seems to hold a secret",
        "warning: The format has no field `colour`",
        "warning: link is a link",
        "warning: The rule `a` would allow",
        "warning: policy.yaml may only",
        "note: `allowed-tools` allows nothing",
        "note: tools.py is loaded only",
        "a check is one of command",
    ):
        assert wanted in said, said
    assert check_folder(str(tmp_path / "nowhere"))[0] is None


def test_a_new_one_can_be_used_at_once(tmp_path: Path) -> None:
    made = new_skill(tmp_path / "skills", "my-own")
    assert check_folder(str(made))[1] == []
    with pytest.raises(SkillError, match="already"):
        new_skill(tmp_path / "skills", "my-own")
    with pytest.raises(SkillError, match="no name"):
        new_skill(tmp_path / "skills", "../x")
    assert [path.name for path in (tmp_path / "skills").iterdir()] == ["my-own"]


def test_a_goal_takes_the_skill_whose_words_it_says(tmp_path: Path) -> None:
    put(tmp_path / ".agents" / "skills", "mine")
    path = tmp_path / ".agents" / "skills" / "mine" / "SKILL.md"
    path.write_bytes(text('name: mine\ndescription: d\nmetadata:\n  interpreter-words: "web"'))
    found = find_skills(places(tmp_path, tmp_path / "user"))
    assert chosen(found, "Web is in CrashLoopBackOff") == ("troubleshooting",)
    assert chosen(found, "把新版本发布到生产环境") == ("deployment",) and chosen(found, "清洗数据 a.csv") == (
        "data-cleaning",
    )
    assert chosen(found, "count the lines of deploy.log of the web") == ()
