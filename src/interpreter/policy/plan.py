"""Plan mode: what only reads, as a closed list. What is not on it is not run."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from ..text.expression import expression
from ..types.rules import Circumstances
from .code.fold import Fold
from .code.names import Names
from .code.python import parsed
from .engine import HARMFUL_VARIABLES, HARMLESS_WRAPPERS
from .facts import Command, Reading
from .match import flag_fits, word_fits
from .operations import CLUSTER_PROGRAMS, cluster_words, git_words

PROGRAMS = frozenset((
    "ls", "dir", "tree", "cat", "tac", "nl", "head", "tail", "grep", "egrep", "fgrep", "rg", "ag", "wc", "cut",
    "tr", "sort",
    "uniq", "comm", "diff", "cmp", "paste", "join", "fold", "column", "rev", "stat", "file", "du", "df", "pwd",
    "cd", "echo",
    "printf", "basename", "dirname", "realpath", "readlink", "which", "type", "whereis", "id", "whoami", "groups",
    "uname",
    "hostname", "date", "cal", "uptime", "free", "ps", "pgrep", "lscpu", "lsblk", "lsof", "nproc", "arch",
    "locale", "true",
    "false", "test", "[", "[[", "seq", "expr", "jq", "yq", "xmllint", "md5sum", "sha1sum", "sha256sum", "sha512sum",
    "cksum", "b2sum", "od", "hexdump", "xxd", "strings", "nm", "objdump", "readelf", "ldd", "find", "fd", "locate",
    "sed",
    "zcat", "bzcat", "xzcat", "zgrep", "sleep", ":", "man", "help", "apropos", "whatis", "getent", "ss", "netstat",
    "look",
    "numfmt", "tsort", "expand", "unexpand", "fmt", "pr", "bat", "exa", "eza", "cloc", "tokei", "identify", "exiftool",
    "xargs", "env", "time", "timeout", "nice", "nohup", "command", "builtin",
    "read", "local", "set", "shift", "return", "break", "continue", "let", "declare", "exit", "wait",
))  # fmt: skip
NOT_WITH: dict[str, tuple[str, ...]] = {
    "find": ("-delete", "-fprint", "-fprint0", "-fprintf", "-fls"),
    "fd": ("-x", "-X", "--exec", "--exec-batch"),
    "sed": ("-i", "--in-place", "-s"),
    "sort": ("-o", "--output"),
    "tree": ("-o",),
    "date": ("-s", "--set"),
    "hostname": ("-F", "-b", "--file"),
    "rg": ("--pre",),
    "yq": ("-i", "--inplace", "--in-place"),
    "file": ("-C", "--compile"),
    "xxd": ("-r",),
    "exiftool": ("-overwrite_original", "-o", "-w", "-delete_original"),
}
SUBCOMMANDS: dict[str, tuple[str, ...]] = {
    "git": ("status", "log", "diff", "show", "blame", "ls-files", "ls-tree", "rev-parse", "rev-list", "describe",
            "grep",
            "shortlog", "cat-file", "whatchanged", "name-rev", "merge-base", "for-each-ref", "count-objects", "version",
            "check-ignore", "var", "annotate", "cherry"),
    "kubectl": ("get", "describe", "logs", "top", "version", "api-resources", "api-versions", "explain",
                "cluster-info"),
    "docker": ("ps", "images", "logs", "inspect", "version", "info", "history", "top", "port", "diff"),
    "podman": ("ps", "images", "logs", "inspect", "version", "info", "history", "top", "port"),
    "systemctl": ("status", "list-units", "list-unit-files", "list-timers", "is-active", "is-enabled", "show", "cat"),
    "pip": ("list", "show", "freeze", "check", "--version"), "pip3": ("list", "show", "freeze", "check"),
    "npm": ("ls", "list", "outdated", "view", "root"), "conda": ("list", "info"),
    "helm": ("list", "status", "get", "history", "version"), "terraform": ("version", "show", "output", "providers"),
    "journalctl": ("",), "apt": ("list", "show", "search"), "apt-cache": ("search", "show", "policy"),
    "dpkg": ("-l", "-s", "-L", "--list"), "cargo": ("tree", "metadata"), "go": ("list", "version", "env"),
}  # fmt: skip
PLAIN_FLAGS = ("--no-pager", "--user", "--system", "--quiet", "-q", "--no-color")
"""Before a subcommand, and without a value."""
PAIRS: dict[str, tuple[tuple[str, str], ...]] = {
    "kubectl": (("rollout", "status"), ("rollout", "history"), ("auth", "can-i")),
}
"""Subcommands of subcommands."""
BUILTINS = frozenset((
    "print", "len", "sorted", "min", "max", "sum", "abs", "round", "range", "enumerate", "zip", "map", "filter",
    "reversed",
    "list", "tuple", "dict", "set", "frozenset", "str", "int", "float", "bool", "bytes", "repr", "type",
    "isinstance", "hash",
    "any", "all", "next", "iter", "open", "format", "ord", "chr", "hex", "bin", "divmod", "id", "issubclass", "display",
    "ascii", "complex", "slice", "hasattr", "callable", "dir", "super", "Path", "pow", "pprint", "Counter",
    "defaultdict",
))  # fmt: skip
MODULES = frozenset((
    "json", "csv", "math", "statistics", "re", "pathlib", "os", "os.path", "datetime", "collections", "itertools",
    "glob",
    "textwrap", "string", "functools", "operator", "decimal", "fractions", "random", "time", "calendar", "pprint",
    "typing",
    "pandas", "numpy", "polars", "hashlib", "base64", "zlib", "unicodedata", "difflib", "bisect", "heapq",
    "dataclasses",
    "enum", "sys", "platform", "tomllib", "configparser", "html", "xml.etree.ElementTree", "__future__", "io",
    "fnmatch",
    "yaml", "locale", "struct", "uuid", "zoneinfo", "shutil", "gzip",
))  # fmt: skip
METHODS = expression(
    r"(?:read\w*|get\w*|is\w+|has\w*|head|tail|describe|info|mean|median|std|var|sum|count|min|max|unique|nunique|value_counts"
    r"|groupby|agg|aggregate|sort\w*|merge|join|concat|split\w*|rsplit|strip|lstrip|rstrip|lower|upper|title|replace|format"
    r"|startswith|endswith|find\w*|index|items|keys|values|append|extend|add|update|pop|copy|isna|isnull|notna|notnull|fillna"
    r"|dropna|drop|drop_duplicates|duplicated|rename|reset_index|set_index|loc|iloc|query|filter|select|with_columns|corr"
    r"|cov|quantile|rolling|resample|pivot\w*|melt|stack|unstack|nlargest|nsmallest|sample|astype|apply|map|assign|clip"
    r"|cumsum|diff|shift|rank|round|abs|to_string|to_list|tolist|to_dict|to_numpy|strftime|isoformat|now|today|date|time"
    r"|timestamp|fromtimestamp|fromisoformat|strptime|total_seconds|most_common|elements|glob|rglob|iterdir|exists|stat"
    r"|resolve|absolute|relative_to|with_suffix|joinpath|expanduser|home|cwd|listdir|scandir|walk|getcwd|basename|dirname"
    r"|abspath|splitext|load|loads|dumps|reader|DictReader|search|match|fullmatch|finditer|sub|subn|compile|group|groups"
    r"|groupdict|span|start|end|array|arange|linspace|zeros|ones|reshape|transpose|dot|where|argmax|argmin|argsort|random"
    r"|randint|choice|seed|hexdigest|digest|md5|sha1|sha256|encode|decode|hex|parse|fromstring|iter|iterfind|findall|root"
    r"|close|DataFrame|Series|to_datetime|to_numeric|cut|qcut|date_range|Timestamp|Timedelta|timedelta|datetime|fsum|sqrt"
    r"|floor|ceil|log\w*|exp|sin|cos|pi|which|disk_usage|version|system|machine|node|platform|python_version|explode|str|dt"
    r"|contains|len|zfill|ljust|rjust|center|partition|rpartition|removeprefix|removesuffix|isin|between|any|all|first"
    r"|last|nth|size|std|sem|skew|crosstab|get_dummies|tzset|monotonic|perf_counter|Decimal|Path|PurePath|Counter"
    r"|defaultdict|OrderedDict|namedtuple|chain|combinations|permutations|product|islice|getmtime|getsize|loadtxt"
    r"|collect|scan_\w+|width|height|equals|unique_counts|memory_usage|select_dtypes|itertuples|iterrows)\Z"
)
SED = expression(
    r"(\d+|\$)?(,(\d+|\$))?[pdq=]|/[^/\n]*/[pd]"
    r"|(\d+(,\d+)?|/[^/\n]*/)?s(/[^/\n]*/[^/\n]*/|\|[^|\n]*\|[^|\n]*\||#[^#\n]*#[^#\n]*#)[gpiI0-9]*"
)
NEVER = frozenset(("os.system", "os.popen", "platform.popen", "shutil.move", "os.replace", "os.rename"))


def not_reading(language: str, code: str, reading: Reading, circumstances: Circumstances) -> str:
    """What in the code does more than read; empty where nothing does."""
    if reading.unknown:
        return reading.unknown[0]
    if reading.deletes:
        return f"deletes {reading.deletes[0]}"
    for path in reading.writes:
        if path not in ("/dev/null", "/dev/stdout", "/dev/stderr"):
            return f"writes {path}"
    if reading.hosts:
        return f"reaches {reading.hosts[0]}"
    for command in reading.commands:
        if not reads(command):
            return command.text or " ".join(command.words)
    if language == "shell":
        return next((call.text for call in reading.calls), "")
    if language == "python":
        return _python(code)
    if language == "sql" and not reading.calls:
        return _sql(code)
    return f"code in {language}"


def reads(command: Command) -> bool:
    """Whether a command only reads: program, subcommand and options are on the list."""
    if command.host or command.code[1] or any(one not in HARMLESS_WRAPPERS for one in command.through):
        return False
    if any(word_fits(HARMFUL_VARIABLES, name) for name, _value in command.variables):
        return False
    name, words = command.name, command.words
    if "/" in words[0] and not words[0].startswith(("/bin/", "/usr/bin/")):
        return False
    if name in SUBCOMMANDS:
        rest = git_words(words) if name == "git" else list(words[1:])
        if name == "git" and any(
            word.startswith(("-c", "--exec-path", "--output", "--ext-diff", "-O")) for word in words[1:]
        ):
            return False
        if name in CLUSTER_PROGRAMS:
            rest = cluster_words(words)
            if not rest or rest[:2] == ["cluster-info", "dump"]:
                return False
            return rest[0] in SUBCOMMANDS[name] or tuple(rest[:2]) in PAIRS.get(name, ())
        if name == "journalctl":
            return not any("vacuum" in word for word in words)
        # An option that is not known may take the next word: what looks like the subcommand would be its value.
        first = next((word for word in rest if word not in PLAIN_FLAGS), "")
        return first in SUBCOMMANDS[name]
    if name not in PROGRAMS:
        return False
    if any(flag_fits((flag,), word) for flag in NOT_WITH.get(name, ()) for word in words[1:]):
        return False
    return name != "sed" or _sed_reads(words)


def _sed_reads(words: Sequence[str]) -> bool:
    """sed has commands of its own that start programs and write files: only the plainest are on the list."""
    plain = [word for word in words[1:] if not word.startswith("-")]
    options = [word for word in words[1:] if word.startswith("-")]
    return bool(plain and SED.fullmatch(plain[0])) and all(re.fullmatch(r"-[nErz]+", word) for word in options)


def _python(code: str) -> str:
    tree, _problem = parsed(code)
    if tree is None:
        return "" if not code.strip() else "Python that does not parse"
    names = Names(tree)
    Fold(names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                if one.name not in MODULES:
                    return f"import {one.name}"
        elif isinstance(node, ast.ImportFrom):
            if node.module not in MODULES or any(one.name == "*" for one in node.names):
                return f"from {node.module} import ..."
        elif isinstance(node, ast.Call) and (problem := _call(node, names)):
            return problem
        elif isinstance(node, ast.Delete | ast.Global):
            continue
    return ""


def _call(node: ast.Call, names: Names) -> str:
    name = names.dotted(node.func).removeprefix("local.")
    if name in NEVER:
        return name
    if isinstance(node.func, ast.Name):
        known = name in BUILTINS or name in names.functions or name.rpartition(".")[0] in MODULES
        last = name.rpartition(".")[2]
        return "" if known and ("." not in name or METHODS.match(last)) else f"{node.func.id}()"
    if isinstance(node.func, ast.Attribute):
        return "" if METHODS.match(node.func.attr) else f".{node.func.attr}()"
    return "a call of what a call gives back"


def _sql(code: str) -> str:
    first = re.match(r"\s*(?:--[^\n]*\n\s*)*(\w+)", code)
    word = first.group(1).lower() if first else ""
    return (
        ""
        if word in ("select", "show", "describe", "explain", "pragma", "from") and ";" not in code.strip()[:-1]
        else word
    )
