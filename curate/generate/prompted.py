"""Questions by a language model: a passage in, one request out; an answer in, candidates and what was wrong with the rest out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from curate.generate.brief import Brief
from curate.generate.examples import Guard
from curate.generate.parse import Item, parse_answer
from curate.generate.passage import Candidate, Passage, stands_in
from curate.generate.rows import Author, question_row
from curate.generate.styles import drawn, named_style
from curate.languages import LANGUAGES
from curate.llm import Answer, Request
from curate.stage import Rejection, content_id
from curate.text import normalise
from schemas.reasons import Reason

_SHOWN_CHARACTERS = 4000

_TOKENS_A_QUESTION = 70
_TOKENS_AROUND = 12
"""Expected length of an answer, until real ones are known: evidence, question, answer and names of fields in JSON."""


def answer_schema(count: int, styles: Sequence[str]) -> dict[str, Any]:
    """JSON schema of the answer, in the strict form that OpenAI asks for."""
    text = {"type": "string"}
    # The evidence first: a small model that has copied a fact asks about that fact.
    properties = {"evidence": text, "question": text, "answer": text, "style": {"type": "string", "enum": sorted(set(styles))}}
    item = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    items = {"type": "array", "items": item, "minItems": (count + 1) // 2, "maxItems": count}
    return {"type": "object", "properties": {"questions": items}, "required": ["questions"], "additionalProperties": False}


def question_request(passage: Passage, brief: Brief) -> Request:
    """The request for a passage's questions: as many as it can bear, of kinds drawn for it, in its language."""
    count = passage.bears(brief.settings.questions_per_chunk)
    styles = drawn(brief.mix, count, brief.seed, passage.chunk_id)
    path = passage.heading_path
    values = shared_values(brief, passage) | {
        "section": " > ".join(path[1:]) or "(none)",
        # Derived from the content, so that no document can close the quotation itself.
        "mark": f"=== passage {passage.chunk_id} ===",
        "passage": passage.text,
        "count": "1 search question" if count == 1 else f"{count} different search questions",
        "kinds": "\n".join(f"- {style}: {brief.prompt.sections[f'style {style}']}" for style in styles),
        "subject": f'"{path[-1]}"' if path else "its subject",
    }
    values["difficulty"] = brief.prompt.filled(f"difficulty {brief.difficulty(passage.chunk_id)}", values)
    messages = (
        {"role": "system", "content": brief.prompt.system},
        {"role": "user", "content": brief.prompt.filled("user", values)},
    )
    expected = _TOKENS_AROUND + count * _TOKENS_A_QUESTION
    return Request(messages, answer_schema(count, styles), brief.prompt.sha256, brief.seed, expected)


def shared_values(brief: Brief, passage: Passage) -> dict[str, str]:
    """Fields of both prompts: the document, who asks, in which language, and how real queries look."""
    persona, queries, prompt = brief.persona(passage.chunk_id), brief.samples(passage.chunk_id), brief.prompt
    values = {
        "title": passage.heading_path[0] if passage.heading_path else "(none)",
        "language": LANGUAGES.get(passage.language, "the language of the passage"),
        "who": persona,
        "queries": "\n".join(f"- {query}" for query in queries),
        "shortest": str(brief.examples.shortest) if brief.examples else "",
        "longest": str(brief.examples.longest) if brief.examples else "",
    }
    return values | {
        "persona": prompt.filled("persona", values) if persona else "",
        "examples": prompt.filled("examples", values) if queries else "",
        "length": prompt.filled("length", values) if brief.examples else "",
    }


@dataclass(frozen=True)
class Read:
    """What came of one answer."""

    rows: list[dict[str, Any]]
    rejected: list[Rejection]


@dataclass(frozen=True)
class Reader:
    """How answers of a build are read."""

    brief: Brief
    model: str
    guard: Guard | None
    """Knows the user's own queries; None when copies of them may stay."""

    def read(self, passage: Passage, answer: Answer, taken: Iterable[str]) -> Read:
        """Rows of one answer, and a rejection for everything else in it. `taken` are this chunk's other questions."""
        if answer.failure:
            return Read([], [failed(passage.chunk_id, passage.chunk_id, answer)])
        items = parse_answer(answer.text)
        if not any(item.question for item in items):
            return Read([], [unreadable(passage.chunk_id, answer, self._shown(passage, answer.text))])
        return self._read_items(passage, items, {normalise(question) for question in taken})

    def _read_items(self, passage: Passage, items: list[Item], taken: set[str]) -> Read:
        read = Read([], [])
        count = passage.bears(self.brief.settings.questions_per_chunk)
        normalised = normalise(passage.passage)
        for at, item in enumerate(items):
            fault = self.fault(item.question, passage.passage, taken)
            if fault is None and len(read.rows) >= count:
                fault = Reason.QUESTION_BEYOND_COUNT, ""
            if fault is None:
                taken.add(normalise(item.question))
                verbatim = stands_in(item.question, normalised)
                candidate = Candidate(item.question, named_style(item.style), verbatim, item.answer, item.evidence)
                read.rows.append(question_row(passage.chunk_id, candidate, Author("llm", self.model, self.brief.prompt.sha256)))
                continue
            key = content_id("candidate", passage.chunk_id, str(at), item.question)
            detail = f"item {at + 1}{fault[1]}"
            read.rejected.append(Rejection(key, fault[0], detail, self._shown(passage, item.question)))
        return read

    def fault(self, question: str, passage: str, taken: set[str]) -> tuple[Reason, str] | None:
        """Why a candidate cannot become a row whatever its passage, and how to say it."""
        form = normalise(question)
        if not form:
            return Reason.ANSWER_EMPTY, ""
        if self.brief.prompt.is_copied(question, passage) or self.brief.across.is_copied(question, passage):
            return Reason.ANSWER_EMPTY, " is copied from the prompt"
        if self.guard is not None and self.guard.holds(question):
            return Reason.QUESTION_IS_EXAMPLE, ""
        if form in taken:
            return Reason.QUESTION_REPEATED, ""
        return None

    def _shown(self, passage: Passage, text: str) -> dict[str, Any]:
        return shown(passage.chunk_id, text, self.model)


def failed(key: str, chunk_id: str, answer: Answer, **known: str) -> Rejection:
    """A request that has no text: quarantined while it is owed."""
    known |= {"chunk_id": chunk_id, "request": answer.key}
    if answer.unasked:
        return Rejection(key, Reason.ANSWER_NOT_ASKED, answer.failure, known, "quarantined")
    if answer.owed:
        return Rejection(key, Reason.ANSWER_MISSING, answer.failure, known, "quarantined")
    return Rejection(key, Reason.ANSWER_REFUSED, answer.failure, known)


def unreadable(key: str, answer: Answer, row: dict[str, Any]) -> Rejection:
    """A text without a question."""
    reason = Reason.ANSWER_EMPTY if not normalise(answer.text) else Reason.ANSWER_UNPARSABLE
    return Rejection(key, reason, answer.finish_reason, row)


def shown(chunk_id: str, text: str, model: str) -> dict[str, Any]:
    """What `rejected` keeps of a model's text."""
    return {"chunk_id": chunk_id, "origin": "llm", "model": model, "answer": text[:_SHOWN_CHARACTERS]}
