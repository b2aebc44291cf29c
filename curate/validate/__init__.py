"""Holds claims across rows and tables, each a search for the rows that break it.

One row in: an audit, `curate/audits/<claim>.sql` or a function of `curate.validate.leaks`. One row out: the claim and how many rows break it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from curate.stage import Batch, Context, Stage
from curate.validate.leaks import LEAKS, Leaks
from schemas.settings import MineSettings

EXAMPLES = 5
"""So many keys of broken rows are kept; the audit finds them all."""


def claims() -> tuple[str, ...]:
    """Names of all audits, sorted."""
    return tuple(sorted((*sql_claims(), *LEAKS)))


def sql_claims() -> tuple[str, ...]:
    """Names of the audits that are a SELECT, sorted."""
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
    names, leaks = claims(), Leaks(context)
    rows = []
    for done, claim in enumerate(names, start=1):
        rows.append(_leak(claim, leaks) if claim in LEAKS else _selected(context, claim))
        context.progress(done, len(names))
    yield Batch("audit_results", rows)


def _selected(context: Context, claim: str) -> dict[str, Any]:
    description, sql = read_audit(claim)
    # A parameter too many is refused.
    used = {name: value for name, value in _limits(context.settings.mine).items() if f"${name}" in sql}
    return _result(claim, description, context.reader.query(sql, used)["key"].to_list())


def _leak(claim: str, leaks: Leaks) -> dict[str, Any]:
    description, search = LEAKS[claim]
    return _result(claim, description, search(leaks))


def _result(claim: str, description: str, keys: Sequence[str]) -> dict[str, Any]:
    distinct = sorted(set(keys))
    return {"claim": claim, "description": description, "broken": len(distinct), "examples": distinct[:EXAMPLES]}


def _limits(mine: MineSettings) -> dict[str, float | None]:
    """What SELECTs may ask for by name. An automatic margin stands in the rows, and is at most 1."""
    automatic = mine.auto_margin and mine.relative_margin is not None
    relative = 1.0 if automatic else mine.relative_margin
    return {"relative_margin": relative, "absolute_margin": mine.absolute_margin, "max_score": mine.max_score}


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
    settings=(
        "filter.decontaminate",
        "filter.duplicate_threshold",
        "deduplicate.chunk_threshold",
        "deduplicate.shingle",
        "mine.relative_margin",
        "mine.absolute_margin",
        "mine.max_score",
        "mine.auto_margin",
    ),
    libraries=("numpy",),
    files=tuple(f"audits/{claim}.sql" for claim in sql_claims()),
)
