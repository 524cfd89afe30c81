"""`chat_history.save` and `load`: a conversation as a JSON file that other tools can read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from ..errors import ConfigError, StoreError
from ..text.i18n import _
from ..text.redact import redact_all
from ..types.base import Value
from ..types.events import Stored
from .blobs import write_whole
from .home import reason_of
from .story import Entry, Ran, Said, story

FORMAT = "reinterpreter/1"
LARGEST = 256 << 20
"""Bytes of a file that `load` takes."""


class Transcript(Value):
    session: str = ""
    """The session that the file was saved from; empty for a file of another program."""
    seq: int = 0
    """The last event that the file tells of; the log may have gone on since."""
    messages: tuple[dict[str, Any], ...] = ()
    """Dicts with role (user, assistant, computer, system), type (message, code, console, image), format, content."""


def messages_of(events: Iterable[Stored]) -> list[dict[str, Any]]:
    """The conversation as message dicts of the older interface."""
    return [message for entry in story(events) for message in dicts(entry)]


def dicts(entry: Entry) -> list[dict[str, Any]]:
    if isinstance(entry, Said):
        said: list[dict[str, Any]] = [{"role": entry.role, "type": "message", "content": entry.text}]
        return said + [
            {"role": entry.role, "type": "image", "format": "path", "content": image} for image in entry.images
        ]
    if not isinstance(entry, Ran):
        return []
    ran: list[dict[str, Any]] = [{"role": "assistant", "type": "code", "format": entry.language, "content": entry.code}]
    if entry.status:
        ran.append({"role": "computer", "type": "console", "format": "output", "content": entry.text})
    for display in entry.displays:
        if display.mime.startswith("image/"):
            ran.append({"role": "computer", "type": "image", "format": "path", "content": display.path})
    return ran


def save(path: str | Path, events: Iterable[Stored], session: str, secrets: Iterable[str] = ()) -> Transcript:
    """Write the conversation: all of it or nothing, and on the disk when this returns.

    Args:
        secrets: values to take out beside what looks like a secret (`text.redact`).

    Raises StoreError when the file cannot be written; a file that was there is then as it was.
    """
    stored = list(events)
    transcript = Transcript(
        session=session,
        seq=stored[-1].seq if stored else 0,
        messages=tuple(redact_all(messages_of(stored), tuple(secrets))),
    )
    body: dict[str, Any] = {
        "format": FORMAT,
        "session": transcript.session,
        "seq": transcript.seq,
        "messages": list(transcript.messages),
    }
    target = Path(path).expanduser()
    try:
        # Through a link to the file that it names, as every program does that opens it.
        target = target.resolve() if target.is_symlink() else target
        write_whole(target, json.dumps(body, ensure_ascii=False, indent=1).encode("utf-8", "replace") + b"\n",
                    durable=True)  # fmt: skip
    except OSError as error:
        raise StoreError(
            _("The conversation could not be saved to {path}: {reason}.", path=path, reason=reason_of(error)),
            _("The session itself is kept in the log; save it to another place."),
        ) from error
    return transcript


def load(path: str | Path, newest: str = "") -> Transcript:
    """Read a file of `save`, a list of message dicts of the older interface, or OpenAI's messages.

    Args:
        newest: the session to name as the one to resume when the file cannot be used.

    Raises:
        ConfigError: there is no such file, or it is no conversation.
        StoreError: the file cannot be read, or was cut off.
    """
    hint = resume_hint(newest)
    source = Path(path).expanduser()
    try:
        if source.is_dir():
            raise ConfigError(_("{path} is a folder, not a saved conversation.", path=path), hint)
        if source.stat().st_size > LARGEST:
            raise ConfigError(_("{path} is too large for a saved conversation.", path=path), hint)
        data = source.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(_("There is no file {path}.", path=path), hint) from error
    except OSError as error:
        raise StoreError(_("{path} cannot be read: {reason}.", path=path, reason=reason_of(error)), hint) from error
    return parse(data, str(path), hint)


def parse(data: bytes, name: str, hint: str) -> Transcript:
    """Raises ConfigError, StoreError."""
    try:
        value: object = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"", b"{", b"["):
            raise StoreError(_("The saved conversation {path} was cut off or damaged.", path=name), hint) from error
        raise alien(name, hint) from error
    if isinstance(value, dict):
        body = cast("dict[str, Any]", value)
        if "format" in body and body["format"] != FORMAT:
            raise ConfigError(
                _("{path} has a format that this version does not know: {format}.", path=name, format=body["format"]),
                hint,
            )
        session, seq, listed = body.get("session", ""), body.get("seq", 0), body.get("messages")
        if isinstance(session, str) and isinstance(seq, int) and isinstance(listed, list):
            return Transcript(session=session, seq=seq, messages=read_messages(cast("list[Any]", listed), name, hint))
    if isinstance(value, list):
        return Transcript(messages=read_messages(cast("list[Any]", value), name, hint))
    raise alien(name, hint)


def read_messages(listed: list[Any], name: str, hint: str) -> tuple[dict[str, Any], ...]:
    read: list[dict[str, Any]] = []
    for number, item in enumerate(listed, 1):
        if not isinstance(as_dict(item).get("role"), str):
            raise ConfigError(
                _("{path} is no saved conversation: message {number} has no role.", path=name, number=number), hint
            )
        read += read_message(as_dict(item))
    return tuple(read)


def read_message(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One message of either kind, as one or more of the older interface."""
    if isinstance(item.get("type"), str):
        return [dict(item)]
    role = {"tool": "computer", "function": "computer", "developer": "system"}.get(item["role"], item["role"])
    text = text_of(item.get("content"))
    found: list[dict[str, Any]] = []
    if text or not item.get("tool_calls"):
        kind: dict[str, Any] = {"type": "console", "format": "output"} if role == "computer" else {"type": "message"}
        found.append({"role": role, **kind, "content": text})
    calls = item.get("tool_calls")
    for call in cast("list[Any]", calls) if isinstance(calls, list) else ():
        found.append(read_call(call))
    return found


def read_call(call: object) -> dict[str, Any]:
    """A native tool call: code with its language where it has them, else its arguments as they stand."""
    raw = as_dict(as_dict(call).get("function")).get("arguments", "")
    try:
        arguments = as_dict(json.loads(raw) if isinstance(raw, str) else raw)
    except (ValueError, RecursionError):
        arguments = {}
    code, language = arguments.get("code"), arguments.get("language")
    if isinstance(code, str):
        form = language if isinstance(language, str) else "python"
        return {"role": "assistant", "type": "code", "format": form, "content": code}
    content = raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False)
    return {"role": "assistant", "type": "code", "format": "json", "content": content}


def as_dict(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def text_of(content: object) -> str:
    """OpenAI's content: a string, nothing, or a list of parts."""
    if isinstance(content, list):
        parts = cast("list[Any]", content)
        return "".join(str(as_dict(part).get("text", "")) for part in parts)
    return content if isinstance(content, str) else ""


def alien(name: str, hint: str) -> ConfigError:
    return ConfigError(_("{path} is no saved conversation.", path=name), hint)


def resume_hint(newest: str) -> str:
    if not newest:
        return _("Nothing was changed. `interpreter sessions list` shows the sessions that can be resumed.")
    return _("Nothing was changed. The newest session is {id}; `interpreter --resume {id}` goes on with it.", id=newest)
