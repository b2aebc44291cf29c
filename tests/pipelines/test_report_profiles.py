"""Profiles of a build: where documents repeat each other, which questions are asked again, and how people ask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from curate.store import open_store
from pipelines.reporting import real
from tests.pipelines.conftest import run_curate, write_corpus

ASKED = (
    "How do shells of the gravel beds differ?",
    "zebra lighthouse",
    "qqqqq xxxxx",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of a corpus with a copied folder and a query file."""
    home = tmp_path_factory.mktemp("profiled")
    docs = write_corpus(home / "docs" / "first")
    (home / "docs" / "second").mkdir()
    for path in sorted(docs.iterdir())[:5]:
        (home / "docs" / "second" / path.name).write_text(path.read_text())
    lighthouse = "The lighthouse of the northern cape was built of granite blocks and lit its lamp for the first time in the spring of 1821. "
    (docs / "lighthouse.txt").write_text(lighthouse * 2)
    (home / "queries.txt").write_text("\n".join(ASKED) + "\n")
    run_curate("build", home / "docs", "--set", f"generate.examples={home}/queries.txt", cwd=home)
    return home / "curated"


def report(built: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((built / "report.json").read_text(encoding="utf-8"))
    return found


def test_copies_are_placed(built: Path) -> None:
    found = report(built)["corpus"]
    # Which of two equal documents stands for both is by the hash of its id.
    assert found["copies"] == [{"source": "first", "of": "second", "count": 3}, {"source": "second", "of": "first", "count": 2}]
    assert {one["name"]: one["count"] for one in found["duplicates"]} == {"none": 37, "exact": 5}
    page = html.fromstring((built / "report.html").read_text(encoding="utf-8"))
    captions = [element.text_content() for element in page.cssselect("#corpus figcaption")]
    assert "Where repeated documents are (rows), and what they repeat (columns)" in captions


def test_real_queries_are_compared_with_the_passage_found_first(built: Path) -> None:
    found = report(built)["questions"]["real"]
    # "zebra lighthouse" shares one of two words; "qqqqq xxxxx" finds nothing.
    assert (found["queries"], found["compared"]) == (3, 2)
    assert found["searched"] == report(built)["corpus"]["chunks"]
    assert sum(one["count"] for one in found["overlap"]) == 2
    assert next(one["count"] for one in found["overlap"] if one["low"] == 0.5) >= 1
    page = html.fromstring((built / "report.html").read_text(encoding="utf-8"))
    captions = [element.text_content() for element in page.cssselect("#questions figcaption")]
    assert "How many of a question's words stand in its passage; of 2 real queries in the passage found first" in captions


def test_no_more_than_some_queries_and_passages_are_compared(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.earlier_build import reported

    monkeypatch.setattr(real, "MOST_QUERIES", 2)
    monkeypatch.setattr(real, "MOST_PASSAGES", 7)
    settings = reported(built)[0]
    with open_store(built, read_only=True) as store:
        found = real.real_queries(store, settings)
        assert found is not None
        assert (found.queries, found.searched) == (3, 7)
        assert found.compared <= 2
        gone = settings.model_copy(update={"generate": settings.generate.model_copy(update={"examples": "gone.txt"})})
        assert real.real_queries(store, gone) is None


def test_questions_asked_again_are_counted(tmp_path: Path) -> None:
    docs = tmp_path / "rows.jsonl"
    passage = (
        "The keeper of the northern lighthouse trimmed the lamp each evening and wrote the names of passing ships into a ledger."
    )
    other = "The mill by the river ground barley for the whole valley until a flood carried the great wheel away in the autumn."
    asked = [
        ("Who trimmed the lamp of the northern lighthouse?", passage),
        ("Who trimmed the lamp of the northern lighthouse??", passage),
        ("who trimmed the lamp of the northern lighthouse", passage),
        ("What carried the great wheel of the mill away?", other),
        ("What carried the great wheels of the mill away?", other),
    ]
    docs.write_text("".join(json.dumps({"anchor": anchor, "positive": positive}) + "\n" for anchor, positive in asked))
    run_curate("build", docs, "--set", "generate.extractive=false", cwd=tmp_path)
    found = report(tmp_path / "curated")["questions"]
    assert found["repeats"] == [{"name": "question_near_duplicate", "count": 3}]
    first, second = found["most_repeated"]
    # Equal but for marks, and equal but for a plural.
    assert (first["count"], second["count"]) == (2, 1)
    assert first["name"].casefold().startswith("who trimmed the lamp")
    assert "the great wheel" in second["name"]
    with open_store(tmp_path / "curated", read_only=True) as store:
        said = [row["detail"].split()[0] for row in store.rows("SELECT detail FROM rejected WHERE stage = 'filter' ORDER BY 1")]
    assert said == ["equals", "equals", "like"]


def test_parts_of_documents_without_a_title_are_counted(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    for name, title, parts in (
        ("untitled.html", "", 2),
        ("titled.html", "<title>Cranes</title>", 2),
        ("short.html", "", 1),
    ):
        said = (
            f"Cranes of {name} breed in bog {place}, {place} pairs in all, and leave for the south in October."
            for place in range(5 if parts == 1 else 30)
        )
        (docs / name).write_text(f"<html><head>{title}</head><body><main><p>{' '.join(said)}</p></main></body></html>")
    run_curate("build", docs, cwd=tmp_path)
    with open_store(tmp_path / "curated", read_only=True) as store:
        parts_by_title = store.rows(
            "SELECT title, count(*) AS parts FROM chunks JOIN documents USING (document_id) GROUP BY document_id, title"
        )
    chunks = sorted((row["title"], row["parts"]) for row in parts_by_title)
    assert chunks[0] == ("", 1)
    assert chunks[1][1] > 1 and chunks[2][0] == "Cranes"
    found = report(tmp_path / "curated")
    assert found["corpus"]["untitled"] == chunks[1][1]
    assert "documents_without_title" in {finding["kind"] for finding in found["findings"]}
