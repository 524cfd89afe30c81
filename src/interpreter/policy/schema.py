"""From a policy file to rules: version 1 of its form."""

from __future__ import annotations

import difflib
import re
from typing import Any, NamedTuple, cast, get_args

from ..text.expression import expression
from ..text.i18n import _
from ..types.languages import canonical
from ..types.rules import Credential, Decision, NetworkRules
from ..types.walls import GRANTS
from .document import Item
from .rules import CONDITIONS, Example, Layer, Rule

DECISIONS = get_args(Decision)
TOP = ("version", "grants", "rules", "network", "disable")
OF_RULE = ("name", "decision", "reason", "unattended", "outside", "replace", "match", "not_match", *CONDITIONS)
OF_EXAMPLE = ("code", "language", "tool", "arguments")
OF_NETWORK = ("allow", "deny", "otherwise", "read_only", "credentials")
GROUPS = ("@package-registries", "@git-hosts")
NAME = expression(r"[a-z0-9][a-z0-9._-]{0,79}")
LISTS = tuple(name for name in CONDITIONS if name not in ("argument", "sandbox", "unknown"))


class File(NamedTuple):
    """What one policy file says."""

    rules: tuple[Rule, ...] = ()
    network: NetworkRules | None = None
    otherwise: Decision | None = None
    """Of the network, where the file says it."""
    disable: tuple[Item, ...] = ()
    replace: tuple[tuple[str, Item], ...] = ()
    grants: tuple[Item, ...] = ()
    """What else is opened: names of tools, and paths to read."""


def read_file(root: Item, layer: Layer) -> File:
    """Raises PolicyError, naming file, line and the nearest name that is known."""
    pairs = root.only(TOP)
    if not pairs:
        return File()
    if "version" not in pairs:
        root.fail(_("`version: 1` is missing."), _("Write it as the first line."))
    if repr(pairs["version"].value) != "1":
        pairs["version"].fail(_("this program reads version 1 of the policy's form."))
    rules: list[Rule] = []
    replace: list[tuple[str, Item]] = []
    names: set[str] = set()
    for item in pairs["rules"].items() if "rules" in pairs else ():
        rule = read_rule(item, layer)
        if rule.name in names:
            item.pairs()["name"].fail(_("there is a rule `{name}` already.", name=rule.name))
        names.add(rule.name)
        rules.append(rule)
        if rule.replaces:
            replace.append((rule.replaces, item.pairs()["replace"]))
    network = read_network(pairs["network"]) if "network" in pairs else None
    return File(
        tuple(rules),
        network,
        network.otherwise if network and "otherwise" in pairs["network"].pairs() else None,
        tuple(pairs["disable"].items()) if "disable" in pairs else (),
        tuple(replace),
        _grants(pairs["grants"]) if "grants" in pairs else (),
    )


def _grants(item: Item) -> tuple[Item, ...]:
    for one in item.items():
        name = one.text()
        if name not in GRANTS and not name.startswith(("/", "~/")):
            close = difflib.get_close_matches(name, GRANTS, 1, 0.5)
            problem = _("there is no grant called `{name}`.", name=name)
            if close:
                problem += " " + _("Did you mean `{close}`?", close=close[0])
            one.fail(problem, _("Grants: {names}; or a path, which begins with / or ~/", names=", ".join(GRANTS)))
    return tuple(item.items())


def read_rule(item: Item, layer: Layer) -> Rule:
    pairs = item.only(OF_RULE)
    for needed in ("name", "decision"):
        if needed not in pairs:
            item.fail(_("a rule needs `{name}`.", name=needed))
    name = pairs["name"].text()
    if not NAME.fullmatch(name):
        pairs["name"].fail(_("a name is made of small letters, digits, `-`, `_` and `.`."))
    if not any(key in pairs for key in CONDITIONS):
        item.fail(
            _("the rule `{name}` has no condition: it would be about everything.", name=name),
            _("Known here: {names}", names=", ".join(CONDITIONS)),
        )
    _check_patterns(pairs)
    fields = {key: _field(key, pairs) for key in pairs if key not in ("match", "not_match")}
    if "replace" in fields:
        fields["replaces"] = fields.pop("replace")
    language = fields.get("language", ("shell",))[0]
    for key in ("match", "not_match"):
        if key in pairs:
            fields[key] = tuple(read_example(one, language) for one in pairs[key].items())
    return Rule(layer=layer, place=f"{item.path}:{item.line}", **fields)


def _field(key: str, pairs: dict[str, Item]) -> Any:
    item = pairs[key]
    if key in ("decision", "unattended", "outside"):
        return item.one_of(DECISIONS)
    if key == "sandbox":
        return item.one_of(("inside", "outside"))
    if key == "unknown":
        return item.flag()
    if key == "without":
        _grants(item)
    if key == "argument":
        if "tool" not in pairs:
            item.fail(_("`argument` belongs to a rule with `tool`."))
        return {name: value.texts() for name, value in item.pairs().items()}
    if key in LISTS:
        texts = item.texts()
        if not texts:
            item.fail(_("a text is expected here."))
        return tuple(canonical(one) or one for one in texts) if key == "language" else texts
    return item.text().strip()


def _check_patterns(pairs: dict[str, Item]) -> None:
    for item in pairs["command"].items() if "command" in pairs else ():
        words = item.text().split()
        if not words or words[0].startswith("-") or words[0] == "**":
            item.fail(_("a command begins with the name of a program."))
    for key in ("deletes", "writes", "reads"):
        for item in pairs[key].items() if key in pairs else ():
            text = item.text()
            if text.startswith("$") and not re.match(r"\$(HOME|WORKSPACE)(/|\Z)", text):
                item.fail(_("paths know `~`, `$HOME` and `$WORKSPACE`."))


def read_example(item: Item, language: str) -> Example:
    if not isinstance(item.value, dict):
        return Example(code=item.text(), language=language, line=item.line)
    pairs = item.only(OF_EXAMPLE)
    if ("code" in pairs) == ("tool" in pairs):
        item.fail(_("an example has `code` or `tool`."))
    arguments = cast("dict[str, Any]", _plain(pairs["arguments"])) if "arguments" in pairs else {}
    return Example(
        code=pairs["code"].text() if "code" in pairs else "",
        language=_language(pairs["language"]) if "language" in pairs else language,
        tool=pairs["tool"].text() if "tool" in pairs else "",
        arguments=arguments,
        line=item.line,
    )


def _language(item: Item) -> str:
    """The language by its own name; an unknown one stays as it is, because kernels bring languages of their own."""
    return canonical(item.text()) or item.text()


def _plain(item: Item) -> Any:
    if isinstance(item.value, dict):
        return {key: _plain(one) for key, one in item.pairs().items()}
    if isinstance(item.value, list):
        return [_plain(one) for one in item.items()]
    return item.value


def read_network(item: Item) -> NetworkRules:
    pairs = item.only(OF_NETWORK)
    fields: dict[str, Any] = {}
    for key in ("allow", "deny"):
        for one in pairs[key].items() if key in pairs else ():
            host = one.text()
            if host.startswith("@") and host not in GROUPS:
                one.fail(_("`{value}` should be one of: {choices}.", value=host, choices=", ".join(GROUPS)))
            if "://" in host or "/" in host.partition("/")[2] or (" " in host):
                one.fail(_("`{value}` is no host: write `host`, `*.host` or `host:port`.", value=host))
        if key in pairs:
            fields[key] = pairs[key].texts()
    if "otherwise" in pairs:
        fields["otherwise"] = pairs["otherwise"].one_of(DECISIONS)
    if "read_only" in pairs:
        fields["read_only"] = pairs["read_only"].flag()
    if "credentials" in pairs:
        fields["credentials"] = tuple(_credential(one) for one in pairs["credentials"].items())
    return NetworkRules(**fields)


def _credential(item: Item) -> Credential:
    pairs = item.only(("variable", "host", "source"))
    for needed in ("variable", "host", "source"):
        if needed not in pairs:
            item.fail(_("a credential needs `{name}`.", name=needed))
    source = pairs["source"].text()
    if not re.fullmatch(r"env:[A-Za-z_]\w*|file:/.+", source):
        pairs["source"].fail(_("a source is `env:NAME` or `file:/absolute/path`."))
    variable = pairs["variable"].text()
    if not re.fullmatch(r"[A-Za-z_]\w*", variable):
        pairs["variable"].fail(_("`{value}` is no name of a variable.", value=variable))
    return Credential(variable=variable, host=pairs["host"].text(), source=source)
