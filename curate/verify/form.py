"""Does a text read as a question or a search query? Rules on its surface; no model.

Written for English; questions of other languages are known by their mark or by their question words (`_ELSEWHERE`).
"""

from __future__ import annotations

import re

from curate.text import words

_AUXILIARY = (
    r"(?:am|is|are|was|were|be|do|does|did|has|have|had|can|could|may|might|must|shall|should|will|would"
    r"|isn't|aren't|wasn't|weren't|don't|doesn't|didn't|hasn't|haven't|hadn't|can't|couldn't|shouldn't|won't|wouldn't)"
)
_QUESTION_WORD = r"(?:what|which|who|whom|whose|where|when|why|how|what's|who's|where's|when's|how's)"
_MARK = re.compile(r"[?？؟]\s*[\"'”’»)\]]*\s*$")
_FULL_STOP = re.compile(r"[.。!！]\s*[\"'”’»)\]]*\s*$")

_MALFORMED: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("list marker", re.compile(r"^\s*(?:[-*•–—+]\s+|\(?\d{1,3}[.):]\s+|\(?[a-dA-D]\)\s+|#{1,6}\s)")),
    (
        "header",
        re.compile(
            r"^\W*(?:(?:sample|example|follow-up|possible)\s+)?(?:questions?|queries|query|q|问题|質問|frage|pregunta)\s*#?\d*\s*[:：]",
            re.I,
        ),
    ),
    (
        "answer",
        re.compile(r"(?:^|[\s?])(?:answer|(?-i:A)|evidence|explanation|答案|答え|antwort|réponse|respuesta)\s*[:：]", re.I),
    ),
    ("options", re.compile(r"\bA[.)]\s.+\bB[.)]\s")),
    ("blank to fill", re.compile(r"(?:^|\s)_{3,}(?:\W|$)|\[(?:mask|blank|insert[^\]]*|your [^\]]*|\.\.\.)\]", re.I)),
    (
        "code",
        re.compile(
            r"```|^\s*(?:\{\s*[\"']|<\/?(?:question|answer|query|think|output|json)\b|\[\s*[\"'{]|\$ |>>>|def \w+\(|class \w+[(:]|import \w+$|from \S+ import |#include|select\b.+\bfrom\b.+(?:\bwhere\b|;))",
            re.I,
        ),
    ),
    (
        "talk to a person at work",
        re.compile(
            r"^\W*(?:here (?:is|are)\b|here's\b|sure\b[,!]|certainly\b[,!]|of course\b[,!]|okay[,!]|as an ai\b|i cannot\b|i can't (?:generate|create|provide|help)\b|i'm sorry\b|i am sorry\b|note\s*:|note that\b|instructions?\s*:|task\s*:|output\s*:)"
            r"|\b(?:generate|write|create|formulate|produce)\s+(?:a|an|one|two|three|\d+|some|the)?\s*(?:\w+\s+){0,2}(?:questions?|queries|query)\b"
            r"|\b(?:(?:would|do) you like (?:to (?:know|learn|see|ask|add)|me\b)|(?:what|which|who)\b[^?]{0,40}\bwould you like\b|can you (?:provide|give me) (?:a|an|some|any) (?:specific|example|more)|anything (?:else|specific|in particular) (?:you|i|we)\b|(?:can|could|may|how can) i (?:help|assist)(?: you)?(?: today| further| with (?:this|that|your|these|those)\b|(?=\W*$))"
            r"|do you have any (?:other|more|further|specific)? ?(?:questions?|requests?)|let me know)\b"
            r"|\b(?:annotators?|the question should|your question|questions? (?:based on|about) (?:the|this) (?:passage|text|document))\b",
            re.I,
        ),
    ),
    ("cut off", re.compile(r"(?:[,;:(\[{<–—-]|\.\.\.|…)\s*$|(?<![\w'’])(?:the|(?-i:a)|an|and|or)\s*\??\s*$|\bof\s*$", re.I)),
    ("begins in the middle", re.compile(r"^\s*(?:[,;:)\]}]|(?:and|or|but|because|which is|who is|that is)\s(?![^?]*\?))")),
    (
        "plural of one thing",
        re.compile(
            r"^\W*(?:what|which) are (?:the|some) (?:[a-z]+ )?(?:state|status|purpose|role|name|version|meaning|definition|difference|reason|format) (?:of|in|for|between)\b",
            re.I,
        ),
    ),
    ("remark after it", re.compile(r"[?？]\s*[(\[][^()\[\]]*[)\]]\s*$")),
    ("answered at once", re.compile(r"[?？]\s+[^?？]*[.。!！]\s*$")),
)

_ASKS = re.compile(
    rf"^\W*(?:{_QUESTION_WORD}\b|(?:{_AUXILIARY})\s|(?:in|on|at|to|from|of|for|by|with|under|during|since|until|after|before|about|into|through|as|around|between|among|near|within|against|over|upon|behind|besides|aside)"
    rf"\s+(?:what|which|whom|whose|how|where|when)\b)",
    re.I,
)
_HOW_TO = re.compile(r"^\W*(?:how|what|when|where|which \w+)\s+to\b", re.I)
"""Begins a query as often as a question: "How to install FastAPI on Windows"."""
# With a full stop at the end, a question word alone is no sign: "When the server starts, it reads the file."
_ASKS_OUTRIGHT = re.compile(
    rf"^\W*(?:{_QUESTION_WORD}\s+{_AUXILIARY}\b(?!\s*,)|(?:what|which|whose)(?:\s+(?!this|that|it|you|we|they|he|she|the|a\b|makes|i\b)[\w-]+){{1,3}}?\s+{_AUXILIARY}\b|how\s+(?:to|many|much)\b|who\s+\w+ed\b|(?:{_AUXILIARY})\s+(?:the|a|an|any\w*|some\w*|there|it|you|i|we|they)\b)",
    re.I,
)
_REQUEST = re.compile(
    r"^\W*(?:please\s+)?(?:explain|describe|list|name|define|compare|contrast|identify|summari[sz]e|outline|discuss|state|give|tell me|show|find|calculate|compute|provide|mention|specify|distinguish|elaborate|search)\b",
    re.I,
)
_ASKS_LATE = re.compile(
    rf",\s*(?:{_QUESTION_WORD})\b|\b(?:is|are|was|were|did|does|do|by|in|of|to)\s+(?:what|which|whom|whose|how many|how much)\b",
    re.I,
)
_ELSEWHERE = re.compile(
    r"^\W*(?:was|wer|wie|wo|wann|warum|weshalb|wieso|welche[rsmn]?|wessen|womit|wofür|wodurch|woraus|woher|wohin|wozu|inwiefern"
    r"|qui|que|quoi|quel(?:le)?s?|où|quand|comment|pourquoi|combien|est-ce|qu'est-ce|lequel|laquelle"
    r"|¿|qué|quién(?:es)?|cuál(?:es)?|cómo|dónde|cuándo|cuánt[oa]s?|por qué"
    r"|cosa|chi|quale|quali|come|dove|quando|perché|quanto|quanti|o que|quem|qual|onde|por que|quantos|wat|wie|waar|wanneer|waarom|hoe|welke?)\s"
    r"|什么|甚麼|什麼|哪|谁|誰|怎么|怎麼|怎样|如何|为什么|為什麼|为何|多少|几个|幾個|何时|何時|是否|吗[？。]?$|嗎[？。]?$|呢[？。]?$"
    r"|何[がをのにでかはと]|なに|なぜ|どこ|いつ|どう|どの|どれ|どんな|どちら|いくつ|いくら|ですか|ますか|か[？。]?$",
    re.I,
)
# A finite verb that makes a sentence of what stands before it; after "that", "which" … it belongs to a relative clause.
_STATES = re.compile(
    r"(?<!\bthat)(?<!\bwhich)(?<!\bwho)(?<!\bwhen)(?<!\bif)(?<!\bwhere)(?<!\bwhat)(?<!\bhow)\s"
    r"(?:is|are|was|were|has been|have been|will|can|could|should|must|does|did|isn't|aren't|doesn't|cannot|can't)\s",
    re.I,
)
_QUERY_WORDS = 14
"""A longer text without a mark, a question word or a request is taken for a sentence."""


LONGEST = 2000
"""Characters; nobody asks at this length, and the rules' time grows faster than the text."""


def question_form(text: str, *, by_model: bool = False) -> bool:
    """True for a question, a request ("Explain how …") or a short search query.

    False for statements, headers ("Question 1: …"), list markers, fragments, code, cloze texts, several lines, and a model's
    talk to its user. Texts that end in a question mark pass unless they are malformed in one of these ways. `by_model`: people leave the
    mark out; in a whole sentence that a model wrote, a missing one means that it was cut off.
    """
    return form_fault(text, by_model=by_model) is None


def form_fault(text: str, *, by_model: bool = False) -> str | None:
    """What keeps a text from being a question or a query, in two or three words, or None."""
    stripped = text.strip()
    if len(stripped) > LONGEST:
        return "too long"
    fault = _malformation(stripped)
    if fault is not None:
        return fault
    if _MARK.search(stripped) or _REQUEST.search(stripped) or _ELSEWHERE.search(stripped):
        return None
    if by_model and stripped[:1].isupper() and _ASKS.search(stripped) and not _HOW_TO.search(stripped):
        return "cut off"
    return None if _asks_without_mark(stripped) else "statement"


def _malformation(text: str) -> str | None:
    if sum(1 for line in text.splitlines() if line.strip()) > 1:
        return "several lines"
    if not any(character.isalpha() for character in text):
        return "no letters"
    if len(text) > 20 and _symbols(text) > 0.3:
        return "code"
    return next((fault for fault, pattern in _MALFORMED if pattern.search(text)), None)


def _asks_without_mark(text: str) -> bool:
    if _FULL_STOP.search(text):
        return bool(_ASKS_OUTRIGHT.search(text))
    if _ASKS.search(text) or _ASKS_LATE.search(text):
        return True
    # Unspaced scripts have many words and no blanks: both counts must be small.
    return len(words(text)) <= 2 * _QUERY_WORDS and len(text.split()) <= _QUERY_WORDS and not _STATES.search(text)


def _symbols(text: str) -> float:
    """Share of characters that are neither letters, digits nor blanks (combining marks count as letters)."""
    return sum(1 for character in text if not (character.isalnum() or character.isspace() or ord(character) > 0x2FF)) / len(text)
