"""The settings of one run, composed of the rooms' own option classes."""

from __future__ import annotations

from typing import Any, Literal, cast

import msgspec

from ..agent.options import AgentOptions
from ..llm.options import ModelOptions, Prices
from ..skills.options import SkillOptions
from ..snapshots.options import SnapshotOptions
from ..store.link_options import LinkOptions
from ..tools.options import ToolOptions
from ..types.base import Value
from ..types.walls import BackendName, CheckpointLimits, Limits
from .keys import KEYS, Key


class WallOptions(Value):
    """What the person says about the walls; `sandbox` makes a profile of it."""

    backend: BackendName = "auto"
    network: Literal["", "off", "ask", "open"] = ""
    """What the broker on the host's side lets through; empty: off, unless a rule names hosts."""
    allow_hosts: tuple[str, ...] = ()
    """Patterns of hosts that may be reached."""
    readable: tuple[str, ...] = ()
    """Absolute paths."""
    writable: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    profile: str = "workspace"
    """Built in, or a name of `profiles`; `host` makes `backend` host."""
    read_only: bool = False
    """A project asks for the workspace to be read-only, whatever the profile says."""
    stage: bool = False
    """What programs write is kept aside until the person commits it."""
    grants: tuple[str, ...] = ()
    """Names of tools, and paths to read."""
    granted: dict[str, str] = {}
    """Further ones, of the policy: the name to `file:line` that says so. Filled in by `app.granted`."""
    profiles: dict[str, Any] = {}
    """The person's own; `sandbox.profiles` reads them."""
    python: str = ""
    """The Python that runs the code; empty: the active or the project's environment, else one that is made."""


class TelemetryOptions(Value):
    """What leaves the machine for a collector, besides the requests to the model."""

    endpoint: str = ""
    """Of a collector that takes OTLP over HTTP; empty: what OTEL_EXPORTER_OTLP_ENDPOINT says, else none."""
    content: bool = False
    """True: tasks, answers, code and outputs are sent too, with secrets taken out."""


class Settings(Value):
    """Everything that was set, frozen. Made by `config.load.load_settings`."""

    llm: ModelOptions = ModelOptions()
    agent: AgentOptions = AgentOptions()
    walls: WallOptions = WallOptions()
    limits: Limits = Limits()
    snapshots: SnapshotOptions = SnapshotOptions()
    skills: SkillOptions = SkillOptions()
    checkpoints: CheckpointLimits = CheckpointLimits()
    tools: ToolOptions = ToolOptions()
    links: LinkOptions = LinkOptions()
    max_output: int | None = None
    """Characters of one output that the model reads; None: follows its window."""
    safe_mode: Literal["off", "ask", "auto"] = "off"
    audit_key: str = ""
    """The file of the key that seals the log; empty: `audit.key` in the tool's home."""
    policy: str = ""
    """Absolute path of a further policy file; empty: none."""
    report: tuple[str, ...] = ()
    """Absolute paths that a report of the run is written to; the ending says in which form."""
    record: str = ""
    """Absolute path of the recording; empty: none."""
    cache: bool = False
    """Requests that were asked before are answered from the home."""
    telemetry: TelemetryOptions = TelemetryOptions()
    log_format: Literal["text", "json"] = "text"
    lang: str = ""
    verbose: bool = False
    plain: bool = False
    origins: dict[str, str] = {}
    """Name of a setting to where its value comes from; a name that is absent is built in."""
    notes: tuple[str, ...] = ()
    """Sentences for the person: what was ignored, and why."""


def value_of(settings: Settings, key: Key) -> Any:
    """The value in force of one setting."""
    found: Any = settings
    for part in key.target.split("."):
        found = getattr(found, part)
    return found


def with_read_only(settings: Settings, *, wanted: bool = True) -> Settings:
    """A copy in which the workspace is only read, whatever the profile; or no longer so."""
    return msgspec.structs.replace(settings, walls=msgspec.structs.replace(settings.walls, read_only=wanted))


def with_values(settings: Settings, values: dict[str, Any]) -> Settings:
    """A copy with these values by setting name; None gives back the built-in value."""
    parts: dict[str, dict[str, Any]] = {}
    top: dict[str, Any] = {}
    for name, value in values.items():
        part, dot, field = KEYS[name].target.partition(".")
        chosen = value_of(Settings(), KEYS[name]) if value is None else value
        if name == "llm.prices" and isinstance(chosen, dict):
            chosen = Prices(**cast("dict[str, float]", chosen))
        if dot:
            parts.setdefault(part, {})[field] = chosen
        else:
            top[part] = chosen
    for part, fields in parts.items():
        top[part] = msgspec.structs.replace(getattr(settings, part), **fields)
    return msgspec.structs.replace(settings, **top)
