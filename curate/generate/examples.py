"""Real user queries as a model for generated ones: their mix of kinds, their length, samples to show, and a guard against copies."""

from __future__ import annotations

import csv
import io
import json
import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from curate.generate.styles import mix_of, uniform
from curate.generate.vocabulary import content_stems
from curate.text import count_words, normalise
from schemas.errors import InputError, SettingsError

COLUMNS = ("query", "question", "anchor", "text")
LONGEST_QUERY = 2000
"""Characters; a longer text is no query."""
ALIKE = 0.85
"""Jaccard similarity of content words from which a question counts as a copy; the threshold between two questions, too."""
WHERE = "generate.examples"
_DRAWN_FROM = 64
"""Queries that are looked at for one chunk: a file may hold 100,000, and a corpus as many chunks."""


@dataclass(frozen=True)
class Examples:
    """Distinct queries of the file in order, and what is told of them. Lengths in words, from the 10th to the 90th percentile."""

    queries: tuple[str, ...]
    mix: dict[str, float] = field(hash=False)
    shortest: int
    longest: int

    def sampled(self, count: int, seed: int, chunk_id: str) -> list[str]:
        """`count` queries for a chunk, drawn by seed and chunk; a query more in the file changes what few chunks are shown.

        All queries lie on a circle in an order without meaning, and a chunk draws among those that follow its own place there.
        """
        places, queries = self._circle
        start = bisect_left(places, uniform(seed, chunk_id, "place"))
        near = [queries[(start + step) % len(queries)] for step in range(min(_DRAWN_FROM, len(queries)))]
        return sorted(near, key=lambda query: uniform(seed, chunk_id, "example", query))[:count]

    @cached_property
    def _circle(self) -> tuple[list[float], list[str]]:
        order = sorted((uniform(0, "example", query), query) for query in self.queries)
        return [place for place, _ in order], [query for _, query in order]


class Guard:
    """Knows the real queries, so that none of them, nor one in nearly the same words, becomes a row: they are kept for testing."""

    def __init__(self, queries: tuple[str, ...]) -> None:
        self._exact = {normalise(query) for query in queries}
        self._contents = [content_stems(query) for query in queries]
        self._frequency = Counter(term for content in self._contents for term in content)
        self._holding: dict[str, list[int]] = {}
        for at, content in enumerate(self._contents):
            for term in self._prefix(content):
                self._holding.setdefault(term, []).append(at)

    def holds(self, question: str) -> bool:
        """Whether the question equals a real query, or shares its content words up to a Jaccard similarity of `ALIKE`."""
        if normalise(question) in self._exact:
            return True
        asked = content_stems(question)
        near = {at for term in self._prefix(asked) for at in self._holding.get(term, ())}
        return any(len(asked & self._contents[at]) >= ALIKE * len(asked | self._contents[at]) for at in near)

    def _prefix(self, content: frozenset[str]) -> list[str]:
        """Its rarest words: two sets as similar as `ALIKE` share one of them (a prefix filter), and few queries hold it."""
        rarest_first = sorted(content, key=lambda term: (self._frequency[term], term))
        return rarest_first[: len(rarest_first) - math.ceil(ALIKE * len(rarest_first) - 1e-9) + 1]


def read_examples(name: str) -> Examples:
    """The queries of a file: one a line, or a column of JSONL, CSV or TSV.

    Raises SettingsError when there is no such file, InputError naming the row when it cannot be read as what it is.
    """
    path = Path(name)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(
            f"cannot read {name}: {error.strerror}", where=WHERE, next_step="name a file of queries, one a line"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8: {error.reason}", where=name, next_step="save the file as UTF-8") from error
    read = {".jsonl": _json_lines, ".ndjson": _json_lines, ".json": _json_lines, ".csv": _table, ".tsv": _table}.get(
        path.suffix.lower(), _lines
    )
    queries = tuple(dict.fromkeys(" ".join(query.split()) for query in read(text, name) if query.strip()))
    if not queries:
        raise InputError(
            "no query in it", where=name, next_step="one query a line, or a column named query, question, anchor or text"
        )
    lengths = sorted(count_words(query) for query in queries)
    low, high = lengths[len(lengths) // 10], lengths[(9 * len(lengths) - 1) // 10]
    return Examples(queries, mix_of(queries), max(1, low), max(1, high))


def _lines(text: str, name: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        yield _checked(line, name, number)


def _json_lines(text: str, name: str) -> Iterator[str]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _broken(name, number, "not JSON") from error
        yield _checked(row if isinstance(row, str) else _column(row, name, number), name, number)


def _table(text: str, name: str) -> Iterator[str]:
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if name.lower().endswith(".tsv") else ",")
    try:
        for row in rows:
            yield _checked(_column(row, name, rows.line_num), name, rows.line_num)
    except csv.Error as error:
        raise _broken(name, rows.line_num, str(error)) from error


def _column(row: Any, name: str, number: int) -> str:
    fields = {str(key).strip().lower(): value for key, value in row.items()} if isinstance(row, dict) else {}
    value = next((fields[column] for column in COLUMNS if column in fields), None)
    if not isinstance(value, str):
        raise _broken(name, number, f"no text in a column named {', '.join(COLUMNS)}")
    return value


def _checked(query: str, name: str, number: int) -> str:
    if len(query) > LONGEST_QUERY:
        raise _broken(name, number, f"{len(query):,} characters are no query")
    return query


def _broken(name: str, number: int, what: str) -> InputError:
    return InputError(what, where=f"{name}, line {number}", next_step="correct or remove that line")
