"""What a build holds: its documents, questions, negatives and splits, in figures."""

from __future__ import annotations

from curate.generate.brief import brief_of
from curate.store import Store
from pipelines.reporting.counting import counts, first_words, fixed, histogram, whole_numbers
from schemas.errors import CurateError
from schemas.reasons import meaning
from schemas.report import Audit, Corpus, Count, Loss, Negatives, Questions, RealQueries, Split, Used
from schemas.settings import Settings
from schemas.tables import SPLITS

_TOP = 12
_BEGINNING = 160


def corpus(store: Store) -> Corpus | None:
    """Documents and chunks; None before stage ingest ran."""
    tables = store.tables()
    if "documents" not in tables:
        return None
    chunked, grouped = "chunks" in tables, "document_clusters" in tables
    return Corpus(
        documents=store.count("documents"),
        chunks=store.count("chunks") if chunked else 0,
        languages=_by(store, "documents", "language"),
        formats=_by(store, "documents", "format"),
        sources=counts(
            store,
            "SELECT CASE WHEN contains(source, '#') THEN string_split(source, '#')[1] WHEN contains(source, '/') "
            "THEN regexp_extract(source, '^(.*)/', 1) ELSE '.' END AS name, count(*) AS count FROM documents "
            "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $top",
            {"top": _TOP},
        ),
        document_words=whole_numbers(store, "SELECT length(text) - length(replace(text, ' ', '')) + 1 AS v FROM documents"),
        chunk_tokens=whole_numbers(store, "SELECT tokens AS v FROM chunks") if chunked else (),
        duplicates=_by(store, "document_clusters", "duplicate") if grouped else (),
        largest_clusters=_clusters(store) if grouped else (),
    )


def _by(store: Store, table: str, column: str, where: str = "") -> tuple[Count, ...]:
    """Rows by the value of a column, most first."""
    return counts(
        store,
        f"SELECT {column} AS name, count(*) AS count FROM {table} {where} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $top",  # noqa: S608
        {"top": 10 * _TOP},
    )


def _clusters(store: Store) -> tuple[Count, ...]:
    return counts(
        store,
        "SELECT any_value(d.source) FILTER (c.representative) AS name, count(*) - 1 AS count FROM document_clusters AS c "
        "JOIN documents AS d USING (document_id) GROUP BY c.cluster_id HAVING count(*) > 1 ORDER BY 2 DESC, 1 LIMIT $top",
        {"top": _TOP},
    )


def questions(store: Store, settings: Settings) -> Questions | None:
    """The kept questions; None before stage filter ran."""
    if not {"pairs", "checks"} <= store.tables():
        return None
    return Questions(
        kept=store.count("pairs"),
        styles=_by(store, "pairs", "style"),
        origins=_by(store, "pairs", "origin"),
        first_words=counts(
            store,
            "SELECT name, count(*) AS count FROM (SELECT lower(regexp_extract(anchor, '[\\p{L}\\p{N}][^\\s,.:;!?\"]*')) AS name FROM pairs) "
            "WHERE name <> '' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $top",
            {"top": _TOP},
        ),
        words=whole_numbers(store, "SELECT question_words AS v FROM checks JOIN pairs USING (question_id)"),
        overlap=fixed(store, "SELECT word_overlap AS v FROM checks JOIN pairs USING (question_id)", 0, 1, 0.05),
        real=_real(settings),
    )


def _real(settings: Settings) -> RealQueries | None:
    if settings.generate.examples is None:
        return None
    try:
        examples = brief_of(settings).examples
    except CurateError:
        # The file was there when the build ran; a report does without it.
        return None
    if examples is None:
        return None
    lengths = [len(text.split()) for text in examples.queries]
    return RealQueries(queries=len(lengths), first_words=first_words(examples.queries), words=histogram(lengths))


def negatives(store: Store, wanted: int) -> Negatives | None:
    """Candidate negatives; None before stage mine ran."""
    if "negatives" not in store.tables():
        return None
    rows = store.rows(
        "SELECT count(*) AS pairs, count(*) FILTER (coalesce(n, 0) < $wanted) AS short FROM (SELECT pair_id FROM pairs WHERE is_positive) "
        "LEFT JOIN (SELECT pair_id, count(chosen) AS n FROM negatives GROUP BY 1) USING (pair_id)",
        {"wanted": wanted},
    )[0]
    chosen = "FROM negatives WHERE chosen IS NOT NULL"
    reasons = counts(
        store, "SELECT reason AS name, count(*) AS count FROM negatives WHERE reason IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    taught = f"SELECT teacher_score - positive_score AS v {chosen} AND teacher_score IS NOT NULL"
    return Negatives(
        pairs=rows["pairs"],
        wanted=wanted,
        short=rows["short"],
        states=counts(
            store,
            "SELECT CASE WHEN chosen IS NOT NULL THEN 'chosen' ELSE state END AS name, count(*) AS count FROM negatives "
            "GROUP BY 1 ORDER BY 2 DESC, 1",
        ),
        reasons=tuple(
            Loss(stage="mine", state="quarantined", reason=one.name, text=meaning(one.name), count=one.count) for one in reasons
        ),
        ranks=whole_numbers(store, f"SELECT rank AS v {chosen} AND rank IS NOT NULL"),
        margins=fixed(store, taught, -1, 0.2, 0.05) if store.rows(f"SELECT count(*) AS n FROM ({taught})")[0]["n"] else (),  # noqa: S608
        origins=_by(store, "negatives", "origin", "WHERE chosen IS NOT NULL"),
        most_used=_most_used(store),
    )


def _most_used(store: Store) -> tuple[Used, ...]:
    rows = store.rows(
        "SELECT n.chunk_id, any_value(d.source) AS source, any_value(c.passage) AS passage, count(*) AS pairs FROM negatives AS n "
        "JOIN chunks AS c USING (chunk_id) JOIN documents AS d USING (document_id) WHERE n.chosen IS NOT NULL "
        "GROUP BY n.chunk_id ORDER BY pairs DESC, n.chunk_id LIMIT $top",
        {"top": _TOP},
    )
    return tuple(
        Used(chunk_id=row["chunk_id"], source=row["source"], text=row["passage"][:_BEGINNING], pairs=row["pairs"]) for row in rows
    )


def splits(store: Store) -> tuple[Split, ...]:
    """The splits there are, gap included."""
    tables = store.tables()
    if "splits" not in tables:
        return ()
    none = dict.fromkeys(("documents", "chunks", "pairs", "queries"), 0)
    found: dict[str, dict[str, int]] = {name: dict(none) for name in SPLITS}
    wanted = [("splits", "count(DISTINCT document_id)", "documents", "")]
    if "chunks" in tables:
        wanted.append(("chunks", "count(*)", "chunks", ""))
    if "pairs" in tables:
        wanted += [("pairs", "count(*)", "pairs", ""), ("pairs", "count(*)", "queries", "WHERE is_positive AND NOT train_only")]
    for table, what, name, where in wanted:
        for row in store.rows(f"SELECT split, {what} AS n FROM {table} {where} GROUP BY 1"):  # noqa: S608
            found.setdefault(row["split"], dict(none))[name] = row["n"]
    return tuple(Split(name=name, **numbers) for name, numbers in found.items())


def audits(store: Store) -> tuple[Audit, ...]:
    """The claims of stage validate."""
    if "audit_results" not in store.tables():
        return ()
    return tuple(
        Audit(claim=row["claim"], description=row["description"], broken=row["broken"], examples=tuple(row["examples"]))
        for row in store.rows("SELECT claim, description, broken, examples FROM audit_results ORDER BY claim")
    )


def named(found: tuple[Count, ...], name: str) -> int:
    """The count of one name."""
    return next((one.count for one in found if one.name == name), 0)
