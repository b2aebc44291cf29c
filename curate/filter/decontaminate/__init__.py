"""Keeps training apart from the user's real queries and benchmarks: what matches one of them, by which rule and in which row of which file.

Nothing here writes or logs a text of those files: a match names the file and the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from curate.filter.decontaminate.files import Line, read_lines
from curate.filter.decontaminate.near_passages import NearPassages
from curate.filter.decontaminate.runs import (
    RUN,
    TEMPLATE,
    WHOLE,
    Hashes,
    Numbered,
    Side,
    Table,
    Templates,
    places_among,
    run_said,
    shared_runs,
)
from curate.filter.likeness import Known, frequencies, likeness
from curate.text import normalise
from schemas.settings import Settings

__all__ = ["Benchmark", "open_benchmark"]


@dataclass(frozen=True)
class Bounds:
    """From which likeness texts are near-duplicates: of two questions, of two passages, and the words in a shingle."""

    question: float
    passage: float
    shingle: int


def open_benchmark(settings: Settings) -> Benchmark | None:
    """All files of `filter.decontaminate`; None without any. Raises as `curate.filter.decontaminate.files.read_lines` does."""
    if not settings.filter.decontaminate:
        return None
    nearness = settings.deduplicate
    bounds = Bounds(settings.filter.duplicate_threshold, nearness.chunk_threshold, nearness.shingle)
    return Benchmark(list(read_lines(settings.filter.decontaminate)), bounds)


class Benchmark:
    """Distinct queries and passages that must not be trained on."""

    def __init__(self, lines: Sequence[Line], bounds: Bounds) -> None:
        self.bounds = bounds
        queries: dict[str, Line] = {}
        passages: dict[str, Line] = {}
        for line in lines:
            if line.query:
                queries.setdefault(_key(line.query), line)
            if line.passage:
                passages.setdefault(_key(line.passage), line)
        self.queries = Queries(queries, bounds.question)
        self.passages = Passages(passages, bounds)


class Queries:
    """The queries, found again in anchors and in passages."""

    def __init__(self, lines: dict[str, Line], threshold: float) -> None:
        self.lines = list(lines.values())
        self.keys = list(lines)
        self.threshold = threshold
        self._exact = {key: number for number, key in enumerate(self.keys)}
        self._side = Side(line.query for line in self.lines)
        self._long = Table(*_beginnings(self._side.numbered))
        features = [likeness(line.query) for line in self.lines]
        self._known = Known(threshold, frequencies(features))
        for feature in features:
            self._known.add(feature)

    def in_anchors(self, anchors: Sequence[str], by_people: Sequence[bool], templates: Templates) -> list[str]:
        """For each anchor which query it matches and how; empty: none.

        `by_people` asks for equal content words of a near match, as between two questions that people wrote (see
        `curate.filter.likeness.same_question`); `templates` are runs of words that are no copies.
        """
        shared: dict[int, tuple[int, int]] = {}
        for (anchor, query), size in shared_runs(Numbered(anchors), self._side, templates).items():
            shared[anchor] = min(shared.get(anchor, (query, size)), (query, size))
        return [self._match(text, strict, shared.get(n)) for n, (text, strict) in enumerate(zip(anchors, by_people, strict=True))]

    def _match(self, anchor: str, strict: bool, shared: tuple[int, int] | None) -> str:
        exact = self._exact.get(_key(anchor))
        if exact is not None:
            return f"exact: {self.lines[exact].place}"
        if shared is not None:
            return f"{run_said(shared[1])}: {self.lines[shared[0]].place}"
        alike = self._known.alike(likeness(anchor), lambda _: strict)
        return f"near, {alike[0][1]:.2f} ≥ {self.threshold}: {self.lines[alike[0][0]].place}" if alike else ""

    def in_passages(self, texts: Numbered, passages: Sequence[str]) -> dict[int, str]:
        """Places of the passages that hold a whole query of 8 words or more, with which."""
        found: dict[int, int] = {}
        for size, table in self._side.wholes.items():
            for passage, query in table.matches(*texts.runs(size)) if len(table.hashes) else ():
                found[passage] = min(query, found.get(passage, query))
        for passage, query in sorted(set(self._long.matches(*texts.runs(RUN)))) if len(self._long.hashes) else ():
            if f" {self.keys[query]} " in f" {normalise(passages[passage])} ":
                found[passage] = min(query, found.get(passage, query))
        return {passage: f"holds all of a query: {self.lines[query].place}" for passage, query in sorted(found.items())}


class Passages:
    """The passages, found again in passages."""

    def __init__(self, lines: dict[str, Line], bounds: Bounds) -> None:
        self.lines = list(lines.values())
        self.threshold = bounds.passage
        self._exact = {key: number for number, key in enumerate(lines)}
        texts = [line.passage for line in self.lines]
        numbered = Numbered(texts)
        self._runs = Table(*numbered.runs(RUN))
        self._distinct: Hashes = np.unique(self._runs.hashes)
        self._held = np.zeros(len(self._distinct), np.uint8)
        self._wholes = {size: Table(*numbered.wholes(size)) for size in range(WHOLE, RUN)}
        self._near = NearPassages(texts, bounds.passage, bounds.shingle)

    def count(self, passages: Sequence[str]) -> None:
        """Tell of passages of the corpus, one of each cluster of copies: a run in more than `TEMPLATE` of them is no copy."""
        if not len(self._distinct):
            return
        hashes, owners = Numbered(passages).runs(RUN)
        places = places_among(hashes, self._distinct)
        once = np.unique(np.stack([places, owners.astype(np.int64)])[:, places >= 0], axis=1)
        counts = self._held.astype(np.int64)
        np.add.at(counts, once[0], 1)
        self._held = np.minimum(counts, TEMPLATE + 1).astype(np.uint8)

    def in_passages(self, texts: Numbered, passages: Sequence[str]) -> dict[int, str]:
        """Places of the passages that match one of these, with which and how."""
        if not self.lines:
            return {}
        found: dict[int, tuple[int, int]] = {}
        joins = [(size, table, texts.runs(size)) for size, table in self._wholes.items() if len(table.hashes)]
        hashes, owners = texts.runs(RUN)
        places = places_among(hashes, self._distinct)
        telling = (places >= 0) & (self._held[places] <= TEMPLATE) if len(self._held) else np.zeros(len(places), bool)
        for size, table, (theirs, whose) in [*joins, (RUN, self._runs, (hashes[telling], owners[telling]))]:
            for passage, known in table.matches(theirs, whose):
                found[passage] = min((known, size), found.get(passage, (known, size)))
        said = {passage: f"{run_said(size)}: {self.lines[known].place}" for passage, (known, size) in found.items()}
        said |= self._exactly(passages)
        return said | self._nearly(passages, said)

    def _exactly(self, passages: Sequence[str]) -> dict[int, str]:
        found = ((n, self._exact.get(_key(passage))) for n, passage in enumerate(passages))
        return {n: f"exact: {self.lines[known].place}" for n, known in found if known is not None}

    def _nearly(self, passages: Sequence[str], said: dict[int, str]) -> dict[int, str]:
        left = [n for n in range(len(passages)) if n not in said]
        near = zip(left, self._near.find(passages[n] for n in left), strict=True)
        return {n: f"near, {hit[1]:.2f} ≥ {self.threshold}: {self.lines[hit[0]].place}" for n, hit in near if hit is not None}


def _key(text: str) -> str:
    return normalise(text) or text.strip()


def _beginnings(texts: Numbered) -> tuple[Hashes, np.ndarray]:
    """The first run of each text that has one."""
    hashes, owners = texts.runs(RUN)
    _, first = np.unique(owners, return_index=True)
    return hashes[first], owners[first]
