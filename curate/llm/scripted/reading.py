"""What a scripted model reads in a request: the schema of the answer, the passages, their sentences and telling words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from curate.text import STOPWORDS

_MARKED = re.compile(r"^(===(?! question )[^\n]*)\n(.*?)\n\1$", re.M | re.S)
"""A passage between two equal marks, as the prompts write it."""
_SENTENCE = re.compile(r"[^.!?。！？\n]+[.!?]+(?=\s|$)|[^.!?。！？\n]+[。！？]|[^\n]+")
WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
MOST_WORDS = 4
_LEAST_QUOTED = 4
"""Words; a shorter quote is no evidence to the gates."""
_FIELDS = ("evidence", "question", "answer")


def last_message(body: Mapping[str, Any]) -> str:
    """The text that the answer is to."""
    messages = body.get("messages") or [{}]
    return str(messages[-1].get("content") or "")


def wanted_schema(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema asked for in either form; without one, that of questions."""
    wanted = body.get("response_format") or {}
    schema = wanted.get("schema") or (wanted.get("json_schema") or {}).get("schema")
    if schema:
        return dict(schema)
    item = {"type": "object", "properties": {name: {"type": "string"} for name in _FIELDS}}
    return {"type": "object", "properties": {"questions": {"type": "array", "items": item, "minItems": 1}}}


def marked_passages(text: str) -> tuple[tuple[str, ...], ...]:
    """The sentences of each marked passage, long ones first to be used; of the whole text when nothing is marked."""
    found = [match[2] for match in _MARKED.finditer(text)] or [text]
    return tuple(_sentences(passage) for passage in found)


def _sentences(passage: str) -> tuple[str, ...]:
    found = [match.group().strip() for match in _SENTENCE.finditer(passage)]
    telling = [one for one in found if len(telling_words(one)) >= 3 and len(WORD.findall(one)) >= _LEAST_QUOTED]
    return tuple(telling or [sentence for sentence in found if sentence] or ["nothing"])


def telling_words(sentence: str) -> list[str]:
    """The longest words that say something, in the order of the sentence."""
    found = list(dict.fromkeys(word for word in WORD.findall(sentence) if word.lower() not in STOPWORDS and len(word) > 2))
    chosen = set(sorted(found, key=lambda word: (-len(word), word))[:MOST_WORDS])
    return [word for word in found if word in chosen]
