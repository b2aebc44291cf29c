"""Answers made up from the request itself, for dry runs: they fit its JSON schema and quote its passage, and mean nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from curate.llm.asking import estimated_prompt_tokens
from curate.llm.scripted.judges import is_judge_request, made_up_verdict
from curate.llm.scripted.reading import MOST_WORDS, WORD, last_message, marked_passages, telling_words, wanted_schema
from curate.llm.scripted.replies import Reply
from curate.llm.wire import Request
from curate.text import STOPWORDS, estimate_tokens, is_unspaced

_FRAMES = ("How does {} relate to {}?", "What connects {} with {}?", "Where does {} matter for {}?", "Why does {} depend on {}?")
_KEYWORDS = "keywords"


def fabricated(body: Mapping[str, Any]) -> Reply:
    """The reply to a chat request; equal requests get equal replies, and the usage is what `curate` estimates."""
    if is_judge_request(body):
        text = made_up_verdict(body)
    else:
        text = json.dumps(_filled(wanted_schema(body), marked_passages(last_message(body))), ensure_ascii=False)
    messages = tuple({"content": str(message.get("content") or "")} for message in body.get("messages", []))
    return Reply(text, usage=(estimated_prompt_tokens(Request(messages)), estimate_tokens(text)))


@dataclass(frozen=True)
class _Spot:
    """One place of the answer that is being made: its name, and which of the passage's sentences it is about."""

    name: str
    item: int
    passages: tuple[tuple[str, ...], ...]
    keywords: bool = False
    """The object it is in says that its style is keywords."""

    def sentence(self) -> str:
        """The sentence of this item; a name that ends in a number means the passage of that number."""
        return self.sentences()[0]

    def sentences(self) -> list[str]:
        """The same, and where the name has no number a sentence of each further passage: the answer is about all of them."""
        number = re.search(r"(\d+)$", self.name)
        passages = [self.passages[(int(number[1]) - 1) % len(self.passages)]] if number else self.passages
        return [sentences[self.item % len(sentences)] for sentences in passages]


def _filled(schema: Mapping[str, Any], passages: tuple[tuple[str, ...], ...]) -> Any:
    return _value(schema, _Spot("", 0, passages))


def _value(schema: Mapping[str, Any], spot: _Spot) -> Any:
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if choices := schema.get("enum"):
        return choices[_lot(spot) % len(choices)]
    if kind == "object" or "properties" in schema:
        parts = schema.get("properties", {})
        # Choices first: a question depends on its style, wherever the style stands.
        chosen = [_value(part, _Spot(name, spot.item, spot.passages)) for name, part in parts.items() if "enum" in part]
        keywords = _KEYWORDS in chosen
        return {name: _value(part, _Spot(name, spot.item, spot.passages, keywords)) for name, part in parts.items()}
    if kind == "array":
        items = schema.get("items", {"type": "string"})
        return [_value(items, _Spot(spot.name, spot.item + at, spot.passages)) for at in range(_count(schema, spot))]
    if kind in ("integer", "number"):
        least, most = int(schema.get("minimum", 0)), int(schema.get("maximum", 5))
        return least + _lot(spot) % (max(most, least) - least + 1)
    if kind == "boolean":
        return _lot(spot) % 2 == 0
    return None if kind == "null" else _text(spot)


def _count(schema: Mapping[str, Any], spot: _Spot) -> int:
    """As many items as there are sentences to tell about, within the schema's bounds."""
    least = int(schema.get("minItems", 0))
    return max(least, min(int(schema.get("maxItems", max(least, 3))), len(spot.passages[0])))


def _text(spot: _Spot) -> str:
    sentence, name = spot.sentence(), spot.name.lower()
    if name.startswith(("question", "query")):
        return _question(spot, spot.sentences())
    if name.startswith("answer"):
        return " ".join(telling_words(sentence)[-2:]) or sentence
    return sentence


def _question(spot: _Spot, sentences: list[str]) -> str:
    """Words of the sentences in a frame, so that it reads as a question about the passages and stands nowhere in them."""
    sentence, share = sentences[0], -(-MOST_WORDS // len(sentences))
    found = [word for one in sentences for word in telling_words(one)[:share]]
    if spot.keywords and found:
        return " ".join(reversed(found))
    if is_unspaced(sentence):
        return f"{''.join(one.strip('。！？!?.')[: 30 // len(sentences)] for one in sentences)}什么？"
    if not _is_english(sentence):
        # No frame of our own in a language we do not know: the words alone, turned round.
        return " ".join(reversed(found)) + "?"
    half = (len(found) + 1) // 2
    first, second = " ".join(found[half:]) or "it", " ".join(found[:half])
    return _FRAMES[_lot(spot) % len(_FRAMES)].format(first, second)


def _is_english(sentence: str) -> bool:
    found = [word.lower() for word in WORD.findall(sentence)]
    return sentence.isascii() and 5 * sum(word in STOPWORDS for word in found) >= len(found)


def _lot(spot: _Spot) -> int:
    return int(sha256(f"{spot.name}\n{spot.item}\n{spot.sentence()}".encode()).hexdigest()[:8], 16)
