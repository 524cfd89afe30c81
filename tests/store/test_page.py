"""The page of a session: whole in itself, and harmless whatever the session holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from interpreter.store import SessionLog, Store
from interpreter.store.export import export, kept_files
from interpreter.store.page_marks import coloured, table_of
from interpreter.types.actions import Display, OutputRef
from interpreter.types.events import ActionJudged, NetworkAttempt
from interpreter.types.rewinding import Rewound, SnapshotTaken
from interpreter.types.rules import Reason
from tests.store.conversation import begun, conversation, proposed, ran
from tests.store.samples import every_kind, started, turn

EVIL = "</pre></style><script>alert(1)</script><img src=http://evil.example/x onerror=alert(1)>\"'><svg/onload=x>"
ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "p", "h1", "dl", "div", "dt", "dd", "small",
    "nav", "ol", "ul", "li", "a", "section", "span", "b", "pre", "figure", "img", "table", "thead", "tbody", "tr",
    "th", "td", "footer",
}  # fmt: skip


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SessionLog]:
    with Store.open(tmp_path / "home") as store:
        yield store.create("s_1", "/project")


class Reading(HTMLParser):
    """Tags with their attributes, and the texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page(log: SessionLog, *secrets: str) -> tuple[str, Reading]:
    text = export(log.events(), "html", secrets, kept_files(log.folder))
    return text, Reading(text)


def harmless(found: Reading) -> None:
    assert {tag for tag, _attributes in found.tags} <= ALLOWED and not found.open
    for tag, attributes in found.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "srcdoc")]
        assert tag != "img" or (attributes["src"] or "").startswith("data:image/")
        assert "href" not in attributes or re.fullmatch(r"#r\d+", attributes["href"] or "")


def test_the_page_tells_the_conversation(log: SessionLog) -> None:
    log.append_now(*conversation(log))
    why = Reason(rule="no-lists", layer="user", decision="deny", text="why")
    log.append_now(ActionJudged(action="a_3", decision="deny", reasons=(why,)))
    log.append_now(NetworkAttempt(host="pypi.org", port=443, decision="denied", by="default"))
    text, found = page(log)
    told = " ".join("".join(found.texts).split())
    for words in ("Read x.", "Let me look.", "print('edited')", "edited by person", "42", "The server is gone.",
                  "and hurry", "no-lists", "pypi.org:443 denied", "taken back", "Step 2"):  # fmt: skip
        assert words in told, words
    assert "hunter2" not in text and "abcd1234" not in text
    assert 'src="data:image/png;base64,' in text
    harmless(found)


def test_the_page_loads_and_runs_nothing(log: SessionLog) -> None:
    log.append_now(*conversation(log))
    text, _found = page(log)
    rules = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert rules is not None and rules[1].startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in rules[1] and "http" not in rules[1]
    assert not re.search(r"url\(|@import|<link|<script", text)


def test_hostile_words_stay_words(log: SessionLog) -> None:
    out = log.put_bytes(EVIL.encode(), ".out")
    table = log.put_bytes(f"<table onclick=x><tr><td style=x>1{EVIL}</td></tr></table>{EVIL}".encode(), ".html")
    drawn = log.put_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", ".svg")
    log.append_now(started(), turn(1, EVIL), proposed(1, f"# {EVIL}\nx = '{EVIL}'", "a_1", EVIL), begun("a_1"))
    log.append_now(
        ran("a_1", out, None, result=EVIL, displays=(
            Display(mime="text/html", path=table.path, text=EVIL), Display(mime="image/svg+xml", path=drawn.path),
            Display(mime=f"image/png{EVIL}", path=EVIL, text=EVIL),
        ))
    )  # fmt: skip
    text, found = page(log)
    harmless(found)
    assert text.count("alert(1)") > 3, "it is shown, not hidden"


def test_every_kind_of_event(log: SessionLog) -> None:
    log.append_now(*every_kind())
    harmless(page(log)[1])


def test_files_of_others_are_never_read(log: SessionLog, tmp_path: Path) -> None:
    """The events may come from another machine, and name any path."""
    (tmp_path / "private.png").write_bytes(b"PRIVATE")
    (log.folder / "blobs" / "link.png").symlink_to(tmp_path / "private.png")
    shown = tuple(
        Display(mime="image/png", path=path)
        for path in (str(tmp_path / "private.png"), str(log.folder / "blobs" / "link.png"), "../../private.png", "..")
    )
    secret = OutputRef(path=str(tmp_path / "private.png"), size=7)
    log.append_now(started(), turn(1), proposed(1, "x", "a_1"), begun("a_1"), ran("a_1", secret, None, displays=shown))
    for form in ("html", "ipynb", "md"):
        text = export(log.events(), form, (), kept_files(log.folder))
        assert "UFJJVkFURQ" not in text and "PRIVATE" not in text


def test_colours_never_change_the_code() -> None:
    for language in ("python", "shell", "javascript", "sql", "ruby"):
        for code in ('x = \'a\' # b\n"""c', "echo ${#x} $# # y", "/* a", "-- b\nSELECT 1", EVIL, "'\\", "1_000.5e3"):
            found = Reading(coloured(code, language))
            assert "".join(found.texts) == code
    assert "&lt;U+202E&gt;" in coloured("x = '\u202e'", "python")


def test_a_table_is_made_anew_from_its_cells() -> None:
    html = "<style>x</style><p>no</p><table border=1><thead><tr><th></th><th>a&amp;b</th></tr></thead>"
    html += "<tr><td>1<td>2</table>z"
    assert Reading(table_of(html)).texts == ["a&b", "1", "2"]
    assert "<th></th>" in table_of(html) and "border" not in table_of(html)
    assert table_of("<table><tr><td>open") == "<table><tr><td>open</td></tr></table>"
    assert table_of("no table") == "" == table_of("<td>1</td>")


def test_changed_files_and_what_was_rewound(log: SessionLog) -> None:
    log.append_now(started(), turn(1), proposed(1, "one", "a_1"), SnapshotTaken(action="a_1", tree="t1"), begun("a_1"))
    log.append_now(
        ran("a_1", OutputRef()), proposed(1, "two", "a_2"), SnapshotTaken(action="a_2", tree="t3", after="t2")
    )
    log.append_now(begun("a_2"), ran("a_2", OutputRef()), SnapshotTaken(tree="t3"))

    def changed(before: str, after: str) -> list[str]:
        assert (before, after) == ("t1", "t2")
        return ["new.csv", "<b>.txt"]

    text = export(log.events(), "html", (), kept_files(log.folder), changed=changed)
    assert "changed: new.csv" in text and "changed: &lt;b&gt;.txt" in text and "undone" not in text.split("</style>")[1]
    log.append_now(Rewound(step=1, parts=("files",), irreversible=("git push",)))
    text = export(log.events(), "html", (), kept_files(log.folder))
    assert text.count("taken back</span>") == 1, "the second step alone"
    assert "Taken back to step 1." in text and "git push" in text
    harmless(Reading(text))
