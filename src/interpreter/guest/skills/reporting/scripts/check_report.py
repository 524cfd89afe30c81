"""Every number in a report must stand in its evidence. Ends with 1 and names those that do not.

usage: python3 check_report.py REPORT EVIDENCE [EVIDENCE ...]          evidence: JSON, CSV or text
"""

import re
import sys

NUMBER = re.compile(r"(?<![\w.])[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?|(?<![\w.])[+-]?\d+(?:\.\d+)?")
LEFT = (
    re.compile(r"```.*?```", re.S),
    re.compile(r"`[^`\n]*`"),
    re.compile(r"\]\([^)\n]*\)|https?://\S+"),
    re.compile(r"\d{4}[-/年]\d{1,2}(?:[-/月]\d{1,2}日?)?(?:[ T]\d{1,2}:\d{2}(?::\d{2})?)?"),
    re.compile(r"\b\d{1,2}:\d{2}(?::\d{2})?\b"),
    re.compile(r"\bv?\d+\.\d+\.\d+\S*"),
    re.compile(r"(?m)^\s*(?:\d+[.)]|#+)\s"),
    re.compile(r"[\w-]*[A-Za-z_][\w.-]*\d[\w.-]*|[\w-]*\d+[A-Za-z_][\w-]*"),
)
"""What holds digits and is no result: code, links, dates, times, versions, numbers of lists, names."""


def numbers(text):
    return [(found.group(0), float(found.group(0).replace(",", ""))) for found in NUMBER.finditer(text)]


def read(path):
    with open(path, "rb") as file:
        return file.read(64 << 20).decode("utf-8", "replace")


def stands(said, value, known):
    """Whether evidence rounds to it, as it is or as a share in per cent."""
    digits = len(said.partition(".")[2])
    if value in known or abs(value) <= 1 and digits == 0:
        return True
    return any(round(one, digits) == value or round(one * 100, digits) == value for one in known)


def main():
    if len(sys.argv) < 3:
        print("usage: check_report.py REPORT EVIDENCE [EVIDENCE ...]")
        return 2
    try:
        report = read(sys.argv[1])
        known = {value for path in sys.argv[2:] for _said, value in numbers(read(path))}
    except OSError as error:
        print("cannot be read: %s" % error)
        return 2
    for pattern in LEFT:
        report = pattern.sub(" ", report)
    found = numbers(report)
    bare = [said for said, value in found if not stands(said, value, known)]
    if bare:
        print("FAILED: %d of %d numbers have no source: %s" % (len(bare), len(found), ", ".join(dict.fromkeys(bare))[:600]))
        return 1
    print("all %d numbers stand in the evidence" % len(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
