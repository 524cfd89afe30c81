"""One-shot languages: how a program of each is found, built and run, and what to install where it is missing.

A recipe's script runs inside the walls by `sh`, with the code on descriptor 9 (see `keeper/program.py`). It begins with
`$f` holding the code, in a folder `$d` of the walls' own temporary place, so that nothing of a build ever lands in
the workspace; standard input is empty.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable

from ..types.base import Value
from ..types.languages import BY_NAME

Which = Callable[[str], str | None]

OPENING = """{{
d="${{TMPDIR:-/tmp}}/programs/{language}"
f="$d/main{suffix}"
mkdir -p "$d" && cat <&9 >"$f" || exit 125
exec </dev/null 9<&-
"""
BROWSE = (
    # The way to a socket may have 108 characters, so the browser's temporary folder is named from where it starts.
    'rm -f "$d/page.png"; cd "$d" && TMPDIR=. "$p" '
    "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --window-size=1280,900 "
    '--user-data-dir="$d/profile" --virtual-time-budget=5000 --screenshot="$d/page.png" "file://$f" 8>&- '
    '>"$d/browser.log" 2>&1 && [ -s "$d/page.png" ] && cat "$d/page.png" >&8 && exit 0\n'
    'tail -n 5 "$d/browser.log" >&2\nexit 1'
)


class Recipe(Value):
    """One way to run a language."""

    language: str
    programs: tuple[str, ...]
    """Names of which one has to be there; the first that is becomes `$p`."""
    script: str
    display: str = ""
    """MIME type of what the script writes to descriptor 8."""
    with_program: str = ""
    """A second program that has to be there."""


class Remedy(Value):
    """What to install for a language."""

    package: str = ""
    """The Debian package; empty where there is none."""
    words: str = ""
    """What it is called elsewhere."""


def _build(command: str) -> str:
    return f'rm -f "$d/main"\n{command} || exit\nexec "$d/main"'


RECIPES: tuple[Recipe, ...] = (
    Recipe(
        language="typescript",
        programs=("deno",),
        script='export DENO_DIR="$d/deno" NO_UPDATE_CHECK=1 DENO_NO_UPDATE_CHECK=1\nexec "$p" run --quiet -A "$f"',
    ),
    Recipe(language="typescript", programs=("bun",), script='exec "$p" run "$f"'),
    Recipe(language="typescript", programs=("tsx", "ts-node"), script='exec "$p" "$f"'),
    Recipe(
        language="typescript",
        programs=("tsc",),
        with_program="node",
        # It writes the program also where it finds fault with types, and has none for Node; faults of syntax count.
        script='rm -f "$d/main.js"\n'
        '"$p" --outDir "$d" --target es2022 --module commonjs --skipLibCheck "$f" >"$d/tsc.log" 2>&1\n'
        'if [ ! -s "$d/main.js" ] || grep -q "error TS1[0-9][0-9][0-9]:" "$d/tsc.log"; then\n'
        'cat "$d/tsc.log" >&2; exit 2; fi\n'
        'exec node "$d/main.js"',
    ),
    Recipe(
        language="typescript",
        programs=("node", "nodejs"),
        script='"$p" --experimental-strip-types -e "" >/dev/null 2>&1 || {\n'
        'echo "TypeScript needs Node.js 22.6 or later, Deno, Bun, tsx or tsc; this one is older." >&2; exit 127; }\n'
        'exec "$p" --no-warnings --experimental-strip-types "$f"',
    ),
    Recipe(language="ruby", programs=("ruby",), script='exec "$p" "$f"'),
    Recipe(language="perl", programs=("perl",), script='exec "$p" "$f"'),
    Recipe(language="php", programs=("php",), script='exec "$p" "$f"'),
    Recipe(language="lua", programs=("lua", "lua5.4", "lua5.3", "luajit"), script='exec "$p" "$f"'),
    Recipe(language="r", programs=("Rscript",), script='exec "$p" --no-save "$f"'),
    Recipe(language="julia", programs=("julia",), script='exec "$p" --startup-file=no "$f"'),
    Recipe(language="java", programs=("java",), with_program="javac", script='exec "$p" "$f"'),
    Recipe(
        language="go",
        programs=("go",),
        script=_build('export GOCACHE="$d/cache" GOPATH="$d/go" GOTOOLCHAIN=local\n"$p" build -o "$d/main" "$f"'),
    ),
    Recipe(language="c", programs=("cc", "gcc", "clang"), script=_build('"$p" -g -O1 -o "$d/main" "$f" -lm -pthread')),
    Recipe(
        language="cpp",
        programs=("c++", "g++", "clang++"),
        script=_build('"$p" -std=c++17 -g -O1 -o "$d/main" "$f" -lm -pthread'),
    ),
    Recipe(language="rust", programs=("rustc",), script=_build('"$p" --edition 2021 -o "$d/main" "$f"')),
    Recipe(language="sql", programs=("duckdb",), script='exec "$p" -bail "$d/session.duckdb" -f "$f"'),
    Recipe(
        language="sql",
        programs=("sqlite3",),
        script='exec "$p" -batch -bail -header -column "$d/session.sqlite" ".read $f"',
    ),
    Recipe(language="applescript", programs=("osascript",), script='exec "$p" "$f"'),
    Recipe(
        language="powershell",
        programs=("pwsh", "powershell"),
        script='exec "$p" -NoLogo -NoProfile -NonInteractive -File "$f"',
    ),
    Recipe(
        language="html",
        programs=("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge"),
        script=BROWSE,
        display="image/png",
    ),
    Recipe(language="html", programs=("cat",), script='exec cat "$f" >&8', display="text/html"),
)

REMEDIES: dict[str, Remedy] = {
    "python": Remedy(package="python3", words="Python 3.8 or later"),
    "shell": Remedy(package="bash", words="bash"),
    "javascript": Remedy(package="nodejs", words="Node.js 18 or later"),
    "typescript": Remedy(words="Deno, Bun, or Node.js 22.6 or later"),
    "ruby": Remedy(package="ruby", words="Ruby"),
    "perl": Remedy(package="perl", words="Perl"),
    "php": Remedy(package="php-cli", words="PHP"),
    "lua": Remedy(package="lua5.4", words="Lua"),
    "r": Remedy(package="r-base-core", words="R"),
    "julia": Remedy(words="Julia"),
    "java": Remedy(package="default-jdk-headless", words="a Java development kit, 11 or later"),
    "go": Remedy(package="golang-go", words="Go"),
    "c": Remedy(package="gcc", words="a C compiler"),
    "cpp": Remedy(package="g++", words="a C++ compiler"),
    "rust": Remedy(package="rustc", words="Rust"),
    "sql": Remedy(package="sqlite3", words="DuckDB or SQLite"),
    "applescript": Remedy(words="macOS, the only system that has AppleScript"),
    "powershell": Remedy(words="PowerShell 7"),
    "html": Remedy(package="chromium", words="Chromium"),
}


def find(language: str, which: Which = shutil.which) -> Recipe | None:
    """The first recipe whose programs are there, with its script complete; None when there is none."""
    for recipe in RECIPES:
        if recipe.language != language or (recipe.with_program and not which(recipe.with_program)):
            continue
        program = next((path for name in recipe.programs if (path := which(name))), None)
        if program:
            return Recipe(
                language=language,
                programs=(program,),
                script=script(recipe, program),
                display=recipe.display,
            )
    return None


def script(recipe: Recipe, program: str) -> str:
    """The whole script of a recipe, for a program that was found."""
    opening = OPENING.format(language=recipe.language, suffix=BY_NAME[recipe.language].suffix)
    quoted = "'" + program.replace("'", "'\\''") + "'"
    keep = "" if recipe.display else "exec 8>&-\n"
    return f"{opening}{keep}p={quoted}\n{recipe.script}\n}}\n"
