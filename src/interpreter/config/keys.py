"""Every setting, as one table: flags, files, environment, help and documentation are readings of it.

It imports nothing heavy, because `--help` is made from it.
"""

from __future__ import annotations

from .key import N_, Guard, Key, Kind
from .keys_approvals import ASKING, RISES
from .keys_checkpoints import CHECKPOINTS
from .keys_pipelines import FURTHER
from .keys_skills import SKILLS
from .keys_tools import TOOLS

__all__ = ["KEYS", "SECTIONS", "SPELLINGS", "Guard", "Key", "Kind"]

MODEL = (
    Key("llm.model", "text", N_("Name of the model, as its server knows it."), ("--model", "-m"), aliases=("model",)),
    Key(
        "llm.api_base",
        "text",
        N_("Address of an OpenAI-compatible server, for example http://localhost:8000/v1."),
        ("--api_base", "-ab"),
        guard="never",
        aliases=("api_base",),
    ),
    Key(
        "llm.api_key",
        "text",
        N_("Key for that server. The environment is a better place for it than the command line."),
        ("--api_key", "-ak"),
        guard="never",
        aliases=("api_key",),
    ),
    Key(
        "llm.context_window",
        "int",
        N_("Tokens that the model can hold. Unset: what the server says."),
        ("--context_window", "-cw"),
        least=512,
        aliases=("context_window",),
    ),
    Key(
        "llm.max_tokens",
        "int",
        N_("Tokens kept for one answer."),
        ("--max_tokens", "-x"),
        least=1,
        aliases=("max_tokens",),
    ),
    Key(
        "llm.temperature",
        "float",
        N_("Randomness of the model, from 0 to 2."),
        ("--temperature", "-t"),
        least=0,
        most=2,
        aliases=("temperature",),
    ),
    Key(
        "llm.tools",
        "choice",
        N_("Whether the server is asked with native tool calls."),
        ("--tools",),
        choices=("auto", "on", "off"),
    ),
    Key("llm.connect_timeout", "float", N_("Seconds to wait for a connection to the model's server."), least=0.01),
    Key("llm.read_timeout", "float", N_("Seconds to wait between two pieces of an answer."), least=0.01),
    Key(
        "llm.max_retries",
        "int",
        N_("Attempts after a request that failed on its way (not after code that failed)."),
        env="llm_max_retries",
        least=0,
        most=100,
    ),
    Key("llm.prices", "prices", N_("Prices per million tokens: input, cached, output."), guard="never"),
    Key("llm.extra_body", "table", N_("Fields added to every request to the model."), guard="never"),
    Key("llm.headers", "map", N_("Headers added to every request to the model."), guard="never"),
)

PROMPT = (
    Key(
        "system_message",
        "text",
        N_("Replaces the first lines of the built-in instructions to the model."),
        ("--system_message", "-sm"),
        "agent.system_message",
    ),
    Key(
        "custom_instructions",
        "text",
        N_("Added to the instructions to the model."),
        ("--custom_instructions", "-ci"),
        "agent.custom_instructions",
    ),
    Key(
        "summary",
        "choice",
        N_("What tells the model of older steps when its window is full: an account by rules, or its own summary."),
        into="agent.summary",
        choices=("account", "model"),
    ),
    Key("vision", "bool", N_("The model reads images: plots are shown to it."), ("--vision",), "agent.vision"),
)

CONSENT = (
    Key(
        "auto_run",
        "bool",
        N_("Run code without asking, as long as it stays inside the sandbox."),
        ("--auto_run", "-y"),
        "agent.auto_run",
        guard="tighten",
    ),
    Key("plan", "bool", N_("Plan only: nothing runs but what only reads."), ("--plan",), "agent.plan", guard="tighten"),
    *ASKING,
    Key(
        "safe_mode",
        "choice",
        N_("ask or auto: every piece of code is asked for, even with -y. off: no change; the sandbox always stays."),
        ("--safe_mode", "-s"),
        "safe_mode",
        guard="tighten",
        choices=("off", "ask", "auto"),
    ),
    Key(
        "policy",
        "text",
        N_("A policy file: rules about what may run, beside your own and the built-in ones."),
        ("--policy",),
        guard="never",
    ),
    Key(
        "install",
        "choice",
        N_("What to do about a missing Python module."),
        ("--install",),
        "agent.install",
        guard="tighten",
        choices=("yes", "ask", "no"),
    ),
)

WALLS = (
    Key(
        "sandbox",
        "choice",
        N_("The walls around the code. host and off: none at all."),
        ("--sandbox",),
        "walls.backend",
        guard="tighten",
        choices=("off", "host", "auto", "landlock", "seatbelt", "container", "bubblewrap"),
    ),
    Key(
        "network",
        "choice",
        N_("What the code may reach, by a broker: off, ask (what no rule names) or open (all public hosts)."),
        ("--network",),
        "walls.network",
        guard="tighten",
        choices=("", "open", "ask", "off"),
        bare="open",
    ),
    Key(
        "allow_host",
        "hosts",
        N_("Hosts that the code may reach, such as pypi.org, *.example.org:443 or @git-hosts."),
        ("--allow_host",),
        "walls.allow_hosts",
        guard="never",
    ),
    Key(
        "readable",
        "paths",
        N_("Further files or folders that the code may read."),
        ("--readable",),
        "walls.readable",
        guard="never",
    ),
    Key(
        "writable",
        "paths",
        N_("Further files or folders that the code may change."),
        ("--writable",),
        "walls.writable",
        guard="never",
    ),
    Key("hidden", "paths", N_("Paths that stay hidden from the code."), ("--hidden",), "walls.hidden"),
    Key(
        "profile",
        "text",
        N_("What the code may reach: workspace, read-only, host (no walls at all), or one of your own."),
        ("--profile",),
        "walls.profile",
        guard="tighten",
    ),
    Key("stage", "bool", N_("Keep writes aside until you commit them."), ("--stage",), "walls.stage", guard="tighten"),
    Key(
        "grants",
        "names",
        N_("What else is opened: git, ssh, docker, kubectl, aws, gcloud, az, or a path to read."),
        ("--grant",),
        "walls.grants",
        guard="never",
    ),
    Key("profiles", "table", N_("Profiles of your own, by name."), into="walls.profiles", guard="never"),
    Key(
        "python",
        "text",
        N_("The Python that runs the code. Unset: the active or the project's environment."),
        ("--python",),
        "walls.python",
        guard="never",
    ),
)

LIMITS = (
    Key(
        "max_retries",
        "int",
        N_("Failed steps in a row before you are asked, or the run ends."),
        ("--max_retries",),
        "agent.max_retries",
        least=0,
        most=1000,
    ),
    Key(
        "timeout",
        "float",
        N_("Seconds for one execution of code."),
        ("--timeout",),
        "agent.timeout",
        least=0.01,
        aliases=("os.timeout",),
    ),
    Key(
        "run_timeout",
        "float",
        N_("Seconds for one shell command. Unset: the same as timeout."),
        ("--run_timeout",),
        "agent.run_timeout",
        least=0.01,
        aliases=("os.run_timeout",),
    ),
    Key(
        "max_steps",
        "int",
        N_("Requests to the model for one task. Unset: 50 when nobody is there."),
        ("--max_steps",),
        "agent.max_steps",
        guard="tighten",
        least=1,
        implied=50,
    ),
    Key(
        "max_seconds",
        "float",
        N_("Seconds for one task. Unset: 3600 when nobody is there."),
        ("--max_seconds",),
        "agent.max_seconds",
        guard="tighten",
        least=0.01,
        implied=3600,
    ),
    Key(
        "max_total_tokens",
        "int",
        N_("Tokens for one task. Unset: 2,000,000 when nobody is there."),
        ("--max_total_tokens",),
        "agent.max_total_tokens",
        guard="tighten",
        least=1,
        implied=2_000_000,
    ),
    Key(
        "max_cost",
        "float",
        N_("Cost of one task, in the currency of llm.prices."),
        ("--max_cost",),
        "agent.max_cost",
        guard="tighten",
        least=0,
    ),
    Key(
        "max_output",
        "int",
        N_("Characters of one program's output that the model reads. Unset: follows its window."),
        ("--max_output", "-xo"),
        "max_output",
        least=100,
    ),
    *RISES,
    Key("limits.memory", "size", N_("Memory of one execution, for example 8G."), guard="tighten", least=1 << 20),
    Key("limits.processes", "int", N_("Processes of one execution."), guard="tighten", least=1),
    Key("limits.cpu", "float", N_("Seconds of processor time of one execution."), guard="tighten", least=1),
    Key("limits.file_size", "size", N_("Size of any one file that the code writes."), guard="tighten", least=1),
    Key(
        "limits.disk",
        "size",
        N_("Disk space that one execution may fill, in all folders together."),
        guard="tighten",
        least=1 << 20,
    ),
    Key(
        "limits.free",
        "size",
        N_("Disk space that is left free, whatever runs. Unset: 1 GB, or 5 % of the disk where that is less."),
        guard="never",
        least=0,
    ),
    Key("limits.output", "size", N_("Output of one execution that is kept on disk."), guard="tighten", least=1),
    Key("limits.open_files", "int", N_("Open files of one process."), guard="tighten", least=256),
)

SNAPSHOTS = (
    Key(
        "snapshots.enabled",
        "bool",
        N_("Keep the workspace's files before each step that may write, so that it can be taken back."),
        env="snapshots",
        guard="never",
    ),
    Key(
        "snapshots.ignored",
        "names",
        N_("Names of files and folders that are left out, beside repositories, environments and caches."),
        env="snapshots_ignored",
        guard="never",
    ),
    Key(
        "snapshots.quota",
        "size",
        N_("Disk space of all snapshots together; what goes beyond it is named as not covered."),
        env="snapshots_quota",
        guard="never",
        least=1 << 20,
    ),
    Key(
        "snapshots.largest",
        "size",
        N_("Size up to which a file is copied; a larger one is covered where the file system shares its blocks."),
        env="snapshots_largest",
        guard="never",
        least=0,
    ),
    Key(
        "snapshots.files",
        "int",
        N_("Files and folders that are looked at; what comes after them is named as not covered."),
        env="snapshots_files",
        guard="never",
        least=1,
    ),
)

AUDIT = (
    Key(
        "audit_key",
        "text",
        N_("File of the key that seals the log. Unset: audit.key in the tool's home, made at first use."),
        guard="never",
    ),
)

SCREEN = (
    Key("lang", "choice", N_("Language of this program: en or zh_CN."), ("--lang",), choices=("", "en", "zh_CN")),
    Key("verbose", "bool", N_("Show requests, usage and the machinery's notes."), ("--verbose", "-v")),
    Key("plain", "bool", N_("No colours, no moving parts."), ("--plain",)),
)

SECTIONS: tuple[tuple[str, tuple[Key, ...]], ...] = (
    (N_("Model"), MODEL),
    (N_("Instructions"), PROMPT),
    (N_("Skills"), SKILLS),
    (N_("Consent"), CONSENT),
    (N_("Sandbox"), WALLS),
    (N_("Tools"), TOOLS),
    (N_("Limits"), LIMITS),
    (N_("Snapshots"), SNAPSHOTS),
    (N_("Checkpoints"), CHECKPOINTS),
    (N_("Audit trail"), AUDIT),
    *FURTHER,
    (N_("Screen"), SCREEN),
)
KEYS: dict[str, Key] = {key.name: key for _title, keys in SECTIONS for key in keys}
SPELLINGS: dict[str, Key] = {name: key for key in KEYS.values() for name in (key.name, *key.aliases)}
