"""Lines that a build server would take for orders to itself, made harmless.

GitHub reads `::name ...` at the beginning of a line and `##[name]` anywhere in one, Azure and TeamCity `##name[...]`,
GitLab `section_start:` and `section_end:`. Whoever wrote a text (a program, a model, a file's name) gives no orders.
"""

from __future__ import annotations

from collections.abc import Mapping

from .expression import expression

COLOUR = r"\x1b\[[0-9;]*[A-Za-z]"
COLONS = expression(rf"(^|[\r\n\v\f\x1c-\x1e\x85\u2028\u2029])((?:[^\S\r\n]|{COLOUR})*):(?=(?:{COLOUR})*:)")
HASHES = expression(r"##(?=[A-Za-z]{0,20}\[)")
SECTIONS = expression(r"section_(start|end):(?=\s*\d)")


def build_server(environ: Mapping[str, str]) -> str:
    """`github`, `gitlab`, `jenkins`, another one's `ci`, or nothing: what the platform says of itself."""
    if environ.get("GITHUB_ACTIONS") == "true":
        return "github"
    if environ.get("GITLAB_CI") == "true":
        return "gitlab"
    if environ.get("JENKINS_URL"):
        return "jenkins"
    return "ci" if environ.get("TF_BUILD") or environ.get("TEAMCITY_VERSION") or environ.get("CI") == "true" else ""


def harmless(text: str) -> str:
    """The text with a blank inside each of these marks. It has to begin where a line begins."""
    if ":" not in text and "#" not in text:
        return text
    text = COLONS.sub(r"\1\2: ", text)
    text = HASHES.sub("## ", text)
    return SECTIONS.sub(r"section_\1 :", text)


def harmless_json(line: bytes) -> bytes:
    """A line of JSON that means the same and holds none of these marks; it begins with a brace anyway."""
    if b"##" in line:
        line = line.replace(b"##", rb"#\u0023")
    if b"section_" in line:
        line = line.replace(b"section_start:", rb"section_start\u003a").replace(b"section_end:", rb"section_end\u003a")
    return line
