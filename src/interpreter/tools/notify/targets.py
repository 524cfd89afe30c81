"""Where messages go: what the configuration says of each target, and the secrets that it names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, cast, get_args

from ...errors import ToolError
from ...types.base import Value
from ..credentials import filled

Kind = Literal["slack", "webhook", "wecom", "dingtalk", "feishu", "email"]
KINDS: tuple[str, ...] = get_args(Kind)
COMMON = ("kind",)
FIELDS: dict[str, tuple[str, ...]] = {
    "slack": ("url",),
    "webhook": ("url", "headers"),
    "wecom": ("url",),
    "dingtalk": ("url", "secret"),
    "feishu": ("url", "secret"),
    "email": ("host", "port", "tls", "user", "password", "from", "to"),
}
NEEDED: dict[str, tuple[str, ...]] = {kind: ("host", "from", "to") if kind == "email" else ("url",) for kind in KINDS}


class Target(Value):
    name: str
    kind: Kind
    fields: dict[str, Any] = {}
    """Secrets already in their places: nothing of it is ever shown."""

    def text(self, name: str, default: str = "") -> str:
        return str(self.fields.get(name, default))

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be seen in an error: an address of a webhook is a key as well."""
        found = [self.text(name) for name in ("url", "secret", "password", "user")]
        found += list(cast("Mapping[str, str]", self.fields.get("headers", {})).values())
        return tuple(sorted((one for one in found if len(one) > 3), key=len, reverse=True))


def names_of(settings: Mapping[str, Any]) -> tuple[str, ...]:
    table = settings.get("targets")
    return tuple(str(name) for name in cast("Mapping[Any, Any]", table)) if isinstance(table, Mapping) else ()


def find_target(settings: Mapping[str, Any], name: str, environ: Mapping[str, str] | None = None) -> Target:
    """The target of that name; with an empty name the default one, or the only one.

    Raises ToolError: there is none, it is configured wrongly, or its secret cannot be read.
    """
    names = names_of(settings)
    wanted = name.strip() or str(settings.get("default", "")) or (names[0] if len(names) == 1 else "")
    if not wanted or wanted not in names:
        said = f"There is no target {name[:60]!r}." if name.strip() else "Say which target."
        raise ToolError(f"{said} Targets: {', '.join(names) or 'none'}.")
    raw: Any = settings["targets"][wanted]
    if not isinstance(raw, Mapping):
        raise ToolError(wrong(wanted, "it needs kind, url and the like"))
    fields = {str(key): value for key, value in cast("Mapping[Any, Any]", raw).items()}
    kind = str(fields.pop("kind", ""))
    if kind not in KINDS:
        raise ToolError(wrong(wanted, f"kind is one of {', '.join(KINDS)}"))
    if unknown := [key for key in fields if key not in FIELDS[kind]]:
        raise ToolError(wrong(wanted, f"{unknown[0]} is not known for {kind}; known: {', '.join(FIELDS[kind])}"))
    if missing := [key for key in NEEDED[kind] if not fields.get(key)]:
        raise ToolError(wrong(wanted, f"{missing[0]} is missing"))
    try:
        return Target(name=wanted, kind=cast("Kind", kind), fields=filled(fields, environ))
    except ToolError as error:
        raise ToolError(wrong(wanted, error.message)) from None


def wrong(name: str, what: str) -> str:
    return f"The target {name} is configured wrongly (tool_settings: notify: targets: {name}): {what}."


def without_secrets(text: str, target: Target) -> str:
    """The text without the target's secrets; an address may be cut short in it, so none is left."""
    text = re.sub(r"https?://\S+", f"<{target.name}>", text)
    for secret in target.secrets:
        text = text.replace(secret, f"<{target.name}>")
    return text
