"""Draws docs/session.svg from a real run: the real command on a pseudo-terminal, real code, a recorded model.

usage: python tools/draw_session.py [OUT.svg]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from html import escape
from pathlib import Path
from typing import Any

import pexpect
import pyte
from pyte.screens import Char

from interpreter.app.recorded import recorded_server
from interpreter.cli.demo.data import write_sales

COLUMNS, ROWS = 92, 64
CELL, LINE, EDGE, SIZE = 8.43, 18, 16, 14
TASK = "Which month sold most? data.csv"
REPLIES = """\
model: Qwen3-4B-Instruct-2507
replies:
  - text: I add up the amounts by month.
    code: |
      import csv
      from collections import Counter

      rows = [row for row in csv.DictReader(open("data.csv")) if any(row.values())]
      months = Counter()
      for row in rows:
          months[row["date"][:7]] += float(row["amount"])
  - text: The day is in `sale_day`. The rows are still in memory.
    code: |
      for row in rows:
          months[row["sale_day"][:7]] += float(row["amount"])
      for month, amount in months.most_common(3):
          print(month, f"{amount:10,.0f}")
  - text: "December 2025 sold most, with November 2025 and December 2024 behind it."
"""
PAPER, INK = "#16181d", "#d8dbe2"
COLOURS = {
    "default": INK, "black": "#5c6370", "red": "#f07178", "green": "#a5d07b", "brown": "#e5c07b", "blue": "#6cb2f5",
    "magenta": "#c792ea", "cyan": "#7fd1d1", "white": INK, "brightblack": "#868d9a", "brightred": "#ff8b92",
    "brightgreen": "#b9e08f", "brightbrown": "#ffd58a", "brightblue": "#8cc7ff", "brightmagenta": "#d9b3f5",
    "brightcyan": "#9be7e7", "brightwhite": "#ffffff",
}  # fmt: skip


def run() -> tuple[pyte.Screen, str]:
    """The terminal as it looks when the session has ended, and the folder that was the home."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "sales")
        folder.mkdir()
        write_sales(folder / "data.csv", 20_000)
        script = Path(name, "replies.yaml")
        script.write_text(REPLIES, encoding="utf-8")
        screen.draw(f'~/sales $ interpreter "{TASK}"')
        stream.feed(b"\r\n")
        with recorded_server(script) as address:
            environ = {
                "PATH": os.environ["PATH"], "HOME": name, "INTERPRETER_HOME": f"{name}/home", "TERM": "xterm-256color",
                "COLORTERM": "truecolor", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
            }  # fmt: skip
            command = ["-m", "interpreter", "--api_base", address, TASK]
            spawn: Any = pexpect.spawn  # its type is half unknown
            child = spawn(sys.executable, command, cwd=str(folder), env=environ, dimensions=(ROWS, COLUMNS), timeout=60)
            play(child, stream, screen)
    return screen, name


def play(child: Any, stream: pyte.ByteStream, screen: pyte.Screen) -> None:
    """Feed the screen, and say yes whenever a question stands at the cursor."""
    answered, quiet = -1, 0.0
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            stream.feed(child.read_nonblocking(65536, timeout=0.2))
            quiet = time.monotonic()
        except pexpect.TIMEOUT:
            line = screen.display[screen.cursor.y]
            if screen.cursor.y != answered and time.monotonic() - quiet > 0.3 and "y" in line and "n" in line:
                answered = screen.cursor.y
                child.send("y\r")
        except pexpect.EOF:
            child.close()
            return
    raise TimeoutError("the session did not end:\n" + "\n".join(screen.display))


def colour(name: str, fallback: str) -> str:
    if name == "default":
        return fallback
    return COLOURS.get(name, f"#{name}")


def used(screen: pyte.Screen) -> int:
    return max(number for number, text in enumerate(screen.display) if text.strip()) + 1


def same(one: Char, two: Char) -> bool:
    return one._replace(data="") == two._replace(data="")


def draw_row(row: Any, y: int, home: str) -> list[str]:
    """One line: a rectangle where there is a background, a text for each run of one style."""
    parts: list[str] = []
    column = 0
    while column < COLUMNS:
        first, begin, text = row[column], column, ""
        while column < COLUMNS and same(row[column], first):
            text += row[column].data
            column += 1
        text = text.replace(home, "~")
        ink, paper = colour(first.fg, INK), colour(first.bg, PAPER)
        if first.reverse:
            ink, paper = paper, ink
        x, width = EDGE + begin * CELL, (column - begin) * CELL
        if paper != PAPER:
            parts.append(f'<rect x="{x:.1f}" y="{y - 13}" width="{width:.1f}" height="{LINE}" fill="{paper}"/>')
        if text.strip():
            weight = ' font-weight="bold"' if first.bold else ""
            slant = ' font-style="italic"' if first.italics else ""
            length = len(text.rstrip()) * CELL
            parts.append(
                f'<text x="{x:.1f}" y="{y}" fill="{ink}"{weight}{slant} textLength="{length:.1f}" '
                f'xml:space="preserve">{escape(text.rstrip())}</text>'
            )
    return parts


def draw(screen: pyte.Screen, home: str) -> str:
    rows = used(screen)
    width, height = round(2 * EDGE + COLUMNS * CELL), 2 * EDGE + rows * LINE + 24
    body = [part for number in range(rows) for part in draw_row(screen.buffer[number], EDGE + 38 + number * LINE, home)]
    dots = "".join(
        f'<circle cx="{EDGE + 6 + 18 * n}" cy="18" r="5.5" fill="{c}"/>'
        for n, c in enumerate(("#f07178", "#e5c07b", "#a5d07b"))
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
            f'font-family="ui-monospace, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="{SIZE}">',
            f"<title>A session: {escape(TASK)}</title>",
            f'<rect width="{width}" height="{height}" rx="9" fill="{PAPER}"/>',
            dots,
            *body,
            "</svg>\n",
        ]
    )


def main() -> None:
    out = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[1] / "docs" / "session.svg")
    screen, home = run()
    out.write_text(draw(screen, home), encoding="utf-8")
    print("\n".join(line.rstrip() for line in screen.display[: used(screen)]))
    print(f"\n{out}")


if __name__ == "__main__":
    main()
