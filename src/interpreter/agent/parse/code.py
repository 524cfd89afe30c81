"""Language and code of an action, once it is known what the model wants to run."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from typing import NamedTuple

from interpreter.errors import FormatError
from interpreter.types.languages import canonical

from ...text.expression import expression
from .fences import find_blocks

SHEBANG = expression(
    r"#![ \t]*\S*?/(?:env[ \t]+(?:-S[ \t]+)?)?([A-Za-z]+)[\d.]*[ \t]*(?:-\S*(?:[ \t]+-\S*)*[ \t]*)?\r?\n"
)
LONGEST_SHEBANG = 1000
"""Characters; systems read 256 at most."""
SHELL_WORDS = frozenset({"bash", "sh", "shell", "zsh"})
HEREDOC = expression(r"(?<!<)<<-?[ \t]*[\"'\\]?([A-Za-z_]\w*)")
ASTRAY = expression("[\ud800-\udfff]")
LONGEST_PROOF = 200_000
"""Characters of code that are parsed to see which language it is."""


class Program(NamedTuple):
    language: str
    code: str
    repairs: tuple[str, ...]


def language_named(word: str, languages: Mapping[str, str]) -> str:
    """The canonical name that a word means; empty where it means none."""
    low = word.strip().lower()
    return languages.get(low) or canonical(word) or ""


def language_meant(word: str, languages: Mapping[str, str]) -> str:
    """As `language_named`, and with one slip of the fingers in a name, where it can mean one language only."""
    if named := language_named(word, languages):
        return named
    names = {name: name for name in languages.values()} | {"bash": "shell"}
    near = {name for spelling, name in names.items() if slipped(word.strip().lower(), spelling)}
    return near.pop() if len(near) == 1 and near <= set(languages.values()) else ""


def slipped(word: str, spelling: str) -> bool:
    """Whether the word is the spelling with letters in another order, one missing, one too many or, in a long one, one
    wrong. The first letter is right: `note` and `hello` are no languages."""
    if len(spelling) < 4 or not word.isalpha() or word[:1] != spelling[:1]:
        return False
    if sorted(word) == sorted(spelling):
        return True
    shorter = min(len(word), len(spelling))
    same = next((n for n in range(shorter) if word[n] != spelling[n]), shorter)
    a, b = word[same:], spelling[same:]
    return a[1:] == b or a == b[1:] or (len(spelling) > 4 and a[1:] == b[1:])


def settle(language: str, code: str, languages: Mapping[str, str]) -> Program:
    """The program that is meant. `language` is as the model wrote it and may be empty.

    Raises FormatError for code that cannot be run as it stands.
    """
    repairs: list[str] = []
    name = language_meant(language, languages) if language.strip() else ""
    if language.strip() and not name:
        there = ", ".join(sorted(set(languages.values())))
        raise FormatError(f"There is no language {language.strip()[:40]!r} here. Use one of: {there}.")
    if name and name != language:
        repairs.append(f"language {language.strip()[:40]!r} read as {name}")
    code, name = unwrapped(code, name, languages, repairs)
    code, name = first_line(code, name, languages, repairs)
    if not name:
        if not looks_like_python(code):
            raise FormatError(
                'The language of the code is missing. Expected: {"language": "python", "code": "print(1)"}.'
            )
        name = "python"
        repairs.append("language missing, the code is Python")
    if name == "python":
        code, name = python_habits(code, name, languages, repairs)
    elif name == "shell":
        code = without_prompts(code, "$ ", repairs)
    refuse(code)
    return Program(name, code, tuple(repairs))


def refuse(code: str) -> None:
    """Raises FormatError for code that no kernel can take."""
    if not code.strip():
        raise FormatError("The code is empty. Write the code to run, or answer in plain text if you are done.")
    if "\0" in code:
        raise FormatError("The code holds a NUL character, which no language takes. Write it as an escape instead.")
    if ASTRAY.search(code):
        raise FormatError("The code holds half a surrogate pair, which is no character. Write the character itself.")


def unwrapped(code: str, name: str, languages: Mapping[str, str], repairs: list[str]) -> tuple[str, str]:
    """Code that is nothing but one fenced block: its content, and its language where none was named."""
    if not code.lstrip().startswith(("```", "~~~")):
        return code, name
    blocks = find_blocks(code)
    if len(blocks) != 1 or not blocks[0].closed or code[: blocks[0].start].strip() or code[blocks[0].end :].strip():
        return code, name
    repairs.append("fence around the code taken off")
    return blocks[0].code, name or language_named(blocks[0].info, languages)


def first_line(code: str, name: str, languages: Mapping[str, str], repairs: list[str]) -> tuple[str, str]:
    """A first line that names the language instead of being code; a shebang of another language."""
    line, found, rest = code.partition("\n")
    word = line.strip()
    if found and rest.strip() and word.isalnum() and (meant := language_named(word, languages)):
        plain = word.lower() in SHELL_WORDS or meant != "shell"
        if plain and (not name or name == meant) and len(word) > 1:
            repairs.append("language name taken off the first line of the code")
            return rest, meant
    if shebang := SHEBANG.match(code, 0, LONGEST_SHEBANG):
        meant = language_named(shebang.group(1), languages)
        if meant and meant != name:
            repairs.append(f"language taken from the shebang: {meant}")
            return code, meant
    return code, name


def python_habits(code: str, name: str, languages: Mapping[str, str], repairs: list[str]) -> tuple[str, str]:
    """Python that holds prompts, an escaped whole, or the tool's own call written as a program."""
    code = without_prompts(code, ">>> ", repairs)
    if "\n" not in code.strip() and "\\n" in code and not parses(code):
        spread = code.replace("\\n", "\n").replace('\\"', '"').replace("\\t", "\t")
        if parses(spread):
            repairs.append("line breaks of the code unescaped")
            return spread, name
    if code.lstrip().startswith("execute(") and (call := literal_call(code)):
        language, inner = call
        if meant := language_named(language, languages) if language else name:
            repairs.append("call of execute written as a program")
            return inner, meant
    return code, name


def literal_call(code: str) -> tuple[str, str] | None:
    """(language, code) of a program that is only `execute("python", "...")` or `execute({"language": ...})`."""
    tree = parsed(code)
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return None
    call = tree.body[0].value
    if not isinstance(call, ast.Call) or len(call.args) > 2:
        return None
    given: dict[str, str] = {}
    named = [(k.arg or "", k.value) for k in call.keywords]
    if len(call.args) == 1 and not named and isinstance(whole := call.args[0], ast.Dict):
        named = [(str(getattr(k, "value", "")), v) for k, v in zip(whole.keys, whole.values, strict=True)]
        call.args.clear()
    plain = zip(("language", "code") if len(call.args) == 2 else ("code",), call.args, strict=False)
    for key, node in [*plain, *named]:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            return None
        given[key] = node.value
    return (
        (given.get("language", ""), given["code"]) if given.keys() <= {"language", "code"} and "code" in given else None
    )


def without_prompts(code: str, prompt: str, repairs: list[str]) -> str:
    """Code copied with its prompts: `>>> ` sessions lose prompts and output, `$ ` lines the prompt."""
    lines = code.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if not first.startswith(prompt):
        return code
    if prompt == ">>> ":
        kept = [
            line[4:] for line in lines if line.startswith((">>> ", "... ", ">>>", "...")) and line[3:4] in ("", " ")
        ]
    elif all(line.startswith(prompt) for line in lines if line.strip()):
        kept = [line.removeprefix(prompt) for line in lines]
    else:
        return code
    repairs.append(f"prompts {prompt.strip()!r} taken off")
    return "\n".join(kept)


def parsed(code: str) -> ast.Module | None:
    if len(code) > LONGEST_PROOF:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def parses(code: str) -> bool:
    return parsed(code) is not None


def ends_early(language: str, code: str) -> bool:
    """Whether the program plainly goes on behind its end: an open heredoc, or Python that stops within a string."""
    if language == "shell":
        lines = code.split("\n")
        opened = [(n, word) for n, line in enumerate(lines) for word in HEREDOC.findall(line)]
        last = {line.strip(): n for n, line in enumerate(lines)}
        return any(last.get(word, -1) <= n for n, word in opened)
    return language == "python" and not parses(code)


def looks_like_python(code: str) -> bool:
    """Whether the code is Python beyond doubt: it parses, and does something that no other text would."""
    tree = parsed(code)
    if tree is None:
        return False
    doing = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.With, ast.Try)
    return any(
        isinstance(node, doing)
        or (isinstance(node, ast.Expr | ast.Assign) and any(isinstance(n, ast.Call) for n in ast.walk(node)))
        for node in tree.body
    )
