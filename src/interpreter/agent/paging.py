"""`read_output`: paging through what was cut."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from ..text.clean import clean_text
from ..types.actions import OutputRef
from ..types.base import from_json


class PageRequest(msgspec.Struct, frozen=True):
    id: str
    offset: int = 0


def read_page(kept: Sequence[OutputRef], arguments: str, cap: int) -> str:
    """The stretch of a kept output that starts at `offset` bytes, at most `cap` characters; never raises."""
    try:
        wanted: PageRequest = from_json(arguments, PageRequest)
    except ValueError:
        return 'read_output takes {"id": "out1", "offset": 0}; the id stands where the output was cut.'
    number = wanted.id.removeprefix("out")
    if not number.isdigit() or not 1 <= int(number) <= len(kept):
        return f"There is no output {wanted.id!r}; so far there are {len(kept)}, the newest is out{len(kept)}."
    ref = kept[int(number) - 1]
    offset = max(0, wanted.offset)
    if not ref.path or offset >= ref.size:
        return f"[out{number} ends at {ref.size} bytes.]"
    try:
        with Path(ref.path).open("rb") as file:
            file.seek(offset)
            data = file.read(cap)
    except OSError as error:
        return f"[The file of out{number} cannot be read: {error.strerror}.]"
    end = offset + len(data)
    if end < ref.size and (line := data.rfind(b"\n")) > len(data) // 2:
        data = data[: line + 1]
        end = offset + len(data)
    rest = f"[next offset: {end} of {ref.size}]" if end < ref.size else f"[end, {ref.size} bytes]"
    return f"{clean_text(data)}\n{rest}"
