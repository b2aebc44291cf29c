"""Files in, documents and imported pairs out.

One row in: a file, or a row of a table file. One row out: a document (its clean text and blocks), or a pair the user already had,
whose passage becomes a document too; what gives neither is rejected with its name and the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from curate.ingest.decode import check_encoding
from curate.ingest.digest import source_digest
from curate.ingest.discover import discover
from curate.ingest.reject import NotKept, reject
from curate.ingest.work import Outcome, tasks, work
from curate.stage import Batch, Context, Rejection, Stage
from schemas.reasons import Reason

__all__ = ["STAGE", "discover", "source_digest"]

BATCH_ROWS = 500


def produce(context: Context) -> Iterator[Batch]:
    """Batches of both tables. Raises InputError when a source cannot be used at all, SettingsError for a wrong encoding."""
    settings = context.settings.ingest
    check_encoding(settings.encoding)
    found = discover(context.sources, settings)
    if found.rejected:
        yield Batch("documents", rejected=found.rejected)
    names = {file.name: place for place, file in enumerate(found.files, 1)}
    merge = _Merge()
    for outcome in context.engine.map(work, tasks(found.files, settings)):
        merge.take(outcome)
        context.progress(names.get(outcome.name, 0), len(found.files))
        if merge.size() >= BATCH_ROWS:
            yield from merge.batches()
    yield from merge.batches()
    if not merge.seen:
        context.note("No document could be read from the sources: `curate rejects` says why for each file.")


class _Merge:
    """Puts outcomes together in their order and rejects what was there before."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.sources: set[str] = set()
        self.name = ""
        self.documents: list[dict[str, Any]] = []
        self.pairs: list[dict[str, Any]] = []
        self.rejected: list[Rejection] = []

    def take(self, outcome: Outcome) -> None:
        if outcome.name != self.name:
            self.name, self.sources = outcome.name, set()
        self.rejected += outcome.rejected
        for key, row in outcome.documents:
            if self._is_new(row["document_id"]) and self._is_new_source(outcome.name, row["source"]):
                self.documents.append(row)
            else:
                self.rejected.append(_repeated(key, "id" if "#" in row["source"] else "text", row["text"]))
        for key, passage, pair in outcome.pairs:
            if not self._is_new(pair["imported_pair_id"]):
                self.rejected.append(_repeated(key, "pair", pair["anchor"]))
                continue
            self.pairs.append(pair)
            if self._is_new(passage["document_id"]):
                self.documents.append(passage)

    def size(self) -> int:
        return len(self.documents) + len(self.pairs) + len(self.rejected)

    def batches(self) -> Iterator[Batch]:
        """What has come together since the last time."""
        yield Batch("documents", tuple(self.documents), tuple(self.rejected))
        if self.pairs:
            yield Batch("imported_pairs", tuple(self.pairs))
        self.documents, self.pairs, self.rejected = [], [], []

    def _is_new(self, content: str) -> bool:
        number = int(content, 16)
        if number in self.seen:
            return False
        self.seen.add(number)
        return True

    def _is_new_source(self, name: str, source: str) -> bool:
        if source == name:
            return True
        if source in self.sources:
            return False
        self.sources.add(source)
        return True


def _repeated(key: str, what: str, text: str) -> Rejection:
    return reject(key, NotKept(Reason.ROW_REPEATED, f"the same {what} again"), {"text": text})


STAGE = Stage(
    name="ingest",
    reads=(),
    writes=("documents", "imported_pairs"),
    produce=produce,
    settings=("ingest",),
    libraries=(
        "charset-normalizer",
        "docutils",
        "lxml",
        "markdown-it-py",
        "mdit-py-plugins",
        "py3langid",
        "pyarrow",
        "trafilatura",
    ),
)
