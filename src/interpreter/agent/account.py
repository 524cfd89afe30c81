"""The account of finished stretches: built from the log by rules, the same bytes from the same events every time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from .. import policy
from ..policy.facts import UNKNOWN
from ..types.account import Act, Chapter, Words
from ..types.actions import Action
from ..types.events import ModelAnswered, SessionResumed
from ..types.rewinding import Rewound
from ..types.tooling import in_a_line
from .guards import FAILED, promises
from .render import Result, Segment

LINE, GIST, SENTENCE, ANSWER, REMARK = 80, 100, 140, 280, 400
"""Characters of a line of code, of a result, of what the model said on its way and at the end, of a remark."""
MOST_FILES = 16
MOST_LEARNED = 6
MOST_MENDED = 6
OPENING = "[Earlier in this session, told in short from its log. The steps listed are done: do not do them again.]"
CLOSING = "[Here the short account ends. Go on with what the person said last.]"
MOST_LOST = 10
QUIET = ("not_run", "")
"""Ends of what never ran."""
WAYS = {"denied": "was not allowed", "interrupted": "was interrupted", "lost": "was cut off; not known how far it got"}
IMPORT = re.compile(r"(import|from)\s+[\w.]+")
MARK = re.compile(r"full output: (out\d+)|kept as (out\d+)")


def chapters_of(segments: Sequence[Segment], last: Sequence[Result]) -> tuple[Chapter, ...]:
    """The stretch in full detail, one chapter for each turn.

    Args:
        segments: each has its answer.
        last: the results of the last answer's actions.
    """
    found: list[Chapter] = []
    words: list[Words] = []
    acts: list[Act] = []
    files: list[str] = []
    learned: list[str] = []

    def end() -> None:
        ran = [act for act in acts if act.language]
        if words or acts or learned:
            found.append(
                Chapter(
                    words=tuple(words), acts=tuple(acts), steps=len(ran), failed=sum(failed(act) for act in ran),
                    files=newest(files, MOST_FILES), learned=newest(learned, MOST_LEARNED),
                )
            )  # fmt: skip
        for kept in (words, acts, files, learned):
            kept.clear()

    following = [*(segment.results for segment in segments[1:]), last]
    for segment, results in zip(segments, following, strict=False):
        for said in segment.said:
            if said.turn:
                end()
            if said.person and (said.text or said.turn):
                words.append(Words(text=pictured(said.text, len(said.images)), turn=said.turn, cut=said.cut))
            elif said.act is not None:
                acts.append(said.act)
        answer = segment.answer
        if answer is not None and (said_it := spoken_of(answer, final=not segment.actions)):
            learned.append(said_it)
        by_action = {result.action: result for result in results}
        for action in segment.actions:
            result = by_action.get(action.id)
            if result is not None and result.status not in QUIET and action.language != "read_output":
                acts.append(act_of(action, result))
                if result.status == "ok":
                    files.extend(written(action))
    end()
    return tuple(found)


def pictured(text: str, images: int) -> str:
    return f"{text} [{images} image{'s' * (images > 1)}]" if images else text


def spoken_of(answer: ModelAnswered, *, final: bool) -> str:
    """What an answer said of the matter; empty where it only announced what comes."""
    text = (answer.text if answer.prose is None else answer.prose).strip()
    if final:
        return shorten(text, ANSWER)
    return "" if not text or promises(text) else shorten(text, SENTENCE)


def act_of(action: Action, result: Result) -> Act:
    mark = MARK.search(result.text)
    output = (mark[1] or mark[2]) if mark else result.output if result.stub or len(result.text) > GIST else ""
    gist = shorten(result.error, GIST) if result.error else gist_of(result.text)
    line = code_line(in_a_line(action.language, action.code))
    return Act(line=line, language=action.language, status=result.status, gist=gist, output=output)


def remark(text: str) -> Act:
    return Act(line=shorten(text, REMARK))


def own_act(action: Action, text: str) -> Act:
    """The person's own code, and its result."""
    return Act(
        line=code_line(in_a_line(action.language, action.code)),
        language=action.language,
        gist=gist_of(text),
        own=not action.source,
    )


def code_line(code: str) -> str:
    """The first line that says something, and how many follow."""
    lines = [line for line in (raw.strip() for raw in code.splitlines()) if line and not line.startswith(("#", "//"))]
    telling = [line for line in lines if not IMPORT.match(line)] or lines
    if not telling:
        return ""
    more = f" (+{len(telling) - 1} lines)" if len(telling) > 1 else ""
    return shorten(telling[0], LINE) + more.replace("+1 lines", "+1 line")


def gist_of(text: str) -> str:
    """The first two lines of a result, or its error."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or lines[0] == "(no output)":
        return ""
    lines = [line for line in lines if not line.startswith(("[...", "Facts:"))]
    more = " ..." if len(lines) > 2 else ""
    return shorten(" / ".join(lines[:2]), GIST) + more


def shorten(text: str, most: int) -> str:
    """One line of at most `most` characters, cut at a word where there is one."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    cut = line[: most - 3]
    blank = cut.rfind(" ")
    return (cut[:blank] if blank > most // 2 else cut) + "..."


def written(action: Action) -> tuple[str, ...]:
    """The files that the code writes, as far as its syntax tells."""
    found = policy.read_code(action.language, action.code).writes
    return tuple(path for path in found if UNKNOWN not in path and len(path) <= 120 and not path.startswith("/dev/"))


def newest(lines: Iterable[str], most: int) -> tuple[str, ...]:
    """The last ones, each once, in the order of their last mention."""
    once = dict.fromkeys(reversed(list(lines)))
    return tuple(reversed(list(once)[:most]))


def failed(act: Act) -> bool:
    return act.status in FAILED


def join(old: tuple[Chapter, ...], new: tuple[Chapter, ...]) -> tuple[Chapter, ...]:
    """One after the other; a turn that both tell of becomes one chapter."""
    if not old or not new or (new[0].words and new[0].words[0].turn):
        return (*old, *new)
    return (*old[:-1], merged(old[-1], new[0]), *new[1:])


def merged(first: Chapter, second: Chapter) -> Chapter:
    """Two chapters that follow one another, as one."""
    return Chapter(
        words=(*first.words, *second.words),
        left=first.left + second.left,
        acts=(*first.acts, *second.acts),
        steps=first.steps + second.steps,
        failed=first.failed + second.failed,
        files=newest((*first.files, *second.files), MOST_FILES),
        mended=newest((*first.mended, *second.mended), MOST_MENDED),
        learned=newest((*first.learned, *second.learned), MOST_LEARNED),
        summary="\n".join(part for part in (first.summary, second.summary) if part),
        taken_back=first.taken_back or second.taken_back,
    )


def undone(chapters: tuple[Chapter, ...], turn: str) -> tuple[Chapter, ...] | None:
    """What is left when everything from this turn on was taken back; None where the account does not tell of it.

    A coarse chapter keeps what it says of the time before, and says that its later part was taken back. A turn whose
    words were left out lies before all that are told.
    """
    for n, chapter in enumerate(chapters):
        for k, words in enumerate(chapter.words):
            if words.turn == turn:
                kept = msgspec.structs.replace(chapter, words=chapter.words[:k], taken_back=True)
                return chapters[:n] if k == 0 and not chapter.left else (*chapters[:n], kept)
    if any(chapter.left for chapter in chapters):
        return (msgspec.structs.replace(chapters[0], words=(), taken_back=True),)
    return None


def cut_back(chapters: tuple[Chapter, ...]) -> tuple[Chapter, ...]:
    """The same, when the person took back a part of what its last chapter tells."""
    return (*chapters[:-1], msgspec.structs.replace(chapters[-1], taken_back=True)) if chapters else ()


def tell(chapters: tuple[Chapter, ...]) -> str:
    """The account as the model reads it; empty where there is nothing to tell."""
    told = [text for chapter in chapters if (text := tell_chapter(chapter))]
    return "\n\n".join((OPENING, *told, CLOSING)) if told else ""


def tell_chapter(chapter: Chapter) -> str:
    return "\n".join((*words_of(chapter), *details_of(chapter)))


def words_of(chapter: Chapter) -> list[str]:
    lines: list[str] = []
    if chapter.left:
        lines.append(f"({chapter.left} older message{'s' * (chapter.left > 1)} of the person left out for space.)")
    for words in chapter.words:
        if words.text or words.cut:
            cut = f" [... {words.cut:,} more characters, left out for space]" if words.cut else ""
            lines.append(f"The person said: {words.text}{cut}")
    return lines


def details_of(chapter: Chapter) -> list[str]:
    """All but the person's words."""
    lines: list[str] = [chapter.summary] if chapter.summary else []
    ran = sum(1 for act in chapter.acts if act.language)
    if chapter.steps > ran:
        bad = f", {chapter.failed} failed" if chapter.failed else ""
        lines.append(f"You ran {chapter.steps} steps{bad}{'; the last of them:' if ran else '.'}")
    lines.extend(act_line(act) for act in chapter.acts)
    lines.extend(f"- {line}" for line in chapter.mended)
    if chapter.files:
        lines.append(f"Files written: {', '.join(chapter.files)}")
    lines.extend(f"You said: {line}" for line in chapter.learned)
    if chapter.taken_back:
        lines.append("(The person took back the later part of this.)")
    return lines


def act_line(act: Act) -> str:
    if not act.language:
        return f"- {act.line}"
    who = "the person ran " if act.own else ""
    more = f" (all of it: {act.output})" if act.output else ""
    if act.status == "ok":
        gist = f" -> {act.gist}" if act.gist else " -> ok"
    else:
        gist = f" {WAYS.get(act.status, 'failed')}" + (f": {act.gist}" if act.gist and failed(act) else "")
    return f"- {who}{act.language}: {act.line}{gist}{more}"


def resumed_note(event: SessionResumed) -> str:
    lines: list[str] = []
    if event.gone:
        lines.append(f"The session was resumed; the {', '.join(event.gone)} state (variables, imports) is gone.")
    if event.unfinished:
        lines.append("The action that was running was cut off; it is not known how far it got. It was not run again.")
    return " ".join(lines)


def rewound_note(event: Rewound) -> str:
    """What the model does not see by itself after a rewind; empty where its history tells it all."""
    if event.failed:
        return "The person wanted to take back steps; their files were only partly brought back. Look at what is there."
    lines: list[str] = []
    whole = "conversation" in event.parts
    if "files" in event.parts and not whole:
        lines.append(f"The person brought the files back to how they were after your step {event.step}.")
    if whole and "files" not in event.parts:
        lines.append("The person took back what came after this; the files stayed as those steps left them.")
    for one in event.variables:
        if not one.step:
            lines.append(f"The {one.language} state (variables, imports) is gone.")
        elif one.step != event.step or one.missing or not whole:
            lost = f", without {', '.join(one.missing[:MOST_LOST])}" if one.missing else ""
            lines.append(f"The {one.language} variables are those after step {one.step}{lost}.")
    return " ".join(lines)
