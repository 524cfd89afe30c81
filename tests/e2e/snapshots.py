"""Whole event streams, compared with files. `UPDATE_SNAPSHOTS=1` writes them anew; read what changed before you commit.

What differs from run to run is named instead of shown: ids and hashes by the order in which they come, paths by their
place; times and sizes are left out. Live pieces of one kind are merged. A kernel may be ready before or after it is
needed, so its start stands where it is first used; a checkpoint may be written at any time, so it is left out.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from pathlib import Path
from typing import Any, cast

from .world import Done, World

FOLDER = Path(__file__).with_name("snapshots")
IDS = re.compile(r"\b(s|t|act|a|ap|x|k)_[0-9a-f]{20}\b|\b()[0-9a-f]{64}\b")
DROPPED = ("duration", "first_token", "resources", "version", "system", "time")
ASIDE = ("checkpoint_saved", "checkpoint_missed")
LIVE = {"text_delta": "text", "reasoning_delta": "text", "code_delta": "text", "output_chunk": "text"}
SAME = ("type", "turn", "index", "action", "stream")


def check(name: str, done: Done, world: World) -> list[dict[str, Any]]:
    """Compare a run of `--output jsonl` with its snapshot; the events as they were printed."""
    seen = "".join(line + "\n" for line in normal(done.lines, world))
    path = FOLDER / f"{name}.jsonl"
    if os.environ.get("UPDATE_SNAPSHOTS") == "1":
        path.write_text(seen)
    assert path.exists(), f"no snapshot {path.name}: UPDATE_SNAPSHOTS=1 writes it"
    differing = list(difflib.unified_diff(path.read_text().splitlines(), seen.splitlines(), lineterm="", n=0))
    assert not differing, "\n".join([path.name, *differing])
    return done.lines


def normal(events: list[dict[str, Any]], world: World) -> list[str]:
    """One line for each event, the same in every run."""
    namer = Namer(world)
    return [json.dumps(namer.clean(event), ensure_ascii=False) for event in settled(merged(events))]


def merged(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for event in events:
        key = LIVE.get(event["type"])
        if key and found and all(found[-1].get(name) == event.get(name) for name in SAME):
            found[-1] = {**found[-1], key: found[-1][key] + event[key]}
        else:
            found.append(event)
    return found


def settled(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each start of a kernel after the first action that it runs; the start of an unused one left out."""
    starts = [event for event in events if event["type"] == "kernel" and event["what"] == "started"]
    found: list[dict[str, Any]] = []
    others = [event for event in events if not any(event is start for start in starts) and event["type"] not in ASIDE]
    for event in others:
        found.append(event)
        own = [start for start in starts if start["language"] == event.get("language")]
        if event["type"] == "action_started" and own:
            starts.remove(own[0])
            found.append(own[0])
    return found


class Namer:
    def __init__(self, world: World) -> None:
        places = {"work": world.here, "data": world.data, "home": world.home, "root": world.root}
        self._places = [(str(path), f"<{name}>") for name, path in places.items()]
        self._names: dict[str, str] = {}

    def clean(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            table = cast("dict[str, Any]", value)
            return {name: self.clean(one, name) for name, one in table.items() if not self._dropped(name, table)}
        if isinstance(value, list):
            return [self.clean(one) for one in cast("list[Any]", value)]
        return self._text(value) if isinstance(value, str) else value

    @staticmethod
    def _dropped(name: str, table: dict[str, Any]) -> bool:
        if name == "size":  # of a request: it holds the instructions, which name the machine's languages
            return table.get("type") == "model_asked"
        if name in ("user", "uid", "host") and str(table.get("type")).startswith("session_"):
            return True
        return name in DROPPED or (name == "prompt" and isinstance(table[name], int))

    def _text(self, text: str) -> str:
        for path, name in self._places:
            text = text.replace(path, name)
        text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:<port>", text)
        text = re.sub(r"\b(bubblewrap|landlock)\b", "<walls>", text)
        text = re.sub(r"Use one of: [a-z, ]+\.", "Use one of: <languages>.", text)
        return IDS.sub(self._name, text)

    def _name(self, match: re.Match[str]) -> str:
        kind = match[1] or "hash"
        if match[0] not in self._names:
            count = sum(name.startswith(f"<{kind} ") for name in self._names.values())
            self._names[match[0]] = f"<{kind} {count + 1}>"
        return self._names[match[0]]
