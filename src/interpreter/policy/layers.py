"""The layers of a policy, read, checked and put together."""

from __future__ import annotations

import difflib
import importlib
import stat
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from ..errors import PolicyError
from ..text.i18n import _
from ..types.rules import Circumstances, Credential, Decision, NetworkRules
from .builtin import builtin_rules
from .engine import rule_matches
from .match import YES, name_fits
from .policy import Policy, read_code, tool_fits
from .rules import Example, Layer, Rule, strictest

if TYPE_CHECKING:
    from .schema import File

Trusted = Callable[[Path, bytes], bool]
EXAMPLE_HOME = "/home/person"
EXAMPLE_WORKSPACE = "/home/person/work"


class Loaded(NamedTuple):
    layer: Layer
    path: Path
    file: File
    trusted: bool


def load_policy(
    *,
    user: Path | None = None,
    project: Path | None = None,
    administrator: Path | None = None,
    command_line: tuple[Path, ...] = (),
    trusted: bool | Trusted = False,
    learned: tuple[Path, ...] = (),
    skills: tuple[Path, ...] = (),
    session: tuple[str, ...] = (),
    check: bool = True,
) -> Policy:
    """The rules in force. Files that are absent are left out, but not those of the command line.

    `trusted` says whether the project's file may loosen, or decides it from its path and bytes. `session` holds rules
    as `Policy.narrow_rule` gives them, `learned` files of such rules: they count for one session alone. `check=False`
    leaves out the rules' examples. `skills` are files of skills in use: they may only ask and refuse.
    Raises PolicyError: a file that cannot be understood, an example that fails, a file of the administrator's that
    others can write, an attempt to loosen what may not be loosened.
    """
    loaded: list[Loaded] = []
    if administrator is not None and _is_there(administrator):
        _check_owner(administrator)
        loaded.append(_load(administrator, "administrator", True))
    if user is not None and _is_there(user):
        loaded.append(_load(user, "user", True))
    if project is not None and _is_there(project):
        _check_inside(project)
        loaded.append(_load(project, "project", trusted))
    loaded += [_load(path, "skill", False) for path in skills]
    loaded += [_load(Path(path), "command line", True) for path in command_line]
    loaded += [_load(path, "session", True) for path in learned if path.exists()]
    for number, text in enumerate(session, 1):
        place = Path(_("rule {number} of this session", number=number))
        document, schema = _readers()
        root = document.parse_document(place, as_file(text))
        loaded.append(Loaded("session", place, schema.read_file(root, "session"), True))
    policy = _together(loaded)
    if check:
        check_examples(rule for one in loaded for rule in one.file.rules)
    return policy


def _is_there(path: Path) -> bool:
    """A file that may be there but cannot be seen is no absent one: its rules would be lost without a word."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise PolicyError(
            _("The policy file {file} cannot be read: {reason}.", file=str(path), reason=error.strerror or "?"),
            _("Give yourself the right to read it, or move it away."),
        ) from None
    return True


def _check_inside(project: Path) -> None:
    """`.interpreter/policy.yaml` lies in the project: a link out of it would show what lies there."""
    real = project.resolve()
    if not real.is_relative_to(project.parent.parent.resolve()):
        raise PolicyError(
            _("{file} leads out of the project, to {target}, and is not read.", file=str(project), target=str(real)),
            _("Move the link away, or put a file in its place."),
        )


def as_file(rule: str) -> bytes:
    """A file that holds one rule as `Policy.narrow_rule` gives it: an item of the list `rules`."""
    return ("version: 1\nrules:\n" + textwrap.indent(rule, "  ")).encode()


def _load(path: Path, layer: Layer, trusted: bool | Trusted) -> Loaded:
    document, schema = _readers()
    data = document.read_bytes(path)
    trust = trusted if isinstance(trusted, bool) else trusted(path, data)
    return Loaded(layer, path, schema.read_file(document.parse_document(path, data), layer), trust)


def _readers() -> tuple[Any, Any]:
    # Most people have no policy file, and YAML costs 20 ms.
    return importlib.import_module(".document", __package__), importlib.import_module(".schema", __package__)


def _check_owner(path: Path) -> None:
    for place in (path, path.parent):
        found = place.lstat()
        loose = stat.S_ISLNK(found.st_mode) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if found.st_uid != 0 or loose:
            raise PolicyError(
                _("The administrator's policy {file} does not count: {place} can be changed by others than root.",
                  file=str(path), place=str(place)),
                _("As root: chown root:root {place} && chmod go-w {place}", place=str(place)),
            )  # fmt: skip


def _together(loaded: list[Loaded]) -> Policy:
    rules = {rule.name: rule for rule in builtin_rules()}
    notes: list[str] = []
    firm: set[str] = set()
    for one in loaded:
        _lift(one, rules, firm, notes)
        for rule in one.file.rules:
            if one.layer == "administrator":
                firm.add(rule.name)
            if not one.trusted and rule.decision == "allow":
                notes.append(_untrusted(rule.place, rule.name, one.layer))
                continue
            if not one.trusted:
                rule = _only_tightening(rule)
            name = rule.name if rule.name not in rules else f"{rule.name} ({one.layer})"
            rules[name] = rule
    return Policy(
        rules=tuple(rules.values()),
        rules_of_network=_network(loaded, notes),
        grants=_grants(loaded, notes),
        sources=tuple((one.layer, str(one.path)) for one in loaded),
        notes=tuple(notes),
    )


def _only_tightening(rule: Rule) -> Rule:
    """A project's rule without the variants that would allow."""
    fields = {name: getattr(rule, name) for name in rule.__struct_fields__}
    for variant in ("outside", "unattended"):
        if fields[variant] == "allow":
            fields[variant] = None
    return Rule(**fields)


def _untrusted(place: str, name: str, layer: Layer) -> str:
    if layer == "skill":
        return _("`{name}` does not count: a skill's rules may only ask and refuse.", name=name)
    return _(
        "{place}: `{name}` does not count, because this folder is not trusted: interpreter policy trust",
        place=place,
        name=name,
    )


def _lift(one: Loaded, rules: dict[str, Rule], firm: set[str], notes: list[str]) -> None:
    """Take out the built-in rules that a file of the administrator's or the person's names."""
    named = [(item.text(), item) for item in one.file.disable] + list(one.file.replace)
    for name, item in named:
        if one.layer == "skill":
            notes.append(_untrusted("", name, one.layer))
            continue
        if one.layer == "project":
            notes.append(
                _(
                    "{place}: a project's file cannot lift the rule `{name}`.",
                    place=f"{one.path}:{item.line}",
                    name=name,
                )
            )
            continue
        if name in firm:
            item.fail(_("the rule `{name}` is the administrator's and stays.", name=name))
        if name not in rules or rules[name].layer != "built-in":
            known = [rule.name for rule in rules.values() if rule.layer == "built-in"]
            close = difflib.get_close_matches(name, known, 1, 0.5)
            problem = _("there is no built-in rule `{name}`.", name=name)
            if close:
                problem += " " + _("Did you mean `{close}`?", close=close[0])
            item.fail(problem, _("All of them: docs/policy.md"))
        del rules[name]


def _network(loaded: list[Loaded], notes: list[str]) -> NetworkRules:
    allow: list[str] = []
    deny: list[str] = []
    otherwise: Decision | None = None
    read_only = False
    credentials: dict[str, Credential] = {}
    bounds: tuple[str, ...] | None = None
    for one in loaded:
        network = one.file.network
        if network is None:
            continue
        deny += network.deny
        read_only = read_only or network.read_only
        said = one.file.otherwise
        if one.layer == "administrator" and said == "deny":
            bounds = network.allow
        if not one.trusted:
            if network.allow or network.credentials:
                notes.append(_untrusted(str(one.path), "network", one.layer))
            said = said if said != "allow" else None
        else:
            for host in network.allow:
                if bounds is not None and host not in bounds and name_fits(bounds, host) != YES:
                    notes.append(
                        _("{file}: `{host}` does not count, because the administrator's policy does not allow it.",
                          file=str(one.path), host=host)
                    )  # fmt: skip
                else:
                    allow.append(host)
            credentials.update({credential.variable: credential for credential in network.credentials})
        if said is not None:
            otherwise = said if otherwise is None else strictest((otherwise, said))
    return NetworkRules(
        allow=tuple(dict.fromkeys(allow)),
        deny=tuple(dict.fromkeys(deny)),
        otherwise=otherwise or "ask",
        read_only=read_only,
        credentials=tuple(credentials.values()),
    )


def _grants(loaded: list[Loaded], notes: list[str]) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for one in loaded:
        for item in one.file.grants:
            place = f"{one.path}:{item.line}"
            if one.layer == "skill":
                notes.append(_untrusted("", item.text(), one.layer))
            elif one.layer == "project":
                notes.append(_("{place}: a project's file cannot open `{name}`.", place=place, name=item.text()))
            else:
                found.setdefault(item.text(), place)
    return tuple(found.items())


def check_examples(rules: Iterable[Rule]) -> None:
    """Raises PolicyError for the first example that says something else than its rule claims."""
    for rule in rules:
        for example in rule.match:
            if not example_matches(rule, example):
                _fail(rule, example, _("should match `{name}`, but does not", name=rule.name))
        for example in rule.not_match:
            if example_matches(rule, example):
                _fail(rule, example, _("should not match `{name}`, but does", name=rule.name))


def _fail(rule: Rule, example: Example, said: str) -> NoReturn:
    problem = _("the example `{code}` {said}.", code=example.code or example.tool, said=said)
    file = rule.place.rpartition(":")[0]
    raise PolicyError(
        _("{file}, line {line}: {problem}", file=file, line=example.line, problem=problem),
        _("To see what is understood: interpreter policy explain {code}", code=repr(example.code)),
    )


def example_matches(rule: Rule, example: Example) -> bool:
    """Whether the rule is about this example, for sure or perhaps."""
    circumstances = Circumstances(
        walled=rule.sandbox != "outside",
        workspace=EXAMPLE_WORKSPACE,
        home=EXAMPLE_HOME,
        mode="auto",
        grants=() if rule.without else None,
    )
    if example.tool:
        return bool(rule.tool) and tool_fits(rule, example.tool, example.arguments, circumstances) > 0
    return bool(rule_matches(rule, read_code(example.language, example.code), example.language, circumstances))
