"""An account within its bounds for ever: older chapters grow coarser, the person's words go last."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from ..llm.estimate import estimate_tokens
from ..types.account import Act, Chapter, Words
from .account import MOST_MENDED, details_of, failed, merged, newest, shorten, words_of

BEGINNING = 160
"""Characters of a saying that does not fit."""
MOST_CHAPTERS = 24
Chapters = list[Chapter]


def fit(chapters: tuple[Chapter, ...], details: int, words: int) -> tuple[Chapter, ...]:
    """The account with at most about `details` tokens of what was done, and `words` tokens of what the person said."""
    found = shorten_words(list(chapters), words)
    while len(found) > MOST_CHAPTERS:
        merge_oldest(found)
    for measure in (coarse_old, fewer_acts, merge_all, bare, blunt):
        if weight(found) > details:
            measure(found, details)
    return tuple(found)


def weight(chapters: Chapters) -> int:
    """Tokens of what was done."""
    return sum(weight_of(chapter) for chapter in chapters)


@lru_cache(256)
def weight_of(chapter: Chapter) -> int:
    return estimate_tokens("\n".join(details_of(chapter))) + 1


def coarse_old(chapters: Chapters, most: int) -> None:
    """Every chapter but the newest, from the oldest: no step by itself any more, of what was said the last only."""
    over = weight(chapters) - most
    for n, chapter in enumerate(chapters[:-1]):
        if over <= 0:
            return
        chapters[n] = msgspec.structs.replace(without_acts(chapter, 0), learned=chapter.learned[-1:])
        over -= weight_of(chapter) - weight_of(chapters[n])


def fewer_acts(chapters: Chapters, most: int) -> None:
    """The newest chapter keeps its last steps: as many as fit, at least three."""
    others = weight(chapters[:-1])
    while len(chapters[-1].acts) > 3 and others + weight_of(chapters[-1]) > most:
        acts = len(chapters[-1].acts)
        chapters[-1] = without_acts(chapters[-1], max(3, acts * 3 // 4))


def merge_all(chapters: Chapters, most: int) -> None:
    """The oldest two become one, until it fits or two are left."""
    while len(chapters) > 2 and weight(chapters) > most:
        merge_oldest(chapters)


def merge_oldest(chapters: Chapters) -> None:
    first, second = (without_acts(chapter, 0) for chapter in chapters[:2])
    both = merged(first, second)
    chapters[:2] = [msgspec.structs.replace(both, learned=both.learned[-2:], summary=shorten_lines(both.summary))]


def bare(chapters: Chapters, most: int) -> None:
    """In a very small window: counts, the last steps and files, and one sentence."""
    for n, chapter in enumerate(chapters):
        if weight(chapters) > most:
            learned = tuple(shorten(line, BEGINNING // 2) for line in chapter.learned[-1:])
            last = without_acts(chapter, 2 if n == len(chapters) - 1 else 0)
            chapters[n] = msgspec.structs.replace(last, mended=(), files=chapter.files[-5:], learned=learned)


def blunt(chapters: Chapters, most: int) -> None:
    """Where even that is too much, what an older summary says is told by its beginning."""
    for n, chapter in enumerate(chapters):
        if weight(chapters) > most:
            chapters[n] = msgspec.structs.replace(chapter, summary=shorten_lines(chapter.summary, BEGINNING))


def without_acts(chapter: Chapter, keep: int) -> Chapter:
    """Only the newest `keep` steps by themselves; of the others what failed and was mended."""
    gone = chapter.acts[: len(chapter.acts) - keep]
    lines = [*chapter.mended, *(line for n, act in enumerate(gone) if (line := repair(act, chapter.acts[n + 1 :])))]
    mended = newest(lines, MOST_MENDED)
    return msgspec.structs.replace(chapter, acts=chapter.acts[len(gone) :], mended=mended)


def repair(act: Act, later: tuple[Act, ...]) -> str:
    """What failed for good is told by its error; of failures in a row the last one counts."""
    following = next((a for a in later if a.language == act.language), None)
    if not failed(act) or (following is not None and failed(following)):
        return ""
    why = f" ({shorten(act.gist, 60)})" if act.gist else ""
    line = f"{act.language}: {shorten(act.line, 60)} failed{why}"
    return line if following is None else f"{line}; then worked: {shorten(following.line, 60)}"


def shorten_lines(text: str, most: int = 1_200) -> str:
    return text if len(text) <= most else text[: most - 3].rstrip() + "..."


def shorten_words(chapters: Chapters, most: int) -> Chapters:
    """What the person said, word for word as long as it fits.

    What does not fit is told by its beginning, the oldest first; the newest keeps as much as there is room for; then
    the oldest are left out, and counted.
    """
    said = [words for chapter in chapters for words in chapter.words]
    sizes = [saying(words) for words in said]
    total, last = sum(sizes), len(said) - 1
    if total <= most:
        return chapters

    def cut(n: int, characters: int) -> None:
        nonlocal total
        said[n] = beginning(said[n], characters)
        total += saying(said[n]) - sizes[n]
        sizes[n] = saying(said[n])

    for n in range(last):
        if total > most:
            cut(n, BEGINNING)
    if total > most and sizes[last] > most // 2:
        room = max(most // 2, most - (total - sizes[last]))
        cut(last, max(BEGINNING, len(said[last].text) * room // sizes[last]))
    lost = 0
    while total > most and lost < last:
        total -= sizes[lost]
        lost += 1
    return with_words(chapters, said, lost)


def with_words(chapters: Chapters, said: list[Words], lost: int) -> Chapters:
    """The chapters with these words; the first `lost` of them are left out."""
    found: Chapters = []
    at = 0
    for chapter in chapters:
        until = at + len(chapter.words)
        gone = min(max(lost - at, 0), len(chapter.words))
        words = tuple(said[at + gone : until])
        found.append(msgspec.structs.replace(chapter, words=words, left=chapter.left + gone))
        at = until
    return found


@lru_cache(1024)
def saying(words: Words) -> int:
    return estimate_tokens("\n".join(words_of(Chapter(words=(words,))))) + 1


def beginning(words: Words, most: int) -> Words:
    """At most `most` characters of it, cut at a blank where one is near."""
    if len(words.text) <= most + 40:
        return words
    kept = words.text[:most]
    blank = max(kept.rfind(" "), kept.rfind("\n"))
    kept = kept[:blank] if blank > most * 3 // 4 else kept
    return msgspec.structs.replace(words, text=kept, cut=words.cut + len(words.text) - len(kept))
