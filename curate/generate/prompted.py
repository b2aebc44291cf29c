"""Questions by a language model: a passage in, one request out; an answer in, candidates and what was wrong with the rest out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from curate.generate.extractive import justified
from curate.generate.parse import Item, parse_answer
from curate.generate.passage import Candidate, Passage, stands_in
from curate.generate.rows import question_row
from curate.llm import Answer, Request
from curate.stage import Rejection, content_id
from curate.text import normalise
from schemas.reasons import Reason

PROMPT_FILE = "prompts/questions.md"
STYLES = ("factual", "how_to", "reason", "definition", "comparison", "keywords")
OTHER_STYLE = "question"
"""The style of a question whose model named none of ours: a model may not claim a style that gates treat by name."""
_SHOWN_CHARACTERS = 4000

LANGUAGES = {
    "ar": "Arabic", "bg": "Bulgarian", "ca": "Catalan", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English",
    "es": "Spanish", "et": "Estonian", "fa": "Persian", "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian",
    "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian",
    "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak",
    "sl": "Slovenian", "sr": "Serbian", "sv": "Swedish", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "vi": "Vietnamese",
    "zh": "Chinese",
}  # fmt: skip

_SECTION = re.compile(r"^# (system|user)[ \t]*$", re.M)
_FIELD = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True)
class Prompt:
    """The two texts of the prompt file, the sha256 of the whole file, and the (normalised) questions of its own example."""

    system: str
    user: str
    sha256: str
    example: frozenset[str]


@lru_cache(maxsize=1)
def load_prompt() -> Prompt:
    """`curate/prompts/questions.md`: what stands under `# system` and under `# user`."""
    data = files("curate").joinpath(*PROMPT_FILE.split("/")).read_bytes()
    parts = _SECTION.split(data.decode("utf-8"))
    sections = dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))
    example = frozenset(normalise(item.question) for item in parse_answer(sections["system"]))
    return Prompt(sections["system"], sections["user"], sha256(data).hexdigest(), example)


def answer_schema(count: int) -> dict[str, Any]:
    """JSON schema of the answer, in the strict form that OpenAI asks for."""
    text = {"type": "string"}
    # The evidence first: a small model that has copied a fact asks about that fact.
    properties = {"evidence": text, "question": text, "answer": text, "style": {"type": "string", "enum": list(STYLES)}}
    item = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    items = {"type": "array", "items": item, "minItems": (count + 1) // 2, "maxItems": count}
    return {"type": "object", "properties": {"questions": items}, "required": ["questions"], "additionalProperties": False}


def question_request(passage: Passage, *, most: int, seed: int) -> Request:
    """The request for a passage's questions, as many as it can bear, in its language."""
    prompt = load_prompt()
    count = justified(passage.tokens, most)
    path = passage.heading_path
    values = {
        "title": path[0] if path else "(none)",
        "section": " > ".join(path[1:]) or "(none)",
        # Derived from the content, so that no document can close the quotation itself.
        "mark": f"=== passage {passage.chunk_id} ===",
        "passage": passage.text,
        "count": "1 search question" if count == 1 else f"{count} different search questions",
        "language": LANGUAGES.get(passage.language, "the language of the passage"),
        "subject": f'"{path[-1]}"' if path else "its subject",
    }
    messages = ({"role": "system", "content": prompt.system}, {"role": "user", "content": _filled(prompt.user, values)})
    return Request(messages, answer_schema(count), prompt.sha256, seed)


def _filled(template: str, values: Mapping[str, str]) -> str:
    # One pass: braces that a document brings along are never looked at.
    return _FIELD.sub(lambda match: values[match[1]], template)


@dataclass(frozen=True)
class Read:
    """What came of one answer."""

    rows: list[dict[str, Any]]
    rejected: list[Rejection]


def read_answer(passage: Passage, answer: Answer, taken: Iterable[str], *, most: int, model: str) -> Read:
    """Rows of one answer, and a rejection for everything else in it. `taken` are this chunk's other questions."""
    if answer.failure:
        known = {"chunk_id": passage.chunk_id, "request": answer.key}
        if answer.owed:
            return Read([], [Rejection(passage.chunk_id, Reason.ANSWER_MISSING, answer.failure, known, "quarantined")])
        return Read([], [Rejection(passage.chunk_id, Reason.ANSWER_REFUSED, answer.failure, known)])
    items = parse_answer(answer.text)
    if not any(item.question for item in items):
        reason = Reason.ANSWER_EMPTY if not normalise(answer.text) else Reason.ANSWER_UNPARSABLE
        return Read([], [Rejection(passage.chunk_id, reason, answer.finish_reason, _shown(passage, answer.text, model))])
    return _read_items(passage, items, {normalise(question) for question in taken}, (justified(passage.tokens, most), model))


def _read_items(passage: Passage, items: list[Item], taken: set[str], limits: tuple[int, str]) -> Read:
    count, model = limits
    read = Read([], [])
    normalised, example = normalise(passage.passage), load_prompt().example
    for at, item in enumerate(items):
        key = content_id("candidate", passage.chunk_id, str(at), item.question)
        form, detail = normalise(item.question), f"item {at + 1}"
        if not form:
            reason = Reason.ANSWER_EMPTY
        elif form in example:
            # Small models copy the prompt's own example.
            reason, detail = Reason.ANSWER_EMPTY, f"item {at + 1} is copied from the prompt"
        elif form in taken:
            reason = Reason.QUESTION_REPEATED
        elif len(read.rows) >= count:
            reason = Reason.QUESTION_BEYOND_COUNT
        else:
            taken.add(form)
            style = item.style if item.style in STYLES else OTHER_STYLE
            candidate = Candidate(item.question, style, stands_in(item.question, normalised), item.answer, item.evidence)
            read.rows.append(question_row(passage.chunk_id, candidate, origin="llm", model=model))
            continue
        read.rejected.append(Rejection(key, reason, detail, _shown(passage, item.question, model)))
    return read


def _shown(passage: Passage, text: str, model: str) -> dict[str, Any]:
    return {"chunk_id": passage.chunk_id, "origin": "llm", "model": model, "answer": text[:_SHOWN_CHARACTERS]}
