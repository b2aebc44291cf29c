"""What a language model says, read as questions: JSON, whole or cut off, in prose or fences; numbered lists; Q and A pairs.

Nothing here judges a question: what reads as one item is a candidate, and the gates come later. Pure text in, values out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from curate.llm import clean_text
from curate.text import words

MAX_QUESTION_CHARACTERS = 500
_LONGEST_READ = 200_000
_DEEPEST = 4
"""Levels of lists and objects around a question."""
_JSON_TRIES = 500
"""Places where a JSON value may begin that are tried; more is not an answer but an attack on the parser."""

_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.S | re.I)
_FENCE = re.compile(r"^\s*(?:```|~~~)[\w-]*\s*$", re.M)
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
_QUESTION_NAMES = ("question", "query", "q", "问题", "質問")
_ANSWER_NAMES = ("answer", "a", "response", "答案", "回答", "答え")
_EVIDENCE_NAMES = ("evidence", "quote", "context", "证据", "根拠")
_LIST_NAMES = ("questions", "queries", "items", "results", "data")

_NUMBER = r"(?:\(?\d{1,3}\s*[.):、．]|[-*•–]|#{1,6})"
_LABEL = r"(?:generated |sample |example |follow-up )?(?:questions?|query|q|问题|質問)\s*[#№]?\s*\d{0,3}\s*(?:[:：.)]|\s[-–]\s)"
_LEAD = re.compile(rf"^(?:\s*(?:{_NUMBER}\s+|{_NUMBER}(?=[^\s\d.,])|{_LABEL}))+", re.I)
_QUESTION_HEADER = re.compile(r"^\W*(?:questions?|query|q|问题|質問)\s*[#№]?\s*\d{0,3}\W*$", re.I)
_ANSWER_LINE = re.compile(r"^\W*(?:the |correct )?(?:answers?|a|ans|response|答案|回答|答え)\s*\d{0,3}\s*[:：]\s*", re.I)
_EVIDENCE_LINE = re.compile(r"^\W*(?:evidence|quote|source|context|证据|根拠)\s*\d{0,3}\s*[:：]\s*", re.I)
_OTHER_LINE = re.compile(
    r"^\W*(?:style|type|difficulty|explanation|reasoning|title|note|passage|language)\s*\d{0,3}\s*[:：]", re.I
)
_ANSWER_INSIDE = re.compile(r"(?<=[?？。.!])\s*\W{0,3}\b(?:(?i:answer|ans)|A|答案|答え)\s*[:：]\s*")
_JSON_LINE = re.compile(r"""^\s*(?:[{}\[\]]|["'][^"']*["']\s*:)""")


@dataclass(frozen=True)
class Item:
    """One thing that was given as a question; `question` is "" when there is nothing in it."""

    question: str
    style: str = ""
    answer: str | None = None
    evidence: str | None = None


def parse_answer(text: str) -> list[Item]:
    """The items of an answer in order, empty ones included; an empty list when no question can be read out of it."""
    text = answer_body(text)
    found_json = False
    items: list[Item] = []
    for value in _json_values(text):
        found_json = True
        items += _items(value)
    if items or found_json:
        return items
    return _from_lines(text)


def answer_body(text: str) -> str:
    """What is left of an answer without thoughts and fences."""
    return _FENCE.sub("", _THOUGHT.sub("", text[:_LONGEST_READ])).strip()


def json_objects(text: str) -> Iterator[dict[str, Any]]:
    """Every complete JSON object in the text, those inside lists and objects after the one around them."""
    waiting = list(_json_values(answer_body(text)))
    for value in waiting[:_JSON_TRIES]:
        yield from _objects(value, 0)


def _objects(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    if depth <= _DEEPEST and isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _objects(part, depth + 1)


def is_usable(text: str) -> bool:
    """Whether at least one question can be read out of the answer."""
    return any(item.question for item in parse_answer(text))


def _json_values(text: str) -> Iterator[Any]:
    """Complete JSON values in the text, outermost first; of one that is cut off, the complete values inside it."""
    decoder = json.JSONDecoder(strict=False)
    position = tries = 0
    while tries < _JSON_TRIES:
        start = min((at for at in (text.find("{", position), text.find("[", position)) if at >= 0), default=-1)
        if start < 0:
            return
        tries += 1
        for candidate in (text, None):
            source = candidate if candidate is not None else text[:start] + _TRAILING_COMMA.sub(r"\1", text[start:])
            try:
                value, end = decoder.raw_decode(source, start)
            except (ValueError, RecursionError):
                continue
            if candidate is None:
                # Positions have moved; go on in the mended text.
                text = source
            break
        else:
            position = start + 1
            continue
        position = end
        # "[1]" and "{x}" in prose are no answer.
        if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(part, dict | str) for part in value)):
            yield value


def _items(value: Any, depth: int = 0) -> list[Item]:
    if isinstance(value, str):
        return [Item(clean_question(value))]
    if depth <= _DEEPEST and isinstance(value, list):
        return [item for part in value for item in _items(part, depth + 1)]
    if depth <= _DEEPEST and isinstance(value, dict):
        return _items_of_object({str(name).strip().lower(): part for name, part in value.items()}, depth)
    return []


def _items_of_object(fields: dict[str, Any], depth: int) -> list[Item]:
    for name in _QUESTION_NAMES:
        if isinstance(fields.get(name), str):
            return [_item(fields, fields[name])]
    for name in _LIST_NAMES + _QUESTION_NAMES:
        if isinstance(fields.get(name), list | dict):
            return _items(fields[name], depth + 1)
    numbered = [part for name, part in fields.items() if _QUESTION_HEADER.match(name.replace("_", " "))]
    if numbered:
        return [item for part in numbered for item in _items(part, depth + 1)]
    # An object that was meant as an item: its question is missing.
    return [Item("")] if set(fields) & {*_QUESTION_NAMES, "style", "answer", "evidence"} else []


def _item(fields: dict[str, Any], question: str) -> Item:
    style = fields.get("style") or fields.get("type")
    return Item(
        question=clean_question(question),
        style=style.strip().lower() if isinstance(style, str) else "",
        answer=_first_text(fields, _ANSWER_NAMES),
        evidence=_first_text(fields, _EVIDENCE_NAMES),
    )


def _first_text(fields: dict[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = fields.get(name)
        if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
            value = " ".join(value)
        if isinstance(value, str):
            return side_text(value)
    return None


def side_text(value: str) -> str | None:
    """An answer or a quote in one line; None without words."""
    text = " ".join(clean_text(value).split())
    return text if words(text) else None


def clean_question(text: str) -> str:
    """One line without numbers, labels, quotes and emphasis around it; "" when no words are left or it is far too long."""
    line = " ".join(clean_text(text).replace("\x00", " ").split())
    line = _strip_marks(_LEAD.sub("", _strip_marks(line)))
    line = _ANSWER_INSIDE.split(line, maxsplit=1)[0].strip()
    if len(line) > MAX_QUESTION_CHARACTERS or not any(character.isalpha() for character in line) or _QUESTION_HEADER.match(line):
        return ""
    return line


def _strip_marks(line: str) -> str:
    line = line.strip().strip("`").strip()
    for mark in ("**", "__", "*", '"', "'", "“”", "「」", "『』", "‘’"):
        left, right = (mark[0], mark[1]) if len(mark) == 2 and mark[0] != mark[1] else (mark, mark)
        if line.startswith(left) and line.endswith(right) and len(line) > len(left) + len(right):
            line = line[len(left) : len(line) - len(right)].strip()
    return line.replace("**", "").strip()


def _from_lines(text: str) -> list[Item]:
    """Items of an answer that is no JSON: labelled or numbered lines, and any line that ends in a question mark."""
    items: list[Item] = []
    header_before = False
    for line in text.splitlines():
        bare = _strip_marks(line)
        if not bare or _JSON_LINE.match(bare):
            continue
        if items and (match := _ANSWER_LINE.match(bare) or _EVIDENCE_LINE.match(bare)):
            items[-1] = _withside_text(items[-1], bare, match)
            continue
        if _QUESTION_HEADER.match(bare):
            header_before = True
            continue
        if _ANSWER_LINE.match(bare) or _EVIDENCE_LINE.match(bare) or _OTHER_LINE.match(bare):
            continue
        led = _LEAD.match(bare) is not None
        question, answer = _question_and_answer(bare)
        if header_before or led or question.endswith(("?", "？", "؟")):
            # "Here are three questions:" announces, it does not ask.
            announces = question.endswith((":", "："))
            items.append(Item("" if announces else question, answer=answer))
        header_before = False
    return items


def _question_and_answer(line: str) -> tuple[str, str | None]:
    parts = _ANSWER_INSIDE.split(line, maxsplit=1)
    return clean_question(parts[0]), side_text(parts[1]) if len(parts) > 1 else None


def _withside_text(item: Item, line: str, match: re.Match[str]) -> Item:
    value = side_text(line[match.end() :])
    if _EVIDENCE_LINE.match(line):
        return Item(item.question, item.style, item.answer, item.evidence or value)
    return Item(item.question, item.style, item.answer or value, item.evidence)
