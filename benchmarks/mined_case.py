"""A mined corpus and what is known of it: which chunks answer which pairs, as people asked, as planted, and what stage `mine` made of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.planted_negatives import HOST, NATURAL, Material, Planted, natural
from curate.store import open_store
from curate.text import normalise

WINDOW = 50
"""First ranks of a search, from which negatives are taken."""


@dataclass(frozen=True)
class Case:
    """The mined corpus: pairs (id → question, positive's chunk), chunks, and which chunks are known to answer which pair."""

    anchors: Mapping[str, str]
    positives: Mapping[str, str]
    passages: Mapping[str, str]
    known: Mapping[str, Mapping[str, str]]
    """Pair → chunk → kind."""


def read_case(built: Path, source: Material, planted: Sequence[Planted]) -> Case:
    """Kept pairs and chunks of a build of `write_corpus`, and what is known of them."""
    with open_store(built, read_only=True) as store:
        pairs = store.rows(
            "SELECT p.pair_id, p.anchor, p.chunk_id, i.source FROM pairs AS p JOIN imported_pairs AS i USING (imported_pair_id) ORDER BY 1"
        )
        chunks = store.rows(
            "SELECT c.chunk_id, c.passage, c.document_id, d.source FROM chunks AS c JOIN documents AS d USING (document_id)"
        )
        asked = store.rows("SELECT source, document_id FROM imported_pairs")
    passages = {row["chunk_id"]: row["passage"] for row in chunks}
    chunk_of_document = {row["document_id"]: row["chunk_id"] for row in chunks}
    chunk_of_source = {row["source"].rpartition("#")[2]: row["chunk_id"] for row in chunks}
    # Passages of pairs are stored once, under the text's own id; their names in the material are found by way of the questions.
    for row in asked:
        question = row["source"].rpartition("#")[2]
        chunk_of_source[f"question {question}"] = chunk_of_document.get(row["document_id"], "")
    return Case(
        anchors={row["pair_id"]: row["anchor"] for row in pairs},
        positives={row["pair_id"]: row["chunk_id"] for row in pairs},
        passages=passages,
        known=known_answers(pairs, source, planted, chunk_of_source),
    )


def known_answers(
    pairs: Sequence[Mapping[str, Any]], source: Material, planted: Sequence[Planted], chunks: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Pair → chunk → kind, for every pair whose question is worded as one that the chunk answers."""
    wording = {question.id: normalise(question.text) for asked in source.questions.values() for question in asked}
    by_wording: dict[str, dict[str, str]] = defaultdict(dict)
    first = {name: f"question {asked[0].id}" for name, asked in source.questions.items() if asked}
    for question, name in natural(source):
        if chunk := chunks.get(first.get(name, name)):
            by_wording[wording[question]][chunk] = NATURAL
    for one in planted:
        for questions, kind in ((one.host_answers, HOST), (one.answers, one.kind)):
            for question in questions:
                if chunk := chunks.get(one.id):
                    by_wording[wording[question]][chunk] = kind
    return {row["pair_id"]: dict(by_wording.get(normalise(row["anchor"]), {})) for row in pairs}


def read_mined(built: Path) -> tuple[dict[str, list[str]], dict[tuple[str, str], str]]:
    """Pair → chosen chunks; (pair, chunk) → state or reason of every candidate that was looked at."""
    with open_store(built, read_only=True) as store:
        rows = store.rows("SELECT pair_id, chunk_id, state, reason, chosen FROM negatives ORDER BY pair_id, candidate")
    chosen: dict[str, list[str]] = defaultdict(list)
    reasons: dict[tuple[str, str], str] = {}
    for row in rows:
        reasons[row["pair_id"], row["chunk_id"]] = row["reason"] or row["state"]
        if row["chosen"]:
            chosen[row["pair_id"]].append(row["chunk_id"])
    return chosen, reasons
