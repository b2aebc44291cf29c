"""The fault of saying it twice: the same question of the same chunk with other filling words or another ending."""

from __future__ import annotations

import re
from typing import Any

from curate.calibrate.chance import Chance
from curate.calibrate.material import Material, Row
from curate.text import is_unspaced

Change = dict[str, Any]

_INSIDE: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.I), new)
    for pattern, new in (
        (r"^What is\b", "What's"),
        (r"^What's\b", "What is"),
        (r"^What are the (?!main)", "What are the main "),
        (r"\bthe main\b", "the primary"),
        (r"\bthe primary\b", "the main"),
        (r"\bin order to\b", "to"),
        (r"\bdo not\b", "don't"),
        (r"\bsome common\b", "common"),
        (r"^How do (?:you|I|we)\b", "How can you"),
        (r"^How can (?:you|I|we)\b", "How do you"),
        (r"^How does\b", "How exactly does"),
        (r"^What does\b", "What exactly does"),
        (r"\bwhen using\b", "while using"),
        (r"\bimportant\b", "so important"),
    )
)
_TAILS = (" exactly?", " in general?", ", please?", " in practice?", " usually?", ", generally speaking?")
_HEADS = ("In general, ", "Basically, ", "Generally, ")
_UNSPACED = {"zh": ("请问", "一般来说，", "具体来说，"), "ja": ("一般に、", "具体的に、", "そもそも、")}


def duplicate(row: Row, material: Material, chance: Chance) -> Change | None:  # noqa: ARG001 (the signature of all faults)
    """The question again, with a word exchanged that changes nothing, or with filling words before or after it."""
    question = row["question"].strip()
    if row["style"] in ("sentence", "heading", "terms"):
        return None
    if is_unspaced(question):
        return {"question": chance.one("head", _UNSPACED.get(row["language"], _UNSPACED["zh"])) + question}
    if row["language"] not in ("en", "und"):
        return None if question.endswith(" ?") else {"question": question.rstrip("? .") + " ?"}
    fitting = [(pattern, new) for pattern, new in _INSIDE if pattern.search(question)]
    if fitting and chance.number("form", 2):
        pattern, new = chance.one("inside", fitting)
        return {"question": pattern.sub(new, question, count=1)}
    bare = question.rstrip("?").rstrip()
    if question.endswith("?") and chance.number("end", 3):
        return {"question": bare + chance.one("tail", _TAILS)}
    return {"question": chance.one("head", _HEADS) + question[:1].lower() + question[1:]}
