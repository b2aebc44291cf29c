"""Applies the thresholds: first to each question's checks, then to all questions that are left, together. People's labels come first.

One row in: a question with its checks. One row out: a pair (anchor, passage), or the reason there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from curate.filter.anchors import Anchor, Decision, conflicts, incomplete
from curate.filter.decontaminate import Benchmark, open_benchmark
from curate.filter.decontaminate.rows import anchors_in_benchmark, passages_in_benchmark, read_templates
from curate.filter.exemptions import is_measured
from curate.filter.labels import LABELS, decide, read_labels
from curate.stage import Batch, Context, Rejection, Stage, content_id
from curate.text import counted
from schemas.reasons import Reason

ROWS_AT_A_TIME = 8192


def produce(context: Context) -> Iterator[Batch]:
    """Judge every question alone, then the rest together, then join what is kept with its passages."""
    total = context.reader.count("questions")
    labels = read_labels(Path(context.folder), context.note) if context.folder else {}
    done = 0
    left: list[Anchor] = []
    broken: set[str] = set()
    for rows in _pages(context):
        verdicts = [decide(row, context.settings.filter, labels.get(row["question_id"])) for row in rows]
        broken |= {
            row["group_id"] for row, verdict in zip(rows, verdicts, strict=True) if verdict is not None and row["group_id"]
        }
        left += [_anchor(row) for row, verdict in zip(rows, verdicts, strict=True) if verdict is None]
        done += len(rows)
        context.progress(done, total)
        yield Batch("pairs", rejected=[verdict for verdict in verdicts if verdict is not None])
    dropped = list(_together(context, left, broken))
    yield Batch("pairs", rejected=sorted((_rejection(*decision) for decision in dropped), key=lambda rejection: rejection.key))
    yield from _pairs(context, {anchor.question_id for anchor in _without(left, dropped)})


def _together(context: Context, left: Sequence[Anchor], broken: set[str]) -> Iterator[Decision]:
    """The anchors that cannot stay beside the others or beside the user's benchmarks; `broken` holds groups that lost a row."""
    benchmark, templates = open_benchmark(context.settings), read_templates(context.reader)
    known = list(anchors_in_benchmark(benchmark, left, templates)) if benchmark else []
    yield from known
    left = _without(left, known)
    parts = list(incomplete(left, broken | _groups(known)))
    yield from parts
    left = _without(left, parts)
    repeats = list(conflicts(left, context.settings.filter.duplicate_threshold, templates))
    yield from repeats
    if benchmark:
        yield from _passages_apart(context, benchmark, _without(left, repeats), known)


def _passages_apart(
    context: Context, benchmark: Benchmark, left: Sequence[Anchor], known: Sequence[Decision]
) -> Iterator[Decision]:
    # Last: a question that was written for two passages does not become one of a kind because one of them falls here.
    wanted = {anchor.chunk_id for anchor in left if anchor.split == "train"}
    held = passages_in_benchmark(benchmark, context.reader, wanted)
    fallen = [(anchor, Reason.PASSAGE_IN_BENCHMARK, held[anchor.chunk_id]) for anchor in left if anchor.chunk_id in held]
    yield from fallen
    yield from incomplete(_without(left, fallen), _groups(fallen))
    context.note(
        f"Kept apart from {len(benchmark.queries.lines):,} queries and {counted(len(benchmark.passages.lines), 'passage')} of"
        f" {', '.join(Path(name).name for name in context.settings.filter.decontaminate)}: {counted(len(known), 'train question')} "
        f"matched a query, {counted(len(fallen), 'train pair')} fell for the passage."
    )


def _without(anchors: Sequence[Anchor], dropped: Iterable[Decision]) -> list[Anchor]:
    gone = {anchor.question_id for anchor, _, _ in dropped}
    return [anchor for anchor in anchors if anchor.question_id not in gone]


def _groups(dropped: Iterable[Decision]) -> set[str]:
    return {anchor.group_id for anchor, _, _ in dropped if anchor.group_id is not None}


def _pages(context: Context) -> Iterator[list[dict[str, Any]]]:
    after = ""
    while True:
        rows = context.reader.query("filter_questions", {"after": after, "size": ROWS_AT_A_TIME}).to_dicts()
        if not rows:
            return
        yield rows
        after = rows[-1]["question_id"]


def _anchor(row: dict[str, Any]) -> Anchor:
    return Anchor(
        question_id=row["question_id"],
        question=row["question"],
        chunk_id=row["chunk_id"],
        chunk_cluster_id=row["chunk_cluster_id"],
        split=row["split"],
        origin=row["origin"],
        measured=is_measured(row),
        group_id=row["group_id"],
    )


def _rejection(anchor: Anchor, reason: Reason, detail: str) -> Rejection:
    known = {"question": anchor.question, "chunk_id": anchor.chunk_id, "origin": anchor.origin, "split": anchor.split}
    return Rejection(anchor.question_id, reason, detail, known)


def _pairs(context: Context, kept: set[str]) -> Iterator[Batch]:
    for chunks in context.reader.batches("chunks", size=1024, columns=("chunk_id", "passage", "split", "cluster_id")):
        by_id = {row["chunk_id"]: row for row in chunks.iter_rows(named=True)}
        span = {"first": chunks["chunk_id"][0], "last": chunks["chunk_id"][-1]}
        questions = context.reader.query("filter_kept", span).iter_rows(named=True)
        yield Batch("pairs", [_pair(row, by_id[row["chunk_id"]]) for row in questions if row["question_id"] in kept])


def _pair(question: dict[str, Any], chunk: dict[str, Any]) -> dict[str, Any]:
    copied = ("question_id", "chunk_id", "style", "origin", "train_only", "imported_pair_id", "is_positive", "score", "label")
    return {
        "pair_id": content_id("pair", question["question_id"]),
        "anchor": question["question"],
        "positive": chunk["passage"],
        "split": chunk["split"],
        "cluster_id": chunk["cluster_id"],
        **{name: question[name] for name in copied},
    }


STAGE = Stage(
    name="filter",
    reads=("questions", "checks", "chunks", "chunk_clusters"),
    writes=("pairs",),
    produce=produce,
    settings=("filter", "deduplicate.chunk_threshold", "deduplicate.shingle"),
    libraries=("numpy",),
    files=("sql/filter_questions.sql", "sql/filter_kept.sql"),
    conserves="questions",
    folder_files=(LABELS,),
)
