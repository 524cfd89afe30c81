"""The pipeline with real parts: a push starts a run that builds, pushes, rolls out, looks, and takes back. e300 on."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.request
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from interpreter.types.goals import GoalFinished, UndoFinished, UndoNamed, UndoStepFinished
from tests.world import images
from tests.world.parts import BASE, Real, real_parts
from tests.world.users import User

from .world import World, reply

pytestmark = pytest.mark.xdist_group("deploying")  # one world for all of them

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
DOCKERFILE = f"FROM {BASE}\nCOPY version /www/version\nCMD exec httpd -f -p 127.0.0.1:$PORT -h /www\n"
DIES = f"FROM {BASE}\nCMD echo no configuration; exit 1\n"
MUTE = f"FROM {BASE}\nCMD exec sleep 1000\n"


def taught(kind: str, beginning: str, name: str = "pipeline.md") -> str:
    """A block of the tutorial: what a newcomer copies is what is tried here."""
    (found,) = [
        block
        for block in re.findall(rf"```{kind}\n(.*?)```", (TUTORIALS / name).read_text(), re.DOTALL)
        if block.startswith(beginning)
    ]
    return found


class Shop(NamedTuple):
    """A deployment that runs version 1.0, and the repository of its next one."""

    world: World
    real: Real
    mark: str
    space: str
    image: str
    address: str
    made: list[Path]
    """Where hooks have checked out."""

    @property
    def work(self) -> Path:
        return self.made[-1]

    @property
    def told(self) -> str:
        return (self.world.home / "deploy.out").read_text()

    @property
    def report(self) -> str:
        return (self.world.home / "deploy-report.md").read_text()

    def served(self) -> str:
        with urllib.request.urlopen(f"http://{self.address}/version", timeout=30) as answer:
            return answer.read().decode().strip()

    def tags(self) -> list[str]:
        return sorted(self.real.registry.tags(self.image.partition("/")[2]))

    def push(self, *, words: str = "", rules: str = "") -> int:
        """Push version 2.0 as the tutorial says; the exit code of the run that the hook has started."""
        world = self.world
        task = taught("yaml", "version: 1\ngoal:").replace("namespace: staging", f"namespace: {self.space}")
        task = task.replace("localhost:5000/shop", self.image).replace("30080", self.address.partition(":")[2])
        policy = taught("yaml", "version: 1\ngrants:").replace("127.0.0.1:30080", self.address)
        policy = policy.replace("localhost:5000/", f"{self.real.registry.name}/")
        policy = policy.replace("!staging", f"!staging-{self.mark}") + rules
        (world.home / "deploy-policy.yaml").write_text(policy)
        (world.data / "config.yaml").write_text(f"api_base: {world.url}\n")
        bare, tree = world.home / "shop.git", world.root / "tree"
        git(world, "init", "-q", "--bare", "-b", "main", str(bare))
        hook = bare / "hooks" / "post-receive"
        hook.write_text(taught("sh", "#!/bin/sh").replace("--report", f"{words} --report"))
        hook.chmod(0o755)
        git(world, "init", "-q", "-b", "main", str(tree))
        (tree / "deploy.yaml").write_text(task)
        (tree / "version").write_text("2.0\n")
        git(world, "-C", str(tree), "add", "-A")
        git(world, "-C", str(tree), "commit", "-q", "-m", "Version 2.0")
        said = git(world, "-C", str(tree), "push", "-q", str(bare), "main")
        found = re.search(r"^remote: deploy of [0-9a-f]{40} in (/\S+): exit code (\d+)", said, re.MULTILINE)
        assert found is not None, said
        self.made.append(Path(found[1]))
        return int(found[2])

    def says(self, dockerfile: str) -> list[dict[str, Any]]:
        """A model that works through the skill's list, step by step."""
        kubectl = f"kubectl -n {self.space}"
        new = f"{self.image}:2.0"
        status = f"{kubectl} rollout status deployment/web --timeout=60s"
        return [
            call("plan", steps=["[>] Dockerfile", "build and push", "set the image", "look", "deploy.log"]),
            reply(code=f"cat > Dockerfile <<'END'\n{dockerfile}END\n", language="shell"),
            act(f"docker build -t {new} . && docker push {new}", undo="none"),
            act(f"{kubectl} set image deployment/web app={new}",
                undo=f"{kubectl} rollout undo deployment/web && {status}", expect="image updated"),
            act(f"{status} && curl -fsS http://{self.address}/version && echo 2.0 rolled out > deploy.log"),
            call("finish", status="success", evidence="2.0 answers."),
        ]  # fmt: skip


def git(world: World, *words: str, **more: str) -> str:
    env = {**world.env, "GIT_CONFIG_NOSYSTEM": "1", **more}
    identity = ("-c", "user.name=ci", "-c", "user.email=ci@example.org")
    done = subprocess.run(["git", *identity, *words], env=env, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"calls": [{"name": name, "arguments": arguments}]}


def act(code: str, **more: str) -> dict[str, Any]:
    return call("execute", language="shell", code=code, **more)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Generator[Real]:
    with real_parts(tmp_path_factory.mktemp("parts")) as found:
        yield found


@pytest.fixture
def shop(world: World, real: Real, request: pytest.FixtureRequest) -> Generator[Shop]:
    mark = uuid.uuid4().hex[:8]
    space = f"{getattr(request, 'param', 'staging')}-{mark}"
    real.cluster.namespace(space)
    old = real.built(f"web-{mark}", "1.0")
    real.cluster.apply(images.deployment(space, "web", old), images.service(space, "web"))
    real.cluster.settled(space, "web")
    deployer = real.cluster.kubeconfig(space, User("system:serviceaccount:ci:deployer", (space,)))
    world.env |= {"DOCKER_HOST": f"unix://{real.socket}", "KUBECONFIG": str(deployer)}
    image, address = f"{real.registry.name}/web-{mark}", real.cluster.address_of(space, "web")
    made = Shop(world, real, mark, space, image, address, [])
    yield made
    for folder in made.made:
        shutil.rmtree(folder.parent, ignore_errors=True)


@pytest.mark.parametrize("name", ["pipeline", "crash-loop"])
def test_both_languages_teach_the_same(name: str) -> None:
    blocks = [re.findall(r"```(?:yaml|sh)\n.*?```", (TUTORIALS / f"{name}{end}").read_text(), re.DOTALL)
              for end in (".md", ".zh-CN.md")]  # fmt: skip
    assert blocks[0] == blocks[1] and blocks[0]


def test_e300_a_push_is_deployed(shop: Shop) -> None:
    shop.world.serve(*shop.says(DOCKERFILE))
    assert shop.push() == 0, shop.told
    assert shop.served() == "2.0" and shop.real.cluster.image(shop.space, "web") == f"{shop.image}:2.0"
    assert shop.tags() == ["1.0", "2.0"]
    assert (shop.work / "deploy.log").read_text() == "2.0 rolled out\n" and (shop.work / "Dockerfile").exists()
    first = json.dumps(shop.world.requests()[0]["messages"])
    assert f"runs now: {shop.space}/web, app={shop.image}:1.0, 1 of 1 ready, revision 1" in first, "read by the skill"
    (goal,) = shop.world.of(GoalFinished)
    assert goal.status == "proven" and goal.vacuous == ()
    report = shop.report
    assert "Goal: proven by checks" in report and "| it answers with its version | after the claim | ✅ |" in report


@pytest.mark.parametrize("dockerfile", [DIES, MUTE], ids=["dies", "never ready"])
def test_e301_a_broken_image_is_taken_back(shop: Shop, dockerfile: str) -> None:
    world = shop.world
    world.serve(*shop.says(dockerfile))
    assert shop.push() == 1, shop.told
    told, report = shop.told, shop.report
    assert shop.served() == "1.0" and shop.real.cluster.image(shop.space, "web") == f"{shop.image}:1.0"
    assert git(world, "-C", str(shop.work), "status", "--porcelain") == "", "its Dockerfile is gone as well"
    assert len(world.requests()) == 4, "it was not the model that decided"
    named = [event.action for event in world.of(UndoNamed)]
    assert [event.action for event in world.of(UndoStepFinished)] == named[::-1]
    (done,) = world.of(UndoFinished)
    assert done.healthy and done.left == (named[1],) and shop.tags() == ["1.0", "2.0"], "a pushed image stays"
    for text in (told, report):
        assert "exceeded its progress deadline" in text and "The health checks pass." in text
        assert f"- docker push {shop.image}:2.0" in text and "Not undone: 1 steps." in text
    assert "What cannot be taken back" not in told and "a health check got worse; undone" in report


@pytest.mark.parametrize("shop", ["production"], indirect=True)
def test_e302_a_forbidden_namespace_ends_it_before_anything_is_changed(shop: Shop) -> None:
    shop.world.serve(*shop.says(DOCKERFILE))
    writes = shop.real.cluster.writes()
    assert shop.push() == 3, shop.told
    assert "This pipeline is about staging." in shop.told and "denied \\(3\\)" in shop.report
    assert shop.real.cluster.writes() == writes and shop.tags() == ["1.0"] and shop.served() == "1.0"
    assert git(shop.world, "-C", str(shop.work), "status", "--porcelain") == ""
    assert shop.world.requests() == [], "no model was asked"


def test_e303_parked_approved_and_gone_on_with(shop: Shop) -> None:
    world = shop.world
    world.serve(*shop.says(DOCKERFILE))
    rule = taught("yaml", "  - name: a-release-wants-a-yes")
    assert shop.push(words="--approvals park", rules=rule) == 4, shop.told
    assert shop.served() == "1.0" and shop.tags() == ["1.0", "2.0"], "it waits where the rule asks, and not before"
    (waiting,) = json.loads(world.run("approvals", "list", "--json").out)
    assert "set image deployment/web" in waiting["code"]
    assert world.run("approvals", "approve", waiting["approval"]).code == 0
    words = ("run", "--resume", "--policy", str(world.home / "deploy-policy.yaml"), "--approvals", "park")
    done = world.run(*words, cwd=shop.work)
    assert done.code == 0, done.err
    assert shop.served() == "2.0" and (shop.work / "deploy.log").exists()
    back = world.run("undo", "--policy", str(world.home / "deploy-policy.yaml"), cwd=shop.work)
    assert back.code == 1 and f"- docker push {shop.image}:2.0" in back.err, "the image stays, and that is said"
    assert shop.served() == "1.0" and not (shop.work / "deploy.log").exists()


def test_e304_a_yes_to_a_release_is_a_yes_to_its_undo(shop: Shop) -> None:
    world = shop.world
    world.serve(*shop.says(DIES))
    rule = taught("yaml", "  - name: a-release-wants-a-yes").replace("set image **", "rollout undo **")
    assert shop.push(words="--approvals park", rules=rule) == 4, shop.told
    (waiting,) = json.loads(world.run("approvals", "list", "--json").out)
    undo = f"kubectl -n {shop.space} rollout undo deployment/web && kubectl -n {shop.space} rollout status"
    shown = world.run("approvals", "show", waiting["approval"]).out
    assert "a yes to it is a yes to the undo as well" in shown and undo in shown
    assert world.run("approvals", "approve", waiting["approval"]).code == 0
    words = ("run", "--resume", "--policy", str(world.home / "deploy-policy.yaml"), "--approvals", "park")
    done = world.run(*words, cwd=shop.work)
    assert done.code == 1 and "Health got worse" in done.err, done.err
    assert shop.served() == "1.0" and world.of(UndoFinished)[0].healthy
    assert [step.undone for step in world.of(UndoStepFinished)] == [True, False, True]
