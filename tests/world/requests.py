"""One request to the API, taken apart; and refusals in the words of the real server."""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from .kinds import KINDS, Kind
from .store import Object, Wanted
from .users import User


class Refused(Exception):
    """Goes to the client as a Status."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status: Object = {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
            "reason": reason, "details": details or {}, "code": code,
        }  # fmt: skip


class Asked(NamedTuple):
    method: str
    path: str
    query: dict[str, str]
    body: Any
    content: str
    """Its type."""
    accept: str
    user: User
    kind: Kind | None = None
    space: str = ""
    name: str = ""
    part: str = ""
    """The subresource."""

    @property
    def of(self) -> Kind:
        assert self.kind is not None
        return self.kind

    @property
    def verb(self) -> str:
        if self.method == "GET":
            return "get" if self.name else "watch" if self.query.get("watch") in ("true", "1") else "list"
        if self.method == "DELETE":
            return "delete" if self.name else "deletecollection"
        return {"POST": "create", "PUT": "update", "PATCH": "patch"}[self.method]

    @property
    def as_table(self) -> bool:
        return "as=Table" in self.accept.partition(",")[0]


def parts_of(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def taken_apart(method: str, target: str, body: Any, content: str, accept: str, user: User) -> Asked:
    """Where the path names objects, with their kind, namespace and name."""
    split = urlsplit(target)
    query = {name: values[-1] for name, values in parse_qs(split.query, keep_blank_values=True).items()}
    asked = Asked(method, split.path, query, body, content.partition(";")[0], accept, user)
    match parts_of(split.path):
        case ["api", "v1", *rest]:
            group = ""
        case ["apis", group, "v1", *rest]:
            pass
        case _:
            return asked
    space = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        space, rest = rest[1], rest[2:]
    kind = KINDS.get(rest[0]) if rest else None
    if kind is None or kind.group != group or len(rest) > 3:
        return asked
    name, part = (*rest[1:], "", "")[:2]
    return asked._replace(kind=kind, space=space, name=name, part=part)


def forbidden(asked: Asked) -> Refused:
    kind, user = asked.of, asked.user
    where = f'in the namespace "{asked.space}"' if asked.space else "at the cluster scope"
    named = f' "{asked.name}"' if asked.name else ""
    part = f"/{asked.part}" if asked.part else ""
    message = (
        f'{kind.full}{named} is forbidden: User "{user.name}" cannot {asked.verb} resource "{kind.plural}{part}" '
        f'in API group "{kind.group}" {where}'
    )
    return Refused(403, "Forbidden", message, {"name": asked.name, "group": kind.group, "kind": kind.plural})


def missing(kind: Kind, name: str) -> Refused:
    details = {"name": name, "group": kind.group, "kind": kind.plural}
    return Refused(404, "NotFound", f'{kind.full} "{name}" not found', details)


def wanted(query: dict[str, str]) -> Wanted:
    """The selectors of a request, by label and by field."""
    labels = [one for one in re.split(r",(?![^(]*\))", query.get("labelSelector", "")) if one.strip()]
    fields = [one for one in query.get("fieldSelector", "").split(",") if one]

    def holds(one: Object) -> bool:
        given: dict[str, str] = one["metadata"].get("labels", {})
        return all(label_holds(each, given) for each in labels) and all(field_holds(each, one) for each in fields)

    return holds


def label_holds(term: str, labels: dict[str, str]) -> bool:
    term = term.strip()
    if found := re.fullmatch(r"(\S+) (in|notin) \((.*)\)", term):
        inside = labels.get(found[1]) in [one.strip() for one in found[3].split(",")]
        return inside if found[2] == "in" else not inside
    if "!=" in term:
        name, _sign, value = term.partition("!=")
        return labels.get(name) != value
    if "=" in term:
        name, _sign, value = term.replace("==", "=").partition("=")
        return labels.get(name) == value
    return term[1:] not in labels if term.startswith("!") else term in labels


def field_holds(term: str, one: Object) -> bool:
    negative = "!=" in term
    path, _sign, value = term.replace("!=", "=").replace("==", "=").partition("=")
    found: Any = one
    for part in path.split("."):
        found = found.get(part, "") if isinstance(found, dict) else ""  # pyright: ignore
    return (str(found) == value) != negative  # pyright: ignore[reportUnknownArgumentType]
