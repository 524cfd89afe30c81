"""Signed links: what they are bound to, and that nothing but the key makes one."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from interpreter.errors import StoreError
from interpreter.store.links import (
    FORM_SECONDS,
    KEY_NAME,
    Link,
    code_of,
    digest_of,
    form_fits,
    form_mark,
    link_key,
    opened,
    sign,
)
from interpreter.types.actions import Action
from interpreter.types.base import code_sha256
from interpreter.types.events import ApprovalRequested

KEY = b"k" * 64
LINK = Link(session="s_1", approval="ap_1", digest="0" * 64, to="值班 team", until=2_000)


def test_a_link_says_what_was_signed_until_its_time() -> None:
    text = sign(KEY, LINK)
    assert opened(KEY, text, 1_999.9) == LINK
    assert opened(KEY, text, 2_000) == "late" and opened(KEY, text, 1e12) == "late"
    assert text.isascii() and "/" not in text and "=" not in text


def test_no_character_of_it_can_be_changed() -> None:
    """Not even to another spelling of the same bytes."""
    text = sign(KEY, LINK)
    for at, old in enumerate(text):
        for new in "Ab0_-.":
            if new != old:
                assert opened(KEY, text[:at] + new + text[at + 1 :], 0) == "wrong"
    for other in (
        text + "A",
        text[1:],
        text[:-1],
        text + ".",
        text.upper(),
        " " + text,
        text + "\n",
        "",
        "1.....",
        "x" * 600,
    ):
        assert opened(KEY, other, 0) == "wrong"
    assert opened(b"other" * 20, text, 0) == "wrong"


def test_a_link_of_one_kind_is_none_of_another() -> None:
    terms = sign(KEY, LINK).rpartition(".")[0]
    assert opened(KEY, f"{terms}.{code_of(KEY, 'form', terms)}", 0) == "wrong"


def test_a_long_name_is_cut_within_its_characters() -> None:
    found = opened(KEY, sign(KEY, msgspec.structs.replace(LINK, to="队" * 100)), 0)
    assert isinstance(found, Link) and found.to == "队" * 20


def test_the_digest_holds_everything_that_is_asked() -> None:
    request = ApprovalRequested(approval="ap_1", kind="run", action="a_1", subject=code_sha256("x"))
    action = Action(id="a_1", language="python", code="x", sha256=code_sha256("x"))
    others = (
        (request, msgspec.structs.replace(action, code="y")),
        (request, msgspec.structs.replace(action, language="shell")),
        (msgspec.structs.replace(request, subject="other"), action),
        (msgspec.structs.replace(request, question="other"), action),
        (msgspec.structs.replace(request, kind="grant"), action),
        (request, None),
    )
    found = {digest_of(*one) for one in ((request, action), *others)}
    assert len(found) == len(others) + 1
    again = msgspec.structs.replace(request, action="a_2")  # a session that was taken up again asks the same
    assert digest_of(again, msgspec.structs.replace(action, id="a_2")) == digest_of(request, action)


def test_a_form_belongs_to_one_link_for_an_hour() -> None:
    text = sign(KEY, LINK)
    mark = form_mark(KEY, text, 1_000)
    assert form_fits(KEY, text, mark, 1_000) and form_fits(KEY, text, mark, 1_000 + FORM_SECONDS - 1)
    assert not form_fits(KEY, text, mark, 1_000 + FORM_SECONDS)
    assert not form_fits(KEY, text, mark, 900), "not from the future"
    assert not form_fits(KEY, sign(KEY, msgspec.structs.replace(LINK, approval="ap_2")), mark, 1_000)
    for other in ("", "1000", "1001." + mark.partition(".")[2], mark + "x", "é." + mark, "9" * 40 + ".x", "-1.x"):
        assert not form_fits(KEY, text, other, 1_000)


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    key = link_key(tmp_path)
    path = tmp_path / KEY_NAME
    assert link_key(tmp_path) == key and len(key) == 64 and path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(StoreError, match="not yours alone"):
        link_key(tmp_path)
    path.chmod(0o600)
    path.write_bytes(b"short\n")
    with pytest.raises(StoreError, match="too short"):
        link_key(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError, match="cannot be read or made"):
        link_key(tmp_path)


def test_the_clock_is_the_only_thing_that_ends_a_link_by_itself() -> None:
    now = time.time()
    link = msgspec.structs.replace(LINK, until=int(now) + 60)
    assert opened(KEY, sign(KEY, link), now) == link
