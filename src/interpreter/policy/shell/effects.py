"""What the arguments of well-known commands mean: files that they delete, write and read, hosts that they reach."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..facts import UNKNOWN
from .options import operands

_ADDRESS = re.compile(
    r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*+://(?:[^/\s@'\"]*@)?(\[[0-9A-Fa-f:]+\]|[^/\s:'\"?#\\]+)(:\d+)?"
)
_DEVICE_SOCKET = re.compile(r"/dev/(?:tcp|udp)/([^/\s'\"]+)/([^/\s'\"]+)")
_SCP_LIKE = re.compile(r"(?:[^@/\s:]+@)?([A-Za-z0-9][A-Za-z0-9.-]*|\x00):(?!//)")
_HOST = re.compile(
    r"(?:[^@/\s]+@)?([A-Za-z0-9][A-Za-z0-9.-]*\.[A-Za-z]{2,}|localhost|\d+\.\d+\.\d+\.\d+)(:\d+)?(?=/|\Z)"
)


class Effects(NamedTuple):
    deletes: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    recursive: bool = False


Words = Sequence[str]
Rule = Callable[[Words], Effects]


def hosts_in(text: str) -> list[str]:
    """Hosts of all addresses that stand in a text."""
    found = [host.strip("[]") + port for host, port in _ADDRESS.findall(text)]
    return found + [f"{host}:{port}" for host, port in _DEVICE_SOCKET.findall(text)]


def effects_of(words: Words) -> Effects:
    rule = RULES.get(words[0].rpartition("/")[2])
    effects = rule(words) if rule else Effects()
    found = list(effects.hosts)
    for word in words:
        if "://" in word or "/dev/tcp/" in word or "/dev/udp/" in word:
            found += hosts_in(word)
    return effects._replace(hosts=tuple(dict.fromkeys(found))) if found else effects


def has(words: Words, letters: str, *long: str) -> bool:
    """Whether one of these flags is given."""
    for word in words[1:]:
        if word == "--":
            return False
        if word.startswith("--"):
            if any(len(word) > 4 and one.startswith(word.partition("=")[0]) for one in long):
                return True
        elif word.startswith("-") and any(letter in word for letter in letters):
            return True
    return False


def value(words: Words, *names: str) -> str:
    """Of an option: `-o x`, `-ox`, `--output x`, `--output=x`."""
    for at, word in enumerate(words[1:], 1):
        if word in names:
            return words[at + 1] if at + 1 < len(words) else ""
        for name in names:
            if name.startswith("--") and word.startswith(name + "="):
                return word[len(name) + 1 :]
            if len(name) == 2 and word.startswith(name) and not word.startswith("--"):
                return word[2:].removeprefix("=")
    return ""


def remove(words: Words) -> Effects:
    return Effects(deletes=tuple(operands(words)), recursive=has(words, "rR", "--recursive"))


def delete(words: Words) -> Effects:
    return Effects(deletes=tuple(operands(words, "n", "iterations size random-source")))


def shred(words: Words) -> Effects:
    paths = tuple(operands(words, "ns", "iterations size random-source"))
    return Effects(deletes=paths, writes=paths)


def write_all(values: str = "", long_values: str = "", skip: int = 0) -> Rule:
    def rule(words: Words) -> Effects:
        paths = operands(words, values, long_values)[skip:]
        return Effects(writes=tuple(paths), recursive=has(words, "R", "--recursive"))

    return rule


def read_all(values: str = "", long_values: str = "", skip: int = 0) -> Rule:
    def rule(words: Words) -> Effects:
        return Effects(reads=tuple(word for word in operands(words, values, long_values)[skip:] if word != "-"))

    return rule


def writes_option(*names: str, values: str = "", long_values: str = "") -> Rule:
    """Programs that read their operands and write the file that an option names."""

    def rule(words: Words) -> Effects:
        target = value(words, *names)
        reads = tuple(word for word in operands(words, values, long_values) if word not in ("-", target))
        return Effects(writes=(target,) if target and target != "-" else (), reads=reads)

    return rule


def last_is_written(values: str = "", long_values: str = "") -> Rule:
    """Programs that read their first operand and write their second."""

    def rule(words: Words) -> Effects:
        found = operands(words, values, long_values)
        return Effects(reads=tuple(found[:1]), writes=tuple(path for path in found[1:2] if path != "-"))

    return rule


def query(words: Words) -> Effects:
    """yq"""
    found = tuple(operands(words, "opI", "output-format input-format indent")[1:])
    return Effects(writes=found) if has(words, "i", "--inplace", "--in-place") else Effects(reads=found)


def copy(words: Words) -> Effects:
    target = value(words, "-t", "--target-directory")
    paths = operands(words, "tSmog", "target-directory suffix mode owner group")
    if not target and len(paths) > 1:
        target = paths.pop()
    reads = tuple(paths)
    moved = words[0].endswith("mv")
    recursive = has(words, "rRa", "--recursive", "--archive") or moved
    return Effects(reads=reads, writes=((target,) if target else ()) + (reads if moved else ()), recursive=recursive)


def link(words: Words) -> Effects:
    paths = operands(words, "tS", "target-directory suffix")
    target = value(words, "-t", "--target-directory") or (paths[-1] if len(paths) > 1 else "")
    return Effects(writes=(target,) if target else ())


def raw_copy(words: Words) -> Effects:
    pairs = [word.partition("=")[::2] for word in words[1:]]
    return Effects(
        writes=tuple(value for name, value in pairs if name == "of"),
        reads=tuple(value for name, value in pairs if name == "if" and value not in ("/dev/zero", "/dev/null")),
    )


def search(words: Words) -> Effects:
    pattern = value(words, "-e", "-f", "--regexp", "--file")
    found = operands(words, "efmABCd", "regexp file max-count after-context before-context context include exclude")
    return Effects(reads=tuple(found if pattern else found[1:]), recursive=has(words, "rR", "--recursive"))


def edit_stream(words: Words) -> Effects:
    script = value(words, "-e", "--expression") or value(words, "-f", "--file")
    found = tuple(operands(words, "ef", "expression file")[0 if script else 1 :])
    place = any(word.startswith(("-i", "--in-place")) or (word.startswith("-") and "i" in word[1:4]
                and not word.startswith("--")) for word in words[1:])  # fmt: skip
    return Effects(writes=found) if place else Effects(reads=found)


ELSEWHERE = {
    "curl": ("K", ("--config", "--connect-to", "--resolve", "--preproxy", "--socks4", "--socks4a", "--socks5",
                   "--socks5-hostname", "--unix-socket", "--abstract-unix-socket")),
    "wget": ("ie", ("--input-file", "--execute", "--config")),
}  # fmt: skip
"""Options by which another server is spoken to than the command line names."""


def short_ones(words: Words, valued: str) -> set[str]:
    """The letters of its short options; those of `valued` take the rest of their word, or the next."""
    found: set[str] = set()
    for word in words[1:]:
        for letter in word[1:] if word.startswith("-") and not word.startswith("--") else "":
            found.add(letter)
            if letter in valued:
                break
    return found


def fetch(words: Words) -> Effects:
    """curl, wget"""
    curl = words[0].endswith("curl")
    valued = "oTdFHAuXbcexmKEYyQrtwCPz" if curl else "OoPUaietTQwBDlARIXS"
    long = ("output data data-binary data-raw data-urlencode header user request form upload-file user-agent cookie "
            "cookie-jar max-time connect-timeout retry cacert cert key proxy referer write-out resolve interface json "
            "output-dir output-document directory-prefix tries timeout limit-rate post-data post-file "
            "load-cookies")  # fmt: skip
    names = ("-o", "--output", "--output-dir") if curl else ("-O", "--output-document", "-P", "--directory-prefix")
    target = value(words, *names)
    hosts: list[str] = []
    for word in operands(words, valued, long):
        if "://" not in word and (found := _HOST.match(word)):
            hosts.append(found[1] + (found[2] or ""))
        elif word == UNKNOWN:
            hosts.append(UNKNOWN)
    proxy = value(words, "-x", "--proxy") if curl else ""
    sent = [word for word in (value(words, "-T", "--upload-file"), value(words, "--post-file")) if word]
    for at, word in enumerate(words[:-1]):
        if (
            word in ("-d", "--data", "--data-binary", "--data-urlencode", "-F", "--form", "--json")
            and "@" in words[at + 1]
        ):
            sent.append(words[at + 1].partition("@")[2].partition(";")[0])
    if proxy and "://" not in proxy:
        hosts.append(proxy)
    letters, long_ones = ELSEWHERE["curl" if curl else "wget"]
    if set(letters) & short_ones(words, valued) or has(words, "", *long_ones):
        hosts.append(UNKNOWN)
    return Effects(writes=(target,) if target and target != "-" else (), reads=tuple(sent), hosts=tuple(hosts))


def far_copy(words: Words) -> Effects:
    """scp, rsync, sftp"""
    paths = operands(words, "eiPoFcJSlBTfM", "rsh exclude include exclude-from include-from port rsync-path bwlimit "
                     "chmod chown filter max-size min-size log-file password-file files-from temp-dir backup-dir "
                     "link-dest compare-dest timeout")  # fmt: skip
    hosts = [found[1] for path in paths if (found := _SCP_LIKE.match(path))]
    local = [path for path in paths if not _SCP_LIKE.match(path) and "://" not in path]
    last = paths[-1] if len(paths) > 1 else ""
    writes = (last,) if last in local else ()
    deletes = writes if any(word.startswith("--del") for word in words) else ()
    reads = tuple(path for path in local if path not in writes)
    return Effects(deletes=deletes, writes=writes, reads=reads, hosts=tuple(hosts), recursive=bool(deletes))


def login(words: Words) -> Effects:
    found = operands(words, "bcDEeFIiJLlmOopQRSWwB")
    port = value(words, "-p")
    host = found[0].rpartition("@")[2] if found else ""
    return Effects(hosts=(f"{host}:{port}" if port else host,) if host else ())


def connect(words: Words) -> Effects:
    """nc, telnet ...: host and port"""
    found = operands(words, "epqsTwXxIiOPmoG")
    if not found or has(words, "l", "--listen"):
        return Effects()
    port = found[1] if len(found) > 1 and found[1].isdigit() else ""
    return Effects(hosts=(f"{found[0]}:{port}" if port else found[0],))


def names_host(words: Words) -> Effects:
    """ping, dig, nslookup ..."""
    found = [word for word in operands(words, "ciWstInpqm") if _HOST.match(word) or word == UNKNOWN]
    return Effects(hosts=tuple(found[:1]))


def repository(words: Words) -> Effects:
    """git"""
    at = 1
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in ("-C", "-c", "--git-dir", "--work-tree") else 1
    rest = words[at:]
    if not rest:
        return Effects()
    hosts = [found[1] for word in rest[1:] if "://" not in word and (found := _SCP_LIKE.match(word))
             and ("@" in word or word.endswith(".git"))]  # fmt: skip
    if rest[0] == "rm":
        return Effects(deletes=tuple(operands(rest)), recursive=has(rest, "r"))
    if rest[0] == "clean" and has(rest, "f", "--force") and not has(rest, "n", "--dry-run"):
        return Effects(deletes=tuple(operands(rest, "e")) or ("./*",), recursive=has(rest, "d"))
    target = next((word[9:] for word in rest if word.startswith("--output=")), "") or value(rest, "--output")
    return Effects(hosts=tuple(hosts), writes=(target,) if target else ())


FIND_NARROWS = (
    "-name", "-iname", "-path", "-ipath", "-wholename", "-iwholename", "-regex", "-iregex", "-size", "-mtime", "-atime",
    "-ctime", "-mmin", "-amin", "-cmin", "-newer", "-anewer", "-cnewer", "-perm", "-user", "-group", "-uid", "-gid",
    "-empty", "-links", "-inum", "-samefile", "-lname", "-nouser", "-nogroup", "-executable", "-used",
)  # fmt: skip


FIND_WRITES = ("-fprint", "-fprint0", "-fprintf", "-fls")


def found_by(tests: Words, starts: Words) -> list[str]:
    """What `find` finds: with tests that narrow it only something below its starts, else these with all below."""
    if not any(word.startswith(FIND_NARROWS) for word in tests):
        return list(starts) or ["."]
    names = [tests[at + 1] for at, word in enumerate(tests[:-1]) if word in ("-name", "-iname")]
    plain = len(names) == 1 and not any(word in ("-o", "-or", "!", "-not") for word in tests)
    name = names[0] if plain and "*" not in names[0][:1] else ""
    return [f"{start.rstrip('/')}/{UNKNOWN}{name}" for start in starts or ["."]]


def find(words: Words) -> Effects:
    at = 1
    starts: list[str] = []
    while at < len(words) and (words[at] in ("-H", "-L", "-P") or words[at][:2] in ("-D", "-O")):
        at += 1
    while at < len(words) and not words[at].startswith(("-", "(", "!")):
        starts.append(words[at])
        at += 1
    named = tuple(two for one, two in zip(words[at:], words[at + 1 :], strict=False) if one in FIND_WRITES)
    if "-delete" not in words[at:]:
        return Effects(reads=tuple(starts), writes=named)
    places = found_by(words[at:], starts)
    return Effects(deletes=tuple(places), writes=named, recursive=UNKNOWN not in places[0])


def unpack(words: Words) -> Effects:
    """tar, unzip"""
    folder = value(words, "-C", "--directory") if "tar" in words[0] else value(words, "-d")
    return Effects(writes=(folder,) if folder else ())


def index(words: Words) -> Effects:
    """pip, npm: where packages come from"""
    named = [value(words, "-i", "--index-url"), value(words, "--extra-index-url"), value(words, "--registry")]
    return Effects(hosts=tuple(one for one in named if one and "://" not in one))


RULES: dict[str, Rule] = {
    "rm": remove, "srm": remove, "rmdir": delete, "unlink": delete, "shred": shred, "trash": delete, "del": delete,
    "truncate": write_all("sr", "size reference"), "tee": write_all(), "touch": write_all("drt", "date reference"),
    "mkdir": write_all("m", "mode"), "chmod": write_all(skip=1), "chown": write_all(skip=1), "chgrp": write_all(skip=1),
    "mv": copy, "cp": copy, "install": copy, "ln": link, "dd": raw_copy, "sed": edit_stream,
    "cat": read_all(), "tac": read_all(), "head": read_all("nc", "lines bytes"), "tail": read_all("nc", "lines bytes"),
    "less": read_all(), "more": read_all(), "nl": read_all(), "bat": read_all(), "xxd": last_is_written("lcgsno"),
    "hexdump": read_all("nse"), "od": read_all("AtjNw"), "strings": read_all("nt"), "base64": read_all("w", "wrap"),
    "sort": writes_option("-o", "--output", values="ktoST", long_values="key output"), "uniq": last_is_written("fsw"),
    "wc": read_all(), "diff": read_all("UC"), "cmp": read_all(),
    "cut": read_all("dfcb"), "md5sum": read_all(), "sha256sum": read_all(), "file": read_all(), "stat": read_all("cf"),
    "source": read_all(), ".": read_all(), "zip": read_all(), "yq": query,
    "openssl": writes_option("-out"), "gpg": writes_option("-o", "--output", values="or", long_values="output"),
    "iconv": writes_option("-o", "--output", values="fto", long_values="output from-code to-code"),
    "tree": writes_option("-o", values="oLPI"), "xmllint": writes_option("-o", "--output", values="o"),
    "grep": search, "egrep": search, "fgrep": search, "rg": search, "curl": fetch, "wget": fetch, "scp": far_copy,
    "rsync": far_copy, "sftp": far_copy, "ssh": login, "slogin": login, "nc": connect, "ncat": connect,
    "netcat": connect, "telnet": connect, "ping": names_host, "dig": names_host, "nslookup": names_host,
    "host": names_host, "traceroute": names_host, "whois": names_host, "git": repository, "find": find,
    "gfind": find, "tar": unpack, "unzip": unpack, "pip": index, "pip3": index, "npm": index,
}  # fmt: skip
