"""Faults of fact: a number changed, a name exchanged for another, a statement turned into its opposite."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from curate.calibrate.chance import Chance
from curate.calibrate.material import Material, Row, cut_answer, pieces
from curate.text import words

Change = dict[str, Any]

_NUMBER = re.compile(r"(?<![\w.,:/\\\-])\d+(?:[.,:]\d+)*(?![\w\-])")
_ANY_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_LIST_NUMBER = re.compile(r"^\W*\d+[.)] ?$")
_RANGE = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?) ?(?:-|–|to|and) ?(\d+(?:\.\d+)?)(?![\w.]\w)")
_NUMBER_WORDS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(_NUMBER_WORDS)})\b", re.I)


def changed_number(row: Row, material: Material, chance: Chance) -> Change | None:  # noqa: ARG001 (the signature of all faults)
    """A number of the question or the answer that stands in the passage becomes one that does not.

    Where neither has one, the answer is cut from an evidence sentence that has, and changed.
    """
    for name in chance.shuffled("field", ("question", "answer")):
        if row[name] and (said := _with_other_number(row[name], row, chance)):
            return {name: said}
    if row["answer"] and row["evidence"]:
        answer = cut_answer(row["evidence"])
        said = _with_other_number(answer, row, chance) or _with_other_number(row["evidence"], row, chance)
        return {"answer": said} if said else None
    return None


def _with_other_number(said: str, row: Row, chance: Chance) -> str | None:
    source = "\n".join((row["headings"], row["text"], *(row["others"] or ())))
    there = set(_ANY_NUMBER.findall(source))
    digits = [
        match for match in _NUMBER.finditer(said) if match.group() in there and not _LIST_NUMBER.match(said[: match.end() + 2])
    ]
    if digits:
        match = chance.one("which", digits)
        ranges = [(float(a), float(b)) for a, b in _RANGE.findall(source)]
        taken = there | {part for number in there for part in re.split(r"[.,:]", number)}
        taken |= {_digits_of(word) for word in words(source) if word in _NUMBER_WORDS} | set(_ANY_NUMBER.findall(said))
        new = next(
            (number for number in _near(match.group(), chance) if number not in taken and not _within(number, ranges)), None
        )
    else:
        spelled = {word for word in words(source) if word in _NUMBER_WORDS}
        found = [match for match in _NUMBER_WORD.finditer(said) if match.group().lower() in spelled]
        if not found:
            return None
        match = chance.one("which", found)
        free = [word for word in _NUMBER_WORDS if word not in spelled and _digits_of(word) not in there]
        new = chance.one("new", free) if free else None
    return None if new is None else said[: match.start()] + new + said[match.end() :]


def _within(number: str, ranges: list[tuple[float, float]]) -> bool:
    """Whether the passage speaks of it after all: "200 - 299 are for 'Successful' responses"."""
    return number.isdigit() and any(low <= float(number) <= high for low, high in ranges)


def _digits_of(word: str) -> str:
    return str(_NUMBER_WORDS.index(word) + 2)


def _near(number: str, chance: Chance) -> Iterator[str]:
    """Numbers that differ in their last part, of the same length where they can be."""
    start = max(number.rfind(mark) for mark in ".,:") + 1
    head, last = number[:start], number[start:]
    least = 10 ** (len(last) - 1) if len(last) > 1 and last[0] != "0" else 0
    for step in chance.shuffled("step", [sign * size for size in range(1, 10) for sign in (1, -1)]):
        value = int(last) + step
        if value >= max(least, 1) and len(str(value)) <= len(last):
            yield head + str(value).zfill(len(last))
    yield head + str(int(last) + 10 ** len(last))


def swapped_entity(row: Row, material: Material, chance: Chance) -> Change | None:
    """A name of the question or the answer that stands in the passage becomes one of the same kind from another document."""
    source = "\n".join((row["headings"], row["text"], *(row["others"] or ())))
    there = {word for word, _ in pieces(source)}
    for name in chance.shuffled("field", ("question", "answer")):
        found = [word for word, _ in pieces(row[name] or "") if word in there and word in material.kinds]
        for old in chance.shuffled("which", list(dict.fromkeys(found))):
            new = _other_name(old, there, row, material, chance)
            if new is not None:
                return {name: re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", new.replace("\\", ""), row[name])}
    return None


def _other_name(old: str, there: set[str], row: Row, material: Material, chance: Chance) -> str | None:
    known = {word.lower() for word in there} | {word.lower() for word, _ in pieces(f"{row['question']}\n{row['answer'] or ''}")}
    parts = {part for word in known for part in re.split(r"[._]", word)} | known
    group = material.names[material.kinds[old]]
    for attempt in range(40):
        name = group[chance.number(f"name {attempt}", len(group))]
        if row["document_id"] not in name.documents and not parts & {name.text.lower(), name.text.lower().rstrip("s")}:
            return name.text
    return None


_NEGATED = {
    **{
        word: f"{word}n't"
        for word in ("is", "are", "was", "were", "could", "should", "would", "does", "do", "did", "has", "have")
    },
    "can": "can't",
    "will": "won't",
}
_REMOVED: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), new)
    for pattern, new in (
        (r"\b(?:can't|cannot|can not)\b", "can"),
        (r"\bwon't\b", "will"),
        (r"\b(is|are|was|were|could|should|would|does|do|did|has|have|must)(?:n't| not)\b", r"\1"),
        (r"\b(?:not|never) ", ""),
        (r"\bwithout\b", "with"),
        (r"\bNo\b(?=,? (?:it|they|he|she|you|the|there))", "Yes"),
    )
)
_INSERTED: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), new)
    for pattern, new in (
        (r"(?<=\w )(is|are|was|were|can|could|should|must|will|would|has been|have been)(?= )", r"\1 not"),
        (r"^Yes\b", "No"),
        (r"^((?:It|He|She|This|That|The [a-z]+|[A-Z][A-Za-z]+) )((?!is|was|has|does)[a-z]{2,}[^s\W])s(?= )", r"\1does not \2"),
        (r"^((?:They|You|We|These|Those|I) )((?!are|were|have|do\b|can|must)[a-z]{2,})(?= )", r"\1do not \2"),
        (r"^To (?=[a-z][^,]*$)", "Not to "),
        (r"^By (?=[a-z]+ing)", "Not by "),
        (r"^(?=(?:A|An|The) [a-z])", "Not "),
    )
)
_ASKED = re.compile(
    rf"^((?:what|which|who|where|when|why|how)\b(?:[^?]{{0,40}}?)? )({'|'.join(_NEGATED)})(?= )|^({'|'.join(_NEGATED)})(?= )",
    re.I,
)
_ELSEWHERE: dict[str, tuple[tuple[re.Pattern[str], str], ...]] = {
    language: tuple((re.compile(pattern), new) for pattern, new in rules)
    for language, rules in {
        "de": ((r"\b(ist|sind|war|wird|werden|kann|können|muss|soll)(?= )", r"\1 nicht"), (r" nicht\b", "")),
        "fr": ((r"\bn'est pas\b", "est"), (r"\best(?= )", "n'est pas"), (r"\bpeut(?= )", "ne peut pas")),
        "es": ((r"\bno ", ""), (r"(?<= )(es|son|está|puede|pueden|tiene)(?= )", r"no \1")),
        "zh": ((r"不是", "是"), (r"(?<!不)可以", "不可以"), (r"(?<![不还就也但])是(?!否|什)", "不是"), (r"(?<!不)能够?", "不能")),
        "ja": ((r"ではありません", "です"), (r"できません", "できます"), (r"できます", "できません"), (r"ます", "ません"), (r"です", "ではありません")),
    }.items()
}  # fmt: skip


def negation(row: Row, material: Material, chance: Chance) -> Change | None:  # noqa: ARG001
    """A negation is put into, or taken out of, the question or the answer."""
    for name in chance.shuffled("field", ("question", "answer")):
        said = row[name]
        if not said:
            continue
        turned = _turned(said, row["language"], question=name == "question")
        if turned and turned != said and len(words(turned)) > 0:
            return {name: turned[:1].upper() + turned[1:] if said[:1].isupper() else turned}
    return None


def _turned(said: str, language: str, *, question: bool) -> str | None:
    if language in _ELSEWHERE:
        return _first(said, _ELSEWHERE[language])
    removed = _first(said, _REMOVED)
    if removed or not question:
        return removed or _first(said, _INSERTED)
    match = _ASKED.search(said)
    if match is None:
        return None
    word = match[2] or match[3]
    return said[: match.end() - len(word)] + _like(word, _NEGATED[word.lower()]) + said[match.end() :]


def _like(word: str, new: str) -> str:
    return new[:1].upper() + new[1:] if word[:1].isupper() else new


def _first(said: str, rules: tuple[tuple[re.Pattern[str], str], ...]) -> str | None:
    for pattern, new in rules:
        turned, count = pattern.subn(new, said, count=1)
        if count:
            return turned
    return None
