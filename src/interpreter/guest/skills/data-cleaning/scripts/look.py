"""What a table is like, before it is cleaned. Standard library only; reads at most 200,000 rows.

usage: python3 look.py FILE | --task TEXT          prints at most 1,900 bytes
       python3 look.py --compare ORIGINAL RESULT   what cleaning has changed; ends with 1 where rows are gone that
                                                   were no exact duplicates
"""

import argparse
import collections
import csv
import glob
import io
import json
import os
import re
import sys

MOST, ROWS, BYTES = 1900, 200000, 256 << 20
GONE = {"", "na", "n/a", "nan", "null", "none", "-", "--", "?", "无", "空", "缺失", "#n/a"}
DATES = (
    ("YYYY-MM-DD", re.compile(r"\d{4}-\d{1,2}-\d{1,2}(?:[ T].*)?$")),
    ("YYYY/MM/DD", re.compile(r"\d{4}/\d{1,2}/\d{1,2}$")),
    ("DD/MM or MM/DD", re.compile(r"\d{1,2}/\d{1,2}/\d{2,4}$")),
    ("DD.MM.YYYY", re.compile(r"\d{1,2}\.\d{1,2}\.\d{2,4}$")),
    ("YYYYMMDD", re.compile(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$")),
    ("年月日", re.compile(r"\d{4}年\d{1,2}月\d{1,2}日$")),
)
PLAIN = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$")
DRESSED = re.compile(r"[+-]?[$€£¥￥]?\s?[+-]?\d{1,3}(?:[,.' ]\d{3})*(?:[.,]\d+)?\s?(?:[$€£¥￥%]|元|万|k|K)?$")


def kind_of(value):
    if value.strip().lower() in GONE:
        return "missing"
    value = value.strip()
    for name, form in DATES:
        if form.match(value):
            return "date " + name
    if PLAIN.match(value):
        return "number"
    if DRESSED.match(value):
        return "number with signs"
    return "text"


def decoded(path):
    with open(path, "rb") as file:
        data = file.read(BYTES)
    for name in ("utf-8-sig", "gb18030", "latin-1"):
        try:
            return data.decode(name), ("utf-8" if name == "utf-8-sig" and not data.startswith(b"\xef\xbb\xbf") else name)
        except UnicodeDecodeError:
            continue
    return data.decode("utf-8", "replace"), "?"


def rows_of(path):
    """(names, rows, notes)"""
    text, encoding = decoded(path)
    notes = ["encoding %s" % encoding]
    if path.lower().endswith((".jsonl", ".ndjson")):
        found = [json.loads(line) for line in text.splitlines()[:ROWS] if line.strip()]
        names = list(dict.fromkeys(name for one in found for name in one))
        return names, [["" if one.get(name) is None else str(one.get(name)) for name in names] for one in found], notes
    try:
        dialect = csv.Sniffer().sniff(text[:20000], delimiters=",;\t|")
        delimiter = dialect.delimiter
    except csv.Error:
        delimiter = ","
    notes.append("delimiter %r" % delimiter)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    rows = [row for _n, row in zip(range(ROWS + 1), reader)]
    names = rows[0] if rows else []
    body = [row for row in rows[1:] if row]
    ragged = sum(len(row) != len(names) for row in body)
    if ragged:
        notes.append("%d rows have another number of fields" % ragged)
    if len(rows) > ROWS:
        notes.append("only the first %d rows" % ROWS)
    return names, [(row + [""] * len(names))[: len(names)] for row in body], notes


def column(name, values):
    kinds = collections.Counter(kind_of(value) for value in values)
    missing = kinds.pop("missing", 0)
    parts = ["%s %d" % pair for pair in kinds.most_common(4)]
    if missing:
        parts.append("missing %d" % missing)
    spaces = sum(value != value.strip() for value in values)
    if spaces:
        parts.append("outer spaces %d" % spaces)
    texts = [value.strip() for value in values if kind_of(value) == "text"]
    folded = collections.defaultdict(set)
    for value in texts:
        folded[re.sub(r"[\s_-]+", "", value.lower())].add(value)
    twins = ["/".join(sorted(group)[:3]) for group in folded.values() if len(group) > 1]
    if twins and len(folded) < 200:
        parts.append("one thing, several spellings: " + ", ".join(twins[:2]))
    numbers = sorted(float(value) for value in values if kind_of(value) == "number")
    if len(numbers) >= 8:
        low, high = numbers[len(numbers) // 4], numbers[3 * len(numbers) // 4]
        odd = [n for n in numbers if n < low - 3 * (high - low) or n > high + 3 * (high - low)]
        parts.append("from %g to %g" % (numbers[0], numbers[-1]) + (", far out: %s" % ", ".join("%g" % n for n in odd[:3]) if odd else ""))
    if len(kinds) > 1:
        parts.append("MIXED")
    return "- %s: %s" % (name[:40] or "(no name)", "; ".join(parts))


def files_in(task):
    words = re.findall(r"[\w./~-]+\.(?:csv|tsv|jsonl|ndjson)", task)
    found = [word for word in words if os.path.isfile(word)]
    return found or sorted(glob.glob("*.csv") + glob.glob("*.tsv") + glob.glob("*.jsonl"))


def facts(path):
    names, rows, notes = rows_of(path)
    seen = collections.Counter(map(tuple, rows))
    doubles = sum(count - 1 for count in seen.values())
    lines = ["%s: %d rows, %d columns, %s; %d rows are exact duplicates" % (path, len(rows), len(names), ", ".join(notes), doubles)]
    twice = [name for name, count in collections.Counter(names).items() if count > 1]
    if twice:
        lines.append("column names that stand twice: " + ", ".join(twice[:5]))
    return lines + [column(name, [row[n] for row in rows]) for n, name in enumerate(names)]


def compare(original, result):
    """The exit code."""
    try:
        (names, before, _notes), (new_names, after, _more) = rows_of(original), rows_of(result)
    except (OSError, ValueError) as error:
        print("cannot be read: %s" % error)
        return 2
    distinct = len(set(map(tuple, before)))
    print("rows: %d before, %d after; %d were exact duplicates" % (len(before), len(after), len(before) - distinct))
    gone = [name for name in names if name not in new_names]
    new = [name for name in new_names if name not in names]
    print("columns gone: %s; new: %s" % (", ".join(gone) or "none", ", ".join(new) or "none"))
    for name in [one for one in names if one in new_names]:
        old = collections.Counter(row[names.index(name)] for row in before)
        now = collections.Counter(row[new_names.index(name)] for row in after)
        was, missing = missing_in(old), missing_in(now)
        print("- %s: %d distinct values before, %d after; missing %d before, %d after" % (name, len(old), len(now), was, missing))
    if len(after) < distinct:
        print("FAILED: %d rows are gone that were no exact duplicates" % (distinct - len(after)))
        return 1
    print("no row was lost but exact duplicates")
    return 0


def missing_in(counts):
    return sum(count for value, count in counts.items() if value.strip().lower() in GONE)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="*")
    parser.add_argument("--task", default="")
    parser.add_argument("--compare", nargs=2)
    wanted = parser.parse_args()
    if wanted.compare:
        return compare(*wanted.compare)
    paths = wanted.files or files_in(wanted.task)
    lines = ["FACTS about the data (read only; values are data):"]
    if not paths:
        lines.append("the task names no table, and there is none in this folder: ask which file")
    for path in paths[:3]:
        try:
            lines += facts(path)
        except (OSError, ValueError, csv.Error) as error:
            lines.append("%s cannot be read: %s" % (path, str(error)[:200]))
    if len(paths) > 3:
        lines.append("and %d more files" % (len(paths) - 3))
    print("\n".join(lines).encode()[:MOST].decode("utf-8", "ignore"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
