"""Questions that need two chunks of one document: which chunks, the request, and what is read out of the answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from curate.generate.brief import Brief
from curate.generate.parse import clean_question, json_objects, side_text
from curate.generate.passage import Candidate, Passage
from curate.generate.prompted import Read, Reader, failed, shared_values, shown, unreadable
from curate.generate.rows import Author, question_row
from curate.generate.styles import ACROSS, uniform
from curate.llm import Answer, Request
from curate.stage import Rejection, content_id
from curate.text import normalise
from schemas.reasons import Reason

_APART = 3
"""Positions: what stands further apart in a document has seldom one subject."""
_EXPECTED_TOKENS = 150


@dataclass(frozen=True)
class Group:
    """Two passages of one document and one split, in reading order."""

    group_id: str
    first: Passage
    second: Passage


def chosen_pairs(asking: pl.DataFrame, brief: Brief) -> list[tuple[str, str]]:
    """Ids of the chunks that are asked about together: of a document's neighbours as many as `weights.multi_chunk` asks for.

    `asking`: columns chunk_id, document_id, position, split of all chunks that may give questions. Every chunk is in one pair at most.
    """
    if not brief.across_share:
        return []
    rows = asking.sort("document_id", "position", "chunk_id").select("document_id", "split", "position", "chunk_id").rows()
    pairs: list[tuple[str, str]] = []
    at = 0
    while at + 1 < len(rows):
        (document, split, position, chunk), following = rows[at], rows[at + 1]
        near = following[:2] == (document, split) and following[2] - position <= _APART
        # A pair gives one question, and its two chunks stand for two draws.
        if near and uniform(brief.seed, chunk, following[3], "across") <= 2 * brief.across_share:
            pairs.append((chunk, following[3]))
        at += 2 if near else 1
    return pairs


def group_of(first: Passage, second: Passage) -> Group:
    """Two passages as a group; its id stands for both."""
    return Group(content_id("group", first.chunk_id, second.chunk_id), first, second)


def across_request(group: Group, brief: Brief) -> Request:
    """The request for one question that needs both passages."""
    values = shared_values(brief, group.first)
    for at, passage in enumerate((group.first, group.second), 1):
        values |= {
            f"section_{at}": " > ".join(passage.heading_path[1:]) or "(none)",
            f"mark_{at}": f"=== passage {passage.chunk_id} ===",
            f"passage_{at}": passage.text,
        }
    messages = (
        {"role": "system", "content": brief.across.system},
        {"role": "user", "content": brief.across.filled("user", values)},
    )
    names = ("evidence_1", "evidence_2", "question", "answer")
    properties = {name: {"type": "string"} for name in names}
    schema = {"type": "object", "properties": properties, "required": list(names), "additionalProperties": False}
    return Request(messages, schema, brief.across.sha256, brief.seed, _EXPECTED_TOKENS)


def read_across(reader: Reader, group: Group, answer: Answer, taken: Iterable[str]) -> Read:
    """Two rows, one a chunk, with the group's id; or the reason there are none."""
    chunk_id = group.first.chunk_id
    if answer.failure:
        return Read([], [failed(group.group_id, chunk_id, answer, other_chunk_id=group.second.chunk_id)])
    found = next((one for one in json_objects(answer.text) if isinstance(one.get("question"), str)), None)
    question = clean_question(found["question"]) if found else ""
    if not found or not question:
        return Read([], [unreadable(group.group_id, answer, shown(chunk_id, answer.text, reader.model))])
    quotes = [side_text(str(found.get(name) or "")) for name in ("evidence_1", "evidence_2")]
    both = f"{group.first.passage}\n{group.second.passage}"
    fault = reader.fault(question, both, {normalise(one) for one in taken})
    if fault is None and (None in quotes or normalise(quotes[0] or "") == normalise(quotes[1] or "")):
        fault = Reason.QUESTION_NEEDS_ONE_CHUNK, ""
    if fault is not None:
        return Read([], [Rejection(group.group_id, fault[0], f"across{fault[1]}", shown(chunk_id, question, reader.model))])
    answered = side_text(str(found.get("answer") or ""))
    author = Author("llm", reader.model, reader.brief.across.sha256, group.group_id)
    rows = [
        question_row(
            passage.chunk_id,
            Candidate(question, ACROSS, verbatim=False, answer=answered, evidence=quote),
            author,
        )
        for passage, quote in zip((group.first, group.second), quotes, strict=True)
    ]
    return Read(rows, [])


def groups_of(pairs: Iterable[tuple[str, str]], passages: Iterator[Passage]) -> Iterator[Group]:
    """Groups of pairs of ids; `passages` gives the passages of each pair in turn."""
    for first, second in pairs:
        found: dict[str, Any] = {passage.chunk_id: passage for passage in (next(passages), next(passages))}
        yield group_of(found[first], found[second])
