"""Looks at files inside the walls: `python -I -S -c SOURCE REQUEST`, REQUEST being JSON. CPython 3.8 and later.

It prints a line of JSON (`{}` or an error) and then the text. However large a file is, it takes a few megabytes.
"""

import bz2
import collections
import datetime
import difflib
import fnmatch
import gzip
import json
import lzma
import os
import re
import stat
import sys

LONGEST = 4000
"""Characters of one line that are shown."""
BLOCK = 1 << 16
MOST_LINES = 5000
LARGEST_TAIL = 16 << 20
LARGEST_SEARCHED = 64 << 20
SKIPPED = {".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", "venv", ".tox", ".mypy_cache", ".cache"}
PACKED = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\x00", lzma.open))
ERROR = re.compile(
    r"\b(?:error|err|fatal|critical|crit|emerg|alert|panic|severe|exception|traceback|fail(?:ed|ure|s)?|oom|segfault)\b"
    r"|[A-Z]\w+(?:Error|Exception)\b|out of memory|错误|异常|失败|\" 5\d\d ",
    re.I,
)
FINE = re.compile(
    r"\b(?:0|no) (?:errors?|failures?)\b|\b(?:errors?|fail(?:ed|ures?))[=: ]+(?:0|none|null|false)\b", re.I
)
STAMPS = (
    (re.compile(r"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d)(?::(\d\d))?(?:[.,]\d+)?\s?(Z|[+-]\d\d:?\d\d)?"), "iso"),
    (
        re.compile(
            r"(\d\d)/(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d{4})"
        ),
        "web",
    ),
    (re.compile(r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\s+(\d{1,2}) (\d\d):(\d\d):(\d\d)"), "syslog"),
    (re.compile(r"\b(1[0-9]{9})(?:\.\d+|\d{3})?\b"), "epoch"),
)
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
WHERE = 200
"""Characters of a line in which its time is looked for."""


class Problem(Exception):
    def __init__(self, error, hint=""):
        Exception.__init__(self, error)
        self.error, self.hint = error, hint


def opened(path):
    """A file to read bytes from, unpacked where it is packed; nothing but an ordinary file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Problem("%s: %s" % (path, error.strerror), near(path)) from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise Problem("%s is no ordinary file" % path, folder(path))
    raw = os.fdopen(fd, "rb")
    begins = raw.read(6)
    raw.seek(0)
    for magic, unpack in PACKED:
        if begins.startswith(magic):
            return unpack(raw), True
    return raw, False


def near(path):
    """What lies beside a file that is not there."""
    top = os.path.dirname(path) or "."
    try:
        names = os.listdir(top)
    except OSError:
        return ""
    close = difflib.get_close_matches(os.path.basename(path), names, 3, 0.5)
    return (
        "Did you mean %s?" % " or ".join(os.path.join(os.path.dirname(path), name) for name in close) if close else ""
    )


def folder(path):
    if not os.path.isdir(path):
        return ""
    names = sorted(os.listdir(path))
    return "It is a folder with %d entries: %s" % (len(names), ", ".join(names[:20]))


def lines_of(file):
    """Lines as bytes without their ends, the longest cut; a line without an end never fills the memory."""
    while True:
        line = file.readline(BLOCK)
        if not line:
            return
        if not line.endswith(b"\n"):
            while True:
                more = file.readline(BLOCK)
                if not more or more.endswith(b"\n"):
                    break
        yield line.rstrip(b"\r\n")


def text(line):
    shown = line.decode("utf-8", "replace")
    return shown if len(shown) <= LONGEST else shown[:LONGEST] + " [... line cut]"


def is_binary(path):
    file, packed = opened(path)
    with file:
        return b"\0" in file.read(4096)


def read(request):
    path, start, count = request["path"], max(1, request["start"]), bounded(request["lines"])
    if is_binary(path):
        raise Problem("%s is not a text file (%d bytes)" % (path, os.path.getsize(path)))
    file, packed = opened(path)
    found, number, more = [], 0, False
    with file:
        for number, line in enumerate(lines_of(file), 1):
            more = number >= start + count
            if more:
                break
            if number >= start:
                found.append("%6d  %s" % (number, text(line)))
    if not found:
        return "[%s has %d lines.]" % (path, number)
    return "\n".join([*found, "[more lines follow: start=%d]" % (start + count) if more else "[end of the file]"])


def bounded(count):
    return max(1, min(int(count), MOST_LINES))


def compiled(pattern, ignore_case=False):
    try:
        return re.compile(pattern, re.I if ignore_case else 0)
    except re.error as error:
        raise Problem("%r is no regular expression: %s" % (pattern, error), "Escape what is meant literally.") from None


# --- logs


def stamp(line):
    """The time that a line begins with, in seconds; None where it has none. Without a zone it is this machine's."""
    head = line[:WHERE].decode("ascii", "replace")
    for pattern, kind in STAMPS:
        found = pattern.search(head)
        if not found:
            continue
        part = found.groups()
        try:
            if kind == "iso":
                when = datetime.datetime(*(int(one or 0) for one in part[:6]))
                return zoned(when, part[6])
            if kind == "web":
                when = datetime.datetime(int(part[2]), MONTHS.index(part[1]) + 1, int(part[0]), *map(int, part[3:6]))
                return zoned(when, part[6])
            if kind == "syslog":
                return syslog(part)
            return float(part[0])
        except (ValueError, OverflowError):
            continue
    return None


def zoned(when, zone):
    if not zone:
        return when.timestamp()
    if zone == "Z":
        return when.replace(tzinfo=datetime.timezone.utc).timestamp()
    sign = -1 if zone[0] == "-" else 1
    away = datetime.timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return when.replace(tzinfo=datetime.timezone(sign * away)).timestamp()


def syslog(part):
    """Its lines have no year: the newest that does not lie ahead."""
    now = datetime.datetime.now()
    when = datetime.datetime(now.year, MONTHS.index(part[0]) + 1, int(part[1]), *map(int, part[2:5]))
    if when > now + datetime.timedelta(days=2):
        when = when.replace(year=now.year - 1)
    return when.timestamp()


def moment(word, name):
    """What `since` or `until` says, in seconds; None for nothing."""
    word = word.strip()
    if not word:
        return None
    now = datetime.datetime.now()
    ago = re.match(r"-?(\d+(?:\.\d+)?)\s*(s|sec|m|min|h|hour|d|day)\w*( ago)?$", word)
    if ago:
        size = {"s": 1, "m": 60, "h": 3600, "d": 86400}[ago.group(2)[0]]
        return now.timestamp() - float(ago.group(1)) * size
    clock = re.match(r"(\d{1,2}):(\d\d)(?::(\d\d))?$", word)
    if clock:
        hour, minute, second = (int(one or 0) for one in clock.groups())
        return now.replace(hour=hour, minute=minute, second=second, microsecond=0).timestamp()
    day = re.match(r"\d{4}-\d\d-\d\d$", word)
    found = stamp((word + "T00:00" if day else word).encode())
    if found is None:
        raise Problem("%s=%r is no time" % (name, word), "Give 2026-11-29T12:00, 12:00, or 15m, 2h, 1d.")
    return found


def log(request):
    path, count = request["path"], bounded(request["lines"])
    wanted = compiled(request["pattern"]) if request["pattern"] else None
    since, until = moment(request["since"], "since"), moment(request["until"], "until")
    file, packed = opened(path)
    with file:
        try:
            if wanted is None and not request["only_errors"] and since is None and until is None and not packed:
                return tail(file, path, count)
            return filtered(file, path, count, wanted, request["only_errors"], since, until)
        except (EOFError, OSError, lzma.LZMAError) as error:
            raise Problem("%s cannot be unpacked: %s" % (path, error)) from None


def tail(file, path, count):
    """The last lines, read from the end."""
    size = at = os.fstat(file.fileno()).st_size
    blocks, ends, held = [], 0, 0
    while at > 0 and ends <= count and held < LARGEST_TAIL:
        step = min(BLOCK, at)
        at -= step
        file.seek(at)
        blocks.append(file.read(step))
        ends += blocks[-1].count(b"\n")
        held += step
    lines = b"".join(reversed(blocks)).splitlines()
    shown = lines[-count:]
    head = "[%s, %d bytes: the last %d lines]" % (path, size, len(shown)) if at or len(lines) > len(shown) else ""
    return "\n".join(([head] if head else []) + [text(line) for line in shown]) or "[%s is empty.]" % path


def filtered(file, path, count, wanted, only_errors, since, until):
    """The newest lines that fit. A line without a time of its own belongs to the one before it."""
    found = collections.deque(maxlen=count)
    total = fitting = 0
    inside = since is None
    follows = False
    timed = False
    for line in lines_of(file):
        total += 1
        if since is not None or until is not None:
            when = stamp(line)
            if when is not None:
                timed = True
                inside = (since is None or when >= since) and (until is None or when <= until)
        if not inside:
            follows = False
            continue
        shown = line.decode("utf-8", "replace")
        belongs = follows and (shown[:1] in (" ", "\t", "}") or shown.startswith(("Caused by", "Traceback", "...")))
        fits = wanted is None or wanted.search(shown) is not None
        if only_errors and fits:
            fits = ERROR.search(FINE.sub("", shown)) is not None
        if fits or belongs:
            found.append(text(line))
            fitting += 1
        follows = fits or belongs
    note = ""
    if (since is not None or until is not None) and total and not timed:
        note = " No line has a time that could be read."
    if not found:
        return "[%s: none of %d lines fits.%s]" % (path, total, note)
    head = "[%s: %d of %d lines fit%s]" % (
        path,
        fitting,
        total,
        ", the last %d of them" % count if fitting > count else "",
    )
    return "\n".join([head, *found])


# --- search


def search(request):
    top, limit = request["path"] or ".", bounded(request["limit"])
    wanted = compiled(request["pattern"], request["ignore_case"])
    if not os.path.exists(top):
        raise Problem("There is no %s" % top, near(top))
    found, looked, more = [], 0, False
    for path in files_below(top, request["glob"]):
        looked += 1
        shown = os.path.relpath(path, top) if os.path.isdir(top) else path
        hits = [shown] if request["names_only"] and wanted.search(shown) else []
        if not request["names_only"]:
            hits = hits_in(path, shown, wanted, limit + 1 - len(found))
        found += hits
        if len(found) > limit:
            more = True
            break
    if not found:
        return "[nothing in %d files]" % looked
    end = ["[more than %d; narrow the pattern or the path]" % limit] if more else []
    return "\n".join(found[:limit] + end)


def files_below(top, glob):
    if not os.path.isdir(top):
        yield top
        return
    for where, folders, names in os.walk(top):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        for name in sorted(names):
            path = os.path.join(where, name)
            fits = not glob or fnmatch.fnmatch(name, glob) or fnmatch.fnmatch(os.path.relpath(path, top), glob)
            # A link to a file is not followed: what it leads to is found where it lies.
            if fits and os.path.isfile(path) and not os.path.islink(path):
                yield path


def hits_in(path, shown, wanted, most):
    try:
        if os.path.getsize(path) > LARGEST_SEARCHED or is_binary(path):
            return []
        file, packed = opened(path)
    except (Problem, OSError, EOFError):
        return []
    found = []
    with file:
        try:
            for number, line in enumerate(lines_of(file), 1):
                words = line.decode("utf-8", "replace")
                if wanted.search(words):
                    found.append("%s:%d: %s" % (shown, number, words.strip()[:300]))
                    if len(found) >= most:
                        break
        except (OSError, EOFError, lzma.LZMAError):
            return found
    return found


def main():
    request = json.loads(sys.argv[1])
    work = {"read": read, "log": log, "search": search}[request["do"]]
    try:
        said, answer = {}, work(request)
    except Problem as problem:
        said, answer = {"error": problem.error, "hint": problem.hint}, ""
    except OSError as error:
        said, answer = {"error": str(error)}, ""
    data = (json.dumps(said) + "\n" + answer).encode("utf-8", "replace")
    with open(1, "wb", closefd=False) as out:
        out.write(data)


main()
