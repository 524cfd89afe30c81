"""The words of verdicts in the person's language.

The readers of code say in plain English what they could not understand; the log and the model get it as it is, and
nothing is translated while code is judged. Here such a sentence is found again among templates, only where a person
reads it.
"""

from __future__ import annotations

import functools
import re

from .expression import expression
from .i18n import _, catalogue, language

FIELD = expression(r"\\\{(program|what|name|error)\\\}")


def N_(sentence: str) -> str:
    """Marks a sentence for translation; it is looked up later."""
    return sentence


WHOLE = (
    N_("It contains characters that do not belong into code."),
    N_("It contains carriage returns, which the shell takes for part of a word."),
    N_("It is too long to be read."),
    N_("A line is continued in the middle of a word."),
    N_("A line is continued in the middle of a variable."),
    N_("A variable that stands for another one."),
    N_("A value that runs code where it is used as a subscript."),
    N_("The name of an alias is not known."),
    N_("A shell on another machine reads its commands from a pipe or file that is not known."),
    N_("What 'find' does is not known."),
    N_("What 'env -S' runs is not known."),
    N_("A $'...' that not every sh knows."),
    N_("A ${name@P} runs what its value says."),
    N_("A variable that holds code is used as a number."),
    N_("An awk program that starts commands."),
    N_("A database program that starts commands."),
    N_("A sed script that starts commands."),
    N_("A sed script that writes files."),
    N_("A debugger that starts commands."),
    N_("A prompt that runs commands."),
    N_("A function that comes by a variable."),
    N_("A setting of git whose name is not known."),
    N_("From here on, what is read from the input is not known."),
    N_("A '+=' that not every sh knows."),
    N_("An alias of an alias."),
    N_("A '{name}>' is a word where sh is not bash."),
    N_("'[[' and '((' are programs and subshells where sh is not bash."),
    N_("An option of 'command' is not known."),
    N_("JavaScript code that is too long to be read."),
    N_("JavaScript that does not parse."),
    N_("JavaScript inside JavaScript, too deep to be read."),
    N_("Python code that is too long to be read."),
    N_("Python inside Python, too deep to be read."),
    N_("Python that is nested too deeply to be read."),
    N_("A shell command that is too long to be read."),
    N_("it is nested too deeply"),
    N_("a value in it grows too large"),
    N_("there is too much of it to read"),
    N_("a parenthesis is never closed"),
    N_("a parenthesis stands where a word should be"),
    N_("a here-document that is never begun"),
    N_("a here-document with an unknown mark"),
    N_("a redirection leads nowhere"),
    N_("a command is missing"),
    N_("a double quote is never closed"),
    N_("a single quote is never closed"),
    N_("a backtick is never closed"),
    N_("a $'...' is never closed"),
    N_("a ${ is never closed"),
    N_("a ${...} of an unknown form"),
    N_("a pattern is never closed"),
    N_("an array is never closed"),
    N_("a 'for ((' is never closed"),
    N_("a '[[' is never closed"),
    N_("a '[[' of an unknown form"),
    N_("a 'case' of an unknown form"),
    N_("a keyword is written over two lines"),
    N_("a function without a name"),
    N_("'for' without the name of a variable"),
)
PARTS = (
    N_("It was not read to its end: {what}."),
    N_("It does not parse as shell: {what}."),
    N_("An option of {program} is not known: {what}."),
    N_("The file that {program} runs is not known."),
    N_("The code that {program} runs is not known."),
    N_("The program that {program} runs is not known for certain."),
    N_("{program} may run something, or change what a name runs."),
    N_("{program} may start commands."),
    N_("{program} reads commands that are not known."),
    N_("{program} reads its commands from a pipe or file that is not known."),
    N_("{program} reads its program from a pipe or file that is not known."),
    N_("{program} reads its commands from a pipe."),
    N_("{program} runs what other commands print."),
    N_("{program} runs the file {name} first."),
    N_("The syntax of {program} is not known."),
    N_("Which program runs is not known: {what}."),
    N_("A program that was made just now is run: {name}."),
    N_("A program that was written just now is run: {name}."),
    N_("A shell would run the file that {name} names."),
    N_("Git would take programs from {name}."),
    N_("A notebook command that is not known: {name}"),
    N_("{name} is handed on: what it will start is not known."),
    N_("A command that is made while the code runs: {what}"),
    N_("A command whose program is not known: {what}"),
    N_("Code that is made while the code runs: {what}"),
    N_("JavaScript that reaches into the inside of Node.js: {what}"),
    N_("Python that reaches into its own inside: {what}"),
    N_("Python that does not parse: {error}"),
    N_("A function whose name is made while the code runs: {what}"),
    N_("A function whose name is handed on: {what}"),
    N_("A module whose name is made while the code runs: {what}"),
    N_("The code is nested too deeply to be read ({name})."),
    N_("The code could not be read ({name}): {error}."),
    N_("A program inside a program, too deep to be read: {what}"),
    N_("a {what} is never closed"),
    N_("{what} is missing"),
    N_("{what} stands where a command should begin"),
    N_("{what} stands where a word should be"),
)


PARTLY = N_("{what} (a part of it is not known)")


def layer_word(layer: str) -> str:
    """Whose rule it is."""
    return {
        "built-in": _("built-in"),
        "administrator": _("administrator"),
        "user": _("your policy"),
        "project": _("the project's policy"),
        "skill": _("a skill"),
        "command line": _("command line"),
        "mode": _("mode"),
        "session": _("this session"),
    }.get(layer, layer)


def subject_words(subject: str) -> str:
    """What in the code a reason is about."""
    ending = PARTLY.removeprefix("{what}")
    return _(PARTLY, what=subject.removesuffix(ending)) if subject.endswith(ending) else subject


def unclear(sentence: str) -> str:
    """The sentence of a reader in the person's language; as it is where no template fits."""
    if not catalogue(language()):
        return sentence
    if sentence in catalogue(language()):
        return _(sentence)
    for template, pattern in _patterns():
        if found := pattern.fullmatch(sentence):
            values = found.groupdict()
            if template in PARTS[:2]:
                values["what"] = unclear(values["what"])
            return _(template, **values)
    return sentence


def known(sentence: str) -> bool:
    """Whether it is one of the sentences that stand here."""
    return sentence in WHOLE or any(pattern.fullmatch(sentence) for _template, pattern in _patterns())


@functools.cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((one, re.compile(FIELD.sub(r"(?P<\1>.+)", re.escape(one)), re.DOTALL)) for one in PARTS)
