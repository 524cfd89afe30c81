"""Whether a session has a way out, and which hosts its brokers let through: settings, profile, policy, grants."""

from __future__ import annotations

from typing import Literal

import msgspec

from ..config.settings import Settings
from ..sandbox.profiles import NamedProfile
from ..types.rules import Decision, NetworkRules
from ..types.walls import Profile

LOOSEST_FIRST: tuple[Decision, ...] = ("allow", "ask", "deny")


def word_of(
    settings: Settings, chosen: NamedProfile, policy: NetworkRules, hosts: tuple[str, ...]
) -> Literal["off", "ask", "open"]:
    """What counts: the command line, else the profile, else the other settings; else ask, where a rule names hosts."""
    walls = settings.walls
    if walls.network and settings.origins.get("network", "").startswith("-"):
        return walls.network
    said = chosen.network or walls.network
    if said:
        return said
    named = (*walls.allow_hosts, *policy.allow, *policy.credentials, *chosen.rules.allow, *hosts)
    return "ask" if named else "off"


def network_of(
    settings: Settings, chosen: NamedProfile, policy: NetworkRules, hosts: tuple[str, ...]
) -> tuple[Literal["closed", "proxy", "host"], NetworkRules]:
    """How a profile's network is, and its rules. `hosts`: those of grants."""
    if settings.walls.backend == "host":
        return "host", NetworkRules()
    word = word_of(settings, chosen, policy, hosts)
    if word == "off":
        return "closed", NetworkRules()
    profile = chosen.rules if chosen.rules != NetworkRules() else NetworkRules(otherwise="allow")
    # The policy's own default is to ask; only what is stricter than the word can have been said.
    otherwise: Decision = "deny" if policy.otherwise == "deny" else "allow" if word == "open" else "ask"
    rules = msgspec.structs.replace(
        policy,
        allow=tuple(dict.fromkeys((*settings.walls.allow_hosts, *policy.allow, *chosen.rules.allow, *hosts))),
        deny=tuple(dict.fromkeys((*policy.deny, *chosen.rules.deny))),
        otherwise=max(otherwise, profile.otherwise, key=LOOSEST_FIRST.index),
        read_only=policy.read_only or chosen.rules.read_only,
    )
    return "proxy", rules


def with_network(profile: Profile, network: tuple[Literal["closed", "proxy", "host"], NetworkRules]) -> Profile:
    word, rules = network
    direct = not_by_proxy(profile.environment.get("no_proxy", ""), rules)
    environment = profile.environment | ({"no_proxy": direct, "NO_PROXY": direct} if word == "proxy" else {})
    return msgspec.structs.replace(profile, network=word, rules=rules, environment=environment)


def not_by_proxy(names: str, rules: NetworkRules) -> str:
    """The names of this machine that lead to the sandbox's own loopback: all of `names` (a list with commas) but those
    that a rule opens, because by these the person means the host's.
    """
    ported = {word: word.count(":") == 1 or "]:" in word for word in rules.allow}
    opened = {(word.rpartition(":")[0] if has else word).strip("[]") for word, has in ported.items()}
    return ",".join(name for name in names.split(",") if name not in opened)
