"""Holds claims across rows and tables, each a SELECT of the rows that break it.

One row in: an audit, `curate/audits/<claim>.sql`. One row out: the claim and how many rows break it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from curate.stage import Batch, Context, Stage

EXAMPLES = 5
"""So many keys of broken rows are kept; the audit's SELECT finds them all."""


def claims() -> tuple[str, ...]:
    """Names of all audits, sorted."""
    folder = files("curate").joinpath("audits")
    return tuple(sorted(entry.name.removesuffix(".sql") for entry in folder.iterdir() if entry.name.endswith(".sql")))


def read_audit(claim: str) -> tuple[str, str]:
    """The claim as a sentence (the first comment line of its file) and the SELECT of `key` of rows that break it."""
    text = files("curate").joinpath("audits", f"{claim}.sql").read_text(encoding="utf-8")
    first, _, sql = text.partition("\n")
    return first.removeprefix("--").strip(), sql


def failed(results: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows of `audit_results` whose claim does not hold."""
    return [row for row in results if row["broken"] > 0]


def produce(context: Context) -> Iterator[Batch]:
    """Run every audit on the committed tables."""
    names = claims()
    rows = []
    for done, claim in enumerate(names, start=1):
        rows.append(_result(context, claim))
        context.progress(done, len(names))
    yield Batch("audit_results", rows)


def _result(context: Context, claim: str) -> dict[str, Any]:
    description, sql = read_audit(claim)
    keys = context.reader.query(sql)["key"].unique().sort()
    return {"claim": claim, "description": description, "broken": len(keys), "examples": keys.head(EXAMPLES).to_list()}


STAGE = Stage(
    name="validate",
    reads=(
        "documents",
        "imported_pairs",
        "document_clusters",
        "splits",
        "chunks",
        "chunk_clusters",
        "questions",
        "checks",
        "pairs",
        "negatives",
        "rejected",
    ),
    writes=("audit_results",),
    produce=produce,
    files=tuple(f"audits/{claim}.sql" for claim in claims()),
)
