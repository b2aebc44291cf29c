"""What the judge said, and what it amounts to: yes only where all of it can be read, says yes, and quotes the passage.

Pure text in, a judgement out. Whatever cannot be read is unknown, never yes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from curate.generate.parse import answer_body
from curate.llm import clean_text
from curate.text import count_words, words
from curate.verify.judge_prompt import QUOTE, RUBRIC
from curate.verify.loose_json import LooseObject, loose_objects
from curate.verify.quotes import evidence_found

LEAST_QUOTE_WORDS = 3
"""Any two words stand in a passage by chance; a sentence that tells something has more."""
QUOTE_MISSING = "quote not in the chunk"
_LONGEST_READ = 20_000
_LONGEST_NOTE = 500

_NAMES = {name.replace("_", ""): name for name in RUBRIC} | {"quote": QUOTE, "quotes": QUOTE, "evidence": QUOTE}
_INNER = ("value", "answer", "result", "verdict", "judgement", "judgment", "score", "rating")
_YES = frozenset(("yes", "true", "y", "t", "1", "1.0", "ja", "oui", "sí", "si", "是", "はい"))
_NO = frozenset(("no", "false", "n", "f", "0", "0.0", "nein", "non", "否", "いいえ"))
_AROUND = " \t\r\n.!。*_`\"'"
_EXPLAINED = re.compile(r"^([^\W\d]+)\s*[,;:.(–—-]")


@dataclass(frozen=True)
class Judgement:
    """The three columns of `checks`; `judge` None: not judged at all."""

    judge: str | None = None
    failed: tuple[str, ...] = ()
    note: str | None = None

    def columns(self) -> dict[str, Any]:
        """As they stand in a row."""
        return {"judge": self.judge, "judge_failed": list(self.failed), "judge_note": self.note}


@dataclass(frozen=True)
class Said:
    """What an answer says on each point of the rubric, with all quotes in it."""

    points: dict[str, frozenset[bool]]
    """Every value that was given for a point; none where nothing was given that reads as yes or no."""
    quotes: tuple[str, ...]
    broken: bool
    """Part of it could not be read."""

    @property
    def denied(self) -> tuple[str, ...]:
        """Points that are said to fail."""
        return tuple(name for name, values in self.points.items() if False in values)

    @property
    def contradicted(self) -> tuple[str, ...]:
        """Points on which it says both."""
        return tuple(name for name, values in self.points.items() if len(values) > 1)

    @property
    def untold(self) -> tuple[str, ...]:
        """Points on which it says nothing."""
        return tuple(name for name, values in self.points.items() if not values)


def read_answer(text: str) -> Said:
    """Everything on the rubric that stands in the objects of an answer, whatever is around them."""
    points: dict[str, set[bool]] = {name: set() for name in RUBRIC}
    quotes: list[str] = []
    broken = False
    for found in loose_objects(answer_body(clean_text(text)[:_LONGEST_READ])):
        named = [(name, value) for name, value in _named(found)]
        broken = broken or (bool(named) and found.broken)
        for name, value in named:
            if name == QUOTE:
                quotes += _quotes(value)
                continue
            said = _flag(value)
            if said is not None:
                points[name].add(said)
    return Said({name: frozenset(values) for name, values in points.items()}, tuple(dict.fromkeys(quotes)), broken)


def is_usable(text: str) -> bool:
    """Whether an answer settles the matter; one that does not is asked for again."""
    said = read_answer(text)
    if said.contradicted:
        return False
    return bool(said.denied) or (not said.untold and not said.broken and bool(said.quotes))


def judgement(text: str, passages: Sequence[str]) -> Judgement:
    """What an answer amounts to; `passages` are the texts of which one must hold each quote."""
    said = read_answer(text)
    quote = " … ".join(said.quotes)[:_LONGEST_NOTE] or None
    if said.denied and not said.contradicted:
        return Judgement("no", said.denied, quote)
    fault = _fault(said, passages)
    return Judgement("unknown", (), fault) if fault else Judgement("yes", (), quote)


def _fault(said: Said, passages: Sequence[str]) -> str:
    """Why what is no "no" is no "yes" either."""
    if said.contradicted:
        return f"contradicts itself on {', '.join(said.contradicted)}"
    if len(said.untold) == len(RUBRIC):
        return "no verdict can be read"
    if said.untold:
        return f"says nothing on {', '.join(said.untold)}"
    if said.broken:
        return "part of the verdict cannot be read"
    found = said.quotes and all(_stands(one, passages) for one in said.quotes)
    return "" if found else QUOTE_MISSING


def _named(found: LooseObject) -> Iterable[tuple[str, object]]:
    """The pairs whose name is one of ours, however it is spelt."""
    for name, value in found.pairs:
        bare = re.sub(r"[\W_]+", "", name.casefold()).removeprefix("is")
        if bare in _NAMES:
            yield _NAMES[bare], value


def _flag(value: object) -> bool | None:
    """Yes, no, or None for anything else ("partly", null, 0.7)."""
    if isinstance(value, LooseObject):
        said = {_flag(part) for name, part in value.pairs if name.casefold() in _INNER}
        return said.pop() if len(said) == 1 else None
    if not isinstance(value, str):
        return None
    word = value.strip(_AROUND).casefold()
    if word in _YES:
        return True
    explained = _EXPLAINED.match(word)
    # "No, because …" is a no; "yes, but …" is no yes.
    return False if word in _NO or (explained and explained[1] in _NO) else None


def _quotes(value: object) -> list[str]:
    """Texts with words in them."""
    found = value if isinstance(value, list) else [value]
    return [" ".join(one.split()) for one in found if isinstance(one, str) and words(one) and one not in ("null", "None")]


def _stands(quote: str, passages: Sequence[str]) -> bool:
    return count_words(quote) >= LEAST_QUOTE_WORDS and any(evidence_found(quote, text) for text in passages)
