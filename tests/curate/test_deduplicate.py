"""Clusters of documents, read from and written to a real store."""

from __future__ import annotations

from hashlib import sha256

from curate import deduplicate
from curate.stage import content_id
from curate.store import Store
from curate.text import normalise
from schemas.settings import DeduplicateSettings, Settings
from tests.curate.stage_runs import Done, Rows, document, ids, put, run_stage
from tests.curate.test_near import text


def build(store: Store, documents: Rows, settings: Settings | None = None) -> Done:
    put(store, "documents", documents)
    return run_stage(deduplicate.STAGE, store, settings)


def test_exact_near_and_other_documents(store: Store) -> None:
    base = " ".join(text(1))
    near = " ".join([*text(1), "one", "more", "word"])
    documents = [
        document("base", base),
        document("copy", base + "!"),
        document("near", near),
        document("other", " ".join(text(2))),
    ]
    cluster = content_id("cluster", min(sha256(normalise(t).encode()).hexdigest() for t in (base, near)))
    other = content_id("cluster", sha256(normalise(documents[3]["text"]).encode()).hexdigest())
    expected = [
        (*ids("base"), cluster, False, "near", 56 / 59),
        (*ids("copy"), cluster, False, "near", 56 / 59),
        (*ids("near"), cluster, True, "none", 1.0),
        (*ids("other"), other, True, "none", 1.0),
    ]
    assert [tuple(row.values()) for row in build(store, documents).tables["document_clusters"]] == sorted(expected)


def test_the_threshold_and_the_shingle_are_settings(store: Store) -> None:
    documents = [document("base", " ".join(text(1))), document("near", " ".join([*text(1), "one", "more", "word"]))]
    for settings, clusters in (
        (DeduplicateSettings(threshold=0.96), 2),
        (DeduplicateSettings(shingle=63, threshold=0.9), 2),
        (DeduplicateSettings(), 1),
    ):
        rows = build(store, documents, Settings(deduplicate=settings)).tables["document_clusters"]
        assert len({row["cluster_id"] for row in rows}) == clusters


def test_chinese_documents_by_characters(store: Store) -> None:
    base = "".join(f"第{n}条规定说明了如何处理编号为{n * 37}的申请。" for n in range(20))
    rows = build(store, [document("a", base), document("b", base + "完"), document("c", base[::-1])]).tables["document_clusters"]
    found = {row["document_id"]: row["cluster_id"] for row in rows}
    a, b, c = ids("a", "b", "c")
    assert found[a] == found[b] != found[c]


def test_no_documents_no_rows(store: Store) -> None:
    assert build(store, []).tables["document_clusters"] == []
