"""Rows of a build against the files of `filter.decontaminate`: what filter drops, and what the audits look for afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from curate.filter.anchors import Anchor, Decision
from curate.filter.decontaminate import Benchmark
from curate.filter.decontaminate.runs import Numbered, Templates, templates_of
from curate.stage import Reader
from schemas.reasons import Reason

ROWS_AT_A_TIME = 20_000


def read_templates(reader: Reader) -> Templates:
    """The runs of words that are ways of putting a question: counted over all candidate questions, kept or not, so that it is the same
    before and after filtering."""
    return templates_of(text for rows in reader.batches("questions", columns=("question",)) for text in rows["question"])


def anchors_in_benchmark(benchmark: Benchmark, anchors: Iterable[Anchor], templates: Templates) -> Iterator[Decision]:
    """The train anchors that match a query."""
    waiting = (anchor for anchor in anchors if anchor.split == "train")
    while page := list(islice(waiting, ROWS_AT_A_TIME)):
        by_people = [anchor.origin == "imported" for anchor in page]
        found = benchmark.queries.in_anchors([anchor.question for anchor in page], by_people, templates)
        yield from ((anchor, Reason.ANCHOR_IN_BENCHMARK, match) for anchor, match in zip(page, found, strict=True) if match)


def passages_in_benchmark(benchmark: Benchmark, reader: Reader, chunk_ids: set[str]) -> dict[str, str]:
    """Of these chunks those whose passage matches, with the match."""
    count_passages(benchmark, reader)
    found: dict[str, str] = {}
    for rows in reader.batches("chunks", columns=("chunk_id", "passage")):
        wanted = rows.filter(rows["chunk_id"].is_in(list(chunk_ids))) if chunk_ids else rows.clear()
        matches = matches_in_passages(benchmark, wanted["passage"].to_list())
        found.update((wanted["chunk_id"][place], match) for place, match in matches.items())
    return found


def matches_in_passages(benchmark: Benchmark, passages: Sequence[str]) -> dict[int, str]:
    """Places of the passages that hold a query or match a passage; call `count_passages` first."""
    texts = Numbered(passages)
    return benchmark.passages.in_passages(texts, passages) | benchmark.queries.in_passages(texts, passages)


def count_passages(benchmark: Benchmark, reader: Reader) -> None:
    """Let the benchmark know which runs of words are boilerplate of this corpus: one chunk of each cluster of near-copies counts."""
    if not benchmark.passages.lines:
        return
    copies: set[str] = set()
    for rows in reader.batches("chunk_clusters", columns=("chunk_id", "representative")):
        copies.update(rows.filter(~rows["representative"])["chunk_id"])
    for rows in reader.batches("chunks", columns=("chunk_id", "passage")):
        benchmark.passages.count([text for chunk_id, text in rows.rows() if chunk_id not in copies])
