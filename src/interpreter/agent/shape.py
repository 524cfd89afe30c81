"""The final answer by a schema: checked here whatever the server did, given back with what is wrong, a few times."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..text.expression import expression
from ..text.i18n import _
from ..text.schema import BadSchema, Schema
from .guards import Stop, Tell, Verdict

LARGEST = 256 << 10
"""Bytes of a schema's file."""
MOST_TOLD = 3_000
"""Characters of a schema that the model reads; of a longer one it is told the problems alone."""
MOST_REPAIRS = 3
FENCED = expression(r"```(?:json|JSON)?[ \t]*\n(.*?)\n?```", 16)  # re.DOTALL


class Shape:
    """What one file asks of final answers."""

    def __init__(self, path: str) -> None:
        """Raises ConfigError: the file cannot be read, or is no schema that can be used."""
        try:
            with Path(path).open("rb") as file:
                data = file.read(LARGEST + 1)
            if len(data) > LARGEST:
                raise ValueError(f"it is larger than {LARGEST >> 10} kB")
            source: Any = whole(json.loads(data))
            self.schema = Schema(source)
        except OSError as error:
            raise ConfigError(
                _("The schema {file} cannot be read: {reason}.", file=path, reason=error.strerror or os.strerror(5))
            ) from None
        except (ValueError, RecursionError, BadSchema) as error:
            raise ConfigError(
                _("The schema {file} cannot be used: {reason}.", file=path, reason=error),
                _("Which keywords are understood: docs/pipelines.md."),
            ) from None

    @property
    def source(self) -> dict[str, Any] | None:
        """For the server; None where the schema is just true or false."""
        source: Any = self.schema.source
        return None if isinstance(source, bool) else source

    def told(self, *, over: bool = False) -> str:
        """What the model is told from the beginning; `over`: now that the work is done."""
        text = compact(self.schema.source)
        what = f"this JSON Schema: {text}" if len(text) <= MOST_TOLD else "the person's JSON Schema."
        if over:
            return f"Now give the final answer: one JSON value and nothing else, that fits {what}"
        return (
            "The answer\nWhen the task is done, your final answer is one JSON value and nothing else. "
            f"It has to fit {what}"
        )

    def read(self, text: str) -> tuple[str, list[str]]:
        """The answer as one line of JSON, or what is wrong with it."""
        try:
            value = value_in(text)
        except (ValueError, RecursionError):
            return "", ["$: this is not JSON"]
        problems = self.schema.problems(value)
        return ("", problems) if problems else (compact(value), [])


class AnswerCheck:
    """Looks at the final texts of one turn."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._repairs = 0
        self.answer: str | None = None
        """The answer that fits, as one line of JSON."""
        self.closing: dict[str, Any] | None = None
        """The schema that the next request is bound to: the work is over, only the form was wrong."""

    def asked(self) -> str:
        self.closing = self._shape.source
        return f"The checks pass. {self._shape.told(over=True)}"

    def after_text(self, text: str) -> Verdict:
        answer, problems = self._shape.read(text)
        if not problems:
            self.answer, self.closing = answer, None
            return None
        self._repairs += 1
        if self._repairs > MOST_REPAIRS:
            told = "\n".join(problems[:5])
            return Stop(
                "failed", 1, _("The answer does not fit the schema, also after {n} corrections:", n=MOST_REPAIRS)
                + f"\n{told}\n" + _("Its last form is in the session."),
            )  # fmt: skip
        self.closing = self._shape.source
        lines = "\n".join(f"- {line}" for line in problems)
        return Tell(f"Your final answer has to be JSON that fits the schema. {self._schema()}It does not:\n{lines}\n"
                    "Give the whole answer again as JSON alone, without any other word.")  # fmt: skip

    def _schema(self) -> str:
        text = compact(self._shape.schema.source)
        return f"The schema: {text}\n" if self._repairs == 1 and len(text) <= MOST_TOLD else ""


def value_in(text: str) -> Any:
    """The JSON of an answer: the whole of it, or its only fenced block. Raises ValueError."""
    text = text.strip()
    try:
        return strict(text)
    except ValueError:
        blocks = FENCED.findall(text)
        if len(blocks) != 1:
            raise
        return strict(blocks[0])


def strict(text: str) -> Any:
    return whole(json.loads(text, parse_constant=refuse, object_pairs_hook=once))


def whole(value: Any) -> Any:
    """The value itself. Raises ValueError: with 1e999 or half a character in it nothing can write it as JSON again."""
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return value


def refuse(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
