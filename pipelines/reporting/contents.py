"""What a build holds: its documents, questions, negatives and splits, in figures."""

from __future__ import annotations

from curate.store import Store
from pipelines.reporting.counting import counts, fixed, whole_numbers
from pipelines.reporting.real import real_queries
from schemas.reasons import Reason, meaning
from schemas.report import Audit, Copies, Corpus, Count, Loss, Negatives, Questions, Split, Used
from schemas.settings import Settings
from schemas.tables import SPLITS

_TOP = 12
_BEGINNING = 160

_FOLDER = (
    "CASE WHEN contains({0}.source, '#') THEN string_split({0}.source, '#')[1] "
    "WHEN contains({0}.source, '/') THEN regexp_extract({0}.source, '^(.*)/', 1) ELSE '.' END"
)
"""Where a document is from: its file where the file holds several, otherwise its folder."""

_REPEATED = (Reason.QUESTION_REPEATED, Reason.QUESTION_NEAR_DUPLICATE, Reason.ANCHOR_IN_OTHER_SPLIT, Reason.ANCHOR_AMBIGUOUS)


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
            f"SELECT {_FOLDER.format('d')} AS name, count(*) AS count FROM documents AS d GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $top",  # noqa: S608
            {"top": _TOP},
        ),
        document_words=whole_numbers(store, "SELECT length(text) - length(replace(text, ' ', '')) + 1 AS v FROM documents"),
        chunk_tokens=whole_numbers(store, "SELECT tokens AS v FROM chunks") if chunked else (),
        duplicates=_by(store, "document_clusters", "duplicate") if grouped else (),
        largest_clusters=_clusters(store) if grouped else (),
        copies=_copies(store) if grouped else (),
        untitled=_untitled(store) if chunked else 0,
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


def _untitled(store: Store) -> int:
    (found,) = store.rows(
        "SELECT coalesce(sum(parts), 0)::BIGINT AS count FROM (SELECT count(*) AS parts FROM chunks JOIN documents USING (document_id) "
        "WHERE title = '' GROUP BY document_id HAVING count(*) > 1)"
    )
    return int(found["count"])


def _copies(store: Store) -> tuple[Copies, ...]:
    rows = store.rows(
        f"SELECT {_FOLDER.format('d')} AS source, {_FOLDER.format('o')} AS of, count(*) AS count FROM document_clusters AS c "  # noqa: S608
        "JOIN document_clusters AS r ON r.cluster_id = c.cluster_id AND r.representative AND NOT c.representative "
        "JOIN documents AS d ON d.document_id = c.document_id JOIN documents AS o ON o.document_id = r.document_id "
        "GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT $most",
        {"most": _TOP * _TOP},
    )
    return tuple(Copies(**row) for row in rows)


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
        repeats=counts(
            store,
            "SELECT reason AS name, count(*) AS count FROM rejected WHERE list_contains($reasons, reason) "
            "GROUP BY 1 ORDER BY 2 DESC, 1",
            {"reasons": list(_REPEATED)},
        ),
        most_repeated=counts(
            store,
            # "like QUESTION in SPLIT: …" and "equals QUESTION" are what stage filter says of them.
            "SELECT any_value(p.anchor) AS name, count(*) AS count FROM rejected AS r "
            "JOIN pairs AS p ON p.question_id = regexp_extract(r.detail, '^(?:like|equals(?: imported)?) (\\S+)', 1) "
            "WHERE r.stage = 'filter' AND list_contains($reasons, r.reason) GROUP BY p.question_id "
            "ORDER BY 2 DESC, 1, p.question_id LIMIT $top",
            {"reasons": list(_REPEATED), "top": _TOP},
        ),
        real=real_queries(store, settings),
    )


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
