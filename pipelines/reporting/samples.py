"""Rows to read, drawn by hash, each with what was found out about it: kept pairs, and what was left out for every reason."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from curate.store import Store
from pipelines.verdicts import gate_rows
from schemas.report import Sample

KEPT = 150
A_REASON = 15
"""Rows of each stage and reason."""

LONGEST = 1200
"""Characters of a text that are shown."""

Row = Mapping[str, Any]


def samples(store: Store) -> tuple[Sample, ...]:
    """Kept pairs first, then rejected and quarantined rows in the order of the flow, then candidate negatives that were set aside."""
    tables = store.tables()
    found: list[Sample] = []
    if {"pairs", "chunks", "documents"} <= tables:
        found += _kept(store, with_negatives="negatives" in tables)
    if "rejected" in tables:
        found += _left_out(store)
    if {"negatives", "pairs"} <= tables:
        found += _set_aside(store)
    return tuple(found)


def _kept(store: Store, *, with_negatives: bool) -> Iterator[Sample]:
    rows = store.rows(
        "SELECT p.pair_id, p.question_id, p.anchor, p.positive, p.split, p.style, p.origin, d.source, q.answer, q.evidence "
        "FROM pairs AS p JOIN chunks AS c USING (chunk_id) JOIN documents AS d USING (document_id) JOIN questions AS q USING (question_id) "
        "ORDER BY md5(p.pair_id) LIMIT $most",
        {"most": KEPT},
    )
    gates = _gates(store, [row["question_id"] for row in rows])
    against = _negatives(store, [row["pair_id"] for row in rows]) if with_negatives else {}
    for row in rows:
        story = [(name, cut(row[name])) for name in ("answer", "evidence") if row[name]]
        story += [("made by", row["origin"]), *against.get(row["pair_id"], []), *gates.get(row["question_id"], [])]
        yield Sample(
            kind="kept",
            id=row["pair_id"],
            stage="filter",
            reason="",
            text=cut(row["anchor"]),
            passage=cut(row["positive"]),
            source=row["source"],
            split=row["split"],
            style=row["style"],
            story=tuple(story),
        )


def _gates(store: Store, questions: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in gate_rows(store, questions):
        score = "" if row["score"] is None else f", score {_short(row['score'])}"
        bound = "" if row["threshold"] is None else f", threshold {_short(row['threshold'])}"
        found[row["question_id"]].append((f"gate {row['gate']}", f"{row['verdict']}{score}{bound}"))
    return found


def _negatives(store: Store, pairs: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in store.rows(
        "SELECT pair_id, chosen, rank, origin, score, teacher_score, positive_score, text FROM negatives "
        "WHERE chosen IS NOT NULL AND pair_id IN $pairs ORDER BY pair_id, chosen",
        {"pairs": list(pairs)},
    ):
        place = row["origin"] + (f", rank {row['rank']}" if row["rank"] is not None else "")
        taught = f", teacher {_short(row['teacher_score'])} against {_short(row['positive_score'])}" if row["teacher_score"] is not None else ""  # fmt: skip
        found[row["pair_id"]].append((f"negative {row['chosen']} ({place}{taught})", cut(row["text"])))
    return found


def _left_out(store: Store) -> Iterator[Sample]:
    rows = store.rows(
        "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY stage, state, reason ORDER BY md5(row_key || detail), row_key, detail, row_json) "
        "AS place FROM rejected) WHERE place <= $most ORDER BY stage, reason, place",
        {"most": A_REASON},
    )
    parsed = [(row, _parsed(row["row_json"])) for row in rows]
    known = _passages(store, sorted({about["chunk_id"] for _, about in parsed if isinstance(about.get("chunk_id"), str)}))
    gates = _gates(store, [row["row_key"] for row in rows if row["stage"] == "filter"])
    for row, about in parsed:
        chunk = known.get(about.get("chunk_id") or (row["row_key"] if row["stage"] == "generate" else ""), {})
        text = about.get("question") or about.get("text") or about.get("anchor") or about.get("source") or row["row_key"]
        rest = [(name, cut(_short(value))) for name, value in sorted(about.items()) if _worth_showing(name, value)]
        yield Sample(
            kind=row["state"],
            id=row["row_key"],
            stage=row["stage"],
            reason=row["reason"],
            text=cut(str(text)),
            passage=cut(chunk.get("passage", "")),
            source=str(chunk.get("source") or about.get("source") or ""),
            split=chunk.get("split", ""),
            style=str(about.get("style") or ""),
            detail=cut(row["detail"]),
            story=(*rest, *gates.get(row["row_key"], [])),
        )


def _worth_showing(name: str, value: Any) -> bool:
    return value not in (None, "", []) and name not in ("question", "text", "anchor", "source", "style", "chunk_id")


def _passages(store: Store, chunks: Sequence[str]) -> dict[str, Row]:
    if not {"chunks", "documents"} <= store.tables():
        return {}
    rows = store.rows(
        "SELECT c.chunk_id, c.passage, c.split, d.source FROM chunks AS c JOIN documents AS d USING (document_id) WHERE c.chunk_id IN $chunks",
        {"chunks": list(chunks)},
    )
    return {row["chunk_id"]: row for row in rows}


def _set_aside(store: Store) -> Iterator[Sample]:
    for row in store.rows(
        "SELECT * FROM (SELECT n.pair_id, n.reason, n.state, n.text, n.rank, n.origin, n.score, n.teacher_score, n.positive_score, "
        "p.anchor, p.positive, p.split, p.style, "
        "row_number() OVER (PARTITION BY n.reason ORDER BY md5(n.pair_id || n.candidate), n.pair_id, n.candidate) AS place "
        "FROM negatives AS n JOIN pairs AS p USING (pair_id) WHERE n.reason IS NOT NULL) WHERE place <= $most ORDER BY reason, place",
        {"most": A_REASON},
    ):
        story = [("candidate", cut(row["text"])), ("found by", row["origin"])]
        story += [
            (name, _short(row[name])) for name in ("rank", "score", "teacher_score", "positive_score") if row[name] is not None
        ]
        yield Sample(
            kind="negative",
            id=row["pair_id"],
            stage="mine",
            reason=row["reason"],
            text=cut(row["anchor"]),
            passage=cut(row["positive"]),
            split=row["split"],
            style=row["style"],
            detail=row["state"],
            story=tuple(story),
        )


def _parsed(text: str) -> dict[str, Any]:
    found = json.loads(text)
    return found if isinstance(found, dict) else {"row": found}


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def cut(text: str) -> str:
    """A text as long as it is shown."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
