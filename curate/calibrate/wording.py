"""Faults of wording: a question that needs the passage in view, one cut off, a statement in its place."""

from __future__ import annotations

import re
from typing import Any

from curate.calibrate.chance import Chance
from curate.calibrate.material import Material, Row, name_kind
from curate.calibrate.telling import telling_words
from curate.text import STOPWORDS, count_words, is_unspaced, words

Change = dict[str, Any]

_WH = r"(?:what|which|who|where|when|why|how)"
_HELP = r"(?:is|are|was|were|do|does|did|can|could|should|would|will|must|has|have)"
_OF = (
    r"(?:the )?(?:(?:main|primary|key|common|basic|different) )?(?:purpose|role|difference|effect|benefit|advantage|function|use|meaning|name|type|definition|"
    r"feature|component|example|goal|importance|reason|default value|syntax|structure|result)s? (?:of|for|behind)"
)
_SUBJECT: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        rf"^(?P<before>\W*{_WH}(?:'s| {_HELP}) {_OF} )(?P<noun>[^?,]+?)(?P<after>\s*[?]?)$",
        rf"^(?P<before>\W*{_WH} (?:do|does|did|can|could|should|would|must) (?:you|i|we|one|people|developers|users) (?:[a-z]+ly )?[a-z]+ (?:up )?)(?!to )(?P<noun>[^?,]+?)(?P<after>\s*[?]?)$",
        rf"^(?P<before>\W*{_WH} (?:do|does|did|can|could|should|would|will) )(?P<noun>(?:the |an? )?(?!you |i |we |it |they |there )[^?,]+?)(?P<after> (?:mean|do|work|handle|support|simplify|use|allow|help|take|need|accept|return|affect|differ|provide|make|solve|represent|improve|ensure|happen|have|include|contain|cause|become|get|give|compare|relate|require|create|define|determine|know)\b[^?]*\??)$",
        r"^(?P<before>\W*what(?:'s| is| are| was| were) )(?!(?:the|some|an?) (?:\w+ )?\w+ (?:of|for|in|between|to)\b)(?P<noun>[^?,]{3,40}?)(?P<after>\s*[?]?)$",
        r"^(?P<before>\W*(?:is|are|can|could|does|do|should|will) )(?!(?:you|i|we|it|they|there|any) )(?P<noun>(?:the |an? )?[\w'’.\-]+(?: [\w'’.\-]+)?)(?P<after> (?:be|have|support|handle|use|need|return|allow|work)\b[^?]*\??)$",
    )
)
_SINGULAR = ("it", "this", "this function", "this feature", "the thing above", "the method described")
_FRAMES: dict[str, tuple[str, ...]] = {
    "en": (
        "According to the text, {q}",
        "According to the passage, {q}",
        "Based on the information provided, {q}",
        "In this example, {q}",
        "As described above, {q}",
        "{Q}, according to the author?",
        "{Q} in this section?",
        "{Q} in the passage?",
        "{Q} as mentioned earlier?",
        "What does the author say about {k}?",
        "What does the document mention about {k}?",
        "What is the main point of the passage about {k}?",
        "Which of the following is true about {k}?",
    ),
    "de": ("Was sagt der Text über {k}?", "Laut dem Text, was ist {k}?", "Was wird in diesem Abschnitt über {k} gesagt?"),
    "fr": ("Que dit le texte sur {k} ?", "Selon le passage, qu'est-ce que {k} ?", "Que dit l'auteur à propos de {k} ?"),
    "es": ("¿Qué dice el texto sobre {k}?", "Según el pasaje, ¿qué es {k}?", "¿Qué menciona el autor sobre {k}?"),
    "zh": ("根据上文，{q}", "本文中提到的{k}是什么？", "文章中作者对{k}有什么看法？"),
    "ja": ("この文章によると、{k}とは何ですか？", "本文で述べられている{k}について何がわかりますか？", "筆者は{k}についてどう述べていますか？"),
}  # fmt: skip


def context_bound(row: Row, material: Material, chance: Chance) -> Change | None:
    """The question needs its passage in view: its subject becomes "it" or "this function", or it asks what "the text" says."""
    question = row["question"]
    if row["language"] in ("en", "und") and chance.number("form", 2) == 0:
        bound = _without_subject(question, chance)
        if bound is not None:
            return {"question": bound}
    frames = _FRAMES.get("en" if row["language"] == "und" else row["language"])
    if frames is None or not words(question):
        return None
    telling = telling_words(question, material, 2)
    usable = [frame for frame in frames if telling or "{k}" not in frame]
    if not usable:
        return None
    bare = question.strip().rstrip("?？").rstrip()
    first = bare.split()[0]
    small = bare if name_kind(first) else bare[:1].lower() + bare[1:]
    ending = "？" if is_unspaced(question) else "?"
    frame = chance.one("frame", usable)
    return {"question": frame.format(q=small + ending, Q=bare, k=" ".join(telling))}


def _without_subject(question: str, chance: Chance) -> str | None:
    for pattern in _SUBJECT:
        match = pattern.search(question.strip())
        if match is None or not _has_content(match["noun"]):
            continue
        plural = re.search(r"\b(?:are|were|do|have)\s*$", match["before"], re.I) and not re.search(
            r"\byou\b|\bi\b", match["before"], re.I
        )
        noun = "they" if plural and match["after"].strip(" ?") else "these" if plural else chance.one("noun", _SINGULAR)
        if plural is None and not match["after"].strip(" ?") and noun == "it" and count_words(match["before"]) < 3:
            noun = "it used for"
        return match["before"] + noun + match["after"]
    return None


def _has_content(noun: str) -> bool:
    return any(word not in STOPWORDS for word in words(noun))


def truncated(row: Row, material: Material, chance: Chance) -> Change | None:  # noqa: ARG001 (the signature of all faults)
    """The question breaks off: in the middle of a word, or after a function word that leads on. Search words cannot break off."""
    question = row["question"].strip()
    pieces = question.split()
    if row["style"] in ("keywords", "terms", "heading", "sentence") or len(pieces) < 6:
        return _cut_unspaced(question, chance) if is_unspaced(question) and len(question) >= 12 else None
    inside = range(max(3, int(0.4 * len(pieces))), max(4, int(0.8 * len(pieces))))
    leading = [i for i in inside if pieces[i - 1].lower() in _LEADS_ON]
    long = [i for i in inside if len(pieces[i]) >= 6 and pieces[i].isalpha()]
    if long and (not leading or chance.number("form", 2)):
        i = chance.one("word", long)
        return {"question": " ".join([*pieces[:i], pieces[i][: 2 + chance.number("letters", 2)]])}
    if leading:
        return {"question": " ".join(pieces[: chance.one("place", leading)])}
    return None


_LEADS_ON = frozenset(
    "the a an of to in for with and or by from on at is are does do your their its between using when that which".split()
)


def _cut_unspaced(question: str, chance: Chance) -> Change:
    return {"question": question[: len(question) // 3 + chance.number("place", max(1, len(question) // 3))]}


def statement(row: Row, material: Material, chance: Chance) -> Change | None:  # noqa: ARG001
    """A statement in place of the question: a sentence of the evidence or the answer, or the question's own words put as one."""
    if row["style"] in ("sentence", "heading", "terms"):
        return None
    said = [text for text in (row["evidence"], row["answer"]) if text and _is_sentence(text)]
    own = _as_statement(row["question"])
    options = [*said, *([own] if own else [])]
    return {"question": chance.one("statement", options)} if options else None


def _is_sentence(text: str) -> bool:
    if not 5 <= count_words(text) <= 40 or text.rstrip().endswith(("?", "？", ":")):
        return False
    return bool(re.search(r"[.!。！]['\"”’)]?\s*$", text)) and (text[:1].isupper() or is_unspaced(text))


_AS_STATEMENT: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.I), new)
    for pattern, new in (
        (
            r"^\W*(?:how|why|when|where|what)(?: (?:can|could|should|would|do|does|did))? (you|i|we|one|people|developers|users) ([^?]+)\??$",
            r"\1 can \2.",
        ),
        (r"^\W*(?:how|why|when|where) (is|are|was|were) ((?:the |an? )?[\w\-'’.]+(?: [\w\-'’.]+)?) ([^?]+)\??$", r"\2 \1 \3."),
        (r"^\W*(?:how|why|when|where) (?:does|do|did|can|should|will) ((?:the |an? )?[\w\-'’.]+) ([^?]+)\??$", r"\1 can \2."),
        (rf"^\W*what(?: is|'s| are| was| were) ({_OF} [^?]+)\??$", r"This explains \1."),
        (r"^\W*(?:can|could|should|does|do|is|are) ((?:the |an? )?[\w\-'’.]+) ([^?]+)\??$", r"\1 can \2."),
        (r"^\W*what(?: is|'s) ([^?]+)\??$", r"\1 is explained here."),
    )
)


def _as_statement(question: str) -> str | None:
    for pattern, new in _AS_STATEMENT:
        if pattern.search(question.strip()):
            said = pattern.sub(new, question.strip())
            return said[:1].upper() + said[1:] if count_words(said) >= 4 else None
    return None
